"""The book of the synthetic market: what an order does to it, and the messages that tell of it.

A side is an array of keys in increasing order, best first, where key = ticks for asks and −ticks for bids: so both
sides are handled by the same code. Levels are sparse, as in a real book of small ticks; the best one holds much more
than the others.
"""

from __future__ import annotations

from btcframe.kernels import kernel
from btcframe.kernels.random import exponential, uniform
from btcframe.types import LEVELS, EventFlag, Kind

BID, ASK = 0, 1

SPARE = 2
"""Room in the arrays beyond the levels kept: an order is inserted before the deepest level is dropped."""

FRAGMENTS = 60
"""Prints of one price that an order makes at most: it meets that many resting orders."""

BOOK = [
    ("random", "u8"),  # state of the generator
    ("now", "i8"),  # ns, exchange time
    ("local", "i8"),  # ns, when the messages of the last order were received
    ("latency", "i8"),  # ns
    ("jitter", "f8"),  # ns, mean of what is added to the latency
    ("update_id", "i8"),
    ("levels", "i8"),  # kept on each side
    ("count", "i8", (2,)),  # levels there are
    ("behind", "i8", (2,)),  # ticks by which a side's best is away from where it belongs
    ("gap", "f8"),  # ticks between neighbouring levels, mean
    ("best_size", "f8"),  # lots an order at the best adds, mean
    ("deep_size", "f8"),  # lots, scale of an order elsewhere
    ("trade_size", "f8"),  # lots, scale of a market order
    (
        "tilt",
        "f8",
    ),  # factor on rates and sizes of the bid and of buyers, its inverse of the ask and of sellers
    ("fragments", "f8"),  # prints of a market order, scale
]
"""The fields of the market's state that this module reads and writes."""

_DEPTH, _CLEAR, _TRADE = int(Kind.DEPTH), int(Kind.CLEAR), int(Kind.TRADE)
_HEARTBEAT = int(Kind.HEARTBEAT)
_END, _SNAPSHOT = int(EventFlag.END), int(EventFlag.SNAPSHOT)
_FULL_CANCEL = 0.3  # share of cancels away from the best that empty the level
_NEW_LEVEL = 0.3  # share of orders away from the best at a price nobody stood at
_AT_BEST = 0.5  # share of limit orders and cancels at the best
_SWEPT_BY_TRADES = 0.5  # share of the levels a move passes that see a trade; what is left of them is canceled
# sizes and numbers of prints are Pareto-like: scale · (U^-tail − 1), cut at some number of scales
_DEEP_TAIL, _DEEP_MOST = 0.65, 1000.0
_PRINT_TAIL, _PRINT_MOST = 1.2, 3000.0
_FRAGMENT_TAIL = 0.7


# ------------------------------------------------------------------------------------------------ messages


@kernel
def receive(s):
    """What happens now arrives after the latency, and never before what happened earlier."""
    s.local = max(s.local, s.now + s.latency + int(s.jitter * exponential(s)))


@kernel
def put(s, events, n, kind, side, key, lots, flags):
    """Write an event; returns the next free place. `side` is BID or ASK: the book's, or the aggressor's of a trade."""
    e = events[n]
    e.exch_ts = s.now
    e.send_ts = s.now
    e.local_ts = s.local
    e.update_id = s.update_id
    e.ticks = key if side == ASK else -key
    e.lots = lots
    e.kind = kind
    e.side = 1 if side == BID else -1
    e.flags = flags
    return n + 1


@kernel
def depth(s, events, n, side, key, lots):
    """One level changed."""
    return put(s, events, n, _DEPTH, side, key, lots, 0)


@kernel
def trade(s, events, n, taken, key, lots):
    """A print at a price of the side `taken`; every print is a message. The aggressor stands on the other side."""
    n = put(s, events, n, _TRADE, taken, key, lots, _END)
    events[n - 1].side = -events[n - 1].side
    return n


@kernel
def end_message(events, n):
    """The last event written ends its message."""
    events[n - 1].flags |= _END
    return n


@kernel
def heartbeat(s, events, n, local):
    """Time has passed."""
    s.local = max(s.local, local)
    n = put(s, events, n, _HEARTBEAT, ASK, 0, 0, _END)
    events[n - 1].side = 0
    return n


# -------------------------------------------------------------------------------------------------- levels


@kernel
def _heavy(s, scale, tail, most):
    """A number from 1 on: mostly small, now and then `most` times that."""
    return 1 + int(scale * min(uniform(s) ** -tail - 1.0, most))


