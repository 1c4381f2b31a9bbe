"""What acting on predictions once a horizon would have earned, and whether that is more than luck.

**The strategy.** At a row with a prediction beyond the cost of a round trip (|p| > cost) a position of its sign is taken,
otherwise none; it is closed when the label ends, and only then the next prediction is looked at. So results do not
overlap, and each is sign(p)·y − cost, or 0 where nothing was done.

**The probabilistic Sharpe ratio** is the probability that the true ratio is above 0, given n results:
PSR(S*) = Φ((S − S*)·√(n − 1)/√(1 − γ₃S + (γ₄ − 1)S²/4)) at S* = 0, S the ratio of a single result, γ₃ and γ₄ its skewness
and kurtosis (Bailey & López de Prado, The Sharpe ratio efficient frontier, Journal of Risk 15, 2012).

**The deflated one** is PSR(S₀): whoever tries N settings finds one of them at about
S₀ = σ·((1 − γ)·Φ⁻¹(1 − 1/N) + γ·Φ⁻¹(1 − 1/(N·e))) without any skill, γ Euler's constant (Bailey & López de Prado, The
deflated Sharpe ratio, Journal of Portfolio Management 40, 2014). σ is the spread of the ratios of the tried, for which we
take that of ratios without skill, 1/√(n − 1): the others' are not known here.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from btcframe.report.metrics import Bools
from btcframe.scratch import pieces
from btcframe.types import Floats, Ints

MIN_ACTED = 30
"""Positions taken below which no Sharpe ratio is told."""

_EULER = 0.5772156649015329
_HOUR_NS = 3_600_000_000_000


class Sharpe(NamedTuple):
    """What the strategy came to. NaN where fewer than `MIN_ACTED` positions were taken, or all results are alike.

    Parameters
    ----------
    decisions : int          predictions that were looked at
    acted : int              positions taken
    mean_bps : float         mean result of a decision after cost, bps; NaN without decisions
    sharpe : float           mean over standard deviation, of a single decision
    skew, kurtosis : float   of the results; 3 is a normal distribution's kurtosis
    probabilistic : float    probability that the true ratio is above 0
    hurdle : float           ratio that the best of `trials` settings reaches by luck
    deflated : float         probability that the true ratio is above the hurdle
    trials : int             settings tried
    """

    decisions: int
    acted: int
    mean_bps: float
    sharpe: float
    skew: float
    kurtosis: float
    probabilistic: float
    hurdle: float
    deflated: float
    trials: int


class Turnover(NamedTuple):
    """What holding sign(p) wherever |p| > cost, at every row, would have turned over.

    Parameters
    ----------
    held : float        share of rows with a position; a row without prediction has none
    per_hour : float    positions taken or closed in an hour: from one side to the other is 2
    cost_bps : float    what that costs in an hour, bps of a position's value: half a round trip each
    """

    held: float
    per_hour: float
    cost_bps: float


def results_of(
    mean: Floats, y: Floats, t_end: Ints, row_ns: Ints, known: Bools, cost_bps: float
) -> tuple[Floats, int]:
    """Results of the strategy, bps after cost, and how many positions were taken.

    Parameters
    ----------
    mean : float64[n]      prediction, bps
    y : float64[n]         label, bps
    t_end : int64[n]       when it ends
    row_ns : int64[n]      increasing
    known : bool[n]        rows with prediction and label; no other is looked at
    cost_bps : float       of a round trip
    """
    found, acted, at = [np.empty(0)], 0, 0
    for part in pieces(len(mean), mean, y, t_end, row_ns):
        ends = np.searchsorted(row_ns, t_end[part]).tolist()
        usable = known[part].tolist()
        chosen = []
        while at < part.stop:
            k = at - part.start
            if usable[k]:
                chosen.append(at)
            at = max(ends[k], at + 1) if usable[k] else at + 1
        p = mean[chosen]
        beyond = np.abs(p) > cost_bps
        found.append(np.where(beyond, np.sign(p) * y[chosen] - cost_bps, 0.0))
        acted += int(np.count_nonzero(beyond))
    return np.concatenate(found), acted


def sharpe_of(results: Floats, acted: int, trials: int) -> Sharpe:
    """The ratios of results that do not overlap; see the module.

    Parameters
    ----------
    results : float64[n]    bps
    acted : int             how many of them are of a position
    trials : int            settings tried, 1 or more
    """
    n = len(results)
    mean = float(results.mean()) if n else math.nan
    away = results - mean
    spread = float(results.std(ddof=1)) if n > 1 else 0.0
    if acted < MIN_ACTED or not spread > 1e-12 * abs(mean):  # all alike, but for rounding
        return Sharpe(n, acted, mean, *(math.nan,) * 6, trials)
    variance = float((away**2).mean())
    skew, kurtosis = float((away**3).mean()) / variance**1.5, float((away**4).mean()) / variance**2
    ratio = mean / spread
    hurdle = expected_best(trials) / math.sqrt(n - 1)
    probable = (probabilistic(ratio, than, n, skew, kurtosis) for than in (0.0, hurdle))
    psr, deflated = probable
    return Sharpe(n, acted, mean, ratio, skew, kurtosis, psr, hurdle, deflated, trials)


def probabilistic(ratio: float, than: float, n: float, skew: float, kurtosis: float) -> float:
    """Probability that the true Sharpe ratio is above `than`, given one of n results; NaN where that is undefined."""
    spread = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    return NormalDist().cdf((ratio - than) * math.sqrt((n - 1) / spread)) if spread > 0 else math.nan


def expected_best(trials: int) -> float:
    """The largest of so many normal numbers, as it is expected, approximately; 0 for a single one."""
    if trials < 2:
        return 0.0
    inverse = NormalDist().inv_cdf
    return (1 - _EULER) * inverse(1 - 1 / trials) + _EULER * inverse(1 - 1 / (trials * math.e))


def turnover_of(mean: Floats, row_ns: Ints, cost_bps: float) -> Turnover:
    """What following the prediction at every row turns over.

    Parameters
    ----------
    mean : float64[n]     prediction, bps; NaN where there is none
    row_ns : int64[n]
    cost_bps : float      of a round trip
    """
    if len(mean) < 2:
        return Turnover(math.nan, math.nan, math.nan)
    held, turned, last = 0, 0.0, 0.0
    for part in pieces(len(mean), mean):
        p = mean[part]
        position = np.where(np.abs(p) > cost_bps, np.sign(p), 0.0)
        held += int(np.count_nonzero(position))
        turned += float(np.abs(np.diff(position, prepend=last)).sum())
        last = float(position[-1])
    per_hour = turned / ((int(row_ns[-1]) - int(row_ns[0])) / _HOUR_NS)
    return Turnover(held / len(mean), per_hour, per_hour * cost_bps / 2)
