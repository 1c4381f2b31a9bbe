"""How good predictions were, with honest intervals.

Labels of neighbouring rows overlap, so rows are not independent: intervals come from a block bootstrap with blocks
of five horizons, and are not given where there are fewer than `MIN_BLOCKS` of them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from btcframe.types import Floats, Ints, duration_name

RESAMPLES = 1000
MIN_BLOCKS = 10
BLOCK_HORIZONS = 5


class Estimate(NamedTuple):
    """A value and its 95 % interval; NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan


class Metrics(NamedTuple):
    """Predictions of one horizon against what happened."""

    horizon_ns: int
    rows: int  # with a prediction and a label
    blocks: int  # independent stretches they make up
    ic: Estimate  # Pearson correlation of prediction and label
    rank_ic: Estimate  # Spearman correlation
    hit_rate: Estimate  # share of right signs, where neither is 0
    r2: Estimate  # 1 − Σ(y − p)²/Σy²: against predicting 0
    mean_abs_prediction: float  # bps
    mean_abs_label: float  # bps


def evaluate(prediction: Floats, y: Floats, row_ns: Ints, horizon_ns: int, *, seed: int) -> Metrics:
    """Metrics of one horizon.

    The moments of each block (sums of p, y, p², y², py, of their ranks, hits) are resampled with replacement
    (Carlstein 1986) and the metrics computed from their totals; ranks are those in the whole sample.

    Parameters
    ----------
    prediction : float64[n]    bps, NaN where there is none
    y : float64[n]             label, bps, NaN where unknown
    row_ns : int64[n]          increasing
    horizon_ns : int
    seed : int                 of the bootstrap
    """
    known = np.isfinite(prediction) & np.isfinite(y)
    p, y, ns = prediction[known], y[known], row_ns[known]
    if len(p) == 0:
        none = Estimate(math.nan)
        return Metrics(horizon_ns, 0, 0, none, none, none, none, math.nan, math.nan)
    rank_p, rank_y = ranks(p), ranks(y)
    counted = (p != 0) & (y != 0)
    # centred first: the correlations below are computed from raw sums
    moments = np.column_stack(
        (
            np.ones(len(p)),
            *_products(p - p.mean(), y - y.mean()),
            *_products(rank_p - rank_p.mean(), rank_y - rank_y.mean()),
            counted,
            counted & (np.sign(p) == np.sign(y)),
            (y - p) ** 2,
            y**2,
        )
    )
    block = (ns - ns[0]) // (BLOCK_HORIZONS * horizon_ns)
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    sums = np.add.reduceat(moments, starts, axis=0)
    point = _from_sums(sums.sum(axis=0)[None, :])[0]
    low, high = np.full((2, len(point)), np.nan)
    if len(sums) >= MIN_BLOCKS:
        rng = np.random.default_rng([seed, horizon_ns])
        totals = np.array(
            [sums[rng.integers(len(sums), size=len(sums))].sum(axis=0) for _ in range(RESAMPLES)]
        )
        drawn = _from_sums(totals)
        for j in range(len(point)):
            valid = drawn[np.isfinite(drawn[:, j]), j]
            if len(valid) and math.isfinite(point[j]):
                low[j], high[j] = np.quantile(valid, (0.025, 0.975))
    ic, rank_ic, hit_rate, r2 = (
        Estimate(*each) for each in zip(point.tolist(), low.tolist(), high.tolist(), strict=True)
    )
    sizes = float(np.abs(p).mean()), float(np.abs(y).mean())
    return Metrics(horizon_ns, len(p), len(sums), ic, rank_ic, hit_rate, r2, *sizes)


def ranks(values: Floats) -> Floats:
    """Ranks from 1, ties sharing their mean."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    upper = np.cumsum(counts)
    mean: Floats = (upper - (counts - 1) / 2)[which]
    return mean


def _products(a: Floats, b: Floats) -> tuple[Floats, ...]:
    return a, b, a * a, b * b, a * b


def _from_sums(sums: Floats) -> Floats:
    """Ic, rank ic, hit rate and R² from rows of summed moments; NaN where undefined."""
    n = sums[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = [_correlation(n, *sums[:, start : start + 5].T) for start in (1, 6)]
        columns += [sums[:, 12] / sums[:, 11], 1 - sums[:, 13] / sums[:, 14]]
    return np.column_stack(columns)


def _correlation(n: Floats, a: Floats, b: Floats, aa: Floats, bb: Floats, ab: Floats) -> Floats:
    var_a, var_b = aa - a * a / n, bb - b * b / n
    # a constant has a variance of 0 but for rounding
    flat = (var_a <= 1e-12 * aa) | (var_b <= 1e-12 * bb)
    result: Floats = np.where(flat, np.nan, (ab - a * b / n) / np.sqrt(var_a * var_b))
    return result


def verdict(metrics: Metrics) -> str:
    """What the numbers allow to be said about one horizon, in a sentence."""
    name = duration_name(metrics.horizon_ns)
    ic = metrics.ic
    if metrics.rows == 0:
        return f"{name}: no row has both a prediction and a label."
    if math.isnan(ic.value):
        return f"{name}: the prediction or the label never changes, so there is nothing to correlate."
    found = f"{name}: IC {ic.value:+.3f}"
    if math.isnan(ic.low):
        stretches = f"{metrics.blocks} independent stretch{'es' if metrics.blocks > 1 else ''}"
        return (
            f"{found} over {stretches} of {BLOCK_HORIZONS} horizons: "
            f"too little data to say anything (at least {MIN_BLOCKS} are needed)."
        )
    found = f"{found} [{ic.low:+.3f}, {ic.high:+.3f}]"
    if ic.low <= 0 <= ic.high:
        return f"{found}: no evidence that it predicts anything."
    if ic.high < 0:
        return f"{found}: it predicts the wrong way round."
    better = metrics.r2.low > 0
    size = "and its size is better than predicting 0" if better else "but not better than 0 in squared error"
    return f"{found}: evidence that it predicts the direction, {size} (R² {metrics.r2.value:+.4f})."
