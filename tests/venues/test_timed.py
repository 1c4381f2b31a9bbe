"""A real venue's reports among the market's events: what was written down gives the same deliveries again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.types import EVENT, FILL, FUNDING, NS, ORDER, EventArray, OrderState, StateArray
from btcframe.venues.timed import TimedReports

Delivery = tuple[int, tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""Before which event, and the ns of the order states, fills and payments told there."""


def state(order_id: int, what: OrderState, filled: int = 0) -> StateArray:
    record = np.zeros(1, ORDER)
    record["order_id"], record["state"], record["filled_lots"], record["lots"] = order_id, what, filled, 10
    return record


def fill(order_id: int, lots: int) -> StateArray:
    record = np.zeros(1, FILL)
    record["order_id"], record["lots"] = order_id, lots
    return record


def heartbeats(stamps: list[int]) -> EventArray:
    events = np.zeros(len(stamps), EVENT)
    events["local_ts"] = stamps
    return events


class Market:
    """Drives a gateway as `Trader.consume` does: batch by batch, from wake to wake."""

    def __init__(self, events: EventArray, closes: set[int]) -> None:
        self.events, self.closes = events, closes

    def drive(self, gateway: TimedReports, batches: list[int], before=lambda call: None) -> list[Delivery]:
        told: list[Delivery] = []
        closed, at, call = set[int](), 0, itertools.count()
        for end in [*sorted({b for b in batches if 0 < b < len(self.events)}), len(self.events)]:
            while at < end:
                close = next((c for c in range(at, end) if c in self.closes and c not in closed), None)
                stop = end if close is None else close
                # a row closes when the first event after its edge is seen: that is the time then
                until = int(self.events["local_ts"][stop - 1 if close is None else stop])
                before(next(call))
                taken, reports = gateway.advance(self.events[at:stop], until)
                if any(map(len, reports)):
                    told.append((at + taken, *(tuple(table["ns"].tolist()) for table in reports)))
                if taken == stop - at and close is not None:
                    closed.add(close)
                at += taken
        return told


@st.composite
def lived(draw: st.DrawFn) -> tuple[Market, list[int], list[int], dict[int, list[tuple[int, int, int]]]]:
    gaps = draw(st.lists(st.integers(0, 4), min_size=1, max_size=30))
    stamps = (100 + np.cumsum(gaps)).tolist()
    indices = st.lists(st.integers(0, len(stamps)), max_size=8)
    # an edge lies between two moments: no row closes inside one
    closes = {c for c in draw(indices) if c < len(stamps) and (c == 0 or stamps[c] > stamps[c - 1])}
    batches = draw(indices), draw(indices)
    # messages that share a stamp come in one batch
    whole = [[b for b in each if b >= len(stamps) or b == 0 or stamps[b] > stamps[b - 1]] for each in batches]
    put = st.tuples(st.integers(90, 230), st.integers(0, 2), st.integers(0, 1))
    puts = draw(st.dictionaries(st.integers(0, 40), st.lists(put, max_size=3), max_size=12))
    return Market(heartbeats(stamps), closes), *whole, puts


@settings(max_examples=300, deadline=None, derandomize=True)
@given(lived())
def test_what_was_stamped_is_delivered_in_the_same_places_whatever_the_batches(lived) -> None:
    market, batches, others, puts = lived
    live = TimedReports()

    def arrive(call: int) -> None:
        for ns, orders, payments in puts.get(call, []):
            states = np.concatenate([state(1, OrderState.ACCEPTED)] * orders) if orders else None
            live.put(orders=states, funding=np.zeros(payments, FUNDING), ns=ns)

    told = market.drive(live, batches, arrive)
    again = TimedReports()
    for _, orders, _, payments in told:
        for ns in sorted({*orders, *payments}):
            states = [state(1, OrderState.ACCEPTED)] * orders.count(ns)
            again.put(
                orders=np.concatenate(states) if states else None,
                funding=np.zeros(payments.count(ns), FUNDING),
                ns=ns,
            )
    assert market.drive(again, others) == told
    stamps = [ns for _, orders, _, payments in told for ns in sorted(orders + payments)]
    assert stamps == sorted(stamps)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(lived())
def test_nothing_is_told_before_it_came_nor_long_after(lived) -> None:
    market, batches, _, puts = lived
    gateway, stamps = TimedReports(), market.events["local_ts"]
    came: list[int] = []

    def arrive(call: int) -> None:
        for ns, *_ in puts.get(call, []):
            came.append(ns)
            gateway.put(orders=state(1, OrderState.ACCEPTED), ns=ns)

    told = market.drive(gateway, batches, arrive)
    heard = [ns for _, orders, _, _ in told for ns in orders]
    assert all(ns >= arrived for ns, arrived in zip(heard, came, strict=False))
    for before, orders, *_ in told:
        if before < len(stamps) and before not in market.closes:
            assert stamps[before] >= orders[-1]  # at the last moment before the event
        assert before == 0 or stamps[before - 1] < orders[0]


