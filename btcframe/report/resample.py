"""Means and ratios over blocks of time, with the intervals of `metrics.intervals`.

What happens close together is not independent, so whole blocks of time are drawn, never single rows or fills.
"""

from __future__ import annotations

import math

import numpy as np

from btcframe.report.metrics import MAX_BLOCKS, MIN_BLOCKS, Estimate, intervals
from btcframe.types import Floats, Ints


def block_of(ns: Ints, first_ns: int, last_ns: int, shortest_ns: int) -> tuple[Ints, int]:
    """Which of equally long blocks each moment lies in, and how many there are: at most `MAX_BLOCKS`.

    Parameters
    ----------
    ns : int64[n]               moments; those outside the span count to its first or last block
    first_ns, last_ns : int     span that is cut
    shortest_ns : int           a block's least length; where two do not fit there is one block

    Returns
    -------
    (block, blocks) : (int64[n], int)
    """
    edges = block_edges(first_ns, last_ns, shortest_ns)
    return np.searchsorted(edges, ns, side="right"), len(edges) + 1


def block_edges(first_ns: int, last_ns: int, shortest_ns: int) -> Ints:
    """Where one of equally long blocks ends and the next begins, int64[blocks − 1]; see `block_of`."""
    span = max(last_ns - first_ns, 1)
    blocks = int(min(max(span // max(shortest_ns, 1), 1), MAX_BLOCKS))
    edges: Ints = first_ns + span * np.arange(1, blocks) // blocks
    return edges


def ratios(
    top: Floats, bottom: Floats, *, seed: int, least: float = -math.inf, most: float = math.inf
) -> list[Estimate]:
    """Σtop/Σbottom with 95 % intervals, one estimate per column.

    Parameters
    ----------
    top, bottom : float64[blocks, m]     sums within each block
    seed : int
    least, most : float                  that a ratio can be

    Returns
    -------
    list of Estimate
        NaN where Σbottom is 0; without interval where fewer than `MIN_BLOCKS` blocks hold anything.
    """
    m = top.shape[1]

    def of(sums: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Floats = sums[..., :m] / sums[..., m:]
        return found

    sums = np.column_stack((top, bottom))
    estimates = intervals(sums, of, seed=[seed, m], least=(least,) * m, most=(most,) * m)
    held = np.count_nonzero(bottom, axis=0)
    return [
        e if n >= MIN_BLOCKS else Estimate(e.value) for e, n in zip(estimates, held.tolist(), strict=True)
    ]


def ratio(
    top: Floats,
    bottom: Floats,
    block: Ints,
    blocks: int,
    *,
    seed: int,
    least: float = -math.inf,
    most: float = math.inf,
) -> Estimate:
    """Σtop/Σbottom of single items with its interval.

    Parameters
    ----------
    top, bottom : float64[n]     of each item
    block : int64[n]             the block it lies in
    blocks : int
    seed : int
    least, most : float          that it can be
    """
    sums = np.zeros((2, blocks, 1))
    for k, values in enumerate((top, bottom)):
        sums[k, :, 0] = np.bincount(block, weights=values, minlength=blocks)
    return ratios(sums[0], sums[1], seed=seed, least=least, most=most)[0]
