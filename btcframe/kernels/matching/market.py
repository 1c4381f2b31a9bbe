"""The market moves: queues get shorter, and resting orders are filled.

Three things prove that a resting order would have been filled: a print at its price that reaches it in its queue; a
print at a strictly worse price for its aggressor, who would have met it first; and an opposite side that stands at or
through its price. Where fills are bounded they are at most what was printed or offered, shared among our orders:
better prices first, then older ones.
"""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel
from btcframe.kernels.book import NO_KEY, is_sound
from btcframe.kernels.matching.queue import printed, resized
from btcframe.kernels.matching.reports import (
    cancel_what_cannot_reduce,
    fill,
    rank,
    report_filled,
    room_to_fill,
)
from btcframe.kernels.matching.taking import met
from btcframe.types import EventFlag, Kind

_TRADE, _DEPTH, _END = int(Kind.TRADE), int(Kind.DEPTH), int(EventFlag.END)


@kernel
def concerns(b, s, event):
    """Whether an event, applied to BOOK record b, may touch a resting order.

    It stands apart since most events touch none, and it is given records only: arrays cost more to hand on than this.
    """
    if event.kind == _TRADE:
        return (s.best_buy if event.side < 0 else s.best_sell) >= -event.side * event.ticks
    if event.kind == _DEPTH and (s.best_buy if event.side > 0 else s.best_sell) >= event.side * event.ticks:
        return True
    return event.flags & _END and (_is_met(b, 1, s.best_buy) or _is_met(b, 0, s.best_sell))


@kernel
def move(book, s, event, old, venue_ns, resting, taken, orders, fills):
    """What an event, applied to the book already, does to our resting orders.

    Parameters
    ----------
    old : int          lots a DEPTH event replaced
    venue_ns : int     when it happened
    """
    b = book[0]
    if event.kind == _TRADE:
        if is_sound(b):
            _print(s, event, venue_ns, resting, fills, orders)
        return
    if event.kind == _DEPTH and (b.usable or b.loading):
        key = event.side * event.ticks
        for k in range(s.resting):
            if resting[k].side * resting[k].ticks == key:
                resized(s, resting[k], old, event.lots)
    if event.flags & _END:
        if _is_met(b, 1, s.best_buy):
            _cross(book, s, 1, venue_ns, resting, taken, fills, orders)
        if _is_met(b, 0, s.best_sell):
            _cross(book, s, -1, venue_ns, resting, taken, fills, orders)


@kernel
def _is_met(b, opposite, key):
    """Whether an opposite side, of a book that can be trusted, stands at or through the key of an order."""
    if key == NO_KEY:
        return False
    n = b.n[opposite]
    return n > 0 and key + b.key[opposite, n - 1] >= 0 and is_sound(b)


@kernel
def _next(s, resting, side, key, at):
    """The order of a side that comes after the one at index `at` with a key: best price first, then by time."""
    best_key, best = np.int64(NO_KEY), -1
    for k in range(s.resting):
        mine = side * resting[k].ticks
        waiting = mine < key or (mine == key and k > at)
        if resting[k].side == side and waiting and mine > best_key:
            best_key, best = mine, k
    return best


@kernel
def _print(s, event, venue_ns, resting, fills, orders):
    """A trade: those at a better price than it, and then the queue at its price."""
    side = -event.side
    used = 0
    at = _next(s, resting, side, -NO_KEY, -1)
    while at >= 0:
        o = resting[at]
        ahead_of = side * o.ticks - side * event.ticks
        if ahead_of < 0:
            break
        if venue_ns > o.since_ns:  # the order was there
            left = event.lots - used
            lots = room_to_fill(s, o)
            if ahead_of > 0:
                o.ahead = 0.0  # whoever trades at a worse price has emptied this one
                lots = min(lots, left) if s.bounded else lots
            else:
                lots = min(lots, printed(s, o, left))
            _make(s, o, lots, venue_ns, fills, orders)
            used += lots if s.bounded else 0
        at = _next(s, resting, side, side * o.ticks, at)
    _clear(s, resting, orders)


@kernel
def _cross(book, s, side, venue_ns, resting, taken, fills, orders):
    """The opposite side stands at or through the price of orders."""
    b = book[0]
    opposite = b.key[1 if side > 0 else 0, b.n[1 if side > 0 else 0] - 1]
    at = _next(s, resting, side, -NO_KEY, -1)
    while at >= 0:
        o = resting[at]
        if side * o.ticks + opposite < 0:
            break
        if venue_ns > o.since_ns:
            o.ahead = 0.0
            _make(s, o, met(book, s, o, taken) if s.bounded else room_to_fill(s, o), venue_ns, fills, orders)
        at = _next(s, resting, side, side * o.ticks, at)
    _clear(s, resting, orders)


@kernel
def _make(s, o, lots, venue_ns, fills, orders):
    """Fill a resting order at its price."""
    if lots > 0:
        s.venue_ns = max(s.venue_ns, venue_ns)
        fill(s, o, o.ticks, lots, 1, fills)
        report_filled(s, o, orders)


@kernel
def _clear(s, resting, orders):
    """Take off what is filled, and what has nothing left to reduce."""
    kept = 0
    for k in range(s.resting):
        if resting[k].filled_lots < resting[k].lots:
            if kept < k:
                resting[kept] = resting[k]
            kept += 1
    if kept < s.resting:
        s.resting = kept
        rank(s, resting)
    cancel_what_cannot_reduce(s, resting, orders)
