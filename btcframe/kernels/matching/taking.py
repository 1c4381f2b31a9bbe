"""Taking from the visible book, and what is gone of it since.

A recorded book does not know that we took from it. So what we took of a level is remembered, and is not there any
more until the market itself renews it: what it adds to the level is new, a level that shrinks below what we took shows
nothing but that, and one that goes and comes again is all new.
"""

from __future__ import annotations

from btcframe.kernels import kernel
from btcframe.kernels.book import NO_KEY, find
from btcframe.kernels.matching.reports import fill, room_to_fill


@kernel
def _gone(s, taken, key):
    """Lots we have taken of the level with a key."""
    for k in range(s.taken):
        if taken[k].key == key:
            return taken[k].lots
    return 0


@kernel
def _take(s, taken, key, lots):
    for k in range(s.taken):
        if taken[k].key == key:
            taken[k].lots += lots
            return
    t = taken[s.taken]
    s.taken += 1
    t.key = key
    t.lots = lots


@kernel
def renewed(s, taken, key, lots):
    """The market shows `lots` at a level now: no more than that can be gone of it."""
    for k in range(s.taken):
        if taken[k].key == key:
            taken[k].lots = min(taken[k].lots, lots)
            if taken[k].lots == 0:
                s.taken -= 1
                taken[k] = taken[s.taken]
            return


@kernel
def replaced(book, s, taken):
    """A snapshot has ended: what it does not show any more is all new when it comes again."""
    b = book[0]
    k = s.taken - 1
    while k >= 0:
        key = taken[k].key
        j = 0 if key > 0 else 1
        at = find(b.key[j], b.n[j], key)
        renewed(s, taken, key, b.lots[j, at] if at < b.n[j] and b.key[j, at] == key else 0)
        k -= 1


@kernel
def offered(book, s, taken, side, worst, whole):
    """Visible lots a buy (+1) or sell (−1) could take.

    Parameters
    ----------
    worst : int     key of the last level it may take; NO_KEY for any
    whole : bool    count what we took, too
    """
    b = book[0]
    j = 1 if side > 0 else 0
    lots = 0
    for k in range(b.n[j] - 1, max(b.n[j] - 1 - s.levels, -1), -1):
        if b.key[j, k] < worst:
            break
        lots += b.lots[j, k]
        if s.taken > 0 and not whole:
            lots -= _gone(s, taken, b.key[j, k])
    return lots


@kernel
def worst_of(s, o):
    """Key of the worst opposite level the price of an order allows, and that of the last before one of ours.

    Our orders never trade with each other, so nothing at or behind one of ours can be taken; without impact they do
    not know of each other.
    """
    limit = NO_KEY if o.ticks == 0 else -o.side * o.ticks
    ours = s.best_sell if o.side > 0 else s.best_buy
    return limit, ours + 1 if s.impact and ours > NO_KEY else NO_KEY


@kernel
def reaches_beyond(book, s, o):
    """Whether the price of an order is at or through the first level that is not seen."""
    b = book[0]
    j = 1 if o.side > 0 else 0
    return b.n[j] > s.levels and b.key[j, b.n[j] - 1 - s.levels] >= -o.side * o.ticks


@kernel
def take(book, s, o, taken, worst, fills):
    """Take level by level, each at its price."""
    b = book[0]
    j = 1 if o.side > 0 else 0
    for k in range(b.n[j] - 1, max(b.n[j] - 1 - s.levels, -1), -1):
        key = b.key[j, k]
        if key < worst:
            break
        there = b.lots[j, k] - (_gone(s, taken, key) if s.impact else 0)
        lots = min(room_to_fill(s, o), there)
        if lots > 0:
            _take(s, taken, key, lots)
            fill(s, o, -o.side * key, lots, 0, fills)


@kernel
def met(book, s, o, taken):
    """Lots the opposite side offers a resting order at or through its price, now taken; at most what it needs."""
    b = book[0]
    j = 1 if o.side > 0 else 0
    wanted = room_to_fill(s, o)
    got = 0
    for k in range(b.n[j] - 1, max(b.n[j] - 1 - s.levels, -1), -1):
        key = b.key[j, k]
        if key < -o.side * o.ticks or got == wanted:
            break
        lots = min(wanted - got, b.lots[j, k] - _gone(s, taken, key))
        if lots > 0:
            _take(s, taken, key, lots)
            got += lots
    return got
