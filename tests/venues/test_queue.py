"""Where a resting order stands in its queue, and what is left of a level we took from."""

from __future__ import annotations

import math
from typing import Any

import pytest
from naive_queue import from_behind
from venue_by_hand import Session, depth, snapshot, trade

from btcframe.types import OrderReason, OrderState, QueueModel, TimeInForce

A, P, F, C, R = (
    OrderState[name] for name in ("ACCEPTED", "PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED")
)
MODELS = [QueueModel.log, QueueModel.log2, QueueModel.power, QueueModel.power2, QueueModel.power3]


def joined(**settings: Any) -> Session:
    """5 lots bid at 999, behind the 10 that are shown there."""
    session = Session(**settings)
    session.submit(5, 1, 5, 999, TimeInForce.POST_ONLY)
    session.go(28)
    return session


def filled(session: Session, *batches: Any) -> list[int]:
    """Lots of each of our fills, all of them at 999 as maker."""
    fills = session.go(300, *batches)[1]
    assert all(f[1] == 999 and f[3] for f in fills)
    return [f[2] for f in fills]


@pytest.mark.parametrize("queue", [QueueModel.trades, QueueModel.risk_averse, *MODELS])
def test_prints_go_to_those_before_us_first(queue: QueueModel) -> None:
    prints = [trade(30, -1, 999, 6), trade(31, -1, 999, 4), trade(32, -1, 999, 3), trade(33, -1, 999, 9)]
    assert filled(joined(queue=queue), *prints) == [3, 2]


def test_through_never_fills_at_the_touch() -> None:
    assert filled(joined(queue=QueueModel.through), trade(30, -1, 999, 90)) == []
    assert filled(joined(queue=QueueModel.through), trade(30, -1, 999, 90), trade(31, -1, 998, 2)) == [2]


def test_what_is_shown_does_not_move_trades_but_caps_risk_averse() -> None:
    shrinks = [depth(30, 1, 999, 2), trade(31, -1, 999, 3)]
    assert filled(joined(queue=QueueModel.trades), *shrinks) == []
    assert filled(joined(queue=QueueModel.risk_averse), *shrinks) == [1]
    # a feed whose depth comes before its prints: the 4 lots that were traded are counted twice
    twice = [depth(30, 1, 999, 6), trade(31, -1, 999, 4), depth(32, 1, 999, 4), trade(33, -1, 999, 4)]
    assert filled(joined(queue=QueueModel.risk_averse), *twice) == [2]
    assert filled(joined(queue=QueueModel.trades), *twice) == []


@pytest.mark.parametrize("queue", MODELS)
@pytest.mark.parametrize("power", [0.5, 3.0])
def test_cancels_are_shared_between_those_before_and_behind(queue: QueueModel, power: float) -> None:
    """10 ahead; 2000 join behind; then 1000 of the 2010 go without a print."""
    session = joined(queue=queue, queue_power=power)
    p = from_behind(queue, 10, 2000, power, 0.001)
    ahead = 10 - (1 - p) * 1000 + min(2000 - p * 1000, 0)
    needed = max(math.floor(ahead + 0.5) + 1, 1)  # the first print that reaches us, rounded to a lot
    moves = [depth(30, 1, 999, 2010), depth(31, 1, 999, 1010)]
    for print_lots, reaches in ((needed - 1, False), (needed, True)):
        session = joined(queue=queue, queue_power=power)
        prints = [trade(32, -1, 999, print_lots)] if print_lots else []
        assert bool(filled(session, *moves, *prints)) == reaches


@pytest.mark.parametrize("queue", MODELS)
def test_what_was_traded_is_not_taken_for_canceled(queue: QueueModel) -> None:
    # 4 of the 10 before us trade, and the level says so: 6 are left before us
    told = [trade(30, -1, 999, 4), depth(31, 1, 999, 6), trade(32, -1, 999, 6), trade(33, -1, 999, 1)]
    assert filled(joined(queue=queue), *told) == [1]


def test_the_queue_of_a_level_nobody_has_told_of_is_not_short() -> None:
    session = Session(queue=QueueModel.risk_averse)
    session.submit(5, 1, 5, 990)  # the book ends at 998
    prints = [trade(30, -1, 990, 500), depth(31, 1, 990, 7), trade(32, -1, 990, 9)]
    assert session.go(90, *prints) == ([(1, 25, 0, A), (1, 42, 2, P)], [(1, 990, 2, 1)])


def test_a_price_between_the_levels_has_no_queue() -> None:
    session = Session()
    session.submit(5, 1, 5, 1001)
    assert session.go(90, trade(30, -1, 1001, 4))[1] == [(1, 1001, 4, 1)]


def test_a_print_through_the_price_empties_the_queue() -> None:
    assert filled(joined(), trade(30, -1, 998, 2), trade(31, -1, 999, 2)) == [2, 2]


def test_an_amended_price_stands_at_the_end_again_and_less_size_keeps_its_place() -> None:
    for ticks, lots, got in ((999, 4, [4]), (998, 5, [])):
        session = joined()
        session.gateway.amend(1, ticks, lots, 28_000_000)
        fills = session.go(90, trade(40, -1, ticks, 1), trade(41, -1, 999, 9), trade(42, -1, ticks, 5))[1]
        assert [f[2] for f in fills] == got


