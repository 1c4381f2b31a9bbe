"""The way out without a session, at a venue that a test plays."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from answering_venue import Elsewhere, Scripted
from small_trader import INSTRUMENT

from btcframe.api import Action, Intent, Position, Recovered
from btcframe.live.flattening import flatten
from btcframe.types import FILL, NS, OrderReason, OrderState


@pytest.fixture(autouse=True)
def holds() -> Iterator[None]:
    held = Recovered(Position(-12, 60_000.0), 1e4, np.empty(0, FILL), ("canceled 2 orders",))
    Elsewhere.NOW["recovered"] = held
    yield
    Elsewhere.NOW.clear()


def gives(*lots: int) -> Any:
    """A market that has so many lots for each order."""
    left = iter(lots)

    def answer(gateway: Scripted, action: Action, order_id: int, intent: Intent | None) -> None:
        assert intent is not None and (intent.side, intent.reduce_only, intent.ticks) == (1, True, 0)
        if not (some := next(left, 0)):
            gateway.state(order_id, OrderState.REJECTED)
            return
        gateway.fill(order_id, some)
        whole = some == intent.lots
        gateway.state(order_id, OrderState.FILLED if whole else OrderState.CANCELED, some)

    return answer


def test_what_is_held_is_closed_in_as_many_orders_as_the_market_needs() -> None:
    Elsewhere.NOW["answer"] = gives(5, 4, 3)
    done = flatten(Elsewhere(), INSTRUMENT, "one")
    [gateway] = Elsewhere.NOW["gateways"]
    assert (done.closed, done.left, done.notes) == (-12, 0, ("canceled 2 orders",))
    assert [intent.lots for intent in gateway.sent.values()] == [12, 7, 3]


def test_what_was_closed_is_not_closed_again_while_the_position_is_told_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    says = iter((-12, -12))
    monkeypatch.setattr(Scripted, "reconcile", lambda self: Position(next(says, self.held)))
    Elsewhere.NOW["answer"] = gives(12)
    done = flatten(Elsewhere(), INSTRUMENT, "one")
    assert (done.closed, done.left) == (-12, 0)
    assert [intent.lots for intent in Elsewhere.NOW["gateways"][0].sent.values()] == [12]


def test_it_does_not_try_for_ever_and_says_what_is_left() -> None:
    Elsewhere.NOW["answer"] = gives(5)
    done = flatten(Elsewhere(), INSTRUMENT, "one")
    assert (done.closed, done.left) == (-5, -7)
    assert len(Elsewhere.NOW["gateways"][0].sent) == 5


def test_only_canceled() -> None:
    Elsewhere.NOW["answer"] = gives()
    done = flatten(Elsewhere(), INSTRUMENT, "one", close=False)
    assert (done.closed, done.left) == (0, -12)
    assert not Elsewhere.NOW["gateways"][0].sent


def test_an_order_that_is_not_answered_is_not_sent_again() -> None:
    Elsewhere.NOW["answer"] = lambda *request: None
    clock = itertools.count(1, NS)
    done = flatten(Elsewhere(), INSTRUMENT, "one", now=lambda: next(clock))
    assert (done.closed, done.left) == (0, -12)
    assert done.notes[-1] == "an order to close -12 lots was not answered"
    assert len(Elsewhere.NOW["gateways"][0].sent) == 1


def test_what_the_venue_stops_for_is_told() -> None:
    def answer(gateway: Scripted, *request: Any) -> None:
        gateway.host.stop("keys", "the key was taken back")
        gateway.state(1, OrderState.REJECTED, OrderReason.NONE)

    Elsewhere.NOW["answer"] = answer
    clock = itertools.count(1, NS // 10)
    assert (
        "keys: the key was taken back"
        in flatten(Elsewhere(), INSTRUMENT, "one", now=lambda: next(clock)).notes
    )
