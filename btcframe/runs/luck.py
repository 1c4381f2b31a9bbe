"""Whether the best of many is above what luck gives, and whether it is ahead of the middle of them.

**Deflated Sharpe ratio** (`btcframe.report.sharpe` has formula and sources): the probability that the best's true ratio
is above what the best of so many trials without skill reaches. The spread of the ratios of the tried is taken to be that
of ratios without skill, as if no trial resembled another: where many are alike, the hurdle is higher than it need be.
Periods that resemble their neighbours count as fewer (`btcframe.report.conclusion.worth`).

**Ahead of the median.** The best of twenty is ahead of the median by chance already, so the difference of the two ratios
is held against the largest of all such differences, resampled: blocks of neighbouring periods are drawn, the same for
all strategies, D*ⱼ − Dⱼ is what chance does to the difference of strategy j and the median one, over its own standard
error, and p is the share of the draws in which the largest of them reaches the winner's D/se (White, A reality check for
data snooping, Econometrica 68, 2000; studentised as in Romano & Wolf, Stepwise multiple testing as formalized data
snooping, Econometrica 73, 2005; circular blocks of ⌈T^⅓⌉ periods: Politis & Romano, 1992).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from btcframe.report.conclusion import worth
from btcframe.report.sharpe import expected_best, probabilistic
from btcframe.runs.overfitting import ratios
from btcframe.types import Floats

MIN_PERIODS = 30
"""Periods in which something moved, below which nothing is told."""

RESAMPLES = 2000

TOLD = 1.96
"""Standard errors of a difference from which two runs can be told apart, if one looks at these two alone."""


class Deflated(NamedTuple):
    """How far the best is above luck; NaN where too few periods moved, or all moved alike.

    Parameters
    ----------
    periods : int            compared
    active : int             in which the account moved
    independent : float      what the periods are worth, those that resemble their neighbours counted as fewer
    ratio : float            Sharpe ratio of a period
    probabilistic : float    probability that the true ratio is above 0
    hurdle : float           ratio that the best of `trials` reaches by luck
    deflated : float         probability that the true ratio is above the hurdle
    trials : int
    """

    periods: int
    active: int
    independent: float
    ratio: float
    probabilistic: float
    hurdle: float
    deflated: float
    trials: int


class Ahead(NamedTuple):
    """How far the winner is ahead of the median one.

    Parameters
    ----------
    difference : float    of their Sharpe ratios of a period
    error : float         its standard error
    p : float             probability of a lead as clear by chance, among so many
    block : int           periods that were drawn together
    alike : tuple of int  columns that cannot be told from the winner: no more than `TOLD` standard errors behind it
    """

    difference: float
    error: float
    p: float
    block: int
    alike: tuple[int, ...]


def sharpe_ratios(returns: Floats) -> Floats:
    """Sharpe ratio of a period of each strategy, float64[N]; see `overfitting` for those without spread.

    Parameters
    ----------
    returns : float64[T, N]
    """
    periods = np.array([float(len(returns))])
    found: Floats = ratios(periods, returns.sum(axis=0)[None], (returns**2).sum(axis=0)[None])[0]
    return found


def deflated(returns: Floats, best: int, trials: int) -> Deflated:
    """The ratios of one strategy, the best of `trials`.

    Parameters
    ----------
    returns : float64[T, N]    of those that are known
    best : int                 column
    trials : int               1 or more
    """
    periods, moved = len(returns), np.count_nonzero(returns, axis=0)
    untold = Deflated(periods, int(moved[best]), *(math.nan,) * 5, trials)
    if untold.active < MIN_PERIODS:
        return untold
    mean, variance = returns.mean(axis=0), returns.var(axis=0)
    told = (moved >= MIN_PERIODS) & (variance > 1e-12 * mean**2)
    if not told[best]:
        return untold
    ratio = float(mean[best] / math.sqrt(variance[best]))
    away = (returns[:, told] - mean[told]) / np.sqrt(variance[told])
    mine = away[:, np.count_nonzero(told[:best])]
    skew = min(float((each**3).mean()) for each in (mine, away))
    kurtosis = max(float((each**4).mean()) for each in (mine, away))
    n = worth(returns[:, best])
    hurdle = expected_best(trials) / math.sqrt(n - 1)
    above, deflated = (probabilistic(ratio, than, n, skew, kurtosis) for than in (0.0, hurdle))
    return untold._replace(independent=n, ratio=ratio, probabilistic=above, hurdle=hurdle, deflated=deflated)


def ahead(returns: Floats, winner: int, median: int, *, seed: int) -> Ahead | None:
    """How far one strategy is ahead of another, as the best of all of them; None with too few periods.

    Parameters
    ----------
    returns : float64[T, N]
    winner, median : int       columns
    seed : int
    """
    periods = len(returns)
    if periods < MIN_PERIODS or winner == median:
        return None
    found = sharpe_ratios(returns)
    if not np.isfinite(found[[winner, median]]).all():  # all that the one earned was alike: no error, no lead
        return None
    lead = found - found[median]
    block = math.ceil(periods ** (1 / 3))
    drawn = _drawn(returns, block, seed)
    with np.errstate(invalid="ignore"):  # a ratio without spread is infinite
        chance = drawn - drawn[:, median][:, None] - lead
        error = chance.std(axis=0)
    told = np.isfinite(error) & (error > 0)
    if not told[winner]:
        return None
    largest = (chance[:, told] / error[told]).max(axis=1)
    reached = int((largest >= lead[winner] / error[winner]).sum())
    with np.errstate(invalid="ignore"):
        behind = found[winner] - found
        doubt = (drawn[:, winner][:, None] - drawn).std(axis=0)
        alike = np.flatnonzero(behind <= TOLD * doubt)  # those that did the same, too
    same = tuple(k for k in alike.tolist() if k != winner)
    return Ahead(float(lead[winner]), float(error[winner]), (1 + reached) / (1 + RESAMPLES), block, same)


def _drawn(returns: Floats, block: int, seed: int) -> Floats:
    """Sharpe ratios of resampled periods, float64[RESAMPLES, N]."""
    periods = len(returns)
    rng = np.random.default_rng([seed, periods])
    starts = rng.integers(periods, size=(RESAMPLES, -(-periods // block)))
    at = (starts[:, :, None] + np.arange(block)).reshape(RESAMPLES, -1)[:, :periods] % periods
    times = np.zeros((RESAMPLES, periods))
    np.add.at(times, (np.arange(RESAMPLES)[:, None], at), 1.0)
    return ratios(times.sum(axis=1), times @ returns, times @ returns**2)
