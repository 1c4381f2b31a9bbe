"""Orders as we know them while changes of them are on their way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from small_trader import START, Script, play, trader

from btcframe.api import Action, Intent, Market, Position, Veto, Wakes, Working
from btcframe.trading.audit import Table
from btcframe.trading.orders import Orders
from btcframe.types import NS, ORDER, OrderReason, OrderState, TimeInForce

FIRST, SECOND, THIRD = (100, 5), (101, 5), (102, 8)


def sent(*amended: tuple[int, int]) -> Orders:
    """An order of 5 lots at 100 that the venue has taken, and amendments on their way."""
    orders = Orders(Table(ORDER), "BTC/USDT:USDT")
    ticks, lots = FIRST
    orders.add(Intent(Action.SUBMIT, 1, lots, ticks), 1, 0, -1, OrderState.SUBMITTED)
    said(orders, FIRST)
    for n, (ticks, lots) in enumerate(amended):
        orders.amending(1, ticks, lots, 10 + n)
    return orders


def refused(what: str, hint: str) -> None:
    raise AssertionError(what)


def said(orders: Orders, place: tuple[int, int], filled: int = 0, why: int = 0) -> Working:
    """What is known after a report."""
    record = np.zeros(1, ORDER)
    record["order_id"], record["ns"], record["side"], record["tif"] = 1, 50, 1, TimeInForce.GTC
    record["ticks"], record["lots"] = place
    record["filled_lots"], record["why"] = filled, why
    record["state"] = OrderState.PARTIALLY_FILLED if filled else OrderState.ACCEPTED
    orders.report(record, refused)
    order = orders.get(1)
    assert order is not None
    return order


def test_a_late_confirmation_does_not_take_back_what_was_asked_for_since() -> None:
    orders = sent(SECOND, THIRD)
    order = said(orders, SECOND)
    assert (order.ticks, order.lots) == THIRD
    order = said(orders, THIRD)
    assert (order.ticks, order.lots) == THIRD


def test_a_fill_at_the_old_price_answers_no_amendment() -> None:
    orders = sent(SECOND)
    order = said(orders, FIRST, filled=2)
    assert (order.ticks, order.lots, order.filled_lots) == (101, 5, 2)
    order = said(orders, SECOND, filled=2)
    assert (order.ticks, order.lots) == SECOND


def test_what_the_venue_refuses_is_as_it_was() -> None:
    orders = sent(THIRD)
    order = said(orders, FIRST, why=OrderReason.NO_BOOK)
    assert (order.ticks, order.lots) == FIRST
    orders = sent(SECOND, THIRD)
    order = said(orders, FIRST, why=OrderReason.NO_BOOK)  # the second amendment is still on its way
    assert (order.ticks, order.lots) == THIRD
    order = said(orders, FIRST, why=OrderReason.NO_BOOK)
    assert (order.ticks, order.lots) == FIRST


def test_an_order_counts_as_large_as_it_may_become() -> None:
    """Whichever of the amendments still comes through."""
    orders = sent(THIRD, SECOND)
    order = said(orders, FIRST, filled=1)
    assert (order.ticks, order.lots) == (101, 8)
    assert said(orders, THIRD, filled=1).lots == 8
    assert said(orders, SECOND, filled=1).lots == 5


def test_an_amendment_that_comes_before_the_order_is_confirmed() -> None:
    orders = Orders(Table(ORDER), "BTC/USDT:USDT")
    orders.add(Intent(Action.SUBMIT, 1, 5, 100), 1, 0, -1, OrderState.SUBMITTED)
    orders.amending(1, *THIRD, 2)
    order = said(orders, FIRST)
    assert (order.ticks, order.lots) == THIRD
    assert said(orders, THIRD)[2:4] == THIRD


def test_an_order_that_the_venue_cuts_is_as_small_as_it_says() -> None:
    orders = Orders(Table(ORDER), "BTC/USDT:USDT")
    orders.add(Intent(Action.SUBMIT, -1, 5, 100, reduce_only=True), 1, 0, -1, OrderState.SUBMITTED)
    assert said(orders, (100, 3), filled=1).lots == 3


def test_a_policy_sees_that_its_amendment_was_denied_and_when() -> None:
    """A rule that says no to it: the order works on as it was, and knows when."""
    seen: list[tuple[int, int]] = []

    def decide(market: Market, position: Position) -> Sequence[Intent]:
        far = int(market.bid_ticks[0]) - 3000
        if not position.working:
            return (Intent(Action.SUBMIT, 1, 1, far, TimeInForce.POST_ONLY),)
        order = position.working[0]
        seen.append((market.now_ns, order.denied_ns))
        return (Intent(Action.AMEND, lots=2, ticks=far + 1, order_id=order.order_id),)

    class No:
        def check(self, intent: Intent, account: object, market: Market) -> Intent | Veto:
            return Veto("no") if intent.action == Action.AMEND else intent

    subject = trader(Script(decide, Wakes(timer_ns=NS // 5)), {"no": No()})
    play(subject)
    assert len(seen) > 50 and seen[0][1] == 0
    assert [denied for _, denied in seen[1:]] == [now for now, _ in seen[:-1]]
    assert subject.vetoes["no"] == len(seen) and seen[0][0] > START


def test_a_time_in_force_is_one_whatever_kind_of_number_it_came_as() -> None:
    """The simulated venue writes numbers; a real one asks which it is."""
    orders = Orders(Table(ORDER), "BTC/USDT:USDT")
    for number in (4, np.int8(4), TimeInForce.POST_ONLY):
        intent, veto = orders.complete(Intent(Action.SUBMIT, 1, 5, 100, number))  # type: ignore[arg-type]
        assert veto == "" and intent.tif is TimeInForce.POST_ONLY
