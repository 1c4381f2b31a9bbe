"""Annual figures of risk and return, computed by empyrical from hourly returns of a market that never closes.

A year has 8,766 hours. The standard error of an annual Sharpe ratio is about 1/√years: ±12.7 after 54 hours, ±3.5 after
30 days. So nothing annual is said below `MIN_HOURS`, and never without its interval.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from btcframe.report.conclusion import HOUR_NS
from btcframe.report.metrics import Estimate
from btcframe.types import Floats, Ints

YEAR_HOURS = 8766
MIN_HOURS = 720
"""30 days."""

BLOCK_HOURS = 24
"""Hours are resampled by the day: volatility has a daily season."""

RESAMPLES = 500


class Annual(NamedTuple):
    """Annual figures with 95 % intervals from a bootstrap of whole days."""

    volatility: Estimate  # standard deviation of returns, share of the equity
    sharpe: Estimate  # mean over standard deviation; without a riskless rate
    sortino: Estimate  # mean over downside deviation
    calmar: Estimate  # annual return over deepest drawdown


def hourly_returns(row_ns: Ints, equity: Floats, first_ns: int, last_ns: int) -> Floats:
    """Returns of equity from hour to hour over a span; what is left of the last hour is dropped.

    Parameters
    ----------
    row_ns : int64[n]
    equity : float64[n]       quote
    first_ns, last_ns : int

    Returns
    -------
    float64[hours]
        Empty where the equity fell to 0 or below: there is no return on nothing.
    """
    edges = np.arange(first_ns, last_ns + 1, HOUR_NS)
    at = np.maximum(np.searchsorted(row_ns, edges, side="right") - 1, 0)
    values = np.asarray(equity[at], np.float64)
    if len(values) < 2 or (values <= 0).any():
        return np.empty(0)
    returns: Floats = values[1:] / values[:-1] - 1
    return returns


def annual(returns: Floats, *, seed: int) -> Annual | None:
    """Annual figures, None where there are fewer than `MIN_HOURS` returns or all of them are 0."""
    if len(returns) < MIN_HOURS or not returns.any():
        return None
    days = len(returns) // BLOCK_HOURS
    rng = np.random.default_rng([seed, days])
    starts = rng.integers(len(returns) - BLOCK_HOURS + 1, size=(RESAMPLES, days))
    point = _figures(returns)
    drawn = np.array(
        [_figures(returns[(s[:, None] + np.arange(BLOCK_HOURS)).ravel()]) for s in starts], np.float64
    )
    found = []
    for j, value in enumerate(point):
        valid = drawn[np.isfinite(drawn[:, j]), j]
        low, high = np.quantile(valid, (0.025, 0.975)) if len(valid) else (math.nan, math.nan)
        found.append(Estimate(value, float(low), float(high)))
    return Annual(*found)


def _figures(returns: Floats) -> tuple[float, float, float, float]:
    import empyrical

    figures = (
        empyrical.annual_volatility(returns, annualization=YEAR_HOURS),
        empyrical.sharpe_ratio(returns, annualization=YEAR_HOURS),
        empyrical.sortino_ratio(returns, annualization=YEAR_HOURS),
        empyrical.calmar_ratio(returns, annualization=YEAR_HOURS),
    )
    volatility, sharpe, sortino, calmar = map(float, figures)
    return volatility, sharpe, sortino, calmar
