"""Price–time priority of clients' orders against the order flow of one market. No sockets, no accounts.

The rules:

- Who takes is served from the best price on; at a price by time: the lots of the order flow that were there first, then
  the client's order, then what came after it. What is taken from the flow is gone from the book until the flow sends
  that price again.
- An order that rests has before it what the level shows when it comes. A print at its price takes from the front of
  that queue; a print beyond its price fills it first. Where a level shows less than is before an order, the rest left
  from behind: `ahead` never is more than the level has. Who leaves a level without a print is taken to have stood
  behind.
- Where the flow's own other side comes to an order's price or beyond, it is filled from that, at its own price.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from btcframe.exchange.book import Book, Side
from btcframe.exchange.private.orders import Order

Filled = Callable[[Order, int, int, bool], None]
"""Called with every fill, at once: order, ticks, lots, whether it was the maker."""

Traded = Callable[[int, int, int], None]
"""Called with every trade that the flow does not print itself: the taker's side, ticks, lots."""


class Offered(NamedTuple):
    """What can be had at a price."""

    lots: int
    ticks: int


class Matching:
    """The orders that rest in one market, and what meets them.

    Parameters
    ----------
    book : Book         the order flow's; what is taken leaves it, what rests is shown in it
    filled : callable   told of every fill before anything else is matched; it may cancel or shrink orders
    traded : callable   told of every trade that belongs on the tape
    """

    def __init__(self, book: Book, filled: Filled, traded: Traded) -> None:
        self._book, self._filled, self._traded = book, filled, traded
        self._resting: dict[int, dict[int, list[Order]]] = {1: {}, -1: {}}

    @property
    def busy(self) -> bool:
        """Whether anything rests here."""
        return bool(self._resting[1] or self._resting[-1])

    def best(self, side: int) -> int | None:
        """The best price of a side, of the flow and of clients, ticks; None without any."""
        flow = self._flow(side)
        found = [pick for pick in (_best(flow, side), _best(self._resting[side], side)) if pick is not None]
        return _best(found, side)

    def crosses(self, order: Order) -> bool:
        """Whether an order would take."""
        best = self.best(-order.side)
        return best is not None and (best - order.ticks) * order.side <= 0

    def offered(self, side: int, limit: int, most: int) -> list[Offered]:
        """What a taker of this side would get, price by price, up to its limit and its lots."""
        flow, own = self._flow(-side), self._resting[-side]
        found: list[Offered] = []
        for ticks in sorted({*flow, *own}, reverse=side < 0):
            if (ticks - limit) * side > 0 or not most:
                break
            lots = min(most, flow.get(ticks, 0) + sum(order.left for order in own.get(ticks, ())))
            most -= lots
            found.append(Offered(lots, ticks))
        return found

    # --------------------------------------------------------------------------------------------------- clients

    def take(self, order: Order) -> None:
        """Fill an order from what is offered up to its limit."""
        while order.left and self.crosses(order):
            ticks = self.best(-order.side)
            assert ticks is not None
            self._take_at(order, ticks)

    def _take_at(self, order: Order, ticks: int) -> None:
        side, used = -order.side, 0
        for maker in tuple(self._resting[side].get(ticks, ())):
            used += self._from_flow(order, ticks, maker.ahead - used)
            lots = min(order.left, maker.left)
            if lots:
                self._traded(order.side, ticks, lots)
                self._filled(maker, ticks, lots, True)
                self._filled(order, ticks, lots, False)
                self.shrunk(maker)
        used += self._from_flow(order, ticks, order.left)
        self._advance(side, ticks, used)

    def _from_flow(self, order: Order, ticks: int, most: int) -> int:
        lots = min(order.left, most, self._flow(-order.side).get(ticks, 0))
        if lots <= 0:
            return 0
        self._book.take(-order.side, ticks, lots)
        self._traded(order.side, ticks, lots)
        self._filled(order, ticks, lots, False)
        return lots

    def rest(self, order: Order) -> None:
        """Let what is left of an order rest, behind all that its level shows."""
        order.ahead = self._flow(order.side).get(order.ticks, 0)
        self._resting[order.side].setdefault(order.ticks, []).append(order)
        self._show(order.side, order.ticks)

    def drop(self, order: Order) -> None:
        """An order rests no longer; nothing happens where it did not."""
        orders = self._resting[order.side].get(order.ticks, [])
        if order in orders:
            orders.remove(order)
            if not orders:
                del self._resting[order.side][order.ticks]
            self._show(order.side, order.ticks)

    def shrunk(self, order: Order) -> None:
        """An order that rests is smaller now, or done."""
        if order.left:
            self._show(order.side, order.ticks)
        else:
            self.drop(order)

    # ---------------------------------------------------------------------------------------------- the order flow

    def printed(self, side: int, ticks: int, lots: int) -> None:
        """The flow's taker of a side took lots at a price: orders that rest there or better have their part of it."""
        own = self._resting[-side]
        for level in sorted(own, reverse=side < 0):
            if (level - ticks) * side > 0:
                return
            used = 0
            for order in tuple(own.get(level, ())):
                if level == ticks:
                    passed = max(0, min(lots, order.ahead - used))
                    used, lots = used + passed, lots - passed
                part = min(lots, order.left)
                if part:
                    lots -= part
                    self._filled(order, level, part, True)
                    self.shrunk(order)
            self._advance(-side, level, used)

    def moved(self) -> None:
        """The flow changed the book: queues may be shorter, and prices may cross."""
        for side in (1, -1):
            flow = self._flow(side)
            for ticks, orders in self._resting[side].items():
                shown = flow.get(ticks, 0)
                for order in orders:
                    order.ahead = min(order.ahead, shown)
        if self._book.sound:
            for side in (1, -1):
                self._cross(side)

    def _cross(self, side: int) -> None:
        own = self._resting[side]
        while own:
            level, other = _best(own, side), _best(self._flow(-side), -side)
            if level is None or other is None or (other - level) * side > 0:
                return
            order = own[level][0]
            lots = min(order.left, self._flow(-side)[other])
            self._book.take(-side, other, lots)
            self._traded(-side, level, lots)
            self._filled(order, level, lots, True)
            self.shrunk(order)

    def _advance(self, side: int, ticks: int, used: int) -> None:
        for order in self._resting[side].get(ticks, ()):
            order.ahead = max(0, order.ahead - used)

    def _flow(self, side: int) -> Side:
        if not self._book.known:
            return {}
        return self._book.bids if side > 0 else self._book.asks

    def _show(self, side: int, ticks: int) -> None:
        self._book.show(side, ticks, sum(order.left for order in self._resting[side].get(ticks, ())))


def _best(prices: dict[int, int] | dict[int, list[Order]] | list[int], side: int) -> int | None:
    if not prices:
        return None
    return max(prices) if side > 0 else min(prices)
