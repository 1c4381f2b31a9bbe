"""Matching against queues written out lot by lot: priority, limits, and that no lot is made or lost."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.exchange.book import Book
from btcframe.exchange.flow import Change
from btcframe.exchange.listing import Listing
from btcframe.exchange.private.matching import Matching
from btcframe.exchange.private.orders import Order
from btcframe.types import Instrument, Kind

LISTING = Listing(Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001")))
MID = 100
FLOW = -1
"""Whose the lots of the order flow are in a queue of the reference."""


def order(number: int, side: int, ticks: int, lots: int) -> Order:
    return Order(LISTING, 1, number, str(number), "", side, ticks, lots, False, False, "GTC", 0)


class Queues:
    """The reference: at every price a list of whose lots stand there, front first."""

    def __init__(self) -> None:
        self.at: dict[tuple[int, int], list[list[int]]] = {}
        self.fills: list[tuple[int, int, int, bool]] = []
        self.limits: dict[int, tuple[int, int]] = {}

    def flow(self, side: int) -> list[int]:
        return [
            t for (s, t), queue in self.at.items() if s == side and any(w == FLOW and n for w, n in queue)
        ]

    def total(self, side: int, ticks: int) -> int:
        return sum(n for who, n in self.at.get((side, ticks), []) if who == FLOW)

    def prices(self, side: int) -> list[int]:
        """Every price of a side where anything stands, best first."""
        found = [t for (s, t), queue in self.at.items() if s == side and any(n for _, n in queue)]
        return sorted(found, reverse=side > 0)

    def depth(self, side: int, ticks: int, lots: int) -> None:
        queue = self.at.setdefault((side, ticks), [])
        more = lots - self.total(side, ticks)
        if more > 0:
            queue.append([FLOW, more])
        for entry in reversed(queue):
            if entry[0] == FLOW and more < 0:
                gone = min(entry[1], -more)
                entry[1], more = entry[1] - gone, more + gone

    def front(self, side: int, ticks: int, lots: int, taker: int | None, *, flow: bool = True) -> int:
        """Serve so many lots from the front of a queue; returns how many were."""
        served = 0
        for entry in self.at.get((side, ticks), []):
            if entry[0] == FLOW and not flow:
                continue
            part = min(lots - served, entry[1])
            entry[1], served = entry[1] - part, served + part
            if part and entry[0] != FLOW:
                self.fills.append((entry[0], ticks, part, True))
            if part and taker is not None:
                self.fills.append((taker, ticks, part, False))
        return served

    def take(self, number: int, side: int, limit: int, lots: int) -> int:
        for ticks in self.prices(-side):
            if lots and (ticks - limit) * side <= 0:
                lots -= self.front(-side, ticks, lots, number)
        return lots

    def rest(self, number: int, side: int, ticks: int, lots: int) -> None:
        self.at.setdefault((side, ticks), []).append([number, lots])

    def printed(self, side: int, ticks: int, lots: int) -> None:
        for level in self.prices(-side):
            if (level - ticks) * side <= 0:
                lots -= self.front(-side, level, lots, None, flow=level == ticks)

    def cross(self) -> None:
        """The flow's new prices meet orders that rest."""
        for side in (1, -1):
            for level in self.prices(side):
                for other in sorted(self.flow(-side), reverse=side < 0):
                    if (other - level) * side > 0:
                        break
                    own = sum(n for who, n in self.at[side, level] if who != FLOW)
                    part = min(own, self.total(-side, other))
                    self.front(-side, other, part, None)
                    self.front(side, level, part, None, flow=False)


PRICES = st.integers(MID - 4, MID + 4)
LOTS = st.integers(1, 9)
SIDES = st.sampled_from((1, -1))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), SIDES, PRICES, LOTS),
        st.tuples(st.just("depth"), SIDES, PRICES, st.integers(0, 9)),
        st.tuples(st.just("print"), SIDES, LOTS, st.integers(0, 9)),
        st.tuples(st.just("cancel"), st.integers(0, 20), st.just(0), st.just(0)),
    ),
    min_size=20,
    max_size=40,
)


def collapsed(fills: list[tuple[int, int, int, bool]]) -> list[tuple[int, int, int, bool]]:
    """Fills of one order at one price that follow each other are one: who serves lot by lot cuts them otherwise."""
    found: list[tuple[int, int, int, bool]] = []
    for who, ticks, lots, maker in fills:
        if found and (found[-1][0], found[-1][1], found[-1][3]) == (who, ticks, maker):
            lots += found.pop()[2]
        found.append((who, ticks, lots, maker))
    return found


def by_order(fills: list[tuple[int, int, int, bool]]) -> dict[int, list[tuple[int, int, int, bool]]]:
    return {
        who: collapsed([fill for fill in fills if fill[0] == who]) for who in sorted({f[0] for f in fills})
    }


