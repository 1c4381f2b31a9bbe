"""Statistics of the last n rows in O(1) a row, without a subtraction.

A window of n rows is cut into blocks of n rows: the current window is the end of the block before and the beginning of
this one. So two aggregates are kept, one for every end of the last block (`suffix`, made when the block is full) and
one of this block so far (`prefix`), and the window's is the two merged (the sliding aggregation of van Herk 1992 and
Gil & Werman 1993, also known as two stacks). Nothing is ever taken away again, so no digits are lost and nothing drifts;
moments are merged by the formulas of Chan, Golub & LeVeque 1983 and Pébay 2008.

Every window is a record in a feature's state: make its dtype here, call its `slide_…` once a row, read its totals. A row
that has no value is slid with `valid` 0: it takes its place in the window and adds nothing. Windows that a kernel goes
through in a loop have one dtype, made for the longest of them: `slide_…(…, n)` then says how many rows this one has.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from btcframe.kernels import kernel

# ------------------------------------------------------------------------------------------------------ sums


def sums(n: int, k: int) -> np.dtype[Any]:
    """Memory of k sums over the last n rows: write `new`, call `slide_sums`, read `total`."""
    return np.dtype(
        [
            ("at", "i8"),  # rows of this block
            ("new", "f8", (k,)),
            ("total", "f8", (k,)),
            ("prefix", "f8", (k,)),
            ("ring", "f8", (n, k)),
            ("suffix", "f8", (n, k)),
        ],
        align=True,
    )


@kernel
def slide_sums(w, n=0):
    """One row on: total[j] = Σ new[j] of the last n rows."""
    n, k = n or len(w.ring), w.ring.shape[1]
    if w.at == n:
        for j in range(k):
            total = 0.0
            for i in range(n - 1, -1, -1):
                total += w.ring[i, j]
                w.suffix[i, j] = total
            w.prefix[j] = 0.0
        w.at = 0
    at = w.at
    for j in range(k):
        w.ring[at, j] = w.new[j]
        w.prefix[j] += w.new[j]
        w.total[j] = w.prefix[j] + w.suffix[at + 1, j] if at + 1 < n else w.prefix[j]
    w.at = at + 1


# -------------------------------------------------------------------------------------------------- extremes


def extremes(n: int, k: int) -> np.dtype[Any]:
    """Memory of k maxima over the last n rows: write `new` (-inf for none), call `slide_maxima`, read `total`."""
    return sums(n, k)


@kernel
def slide_maxima(w, n=0):
    """One row on: total[j] = max new[j] of the last n rows, -inf where there was none. A state begins at `no_maxima`."""
    n, k = n or len(w.ring), w.ring.shape[1]
    if w.at == n:
        for j in range(k):
            most = -np.inf
            for i in range(n - 1, -1, -1):
                most = max(most, w.ring[i, j])
                w.suffix[i, j] = most
            w.prefix[j] = -np.inf
        w.at = 0
    at = w.at
    for j in range(k):
        w.ring[at, j] = w.new[j]
        w.prefix[j] = max(w.prefix[j], w.new[j])
        w.total[j] = max(w.prefix[j], w.suffix[at + 1, j]) if at + 1 < n else w.prefix[j]
    w.at = at + 1


def no_maxima(window: Any) -> None:
    """Set a new window of `extremes` to hold nothing."""
    for name in ("new", "total", "prefix", "ring", "suffix"):
        window[name] = -np.inf


# --------------------------------------------------------------------------------------------------- moments

MOMENTS = np.dtype([("count", "f8"), ("mean", "f8"), ("m2", "f8"), ("m3", "f8"), ("m4", "f8")])
"""Count, mean and Σ(x − mean)^p of some values."""


def moments(n: int) -> np.dtype[Any]:
    """Memory of the moments of the last n rows: `slide_moments(w, x, valid)`, then read `total`."""
    return np.dtype(
        [
            ("at", "i8"),
            ("total", MOMENTS),
            ("prefix", MOMENTS),
            ("ring", "f8", (n,)),
            ("valid", "u1", (n,)),
            ("suffix", MOMENTS, (n,)),
        ],
        align=True,
    )


@kernel
def _empty_moments(m):
    m.count = 0.0
    m.mean = 0.0
    m.m2 = 0.0
    m.m3 = 0.0
    m.m4 = 0.0


@kernel
def _add_moments(m, x, out):
    """The moments m and one more value; `out` may be m."""
    count = m.count + 1.0
    d = x - m.mean
    step = d / count
    term = d * step * m.count
    m2, m3 = m.m2, m.m3
    out.m4 = (
        m.m4
        + term * step * step * (count * count - 3.0 * count + 3.0)
        + 6.0 * step * step * m2
        - 4.0 * step * m3
    )
    out.m3 = m3 + term * step * (count - 2.0) - 3.0 * step * m2
    out.m2 = m2 + term
    out.mean = m.mean + step
    out.count = count


@kernel
def _copy_moments(m, out):
    out.count = m.count
    out.mean = m.mean
    out.m2 = m.m2
    out.m3 = m.m3
    out.m4 = m.m4


@kernel
def _merge_moments(a, b, out):
    """Moments of two sets together (Pébay 2008, eq. 2.1)."""
    if a.count == 0.0:
        _copy_moments(b, out)
        return
    if b.count == 0.0:
        _copy_moments(a, out)
        return
    p, q = a.count, b.count
    n = p + q
    d = b.mean - a.mean
    dn = d / n
    out.m4 = (
        a.m4 + b.m4
        + d * dn * dn * dn * p * q * (p * p - p * q + q * q)
        + 6.0 * dn * dn * (p * p * b.m2 + q * q * a.m2)
        + 4.0 * dn * (p * b.m3 - q * a.m3)
    )  # fmt: skip
    out.m3 = a.m3 + b.m3 + d * dn * dn * p * q * (p - q) + 3.0 * dn * (p * b.m2 - q * a.m2)
    out.m2 = a.m2 + b.m2 + d * dn * p * q
    out.mean = a.mean + dn * q
    out.count = n


@kernel
def slide_moments(w, x, valid, n=0):
    """One row on: total holds the moments of the valid values of the last n rows."""
    n = n or len(w.ring)
    if w.at == n:
        _empty_moments(w.prefix)
        for i in range(n - 1, -1, -1):
            if w.valid[i]:
                _add_moments(w.prefix, w.ring[i], w.prefix)
            _copy_moments(w.prefix, w.suffix[i])
        _empty_moments(w.prefix)
        w.at = 0
    at = w.at
    w.ring[at] = x if valid else 0.0
    w.valid[at] = 1 if valid else 0
    if valid:
        _add_moments(w.prefix, x, w.prefix)
    if at + 1 < n:
        _merge_moments(w.suffix[at + 1], w.prefix, w.total)
    else:
        _copy_moments(w.prefix, w.total)
    w.at = at + 1


# ------------------------------------------------------------------------------------------------ co-moments

COMOMENTS = np.dtype(
    [("count", "f8"), ("mean_x", "f8"), ("mean_y", "f8"), ("xx", "f8"), ("yy", "f8"), ("xy", "f8")]
)
"""Count, means, and Σ of squares and products of the distances from the means, of some pairs."""


def comoments(n: int) -> np.dtype[Any]:
    """Memory of the co-moments of the pairs of the last n rows: `slide_comoments(w, x, y, valid)`, then read `total`."""
    return np.dtype(
        [
            ("at", "i8"),
            ("total", COMOMENTS),
            ("prefix", COMOMENTS),
            ("x", "f8", (n,)),
            ("y", "f8", (n,)),
            ("valid", "u1", (n,)),
            ("suffix", COMOMENTS, (n,)),
        ],
        align=True,
    )


@kernel
def _empty_comoments(m):
    m.count = 0.0
    m.mean_x = 0.0
    m.mean_y = 0.0
    m.xx = 0.0
    m.yy = 0.0
    m.xy = 0.0


@kernel
def _copy_comoments(m, out):
    out.count = m.count
    out.mean_x = m.mean_x
    out.mean_y = m.mean_y
    out.xx = m.xx
    out.yy = m.yy
    out.xy = m.xy


@kernel
def _add_comoments(m, x, y):
    m.count += 1.0
    dx, dy = x - m.mean_x, y - m.mean_y
    m.mean_x += dx / m.count
    m.mean_y += dy / m.count
    m.xx += dx * (x - m.mean_x)
    m.yy += dy * (y - m.mean_y)
    m.xy += dx * (y - m.mean_y)


@kernel
def _merge_comoments(a, b, out):
    """Co-moments of two sets of pairs together (Chan, Golub & LeVeque 1983)."""
    if a.count == 0.0:
        _copy_comoments(b, out)
        return
    if b.count == 0.0:
        _copy_comoments(a, out)
        return
    n = a.count + b.count
    dx, dy = b.mean_x - a.mean_x, b.mean_y - a.mean_y
    both = a.count * b.count / n
    out.xx = a.xx + b.xx + dx * dx * both
    out.yy = a.yy + b.yy + dy * dy * both
    out.xy = a.xy + b.xy + dx * dy * both
    out.mean_x = a.mean_x + dx * b.count / n
    out.mean_y = a.mean_y + dy * b.count / n
    out.count = n


@kernel
def slide_comoments(w, x, y, valid, n=0):
    """One row on: total holds the co-moments of the valid pairs of the last n rows."""
    n = n or len(w.x)
    if w.at == n:
        _empty_comoments(w.prefix)
        for i in range(n - 1, -1, -1):
            if w.valid[i]:
                _add_comoments(w.prefix, w.x[i], w.y[i])
            _copy_comoments(w.prefix, w.suffix[i])
        _empty_comoments(w.prefix)
        w.at = 0
    at = w.at
    w.x[at] = x if valid else 0.0
    w.y[at] = y if valid else 0.0
    w.valid[at] = 1 if valid else 0
    if valid:
        _add_comoments(w.prefix, x, y)
    if at + 1 < n:
        _merge_comoments(w.suffix[at + 1], w.prefix, w.total)
    else:
        _copy_comoments(w.prefix, w.total)
    w.at = at + 1


# ------------------------------------------------------------------------------------------ what the rules say


@kernel
def enough(count, n):
    """Whether a window of n rows has ⌈0.8 n⌉ valid entries."""
    return count >= np.ceil(0.8 * n)


@kernel
def ratio(over, under):
    """over/under; an empty denominator (nothing traded, nothing removed) gives 0."""
    return 0.0 if under == 0.0 else over / under
