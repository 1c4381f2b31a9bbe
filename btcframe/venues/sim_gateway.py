"""The simulated venue at work: requests, resting orders and reports on their way, around the matching kernel."""

from __future__ import annotations

import numpy as np

from btcframe.api import Action, Intent, Position, Reports
from btcframe.kernels import matching
from btcframe.kernels.book import new_book
from btcframe.types import FILL, ORDER, EventArray, Instrument, StateArray

_NOTHING = Reports(np.empty(0, ORDER), np.empty(0, FILL))


class SimGateway:
    """The simulated venue at work; see `Sim`. Memory grows with the orders at work only.

    Parameters
    ----------
    instrument : Instrument       linear
    latency_ns : int              us to the venue
    report_latency_ns : int       the venue to us
    maker_rate, taker_rate : float      fees as a share of the notional
    """

    def __init__(
        self,
        instrument: Instrument,
        *,
        latency_ns: int,
        report_latency_ns: int,
        maker_rate: float,
        taker_rate: float,
    ) -> None:
        self._latency_ns = latency_ns
        self._book = new_book()
        self._sim: StateArray = np.zeros(1, matching.SIM)
        self._sim["report_latency_ns"] = report_latency_ns
        self._sim["maker_rate"] = maker_rate
        self._sim["taker_rate"] = taker_rate
        self._sim["unit"] = float(instrument.tick * instrument.lot)
        self._requests: StateArray = np.zeros(16, matching.REQUEST)
        self._resting: StateArray = np.zeros(16, matching.RESTING)
        self._orders: StateArray = np.zeros(128, ORDER)
        self._fills: StateArray = np.zeros(128, FILL)
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
        previous = int(self._requests[tail - 1]["arrive_ns"]) if tail > head else 0
        arrive_ns = max(previous, now_ns + self._latency_ns)
        self._requests[tail] = (arrive_ns, order_id, ticks, lots, action, side, tif, reduce_only, 0)
        s["request_tail"] = tail + 1
        if int(s["resting"]) + tail + 1 - head > len(self._resting):
            self._resting = np.concatenate([self._resting, np.zeros_like(self._resting)])
        self._busy = True

    @property
    def busy(self) -> bool:
        """Whether a request or a report is on its way, or an order rests."""
        return self._busy

    def advance(self, events: EventArray, until_ns: int) -> tuple[int, Reports]:
        """Match; see `Gateway.advance`. It stops before the first event that is not earlier than a due report.

        The reports of that moment are returned alone, their `ns` is the time it is then: what we do about them
        is not delayed until the market moves.
        """
        taken = 0
        while True:
            done, orders, fills, busy = matching.advance(
                self._book,
                self._sim,
                self._requests,
                self._resting,
                self._orders,
                self._fills,
                events[taken:] if taken else events,
                until_ns,
            )
            taken += done
            if orders != matching.FULL:
                break
            self._make_room()
        self._busy = busy
        return taken, self._collect(orders, fills) if orders else _NOTHING

    def _make_room(self) -> None:
        """Move the reports on their way to the front of longer tables."""
        s = self._sim[0]
        room = 64 + 4 * int(s["resting"])
        orders = self._orders[s["order_head"] : s["order_tail"]]
        fills = self._fills[s["fill_head"] : s["fill_tail"]]
        self._orders = np.concatenate([orders, np.zeros(len(orders) + room, ORDER)])
        self._fills = np.concatenate([fills, np.zeros(len(fills) + room, FILL)])
        s["order_head"], s["order_tail"] = 0, len(orders)
        s["fill_head"], s["fill_tail"] = 0, len(fills)

    def _collect(self, orders: int, fills: int) -> Reports:
        s = self._sim[0]
        order_head, fill_head = int(s["order_head"]), int(s["fill_head"])
        reports = Reports(
            self._orders[order_head : order_head + orders].copy(),
            self._fills[fill_head : fill_head + fills].copy(),
        )
        s["order_head"], s["fill_head"] = order_head + orders, fill_head + fills
        if s["order_head"] == s["order_tail"]:
            s["order_head"] = s["order_tail"] = s["fill_head"] = s["fill_tail"] = 0
        return reports

    def reconcile(self) -> Position:
        """What the venue holds for us. It keeps no average price and tells orders by their reports."""
        return Position(int(self._sim[0]["position_lots"]))

    def close(self) -> None:
        """Nothing to free."""
