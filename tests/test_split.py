"""Walk-forward: purging, embargo, order, and what it refuses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from btcframe.errors import ConfigError, DataError, ModelError
from btcframe.split import WalkForward
from btcframe.types import NS


def market(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Irregular rows with two labels of irregular length, up to 20 s."""
    rng = np.random.default_rng(seed)
    row_ns = np.cumsum(rng.integers(1, 2 * NS, n))
    t_end = row_ns[:, None] + rng.integers(0, 20 * NS, (n, 2))
    return row_ns, t_end


cases = given(
    n=st.integers(100, 600),
    seed=st.integers(0, 1000),
    folds=st.integers(1, 5),
    embargo=st.integers(0, 30 * NS),
    expanding=st.booleans(),
)


@settings(max_examples=80, derandomize=True, deadline=None)
@cases
def test_no_training_label_reaches_the_test_window(
    n: int, seed: int, folds: int, embargo: int, expanding: bool
) -> None:
    row_ns, t_end = market(n, seed)
    try:
        splits = list(WalkForward(folds, embargo, 20, expanding).split(row_ns, t_end))
    except ModelError:
        assume(False)
    assert len(splits) == folds
    for train, test in splits:
        assert t_end[train].max() + embargo < row_ns[test[0]]
        assert len(train) >= 20
        assert (np.diff(train) > 0).all()
        if expanding:  # and no row is purged that need not be
            purged = np.setdiff1d(np.arange(test[0]), train)
            assert (t_end[purged].max(axis=1) + embargo >= row_ns[test[0]]).all()
    tested = np.concatenate([test for _, test in splits])
    np.testing.assert_array_equal(tested, np.arange(tested[0], n))  # disjoint, ordered, nothing left out
    if not expanding:
        assert all(len(train) <= len(splits[0].train) for train, _ in splits)


@settings(max_examples=40, derandomize=True, deadline=None)
@cases
def test_training_rows_do_not_depend_on_what_follows(
    n: int, seed: int, folds: int, embargo: int, expanding: bool
) -> None:
    row_ns, t_end = market(n, seed)
    splitter = WalkForward(folds, embargo, 20, expanding)
    try:
        splits = list(splitter.split(row_ns, t_end))
        for train, test in splits:
            later, later_end = row_ns.copy(), t_end.copy()
            later[test[0] + 1 :] += 7 * NS
            later_end[test[0] + 1 :] += 7 * NS
            again = [s.train for s in splitter.split(later, later_end) if s.test[0] == test[0]]
            np.testing.assert_array_equal(again[0], train)
    except ModelError:
        assume(False)


def test_first_window_grows_until_enough_rows_survive() -> None:
    row_ns = NS * np.arange(1, 1001)
    t_end = row_ns[:, None] + 60 * NS
    first = next(iter(WalkForward(5, 10 * NS, 300).split(row_ns, t_end)))
    assert len(first.train) == 300
    assert first.test[0] == 300 + 60 + 10  # rows 0 … 299 end before row 370 less the embargo
    assert WalkForward(5, 0, 1).split(row_ns, t_end).__next__().test[0] == 1000 // 6


@pytest.mark.parametrize(
    ("splitter", "n", "reach", "message"),
    [
        (WalkForward(5), 5, 1, "5 rows are too few for 5 folds"),
        (WalkForward(5, 0, 500), 480, 1, "480 rows are not enough: 500 to train on"),
        (WalkForward(5, 60 * NS, 900), 1000, 60, "60s ahead and 1m of embargo|1m ahead and 1m of embargo"),
        (WalkForward(5, 0, 100), 1000, 300, r"lasts .* less than the longest label \(5m\)"),
    ],
)
def test_too_little_data_is_a_model_error_with_numbers(
    splitter: WalkForward, n: int, reach: int, message: str
) -> None:
    row_ns = NS * np.arange(1, n + 1)
    with pytest.raises(ModelError, match=message) as caught:
        list(splitter.split(row_ns, row_ns[:, None] + reach * NS))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("times", "message"), [([1, 2, 2, 3], "is there twice"), ([1, 3, 2, 4], "goes back in time")]
)
def test_rows_out_of_order_are_refused(times: list[int], message: str) -> None:
    row_ns = np.array(times)
    with pytest.raises(DataError, match=message):
        list(WalkForward(1, 0, 1).split(row_ns, row_ns[:, None]))


def test_labels_must_fit_the_rows() -> None:
    row_ns = np.arange(1, 11)
    with pytest.raises(DataError, match="ends before the row"):
        list(WalkForward(1, 0, 1).split(row_ns, row_ns[:, None] - 1))
    with pytest.raises(DataError, match="does not go with 10 rows"):
        list(WalkForward(1, 0, 1).split(row_ns, row_ns[:5, None]))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    n=st.integers(100, 400),
    seed=st.integers(0, 1000),
    every=st.integers(20 * NS, 100 * NS),
    embargo=st.integers(0, 30 * NS),
)
def test_windows_of_a_length(n: int, seed: int, every: int, embargo: int) -> None:
    row_ns, t_end = market(n, seed)
    splitter = WalkForward(2, embargo, 20, every_ns=every)
    splits = list(splitter.split(row_ns, t_end))
    assert len(splits) == splitter.count(row_ns, t_end)
    tested = np.concatenate([test for _, test in splits])
    first = row_ns[tested[0]]
    np.testing.assert_array_equal(tested, np.arange(tested[0], n))
    assert tested[0] >= n // 3 and len(splits[0].train) >= 20  # as with `folds`
    numbers = [(row_ns[test] - first) // every for _, test in splits]
    for number in numbers[
        :-1
    ]:  # all rows of a window lie in one stretch of the length, and no two windows in the same
        assert (number == number[0]).all()
    last = numbers[-1]
    assert (last == last[0]).all() or row_ns[-1] - first - last[-1] * every < (t_end.T - row_ns).max()
    assert all(a[-1] < b[0] for a, b in itertools.pairwise(numbers))
    for train, test in splits:
        assert t_end[train].max() + embargo < row_ns[test[0]]


def test_a_stretch_without_rows_is_no_window() -> None:
    row_ns = NS * np.concatenate([np.arange(1, 301), np.arange(900, 1000)])
    splits = list(WalkForward(1, 0, 100, every_ns=100 * NS).split(row_ns, row_ns[:, None] + NS))
    assert [(int(row_ns[t[0]] // NS), len(t)) for _, t in splits] == [(201, 100), (900, 1), (901, 99)]


def test_windows_shorter_than_a_label_are_refused() -> None:
    row_ns = NS * np.arange(1, 1001)
    with pytest.raises(ModelError, match=r"windows of 30s are shorter than the longest label \(1m\)"):
        list(WalkForward(5, 0, 100, every_ns=30 * NS).split(row_ns, row_ns[:, None] + 60 * NS))


@pytest.mark.parametrize("wrong", [{"folds": 0}, {"embargo_ns": -1}, {"min_train": 0}])
def test_senseless_settings_are_config_errors(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="validation"):
        WalkForward(**wrong)  # type: ignore[arg-type]
