from __future__ import annotations

import numpy as np
import pytest

from btcframe.kernels import kernel
from btcframe.kernels.powers import begin, pairs, powers, slide_pairs, slide_powers, spread

LONG = np.longdouble


@kernel
def run_powers(state, x, out):
    w = state[0]
    for t in range(len(x)):
        slide_powers(w, x[t])
        count, first, second = w.total[0], w.total[1], w.total[2]
        out[t, 0], out[t, 1] = count, w.centre + first / count
        out[t, 2] = spread(count, first, second)
        mean = first / count
        out[t, 3] = w.total[3] - mean * (3.0 * second - 2.0 * mean * first)
        out[t, 4] = w.total[4] - mean * (4.0 * w.total[3] - mean * (6.0 * second - 3.0 * mean * first))


@kernel
def run_pairs(state, x, y, out):
    w = state[0]
    for t in range(len(x)):
        slide_pairs(w, x[t], y[t])
        count, a, b = w.total[0], w.total[1], w.total[2]
        out[t, 0] = count
        out[t, 1], out[t, 2] = spread(count, a, w.total[3]), spread(count, b, w.total[4])
        out[t, 3] = w.total[5] - a * b / count


def new(dtype, n):
    state = np.zeros(1, dtype)
    begin(state[0], n)
    return state


def values(n: int, seed: int, bad: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.standard_t(3, n)
    x[rng.random(n) < bad] = np.nan
    return x


MARKETS = {
    "plain": lambda x: x,
    "far from 0": lambda x: 1e4 + 1e-4 * x,
    "mostly still": lambda x: np.where(np.abs(x) < 1.5, 0.0, x),
    "a crash": lambda x: 1e-6 * x + np.where(np.arange(len(x)) > 333, -0.2, 0.0),
    "1e12 for a row": lambda x: np.where(np.arange(len(x)) == 250, 1e12, x),
}


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("n", [1, 2, 7, 60, 300])
def test_moments_are_those_of_the_valid_values(n: int, market: str) -> None:
    x = MARKETS[market](values(1000, n))
    state, out = new(powers(300, 4), n), np.empty((len(x), 5))
    run_powers(state, x, out)
    for t in np.flatnonzero(~np.isnan(x)):
        w = x[max(0, t - n + 1) : t + 1].astype(LONG)
        w = w[~np.isnan(w)]
        assert out[t, 0] == len(w)
        d = w - w[0]  # first, or even long double loses digits
        d -= d.mean()
        reach = max(float(np.ptp(w)), 1e-300)
        assert abs(out[t, 1] - w.mean()) <= 4e-16 * len(w) * reach + 4e-16 * abs(float(w.mean()))
        for p in (2, 3, 4):
            assert abs(out[t, p] - (d**p).sum()) <= 1e-14 * len(w) * reach**p


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("n", [1, 2, 60])
def test_products_are_those_of_the_valid_pairs(n: int, market: str) -> None:
    x, y = MARKETS[market](values(1000, n)), values(1000, n + 1)
    state, out = new(pairs(60), n), np.empty((len(x), 4))
    run_pairs(state, x, y, out)
    for t in np.flatnonzero(~np.isnan(x + y)):
        part = slice(max(0, t - n + 1), t + 1)
        known = ~np.isnan(x[part] + y[part])
        a, b = x[part][known].astype(LONG), y[part][known].astype(LONG)
        assert out[t, 0] == known.sum()
        reach = [max(float(np.ptp(v)), 1e-300) for v in (a, b)]
        a, b = ((v - v[0]) - (v - v[0]).mean() for v in (a, b))
        for j, total, scale in (
            (1, (a * a).sum(), reach[0] ** 2),
            (2, (b * b).sum(), reach[1] ** 2),
            (3, (a * b).sum(), reach[0] * reach[1]),
        ):
            assert abs(out[t, j] - total) <= 1e-14 * len(a) * scale


@pytest.mark.parametrize("n", [2, 10, 60])
def test_equal_values_and_only_they_have_no_spread(n: int) -> None:
    """To the bit, on any level: a value's last digit makes the difference."""
    rng = np.random.default_rng(n)
    x = np.repeat(rng.choice([1e-9, 0.1, 11.0, 1e12], 60), rng.integers(1, 2 * n, 60))
    x = np.where(rng.random(len(x)) < 0.01, np.nextafter(x, 1e300), x)
    x[rng.random(len(x)) < 0.05] = np.nan
    state, out = new(powers(60, 4), n), np.empty((len(x), 5))
    run_powers(state, x, out)
    equal = []
    for t in np.flatnonzero(~np.isnan(x)):
        w = x[max(0, t - n + 1) : t + 1]
        w = w[~np.isnan(w)]
        equal.append(w.max() == w.min())
        assert (out[t, 2] == 0.0) == equal[-1]
        assert out[t, 2] >= 0.0
    assert any(equal) and not all(equal)


def test_no_drift_over_ten_million_rows() -> None:
    rng = np.random.default_rng(0)
    state, out = new(powers(60, 4), 60), np.empty((1_000_000, 5))
    for _ in range(10):
        x = 11.0 + 1e-5 * rng.normal(size=len(out))
        run_powers(state, x, out)
    w = x[-60:].astype(LONG)
    assert out[-1, 2] == pytest.approx(float(((w - w.mean()) ** 2).sum()), rel=1e-12)


def test_the_same_bits_whatever_the_batches() -> None:
    x = values(400, 9)
    whole, parts = np.empty((400, 5)), np.empty((400, 5))
    one, other = new(powers(30, 4), 30), new(powers(30, 4), 30)
    run_powers(one, x, whole)
    for a in range(0, 400, 7):
        run_powers(other, x[a : a + 7], parts[a : a + 7])
    assert whole.tobytes() == parts.tobytes() and one.tobytes() == other.tobytes()