def test_of_a_print_the_older_order_takes_its_part_first() -> None:
    session = joined()
    session.submit(30, 1, 5, 999, order_id=2)
    session.go(60)
    # 10 of 12 are for those before us, 2 for order 1; of the next 4, 3 for order 1, and 1 comes to order 2
    assert session.go(90, trade(61, -1, 999, 12), trade(62, -1, 999, 4))[1] == [
        (1, 999, 2, 1),
        (1, 999, 3, 1),
        (2, 999, 1, 1),
    ]


def test_unbounded_fills_what_is_touched() -> None:
    session = joined(bounded=False)
    session.submit(28, 1, 7, 999, order_id=2)
    assert session.go(90, trade(50, -1, 998, 1))[1] == [(1, 999, 5, 1), (2, 999, 7, 1)]


# ------------------------------------------------------------------------------------------------ our own impact


def test_what_we_took_is_gone_until_the_market_renews_it() -> None:
    session = Session()
    session.submit(1, 1, 6, 1002, TimeInForce.IOC, order_id=1)
    session.submit(2, 1, 6, 1002, TimeInForce.IOC, order_id=2)
    assert session.go(29)[1] == [(1, 1002, 6, 0), (2, 1002, 4, 0)]
    assert session.why == [OrderReason.NONE, OrderReason.UNFILLED]
    # the level grows by 3, shrinks to 2, grows to 9: 3 and 7 lots are new
    for at, shown, new in ((30, 13, 3), (60, 2, 0), (90, 9, 7)):
        session.submit(at, 1, 50, 1002, TimeInForce.IOC, order_id=at)
        fills = session.go(at + 29, depth(at + 1, -1, 1002, shown))[1]
        assert sum(f[2] for f in fills) == new
    session.submit(120, 1, 50, 1002, TimeInForce.IOC, order_id=9)
    assert session.go(149, depth(121, -1, 1002, 0), depth(122, -1, 1002, 8))[1] == [(9, 1002, 8, 0)]


def test_a_snapshot_is_no_renewal_but_a_level_it_lacks_is_gone() -> None:
    session = Session()
    session.submit(1, 1, 20, 1003, TimeInForce.IOC)  # both levels, whole
    session.go(29)
    same = snapshot(30, {1000: 10}, {1002: 10, 1004: 10})  # 1002 stands as before, 1003 is not there
    session.submit(31, 1, 30, 1003, TimeInForce.IOC, order_id=2)
    assert session.go(59, same, depth(32, -1, 1003, 6))[1] == [(2, 1003, 6, 0)]


def test_without_impact_the_same_level_is_taken_twice() -> None:
    session = Session(impact=False)
    session.submit(1, 1, 10, 1002, TimeInForce.IOC, order_id=1)
    session.submit(2, 1, 10, 1002, TimeInForce.IOC, order_id=2)
    assert session.go(29)[1] == [(1, 1002, 10, 0), (2, 1002, 10, 0)]


def test_a_level_we_emptied_does_not_stop_a_post_only_order() -> None:
    session = Session()
    session.submit(1, 1, 10, 1002, TimeInForce.IOC, order_id=1)
    session.submit(2, 1, 3, 1002, TimeInForce.POST_ONLY, order_id=2)
    assert session.go(29)[0] == [(1, 21, 10, F), (2, 22, 0, A)]


def test_fill_or_kill_counts_what_is_left() -> None:
    session = Session()
    session.submit(1, 1, 5, 1002, TimeInForce.IOC, order_id=1)
    session.submit(2, 1, 6, 1002, TimeInForce.FOK, order_id=2)
    assert session.go(29)[0] == [(1, 21, 5, F), (2, 22, 0, C)]
    assert session.why[1] == OrderReason.FOK


def test_a_taker_sees_so_many_levels() -> None:
    session = Session(levels=2)
    session.submit(1, 1, 25, tif=TimeInForce.IOC)
    assert [f[1] for f in session.go(29)[1]] == [1002, 1003]


# ---------------------------------------------------------------------------------------------- our orders meet


@pytest.mark.parametrize(
    ("tif", "lots", "ticks", "state", "got", "why"),
    [
        (TimeInForce.IOC, 15, 0, C, 10, OrderReason.SELF),  # takes what is better than our own, and no more
        (TimeInForce.GTC, 15, 1003, C, 10, OrderReason.SELF),
        (TimeInForce.IOC, 8, 0, F, 8, OrderReason.NONE),
        (TimeInForce.FOK, 15, 1004, C, 0, OrderReason.FOK),
        (TimeInForce.GTC, 15, 1002, P, 10, OrderReason.NONE),  # does not reach it
    ],
)
def test_our_orders_never_trade_with_each_other(
    tif: TimeInForce, lots: int, ticks: int, state: OrderState, got: int, why: OrderReason
) -> None:
    session = Session()
    session.submit(1, -1, 5, 1003)
    session.submit(2, 1, lots, ticks, tif, order_id=2)
    orders, fills = session.go(29)
    assert orders == [(1, 21, 0, A), (2, 22, got, state)]
    assert session.why[1] == why
    assert sum(f[2] for f in fills) == got


def test_post_only_does_not_join_the_other_side_of_our_own() -> None:
    session = Session()
    session.submit(1, -1, 5, 1001)
    session.submit(2, 1, 5, 1001, TimeInForce.POST_ONLY, order_id=2)
    assert session.go(29)[0] == [(1, 21, 0, A), (2, 22, 0, R)]
    assert session.why[1] == OrderReason.SELF
