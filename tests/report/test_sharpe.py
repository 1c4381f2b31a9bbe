"""Sharpe ratios against the formulas' own papers and simulation, the strategy against a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.report.sharpe import (
    MIN_ACTED,
    expected_best,
    probabilistic,
    results_of,
    sharpe_of,
    turnover_of,
)
from btcframe.types import NS


def test_the_probabilistic_ratio_of_the_paper() -> None:
    """Bailey & López de Prado 2012: a monthly ratio of 0.458 over 24 months, skewness −2.448, kurtosis 10.164, is above 0
    with 91.3 %; with a normal distribution's moments it would seem to be with 98.2 %.
    """
    assert probabilistic(0.458, 0.0, 24, -2.448, 10.164) == pytest.approx(0.913, abs=5e-4)
    assert probabilistic(0.458, 0.0, 24, 0.0, 3.0) == pytest.approx(0.982, abs=5e-4)


def test_the_best_of_many_is_that_of_many() -> None:
    rng = np.random.default_rng(1)
    assert expected_best(1) == 0
    for trials in (5, 10, 100):
        simulated = rng.standard_normal((20_000, trials)).max(axis=1).mean()
        assert expected_best(trials) == pytest.approx(simulated, rel=0.05)
    assert all(expected_best(n) < expected_best(n + 1) for n in range(1, 50))


def test_moments_are_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    results = np.random.default_rng(0).gamma(2.0, 1.0, 500) - 1.9
    found = sharpe_of(results, 500, 1)
    assert found.sharpe == pytest.approx(results.mean() / results.std(ddof=1))
    assert (found.skew, found.kurtosis) == pytest.approx(
        (stats.skew(results), stats.kurtosis(results, fisher=False))
    )
    assert found.deflated == found.probabilistic
    spread = math.sqrt(1 - found.skew * found.sharpe + (found.kurtosis - 1) / 4 * found.sharpe**2)
    assert found.probabilistic == pytest.approx(stats.norm.cdf(found.sharpe * math.sqrt(499) / spread))


def test_without_skill_every_probability_is_as_likely() -> None:
    """Of 2,000 strategies without skill the probabilities are uniform (Kolmogorov & Smirnov, 0.1 %), skewed or not."""
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(2)
    for draw in (rng.standard_normal, lambda size: 1 - rng.exponential(size=size)):
        told = [sharpe_of(row, 400, 1).probabilistic for row in draw((2000, 400))]
        assert stats.kstest(told, "uniform").statistic < 1.95 / math.sqrt(2000)


def test_the_best_of_ten_without_skill_is_not_believed() -> None:
    """Chosen as the best of ten, half of them look like skill at 93 %; deflated, half are above a half."""
    rng = np.random.default_rng(3)
    best = [row[row.mean(axis=1).argmax()] for row in rng.standard_normal((400, 10, 200))]
    found = [sharpe_of(row, 200, 10) for row in best]
    assert np.median([f.probabilistic for f in found]) > 0.9
    assert np.median([f.deflated for f in found]) == pytest.approx(0.5, abs=0.08)
    assert np.mean([f.deflated > 0.95 for f in found]) < 0.05
    assert all(f.deflated < f.probabilistic for f in found)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.integers(2, 500), st.integers(0, 1000))
def test_more_trials_are_never_better(trials: int, seed: int) -> None:
    results = np.random.default_rng(seed).standard_normal(100) + 0.1
    one, some, more = (sharpe_of(results, 100, n) for n in (1, trials, trials + 1))
    assert one.deflated == one.probabilistic == some.probabilistic
    assert 0 <= more.deflated <= some.deflated < one.deflated <= 1


def test_too_few_or_all_alike_is_not_known() -> None:
    few = sharpe_of(np.arange(50.0), MIN_ACTED - 1, 3)
    alike = sharpe_of(np.full(100, -11.0), 100, 3)
    for found in (few, alike, sharpe_of(np.empty(0), 0, 3)):
        assert math.isnan(found.sharpe) and math.isnan(found.deflated) and found.trials == 3
    assert alike.mean_bps == -11 and (few.decisions, few.acted) == (50, MIN_ACTED - 1)


def test_one_position_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels of different lengths, holes, stamps that are there twice: row by row, in pieces and in one."""
    rng = np.random.default_rng(4)
    n = 1000
    row_ns = np.sort(rng.integers(0, 900, n)) * NS
    t_end = row_ns + rng.integers(1, 12, n) * NS
    mean, y = rng.standard_normal((2, n))
    known = rng.random(n) < 0.8
    expected, free = [], -1
    for i in range(n):
        if known[i] and row_ns[i] >= free:
            expected.append(np.sign(mean[i]) * y[i] - 0.5 if abs(mean[i]) > 0.5 else 0.0)
            free = t_end[i]
    acted = sum(r != 0 for r in expected)
    for piece in (65_536, 37):
        monkeypatch.setattr("btcframe.scratch.PIECE", piece)
        found, n_acted = results_of(mean, y, t_end, row_ns, known, 0.5)
        np.testing.assert_array_equal(found, expected)
        assert n_acted == acted


def test_turnover_is_counted_position_by_position(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btcframe.scratch.PIECE", 2)
    mean = np.array([3.0, 4.0, -3.0, np.nan, 0.5, -2.0, 5.0])  # long, long, short, none, none, none, long
    row_ns = 600 * NS * np.arange(7)
    found = turnover_of(mean, row_ns, 2.0)  # 1 + 2 + 1 + 1 in an hour
    assert (found.held, found.per_hour, found.cost_bps) == pytest.approx((4 / 7, 5.0, 5.0))
    assert turnover_of(mean, row_ns, 3.5).per_hour == 3.0  # long from the second to the third, and at the end
