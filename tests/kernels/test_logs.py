from __future__ import annotations

import numpy as np
import pytest

from btcframe.kernels import kernel
from btcframe.kernels.logs import NEAR, log_ratio


@kernel
def run(new, old, out):
    for t in range(len(new)):
        out[t] = log_ratio(new[t], old[t])


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