@kernel
def _deep(s):
    """Lots of an order away from the best price."""
    return _heavy(s, s.deep_size, _DEEP_TAIL, _DEEP_MOST)


@kernel
def _factor(s, side):
    """By how much more a side is willing than it would be if nobody knew anything."""
    return s.tilt if side == BID else 1.0 / s.tilt


@kernel
def _best(s, side):
    """Lots of an order at the best price."""
    return 1 + int(2.0 * s.best_size * _factor(s, side) * uniform(s))


@kernel
def spacing(s):
    """Ticks from a level to the next."""
    return 1 + int((s.gap - 1.0) * exponential(s))


@kernel
def _insert(s, keys, lots, side, at, key, size):
    for k in range(s.count[side], at, -1):
        keys[side, k] = keys[side, k - 1]
        lots[side, k] = lots[side, k - 1]
    keys[side, at] = key
    lots[side, at] = size
    s.count[side] += 1


@kernel
def _remove(s, keys, lots, side, at):
    s.count[side] -= 1
    for k in range(at, s.count[side]):
        keys[side, k] = keys[side, k + 1]
        lots[side, k] = lots[side, k + 1]


@kernel
def _set(s, keys, lots, events, n, side, at, size):
    lots[side, at] = size
    return depth(s, events, n, side, keys[side, at], size)


@kernel
def _trim(s, keys, events, n, side):
    """Drop what is deeper than the levels kept."""
    while s.count[side] > s.levels:
        s.count[side] -= 1
        n = depth(s, events, n, side, keys[side, s.count[side]], 0)
    return n


@kernel
def _deepen(s, keys, lots, events, n, side):
    """Fill up with levels behind the deepest."""
    while s.count[side] < s.levels:
        at = s.count[side]
        keys[side, at] = keys[side, at - 1] + spacing(s)
        s.count[side] += 1
        n = _set(s, keys, lots, events, n, side, at, _deep(s))
    return n


@kernel
def snapshot(s, keys, lots, events, n, best_bid):
    """Fill both sides from the best prices outward and tell it all."""
    receive(s)
    s.update_id += 1
    n = put(s, events, n, _CLEAR, ASK, 0, 0, _SNAPSHOT)
    events[n - 1].side = 0
    first = n
    for side in range(2):
        keys[side, 0] = -best_bid if side == BID else best_bid + 1
        s.count[side] = 1
        n = _set(s, keys, lots, events, n, side, 0, _best(s, side))
        n = _deepen(s, keys, lots, events, n, side)
    for k in range(first, n):
        events[k].flags |= _SNAPSHOT
    return end_message(events, n)


# --------------------------------------------------------------------------------------------------- orders


@kernel
def limit_order(s, keys, lots, events, n, side):
    """Add size to a level, or open one between two others."""
    s.update_id += 1
    if uniform(s) < _AT_BEST:
        size = lots[side, 0] + _best(s, side)
        return end_message(events, _set(s, keys, lots, events, n, side, 0, size))
    # nearer levels get more orders
    at = int(s.count[side] * uniform(s) * uniform(s))
    size = _deep(s)
    room = keys[side, at + 1] - keys[side, at] - 1 if at + 1 < s.count[side] else 0
    if room > 0 and uniform(s) < _NEW_LEVEL:
        key = keys[side, at] + 1 + int(room * uniform(s))
        _insert(s, keys, lots, side, at + 1, key, size)
        n = depth(s, events, n, side, key, size)
        n = _trim(s, keys, events, n, side)
    else:
        n = _set(s, keys, lots, events, n, side, at, lots[side, at] + size)
    return end_message(events, n)


@kernel
def cancel(s, keys, lots, events, n, side):
    """Take size from a level; the best always keeps a lot, only a move takes that."""
    s.update_id += 1
    at = 0 if uniform(s) < _AT_BEST else int(s.count[side] * uniform(s) * uniform(s))
    if at > 0 and s.count[side] > LEVELS and uniform(s) < _FULL_CANCEL:
        n = depth(s, events, n, side, keys[side, at], 0)
        _remove(s, keys, lots, side, at)
        n = _deepen(s, keys, lots, events, n, side)
    else:
        left = max(1, int(lots[side, at] * (1.0 - 0.5 * uniform(s))))
        n = _set(s, keys, lots, events, n, side, at, left)
    return end_message(events, n)


