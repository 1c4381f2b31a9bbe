"""Numbers of a sample against scipy, and clusters against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.cluster.hierarchy as hierarchy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from btcframe.checkup.clusters import grouped, square
from btcframe.checkup.numbers import TENTHS
from btcframe.checkup.sampled import FEWEST, correlations, spread


def columns(seed: int, m: int = 600) -> np.ndarray:
    """Smooth, tied, heavy, drifting and holed columns."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((m, 6))
    x[:, 1] = np.round(x[:, 0])
    x[:, 2] = np.exp(3 * x[:, 2])
    x[:, 3] += np.arange(m) / m * 4
    x[:, 4] = -(x[:, 0] ** 3)
    x[rng.random(m) < 0.3, 5] = np.nan
    return x


@pytest.mark.parametrize("seed", [0, 1])
def test_tenths_against_scipy(seed: int) -> None:
    for column in columns(seed).T:
        found, _ = spread(column)
        parts = np.array_split(column, TENTHS)
        whole = column[~np.isnan(column)]
        for part, moved, median, span in zip(parts, found.moved, found.medians, found.spans, strict=True):
            own = part[~np.isnan(part)]
            told = stats.ks_2samp(own, whole)
            assert moved == pytest.approx(told.statistic * told.statistic_sign * -1, abs=6e-4)
            assert median == pytest.approx(np.percentile(own, 50, method="lower"), rel=1e-3)
            ends = np.percentile(own, (5, 95), method="lower")
            assert span == pytest.approx(ends[1] - ends[0], rel=1e-3)
        assert found.most == pytest.approx(
            np.unique(whole, return_counts=True)[1].max() / len(whole), rel=1e-3
        )
        low, high = np.percentile(whole, (1, 99), method="lower")
        assert found.size == pytest.approx(
            max(high - low, abs(np.percentile(whole, 50, method="lower"))), rel=1e-3
        )


def test_a_column_that_rises_lies_below_at_first_and_above_in_the_end() -> None:
    moved = spread(np.arange(1000.0))[0].moved
    assert moved[0] == -0.9 and moved[-1] == 0.9


def test_too_few_values_and_none() -> None:
    column = np.full(1000, np.nan)
    nothing, ranks = spread(column)
    assert nothing.median is None and nothing.most is None and set(nothing.moved) == {None}
    assert not ranks.any()
    column[: FEWEST - 1] = 1.0
    column[100 : 100 + FEWEST] = 2.0
    some = spread(column)[0]
    assert some.moved[0] is None and some.medians[1] == 2.0 and some.spans[1] == 0.0


def test_infinities_are_left_out() -> None:
    column = np.r_[np.arange(100.0), np.inf, -np.inf]
    assert spread(column)[0].median == 49.0


def matrix(x: np.ndarray) -> np.ndarray:
    ranks = np.stack([spread(c)[1] for c in x.T], axis=1)
    return correlations(ranks, np.isfinite(x).astype(np.float64))


def test_correlations_against_scipy() -> None:
    x = columns(3)
    np.testing.assert_allclose(matrix(x[:, :5]), stats.spearmanr(x[:, :5]).statistic, atol=1e-12)
    # with holes: the Pearson correlation of the ranks, over the rows of both
    got = matrix(x)
    have = ~np.isnan(x[:, 5])
    ranks = stats.rankdata(x[:, 0])[have], stats.rankdata(x[have, 5])
    assert got[0, 5] == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-12)
    np.testing.assert_array_equal(got, got.T)


def test_a_constant_and_an_unknown_column_correlate_with_nothing() -> None:
    x = np.stack([np.arange(50.0), np.full(50, 3.0), np.full(50, np.nan)], axis=1)
    np.testing.assert_array_equal(matrix(x), [[1, 0, 0], [0, 0, 0], [0, 0, 0]])


def test_correlations_do_not_depend_on_the_order_of_the_rows() -> None:
    x = columns(4)
    ranks = np.stack([spread(c)[1] for c in x.T], axis=1)
    known = np.isfinite(x).astype(np.float64)
    other = np.random.default_rng(0).permutation(len(x))
    assert correlations(ranks, known).tobytes() == correlations(ranks[other], known[other]).tobytes()


def test_clusters_by_hand() -> None:
    rho = square([95, 10, 20, 0, 5, -97])
    np.testing.assert_array_equal(
        rho, [[100, 95, 10, 0], [95, 100, 20, 5], [10, 20, 100, -97], [0, 5, -97, 100]]
    )
    found = grouped(rho)
    assert found.clusters == ((0, 1), (2, 3)) and sorted(found.order) == [0, 1, 2, 3]
    assert grouped(square([])).order == (0,)
    assert grouped(square([89])).clusters == ()
    assert grouped(square([100, 100, 100])).clusters == ((0, 1, 2),)


def test_a_chain_is_no_cluster() -> None:
    """Neighbours are alike, the ends are not: no group holds both."""
    rho = square([95, 40, 93])
    assert grouped(rho).clusters == ((0, 1),)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(2, 24), st.integers(0, 10_000))
def test_clusters_against_scipy(k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = k * (k - 1) // 2
    # no ties: they may be broken either way
    lower = rng.permutation(np.linspace(1, 100, pairs)) * rng.choice([-1, 1], pairs)
    rho = np.full((k, k), 100.0)
    rho[np.tril_indices(k, -1)] = lower
    rho = np.tril(rho) + np.tril(rho, -1).T
    found = grouped(rho)  # type: ignore[arg-type]
    condensed = 100 - np.abs(rho[np.triu_indices(k, 1)])
    theirs = hierarchy.fcluster(hierarchy.complete(condensed), 10, "distance")
    groups = {tuple(np.flatnonzero(theirs == g).tolist()) for g in set(theirs)}
    assert {tuple(sorted(g)) for g in found.clusters} == {g for g in groups if len(g) > 1}
    assert sorted(found.order) == list(range(k))
