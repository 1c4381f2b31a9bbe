"""Columns chosen inside the training window: which, why, and that nothing else is looked at."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btcframe.api import TrainingSet
from btcframe.errors import ModelError
from btcframe.split import WalkForward
from btcframe.types import NS
from btcframe_models.ridge import Ridge
from btcframe_models.selected import Selected
from btcframe_models.selection import clustered, importances

from .tree_market import FAST, predict
from .tree_market import training_set as tree_market


def training_set(n: int = 3000, seed: int = 0) -> TrainingSet:
    """a and b tell the label, a_again and a_turned say what a says, noise says nothing, flat never moves."""
    rng = np.random.default_rng(seed)
    a, b, noise = rng.standard_normal((3, n))
    x = np.column_stack(
        (noise, np.exp(a), b, -(a**3) + 0.01 * rng.standard_normal(n), np.full(n, 3.0), a + 0.01 * noise)
    )
    x[::97, 1] = np.nan
    y = (2 * a + b + rng.standard_normal(n))[:, None] * (1.0, 2.0)
    row_ns = NS * np.arange(1, n + 1)
    horizons = (NS, 5 * NS)
    return TrainingSet(
        x, ("noise", "a", "b", "a_turned", "flat", "a_again"), row_ns, y, row_ns[:, None] + np.array(horizons), horizons,
        np.ones(n), np.zeros((n, 0)), (), WalkForward(3, 0, 100), 7,
    )  # fmt: skip


def test_one_stands_for_all_that_say_the_same() -> None:
    fitted = Selected(by=("clusters",)).fit(training_set())
    chosen = fitted.selection
    assert chosen.idle == ("flat",) and chosen.importance == {}
    ((first, others),) = chosen.stands_for.items()
    assert {first, *others} == {"a", "a_turned", "a_again"}
    assert chosen.chosen == tuple(n for n in fitted.columns if n in {"noise", first, "b"})


def test_every_two_in_a_cluster_are_alike() -> None:
    """A chain, each like the next: its ends are not, so they are in different clusters."""
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    data = training_set(600)
    steps = rng.standard_normal((600, 8)).cumsum(axis=1)
    chain = dataclasses.replace(data, x=steps, columns=tuple("abcdefgh"))
    found = clustered(chain, np.ones(8, bool), 0.7)
    assert sorted(j for cluster in found for j in cluster) == list(range(8))
    like = np.abs(stats.spearmanr(steps).statistic)
    for cluster in found:
        assert like[np.ix_(cluster, cluster)].min() >= 0.7
        sums = like[np.ix_(cluster, cluster)].sum(axis=0)
        assert sums[0] == pytest.approx(sums.max())
    assert len(found) < 8


def test_what_tells_nothing_is_not_kept() -> None:
    data = training_set()
    chosen = Selected(keep=2).fit(data).selection
    assert len(chosen.chosen) == 2 and "b" in chosen.chosen and "noise" not in chosen.chosen
    assert abs(chosen.importance["noise"]) < 0.01 < chosen.importance["b"]
    alone = Selected(by=("importance",), keep=2).fit(data).selection
    assert alone.stands_for == {} and "noise" not in alone.chosen


def test_importance_is_the_growth_of_the_squared_error() -> None:
    """Of a line on independent columns, shuffling column j adds 2·β²·var to the squared error."""
    rng = np.random.default_rng(2)
    data = training_set(20_000)
    x = rng.standard_normal((20_000, 3))
    y = (x @ (2.0, 1.0, 0.0))[:, None] + rng.standard_normal((20_000, 2))
    data = dataclasses.replace(data, x=x, columns=("p", "q", "r"), y=y)
    found = importances(Ridge(alpha=1e-6), data, 100_000)
    np.testing.assert_allclose(found, [8 / 6, 2 / 6, 0], atol=0.04)


def test_the_same_window_gives_the_same_choice_and_bits() -> None:
    data = training_set()
    model = Selected(keep=2, inner=FAST)
    first, again = model.fit(data), model.fit(data)
    assert first.selection == again.selection
    assert predict(first, data.x).tobytes() == predict(again, data.x).tobytes()


def test_what_was_not_chosen_may_be_missing(tmp_path: Path) -> None:
    data = training_set()
    model = Selected(keep=2)
    fitted = model.fit(data)
    fitted.save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["inner", "selected.json"]
    loaded = model.load(tmp_path)
    assert loaded.selection == fitted.selection and loaded.columns == data.columns
    spoiled = data.x.copy()
    spoiled[:, [name not in fitted.selection.chosen for name in data.columns]] = np.nan
    said = predict(loaded, spoiled)
    assert said.tobytes() == predict(fitted, data.x).tobytes()
    assert np.isfinite(said["mean"][1:90]).all()
    with pytest.raises(ModelError, match="fitted on 6 columns, but got 2"):
        predict(loaded, data.x[:, :2])


def test_a_window_too_short_to_judge_is_refused() -> None:
    with pytest.raises(ModelError, match="90 rows are not enough"):
        Selected().fit(training_set(90))
    assert (
        Selected(by=("clusters",)).fit(training_set(90)).selection.chosen
    )  # nothing is set aside for clusters


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"by": ()}, "by: at least one is needed, of clusters, importance"),
        ({"by": ("cluster",)}, "by: there is no 'cluster': choose of clusters, importance"),
        ({"alike": 1.5}, "alike: 1.5 is not between 0 and 1"),
        ({"keep": 0}, "keep: 0 is out of range: it is at least 1"),
        ({"rows": 10}, "rows: 10 is out of range: it is at least 100"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Selected(**settings)


def test_trees_inside() -> None:
    """Two columns that only together tell something are both kept: shuffling either harms."""
    data = dataclasses.replace(tree_market(3000), splitter=WalkForward(3, 0, 100))
    chosen = Selected(inner=FAST, keep=2).fit(data).selection
    assert chosen.chosen == ("a", "b") and chosen.idle == ("d",)