@kernel
def _prints(s, events, n, taken, key, there):
    """Trade at one price, a print for each resting order met; one lot at least is left. Returns n and what is left."""
    scale = s.trade_size * _factor(s, 1 - taken)
    for _ in range(min(FRAGMENTS, _heavy(s, s.fragments, _FRAGMENT_TAIL, FRAGMENTS))):
        size = min(_heavy(s, scale, _PRINT_TAIL, _PRINT_MOST), there - 1)
        if size < 1:
            break
        n = trade(s, events, n, taken, key, size)
        there -= size
    return n, there


@kernel
def market_order(s, keys, lots, events, n, taken):
    """Trade against the best of the side `taken`; the last lot there is only taken by a move."""
    s.update_id += 1
    if lots[taken, 0] == 1:
        return end_message(events, _set(s, keys, lots, events, n, taken, 0, 1 + _best(s, taken)))
    n, left = _prints(s, events, n, taken, keys[taken, 0], lots[taken, 0])
    s.update_id += 1
    return end_message(events, _set(s, keys, lots, events, n, taken, 0, left))


# ---------------------------------------------------------------------------------------------------- moves


@kernel
def move(s, keys, lots, events, n, gives, ticks, follows):
    """The price moves by `ticks` to where side `gives` stands; the other side follows, or stays behind for a while."""
    s.update_id += 1
    best = keys[gives, 0] + ticks
    passed = 0
    while passed < s.count[gives] and keys[gives, passed] < best:
        if passed == 0:
            n, left = _prints(s, events, n, gives, keys[gives, 0], lots[gives, 0])
            eaten = int(uniform(s) * left)
            if eaten > 0:
                n = trade(s, events, n, gives, keys[gives, 0], eaten)
        elif uniform(s) < _SWEPT_BY_TRADES:
            size = min(_heavy(s, s.trade_size, _PRINT_TAIL, _PRINT_MOST), lots[gives, passed])
            n = trade(s, events, n, gives, keys[gives, passed], size)
        passed += 1
    s.update_id += 1
    for k in range(passed):
        n = depth(s, events, n, gives, keys[gives, k], 0)
    kept = s.count[gives] - passed
    for k in range(kept):
        keys[gives, k] = keys[gives, k + passed]
        lots[gives, k] = lots[gives, k + passed]
    s.count[gives] = kept
    size = _best(s, gives)
    if kept > 0 and keys[gives, 0] == best:
        n = _set(s, keys, lots, events, n, gives, 0, lots[gives, 0] + size)
    else:
        _insert(s, keys, lots, gives, 0, best, size)
        n = depth(s, events, n, gives, best, size)
    n = _trim(s, keys, events, n, gives)
    n = _deepen(s, keys, lots, events, n, gives)
    if follows:
        n = _advance(s, keys, lots, events, n, 1 - gives, ticks)
    else:
        s.behind[1 - gives] += ticks
    return end_message(events, n)


@kernel
def _advance(s, keys, lots, events, n, side, ticks):
    """The best of `side` goes ahead by `ticks`; what stood there is mostly canceled, some levels come in between."""
    n = _set(s, keys, lots, events, n, side, 0, 1 + min(_deep(s), lots[side, 0]))
    best = keys[side, 0] - ticks
    key = keys[side, 0]
    for _ in range(s.levels):  # towards the new best
        key -= spacing(s)
        if key <= best:
            break
        size = _deep(s)
        if s.count[side] == s.levels:
            n = depth(s, events, n, side, keys[side, s.levels - 1], 0)
            s.count[side] -= 1
        _insert(s, keys, lots, side, 0, key, size)
        n = depth(s, events, n, side, key, size)
    size = _best(s, side)
    _insert(s, keys, lots, side, 0, best, size)
    n = depth(s, events, n, side, best, size)
    return _trim(s, keys, events, n, side)


@kernel
def retreat(s, keys, lots, events, n, side, ticks):
    """The best of `side` is pulled back by `ticks`, without a trade."""
    best = keys[side, 0] + ticks
    while s.count[side] > 0 and keys[side, 0] < best:
        n = depth(s, events, n, side, keys[side, 0], 0)
        _remove(s, keys, lots, side, 0)
    if s.count[side] == 0 or keys[side, 0] > best:
        size = _best(s, side)
        _insert(s, keys, lots, side, 0, best, size)
        n = depth(s, events, n, side, best, size)
    s.behind[side] += ticks
    n = _trim(s, keys, events, n, side)
    return _deepen(s, keys, lots, events, n, side)


@kernel
def catch_up(s, keys, lots, events, n):
    """Both sides go back to where they belong, in one message."""
    s.update_id += 1
    for side in range(2):
        if s.behind[side] > 0:
            n = _advance(s, keys, lots, events, n, side, s.behind[side])
            s.behind[side] = 0
    return end_message(events, n)
