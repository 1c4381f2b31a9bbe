"""Sample weights by uniqueness."""

from __future__ import annotations

import numpy as np

from btcframe.learning.weights import uniqueness
from btcframe.types import NS


def test_constant_horizons_on_a_regular_clock_weigh_nearly_the_same() -> None:
    n = 5000
    row_ns = NS * np.arange(1, n + 1)
    t_end = row_ns[:, None] + NS * np.array([5, 60])
    weight = uniqueness(row_ns, t_end, np.ones((n, 2)))
    assert abs(weight.mean() - 1) < 1e-12
    inner = weight[60:-60]
    assert np.ptp(inner) < 1e-9 and abs(inner[0] - 1) < 0.02
    assert weight[0] > 1.5  # before the first row nothing began


def test_a_label_in_a_crowd_weighs_less() -> None:
    """Half of the labels end at once, the others last for thirty rows."""
    n = 2000
    row_ns = NS * np.arange(1, n + 1)
    longer = np.arange(n) >= n // 2
    t_end = row_ns + np.where(longer, 30, 1) * NS
    weight = uniqueness(row_ns, t_end[:, None], np.ones((n, 1)))
    assert 20 < weight[~longer].mean() / weight[longer].mean() < 40


def test_short_horizons_do_not_outweigh_long_ones() -> None:
    n = 1000
    row_ns = NS * np.arange(1, n + 1)
    rng = np.random.default_rng(0)
    varied = row_ns + rng.integers(20, 200, n) * NS
    both = uniqueness(row_ns, np.column_stack([row_ns + NS, varied]), np.ones((n, 2)))
    alone = uniqueness(row_ns, varied[:, None], np.ones((n, 1)))
    np.testing.assert_allclose(both, (1 + alone) / 2, rtol=1e-12)


def test_unknown_labels_crowd_nobody_and_a_row_without_any_weighs_one() -> None:
    n = 100
    row_ns = NS * np.arange(1, n + 1)
    t_end = row_ns[:, None] + 10 * NS
    y = np.full((n, 1), np.nan)
    y[::10] = 1.0
    weight = uniqueness(row_ns, t_end, y)
    np.testing.assert_allclose(weight, 1.0)
    np.testing.assert_array_equal(uniqueness(row_ns, t_end, np.full((n, 1), np.nan)), 1.0)