@settings(max_examples=120, derandomize=True, deadline=None)
@given(STEPS)
def test_fills_are_those_of_queues_kept_lot_by_lot(steps: list[tuple[str, int, int, int]]) -> None:
    book, reference = Book(), Queues()
    fills: list[tuple[int, int, int, bool]] = []
    tape: list[int] = []
    orders: list[Order] = []

    def filled(one: Order, ticks: int, lots: int, maker: bool) -> None:
        assert 0 < lots <= one.left and (one.ticks - ticks) * one.side >= 0
        one.filled += lots
        one.status = "Filled" if one.filled == one.lots else "PartiallyFilled"
        fills.append((one.number, ticks, lots, maker))

    matching = Matching(book, filled, lambda side, ticks, lots: tape.append(lots))
    whole = [Change(Kind.CLEAR, 0, 0, 0)]
    whole += [Change(Kind.DEPTH, side, MID - side * k, 5) for side in (1, -1) for k in (1, 2, 3)]
    book.apply(whole)
    for change in whole[1:]:
        reference.depth(change.side, change.ticks, change.lots)

    def moved(side: int, ticks: int, lots: int) -> None:
        book.apply([Change(Kind.DEPTH, side, ticks, lots)])
        matching.moved()
        reference.depth(side, ticks, lots)
        reference.cross()

    for what, side, ticks, lots in steps:
        if what == "order":
            one = order(len(orders) + 1, side, ticks, lots)
            orders.append(one)
            before, size = len(fills), sum((*book.bids.values(), *book.asks.values()))
            matching.take(one)
            took = sum(f[2] for f in fills[before:] if not f[3])
            made = sum(f[2] for f in fills[before:] if f[3])
            assert (
                size - sum((*book.bids.values(), *book.asks.values())) == took - made
            )  # the rest was the flow's
            if one.left:
                matching.rest(one)
            left = reference.take(one.number, side, ticks, lots)
            assert left == one.left
            if left:
                reference.rest(one.number, side, ticks, left)
        elif what == "depth":
            other = book.asks if side > 0 else book.bids
            if not any(
                (price - ticks) * side <= 0 for price in other
            ):  # the flow's own book is never crossed
                moved(side, ticks, lots)
        elif what == "print":
            passive, size = book.bids if side < 0 else book.asks, ticks
            if passive:  # at the best price, or through it
                price = sorted(passive, reverse=side < 0)[lots % min(3, len(passive))]
                matching.printed(side, price, size)
                reference.printed(side, price, size)
                moved(-side, price, max(0, passive[price] - size))
        elif orders:
            one = orders[side % len(orders)]
            matching.drop(one)
            one.status = "Cancelled" if one.open else one.status
            for queue in reference.at.values():
                queue[:] = [entry for entry in queue if entry[0] != one.number]
        assert by_order(fills) == by_order(reference.fills)
        for place, key in ((book.bids, 1), (book.asks, -1)):
            assert {t: n for t, n in place.items() if n} == {
                t: reference.total(key, t) for t in reference.flow(key)
            }
    shown = [sum(side.values()) for side in book.shown]
    working = [sum(o.left for o in orders if o.side == side) for side in (1, -1)]
    assert shown == working
    own = [price for o in orders if o.left and o.side > 0 for price in [o.ticks]]
    assert all(price < min(book.asks, default=price + 1) for price in own)


@pytest.fixture
def book() -> Book:
    made = Book()
    made.apply([Change(Kind.CLEAR, 0, 0, 0), *(Change(Kind.DEPTH, s, MID - s, 10) for s in (1, -1))])
    return made


def matched(book: Book) -> tuple[Matching, list[tuple[int, int, int, bool]]]:
    fills: list[tuple[int, int, int, bool]] = []

    def filled(one: Order, ticks: int, lots: int, maker: bool) -> None:
        one.filled += lots
        one.status = "Filled" if one.filled == one.lots else "PartiallyFilled"
        fills.append((one.number, ticks, lots, maker))

    return Matching(book, filled, lambda side, ticks, lots: None), fills


def test_who_came_first_at_a_price_is_filled_first(book: Book) -> None:
    matching, fills = matched(book)
    first, second = order(1, 1, MID - 1, 3), order(2, 1, MID - 1, 3)
    matching.rest(first)
    matching.rest(second)
    matching.printed(-1, MID - 1, 9)
    assert not fills and first.ahead == second.ahead == 1
    matching.printed(-1, MID - 1, 5)
    assert fills == [(1, MID - 1, 3, True), (2, MID - 1, 1, True)]


def test_who_leaves_without_a_print_stood_behind(book: Book) -> None:
    matching, _ = matched(book)
    one = order(1, 1, MID - 1, 3)
    matching.rest(one)
    for shown, ahead in ((12, 10), (4, 4), (9, 4)):
        book.apply([Change(Kind.DEPTH, 1, MID - 1, shown)])
        matching.moved()
        assert one.ahead == ahead


def test_what_is_taken_is_gone_until_the_flow_sends_the_price_again(book: Book) -> None:
    matching, fills = matched(book)
    matching.take(order(1, 1, MID + 1, 4))
    assert book.asks == {MID + 1: 6} and fills == [(1, MID + 1, 4, False)]
    matching.take(order(2, 1, MID + 1, 9))
    assert book.asks == {} and matching.best(-1) is None
    book.apply([Change(Kind.DEPTH, -1, MID + 1, 8)])
    assert matching.best(-1) == MID + 1


def test_orders_of_clients_meet_each_other(book: Book) -> None:
    matching, fills = matched(book)
    matching.rest(order(1, -1, MID, 5))
    matching.take(order(2, 1, MID + 1, 7))
    assert fills == [(1, MID, 5, True), (2, MID, 5, False), (2, MID + 1, 2, False)]


def test_nothing_is_offered_by_a_book_that_is_not_known(book: Book) -> None:
    matching, fills = matched(book)
    book.apply([Change(Kind.GAP, 0, 0, 0)])
    matching.take(order(1, 1, MID + 5, 4))
    assert not fills and matching.offered(1, MID + 5, 9) == []


def test_what_rests_is_shown(book: Book) -> None:
    matching, _ = matched(book)
    one = order(1, 1, MID, 3)
    matching.rest(one)
    assert book.view(2) == ({MID: 3, MID - 1: 10}, {MID + 1: 10})
    matching.rest(order(2, -1, MID + 1, 1))
    assert book.view(1)[1] == {MID + 1: 11}
    matching.drop(one)
    assert book.view(2)[0] == {MID - 1: 10}
