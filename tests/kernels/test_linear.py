"""The linear kernels against scikit-learn and plain formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.kernels.linear import Linear, predict, ridge, standardise
from btcframe.types import PREDICTION


def model(k: int, h: int, seed: int = 0) -> Linear:
    rng = np.random.default_rng(seed)
    scale = rng.random(k) + 0.5
    scale[0] = 0.0
    return Linear(
        rng.standard_normal(k), scale, rng.standard_normal((h, k)), rng.standard_normal(h),
        rng.random(h) + 0.1, 3.0, 1, 1.28,
    )  # fmt: skip


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e4])
def test_ridge_is_scikit_learns(alpha: float) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(1)
    x = rng.standard_normal((500, 7))
    y = x @ rng.standard_normal(7) + 3 + rng.standard_normal(500)
    w = rng.random(500)
    theirs = linear_model.Ridge(alpha=alpha, solver="cholesky").fit(x, y, sample_weight=w)
    ours = ridge(np.column_stack((x, np.ones(500))), y, w, alpha)
    np.testing.assert_allclose(ours, [*theirs.coef_, theirs.intercept_], rtol=1e-9, atol=1e-12)


def test_ridge_gives_0_to_an_empty_column() -> None:
    z = np.column_stack((np.arange(10.0), np.zeros(10), np.ones(10)))
    beta = ridge(z, 2 * np.arange(10.0), np.ones(10), 1e-9)
    np.testing.assert_allclose(beta, [2, 0, 0], atol=1e-8)


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
