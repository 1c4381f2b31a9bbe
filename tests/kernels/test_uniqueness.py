"""Average uniqueness against its definition, stretch of time by stretch of time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.kernels.uniqueness import average_uniqueness


def naive(row_ns: np.ndarray, t_end: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which labels look at which stretch, as a table; a label looks at the stretch behind its row at least."""
    n = len(row_ns)
    looks = np.zeros((n, n), bool)  # stretch j is behind row j, up to the next one
    for i in np.flatnonzero(known):
        for j in range(i, n):
            looks[i, j] = j == i or row_ns[j] < t_end[i]
    at_once = looks.sum(axis=0)
    return np.array([np.mean(1 / at_once[looks[i]]) if known[i] else np.nan for i in range(n)])


@settings(max_examples=100, derandomize=True, deadline=None)
@given(n=st.integers(1, 80), seed=st.integers(0, 10_000), reach=st.integers(0, 100), share=st.floats(0, 1))
def test_it_is_the_mean_of_one_over_the_labels_at_once(n: int, seed: int, reach: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    row_ns = np.cumsum(rng.integers(1, 10, n))
    t_end = row_ns + rng.integers(0, reach + 1, n)
    known = rng.random(n) <= share
    out = np.empty(n)
    average_uniqueness(row_ns, t_end, known, out)
    np.testing.assert_allclose(out, naive(row_ns, t_end, known), rtol=1e-12)


def test_labels_that_do_not_overlap_are_unique_and_equal_ones_share() -> None:
    row_ns = np.arange(0, 50, 10)
    out = np.empty(5)
    average_uniqueness(row_ns, row_ns + 10, np.ones(5, bool), out)
    np.testing.assert_array_equal(out, 1.0)
    average_uniqueness(row_ns, np.full(5, 50), np.array([1, 0, 0, 0, 0], bool), out)
    np.testing.assert_array_equal(out, [1, np.nan, np.nan, np.nan, np.nan])
