"""Long series drawn with few points, without losing an extreme."""

from __future__ import annotations

import numpy as np

from btcframe.scratch import forget
from btcframe.types import Floats, Ints

POINTS = 3000
"""Points that a line on a page may have: more than there are pixels."""


def extremes(values: Floats, points: int = POINTS) -> Ints:
    """Indices at which a long series is drawn: its first and last value, and the lowest and highest of equal buckets.

    Parameters
    ----------
    values : float64[n]     NaN where unknown; a bucket without any value keeps its first row, so that a hole is seen
    points : int            about how many indices are wanted; a shorter series is kept whole

    Returns
    -------
    int64[<= points + 2]
        Increasing.
    """
    n = len(values)
    if n <= points:
        return np.arange(n)
    edges = np.linspace(0, n, points // 2 + 1).astype(np.int64)
    kept = [0, n - 1]
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        bucket = np.asarray(values[start:stop])
        known = ~np.isnan(bucket)
        if known.any():
            kept.append(start + int(np.argmin(np.where(known, bucket, np.inf))))
            kept.append(start + int(np.argmax(np.where(known, bucket, -np.inf))))
        else:
            kept.append(start)
        forget(values)
    return np.unique(np.array(kept, np.int64))


def drawn_as(rows: int, points: int, what: str = "rows") -> str:
    """What a figure says about its thinning; "" where nothing was left out."""
    if points >= rows:
        return ""
    each = rows / max(points / 2, 1)
    return (
        f"{rows:,} {what} drawn as {points:,} points: the lowest and the highest of every {each:,.0f}, "
        "so that no extreme is lost."
    )
