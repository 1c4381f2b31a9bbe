from __future__ import annotations

import numpy as np
import pytest

from btcframe.kernels import kernel
from btcframe.kernels.logs import NEAR, log_one_plus, log_ratio


@kernel
def run(new, old, out):
    for t in range(len(new)):
        out[t] = log_ratio(new[t], old[t])


@kernel
def run_one_plus(x, out):
    for t in range(len(x)):
        out[t] = log_one_plus(x[t])


@pytest.mark.parametrize("scale", [1e-300, 1e-12, NEAR, 0.3, 1.0, 10.0, 1e9, 1e300])
def test_one_plus_has_all_digits(scale: float) -> None:
    x = scale * np.random.default_rng(1).uniform(0.5, 2.0, 20_000)
    out = np.empty_like(x)
    run_one_plus(x, out)
    expected = np.log1p(x.astype(np.longdouble))
    assert (np.abs(out - expected) <= 5e-16 * expected).all()


def test_one_plus_of_what_has_no_logarithm() -> None:
    out = np.empty(3)
    run_one_plus(np.array([np.nan, -1.0, -2.0]), out)
    np.testing.assert_array_equal(out, [np.nan, -np.inf, np.nan])


@pytest.mark.parametrize("reach", [1e-12, 1e-6, NEAR, 0.2, 100.0])
def test_all_digits(reach: float) -> None:
    rng = np.random.default_rng(0)
    old = rng.uniform(1e-3, 1e6, 20_000)
    new = old * (1.0 + reach * rng.uniform(-min(1.0, 0.99 / reach), 1.0, len(old)))
    out = np.empty_like(old)
    run(new, old, out)
    expected = np.log1p((new.astype(np.longdouble) - old) / old)
    off = np.abs(out - expected)
    assert (off <= 5e-16 * np.abs(expected)).all()


def test_equal_prices_have_none() -> None:
    out = np.empty(2)
    run(np.array([1e-3, 60_000.05]), np.array([1e-3, 60_000.05]), out)
    assert (out == 0.0).all()
