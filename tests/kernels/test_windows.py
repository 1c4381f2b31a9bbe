from __future__ import annotations

import numpy as np
import pytest

from btcframe.kernels import kernel
from btcframe.kernels.windows import (
    comoments,
    enough,
    extremes,
    moments,
    no_maxima,
    slide_comoments,
    slide_maxima,
    slide_moments,
    slide_sums,
    sums,
)

LONG = np.longdouble


@kernel
def run_sums(state, x, out):
    w = state[0]
    for t in range(len(x)):
        for j in range(x.shape[1]):
            w.new[j] = x[t, j]
        slide_sums(w)
        for j in range(x.shape[1]):
            out[t, j] = w.total[j]


@kernel
def run_maxima(state, x, out):
    w = state[0]
    for t in range(len(x)):
        for j in range(x.shape[1]):
            w.new[j] = x[t, j]
        slide_maxima(w)
        for j in range(x.shape[1]):
            out[t, j] = w.total[j]


@kernel
def run_moments(state, x, out):
    w = state[0]
    for t in range(len(x)):
        slide_moments(w, x[t], not np.isnan(x[t]))
        out[t, 0], out[t, 1] = w.total.count, w.total.mean
        out[t, 2], out[t, 3], out[t, 4] = w.total.m2, w.total.m3, w.total.m4


@kernel
def run_comoments(state, x, y, out):
    w = state[0]
    for t in range(len(x)):
        slide_comoments(w, x[t], y[t], not np.isnan(x[t] + y[t]))
        out[t, 0], out[t, 1], out[t, 2] = w.total.count, w.total.mean_x, w.total.mean_y
        out[t, 3], out[t, 4], out[t, 5] = w.total.xx, w.total.yy, w.total.xy


def values(n: int, seed: int, bad: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.standard_t(3, n)
    x[rng.random(n) < bad] = np.nan
    return x


@pytest.mark.parametrize("n", [1, 2, 7, 60])
def test_sums_and_maxima_are_those_of_the_last_rows(n: int) -> None:
    x = np.random.default_rng(n).exponential(size=(500, 2))
    for dtype, run, reference in ((sums, run_sums, np.sum), (extremes, run_maxima, np.max)):
        state, out = np.zeros(1, dtype(n, 2)), np.empty_like(x)
        if dtype is extremes:
            no_maxima(state[0])
        run(state, x, out)
        for t in range(len(x)):
            np.testing.assert_allclose(out[t], reference(x[max(0, t - n + 1) : t + 1], axis=0), rtol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 7, 60])
def test_moments_are_those_of_the_valid_values(n: int) -> None:
    x = values(700, n)
    state, out = np.zeros(1, moments(n)), np.empty((len(x), 5))
    run_moments(state, x, out)
    for t in range(len(x)):
        w = x[max(0, t - n + 1) : t + 1].astype(LONG)
        w = w[np.isfinite(w)]
        assert out[t, 0] == len(w)
        if len(w):
            d = w - w.mean()
            scale = float((d**2).mean()) ** 0.5 + 1e-12
            assert abs(out[t, 1] - w.mean()) <= 1e-12 * max(scale, abs(float(w.mean())))
            for j, p in ((2, 2), (3, 3), (4, 4)):
                assert abs(out[t, j] - (d**p).sum()) <= 1e-11 * len(w) * max(scale, abs(d).max()) ** p


@pytest.mark.parametrize("n", [1, 2, 60])
def test_comoments_are_those_of_the_valid_pairs(n: int) -> None:
    x, y = values(700, n), values(700, n + 1)
    state, out = np.zeros(1, comoments(n)), np.empty((len(x), 6))
    run_comoments(state, x, y, out)
    for t in range(len(x)):
        part = slice(max(0, t - n + 1), t + 1)
        known = np.isfinite(x[part] + y[part])
        a, b = x[part][known].astype(LONG), y[part][known].astype(LONG)
        assert out[t, 0] == known.sum()
        if known.any():
            a, b = a - a.mean(), b - b.mean()
            scale = max(float((a**2).sum()), float((b**2).sum()), 1e-12)
            for j, total in ((3, (a * a).sum()), (4, (b * b).sum()), (5, (a * b).sum())):
                assert abs(out[t, j] - total) <= 1e-12 * scale


def test_nothing_is_lost_after_a_value_of_1e12() -> None:
    """What a running sum never recovers from."""
    x = values(1000, 1, bad=0.0)
    x[500] = 1e12
    state, out = np.zeros(1, moments(60)), np.empty((len(x), 5))
    run_moments(state, x, out)
    for t in (560, 600, 999):
        w = x[t - 59 : t + 1]
        assert out[t, 2] == pytest.approx(((w - w.mean()) ** 2).sum(), rel=1e-12)


def test_no_drift_over_ten_million_rows() -> None:
    rng = np.random.default_rng(0)
    state, out = np.zeros(1, moments(60)), np.empty((1_000_000, 5))
    for _ in range(10):
        x = 11.0 + 1e-5 * rng.normal(size=len(out))
        run_moments(state, x, out)
    w = x[-60:].astype(LONG)
    assert out[-1, 2] == pytest.approx(float(((w - w.mean()) ** 2).sum()), rel=1e-9)


def test_the_same_bits_whatever_the_batches() -> None:
    x = values(400, 9)
    whole, parts = np.empty((400, 5)), np.empty((400, 5))
    one, other = np.zeros(1, moments(30)), np.zeros(1, moments(30))
    run_moments(one, x, whole)
    for a in range(0, 400, 7):
        run_moments(other, x[a : a + 7], parts[a : a + 7])
    assert whole.tobytes() == parts.tobytes() and one.tobytes() == other.tobytes()


def test_enough_is_four_fifths() -> None:
    assert [enough(c, 10) for c in (7, 8)] == [False, True]
    assert [enough(c, 61) for c in (48, 49)] == [False, True]
