"""The venue: what is shown can be taken, and what rests is filled when the market comes to it."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from btcframe.api import Action, Position, Reports
from btcframe.types import FILL, ORDER, EventFlag, Kind, OrderReason, OrderState, TimeInForce, duration_ns

from .book import Book


@dataclass(frozen=True)
class AcmeAll:
    """A simulated venue that is not generous.

    A request takes a latency. An order that crosses takes what the book shows, level by level; what it took
    is gone until the market renews it. One that rests is filled when the other side comes to its price.

    Parameters
    ----------
    latency : str      us to the venue, a duration
    fee_bps : float    of the value of a fill
    """

    latency: str = "50ms"
    fee_bps: float = 5.0

    def __post_init__(self):
        """Refuse what has no meaning, before any work; the message begins with the field."""
        try:
            duration_ns(self.latency, zero=True)
        except ValueError as error:
            raise ValueError(f"latency: {error}") from None
        if not abs(self.fee_bps) <= 1000:
            raise ValueError(f"fee_bps: {self.fee_bps} bps is not a fee: it lies between -1000 and 1000")

    def open(self, instrument, *, seed, held=0):
        """Open with an empty book, and so many lots held."""
        return Gateway(instrument, duration_ns(self.latency, zero=True), self.fee_bps / 1e4, held)


@dataclass
class Order:
    """An order as the venue has it."""

    order_id: int
    side: int
    ticks: int  # 0 for a market order
    lots: int
    tif: int
    reduce_only: bool
    filled: int = 0


class Gateway:
    """An open venue: requests wait for their time, orders for the market."""

    def __init__(self, instrument, latency_ns, rate, held):
        self._instrument, self._latency_ns, self._rate, self._held = instrument, latency_ns, rate, held
        self._book = Book()
        self._requests = deque()
        self._resting = {}
        self._orders, self._fills = [], []
        self._now = 0

    def submit(self, order_id, intent, now_ns):
        """Ask for an order."""
        order = Order(
            order_id, intent.side, intent.ticks, intent.lots, int(intent.tif), bool(intent.reduce_only)
        )
        self._requests.append((now_ns + self._latency_ns, Action.SUBMIT, order))

    def amend(self, order_id, ticks, lots, now_ns):
        """Ask for another price or size."""
        self._requests.append((now_ns + self._latency_ns, Action.AMEND, (order_id, ticks, lots)))

    def cancel(self, order_id, now_ns):
        """Ask for the end of an order."""
        self._requests.append((now_ns + self._latency_ns, Action.CANCEL, order_id))

    @property
    def busy(self):
        """Whether anything could still be reported."""
        return bool(self._requests or self._resting)

    def advance(self, events, until_ns):
        """Match event by event; stop as soon as there is something to report."""
        for i, event in enumerate(events):
            stamp = int(event["local_ts"])
            if not self._book.inside and self._requests and self._requests[0][0] <= stamp:
                self._answer(self._requests[0][0])
                if self._orders:
                    return i, self._reports()
            self._now = max(self._now, stamp)
            self._consume(event)
            if self._orders:
                return i + 1, self._reports()
        while self._requests and self._requests[0][0] <= until_ns:
            self._answer(self._requests[0][0])
        return len(events), self._reports()

    def reconcile(self):
        """What is held."""
        return Position(self._held)

    def close(self):
        """Nothing is held open."""

    def _reports(self):
        orders, fills = np.array(self._orders, ORDER), np.array(self._fills, FILL)
        self._orders, self._fills = [], []
        return Reports(orders, fills)

    def _consume(self, event):
        kind = event["kind"]
        if kind in (Kind.CLEAR, Kind.GAP):
            self._book.clear(lost=kind == Kind.GAP)
        elif kind == Kind.DEPTH:
            self._book.set(int(event["side"]), int(event["ticks"]), int(event["lots"]))
        end = bool(event["flags"] & EventFlag.END)
        self._book.inside = not end and kind not in (Kind.GAP, Kind.HEARTBEAT)
        if end and kind == Kind.DEPTH and self._book.whole():
            for order in list(self._resting.values()):
                self._take(order, resting=True)

    def _answer(self, due_ns):
        """Everything that arrives at one moment."""
        self._now = max(self._now, due_ns)
        while self._requests and self._requests[0][0] <= due_ns:
            _, action, what = self._requests.popleft()
            if action == Action.SUBMIT:
                self._arrive(what)
            elif action == Action.AMEND:
                self._amended(*what)
            elif order := self._resting.get(what):
                self._end(order, OrderState.CANCELED, OrderReason.ASKED)

    def _arrive(self, order):
        if not self._book.whole():
            self._end(order, OrderState.REJECTED, OrderReason.NO_BOOK)
            return
        if order.reduce_only:
            order.lots = min(order.lots, self._room(order))
            if not order.lots:
                self._end(order, OrderState.REJECTED, OrderReason.REDUCE_ONLY)
                return
        offered = self._book.offered(order.side, order.ticks)
        if offered and order.tif == TimeInForce.POST_ONLY:
            self._end(order, OrderState.REJECTED, OrderReason.POST_ONLY)
            return
        if sum(lots for _, lots in offered) < order.lots and order.tif == TimeInForce.FOK:
            self._end(order, OrderState.CANCELED, OrderReason.FOK)
            return
        self._take(order)

    def _amended(self, order_id, ticks, lots):
        if order_id not in self._resting:
            return  # final in the meantime: its last report has said so
        order = self._resting[order_id]
        order.ticks, order.lots = ticks, max(lots, order.filled)
        if order.tif == TimeInForce.POST_ONLY and self._book.offered(order.side, ticks):
            self._end(order, OrderState.CANCELED, OrderReason.POST_ONLY)
        elif order.lots == order.filled:
            self._end(order, OrderState.FILLED)
        else:
            self._take(order)

    def _take(self, order, *, resting=False):
        """Fill what is offered within the limit; what is left rests, or is canceled."""
        if order.reduce_only and self._room(order) < order.lots - order.filled:
            order.lots = order.filled + self._room(order)
        before = order.filled
        offered = self._book.offered(order.side, order.ticks) if self._book.whole() else []
        for ticks, lots in offered:
            part = min(lots, order.lots - order.filled)
            if not part:
                break
            self._book.set(-order.side, ticks, lots - part)
            self._fill(order, order.ticks if resting else ticks, part, maker=resting)
        if order.filled == order.lots:
            self._end(order, OrderState.FILLED if order.filled else OrderState.CANCELED)
        elif order.ticks == 0 or order.tif in (TimeInForce.IOC, TimeInForce.FOK):
            self._end(order, OrderState.CANCELED, OrderReason.UNFILLED)
        elif not resting or order.filled > before:
            self._resting[order.order_id] = order
            self._report(order, OrderState.PARTIALLY_FILLED if order.filled else OrderState.ACCEPTED)

    def _room(self, order):
        """Lots by which the order's side can reduce what is held."""
        return max(0, -order.side * self._held)

    def _fill(self, order, ticks, lots, *, maker):
        order.filled += lots
        self._held += order.side * lots
        value = self._instrument.notional(lots, self._instrument.price(ticks))
        fill = np.zeros(1, FILL)
        fill["order_id"], fill["ns"], fill["venue_ns"] = order.order_id, self._now, self._now
        fill["ticks"], fill["lots"], fill["side"] = ticks, lots, order.side
        fill["fee"], fill["maker"] = value * self._rate, maker
        self._fills.append(fill[0])

    def _end(self, order, state, why=OrderReason.NONE):
        self._resting.pop(order.order_id, None)
        self._report(order, state, why)

    def _report(self, order, state, why=OrderReason.NONE):
        told = np.zeros(1, ORDER)
        told["order_id"], told["ns"], told["venue_ns"] = order.order_id, self._now, self._now
        told["ticks"], told["lots"], told["filled_lots"] = order.ticks, order.lots, order.filled
        told["state"], told["side"], told["tif"] = state, order.side, order.tif
        told["reduce_only"], told["model"], told["why"] = order.reduce_only, -1, why
        self._orders.append(told[0])
