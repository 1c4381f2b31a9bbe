"""Means of one thing in bins of another, with intervals from blocks of time: read as a stream.

Bins hold equally many rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from btcframe.report.metrics import Estimate
from btcframe.report.resample import ratios
from btcframe.types import Floats, Ints

BINS = 10

SAMPLED = 200_000
"""Rows, evenly spaced, that tell where the bins' edges are."""


class Binned(NamedTuple):
    """Means in bins of something.

    Parameters
    ----------
    x : float64[b]               mean of what is binned
    y : tuple of Estimate        mean of the other
    rows : int64[b]
    """

    x: Floats
    y: tuple[Estimate, ...]
    rows: Ints


def edges_of(sample: Floats, bins: int = BINS) -> Floats:
    """Inner edges of bins that hold equally many of a sample's finite values; fewer where many are alike."""
    values = sample[np.isfinite(sample)]
    inner = np.quantile(values, np.arange(1, bins) / bins) if len(values) else np.empty(0)
    edges: Floats = np.unique(inner)
    return edges


class Sums:
    """Sums by block and bin of x, of y and of the rows that have both.

    Parameters
    ----------
    edges : float64[b − 1]    as `edges_of` gives them
    blocks : int
    """

    def __init__(self, edges: Floats, blocks: int) -> None:
        self._edges = edges
        self._sums = np.zeros((3, blocks, len(edges) + 1))

    def add(self, x: Floats, y: Floats, block: Ints) -> None:
        """Some more rows, and the block each of them lies in."""
        known = np.isfinite(x) & np.isfinite(y)
        x, y, block = x[known], y[known], block[known]
        cell = block * self._sums.shape[2] + np.searchsorted(self._edges, x, side="right")
        for k, values in enumerate((x, y, np.ones(len(x)))):
            flat = np.bincount(cell, weights=values, minlength=self._sums[k].size)
            self._sums[k] += flat.reshape(self._sums[k].shape)

    @property
    def any(self) -> bool:
        """Whether there was a row."""
        return bool(self._sums[2].any())

    def means(self, seed: int, *, least: float = -np.inf, most: float = np.inf) -> Binned:
        """The means, and what they can be."""
        rows = self._sums[2].sum(axis=0)
        x, y, n = (sums[:, rows > 0] for sums in self._sums)
        estimates = ratios(y, n, seed=seed, least=least, most=most) if rows.any() else []
        return Binned(x.sum(axis=0) / n.sum(axis=0), tuple(estimates), rows[rows > 0].astype(np.int64))
