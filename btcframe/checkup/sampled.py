"""What a sample of a column's values says: where they lie, how often one repeats, whether tenths of the table differ.

Everything here counts or picks values, so the same sample gives the same bits on any machine.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from btcframe.checkup.numbers import TENTHS, rounded
from btcframe.types import Floats, Ints

FEWEST = 20
"""Values of a tenth below which it is not compared."""


_SERIAL = 1 << 18
"""Multiplications up to which OpenBLAS works alone."""


Tenths = tuple[float | None, ...]


class Spread(NamedTuple):
    """Of one column, see `numbers.Checked`."""

    median: float | None
    size: float | None
    most: float | None
    moved: Tenths
    medians: Tenths
    spans: Tenths


def spread(values: Floats) -> tuple[Spread, Ints]:
    """Measure a column's sample, float64[m], NaN where unknown.

    `moved` is the two-sample statistic of Kolmogorov (1933) and Smirnov (1939), the largest difference of the shares at
    or below a value, between a tenth and the whole; its sign says on which side the tenth lies. Percentiles are values
    of the sample (the lower one).

    Returns
    -------
    (Spread, int64[m])
        And the doubled ranks about their mean: whole numbers that sum to 0, also where values tie; 0 where unknown.
    """
    m = len(values)
    ranks = np.zeros(m, np.int64)
    at = np.flatnonzero(np.isfinite(values))
    n = len(at)
    if n == 0:
        nothing: tuple[None, ...] = (None,) * TENTHS
        return Spread(None, None, None, nothing, nothing, nothing), ranks
    order = at[np.argsort(values[at])]  # the order of equal values decides nothing below
    ordered = values[order]
    ends = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    starts = np.r_[0, ends[:-1] + 1]
    ranks[order] = np.repeat(starts + ends - (n - 1), ends - starts + 1)
    moved, medians, spans = _by_tenth(ordered, order * TENTHS // m, ends)
    low, median, high = (_percentile(ordered, percent) for percent in (1, 50, 99))
    return Spread(
        rounded(median),
        rounded(max(high - low, abs(median))),
        rounded(float((ends - starts + 1).max()) / n),
        moved,
        medians,
        spans,
    ), ranks


def _by_tenth(ordered: Floats, tenth: Ints, ends: Ints) -> tuple[Tenths, Tenths, Tenths]:
    mine = tenth == np.arange(TENTHS)[:, None]
    below = np.cumsum(mine, axis=1, dtype=np.int32)[:, ends]
    own = below[:, -1:]
    apart = (ends + 1) / len(ordered) - below / np.maximum(own, 1)
    farthest = np.argmax(np.abs(apart), axis=1)
    moved: list[float | None] = [None] * TENTHS
    medians, spans = moved.copy(), moved.copy()
    for k in np.flatnonzero(own[:, 0] >= FEWEST):
        values = ordered[mine[k]]
        moved[k] = round(float(apart[k, farthest[k]]), 3) + 0.0
        medians[k], spans[k] = rounded(_percentile(values, 50)), rounded(_span(values))
    return tuple(moved), tuple(medians), tuple(spans)


def _percentile(ordered: Floats, percent: int) -> float:
    return float(ordered[(len(ordered) - 1) * percent // 100])


def _span(ordered: Floats) -> float:
    return _percentile(ordered, 95) - _percentile(ordered, 5)


def correlations(ranks: Ints, known: Floats) -> Floats:
    """Rank correlation of each pair of columns (Spearman 1904) over the rows in which both are known, float64[k, k].

    Ranks are those among all of a column's own values, so a pair with different holes need not be ranked anew. The
    sums are of whole numbers below 2⁵³ and exact in whatever order they are added. 0 where a column is constant.

    Parameters
    ----------
    ranks : int64[m, k]       doubled and centred, 0 where unknown
    known : float64[m, k]     1 where there is a value, 0 elsewhere
    """
    r = ranks.astype(np.float64)
    n = _products(known, known)
    sums = _products(r, known)  # of the first column's ranks, over the rows of both
    squares = _products(r * r, known)
    both = _products(r, r)
    scale = n * squares - sums * sums
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = (n * both - sums * sums.T) / np.sqrt(scale * scale.T)
    return np.where(np.isfinite(rho), rho, 0.0).clip(-1.0, 1.0)


def _products(a: Floats, b: Floats) -> Floats:
    """aᵀb in pieces so small that BLAS starts no threads: on a busy machine, waking them takes longer than the rest."""
    piece = max(_SERIAL // max(a.shape[1] * b.shape[1], 1), 1)
    total = np.zeros((a.shape[1], b.shape[1]))
    for at in range(0, len(a), piece):
        total += a[at : at + piece].T @ b[at : at + piece]
    return total
