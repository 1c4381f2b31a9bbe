from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from btcframe.regime_study.agreement import agreement


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
def test_the_indices_are_those_of_scikit_learn(seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 4, 3000)
    b = np.where(rng.random(3000) < noise, rng.integers(0, 3, 3000), a % 3)
    found = agreement(a, b, (4, 3))
    assert found.rand == pytest.approx(adjusted_rand_score(a, b), abs=1e-12)
    assert found.information == pytest.approx(normalized_mutual_info_score(a, b), abs=1e-12)


def test_rows_that_one_of_them_does_not_label_are_left_out() -> None:
    a, b = np.array([0, 0, 1, -1, 1], np.int8), np.array([0, 1, 1, 1, -1], np.int8)
    assert agreement(a, b, (2, 2)).counts.tolist() == [[1, 1], [0, 1]]


def test_nothing_and_one_regime_only() -> None:
    none = agreement(np.full(5, -1), np.zeros(5, int), (2, 2))
    assert math.isnan(none.rand) and math.isnan(none.information)
    same = agreement(np.zeros(5, int), np.zeros(5, int), (2, 2))
    assert same.rand == same.information == 1.0


def test_other_names_for_the_same_rows_agree_wholly() -> None:
    a = np.repeat([0, 1, 2], 50)
    found = agreement(a, 2 - a, (3, 3))
    assert found.rand == 1.0
    assert found.information == pytest.approx(1.0)
