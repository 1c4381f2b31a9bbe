"""A trader whose feature or regime breaks in the middle of a session: named, gated, and the same however it is replayed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from small_trader import CASH, CHASE, EVENTS, HORIZONS, INSTRUMENT, SCHEDULE, Book, Flat, play

from btcframe.api import TraderState
from btcframe.clocks.time import TimeClock
from btcframe.pipeline import Pipeline
from btcframe.trading.trader import Trader
from btcframe.types import NS
from btcframe.venues.sim import Sim

AT = 120  # the row it breaks at, in the middle of the first model's time


def breaks(what: type[Any], how: str) -> Any:
    """A Book or Flat that breaks at a row."""

    @dataclass(frozen=True)
    class Breaking(what):  # type: ignore[misc]
        seen: list[int] = field(default_factory=lambda: [0])

        def update(self, rows: Any, state: Any, out: Any) -> None:
            super().update(rows, state, out)
            self.seen[0] += len(rows)
            if self.seen[0] > AT:
                if how == "raises":
                    raise RuntimeError("it broke")
                out[:] = np.zeros((len(rows) + 1, out.shape[1] + 1))  # the wrong shape

    return Breaking()


def session(book: Any, flat: Any, cuts: tuple[int, ...] = ()) -> Trader:
    pipeline = Pipeline(INSTRUMENT, TimeClock("100ms"), {"book": book}, flat, wakes=CHASE.wakes, contain=True)
    gateway = Sim(latency="30ms", report_latency="20ms", feed_latency="0s").open(INSTRUMENT, seed=0)
    subject = Trader(
        pipeline, gateway, CHASE, {}, contain=True, cash=CASH, schedule=SCHEDULE, horizons_ns=HORIZONS
    )
    return play(subject, cuts, finish=False)


@pytest.mark.parametrize("how", ["raises", "shape"])
@pytest.mark.parametrize(("part", "name"), [(Book, "features.book"), (Flat, "regime")])
def test_what_breaks_is_named_and_nothing_is_opened_any_more(part: Any, name: str, how: str) -> None:
    def parts() -> tuple[Any, Any]:
        broken = breaks(part, how)
        return (broken, Flat()) if part is Book else (Book(), broken)

    subject, sound = session(*parts()), session(Book(), Flat())
    assert list(subject.contained) == [name]
    assert subject.state == TraderState.REDUCING
    assert subject.cause.startswith(f"contained.{name}: ")
    intents, expected = subject.audit.intents.records, sound.audit.intents.records
    before = subject.audit.stops.records["ns"][0]
    early = intents["ns"] < before
    assert 0 < early.sum() < len(expected)
    assert intents[early].tobytes() == expected[expected["ns"] < before].tobytes()
    equity = subject.audit.equity.records
    held = np.abs(equity["position_lots"][equity["row_ns"] > before + NS])  # what was under way has arrived
    assert len(held) > 100 and (np.diff(held) <= 0).all()
    assert not sound.contained and sound.state == TraderState.ACTIVE
    for cuts in ((500, 501, 900), tuple(range(7, len(EVENTS), 97))):
        again = session(*parts(), cuts)
        for table in ("intents", "orders", "fills", "equity", "stops"):
            ours, theirs = getattr(again.audit, table), getattr(subject.audit, table)
            assert ours.records.tobytes() == theirs.records.tobytes(), table
