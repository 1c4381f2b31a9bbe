"""How probable it is that the best of many was chosen for its luck: combinatorially symmetric cross-validation.

**Formula.** The returns of N strategies over T periods are cut into S groups of neighbouring periods. In each of the
C(S, S/2) ways to take half of the groups, the strategy that is best inside, by Sharpe ratio, is looked up in the other
half: ω is its rank there among all N, over N + 1, and λ = ln(ω/(1 − ω)). The probability of backtest overfitting (PBO)
is the share of the splits with λ ≤ 0: in which the best inside is no better outside than the median (Bailey, Borwein,
López de Prado & Zhu, The probability of backtest overfitting, Journal of Computational Finance 20, 2016; preprint 2015).

**How to read it.** Where nothing tells the strategies apart it is ½ on average. Where one of them is better than the
others it goes to 0. Where many are good and alike it is ½ again: then the choice among them is luck, whatever they earn.

**Ties.** Strategies that did the same in every period are one. Where several are best inside, the one that fares worst
outside counts; equal values outside share their mean rank. A ratio without any spread is 0 where the mean is 0, as of a
strategy that did nothing, and infinite otherwise.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np

from btcframe.types import Floats

MOST_GROUPS = 16
"""12,870 splits, as the authors have it."""

LEAST_GROUPS = 6
PER_GROUP = 4
"""Periods that a group has at least."""

_CELLS = 1 << 21
"""Ratios that are held at a time."""


class Overfitting(NamedTuple):
    """What the splits say.

    Parameters
    ----------
    groups : int                 S
    strategies : int             N, that differ
    logits : float64[splits]     λ of each split
    probability : float          share of the splits with λ ≤ 0
    loss : float                 share of the splits in which the best inside had a mean below 0 outside
    """

    groups: int
    strategies: int
    logits: Floats
    probability: float
    loss: float

    @property
    def splits(self) -> int:
        """How many there are."""
        return len(self.logits)


def overfitting(returns: Floats) -> Overfitting | None:
    """The probability that the best was chosen for its luck; None with fewer than two strategies, or too few periods.

    Parameters
    ----------
    returns : float64[T, N]     of each strategy over each period, in order of time
    """
    distinct = np.unique(returns, axis=1)
    periods, strategies = distinct.shape
    groups = min(MOST_GROUPS, periods // PER_GROUP // 2 * 2)
    if groups < LEAST_GROUPS or strategies < 2:
        return None
    starts = periods * np.arange(groups) // groups
    counts = np.diff(starts, append=periods).astype(np.float64)
    sums, squares = (np.add.reduceat(values, starts, axis=0) for values in (distinct, distinct**2))
    halves = _halves(groups)
    logits, losses = np.empty(len(halves)), 0
    step = max(_CELLS // strategies, 1)
    for start in range(0, len(halves), step):
        inside = halves[start : start + step]
        told = ratios(inside @ counts, inside @ sums, inside @ squares)
        found = ratios(*((1 - inside) @ each for each in (counts, sums, squares)))
        best = told == told.max(axis=1, keepdims=True)
        worst = np.where(best, found, np.inf).min(axis=1, keepdims=True)
        below, same = (found < worst).sum(axis=1), (found == worst).sum(axis=1)
        share = (below + (same + 1) / 2) / (strategies + 1)
        logits[start : start + step] = np.log(share / (1 - share))
        losses += int((worst < 0).sum())
    probability = float(np.mean(logits <= 1e-12))  # a rank in the very middle is λ = 0 but for rounding
    return Overfitting(groups, strategies, logits, probability, losses / len(halves))


def _halves(groups: int) -> Floats:
    """Every way to take half of the groups, float64[C(S, S/2), S] of ones and zeros."""
    chosen = np.array(list(itertools.combinations(range(groups), groups // 2)))
    halves = np.zeros((math.comb(groups, groups // 2), groups))
    np.put_along_axis(halves, chosen, 1.0, axis=1)
    return halves


def ratios(counts: Floats, sums: Floats, squares: Floats) -> Floats:
    """Sharpe ratios, mean over standard deviation, from sums; see the module for those without spread.

    Parameters
    ----------
    counts : float64[m]            values summed
    sums, squares : float64[m, n]  of the values and of their squares

    Returns
    -------
    float64[m, n]
    """
    mean, square = sums / counts[:, None], squares / counts[:, None]
    spread = square - mean**2
    none = spread <= 1e-12 * square  # all alike, but for rounding
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = mean / np.sqrt(np.where(none, 0.0, spread))
    found[none & (mean == 0)] = 0.0
    return found
