"""Orders for two simulators at once: seeded, of every kind, at every depth, decided by the market alone.

Nothing in a script depends on what is filled, so that one difference does not grow into a thousand.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from btcframe.api import Action
from btcframe.kernels.book import apply, new_book, top
from btcframe.types import LEVELS, NS, EventArray, TimeInForce

COMMAND = np.dtype(
    [
        ("ns", "i8"),  # when it is sent
        ("order_id", "i8"),  # from 1 on
        ("ticks", "i8"),  # 0 for a market order
        ("lots", "i8"),  # for AMEND the new total
        ("action", "u1"),  # Action
        ("side", "i1"),
        ("tif", "u1"),  # TimeInForce
        ("pad", "u1"),
        ("pad2", "u4"),
    ],
    align=True,
)

APART_NS = 200_000_000
"""Between two requests of one order: longer than a request and its answer take, for hftbacktest refuses a request while
another is unanswered."""


class Mix(NamedTuple):
    """What a script is made of: kinds of orders with their weights."""

    resting: float = 0.55  # GTC or POST_ONLY that should not cross
    crossing: float = 0.10  # GTC at or through the other side
    post_only_crossing: float = 0.03
    ioc: float = 0.14
    fok: float = 0.06
    market: float = 0.12
    crowded: bool = False  # several orders of ours may stand at one price
    size: float = 0.2  # median, of the lots at the best price; of the smaller of both for an order that takes
    spread: float = 1.0  # standard deviation of the sizes' logarithm


ORDINARY = Mix()


def write(events: EventArray, *, seed: int, orders: int, mix: Mix = ORDINARY) -> npt.NDArray[np.void]:
    """Orders at random moments, some amended, those that may rest canceled in the end: COMMAND[n] by time."""
    writer = _Writer(events, np.random.default_rng(seed), mix)
    local = events["local_ts"]
    first, last = int(local[0]), int(local[-1])
    # the end is left to what is still on its way
    moments = np.sort(writer.random.integers(first, last - 2 * NS, orders))
    ahead: list[tuple[int, int, int]] = [(int(ns), 0, k + 1) for k, ns in enumerate(moments)]
    heapq.heapify(ahead)
    while ahead:
        ns, step, order_id = heapq.heappop(ahead)
        next_ns = writer.submit(ns, order_id) if step == 0 else writer.go_on(ns, order_id)
        if next_ns:
            heapq.heappush(ahead, (next_ns, step + 1, order_id))
    commands = np.array(writer.commands, COMMAND)
    return commands[commands["ns"] < last - NS]


class _Writer:
    def __init__(self, events: EventArray, random: np.random.Generator, mix: Mix) -> None:
        self.random, self.mix = random, mix
        self.commands: list[tuple[int, ...]] = []
        self._events, self._local, self._at = events, events["local_ts"], 0
        self._book = new_book()
        self._levels = [np.zeros(LEVELS, np.int64) for _ in range(4)]
        self._standing: dict[
            int, tuple[int, int, int, int]
        ] = {}  # order → side, ticks, lots, requests to come

    def _see(self, ns: int) -> bool:
        """The book as it is known at a time; whether it can be traded on."""
        stop = int(np.searchsorted(self._local, ns, "right"))
        apply(self._book, self._events, self._at, stop)
        self._at = stop
        sound, bids, asks = top(self._book, *self._levels)
        return bool(sound and bids > 1 and asks > 1)

    def _prices(self, side: int) -> npt.NDArray[np.int64]:
        """Prices of the bids (+1) or asks (−1), best first."""
        return self._levels[0 if side > 0 else 2][: int(self._book[0]["n"][0 if side > 0 else 1])]

    def _resting_price(self, side: int) -> int:
        """At the best, inside the spread, on some level behind, or between two of them."""
        own, other = self._prices(side), self._prices(-side)
        where = self.random.random()
        best = int(own[0])
        if where < 0.45:
            ticks = best
        elif where < 0.6:
            ticks = best + side * int(self.random.integers(1, max(2, abs(int(other[0]) - best))))
        elif where < 0.85:
            ticks = int(own[self.random.integers(len(own))])
        else:
            ticks = best - side * int(self.random.integers(1, 60))
        if ticks * side >= int(other[0]) * side:
            ticks = best
        taken = {(s, t) for s, t, _, _ in self._standing.values()}
        while not self.mix.crowded and (side, ticks) in taken:
            ticks -= side
        return ticks

    def _crossing_price(self, side: int) -> int:
        """The other side's best, or up to three levels through it."""
        other = self._prices(-side)
        return int(other[min(int(self.random.choice((0, 0, 0, 1, 2, 3))), len(other) - 1)])

    def submit(self, ns: int, order_id: int) -> int:
        """Write a new order; returns when something more is asked of it, 0 for never."""
        if not self._see(ns):
            return 0
        mix, random = self.mix, self.random
        side = 1 if random.random() < 0.5 else -1
        weights = np.array((mix.resting, mix.crossing, mix.post_only_crossing, mix.ioc, mix.fok, mix.market))
        kind = int(random.choice(len(weights), p=weights / weights.sum()))
        bid_lots, ask_lots = int(self._levels[1][0]), int(self._levels[3][0])
        best = (bid_lots if side > 0 else ask_lots) if kind == 0 else min(bid_lots, ask_lots)
        lots = max(1, int(np.exp(random.normal(np.log(max(1.0, best * mix.size)), mix.spread))))
        tif, ticks = TimeInForce.GTC, 0
        if kind == 0:
            tif = TimeInForce.POST_ONLY if random.random() < 0.4 else TimeInForce.GTC
            ticks = self._resting_price(side)
        elif kind < 5:
            tif = (TimeInForce.GTC, TimeInForce.POST_ONLY, TimeInForce.IOC, TimeInForce.FOK)[kind - 1]
            ticks = self._crossing_price(side)
            if kind >= 3 and random.random() < 0.15:  # one that finds nothing
                ticks = int(self._prices(side)[0])
        else:
            tif = TimeInForce.IOC
        self.commands.append((ns, order_id, ticks, lots, Action.SUBMIT, side, tif, 0, 0))
        if ticks == 0 or tif in (TimeInForce.IOC, TimeInForce.FOK):
            return 0
        self._standing[order_id] = (side, ticks, lots, 1 + int(random.choice((0, 0, 1, 2))))
        return self._later(ns)

    def go_on(self, ns: int, order_id: int) -> int:
        """Amend an order, or cancel it when nothing is left to be asked of it."""
        side, ticks, lots, left = self._standing.pop(order_id)
        if left == 1 or not self._see(ns):
            self.commands.append((ns, order_id, 0, 0, Action.CANCEL, side, 0, 0, 0))
            return 0
        if lots > 1 and self.random.random() < 0.3:
            lots = int(self.random.integers(max(1, lots // 4), lots))
        else:
            crossing, before = self.random.random() < 0.1, ticks
            ticks = self._crossing_price(side) if crossing else self._resting_price(side)
            if ticks == before:  # an amendment that changes nothing may cost the place in hftbacktest's queue
                ticks -= side
        self.commands.append((ns, order_id, ticks, lots, Action.AMEND, side, 0, 0, 0))
        self._standing[order_id] = (side, ticks, lots, left - 1)
        return self._later(ns)

    def _later(self, ns: int) -> int:
        return ns + APART_NS + int(self.random.exponential(6 * NS))
