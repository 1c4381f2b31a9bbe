"""Funding is no line of the session log: the venue comes to it again, to the bit, however the market arrives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from small_trader import CHASE, EVENTS, INSTRUMENT, Script, play, trader

from btcframe.api import Action, Intent, Market, Position
from btcframe.trading.audit import fingerprint
from btcframe.trading.differences import first_difference
from btcframe.types import NS, TimeInForce
from btcframe.venues.sim import Sim

FUNDED = INSTRUMENT._replace(funding_ns=2 * NS)


def hold(market: Market, position: Position) -> Sequence[Intent]:
    """Buys once: from then on nothing of ours works, and funding is all that the venue tells."""
    if position.lots or position.working:
        return ()
    return (Intent(Action.SUBMIT, 1, 5, 0, TimeInForce.IOC),)


def tables(policy: Script, cuts: Any = ()) -> dict[str, Any]:
    venue = Sim(latency="30ms", report_latency="20ms", feed_latency="0s", receive_funding=True)
    return play(trader(policy, instrument=FUNDED, venue=venue), cuts).audit.tables()


@pytest.mark.parametrize("policy", [CHASE, Script(hold)], ids=["chase", "hold"])
def test_funding_is_the_same_in_any_split_of_the_events(policy: Script) -> None:
    whole = tables(policy)
    assert len(whole["funding"]) > 8 and (np.diff(whole["funding"]["venue_ns"]) >= 2 * NS).all()
    paid = whole["equity"]["funding"]
    assert paid[-1] == pytest.approx(whole["funding"]["amount"].sum(), rel=1e-12)
    drawn = np.random.default_rng(1)
    for cuts in (range(len(EVENTS)), *(np.sort(drawn.integers(0, len(EVENTS), 30)) for _ in range(3))):
        split = tables(policy, cuts)
        assert first_difference(whole, split) == ""
        assert all(whole[name].tobytes() == split[name].tobytes() for name in whole)


def test_a_payment_that_differs_is_a_difference() -> None:
    """So a replay that came to another one would say so."""
    whole = tables(Script(hold))
    other = whole | {"funding": whole["funding"].copy()}
    other["funding"]["amount"][1] += 1e-9
    assert "funding[1] differs" in first_difference(whole, other)
    assert fingerprint(whole) != fingerprint(other)
