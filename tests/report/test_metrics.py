"""Metrics against SciPy, intervals against their coverage, verdicts against their meaning."""

from __future__ import annotations

import math

import numpy as np
import pytest

from btcframe.report.metrics import (
    MIN_BLOCKS,
    Estimate,
    block_sums,
    compare,
    evaluate,
    intervals,
    signed_ranks,
    verdict,
)
from btcframe.types import NS

H = 10 * NS


def overlapping(n: int, seed: int, signal: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slow predictions and returns over 10 rows, which overlap; the truth is that `signal` of y is predictable."""
    rng = np.random.default_rng(seed)
    slow = np.convolve(rng.standard_normal(n + 29), np.ones(30) / math.sqrt(30), "valid")
    noise = np.convolve(rng.standard_normal(n + 9), np.ones(10) / math.sqrt(10), "valid")
    return slow, signal * slow + noise, NS * np.arange(1, n + 1)


def slow(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A walk that cannot be predicted, its next 10 rows, and a prediction learned as a model would.

    The prediction is the return of the last 1000 rows, with the sign that was right before: slow, and correlated with
    the returns it is judged by.
    """
    price = np.cumsum(np.random.default_rng(seed).standard_normal(4000))
    past, future = price[1000:-10] - price[:-1010], price[1010:] - price[1000:-10]
    first = len(past) // 4
    sign = np.sign((past[:first] * future[:first]).sum())
    return sign * past[first:], future[first:], NS * np.arange(len(past) - first)


def test_values_are_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    p, y, ns = overlapping(3000, 0, 0.3)
    p, y = np.round(p, 1), y + 0.1  # ties, zeros, and a mean that is not 0
    m = evaluate(p, y, ns, H, seed=1)
    mirror = np.concatenate([p, -p]), np.concatenate([y, -y])  # about zero, not about the mean
    assert m.ic.value == pytest.approx(stats.pearsonr(*mirror)[0], rel=1e-9)
    assert m.rank_ic.value == pytest.approx(stats.spearmanr(*mirror)[0], rel=1e-9)
    counted = (p != 0) & (y != 0)
    assert m.hit_rate.value == pytest.approx((np.sign(p) == np.sign(y))[counted].mean())
    assert m.r2.value == pytest.approx(1 - ((y - p) ** 2).sum() / (y**2).sum())
    assert m.mean_abs_label == pytest.approx(np.abs(y).mean())
    assert (m.rows, m.horizon_ns) == (3000, H)
    for estimate in (m.ic, m.rank_ic, m.hit_rate, m.r2):
        assert estimate.low <= estimate.value <= estimate.high


def test_signed_ranks_share_ties() -> None:
    values = np.array([3.0, -1.0, 3.0, 2.0, 0.0])
    got = signed_ranks(values, np.sort(np.abs(values)))
    np.testing.assert_array_equal(got, [4, -1.5, 4, 2.5, 0])


def test_intervals_cover_the_truth_though_labels_overlap() -> None:
    """Of 200 seeded samples without any signal, a 95 % interval excludes 0 in about 10; an iid one in about half."""
    excluded = 0
    for seed in range(200):
        m = evaluate(*overlapping(3000, seed, 0.0), H, seed=7)
        excluded += not m.ic.low <= 0 <= m.ic.high
    assert 2 <= excluded <= 22


def test_a_slow_prediction_of_a_walk_is_not_taken_for_a_find() -> None:
    """Of 150 samples 8 are expected to be; about the window's means, as correlations usually are, three times as many."""
    excluded, centred = 0, 0
    for seed in range(150):
        p, y, ns = slow(seed)
        for_zero, for_means = (
            evaluate(p, y, ns, H, seed=7),
            evaluate(p - p.mean(), y - y.mean(), ns, H, seed=7),
        )
        excluded += not for_zero.ic.low <= 0 <= for_zero.ic.high
        centred += not for_means.ic.low <= 0 <= for_means.ic.high
    assert excluded <= 18  # more come once in 1,000 times
    assert centred > 18


def test_blocks_are_at_least_five_horizons_and_at_most_a_hundred() -> None:
    def moments(values: np.ndarray) -> tuple[np.ndarray, ...]:
        return np.ones(len(values)), values

    rows = np.arange(2000)
    sums = block_sums(moments, rows >= 0, [rows.astype(float)], NS * rows, H)
    np.testing.assert_array_equal(sums[:, 0], 50)
    np.testing.assert_array_equal(sums[:, 1], [np.arange(50 * i, 50 * i + 50).sum() for i in range(40)])
    rows = np.arange(70_001)
    many = block_sums(moments, rows >= 0, [rows.astype(float)], NS * rows, H)
    assert len(many) == 100 and many[:, 0].sum() == 70_001
    holes = (rows > 100) & (rows % 50 == 0) | (rows > 60_000)
    holes[20_000:40_000] = False
    kept = rows[holes]
    with_holes = block_sums(moments, holes, [rows.astype(float)], NS * rows, H)
    np.testing.assert_array_equal(
        with_holes, block_sums(moments, kept >= 0, [kept.astype(float)], NS * kept, H)
    )
    assert 60 < len(with_holes) < 80  # a block without a row is none


def test_the_interval_of_a_mean_is_that_of_the_t_test() -> None:
    """Studentised and symmetric: for the mean of independent blocks it is nearly Student's."""
    stats = pytest.importorskip("scipy.stats")
    x = np.random.default_rng(0).standard_normal(40) + 1
    sums = np.column_stack([np.ones(40), x])
    (mean,) = intervals(sums, lambda s: s[..., 1:] / s[..., :1], seed=[1], least=[-np.inf], most=[np.inf])
    half = stats.t.ppf(0.975, 39) * x.std(ddof=1) / math.sqrt(40)
    assert mean.value == pytest.approx(x.mean())
    assert mean.high - mean.value == pytest.approx(half, rel=0.1)
    assert mean.value - mean.low == pytest.approx(mean.high - mean.value)


def test_same_seed_same_bits_and_missing_rows_are_left_out() -> None:
    p, y, ns = overlapping(2000, 3, 0.2)
    assert evaluate(p, y, ns, H, seed=1) == evaluate(p, y, ns, H, seed=1)
    assert evaluate(p, y, ns, H, seed=1).ic.low != evaluate(p, y, ns, H, seed=2).ic.low
    holes = p.copy()
    holes[::7] = np.nan
    y = y.copy()
    y[-5:] = np.nan
    keep = np.isfinite(holes) & np.isfinite(y)
    assert evaluate(holes, y, ns, H, seed=1) == evaluate(p[keep], y[keep], ns[keep], H, seed=1)


def test_few_blocks_give_no_interval() -> None:
    p, y, ns = overlapping(100, 0, 1.0)
    m = evaluate(p, y, ns, H, seed=1)
    assert m.blocks == 2 < MIN_BLOCKS
    assert math.isnan(m.ic.low) and not math.isnan(m.ic.value)
    assert "too little data to say anything" in verdict(m)


def test_predicting_0_has_no_correlation_and_r2_0() -> None:
    _, y, ns = overlapping(3000, 0, 0.0)
    m = evaluate(np.zeros(3000), y, ns, H, seed=1)
    assert math.isnan(m.ic.value) and math.isnan(m.rank_ic.value) and math.isnan(m.hit_rate.value)
    assert m.r2.value == 0
    assert "nothing to correlate" in verdict(m)


def test_a_perfect_prediction() -> None:
    _, y, ns = overlapping(3000, 0, 0.0)
    m = evaluate(y, y, ns, H, seed=1)
    for estimate in (m.ic, m.rank_ic, m.hit_rate, m.r2):
        assert estimate.value == pytest.approx(1) and estimate.low == pytest.approx(1)
        assert estimate.high <= 1


def test_verdicts() -> None:
    good = evaluate(*overlapping(5000, 1, 0.5), H, seed=1)
    assert "evidence that it predicts" in verdict(good)
    none = evaluate(*overlapping(5000, 1, 0.0), H, seed=1)
    assert "no evidence" in verdict(none)
    p, y, ns = overlapping(5000, 1, 0.5)
    assert "wrong way round" in verdict(evaluate(-p, y, ns, H, seed=1))
    assert "not better than 0" in verdict(evaluate(20 * p, y, ns, H, seed=1))
    nothing = evaluate(np.full(5, np.nan), np.ones(5), NS * np.arange(5), H, seed=1)
    assert nothing.rows == 0 and "no row has both" in verdict(nothing)


def test_against_the_oracle() -> None:
    """y = e + noise, and the prediction sees e through noise of its own: IC = found · the oracle's IC."""
    e, y, ns = overlapping(20_000, 2, 0.5)
    p = 0.3 * e + 0.4 * np.random.default_rng(3).standard_normal(len(e))  # correlation 0.6 with e
    expected = 0.5 * e
    found = compare(p, expected, y, ns, H, seed=1)
    ic = evaluate(p, y, ns, H, seed=1).ic
    assert found.oracle == evaluate(expected, y, ns, H, seed=1)
    assert found.found.low < 0.6 < found.found.high
    assert found.found.value == pytest.approx(np.corrcoef(p, e)[0, 1], abs=0.01)
    assert ic.value == pytest.approx(found.found.value * found.oracle.ic.value, abs=0.01)
    assert found.gap.value == pytest.approx(found.oracle.ic.value - ic.value)
    assert 0 < found.gap.low < found.gap.value < found.gap.high
    assert "The oracle's IC is" in verdict(evaluate(p, y, ns, H, seed=1), found)
    assert "of it was found" in verdict(evaluate(p, y, ns, H, seed=1), found)


def test_against_the_oracle_on_the_rows_that_have_all_three() -> None:
    e, y, ns = overlapping(5000, 2, 0.5)
    p = e + np.random.default_rng(3).standard_normal(len(e))
    expected = 0.5 * e
    expected[::3], p[::5], y[-7:] = np.nan, np.nan, np.nan
    keep = np.isfinite(expected) & np.isfinite(p) & np.isfinite(y)
    found = compare(p, expected, y, ns, H, seed=1)
    assert found == compare(p[keep], expected[keep], y[keep], ns[keep], H, seed=1)
    assert found.oracle.rows == keep.sum()
    whole = evaluate(p, y, ns, H, seed=1)
    assert f"on the {keep.sum():,} rows with their truth" in verdict(whole, found)


def test_an_oracle_that_knows_nothing() -> None:
    p, y, ns = overlapping(3000, 1, 0.0)
    m = evaluate(p, y, ns, H, seed=1)
    found = compare(p, np.zeros(3000), y, ns, H, seed=1)
    assert math.isnan(found.oracle.ic.value) and math.isnan(found.found.value)
    assert verdict(m, found).endswith(" There is nothing to predict, the oracle knows.")
    lucky = m._replace(ic=Estimate(0.05, 0.01, 0.09))
    assert "evidence" in verdict(lucky, found) and "a find by chance" in verdict(lucky, found)
    none = compare(p, np.full(3000, np.nan), y, ns, H, seed=1)
    assert none.oracle.rows == 0 and "No test row has its truth" in verdict(m, none)
