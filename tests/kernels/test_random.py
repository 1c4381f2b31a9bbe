from __future__ import annotations

import numpy as np
import pytest

from btcframe.kernels import kernel
from btcframe.kernels.random import exponential, normal, uniform

STATE = np.dtype([("random", "u8")])


@kernel
def fill(state, out):
    s = state[0]
    for i in range(len(out)):
        out[i, 0] = uniform(s)
        out[i, 1] = normal(s)
        out[i, 2] = exponential(s)


def draw(seed: int, n: int = 200_000) -> np.ndarray:
    state, out = np.zeros(1, STATE), np.empty((n, 3))
    state["random"] = seed
    fill(state, out)
    return out


def test_the_reference_of_splitmix64() -> None:
    # the first three outputs for seed 1234567, as published with the algorithm
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    state = np.zeros(1, STATE)
    state["random"] = 1234567
    got = [uniform(state[0]) for _ in known]
    assert got == [((z >> 11) + 0.5) / 2**53 for z in known]


def test_moments_and_independence() -> None:
    out = draw(5)
    assert ((out[:, 0] > 0) & (out[:, 0] < 1)).all()
    n = len(out)
    for column, mean, sd in zip(out.T, (0.5, 0.0, 1.0), (12**-0.5, 1.0, 1.0), strict=True):
        assert abs(column.mean() - mean) < 4 * sd / n**0.5
        assert column.std() == pytest.approx(sd, rel=0.02)
        assert abs(np.corrcoef(column[1:], column[:-1])[0, 1]) < 4 / n**0.5
    assert abs(np.corrcoef(out.T) - np.eye(3)).max() < 4 / n**0.5
    assert np.mean(out[:, 1] ** 4) == pytest.approx(3, rel=0.05)


def test_other_seeds_give_other_numbers() -> None:
    assert not np.isin(draw(1, 1000)[:, 0], draw(2, 1000)[:, 0]).any()
