"""A real venue's reports in the order of the market's events: what arrived when, so that a replay comes to the same.

Reports come from another thread at any time. They are merged with the market by time exactly as the simulated venue
merges its own: each gets the moment at which it could be known, which is written down with it; and where it is delivered
among the events follows from that number alone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from btcframe.api import Reports
from btcframe.types import FILL, FUNDING, NS, ORDER, EventArray, OrderState, StateArray

_NOTHING = Reports(np.empty(0, ORDER), np.empty(0, FILL), np.empty(0, FUNDING))


class _Arrived(NamedTuple):
    ns: int
    reports: Reports


class TimedReports:
    """What a real venue has told, until the trader hears it. `put` is for any thread, all else for the trader's.

    - A report's `ns` is when it arrived, but later than everything that the trader had been told the time of when it was
      taken in, and never earlier than the report before it.
    - It is delivered before the first event with a `local_ts` not earlier than that, alone with those of the same moment;
      or, where all events are taken, if it is not later than the time it is then. See `Gateway.advance`.
    - Order states and fills come by different ways. A state is held back until the fills that it tells of have come, and
      what follows of the same order with it: position and orders never contradict each other.

    Parameters
    ----------
    now : callable, optional    the clock of EVENT.local_ts, ns: live. None, in a replay: nothing is waited for
    wake : callable, optional   called when something has arrived, so that it is heard though the market is quiet
    sleep : callable            s
    """

    def __init__(
        self,
        now: Callable[[], int] | None = None,
        wake: Callable[[], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._now, self._wake, self._sleep = now, wake, sleep
        self._arrived: deque[_Arrived] = deque()  # from any thread
        self._waiting: deque[_Arrived] = deque()  # with their final ns
        self._known_ns = self._last_ns = 0  # the time that the trader knows; the last report's
        self._filled: dict[int, int] = {}  # lots of the fills so far, by order that is not final
        self._held: dict[int, list[StateArray]] = {}  # states whose fills have not come

    def put(
        self,
        orders: StateArray | None = None,
        fills: StateArray | None = None,
        funding: StateArray | None = None,
        *,
        ns: int | None = None,
    ) -> None:
        """The venue has told something; from any thread.

        Parameters
        ----------
        orders, fills, funding : ORDER[a], FILL[b], FUNDING[c], optional     their `ns` is written here
        ns : int, optional      when it arrived; None: now
        """
        if ns is None:
            ns = self._now() if self._now is not None else 0
        nothing = _NOTHING
        reports = Reports(
            nothing.orders if orders is None else orders.copy(),
            nothing.fills if fills is None else fills.copy(),
            nothing.funding if funding is None else funding.copy(),
        )
        self._arrived.append(_Arrived(ns, reports))
        if self._wake is not None:
            self._wake()

    @property
    def busy(self) -> bool:
        """Always: a real venue may tell of funding when no order works. So what is heard when never depends on batches."""
        return True

    @property
    def held(self) -> int:
        """Order states that wait for their fills."""
        return sum(len(states) for states in self._held.values())

    def advance(self, events: EventArray, until_ns: int) -> tuple[int, Reports]:
        """See `Gateway.advance`. Without events it really waits until the clock reads `until_ns`, if that is later."""
        if not len(events) and self._now is not None:
            while (left_ns := until_ns - self._now()) > 0:
                self._sleep(left_ns / NS)
        if self._arrived:
            self._take_in()
        waiting = self._waiting
        if not waiting or waiting[0].ns > until_ns:
            self._known_ns = max(self._known_ns, until_ns)
            return len(events), _NOTHING
        first_ns = waiting[0].ns
        taken = int(np.searchsorted(events["local_ts"], first_ns)) if len(events) else 0
        last_ns = first_ns if taken < len(events) else until_ns
        self._known_ns = max(self._known_ns, last_ns)
        due = []
        while waiting and waiting[0].ns <= last_ns:
            due.append(waiting.popleft().reports)
        return taken, due[0] if len(due) == 1 else Reports(*map(np.concatenate, zip(*due, strict=True)))

    def _take_in(self) -> None:
        """Give what has arrived its moment, and hold back states whose fills have not come."""
        while self._arrived:
            arrived_ns, (orders, fills, funding) = self._arrived.popleft()
            for order_id, lots in zip(fills["order_id"].tolist(), fills["lots"].tolist(), strict=True):
                self._filled[order_id] = self._filled.get(order_id, 0) + lots
            reports = Reports(self._proven(orders, fills), fills, funding)
            if not any(map(len, reports)):
                continue
            ns = self._last_ns = max(arrived_ns, self._known_ns + 1, self._last_ns)
            for table in reports:
                table["ns"] = ns
            self._waiting.append(_Arrived(ns, reports))

    def _proven(self, orders: StateArray, fills: StateArray) -> StateArray:
        """The states that may be told now: of those held back and of new ones, in their order."""
        held = self._held
        if not held and all(self._filled.get(order, 0) >= lots for order, lots in _lots(orders)):
            self._forget(orders)
            return orders
        for n, order_id in enumerate(orders["order_id"].tolist()):
            held.setdefault(order_id, []).append(orders[n : n + 1])
        told = []
        for order_id in dict.fromkeys([*orders["order_id"].tolist(), *fills["order_id"].tolist()]):
            states = held.pop(order_id, [])
            ready = 0
            while ready < len(states) and states[ready]["filled_lots"][0] <= self._filled.get(order_id, 0):
                ready += 1
            told += states[:ready]
            if ready < len(states):
                held[order_id] = states[ready:]
        ready_states: StateArray = np.concatenate(told) if told else _NOTHING.orders.copy()
        self._forget(ready_states)
        return ready_states

    def _forget(self, orders: StateArray) -> None:
        for order_id, state in zip(orders["order_id"].tolist(), orders["state"].tolist(), strict=True):
            if OrderState(state).final:
                self._filled.pop(order_id, None)


def _lots(orders: StateArray) -> zip[tuple[int, int]]:
    return zip(orders["order_id"].tolist(), orders["filled_lots"].tolist(), strict=True)
