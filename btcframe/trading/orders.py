"""The orders of a session as we know them: what was sent, what the venue said, what still works."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from btcframe.api import Action, Intent, Working
from btcframe.errors import PluginError
from btcframe.trading.audit import Table
from btcframe.types import NS, OrderState, StateArray, TimeInForce

MOST = 1000
"""Intents that a policy may ask for in one decision."""

LARGEST = 1 << 50
"""The largest price, size or id: a thousand orders of this size still add up in 64 bits."""

_ACTIONS = frozenset(Action)
_TIFS = frozenset(TimeInForce)
_STATES = frozenset(OrderState)
_FINAL = frozenset(state for state in OrderState if state.final)


class Orders:
    """Orders by id, counted from 1; every state of each is written to `table`.

    A working order's `ticks` are those last asked for, its `lots` the largest of what was asked for and what the
    venue confirmed, until the venue has answered all of it: an amendment on its way may still come too late, and limits
    must hold either way.

    Parameters
    ----------
    table : Table of ORDER
    symbol : str       what is traded

    Attributes
    ----------
    count : int               orders so far: the id of the last
    last : Working or None    the order that ended last
    """

    def __init__(self, table: Table, symbol: str) -> None:
        self._table, self._symbol = table, symbol
        self._working: dict[int, Working] = {}
        self._origin: dict[int, tuple[int, int, int]] = {}  # row_ns, model, tif of the working orders
        # (ticks, lots) that amendments on their way ask for; None at first: the submission itself
        self._asked: dict[int, list[tuple[int, int] | None]] = {}
        self._view: tuple[Working, ...] | None = ()
        self.count = 0
        self.last: Working | None = None
        self._sent: deque[int] = deque()  # when orders were sent or amended, within the last minute

    @property
    def working(self) -> tuple[Working, ...]:
        """Orders that are not final, oldest first."""
        if self._view is None:
            self._view = tuple(self._working.values())
        return self._view

    def get(self, order_id: int) -> Working | None:
        """A working order, None where there is none of that id."""
        return self._working.get(order_id)

    def complete(self, intent: Intent) -> tuple[Intent, str]:
        """The intent with side, time in force and the like of the order it changes, and why it is denied, if so.

        Denials: not_whole (a price or size that is no whole number), other_symbol, not_working, canceling, no_change
        (an amendment to what is asked for already), no_side, no_size, no_tif, no_price (only IOC and FOK orders go
        without one).
        """
        asked = intent
        intent = asked._replace(
            ticks=whole(asked.ticks),
            lots=whole(asked.lots),
            side=whole(asked.side),
            order_id=whole(asked.order_id),
        )
        if intent != asked:
            return intent, "not_whole"
        if intent.symbol and intent.symbol != self._symbol:
            return intent, "other_symbol"
        if intent.action != Action.SUBMIT:
            order = self._working.get(intent.order_id)
            if order is None:
                return intent, "not_working"
            if order.state == OrderState.PENDING_CANCEL:
                return intent, "canceling"
            tif = TimeInForce(self._origin[order.order_id][2])
            intent = intent._replace(side=order.side, tif=tif, reduce_only=order.reduce_only)
            if intent.action == Action.CANCEL:
                return intent, ""
            if (intent.ticks, intent.lots) == (order.ticks, order.lots):
                return intent, "no_change"
        if intent.side not in (1, -1):
            return intent._replace(side=0), "no_side"
        if intent.tif not in _TIFS:
            return intent._replace(tif=TimeInForce.GTC), "no_tif"
        intent = intent._replace(tif=TimeInForce(intent.tif))  # a plain number is one, too
        if intent.lots <= 0:
            return intent, "no_size"
        priceless = intent.action == Action.SUBMIT and intent.tif in (TimeInForce.IOC, TimeInForce.FOK)
        if intent.ticks < 0 or (intent.ticks == 0 and not priceless):
            return intent, "no_price"
        return intent, ""

    def add(self, intent: Intent, now_ns: int, row_ns: int, model: int, state: OrderState) -> int:
        """A new order in its first state, SUBMITTED or DENIED. Returns its id."""
        self.count += 1
        order_id = self.count
        self._table.append(
            (
                order_id, now_ns, 0, row_ns, intent.ticks, intent.lots, 0,
                state, intent.side, intent.tif, intent.reduce_only, model, 0, 0, 0, 0,
            )
        )  # fmt: skip
        order = Working(
            order_id,
            intent.side,
            intent.ticks,
            intent.lots,
            0,
            state,
            now_ns,
            intent.reduce_only,
            intent.tif,
        )
        if state in _FINAL:
            self.last = order._replace(ended_ns=now_ns)
        else:
            self._sent.append(now_ns)
            self._working[order_id] = order
            self._origin[order_id] = (row_ns, model, intent.tif)
            self._asked[order_id] = [None]
            self._view = None
        return order_id

    def meets(self, intent: Intent) -> list[Working]:
        """Our orders on the other side that an intent could trade with."""
        return [
            order
            for order in self.working
            if order.side == -intent.side
            and (not intent.ticks or not order.ticks or intent.side * (intent.ticks - order.ticks) >= 0)
        ]

    def sent_within(self, now_ns: int) -> tuple[int, int]:
        """How many orders were sent or amended within the last second and the last minute."""
        sent = self._sent
        while sent and sent[0] <= now_ns - 60 * NS:
            sent.popleft()
        second = 0
        for ns in reversed(sent):
            if ns <= now_ns - NS:
                break
            second += 1
        return second, len(sent)

    def amending(self, order_id: int, ticks: int, lots: int, now_ns: int) -> None:
        """An amendment was sent."""
        self._sent.append(now_ns)
        order = self._working[order_id]
        self._working[order_id] = order._replace(ticks=ticks, lots=max(lots, order.lots))
        self._asked[order_id].append((ticks, lots))
        self._view = None

    def denied(self, order_id: int, now_ns: int) -> None:
        """An amendment was not sent; nothing where no such order works."""
        if (order := self._working.get(order_id)) is not None:
            self._working[order_id] = order._replace(denied_ns=now_ns)
            self._view = None

    def canceling(self, order_id: int, now_ns: int) -> None:
        """A cancel was sent."""
        order = self._working[order_id]._replace(state=OrderState.PENDING_CANCEL)
        self._working[order_id] = order
        self._view = None
        row_ns, model, tif = self._origin[order_id]
        self._table.append(
            (
                order_id, now_ns, 0, row_ns, order.ticks, order.lots, order.filled_lots,
                OrderState.PENDING_CANCEL, order.side, tif, order.reduce_only, model, 0, 0, 0, 0,
            )
        )  # fmt: skip

    def report(self, records: StateArray, wrong: Callable[[str, str], None]) -> None:
        """What the venue says, ORDER[n]: its records with our row and model written into them.

        Parameters
        ----------
        records : ORDER[n]
        wrong : callable    told, with a hint, of a record that cannot be: of an order that was never sent or is final
                            already, of a state that is none, or with more filled than was asked for. It raises where
                            that ends the session; otherwise the record is left out
        """
        for record in records.tolist():
            self._report(record, wrong)
        self._view = None

    def _report(self, record: tuple[Any, ...], wrong: Callable[[str, str], None]) -> None:
        order_id, ns, venue_ns, _, ticks, lots, filled, state, side, tif, reduce_only, _, why, *_ = record
        order = self._working.get(order_id)
        known = state in _STATES
        if order is None or not known or filled > max(lots, order.lots) or filled < order.filled_lots:
            name = OrderState(state).name if known else f"state {state}"
            wrong(
                f"the venue reports order {order_id} as {name}, {filled} of {lots} lots filled",
                f"We know it as {order}." if order else "No order of that id works.",
            )
            return
        row_ns, model, _ = self._origin[order_id]
        if state in _FINAL:
            self.last = order._replace(ticks=ticks, lots=lots, filled_lots=filled, state=state, ended_ns=ns)
            del self._working[order_id], self._origin[order_id], self._asked[order_id]
        else:
            if order.state == OrderState.PENDING_CANCEL:
                state = int(OrderState.PENDING_CANCEL)  # the cancel is still on its way
            place = self._expected(order, ticks, lots, filled)
            self._working[order_id] = order._replace(
                ticks=place[0], lots=place[1], filled_lots=filled, state=state
            )
        self._table.append(
            (
                order_id, ns, venue_ns, row_ns, ticks, lots, filled, state, side, tif, reduce_only, model,
                why, 0, 0, 0,
            )
        )  # fmt: skip

    def _expected(self, order: Working, ticks: int, lots: int, filled: int) -> tuple[int, int]:
        """Price and size of an order as it may become, when the venue says how it stands.

        What it says first answers the submission; later on, the amendment that asked for just that and those before it.
        Where none did, and nothing was filled either, the oldest was refused.
        """
        asked = self._asked[order.order_id]
        if asked[:1] == [None]:
            del asked[0]
        elif (ticks, lots) in asked:
            del asked[: asked.index((ticks, lots)) + 1]
        elif filled == order.filled_lots:
            del asked[:1]
        on_their_way = [place for place in asked if place]
        if not on_their_way:
            return ticks, lots
        return on_their_way[-1][0], max(lots, *(size for _, size in on_their_way))


def check_intents(intents: Sequence[Intent]) -> None:
    """Raise PluginError for what is no list of intents, or is too long for one decision; TypeError where an array is in one."""
    if len(intents) > MOST:
        raise PluginError(f"it asks for {len(intents):,} intents at once, {MOST:,} are the most")
    for intent in intents:
        hash(
            intent
        )  # lists and arrays have none; numbers are looked at one by one, each has a code of its own
        known = isinstance(intent, Intent) and intent.action in _ACTIONS
        if not (known and isinstance(intent.reason, str) and intent.reduce_only in (True, False)):
            raise PluginError(
                f"it asks for {intent!r}, which is no intent",
                hint="Intent(Action.SUBMIT, side, lots, ticks), for example.",
            )


def whole(value: Any) -> int:
    """A whole number as an int; 0 for what is not one, such as NaN, or is larger than `LARGEST`."""
    try:
        number = operator.index(value)
    except TypeError:
        return 0
    return number if abs(number) <= LARGEST else 0
