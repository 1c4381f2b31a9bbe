from __future__ import annotations

import numpy as np
import pytest

from btcframe.kernels import kernel
from btcframe.kernels.windows import enough, extremes, no_maxima, slide_maxima, slide_sums, sums


@kernel
def run_sums(state, x, out, n):
    w = state[0]
    for t in range(len(x)):
        for j in range(x.shape[1]):
            w.new[j] = x[t, j]
        slide_sums(w, n)
        for j in range(x.shape[1]):
            out[t, j] = w.total[j]


@kernel
def run_maxima(state, x, out, n):
    w = state[0]
    for t in range(len(x)):
        for j in range(x.shape[1]):
            w.new[j] = x[t, j]
        slide_maxima(w, n)
        for j in range(x.shape[1]):
            out[t, j] = w.total[j]


@pytest.mark.parametrize("n", [1, 2, 7, 60])
def test_sums_and_maxima_are_those_of_the_last_rows(n: int) -> None:
    x = np.random.default_rng(n).exponential(size=(500, 2))
    for dtype, run, reference in ((sums, run_sums, np.sum), (extremes, run_maxima, np.max)):
        state, out = np.zeros(1, dtype(n, 2)), np.empty_like(x)
        if dtype is extremes:
            no_maxima(state[0])
        run(state, x, out, 0)
        for t in range(len(x)):
            np.testing.assert_allclose(out[t], reference(x[max(0, t - n + 1) : t + 1], axis=0), rtol=1e-13)


def test_windows_of_one_dtype_have_their_own_lengths() -> None:
    x = np.random.default_rng(0).exponential(size=(200, 2))
    shared, own = np.zeros(1, sums(40, 2)), np.zeros(1, sums(7, 2))
    got, expected = np.empty_like(x), np.empty_like(x)
    run_sums(shared, x, got, 7)
    run_sums(own, x, expected, 0)
    assert got.tobytes() == expected.tobytes()


def test_nothing_is_lost_after_a_value_of_1e18() -> None:
    """What a running sum never recovers from."""
    x = np.random.default_rng(1).exponential(size=(1000, 1))
    x[500] = 1e18
    state, out = np.zeros(1, sums(60, 1)), np.empty_like(x)
    run_sums(state, x, out, 0)
    for t in (560, 600, 999):
        assert out[t, 0] == pytest.approx(x[t - 59 : t + 1].sum(), rel=1e-14)


def test_no_drift_over_ten_million_rows() -> None:
    rng = np.random.default_rng(0)
    state, out = np.zeros(1, sums(60, 1)), np.empty((1_000_000, 1))
    for _ in range(10):
        x = rng.normal(size=out.shape)
        run_sums(state, x, out, 0)
    assert out[-1, 0] == pytest.approx(float(x[-60:].astype(np.longdouble).sum()), rel=1e-13)


@pytest.mark.parametrize("kind", ["sums", "maxima"])
def test_the_same_bits_whatever_the_batches(kind: str) -> None:
    x = np.random.default_rng(9).normal(size=(400, 2))
    run = run_sums if kind == "sums" else run_maxima
    whole, parts = np.empty_like(x), np.empty_like(x)
    one, other = np.zeros(1, sums(30, 2)), np.zeros(1, sums(30, 2))
    run(one, x, whole, 0)
    for a in range(0, 400, 7):
        run(other, x[a : a + 7], parts[a : a + 7], 0)
    assert whole.tobytes() == parts.tobytes() and one.tobytes() == other.tobytes()


def test_enough_is_four_fifths() -> None:
    assert [enough(c, 10) for c in (7, 8)] == [False, True]
    assert [enough(c, 61) for c in (48, 49)] == [False, True]
