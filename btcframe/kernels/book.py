"""The order book: integer ticks and lots, both sides in one record array.

A side is a sorted array of keys, ascending, so that the best level is the last one and a change near the best
moves few entries. The key of a price is ``side * ticks``: "better" is "greater" on both sides. Side 0 is the
bid, side 1 the ask.
"""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel
from btcframe.types import EventFlag, Kind, StateArray

CAPACITY = 16_384
"""Levels a side can hold; when it is full the deepest one is dropped and counted."""

NO_KEY = -(1 << 62)
"""The key of an absent level: worse than every price."""

BOOK = np.dtype(
    [
        ("usable", "i8"),  # 1 from the end of a snapshot until a GAP
        ("loading", "i8"),  # 1 from CLEAR until the END of the snapshot
        ("dropped", "i8"),  # levels lost because a side was full
        ("n", "i8", (2,)),  # levels per side
        ("key", "i8", (2, CAPACITY)),  # side * ticks, ascending: the best is at n - 1
        ("lots", "i8", (2, CAPACITY)),
    ],
    align=True,
)

_DEPTH, _CLEAR, _EMPTY, _GAP = int(Kind.DEPTH), int(Kind.CLEAR), int(Kind.EMPTY), int(Kind.GAP)
_END = int(EventFlag.END)


def new_book() -> StateArray:
    """An empty, unusable book: BOOK of shape (1,)."""
    return np.zeros(1, BOOK)


@kernel
def find(keys, n, key):
    """Index of the first of n ascending keys that is >= key; most searches end near the best."""
    low, high = 0, n
    near = n - 8
    if near > 0:
        if keys[near] < key:
            low = near + 1
        else:
            high = near
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def lots_at(book, side, key):
    """Lots at a key of side 0 or 1, 0 where there is no level."""
    n = book.n[side]
    at = find(book.key[side], n, key)
    if at < n and book.key[side, at] == key:
        return book.lots[side, at]
    return 0


@kernel
def _move_down(keys, sizes):
    """Move every level to the place before its own, over the first."""
    # views that begin where the loop does: so the compiler knows that no index is negative, and moves eight at a time
    for j in range(len(keys) - 1):
        keys[j] = keys[j + 1]
        sizes[j] = sizes[j + 1]


@kernel
def _move_up(keys, sizes):
    """Move every level to the place behind its own, over the last."""
    for j in range(len(keys) - 1, 0, -1):
        keys[j] = keys[j - 1]
        sizes[j] = sizes[j - 1]


@kernel
def set_level(book, side, key, lots):
    """Set the size at a key (0 deletes) and return the size it had."""
    keys = book.key[side]
    sizes = book.lots[side]
    n = book.n[side]
    at = find(keys, n, key)
    if at < n and keys[at] == key:
        old = sizes[at]
        if lots > 0:
            sizes[at] = lots
        else:
            _move_down(keys[at:n], sizes[at:n])
            book.n[side] = n - 1
        return old
    if lots <= 0:
        return 0
    if n == CAPACITY:
        book.dropped += 1
        if at == 0:  # the new level is itself the deepest
            return 0
        at -= 1
        _move_down(keys[: at + 1], sizes[: at + 1])
    else:
        _move_up(keys[at : n + 1], sizes[at : n + 1])
        book.n[side] = n + 1
    keys[at] = key
    sizes[at] = lots
    return 0


@kernel
def apply_event(book, event):
    """Advance one BOOK record by one EVENT record; returns the lots a DEPTH event replaced.

    DEPTH on a book that is neither usable nor loading is ignored: nothing can be said about what it changes. A
    trade does not touch the book; the feed's own depth does.
    """
    kind = event.kind
    old = 0
    if kind == _DEPTH:
        if book.usable or book.loading:
            side = 0 if event.side > 0 else 1
            old = set_level(book, side, event.side * event.ticks, event.lots)
    elif kind == _CLEAR:
        book.n[0] = 0
        book.n[1] = 0
        book.loading = 1
    elif kind == _GAP:
        book.usable = 0
        book.loading = 0
    if book.loading and event.flags & _END and kind in (_DEPTH, _CLEAR, _EMPTY):
        book.loading = 0
        book.usable = 1
    return old


@kernel
def apply(book, events, start, stop):
    """Advance BOOK[1] by events[start:stop]."""
    record = book[0]
    for i in range(start, stop):
        apply_event(record, events[i])


@kernel
def is_sound(book):
    """Whether a BOOK record can be traded on: usable, whole, two-sided, neither crossed nor locked."""
    n_bid, n_ask = book.n[0], book.n[1]
    if not book.usable or book.loading or n_bid == 0 or n_ask == 0:
        return False
    return book.key[0, n_bid - 1] < -book.key[1, n_ask - 1]


@kernel
def top(book, bid_ticks, bid_lots, ask_ticks, ask_lots):
    """Copy the best levels of BOOK[1], best first, into int64 arrays.

    Returns
    -------
    (sound, bids, asks) : (bool, int, int)      `is_sound`, and how many levels were copied per side
    """
    record = book[0]
    bids = min(bid_ticks.shape[0], record.n[0])
    asks = min(ask_ticks.shape[0], record.n[1])
    for k in range(bids):
        bid_ticks[k] = record.key[0, record.n[0] - 1 - k]
        bid_lots[k] = record.lots[0, record.n[0] - 1 - k]
    for k in range(asks):
        ask_ticks[k] = -record.key[1, record.n[1] - 1 - k]
        ask_lots[k] = record.lots[1, record.n[1] - 1 - k]
    return is_sound(record), bids, asks


@kernel
def copy_book(source, target):
    """Copy BOOK[1] onto another, only the levels in use."""
    a = source[0]
    b = target[0]
    b.usable = a.usable
    b.loading = a.loading
    b.dropped = a.dropped
    for side in range(2):
        n = a.n[side]
        b.n[side] = n
        for k in range(n):  # a slice would compile numba's message about unequal shapes: seconds
            b.key[side, k] = a.key[side, k]
            b.lots[side, k] = a.lots[side, k]
