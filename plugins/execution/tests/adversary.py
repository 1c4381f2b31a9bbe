"""A small venue that is as unkind as a venue may be, and the plainest bookkeeping of a trader beside it.

It answers late, one request at a time: it rejects, refuses and cancels as it likes, fills in parts whenever it likes, and
lets a cancel come too late. It keeps the promises every venue makes: no more than an order asks for, at no worse price,
nothing opened by a reduce-only order, no crossing post-only order kept, IOC orders ended at once, requests in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from btcframe.api import Action, Intent, Market, Position, Working
from btcframe.types import OrderState, TimeInForce

Choose = Callable[[int], int]
"""A number from 0 to n - 1."""


class Adversary:
    """Orders, position and fills; `choose` decides what happens to them."""

    def __init__(self, choose: Choose) -> None:
        self.choose = choose
        self.held = self.count = 0
        self.working: dict[int, Working] = {}  # as the trader knows them
        self.theirs: dict[int, Working] = {}  # as the venue does
        self.requests: list[Intent] = []
        self.last: Working | None = None
        self.fills: list[tuple[Working, int, int]] = []  # order, lots, when

    def position(self) -> Position:
        """What a policy sees."""
        return Position(self.held, 0.0, tuple(self.working.values()), self.last)

    def send(self, intent: Intent, now_ns: int) -> None:
        """Take a request to the venue; what makes no sense fails the test."""
        if intent.action == Action.SUBMIT:
            self.count += 1
            intent = intent._replace(order_id=self.count)
            self.working[self.count] = Working(
                self.count, intent.side, intent.ticks, intent.lots, 0, int(OrderState.SUBMITTED), now_ns,
                intent.reduce_only, intent.tif,
            )  # fmt: skip
        else:
            order = self.working[intent.order_id]
            assert order.state != OrderState.PENDING_CANCEL
            if intent.action == Action.CANCEL:
                self.working[order.order_id] = order._replace(state=int(OrderState.PENDING_CANCEL))
            else:
                assert (intent.ticks, intent.lots) != (order.ticks, order.lots)
                lots = max(intent.lots, order.lots)
                self.working[order.order_id] = order._replace(ticks=intent.ticks, lots=lots)
        self.requests.append(intent)

    # ------------------------------------------------------------------------------------------------ the venue

    def act(self, market: Market) -> None:
        """Answer some requests, and fill some of what rests."""
        while self.requests and self.choose(3):
            self.answer(self.requests.pop(0), market)
        for order in list(self.theirs.values()):
            if not self.choose(8):
                self.fill(order, 1 + self.choose(self.room(order) or 1), market.now_ns)

    def be_kind(self, market: Market) -> None:
        """Answer everything as asked, and fill whatever rests."""
        choose, self.choose = self.choose, lambda n: n - 1
        while self.requests:
            self.answer(self.requests.pop(0), market)
        for order in list(self.theirs.values()):
            self.fill(order, self.room(order), market.now_ns)
        self.choose = choose

    def room(self, order: Working) -> int:
        left = order.lots - order.filled_lots
        return min(left, max(0, -order.side * self.held)) if order.reduce_only else left

    def answer(self, intent: Intent, market: Market) -> None:
        now_ns, order = market.now_ns, self.theirs.get(intent.order_id)
        if intent.action == Action.SUBMIT:
            new = self.working[intent.order_id]
            new = Working(
                new.order_id, intent.side, intent.ticks, intent.lots, 0, int(OrderState.ACCEPTED), new.ns,
                intent.reduce_only, intent.tif,
            )  # fmt: skip
            crossing = intent.tif == TimeInForce.POST_ONLY and market.usable and self.crossing(new, market)
            if not market.usable or not self.room(new) or crossing or not self.choose(6):
                self.tell(new, OrderState.REJECTED, now_ns)
            elif intent.tif == TimeInForce.POST_ONLY:
                self.theirs[new.order_id] = new
                self.tell(new, OrderState.ACCEPTED, now_ns)
            else:
                self.theirs[new.order_id] = new
                self.fill(new, self.choose(self.room(new) + 1), now_ns)
                if new.order_id in self.theirs:
                    self.tell(self.theirs[new.order_id], OrderState.CANCELED, now_ns)
        elif order is None:
            return  # it was final when the request came
        elif intent.action == Action.CANCEL:
            if not self.choose(3):
                self.fill(order, 1 + self.choose(self.room(order) or 1), now_ns)
            if intent.order_id in self.theirs:
                self.tell(self.theirs[intent.order_id], OrderState.CANCELED, now_ns)
        elif intent.lots <= order.filled_lots:
            self.tell(order, OrderState.CANCELED, now_ns)
        elif market.usable and self.choose(4):
            order = order._replace(ticks=intent.ticks, lots=intent.lots)
            if self.crossing(order, market):
                self.tell(order, OrderState.CANCELED, now_ns)
            else:
                self.theirs[order.order_id] = order
                self.tell(order, OrderState(order.state), now_ns)
        else:
            self.tell(order, OrderState(order.state), now_ns)  # refused: it is as it was

    @staticmethod
    def crossing(order: Working, market: Market) -> bool:
        opposite = market.ask_ticks if order.side > 0 else market.bid_ticks
        return bool(order.side * order.ticks >= order.side * opposite[0])

    def fill(self, order: Working, lots: int, now_ns: int) -> None:
        lots = min(lots, self.room(order))
        if lots <= 0:
            return
        self.held += order.side * lots
        order = order._replace(filled_lots=order.filled_lots + lots)
        self.theirs[order.order_id] = order
        self.fills.append((self.working[order.order_id], lots, now_ns))
        whole = order.filled_lots == order.lots
        self.tell(order, OrderState.FILLED if whole else OrderState.PARTIALLY_FILLED, now_ns)
        for other in list(self.theirs.values()):
            if other.reduce_only and not self.room(other):
                self.tell(other, OrderState.CANCELED, now_ns)

    def tell(self, order: Working, state: OrderState, now_ns: int) -> None:
        """What the trader hears, and the venue knows from now on."""
        order = order._replace(state=int(state))
        ours: Any = self.working[order.order_id]
        if state.final:
            self.theirs.pop(order.order_id, None)
            del self.working[order.order_id]
            self.last = order._replace(ns=ours.ns, ended_ns=now_ns)
            return
        self.theirs[order.order_id] = order
        if ours.state == OrderState.PENDING_CANCEL:
            order = order._replace(state=ours.state)
        self.working[order.order_id] = order
