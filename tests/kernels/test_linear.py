"""The linear kernels against scikit-learn and plain formulas."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.kernels.linear import Linear, Sums, add_rows, add_squares, no_rows, predict, ridge, standardise
from btcframe.types import PREDICTION


def model(k: int, h: int, seed: int = 0) -> Linear:
    rng = np.random.default_rng(seed)
    scale = rng.random(k) + 0.5
    scale[0] = 0.0
    return Linear(
        rng.standard_normal(k), scale, rng.standard_normal((h, k)), rng.standard_normal(h),
        rng.random(h) + 0.1, 3.0, 1, 1.28,
    )  # fmt: skip


def added(z: np.ndarray, y: np.ndarray, w: np.ndarray, cuts: Sequence[int] = ()) -> Sums:
    """The sums of all rows, added in one or several batches."""
    sums = no_rows(y.shape[1], z.shape[1])
    for part in (slice(a, b) for a, b in itertools.pairwise((0, *cuts, len(z)))):
        add_rows(z[part], np.ones(len(z[part]), bool), y[part], w[part], sums)
    return sums


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e4])
def test_ridge_is_scikit_learns(alpha: float) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(1)
    x = rng.standard_normal((500, 7))
    y = x @ rng.standard_normal((7, 2)) + 3 + rng.standard_normal((500, 2))
    w = rng.random(500)
    w[::7], y[5::11, 1] = 0.0, np.nan
    z = np.column_stack((x, np.ones(500)))
    sums = added(z, y, w)
    betas = np.array([ridge(sums.gram[h], sums.moment[h], alpha) for h in range(2)])
    squares = np.zeros(2)
    add_squares(z, np.ones(500, bool), y, w, betas, squares)
    for h in range(2):
        rows = (w > 0) & np.isfinite(y[:, h])
        theirs = linear_model.Ridge(alpha=alpha, solver="cholesky").fit(
            x[rows], y[rows, h], sample_weight=w[rows]
        )
        np.testing.assert_allclose(betas[h], [*theirs.coef_, theirs.intercept_], rtol=1e-9, atol=1e-12)
        left = y[rows, h] - theirs.predict(x[rows])
        assert squares[h] == pytest.approx((w[rows] * left**2).sum(), rel=1e-9)
        assert sums.rows[h] == rows.sum() and sums.weight[h] == pytest.approx(w[rows].sum(), rel=1e-12)
        assert (sums.low[h], sums.high[h]) == (y[rows, h].min(), y[rows, h].max())


@settings(max_examples=25, derandomize=True, deadline=None)
@given(cuts=st.lists(st.integers(0, 200), max_size=6))
def test_sums_do_not_depend_on_batches(cuts: list[int]) -> None:
    rng = np.random.default_rng(2)
    z, y, w = rng.standard_normal((200, 4)), rng.standard_normal((200, 2)), rng.random(200)
    for one, other in zip(added(z, y, w), added(z, y, w, sorted(cuts)), strict=True):
        assert one.tobytes() == other.tobytes()


def test_ridge_gives_0_to_an_empty_column() -> None:
    z = np.column_stack((np.arange(10.0), np.zeros(10), np.ones(10)))
    sums = added(z, 2 * np.arange(10.0)[:, None], np.ones(10))
    np.testing.assert_allclose(ridge(sums.gram[0], sums.moment[0], 1e-9), [2, 0, 0], atol=1e-8)


def naive(x: np.ndarray, m: Linear) -> list[list[tuple[float, float, float, float]]]:
    found = []
    for row in x:
        used = [j for j in range(len(row)) if m.scale[j]]
        z = [0.0] * len(row)
        for j in used:
            if math.isfinite(row[j]):
                z[j] = min(max((row[j] - m.center[j]) / m.scale[j], -m.clip), m.clip)
        missing = sum(not math.isfinite(row[j]) for j in used)
        means = [
            m.intercept[h] + sum(c * v for c, v in zip(m.coef[h], z, strict=True))
            for h in range(len(m.sigma))
        ]
        means = [math.nan if missing > m.max_missing else mean for mean in means]
        found.append(
            [
                (mean, (1 + math.erf(mean / s / math.sqrt(2))) / 2, mean - m.width * s, mean + m.width * s)
                for mean, s in zip(means, m.sigma, strict=True)
            ]
        )
    return found


@settings(max_examples=25, derandomize=True, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(1, 30))
def test_predict_is_the_formula_and_the_same_row_by_row(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x = 3 * rng.standard_normal((n, 5))
    x[rng.random(x.shape) < 0.2] = np.nan
    x[rng.random(x.shape) < 0.05] = np.inf
    m = model(5, 3, seed)
    out = np.zeros((n, 3), PREDICTION)
    predict(x, m, out)
    fields = np.stack([out[f] for f in ("mean", "p_up", "low", "high")], axis=-1)
    np.testing.assert_allclose(fields, naive(x, m), rtol=1e-12, atol=1e-14)
    single = np.zeros((n, 3), PREDICTION)
    for i in range(n):
        predict(x[i : i + 1], m, single[i : i + 1])
    assert single.tobytes() == out.tobytes()


def test_standardise_agrees_with_predict_on_what_is_usable() -> None:
    x = np.array([[1.0, 2.0, 3.0], [np.nan, 2.0, 3.0], [1.0, np.nan, 3.0], [1.0, np.nan, np.nan]])
    m = model(3, 1)
    z = np.empty((4, 4))
    usable = standardise(x, m, z)
    out = np.zeros((4, 1), PREDICTION)
    predict(x, m, out)
    np.testing.assert_array_equal(
        usable, [True, True, True, False]
    )  # column 0 is not used, one may be missing
    np.testing.assert_array_equal(np.isnan(out["mean"][:, 0]), ~usable)
    np.testing.assert_allclose(
        z[:, :3] @ m.coef[0] + m.intercept[0],
        np.where(usable, out["mean"][:, 0], z[:, :3] @ m.coef[0] + m.intercept[0]),
    )
    np.testing.assert_array_equal(z[:, 3], 1)
