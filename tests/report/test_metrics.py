"""Metrics against SciPy, intervals against their coverage, verdicts against their meaning."""

from __future__ import annotations

import math

import numpy as np
import pytest

from btcframe.report.metrics import MIN_BLOCKS, evaluate, ranks, verdict
from btcframe.types import NS

H = 10 * NS


def overlapping(n: int, seed: int, signal: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slow predictions and returns over 10 rows, which overlap; the truth is that `signal` of y is predictable."""
    rng = np.random.default_rng(seed)
    slow = np.convolve(rng.standard_normal(n + 29), np.ones(30) / math.sqrt(30), "valid")
    noise = np.convolve(rng.standard_normal(n + 9), np.ones(10) / math.sqrt(10), "valid")
    return slow, signal * slow + noise, NS * np.arange(1, n + 1)


def test_values_are_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    p, y, ns = overlapping(3000, 0, 0.3)
    p = np.round(p, 1)  # ties
    m = evaluate(p, y, ns, H, seed=1)
    assert m.ic.value == pytest.approx(stats.pearsonr(p, y)[0], rel=1e-9)
    assert m.rank_ic.value == pytest.approx(stats.spearmanr(p, y)[0], rel=1e-9)
    counted = (p != 0) & (y != 0)
    assert m.hit_rate.value == pytest.approx((np.sign(p) == np.sign(y))[counted].mean())
    assert m.r2.value == pytest.approx(1 - ((y - p) ** 2).sum() / (y**2).sum())
    assert m.mean_abs_label == pytest.approx(np.abs(y).mean())
    assert (m.rows, m.horizon_ns) == (3000, H)
    for estimate in (m.ic, m.rank_ic, m.hit_rate, m.r2):
        assert estimate.low <= estimate.value <= estimate.high


def test_ranks_share_ties() -> None:
    np.testing.assert_array_equal(ranks(np.array([3.0, 1.0, 3.0, 2.0])), [3.5, 1, 3.5, 2])


def test_intervals_cover_the_truth_though_labels_overlap() -> None:
    """Of 200 seeded samples without any signal, a 95 % interval excludes 0 in about 10; an iid one in about half."""
    excluded = 0
    for seed in range(200):
        m = evaluate(*overlapping(3000, seed, 0.0), H, seed=7)
        excluded += not m.ic.low <= 0 <= m.ic.high
    assert 2 <= excluded <= 26


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
