"""Annual figures: empyrical's values, honest intervals, and nothing at all from little data."""

from __future__ import annotations

import math

import numpy as np
import pytest

from btcframe.report.returns import HOUR_NS, MIN_HOURS, YEAR_HOURS, annual, hourly_returns
from btcframe.types import NS


def test_values_by_their_formulas() -> None:
    rng = np.random.default_rng(1)
    r = rng.normal(1e-4, 1e-3, 2000)
    found = annual(r, seed=1)
    assert found is not None
    assert found.volatility.value == pytest.approx(r.std(ddof=1) * math.sqrt(YEAR_HOURS))
    assert found.sharpe.value == pytest.approx(r.mean() / r.std(ddof=1) * math.sqrt(YEAR_HOURS))
    downside = math.sqrt((np.minimum(r, 0) ** 2).mean())
    assert found.sortino.value == pytest.approx(r.mean() / downside * math.sqrt(YEAR_HOURS))
    path = np.cumprod(np.concatenate(([1.0], 1 + r)))
    fall = 1 - (path / np.maximum.accumulate(path)).min()
    assert found.calmar.value == pytest.approx((path[-1] ** (YEAR_HOURS / len(r)) - 1) / fall)
    for estimate in found:
        assert estimate.low < estimate.high
    assert found.sharpe.low <= found.sharpe.value <= found.sharpe.high
    assert annual(r, seed=1) == found


def test_a_market_that_never_closes_has_8766_hours_a_year() -> None:
    assert YEAR_HOURS == 365.25 * 24


def test_little_says_nothing() -> None:
    r = np.random.default_rng(2).normal(1e-3, 1e-3, MIN_HOURS)
    assert annual(r[:-1], seed=1) is None
    assert annual(np.zeros(MIN_HOURS), seed=1) is None
    assert annual(r, seed=1) is not None


def test_returns_from_hour_to_hour() -> None:
    row_ns = 60 * NS * np.arange(600)
    equity = np.linspace(100.0, 200.0, 600)
    first = int(row_ns[30])
    returns = hourly_returns(row_ns, equity, first, first + 5 * HOUR_NS + 59 * 60 * NS)
    assert len(returns) == 5  # what is left of the sixth hour is dropped
    np.testing.assert_allclose(
        returns, [equity[30 + 60 * (k + 1)] / equity[30 + 60 * k] - 1 for k in range(5)]
    )
    equity[400] = -1.0
    equity[90] = 0.0
    assert not len(hourly_returns(row_ns, equity, first, first + 5 * HOUR_NS))
