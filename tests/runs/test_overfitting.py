"""CSCV against the obvious loop, and what it says of noise and of a winner that was planted."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btcframe.runs.overfitting import overfitting, ratios
from btcframe.types import Floats


def by_hand(returns: Floats, groups: int) -> tuple[list[float], float]:
    """Every split one by one: halves put together, the best looked up in the other, ranks counted."""
    periods, strategies = returns.shape
    edges = [periods * k // groups for k in range(groups + 1)]
    parts = [returns[a:b] for a, b in itertools.pairwise(edges)]
    logits, lost = [], 0
    for inside in itertools.combinations(range(groups), groups // 2):
        outside = [k for k in range(groups) if k not in inside]
        here, there = (np.concatenate([parts[k] for k in which]) for which in (inside, outside))
        told, found = ([sharpe(half[:, j]) for j in range(strategies)] for half in (here, there))
        winners = [j for j in range(strategies) if told[j] == max(told)]
        worst = min(winners, key=lambda j: found[j])
        rank = 1 + sum(f < found[worst] for f in found) + (sum(f == found[worst] for f in found) - 1) / 2
        share = rank / (strategies + 1)
        logits.append(math.log(share / (1 - share)))
        lost += any(there[:, j].sum() < 0 for j in winners)
    return logits, lost / len(logits)


def sharpe(values: Floats) -> float:
    spread = values.std()
    mean = values.mean()
    return float(mean / spread) if spread > 1e-9 else 0.0 if mean == 0 else math.copysign(math.inf, mean)


@pytest.mark.parametrize(("periods", "strategies", "groups"), [(24, 2, 6), (35, 5, 8), (47, 9, 10)])
def test_it_is_what_the_loop_says(periods: int, strategies: int, groups: int) -> None:
    returns = np.random.default_rng(periods).standard_t(4, (periods, strategies))
    found = overfitting(returns)
    assert found is not None and (found.groups, found.strategies) == (groups, strategies)
    order = np.lexsort(returns[::-1])  # columns in another order are the same columns
    logits, loss = by_hand(returns[:, order], groups)
    assert found.splits == len(logits) == math.comb(groups, groups // 2)
    assert found.logits == pytest.approx(logits, abs=1e-12)
    assert found.probability == pytest.approx(np.mean([logit <= 1e-12 for logit in logits]))
    assert found.loss == pytest.approx(loss)


def test_who_did_nothing_has_a_place_too() -> None:
    rng = np.random.default_rng(3)
    returns = np.column_stack((np.zeros(40), rng.standard_normal((40, 4)) - 0.2))
    found = overfitting(returns)
    assert found is not None
    assert (found.logits, found.loss) == (
        pytest.approx(by_hand(np.unique(returns, axis=1), 10)[0]),
        pytest.approx(by_hand(returns, 10)[1]),
    )


def test_where_many_are_the_best_the_one_that_fares_worst_counts() -> None:
    """Each moves in one period only: in half of the time most of them are alike."""
    rng = np.random.default_rng(4)
    returns = np.zeros((32, 9))
    returns[rng.permutation(32)[:9], np.arange(9)] = rng.choice([-1.0, 1.0], 9)
    found = overfitting(returns)
    assert found is not None
    logits, loss = by_hand(np.unique(returns, axis=1), 8)
    assert found.logits == pytest.approx(logits) and found.loss == pytest.approx(loss)


@given(st.integers(0, 1000))
def test_neither_order_nor_scale_nor_copies_change_anything(seed: int) -> None:
    rng = np.random.default_rng(seed)
    returns = rng.standard_normal((26, 4))
    found = overfitting(returns)
    other = overfitting(np.column_stack((returns[:, rng.permutation(4)], returns[:, 0])) * 8.0)
    assert found is not None and other is not None
    assert (found.probability, found.strategies, found.loss) == (
        other.probability,
        other.strategies,
        other.loss,
    )
    assert np.array_equal(found.logits, other.logits)


def test_noise_is_a_half_and_a_planted_winner_none() -> None:
    """On average over markets without any edge; sd of one market is about 0.2."""
    noise, planted = [], []
    for seed in range(60):
        returns = np.random.default_rng(seed).standard_normal((48, 10))
        noise.append(overfitting(returns))
        returns[:, 3] += 1.0
        planted.append(overfitting(returns))
    assert np.mean([found.probability for found in noise if found]) == pytest.approx(0.5, abs=0.08)
    assert np.mean([found.probability for found in planted if found]) < 0.01


def test_the_good_ones_that_are_alike_are_a_half_again() -> None:
    probabilities = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        found = overfitting(0.5 + rng.standard_normal((48, 1)) + 0.3 * rng.standard_normal((48, 10)))
        assert found is not None and found.loss < 0.5
        probabilities.append(found.probability)
    assert np.mean(probabilities) == pytest.approx(0.5, abs=0.08)


def test_too_little_is_not_told() -> None:
    rng = np.random.default_rng(0)
    assert overfitting(rng.standard_normal((23, 5))) is None
    assert overfitting(rng.standard_normal((24, 5))) is not None
    assert overfitting(rng.standard_normal((100, 1))) is None
    assert overfitting(np.tile(rng.standard_normal((100, 1)), 3)) is None  # all of them did the same
    assert overfitting(np.empty((0, 3))) is None


def test_ratios_without_spread() -> None:
    values = np.array([[0.0, 0.1, -0.1, 1.0], [0.0, 0.1, -0.1, 3.0], [0.0, 0.1, -0.1, 2.0]])
    found = ratios(np.array([3.0]), values.sum(axis=0)[None], (values**2).sum(axis=0)[None])[0]
    assert found[:3].tolist() == [0.0, math.inf, -math.inf]
    assert found[3] == pytest.approx(2 / np.std([1, 2, 3]))
