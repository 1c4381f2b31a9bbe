"""Boosting and extra trees: scikit-learn's bits, what is set aside, and what they refuse."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btcframe.errors import ModelError
from btcframe_models.boosting import Boosting
from btcframe_models.extra_trees import ExtraTrees
from btcframe_models.window import parted, window

from .tree_market import FAST, FOREST, predict, training_set


def test_boosting_is_scikit_learns_to_the_bit() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    data = training_set()  # ours bins all rows alike, those without a label, too
    data = dataclasses.replace(data, weight=np.ones(900), y=np.nan_to_num(data.y))
    out = predict(dataclasses.replace(FAST, holdout=0.0, max_missing=1.0).fit(data), data.x)
    for h in range(2):
        theirs = ensemble.HistGradientBoostingRegressor(
            learning_rate=0.2, max_iter=30, max_leaf_nodes=7, min_samples_leaf=20, l2_regularization=1.0, max_bins=63,
            early_stopping=False, random_state=data.seed,
        ).fit(data.x, data.y[:, h], sample_weight=data.weight)  # fmt: skip
        assert out["mean"][:, h].tobytes() == theirs.predict(data.x).tobytes()


def test_extra_trees_are_scikit_learns_to_the_bit() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    data = training_set()
    out = predict(dataclasses.replace(FOREST, max_missing=1.0).fit(data), data.x)
    known = np.isfinite(data.y).all(axis=1)
    spread = data.y[known].std(axis=0)
    theirs = ensemble.ExtraTreesRegressor(
        7, max_features=0.5, min_samples_leaf=20, random_state=data.seed, n_jobs=1
    ).fit(data.x[known].astype(np.float32), data.y[known] / spread, sample_weight=data.weight[known])
    expected = theirs.predict(data.x.astype(np.float32)) * spread
    assert np.ascontiguousarray(out["mean"]).tobytes() == expected.tobytes()


def test_threads_do_not_change_the_bits() -> None:
    data = training_set()
    one, two = (predict(dataclasses.replace(FOREST, jobs=jobs).fit(data), data.x) for jobs in (1, 2))
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("model", [FAST, FOREST], ids=["boosting", "extra_trees"])
def test_what_no_line_tells_is_found(model: Any) -> None:
    data = training_set(3000)
    fitted = model.fit(dataclasses.replace(data, x=data.x[:2000], y=data.y[:2000], t_end=data.t_end[:2000],
                       row_ns=data.row_ns[:2000], weight=data.weight[:2000], regime=data.regime[:2000]))  # fmt: skip
    out = predict(fitted, data.x[2000:])
    sure = np.isfinite(data.y[2000:]).all(axis=1) & np.isfinite(data.x[2000:]).all(axis=1)
    for h, least in enumerate((0.6, 0.9)):
        found = np.corrcoef(out["mean"][sure, h], data.y[2000:][sure, h])[0, 1]
        assert found > least
    off = out["mean"][sure] - data.y[2000:][sure]
    np.testing.assert_allclose(fitted.grown.sigma, off.std(axis=0), rtol=0.2)  # told by the holdout


def test_boosting_stops_where_more_trees_do_not_help() -> None:
    data = training_set(2000)
    noise = dataclasses.replace(data, y=np.random.default_rng(1).standard_normal(data.y.shape))
    few, many = (len(FAST.fit(d).grown.forest.roots) for d in (noise, data))
    assert few < 15 < many
    settled = FAST.as_found(FAST.fit(data))
    assert settled.holdout == 0 and settled.trees == many // 2
    assert len(settled.fit(noise).grown.forest.roots) == 2 * settled.trees  # nothing is looked for again


def test_a_horizon_whose_labels_begin_late_is_not_judged_by_a_holdout() -> None:
    """Its first labels lie in what the others are judged by."""
    data = training_set()
    y = data.y.copy()
    y[:750, 0] = np.nan
    fitted = FAST.fit(dataclasses.replace(data, y=y))
    assert (fitted.grown.forest.outputs == 0).sum() == FAST.trees
    assert np.isfinite(fitted.grown.sigma).all()


def test_growing_trees_leaves_the_filters_for_warnings_alone() -> None:
    """scikit-learn changes them in its threads, and may not change them back."""
    before = list(warnings.filters)
    for model in (FAST, dataclasses.replace(FOREST, trees=64, jobs=4)):
        model.fit(training_set(3000))
        assert list(warnings.filters) == before


def test_no_label_of_what_is_learned_reaches_into_the_holdout() -> None:
    data = training_set()
    rows = np.flatnonzero(np.arange(900) % 3 > 0)
    before, after = parted(data, rows, 0.25)
    assert len(after) == 150 and len(before) + len(after) < len(rows)
    assert data.t_end[rows[before]].max() < data.row_ns[rows[after]].min()
    assert [len(part) for part in parted(data, rows[:100], 0.25)] == [0, 0]  # 25 rows tell nothing
    assert [len(part) for part in parted(data, rows, 0.0)] == [0, 0]


@pytest.mark.parametrize("model", [FAST, FOREST], ids=["boosting", "extra_trees"])
def test_rows_missing_too_much_are_not_predicted(model: Any) -> None:
    data = training_set()
    fitted = model.fit(data)
    x = np.array(
        [[0.1, 0.2, 0.3, 7.0], [0.1, np.nan, 0.3, 7.0], [0.1, 0.2, 0.3, np.nan], [np.inf, 0.2, 0.3, 7.0]]
    )
    known = np.isfinite(predict(fitted, x)["mean"]).all(axis=1)
    assert known.tolist() == [True, False, True, False]  # three columns vary, a fifth of them may be missing
    assert np.isfinite(predict(dataclasses.replace(model, max_missing=0.4).fit(data), x)["mean"]).all()


def test_infinite_values_count_as_missing() -> None:
    data = training_set()
    wild = data.x.copy()
    wild[np.isnan(wild)] = np.inf
    for model in (dataclasses.replace(FAST, max_missing=1.0), dataclasses.replace(FOREST, max_missing=1.0)):
        plain, odd = (model.fit(dataclasses.replace(data, x=x)) for x in (data.x, wild))
        assert predict(plain, data.x).tobytes() == predict(odd, wild).tobytes()


@pytest.mark.parametrize("model", [FAST, FOREST], ids=["boosting", "extra_trees"])
def test_hopeless_windows_are_refused(model: Any) -> None:
    data = training_set(200)
    with pytest.raises(ModelError, match="none of the 4 columns varies on the 200 training rows"):
        model.fit(dataclasses.replace(data, x=np.ones_like(data.x)))
    with pytest.raises(
        ModelError, match="horizon 5s has 0 labelled rows with features, of 200 training rows; 40"
    ):
        model.fit(dataclasses.replace(data, y=data.y * (1.0, np.nan)))
    with pytest.raises(ModelError, match="the label at horizon 1s is 3 bps on all 177"):
        model.fit(dataclasses.replace(data, y=np.where([True, False], 3.0, data.y)))


def test_extra_trees_need_rows_with_a_label_at_every_horizon() -> None:
    data = training_set(200)
    y = data.y.copy()
    y[:100, 0], y[100:, 1] = np.nan, np.nan
    with pytest.raises(ModelError, match="extra_trees: 0 training rows have a label at every horizon"):
        FOREST.fit(dataclasses.replace(data, y=y))


def test_the_window_keeps_what_can_be_learned_from() -> None:
    data = training_set(100)
    data.x[5, :3] = np.nan
    data.weight[7] = 0.0
    kept, rows = window("it", data, 0.4)
    assert 5 not in rows and 7 not in rows and len(rows) == len(kept.x)
    assert kept.used.tolist() == [True, True, True, False]


@pytest.mark.parametrize("model", [FAST, FOREST], ids=["boosting", "extra_trees"])
def test_another_number_of_columns_is_refused(model: Any, tmp_path: Path) -> None:
    fitted = model.fit(training_set(200))
    fitted.save(tmp_path)
    for predictor in (fitted, model.load(tmp_path)):
        with pytest.raises(ModelError, match="fitted on 4 columns, but got 3"):
            predict(predictor, np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        (Boosting, {"trees": 0}, "trees: 0 is out of range: it lies between 1 and 10,000"),
        (Boosting, {"leaves": 1}, "leaves: 1 is out of range"),
        (Boosting, {"bins": 256}, "bins: 256 is out of range"),
        (Boosting, {"min_leaf": 0}, "min_leaf: 0 is out of range: it is at least 1"),
        (Boosting, {"patience": 0}, "patience: 0"),
        (Boosting, {"learning_rate": 0.0}, "learning_rate: 0.0 is not above 0"),
        (Boosting, {"l2": -1.0}, "l2: -1.0 is not 0 or greater"),
        (Boosting, {"holdout": 0.6}, "holdout: 0.6 is not between"),
        (Boosting, {"max_missing": 2.0}, "max_missing: 2.0"),
        (Boosting, {"coverage": 1.0}, "coverage: 1.0"),
        (ExtraTrees, {"trees": 0}, "trees: 0 is out of range"),
        (ExtraTrees, {"jobs": 0}, "jobs: 0 is out of range"),
        (ExtraTrees, {"max_features": 0.0}, "max_features: 0.0 is not above 0"),
        (ExtraTrees, {"holdout": -0.1}, "holdout: -0.1"),
        (ExtraTrees, {"max_missing": -1.0}, "max_missing: -1.0"),
        (ExtraTrees, {"coverage": 0.0}, "coverage: 0.0"),
    ],
)
def test_bad_settings_are_refused(model: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(**settings)