def test_reports_of_one_moment_come_together_and_those_of_the_next_after_them() -> None:
    gateway, events = TimedReports(), heartbeats([100, 110, 120])
    gateway.put(orders=state(1, OrderState.ACCEPTED), ns=105)
    gateway.put(orders=state(2, OrderState.ACCEPTED), ns=105)
    gateway.put(orders=state(3, OrderState.ACCEPTED), ns=106)
    taken, reports = gateway.advance(events, 120)
    assert taken == 1
    assert reports.orders["order_id"].tolist() == [1, 2]
    taken, reports = gateway.advance(events[1:], 120)
    assert (taken, reports.orders["order_id"].tolist(), reports.orders["ns"].tolist()) == (0, [3], [106])
    assert gateway.advance(events[1:], 120)[0] == 2


def test_what_comes_late_is_later_than_all_that_was_known() -> None:
    gateway, events = TimedReports(), heartbeats([100, 110])
    assert gateway.advance(events[:1], 107) == (1, gateway.advance(events[:0], 0)[1])
    gateway.put(orders=state(1, OrderState.ACCEPTED), ns=103)
    taken, reports = gateway.advance(events[1:], 110)
    assert (taken, reports.orders["ns"].tolist()) == (0, [108])


def test_a_state_waits_for_its_fills_and_what_follows_waits_with_it() -> None:
    gateway = TimedReports()
    gateway.put(orders=state(1, OrderState.PARTIALLY_FILLED, 3), ns=1)
    gateway.put(orders=state(1, OrderState.CANCELED, 3), ns=2)
    gateway.put(orders=state(2, OrderState.ACCEPTED), ns=3)
    _, reports = gateway.advance(heartbeats([]), 10)
    assert reports.orders["order_id"].tolist() == [2]
    assert gateway.held == 2
    gateway.put(fills=fill(1, 2), ns=11)
    _, reports = gateway.advance(heartbeats([]), 20)
    assert (len(reports.orders), len(reports.fills)) == (0, 1)
    gateway.put(fills=fill(1, 1), ns=21)
    _, reports = gateway.advance(heartbeats([]), 30)
    assert reports.orders["state"].tolist() == [OrderState.PARTIALLY_FILLED, OrderState.CANCELED]
    assert set(reports.orders["ns"].tolist()) == set(reports.fills["ns"].tolist()) == {21}
    assert gateway.held == 0


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.permutations([("fill", 2), ("fill", 3), ("state", 2), ("state", 5)]), st.integers(1, 4))
def test_states_and_fills_never_contradict_each_other_in_whatever_order_they_come(came, apart) -> None:
    states = sorted(n for what, n in came if what == "state")  # of one order they come in order
    gateway, filled, told = TimedReports(), 0, 0
    for n, (what, lots) in enumerate(came):
        if what == "fill":
            gateway.put(fills=fill(7, lots), ns=n * apart)
        else:
            gateway.put(orders=state(7, OrderState.PARTIALLY_FILLED, states.pop(0)), ns=n * apart)
        _, reports = gateway.advance(heartbeats([]), n * apart + 1)
        filled += int(reports.fills["lots"].sum())
        told += len(reports.orders)
        assert all(record <= filled for record in reports.orders["filled_lots"].tolist())
    assert (filled, told, gateway.held) == (5, 2, 0)


def test_without_events_it_waits_until_the_clock_reads_so_and_a_replay_does_not() -> None:
    clock, slept = [NS], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += round(seconds * NS)
        if len(slept) == 1:
            clock[0] -= 5  # it woke too early
            live.put(orders=state(1, OrderState.CANCELED))

    live = TimedReports(lambda: clock[0], sleep=sleep)
    taken, reports = live.advance(heartbeats([]), 2 * NS)
    assert (taken, reports.orders["ns"].tolist()) == (0, [2 * NS - 5])
    assert slept == [1.0, pytest.approx(5e-9)]
    assert clock[0] == 2 * NS
    again = TimedReports()
    again.put(orders=state(1, OrderState.CANCELED), ns=2 * NS - 5)
    assert again.advance(heartbeats([]), 2 * NS)[1].orders["ns"].tolist() == [2 * NS - 5]


def test_it_wakes_whoever_is_to_hear_it_and_keeps_a_copy() -> None:
    woken = list[int]()
    gateway = TimedReports(lambda: 50, lambda: woken.append(1))
    orders = state(1, OrderState.ACCEPTED)
    gateway.put(orders=orders)
    orders["order_id"] = 9
    assert woken == [1]
    _, reports = gateway.advance(heartbeats([60]), 60)
    assert (reports.orders["order_id"].tolist(), reports.orders["ns"].tolist()) == ([1], [50])
    assert gateway.busy
