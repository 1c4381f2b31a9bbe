from __future__ import annotations

import numpy as np
import pytest

from btcframe.kernels import kernel
from btcframe.kernels.rolling import decays, ewm, ewm_gap, fade, lagged, push


@kernel
def run_lagged(ring, x, lag, out):
    for t in range(len(x)):
        out[t] = lagged(ring, t, lag)
        push(ring, t, x[t])


@kernel
def run_ewm(x, decay, out):
    mean = weight = 0.0
    for t in range(len(x)):
        if np.isnan(x[t]):
            weight = fade(weight, decay)
        else:
            mean, weight = ewm(mean, weight, decay, x[t])
        out[t, 0], out[t, 1] = mean, weight


@kernel
def run_gap(x, decay, out):
    gap = weight = 0.0
    for t in range(len(x)):
        gap, weight = ewm_gap(gap, weight, decay, 0.0 if t == 0 else x[t] - x[t - 1])
        out[t] = gap


def mean_by_age(x: np.ndarray, half_life: int, t: int) -> float:
    weight = np.longdouble(0.5) ** (np.arange(t, -1, -1) / np.longdouble(half_life))
    known = ~np.isnan(x[: t + 1])
    return float((x[: t + 1][known] * weight[known]).sum() / weight[known].sum())


@pytest.mark.parametrize("lag", [1, 3, 8])
def test_lagged_is_the_value_so_many_rows_before(lag: int) -> None:
    x, out = np.arange(50.0), np.empty(50)
    run_lagged(np.full(8, np.nan), x, lag, out)
    np.testing.assert_array_equal(out, np.concatenate([np.full(lag, np.nan), x[:-lag]]))


def test_half_of_a_weight_is_left_after_its_half_life() -> None:
    np.testing.assert_allclose(decays((1, 10, 600)) ** [1, 10, 600], 0.5, rtol=1e-13)


def test_mean_by_age() -> None:
    rng = np.random.default_rng(0)
    x = 100.0 + rng.normal(size=300)
    x[rng.random(300) < 0.1] = np.nan
    out = np.empty((300, 2))
    run_ewm(x, decays((10,))[0], out)
    for t in np.flatnonzero(~np.isnan(x)):
        assert out[t, 0] == pytest.approx(mean_by_age(x, 10, t), rel=1e-13)


def test_what_has_faded_is_exactly_nothing() -> None:
    """No number so small that it is slow and has few digits ever stands in a state."""
    x = np.zeros(100_000)
    x[0] = 1.0
    out = np.empty((len(x), 2))
    run_ewm(x, decays((10,))[0], out)
    assert out[-1, 0] == 0.0 and not ((out != 0.0) & (np.abs(out) < 1e-300)).any()
    x[1:] = np.nan
    run_ewm(x, decays((10,))[0], out)
    assert out[-1, 0] == 1.0 and out[-1, 1] == 0.0


def test_gap_is_the_mean_s_distance_from_the_newest_value() -> None:
    x = 60_000.0 + np.random.default_rng(1).normal(size=200).cumsum()
    out = np.empty(200)
    run_gap(x, decays((10,))[0], out)
    for t in range(200):
        expected = mean_by_age((x - x[t]), 10, t)
        assert out[t] == pytest.approx(expected, rel=1e-9, abs=1e-10)
