"""When our orders meet the market, and when we hear of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from venue_by_hand import END, INSTRUMENT, MS, Session, depth, events, snapshot, stamped, trade

from btcframe.api import Action, Intent
from btcframe.types import Kind, LatencyModel, OrderState, TimeInForce
from btcframe.venues.sim import Sim

A, F = OrderState.ACCEPTED, OrderState.FILLED
IOC = TimeInForce.IOC


def test_an_order_meets_the_market_as_it_was_at_the_venue() -> None:
    """What we receive at 22 happened at 17; an order that arrives at 16 is before it, one at 18 after."""
    for sent, price in ((6, 1002), (8, 1003)):
        session = Session(feed_latency="5ms")
        session.submit(sent, 1, 5, tif=IOC)
        _, fills = session.go(60, depth(22, -1, 1002, 0), depth(40, 1, 900, 1))
        assert fills == [(1, price, 5, 0)]


def test_recorded_lateness_counts_from_the_fastest_message() -> None:
    """The exchange's clock is 1 s ahead of ours: only differences tell."""
    for sent, price in ((2, 1002), (6, 1003)):
        session = Session()
        fast = stamped(depth(10, 1, 900, 1), 1010)
        slow = stamped(depth(30, -1, 1002, 0), 1015)  # 15 ms later than the fastest: it happened at 15
        session.go(10, fast)
        session.submit(sent, 1, 5, tif=IOC)  # at the venue 10 ms later
        _, fills = session.go(60, slow, stamped(depth(40, 1, 900, 2), 1040))
        assert fills == [(1, price, 5, 0)]


def test_with_constant_latencies_stamps_do_not_count() -> None:
    session = Session(latencies=LatencyModel.constant)
    session.go(10, stamped(depth(10, 1, 900, 1), 1010))
    session.submit(6, 1, 5, tif=IOC)
    assert session.go(60, stamped(depth(30, -1, 1002, 0), 1015))[1] == [(1, 1002, 5, 0)]


def test_a_line_that_is_slow_one_way_is_slow_the_other_way() -> None:
    session = Session()
    session.go(10, stamped(depth(10, 1, 900, 1), 10))
    session.go(20, stamped(depth(20, 1, 900, 2), 16))  # 4 ms late
    session.submit(20, 1, 5, 999)
    quick = [stamped(depth(at, 1, 900, at), at) for at in (33, 34, 35)]
    orders, _ = session.go(90, *quick)
    assert orders == [(1, 44, 0, A)]  # there at 20 + 10 + 4; when it is answered the line is quick again


def test_a_message_that_took_an_hour_was_not_on_its_way_for_an_hour() -> None:
    session = Session()
    session.go(10, stamped(depth(10, 1, 900, 1), 10))
    stall = stamped(depth(3_600_000, 1, 900, 2), 20)
    session.go(3_600_000, stall)
    session.submit(3_600_000, 1, 5, 999)
    orders, _ = session.go(3_700_000, stamped(depth(3_650_000, 1, 900, 3), 3_650_000))
    # a second at most: there after 1,010 ms, and back after as long
    assert [(o[1], o[3]) for o in orders] == [(3_602_020, A)]


def test_a_fill_is_known_after_the_market_data_of_its_moment() -> None:
    """A print of 20 reaches us at 50; the private report of it would at 30."""
    session = Session(feed_latency="30ms")
    session.submit(0, 1, 5, 999)
    quiet = depth(49, 1, 900, 1)
    session.go(49, quiet)
    orders, fills = session.go(49)
    assert (orders, fills) == ([], [])
    taken, reports = session.gateway.advance(trade(50, -1, 998, 9), 50 * MS)
    assert (taken, len(reports.fills)) == (1, 0), "not with the print"
    _, reports = session.gateway.advance(events(), 51 * MS)
    assert reports.fills["venue_ns"].tolist() == [20 * MS]
    assert reports.fills["ns"].tolist() == [50 * MS + 1], "right after it"


def test_a_print_from_before_our_order_does_not_fill_it() -> None:
    """Trades come on a slower line than depth: one that happened before the order arrived is seen after."""
    session = Session()
    session.go(10, stamped(depth(10, 1, 900, 1), 10))
    session.submit(10, 1, 5, 999)  # there at 20
    late = [stamped(depth(22, 1, 900, 2), 22), stamped(trade(30, -1, 998, 9), 19)]
    assert session.go(60, *late)[1] == []
    assert session.go(90, stamped(trade(61, -1, 998, 9), 61))[1] == [(1, 999, 5, 1)]


def test_a_heartbeat_says_only_that_nothing_is_a_second_late() -> None:
    session = Session()
    session.go(10, stamped(depth(10, 1, 900, 1), 10))
    session.submit(10, 1, 5, 999)
    beats = [events((at, Kind.HEARTBEAT, 0, 0, 0, END)) for at in (500, 1020, 1021)]
    taken, reports = session.gateway.advance(np.concatenate(beats), 1021 * MS)
    assert taken == 2
    # arrived at 20, known at 30 by the wire, but not before we know that nothing else came first
    assert reports.orders["venue_ns"].tolist() == [20 * MS]
    assert reports.orders["ns"].tolist() == [1020 * MS + 1]


def test_no_time_at_all() -> None:
    session = Session(latency="0s", report_latency="0s")
    session.submit(0, 1, 5, tif=IOC)
    taken, reports = session.gateway.advance(depth(4, 1, 900, 1), 4 * MS)
    assert (taken, reports.fills["ns"].tolist()) == (0, [1]), "before the next event, after the last one"


def sampled(seed: int, n: int = 400, **settings: Any) -> Any:
    """ns each of many orders took to the venue and back."""

    usual = {
        "latency": "10ms",
        "report_latency": "20ms",
        "feed_latency": "0s",
        "latencies": LatencyModel.sampled,
    }
    gateway = Sim(**usual | settings).open(INSTRUMENT, seed=seed)

    gateway.advance(snapshot(0, {1000: 10}, {1002: 10}), 0)
    there, back = [], []
    for n_th in range(1, n + 1):
        sent = n_th * 1000 * MS
        gateway.submit(n_th, Intent(Action.SUBMIT, 1, 1, 900), sent)
        _, reports = gateway.advance(events(), sent + 999 * MS)
        there.append(int(reports.orders["venue_ns"][0]) - sent)
        back.append(int(reports.orders["ns"][0] - reports.orders["venue_ns"][0]))
    return np.array(there), np.array(back)


def test_sampled_latencies() -> None:
    there, back = sampled(1)
    assert abs(np.median(there) / MS - 10) < 1
    assert abs(np.median(back) / MS - 20) < 2
    for took in (there, back):
        assert abs(np.std(np.log(took)) - 0.5) < 0.06
        assert took.max() / np.median(took) < np.exp(1.6), "held to 3 standard deviations"
    assert abs(np.corrcoef(there, back)[0, 1]) < 0.15
    again, _ = sampled(1)
    other, _ = sampled(2)
    assert (again == there).all()
    assert (other != there).mean() > 0.99
    flat, _ = sampled(1, 10, spread=0.0)
    assert (flat == 10 * MS).all()
