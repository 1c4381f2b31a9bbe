"""A trader at the simulated venue sees the same session however the events arrive, under every setting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from small_trader import CHASE, EVENTS, play, trader

from btcframe.api import Gateway
from btcframe.types import NS, Instrument, LatencyModel, QueueModel
from btcframe.venues.sim import Sim


@dataclass(frozen=True)
class Often:
    """A venue that settles funding every 3 s, so that some of it falls into a session of 40 s."""

    inner: Sim

    def open(self, instrument: Instrument, *, seed: int) -> Gateway:
        return self.inner.open(instrument._replace(funding_ns=3 * NS), seed=seed)


@pytest.mark.parametrize(
    "venue",
    [
        Sim(),
        Sim(latencies=LatencyModel.sampled, latency="30ms", report_latency="20ms", feed_latency="40ms"),
        Sim(
            latency="30ms", report_latency="1ms", feed_latency="80ms", queue=QueueModel.power3, bounded=False
        ),
        Sim(latency="0s", report_latency="0s", feed_latency="0s", queue=QueueModel.log, impact=False),
    ],
    ids=["default", "sampled", "slow_feed", "no_latency"],
)
def test_a_batch_of_one(venue: Sim) -> None:
    rng = np.random.default_rng(0)
    events = len(EVENTS)
    cuts = (range(1, events), sorted(rng.choice(np.arange(1, events), 40, replace=False).tolist()), [])
    tables = [play(trader(CHASE, venue=Often(venue)), how).audit.tables() for how in cuts]
    assert len(tables[0]["fills"]) > 20
    assert len(tables[0]["funding"]) > 2
    for other in tables[1:]:
        for name, table in tables[0].items():
            assert table.tobytes() == other[name].tobytes(), name
