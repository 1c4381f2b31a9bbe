"""What a trader sends that may not open, and whose idea of its position may be wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from small_trader import EVENTS, START, Script, play, trader

from btcframe.api import Action, Intent, Market, Position, TraderState
from btcframe.types import NS, OrderState, TimeInForce


def at(ns: int) -> int:
    return int(np.searchsorted(EVENTS["local_ts"], START + ns))


def opens_then(*later: Intent) -> Script:
    """Buys 20 and rests a plain sell far away; asks for more when it may only reduce."""
    asked = list[Intent]()

    def decide(market: Market, position: Position) -> list[Intent]:
        if not market.usable:
            return []
        if not position.last and not position.working:
            return [Intent(Action.SUBMIT, 1, 20, 0, TimeInForce.IOC)]
        if position.lots and not asked and market.now_ns < START + 10 * NS:
            asked.append(Intent(Action.SUBMIT, -1, 5, int(market.ask_ticks[0]) + 9_000))
            return asked[:]
        if market.now_ns > START + 15 * NS and len(asked) == 1 and not position.working:
            asked.extend(later)
            return list(later)
        return []

    return Script(decide)


def half(session: Any, name: str, **data: Any) -> Any:
    """Tell a session something after 12 of its 40 seconds."""
    session.consume(EVENTS[: at(12 * NS)])
    session.command(name, **data)
    session.consume(EVENTS[at(12 * NS) :])
    return session


def test_what_reduces_goes_out_as_reduce_only_while_nothing_may_open() -> None:
    sell = Intent(Action.SUBMIT, -1, 8, 0, TimeInForce.IOC, reason="plain")
    session = half(trader(opens_then(sell)), "reduce", code="reconcile", why="a person traded")
    sent = session.audit.intents.records
    [plain] = sent[sent["reason"] == b"plain"]
    assert (plain["reduce_only"], plain["veto"], plain["sent_lots"]) == (1, b"", 8)
    assert session.ledger.position_lots == 12


def test_where_both_do_not_agree_all_is_canceled_that_could_open() -> None:
    """Under any other cause an order that reduces stays."""
    for code, ends in (("daily_loss", OrderState.ACCEPTED), ("reconcile", OrderState.CANCELED)):
        session = half(trader(opens_then()), "reduce", code=code)
        orders = session.audit.orders.records
        assert orders[orders["order_id"] == 2]["state"][-1] == ends, code
        assert session.state == TraderState.REDUCING


def test_a_close_that_is_refused_waits_a_second() -> None:
    """The venue holds nothing for us, whatever we think."""

    class Refusing:
        def __init__(self, gateway: Any) -> None:
            self._gateway, self.closes = gateway, list[int]()

        def submit(self, order_id: int, intent: Intent, now_ns: int) -> None:
            if intent.reduce_only:
                self.closes.append(now_ns)
                intent = intent._replace(side=-intent.side)  # of which there is nothing to reduce
            self._gateway.submit(order_id, intent, now_ns)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._gateway, name)

    venues = list[Refusing]()

    def wrap(gateway: Any) -> Refusing:
        venues.append(Refusing(gateway))
        return venues[0]

    session = half(trader(opens_then(), wrap=wrap, contain=True), "flatten")
    assert session.ledger.position_lots == 20
    assert 15 < len(venues[0].closes) < 40
    assert np.diff(venues[0].closes).min() >= NS


def test_only_another_session_is_sure_again() -> None:
    """Every other cause is over when it is resumed; one that was restored is, too: the venue's count was taken."""
    session = half(trader(opens_then()), "reduce", code="reconcile", why="a person traded")
    session.command("reduce", why="lunch")
    session.command("resume")
    assert (session.state, session.stopped.code) == (TraderState.REDUCING, "reconcile")
    again = trader(opens_then(), held=session.ledger.position_lots)
    again.restore(session.save())
    again.command("resume", ns=START)
    assert again.state == TraderState.ACTIVE


def test_at_the_end_it_is_known_how_the_venue_differs() -> None:
    class Other:
        def __init__(self, gateway: Any) -> None:
            self._gateway = gateway

        def reconcile(self) -> Position:
            return Position(-3)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._gateway, name)

    session = play(trader(Script(lambda market, position: ()), wrap=Other, contain=True))
    assert session.differs == "the venue holds -3 lots for us, our fills add up to 0"
