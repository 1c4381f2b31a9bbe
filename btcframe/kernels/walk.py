"""A market that is a random walk and nothing more: depth and trades around it, in time."""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel
from btcframe.kernels.random import normal, uniform
from btcframe.types import EventFlag, Kind

WALK = np.dtype(
    [
        ("random", "u8"),  # state of the generator
        ("now", "i8"),  # ns, exchange time
        ("end", "i8"),  # ns, nothing happens after it
        ("latency", "i8"),  # ns, local_ts - exch_ts
        ("gap", "f8"),  # ns between messages, mean
        ("sigma", "f8"),  # ticks per square root of a nanosecond
        ("latent", "f8"),  # the walk, in ticks
        ("floor", "f8"),  # ticks, where it is thrown back: prices stay positive
        ("bid", "i8"),  # best bid in ticks; the best ask is one above
        ("levels", "i8"),
        ("update_id", "i8"),
        ("started", "i8"),
    ],
    align=True,
)
"""Everything `walk` remembers between batches."""

_DEPTH, _CLEAR, _TRADE = int(Kind.DEPTH), int(Kind.CLEAR), int(Kind.TRADE)
_END, _SNAPSHOT = int(EventFlag.END), int(EventFlag.SNAPSHOT)


@kernel
def _size(s):
    """Lots of a level or a trade: mostly small, never 0."""
    return 1 + int(-500.0 * np.log(uniform(s)))


@kernel
def _put(s, events, at, kind, side, ticks, lots, flags):
    e = events[at]
    e.exch_ts = s.now
    e.send_ts = s.now
    e.local_ts = s.now + s.latency
    e.update_id = s.update_id
    e.ticks = ticks
    e.lots = lots
    e.kind = kind
    e.side = side
    e.flags = flags
    return at + 1


@kernel
def walk(state, events):
    """Fill `events` with whole messages; returns how many events there are, 0 at the end.

    `events` needs room for a snapshot and for one shift of the whole book: at least 4 * levels + 2.
    """
    s = state[0]
    n = 0
    room = 4 * s.levels + 2
    if s.started == 0:
        s.started = 1
        n = _put(s, events, n, _CLEAR, 0, 0, 0, _SNAPSHOT)
        for k in range(s.levels):
            n = _put(s, events, n, _DEPTH, 1, s.bid - k, _size(s), _SNAPSHOT)
            n = _put(s, events, n, _DEPTH, -1, s.bid + 1 + k, _size(s), _SNAPSHOT)
        events[n - 1].flags |= _END
    while events.shape[0] - n >= room:
        wait = 1 + int(-s.gap * np.log(uniform(s)))
        if s.now + wait > s.end:
            s.now = s.end
            break
        s.now += wait
        s.update_id += 1
        s.latent = abs(s.latent + s.sigma * np.sqrt(wait) * normal(s) - s.floor) + s.floor
        shift = int(np.floor(s.latent)) - s.bid
        if shift != 0:
            n = _shift(s, events, n, min(max(shift, -s.levels), s.levels))
            continue
        side = 1 if uniform(s) < 0.5 else -1
        best = s.bid + 1 if side > 0 else s.bid
        if uniform(s) < 0.3:  # a trade takes from the best level, which is then filled up again
            n = _put(s, events, n, _TRADE, side, best, _size(s), _END)
            n = _put(s, events, n, _DEPTH, -side, best, _size(s), _END)
        else:
            depth = int(s.levels * uniform(s) * uniform(s))
            n = _put(s, events, n, _DEPTH, -side, best + side * depth, _size(s), _END)
    return n


@kernel
def _shift(s, events, n, shift):
    """Move the whole book by `shift` ticks in one message."""
    up = 1 if shift > 0 else -1
    passed = s.bid + 1 if up > 0 else s.bid  # the best level of the side that gives way
    for k in range(abs(shift)):
        n = _put(s, events, n, _DEPTH, -up, passed + up * k, 0, 0)
        n = _put(s, events, n, _DEPTH, -up, passed + up * (k + s.levels), _size(s), 0)
        n = _put(s, events, n, _DEPTH, up, passed + up * k, _size(s), 0)
        n = _put(s, events, n, _DEPTH, up, passed + up * (k - s.levels), 0, 0)
    events[n - 1].flags |= _END
    s.bid += shift
    return n
