"""How far two labellings of the same rows say the same, whatever they call it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from btcframe.regime_study.visits import Labels
from btcframe.scratch import pieces
from btcframe.types import Floats, Ints


class Agreement(NamedTuple):
    """Two labellings of the same rows.

    Parameters
    ----------
    counts : int64[a, b]    rows by both labels
    rand : float            adjusted Rand index: 1 the same, about 0 by chance
    information : float     normalised mutual information: 0 nothing in common, 1 either tells the other
    """

    counts: Ints
    rand: float
    information: float


def agreement(first: Labels, second: Labels, sizes: tuple[int, int]) -> Agreement:
    """Compare two labellings on the rows that both label.

    The adjusted Rand index is that of Hubert & Arabie (Journal of Classification 2, 1985). The mutual information is
    divided by the mean of both entropies (Strehl & Ghosh, JMLR 3, 2002). Neither is known without a row, and where
    both labellings are constant both are 1.

    Parameters
    ----------
    first, second : int[n]     labels from 0, −1 where there is none
    sizes : (int, int)         how many labels there are
    """
    counts = np.zeros(sizes, np.int64)
    for part in pieces(len(first)):
        a, b = first[part], second[part]
        both = (a >= 0) & (b >= 0)
        pairs = a[both].astype(np.int64) * sizes[1] + b[both]
        counts += np.bincount(pairs, minlength=sizes[0] * sizes[1]).reshape(sizes)
    return Agreement(counts, _rand(counts), _information(counts))


def _rand(counts: Ints) -> float:
    n = int(counts.sum())
    if n < 2:
        return float("nan")
    joint, a, b = (_pairs(counts).sum(), _pairs(counts.sum(axis=1)).sum(), _pairs(counts.sum(axis=0)).sum())
    expected = a * b / (n * (n - 1) / 2)
    most = (a + b) / 2
    return 1.0 if most == expected else float((joint - expected) / (most - expected))


def _pairs(counts: Ints) -> Floats:
    as_floats = counts.astype(np.float64)
    return as_floats * (as_floats - 1) / 2


def _information(counts: Ints) -> float:
    n = int(counts.sum())
    if n == 0:
        return float("nan")
    a, b, both = (_entropy(c / n) for c in (counts.sum(axis=1), counts.sum(axis=0), counts.ravel()))
    return 1.0 if a + b == 0 else float(max(0.0, 2 * (a + b - both) / (a + b)))


def _entropy(shares: Floats) -> float:
    held = shares[shares > 0]
    return float(-(held * np.log(held)).sum())
