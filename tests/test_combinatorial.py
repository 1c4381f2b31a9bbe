"""Combinatorial cross-validation: purged on both sides of every tested group, and whole paths."""

from __future__ import annotations

import sys
from math import comb

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from btcframe.combinatorial import Combinatorial
from btcframe.errors import ConfigError, DataError, ModelError, PluginError
from btcframe.types import NS

from .test_split import market

pytest.importorskip("skfolio", reason="the extra btcframe[combinatorial] is not installed")


@settings(max_examples=80, derandomize=True, deadline=None)
@given(
    n=st.integers(150, 600),
    seed=st.integers(0, 1000),
    groups=st.integers(3, 7),
    tested=st.integers(2, 4),
    embargo=st.integers(0, 30 * NS),
)
def test_no_training_label_meets_a_tested_group(
    n: int, seed: int, groups: int, tested: int, embargo: int
) -> None:
    assume(tested < groups)
    row_ns, t_end = market(n, seed)
    splitter = Combinatorial(groups, tested, embargo, 1)
    try:
        splits = list(splitter.split(row_ns, t_end))
    except ModelError:
        assume(False)
    edges = splitter.windows(row_ns, t_end)
    assert len(splits) == splitter.count(row_ns, t_end) == comb(groups, tested)
    for (train, test), chosen in zip(splits, splitter.tested(), strict=True):
        np.testing.assert_array_equal(
            test, np.concatenate([np.arange(edges[g], edges[g + 1]) for g in chosen])
        )
        assert (np.diff(train) > 0).all() and not np.isin(train, test).any()
        # the time between what a row's labels look at and what a group's do: negative where they meet
        apart = np.min(
            [
                np.maximum(
                    row_ns[edges[g]] - t_end.max(axis=1), row_ns - t_end[edges[g] : edges[g + 1]].max()
                )
                for g in chosen
            ],
            axis=0,
        )
        assert (apart[train] > embargo).all()
        np.testing.assert_array_equal(
            train, np.flatnonzero(apart > embargo)
        )  # and no row is purged that need not be


def test_a_purge_by_rows_would_let_long_labels_through() -> None:
    """Why skfolio's own purge is not used: a label four times as long as the others."""
    from skfolio.model_selection import CombinatorialPurgedCV

    row_ns = NS * np.arange(1, 301)
    t_end = row_ns[:, None] + 5 * NS
    t_end[90] += 15 * NS  # reaches into the second group
    theirs = CombinatorialPurgedCV(3, 2, purged_size=5)
    leaks = [train for train, tests in theirs.split(np.zeros((300, 1))) if tests[0][0] == 100 and 90 in train]
    assert leaks
    ours = [train for train, test in Combinatorial(3, 2, 0, 1).split(row_ns, t_end) if test[0] == 100]
    assert len(ours) == len(leaks) == 1 and 90 not in ours[0] and 89 in ours[0]


@pytest.mark.parametrize(("groups", "tested"), [(6, 2), (5, 3), (4, 3)])
def test_paths_test_every_group_once(groups: int, tested: int) -> None:
    splitter = Combinatorial(groups, tested)
    paths, chosen = splitter.paths(), splitter.tested()
    assert paths.shape == (comb(groups - 1, tested - 1), groups)
    used = {(int(split), g) for path in paths for g, split in enumerate(path)}
    assert used == {(split, int(g)) for split, groups_ in enumerate(chosen) for g in groups_}
    assert len(used) == paths.size  # every prediction is in one path


@pytest.mark.parametrize(
    ("splitter", "n", "reach", "message"),
    [
        (Combinatorial(6, 2), 5, 1, "5 rows are too few for 6 groups"),
        (
            Combinatorial(6, 2, 0, 1),
            600,
            120,
            r"window of group 0 lasts .* less than the longest label \(2m\)",
        ),
        (Combinatorial(6, 2, 0, 500), 600, 1, "split 0 tests 2 of 6 groups, and .* at least 500 are needed"),
    ],
)
def test_too_little_data(splitter: Combinatorial, n: int, reach: int, message: str) -> None:
    row_ns = NS * np.arange(1, n + 1)
    with pytest.raises(ModelError, match=message) as caught:
        list(splitter.split(row_ns, row_ns[:, None] + reach * NS))
    assert caught.value.hint


def test_rows_out_of_order_are_refused() -> None:
    row_ns = np.array([1, 2, 2, 3, 4, 5, 6])
    with pytest.raises(DataError, match="is there twice"):
        list(Combinatorial(3, 2, 0, 1).split(row_ns, row_ns[:, None]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"groups": 2}, "groups: 2 is less than 3"),
        ({"test_groups": 1}, "test_groups: 1 is less than 2"),
        ({"test_groups": 6}, "6 of 6 groups leaves none"),
        ({"embargo_ns": -1}, "embargo"),
        ({"min_train": 0}, "min_train"),
        ({"groups": 30, "test_groups": 15}, "155,117,520 ways"),
    ],
)
def test_senseless_settings(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Combinatorial(**wrong)


def test_without_skfolio_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skfolio.model_selection", None)
    with pytest.raises(PluginError, match=r"needs skfolio") as caught:
        Combinatorial().tested()
    assert caught.value.next == "Install it: pip install 'btcframe[combinatorial]'"
