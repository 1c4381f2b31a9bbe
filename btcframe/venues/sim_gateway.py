"""The simulated venue at work: requests, resting orders and reports on their way, around the matching kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from btcframe.api import Action, Intent, Position, Reports
from btcframe.kernels import matching
from btcframe.kernels.book import new_book
from btcframe.types import FILL, FUNDING, ORDER, EventArray, StateArray

_NOTHING = Reports(np.empty(0, ORDER), np.empty(0, FILL), np.empty(0, FUNDING))


class SimGateway:
    """The simulated venue at work; see `Sim`. Memory grows with the orders at work only.

    Parameters
    ----------
    settings : mapping of str to number      what the fields of matching.SIM that do not remember are set to
    held : int                               signed lots held from the start
    """

    def __init__(self, settings: Mapping[str, Any], *, held: int = 0) -> None:
        self._book = new_book()
        self._sim = matching.new_sim(held)
        for name, value in settings.items():
            self._sim[name] = value
        self._requests: StateArray = np.zeros(16, matching.REQUEST)
        self._resting: StateArray = np.zeros(16, matching.RESTING)
        self._taken: StateArray = np.zeros(64, matching.TAKEN)
        self._orders: StateArray = np.zeros(128, ORDER)
        self._fills: StateArray = np.zeros(128, FILL)
        self._funding: StateArray = np.zeros(8, FUNDING)
        self._last_arrival_ns = 0
        self._busy = False

    def submit(self, order_id: int, intent: Intent, now_ns: int) -> None:
        """Send an order."""
        self._request(
            Action.SUBMIT,
            order_id,
            now_ns,
            intent.ticks,
            intent.lots,
            intent.side,
            intent.tif,
            intent.reduce_only,
        )

    def amend(self, order_id: int, ticks: int, lots: int, now_ns: int) -> None:
        """Send a new price and total size; a total of no more than is filled cancels the order."""
        self._request(Action.AMEND, order_id, now_ns, ticks, lots)

    def cancel(self, order_id: int, now_ns: int) -> None:
        """Send a cancel; of an order that is final already it has no effect."""
        self._request(Action.CANCEL, order_id, now_ns)

    def _request(
        self,
        action: Action,
        order_id: int,
        now_ns: int,
        ticks: int = 0,
        lots: int = 0,
        side: int = 0,
        tif: int = 0,
        reduce_only: bool = False,
    ) -> None:
        s = self._sim[0]
        head, tail = int(s["request_head"]), int(s["request_tail"])
        if tail == len(self._requests):
            waiting = self._requests[head:tail].copy()
            self._requests = np.zeros(max(16, 2 * len(waiting)), matching.REQUEST)
            self._requests[: len(waiting)] = waiting
            head, tail = 0, len(waiting)
            s["request_head"] = 0
        arrive_ns = max(self._last_arrival_ns, matching.arrival(self._sim, now_ns))
        self._last_arrival_ns = arrive_ns  # one connection: nothing overtakes, not even what has arrived
        self._requests[tail] = (arrive_ns, order_id, ticks, lots, action, side, tif, reduce_only, 0)
        s["request_tail"] = tail + 1
        if int(s["resting"]) + tail + 1 - head > len(self._resting):
            self._resting = np.concatenate([self._resting, np.zeros_like(self._resting)])
        self._busy = True

    @property
    def busy(self) -> bool:
        """Whether a request or a report of an order is on its way, or an order rests."""
        return self._busy

    def advance(self, events: EventArray, until_ns: int) -> tuple[int, Reports]:
        """Match; see `Gateway.advance`. It stops before the first event that is not earlier than a due report.

        The reports of that moment are returned alone, their `ns` is the time it is then: what we do about them
        is not delayed until the market moves.
        """
        taken = 0
        while True:
            done, orders, fills, funding, busy = matching.advance(
                self._book,
                self._sim,
                self._requests,
                self._resting,
                self._taken,
                self._orders,
                self._fills,
                self._funding,
                events[taken:] if taken else events,
                until_ns,
            )
            taken += done
            if orders != matching.FULL:
                break
            self._make_room()
        self._busy = busy
        return taken, self._collect(orders, fills, funding) if orders or funding else _NOTHING

    def _make_room(self) -> None:
        """Move the reports on their way to the front of their tables, or make the tables longer."""
        s = self._sim[0]
        moved = False
        for name, table in (("order", self._orders), ("fill", self._fills), ("funding", self._funding)):
            head, tail = int(s[f"{name}_head"]), int(s[f"{name}_tail"])
            if head:
                table[: tail - head] = table[head:tail].copy()
                s[f"{name}_head"], s[f"{name}_tail"] = 0, tail - head
                moved = True
        if not moved:
            self._orders, self._fills, self._funding, self._taken = (
                np.concatenate([table, np.zeros_like(table)])
                for table in (self._orders, self._fills, self._funding, self._taken)
            )

    def _collect(self, orders: int, fills: int, funding: int) -> Reports:
        s = self._sim[0]
        heads = int(s["order_head"]), int(s["fill_head"]), int(s["funding_head"])
        reports = Reports(
            self._orders[heads[0] : heads[0] + orders].copy(),
            self._fills[heads[1] : heads[1] + fills].copy(),
            self._funding[heads[2] : heads[2] + funding].copy(),
        )
        for name, head, count in zip(
            ("order", "fill", "funding"), heads, (orders, fills, funding), strict=True
        ):
            at = head + count
            if at == int(s[f"{name}_tail"]):
                at = s[f"{name}_tail"] = 0
            s[f"{name}_head"] = at
        return reports

    def reconcile(self) -> Position:
        """What the venue holds for us. It keeps no average price and tells orders by their reports."""
        return Position(int(self._sim[0]["position_lots"]))

    def close(self) -> None:
        """Nothing to free."""
