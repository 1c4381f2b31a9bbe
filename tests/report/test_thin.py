"""Thinning keeps ends, extremes and holes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.report.thin import drawn_as, extremes


@settings(max_examples=60, derandomize=True)
@given(st.integers(0, 5000), st.integers(0, 2**32 - 1), st.integers(10, 400))
def test_ends_and_extremes_are_kept(n: int, seed: int, points: int) -> None:
    values = np.random.default_rng(seed).standard_normal(n)
    kept = extremes(values, points)
    assert len(kept) <= max(points + 2, 0) or n <= points
    assert (np.diff(kept) > 0).all()
    if n:
        assert kept[0] == 0 and kept[-1] == n - 1
        assert values[kept].min() == values.min() and values[kept].max() == values.max()
    if n <= points:
        assert len(kept) == n


def test_every_bucket_keeps_its_own() -> None:
    values = np.zeros(10_000)
    values[::100] = np.arange(100) + 1.0
    values[50::100] = -1 - np.arange(100)
    kept = set(extremes(values, 200).tolist())
    assert set(range(0, 10_000, 100)) | set(range(50, 10_000, 100)) <= kept


def test_holes_are_seen() -> None:
    values = np.arange(10_000.0)
    values[2000:8000] = np.nan
    kept = extremes(values, 100)
    assert np.isnan(values[kept]).sum() == 30  # one of each bucket of 200
    assert np.nanmax(values[kept]) == 9999


def test_whole_numbers_and_what_the_figure_says() -> None:
    assert len(extremes(np.arange(10_000) % 7, 100)) <= 102
    assert drawn_as(100, 100) == ""
    assert drawn_as(195_000, 3000) == (
        "195,000 rows drawn as 3,000 points: the lowest and the highest of every 130, so that no extreme is lost."
    )
