"""A trader that goes on where another was, and stays stopped if that was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from small_trader import CHASE, EVENTS, SCHEDULE, START, Script, first_intents, play, trader
from stoppable import FAR, HALF, HOLD, begun, later

from btcframe.api import Action, Intent, Market, Position, TraderState
from btcframe.errors import DataError, PluginError
from btcframe.types import DAY, NS, TimeInForce


def test_a_restart_goes_on_where_it_was() -> None:
    subject = begun()
    subject.command("reduce", why="lunch")
    version = subject.version
    subject.command("halt", why="the news")
    assert subject.version > version
    later(subject)
    saved = json.loads(json.dumps(subject.save()))
    again = trader(HOLD, held=5)
    again.restore(saved)
    assert (again.state, again.cause) == (TraderState.HALTED, "halt: the news")
    assert again.save() == saved
    assert again.ledger.cash == subject.ledger.cash
    assert again.ledger.average_price == subject.ledger.average_price
    again.consume(next_day()[:HALF])
    assert len(again.audit.orders.records) == 0
    again.command("resume")
    again.consume(next_day()[HALF:])
    ids = again.audit.orders.records["order_id"]
    assert ids[0] == saved["orders"] + 1  # no id is used twice
    again.finish(flatten=True)
    assert again.ledger.position_lots == 0


def next_day() -> Any:
    """The market again, a day later."""
    moved = EVENTS.copy()
    moved["local_ts"] += DAY
    moved["exch_ts"] += DAY
    return moved


def test_a_flatten_that_was_not_done_is_done_after_the_restart() -> None:
    subject = begun()
    subject.command("flatten")
    again = trader(HOLD, held=5)
    again.restore(subject.save())
    again.consume(next_day())
    assert again.ledger.position_lots == 0


@pytest.mark.parametrize("missing", ["ledger", "orders", "stops", "flattening"])
def test_a_saved_account_that_is_not_whole_is_refused(missing: str) -> None:
    saved = begun().save()
    del saved[missing]
    with pytest.raises(
        DataError, match=rf"(?s)saved account cannot be used: KeyError: '{missing}'.*Trader.save"
    ):
        trader(HOLD, held=5).restore(saved)


def test_a_venue_that_holds_something_else_is_refused() -> None:
    with pytest.raises(PluginError, match="the venue holds 0 lots for us, our fills add up to 5"):
        trader(HOLD).restore(begun().save())


def test_the_version_goes_up_whenever_something_is_to_be_saved() -> None:
    subject = trader(CHASE, schedule=SCHEDULE)
    saved, version = subject.save(), subject.version
    for part in np.array_split(EVENTS, 200):
        subject.consume(part)
        now = subject.save()
        assert (now == saved) or subject.version > version
        saved, version = now, subject.version


# -------------------------------------------------------------------------------------------- our own orders


def test_two_of_our_orders_do_not_meet() -> None:
    """What opens is denied; for what reduces, the other order goes."""

    def decide(market: Market, position: Position) -> Sequence[Intent]:
        best = int(market.ask_ticks[0])
        if not position.working and not position.lots and market.now_ns < START + NS:
            return (
                Intent(Action.SUBMIT, -1, 1, best + 10),
                Intent(Action.SUBMIT, 1, 1, best + 10),
                Intent(Action.SUBMIT, 1, 1, 0, TimeInForce.IOC),
                Intent(Action.SUBMIT, 1, 1, best - 10),
            )
        return ()

    asked = play(trader(Script(decide))).audit.intents.records[:4]
    assert asked["veto"].tolist() == [b"", b"own_order", b"own_order", b""]

    def leave(market: Market, position: Position) -> Sequence[Intent]:
        if not position.lots:
            return first.decide(market, position)
        if any(o.side < 0 for o in position.working):
            return ()
        return (Intent(Action.SUBMIT, -1, 5, 0, TimeInForce.IOC, reduce_only=True, reason="out"),)

    far = int(EVENTS["ticks"][EVENTS["ticks"] > 0][0]) - FAR
    first = first_intents(
        Intent(Action.SUBMIT, 1, 5, 0, TimeInForce.IOC), Intent(Action.SUBMIT, 1, 5, far, reason="deep")
    )
    subject = trader(Script(leave))
    subject.consume(EVENTS)
    asked = subject.audit.intents.records
    assert b"own_order" not in asked["veto"]
    out = int(np.argmax(asked["reason"] == b"out"))
    assert (asked["action"][out - 1], asked["reason"][out - 1]) == (Action.CANCEL, b"own_order")
    assert (asked["ns"][out - 1], asked["veto"][out]) == (asked["ns"][out], b"")
