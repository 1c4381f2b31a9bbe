"""How far a row can be trusted: a number from 0 to 1, from what the row holds and from the rows before it.

quality = book · calm · fresh · prompt (docs/quality.md):

- book: 0 where the row has no mid (GAP, CROSSED, ONE_SIDED), else 1
- calm: 1 − 1/2^(k+1) in the k-th row after a snapshot made or replaced the book (PARTIAL, RESNAPSHOT; k = 0 is its own),
  1 from the 6th on
- fresh: of the age of the last book message, held against how far apart the book messages of two rows usually are
- prompt: of the latency, held against what it usually is

Held against what is usual, with middle m and deviation s: 1 up to m + w, then w/(x − m). Here w is 8 max(s, 5 ms), of the
age 16 max(s, 5 ms): markets are silent for long oftener than lines are late. m and s are of the rows before. They begin
as the median of the first 32 values and half their interquartile range, and go on as running means over up to 1024 rows
of x and of |x − m|, in which a value counts at most 4 max(s, 5 ms) off m: an outlier moves them little, a lasting change
becomes usual in time (the bounded influence of Huber 1964). Before 32 values nothing is usual, and the factor is 1.

A bar has no book, no latency and no messages: 1, or 1/2 where nobody traded in it.
"""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel
from btcframe.types import RowFlag

MEMORY = 1024
"""Rows over which the usual is averaged."""

ENOUGH = 32
"""Rows from which on something is usual."""

LEAST = 5_000_000.0
"""Least deviation, ns: what is steadier than that is not judged by less."""

OLD, SLOW = 16.0, 8.0
"""Deviations above the mean that are ordinary, of the age and of the latency."""

REACH = 4.0
"""Deviations from the mean that a value counts at most."""

SHAKEN = 0.5
"""What a snapshot costs the row it came in; each row after it half as much, as long as that is FORGIVEN or more."""

FORGIVEN = 1 / 64

USUAL = np.dtype([("n", "i8"), ("mean", "f8"), ("off", "f8"), ("first", "f8", (ENOUGH,))], align=True)
"""What is usual: values seen, their mean and mean deviation, ns; the first of them, the least one first."""

TRUST = np.dtype(
    [
        ("seen_ns", "i8"),  # local_ts of the last book message of the rows before; the least number for none
        ("shaken", "f8"),  # what the last snapshot costs the next row
        ("spacing", USUAL),  # from the last book message of a row to that of the next row that has one
        ("latency", USUAL),
    ],
    align=True,
)

_NEVER = np.iinfo(np.int64).min
_NO_BOOK = int(RowFlag.GAP | RowFlag.CROSSED | RowFlag.ONE_SIDED)
_SNAPSHOT = int(RowFlag.PARTIAL | RowFlag.RESNAPSHOT)
_BAR, _NO_EVENTS = int(RowFlag.BAR), int(RowFlag.NO_EVENTS)
_STALE, _LATE = int(RowFlag.STALE), int(RowFlag.LATE)


@kernel
def score(t, r):
    """Write quality, STALE and LATE of the row r, whose other fields stand, and learn from it.

    Parameters
    ----------
    t : TRUST    record
    r : ROW      record
    """
    flags = r.flags & ~(_STALE | _LATE)
    if flags & _BAR:
        r.flags = flags
        r.quality = 0.0 if np.isnan(r.mid) else 0.5 if flags & _NO_EVENTS else 1.0
        return
    fresh = prompt = 1.0
    book_ns = r.row_ns - r.age_ns
    if t.seen_ns != _NEVER:
        fresh = _held(t.spacing, float(r.age_ns), OLD)
        if book_ns > t.seen_ns:
            _learn(t.spacing, float(book_ns - t.seen_ns))
    t.seen_ns = book_ns
    if r.last_exch_ts != 0:
        prompt = _held(t.latency, float(r.latency_ns), SLOW)
        _learn(t.latency, float(r.latency_ns))
    if flags & _SNAPSHOT:
        t.shaken = SHAKEN
    calm = 1.0 - t.shaken
    t.shaken *= 0.5
    if t.shaken < FORGIVEN:
        t.shaken = 0.0
    if fresh < 1.0:
        flags |= _STALE
    if prompt < 1.0:
        flags |= _LATE
    r.flags = flags
    r.quality = 0.0 if flags & _NO_BOOK or np.isnan(r.mid) else calm * fresh * prompt


@kernel
def _held(u, x, wide):
    """x held against what is usual: 1 where it is ordinary, towards 0 the farther it is above."""
    if u.n < ENOUGH:
        return 1.0
    ordinary = wide * max(u.off, LEAST)
    over = x - u.mean
    return ordinary / over if over > ordinary else 1.0


@kernel
def _learn(u, x):
    if u.n < ENOUGH:
        at = u.n
        while at > 0 and u.first[at - 1] > x:
            u.first[at] = u.first[at - 1]
            at -= 1
        u.first[at] = x
        u.n += 1
        if u.n == ENOUGH:
            u.mean = u.first[ENOUGH // 2]
            u.off = 0.5 * (u.first[3 * ENOUGH // 4] - u.first[ENOUGH // 4])
        return
    u.n += 1
    reach = REACH * max(u.off, LEAST)
    off = min(max(x - u.mean, -reach), reach)
    u.mean += off / min(u.n, MEMORY)
    u.off += (abs(off) - u.off) / min(u.n, MEMORY)
