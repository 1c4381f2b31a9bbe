"""The simulated venue by hand-made situations: what a trader may count on, and what it may not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from venue_by_hand import END, MS, NOTHING, Session, depth, events, snapshot, trade

from btcframe.api import Gateway, Reports, Venue
from btcframe.testing import VenueSuite
from btcframe.types import Kind, OrderState, TimeInForce
from btcframe.venues.sim import Sim

S, A, P, F, C, R = (
    OrderState[name]
    for name in ("SUBMITTED", "ACCEPTED", "PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED")
)


class TestContract(VenueSuite):
    def make(self) -> Sim:
        return Sim()


def test_it_is_a_venue() -> None:
    assert isinstance(Sim(), Venue)
    assert isinstance(Session().gateway, Gateway)


def test_a_market_order_takes_level_by_level_and_the_rest_is_canceled() -> None:
    session = Session()
    session.submit(5, 1, 35, tif=TimeInForce.IOC)
    assert session.go(100) == ([(1, 25, 30, C)], [(1, 1002, 10, 0), (1, 1003, 10, 0), (1, 1004, 10, 0)])
    assert session.gateway.reconcile().lots == 30


def test_a_limit_is_never_passed() -> None:
    session = Session()
    session.submit(5, -1, 25, 999, TimeInForce.IOC)
    assert session.go(100) == ([(1, 25, 20, C)], [(1, 1000, 10, 0), (1, 999, 10, 0)])


def test_the_rest_of_a_crossing_order_rests_and_takes_nothing_twice() -> None:
    session = Session()
    session.submit(5, 1, 15, 1002)
    # the ask it took is still shown, shrinks, and grows by 3: three new lots met our order
    later = [depth(30, 1, 990, 5), depth(31, -1, 1002, 4), depth(32, -1, 1002, 7)]
    assert session.go(100, *later) == ([(1, 25, 10, P), (1, 42, 13, P)], [(1, 1002, 10, 0), (1, 1002, 3, 1)])


def test_an_order_beyond_the_visible_levels_does_not_rest_crossed() -> None:
    session = Session()
    session.gateway.advance(snapshot(1, {1000: 1}, {1001 + k: 1 for k in range(30)}), MS)
    session.submit(5, 1, 100, 1025)
    orders, fills = session.go(100)
    assert orders == [(1, 25, 20, C)]
    assert [ticks for _, ticks, _, _ in fills] == list(range(1001, 1021))


@pytest.mark.parametrize(("lots", "state", "filled"), [(20, F, 20), (21, C, 0)])
def test_fill_or_kill(lots: int, state: OrderState, filled: int) -> None:
    session = Session()
    session.submit(5, 1, lots, 1003, TimeInForce.FOK)
    orders, fills = session.go(100)
    assert orders == [(1, 25, filled, state)]
    assert sum(f[2] for f in fills) == filled


def test_post_only_never_takes() -> None:
    session = Session()
    session.submit(5, 1, 5, 1002, TimeInForce.POST_ONLY)
    session.submit(5, 1, 5, 1001, TimeInForce.POST_ONLY, order_id=2)
    assert session.go(50) == ([(1, 25, 0, R), (2, 25, 0, A)], [])
    session.gateway.amend(2, 1002, 5, 60 * MS)  # an amendment that would cross
    assert session.go(100) == ([(2, 80, 0, C)], [])


def test_a_print_at_a_worse_price_fills_at_most_what_was_printed() -> None:
    session = Session()
    session.submit(5, 1, 5, 999, TimeInForce.POST_ONLY)
    elsewhere = [trade(20, -1, 1000, 50), trade(22, 1, 998, 50)]  # a better price; a buyer
    assert session.go(30, *elsewhere) == ([(1, 25, 0, A)], [])
    through = [trade(31, -1, 998, 3), trade(32, -1, 998, 9)]
    assert session.go(100, *through) == ([(1, 41, 3, P), (1, 42, 5, F)], [(1, 999, 3, 1), (1, 999, 2, 1)])
    assert not session.gateway.busy


def test_an_order_that_was_not_there_yet_is_not_filled() -> None:
    session = Session()
    session.submit(5, 1, 5, 999)
    assert session.go(30, trade(15, -1, 990, 50)) == (
        [(1, 25, 0, A)],
        [],
    )  # it arrives at 15, the print was first
    assert session.go(60, trade(31, -1, 990, 50))[1] == [(1, 999, 5, 1)]


def test_the_opposite_best_crossing_fills_what_it_offers() -> None:
    session = Session()
    session.submit(5, -1, 12, 1003)
    moves = [depth(30, -1, 1002, 0), depth(31, 1, 1003, 4), depth(32, -1, 1003, 0)]
    # at 31 the book is locked: nothing can be said; at 32 the bid stands at our price, so all there was has traded
    assert session.go(60, *moves) == ([(1, 25, 0, A), (1, 42, 4, P)], [(1, 1003, 4, 1)])


def test_one_print_is_shared_best_price_first_then_by_time() -> None:
    session = Session()
    for n, ticks in enumerate((999, 1000, 999), start=1):
        session.submit(n, 1, 4, ticks, order_id=n)
    _, fills = session.go(60, trade(30, -1, 990, 9))
    assert fills == [(2, 1000, 4, 1), (1, 999, 4, 1), (3, 999, 1, 1)]


def test_amending_the_price_or_adding_size_loses_priority_taking_size_away_does_not() -> None:
    for lots, first in ((8, 2), (3, 1)):
        session = Session()
        session.submit(1, 1, 4, 999, order_id=1)
        session.submit(2, 1, 4, 999, order_id=2)
        session.go(30)
        session.gateway.amend(1, 999, lots, 30 * MS)
        _, fills = session.go(90, trade(50, -1, 990, 2))
        assert fills == [(first, 999, 2, 1)]


def test_an_amendment_that_crosses_takes() -> None:
    session = Session()
    session.submit(1, 1, 4, 999)
    session.go(30)
    session.gateway.amend(1, 1002, 6, 30 * MS)
    assert session.go(90) == ([(1, 50, 6, F)], [(1, 1002, 6, 0)])


def test_amending_to_no_more_than_is_filled_ends_the_order() -> None:
    session = Session()
    session.submit(1, 1, 4, 999)
    session.go(30, trade(29, -1, 990, 2))
    session.gateway.amend(1, 999, 2, 30 * MS)
    assert session.go(90)[0] == [(1, 39, 2, P), (1, 50, 2, C)]


def test_an_order_may_fill_while_its_cancel_is_on_its_way() -> None:
    session = Session()
    session.submit(1, 1, 4, 999)
    session.go(30)
    session.gateway.cancel(1, 30 * MS)
    assert session.go(90, trade(35, -1, 990, 3)) == ([(1, 45, 3, P), (1, 50, 3, C)], [(1, 999, 3, 1)])


def test_canceling_a_filled_order_is_too_late_and_leaves_nothing_under_way() -> None:
    session = Session()
    session.submit(1, 1, 4, tif=TimeInForce.IOC)
    session.gateway.cancel(1, 2 * MS)
    session.gateway.cancel(7, 15 * MS)
    assert session.go(24)[0] == [(1, 21, 4, F)]
    assert session.gateway.busy
    assert session.go(90) == ([], [])
    assert not session.gateway.busy


def test_reduce_only_never_opens() -> None:
    session = Session()
    session.submit(1, -1, 5, tif=TimeInForce.IOC, reduce_only=True)  # nothing to reduce
    session.submit(2, 1, 6, tif=TimeInForce.IOC, order_id=2)
    session.submit(3, -1, 9, tif=TimeInForce.IOC, order_id=3, reduce_only=True)  # more than there is
    orders, _ = session.go(60)
    assert orders == [(1, 21, 0, R), (2, 22, 6, F), (3, 23, 6, C)]
    assert session.gateway.reconcile().lots == 0
    session.submit(61, 1, 6, tif=TimeInForce.IOC, order_id=4)
    session.submit(62, -1, 6, 1003, order_id=5, reduce_only=True)
    session.submit(63, -1, 6, tif=TimeInForce.IOC, order_id=6)  # closes: order 5 has nothing left to do
    orders, _ = session.go(120)
    assert orders == [(4, 81, 6, F), (5, 82, 0, A), (6, 83, 6, F), (5, 83, 0, C)]


def test_nothing_is_matched_on_a_book_that_cannot_be_trusted() -> None:
    session = Session()
    session.submit(1, 1, 5, 999)
    gap = events((30, Kind.GAP, 0, 0, 0, END))
    assert session.go(40, gap, trade(35, -1, 990, 50)) == ([(1, 21, 0, A)], [])
    session.submit(41, 1, 5, 1002, order_id=2)
    session.gateway.amend(1, 998, 5, 42 * MS)
    session.submit(43, -1, 5, 1100, order_id=3)
    orders, fills = session.go(70)
    assert orders == [(2, 61, 0, R), (1, 62, 0, A), (3, 63, 0, R)]
    # the first whole book stands below our price: the market went through it in the meantime
    _, fills = session.go(120, snapshot(80, {990: 10}, {995: 4, 997: 9}))
    assert fills == [(1, 999, 5, 1)]


def test_cancel_works_on_a_book_that_cannot_be_trusted() -> None:
    session = Session()
    session.submit(1, 1, 5, 999)
    session.go(29)
    session.gateway.cancel(1, 30 * MS)
    assert session.go(70, events((31, Kind.GAP, 0, 0, 0, END)))[0] == [(1, 50, 0, C)]


def test_fees_and_stamps() -> None:
    session = Session(maker_fee_bps=-1.0, taker_fee_bps=5.0)
    session.submit(5, 1, 20, 1002)
    _, reports = session.gateway.advance(NOTHING, 50 * MS)
    # 10 lots of 0.001 at 100.2: notional 1.002
    assert reports.fills["fee"].tolist() == pytest.approx([1.002 * 5e-4], rel=1e-12)
    assert (reports.fills["venue_ns"][0], reports.fills["ns"][0]) == (15 * MS, 25 * MS)
    _, reports = session.gateway.advance(trade(60, -1, 1000, 50), 90 * MS)
    assert reports.fills["fee"].tolist() == pytest.approx([-1.002e-4], rel=1e-12)


def test_it_stops_when_a_report_is_due_before_the_next_event() -> None:
    session = Session()
    session.submit(0, 1, 5, 999, order_id=1)
    session.submit(1, 1, 5, 999, order_id=2)
    quiet = np.concatenate([depth(at, 1, 900, at) for at in (5, 12, 19, 22, 30)])
    taken, reports = session.gateway.advance(quiet, 40 * MS)
    assert (taken, reports.orders["ns"].tolist()) == (3, [20 * MS])
    # known at 21: before the event of 22, after what was known at 20
    taken, reports = session.gateway.advance(quiet[3:], 40 * MS)
    assert (taken, reports.orders["ns"].tolist()) == (0, [21 * MS])
    assert session.gateway.advance(quiet[3:], 40 * MS)[0] == 2


def test_what_is_due_until_the_end_comes_at_once() -> None:
    session = Session()
    session.submit(0, 1, 5, 999, order_id=1)
    session.submit(1, 1, 5, 999, order_id=2)
    taken, reports = session.gateway.advance(depth(5, 1, 900, 5), 21 * MS)
    assert (taken, reports.orders["ns"].tolist()) == (1, [20 * MS, 21 * MS])


def test_the_market_of_the_same_moment_is_first() -> None:
    session = Session()
    session.submit(5, 1, 10, tif=TimeInForce.IOC)
    assert session.go(15, depth(15, -1, 1002, 0)) == ([], [])
    assert session.go(25)[1] == [(1, 1003, 10, 0)]


def test_many_orders_and_reports() -> None:
    session = Session()
    for n in range(1, 301):
        session.submit(n // 100, 1, 1, 999, order_id=n)
    orders, _ = session.go(30)
    assert [o[0] for o in orders] == list(range(1, 301))
    orders, fills = session.go(60, trade(40, -1, 990, 250))
    assert [f[0] for f in fills] == list(range(1, 251))
    for n in range(251, 301):
        session.gateway.cancel(n, 60 * MS)
    assert len(session.go(100)[0]) == 50
    assert not session.gateway.busy


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"latency": "fast"}, "latency: 'fast' is not a duration"),
        ({"report_latency": "-1ms"}, "report_latency: '-1ms' is not a duration"),
        ({"feed_latency": "1"}, "feed_latency: '1' is not a duration"),
        ({"taker_fee_bps": float("nan")}, "taker_fee_bps: nan bps is not a fee"),
        ({"maker_fee_bps": 5000.0}, "maker_fee_bps: 5000.0 bps is not a fee"),
        ({"funding_bps": float("inf")}, "funding_bps: inf bps is not a rate"),
        ({"queue_power": 0.0}, "queue_power: 0.0 does not lie between 0 and 100"),
        ({"spread": float("nan")}, "spread: nan does not lie between 0 and 2"),
        ({"levels": 0}, "levels: 0 does not lie between 1 and 16384"),
    ],
)
def test_impossible_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sim(**settings)


def test_no_reports_is_empty_tables() -> None:
    taken, reports = Session().gateway.advance(NOTHING, MS)
    assert taken == 0
    assert isinstance(reports, Reports)
    assert (len(reports.orders), len(reports.fills)) == (0, 0)


def test_memory_is_that_of_the_orders_at_work() -> None:
    """Orders that come and go, fills and takes among them, leave nothing behind."""

    def held(session: Session) -> int:
        return sum(table.nbytes for table in vars(session.gateway).values() if isinstance(table, np.ndarray))

    session = Session()
    size, heard = [], 0
    for n in range(1, 3001):
        at = 100 * n
        session.submit(at, 1, 3, 1002, TimeInForce.IOC, order_id=2 * n)
        session.submit(at, -1, 3, 1003, order_id=2 * n + 1)
        session.gateway.cancel(2 * n + 1, (at + 50) * MS)
        moves = [
            depth(at + 20, -1, 1002, 10 + n % 7),
            trade(at + 30, 1, 1003, 15),
            depth(at + 60, 1, 1000, n),
        ]
        heard += len(session.go(at + 90, *moves)[0])
        size.append(held(session))
    assert heard > 6000
    assert size[-1] == size[10]


def test_a_book_of_many_levels_is_taken_whole() -> None:
    session = Session(levels=16_384)
    session.gateway.advance(snapshot(1, {1000: 1}, {1001 + k: 1 for k in range(5000)}), MS)
    session.submit(5, 1, 6000, tif=TimeInForce.IOC)
    orders, fills = session.go(100)
    assert orders == [(1, 25, 5000, C)]
    assert [f[1] for f in fills] == list(range(1001, 6001))
