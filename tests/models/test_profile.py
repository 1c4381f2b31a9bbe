"""What a training was like: deciles against numpy's, shares that add up, and a file that is whole or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.errors import ModelError
from btcframe.models.profile import BINS, PROFILE, binned, counted, load_profile, profile_of


def test_each_decile_holds_a_tenth() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(5000, 3))
    x[::10, 1] = np.nan
    x[:, 2] = 4.0
    profile = profile_of(x, rng.normal(size=(70, 2)))
    assert profile.edges[0] == pytest.approx(np.percentile(x[:, 0], range(10, 100, 10)))
    assert (profile.counts[0, :BINS] == 500).all() and (profile.counts[1, :BINS] == 450).all()
    assert profile.missing.tolist() == [0, 0.1, 0]
    assert profile.counts[2].tolist() == [0] * 9 + [5000, 0]  # one value: all of it in one bin
    assert profile.predicted_counts.sum(axis=1).tolist() == [70, 70]


def test_a_column_that_was_never_there() -> None:
    x = np.full((30, 1), np.nan)
    profile = profile_of(x)
    assert profile.counts[0].tolist() == [0] * BINS + [30] and profile.missing.tolist() == [1]
    assert profile_of(np.empty((0, 2))).counts.sum() == 0
    assert profile.predicted_counts.shape == (0, BINS + 1)


values = st.one_of(
    st.floats(-3, 3), st.just(float("nan")), st.just(float("inf")), st.sampled_from([0.0, 1.0])
)


@given(st.lists(values, min_size=1, max_size=30))
@settings(max_examples=50, derandomize=True, deadline=None)
def test_a_value_is_where_so_many_edges_are_below_it(column: list[float]) -> None:
    edges = np.array([np.linspace(-1, 1, BINS - 1)])
    expected = [sum(edge <= v for edge in edges[0]) if np.isfinite(v) else BINS for v in column]
    bins = binned(np.array(column)[:, None], edges)
    assert bins[:, 0].tolist() == expected
    assert counted(bins)[0].tolist() == [expected.count(b) for b in range(BINS + 1)]


def test_many_rows_are_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btcframe.models.profile.SAMPLED", 100)
    profile = profile_of(np.arange(1000.0)[:, None])
    assert profile.counts.sum() == 100 and profile.edges[0, 4] == pytest.approx(495, abs=10)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert load_profile(tmp_path) is None
    profile = profile_of(np.random.default_rng(0).normal(size=(100, 2)), np.ones((5, 1)))
    profile.save(tmp_path)
    again = load_profile(tmp_path)
    assert again is not None
    for name, array in vars(profile).items():
        assert getattr(again, name).tobytes() == array.tobytes(), name


@pytest.mark.parametrize("damage", ["cut", "other", "shape"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, damage: str) -> None:
    profile = profile_of(np.random.default_rng(0).normal(size=(100, 2)))
    profile.save(tmp_path)
    path = tmp_path / PROFILE
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:200])
    elif damage == "other":
        np.savez(path, edges=profile.edges)
    else:
        np.savez(path, **(vars(profile) | {"counts": profile.counts[:1]}))
    with pytest.raises(ModelError, match=r"the model's profile (cannot be read|has shapes)"):
        load_profile(tmp_path)
