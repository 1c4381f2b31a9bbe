"""LightGBM: its own bits from our kernel, the same bits each time, and what is said where it is missing."""

from __future__ import annotations

import builtins
import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btcframe.api import TrainingSet
from btcframe.errors import ModelError, PluginError
from btcframe_models.ensemble import Ensemble
from btcframe_models.light_gbm import LightGBM, trees_of

from .tree_market import FAST, FOREST, predict, training_set

QUICK = LightGBM(trees=30, leaves=7, min_leaf=20, learning_rate=0.2)

lightgbm = pytest.importorskip("lightgbm")


def own(data: TrainingSet, h: int, **settings: Any) -> Any:
    """LightGBM's own model of a horizon, its columns as we give them."""
    known = np.isfinite(data.y[:, h])
    parameters = {
        "objective": "regression", "learning_rate": 0.2, "num_leaves": 7, "min_data_in_leaf": 20, "lambda_l2": 1.0, "max_bin": 63,
        "num_threads": 1, "deterministic": True, "force_row_wise": True, "seed": data.seed, "verbosity": -1,
    }  # fmt: skip
    dataset = lightgbm.Dataset(data.x[known], data.y[known, h], weight=data.weight[known])
    return lightgbm.train(parameters | settings, dataset, 30)


def hard_rows(data: TrainingSet, n: int = 3000) -> np.ndarray:
    """Rows with holes, with 0, and on the thresholds themselves and beside them."""
    rng = np.random.default_rng(5)
    x = data.x[rng.integers(len(data.x), size=n)].copy()
    thresholds = [
        (int(tree.feature[i]), float(tree.threshold[i]))
        for h in range(2)
        for tree in trees_of(own(data, h), h)
        for i in np.flatnonzero(tree.feature >= 0)
    ]
    for t, (j, value) in enumerate(thresholds[: n // 2]):
        x[t, j] = (value, np.nextafter(value, np.inf), np.nextafter(value, -np.inf))[t % 3]
    x[rng.random(x.shape) < 0.1] = np.nan
    x[rng.random(x.shape) < 0.05] = 0.0
    x[rng.random(x.shape) < 0.05] = 1e-36
    x[rng.random(x.shape) < 0.05] = -1e-36
    return x


@pytest.mark.parametrize("holes", [True, False], ids=["missing values in training", "none in training"])
def test_it_is_lightgbms_to_the_bit(holes: bool) -> None:
    data = training_set()
    if not holes:  # then LightGBM takes what is missing for 0
        data = dataclasses.replace(data, x=np.nan_to_num(data.x, nan=0.3))
    fitted = dataclasses.replace(QUICK, patience=0, max_missing=1.0).fit(data)
    x = hard_rows(data)
    assert np.isnan(x).any(axis=1).mean() > 0.2
    out = predict(fitted, x)
    one = np.concatenate([predict(fitted, x[t : t + 1]) for t in range(200)])
    assert one.tobytes() == out[:200].tobytes()
    for h in range(2):
        theirs = own(data, h)
        assert {"NaN"} if holes else {"None"} >= kinds(theirs)
        assert np.ascontiguousarray(out["mean"][:, h]).tobytes() == theirs.predict(x).tobytes()


def kinds(booster: Any) -> set[str]:
    """How the nodes of the columns that vary treat what is missing."""
    text = str(booster.dump_model()["tree_info"])
    return {kind for kind in ("None", "Zero", "NaN") if f"'missing_type': '{kind}'" in text}


def test_a_label_that_nothing_tells_gives_its_mean() -> None:
    """No split is worth it: LightGBM's trees are single leaves."""
    data = training_set(200)
    data = dataclasses.replace(data, x=np.nan_to_num(data.x))
    fitted = dataclasses.replace(QUICK, min_leaf=150, patience=0).fit(data)
    out = predict(fitted, data.x)["mean"]
    known = np.isfinite(data.y)
    for h in range(2):
        mean = np.average(data.y[known[:, h], h], weights=data.weight[known[:, h]])
        np.testing.assert_allclose(out[:, h], mean, rtol=1e-5)  # its labels are single precision


def test_it_stops_where_more_trees_do_not_help() -> None:
    data = training_set(2000)
    noise = dataclasses.replace(data, y=np.random.default_rng(1).standard_normal(data.y.shape))
    few, many = (len(QUICK.fit(d).grown.forest.roots) for d in (noise, data))
    assert few < 15 < many
    settled = QUICK.as_found(QUICK.fit(data))
    assert settled.patience == 0 and settled.trees == many // 2


def test_it_finds_what_no_line_tells_and_says_how_far_it_is_off() -> None:
    data = training_set(3000)
    kept = {f: getattr(data, f)[:2000] for f in ("x", "y", "t_end", "row_ns", "weight", "regime")}
    fitted = QUICK.fit(dataclasses.replace(data, **kept))
    out = predict(fitted, data.x[2000:])
    sure = np.isfinite(data.y[2000:]).all(axis=1) & np.isfinite(data.x[2000:]).all(axis=1)
    for h, least in enumerate((0.6, 0.9)):
        assert np.corrcoef(out["mean"][sure, h], data.y[2000:][sure, h])[0, 1] > least
    off = out["mean"][sure] - data.y[2000:][sure]
    np.testing.assert_allclose(fitted.grown.sigma, off.std(axis=0), rtol=0.2)


def test_a_window_that_cannot_be_split_grows_all_its_trees(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        fitted = QUICK.fit(training_set(300))
    assert "lightgbm: 30 trees, for the window cannot be split" in caplog.text
    assert len(fitted.grown.forest.roots) == 60


def test_it_may_be_a_member_of_the_ensemble(tmp_path: Path) -> None:
    data = training_set(2500)
    members = ("ridge", "boosting", "extra_trees", "other")
    model = Ensemble(members=members, boosting=FAST, extra_trees=FOREST, other=QUICK)
    fitted = model.fit(data)
    fitted.save(tmp_path)
    assert list(fitted.members) == list(members)
    assert predict(model.load(tmp_path), data.x).tobytes() == predict(fitted, data.x).tobytes()


def test_where_it_is_missing_only_fitting_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = training_set()
    fitted = QUICK.fit(data)
    fitted.save(tmp_path)
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "lightgbm":
            raise ModuleNotFoundError("No module named 'lightgbm'", name="lightgbm")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        PluginError, match="model=lightgbm cannot be fitted: No module named 'lightgbm'"
    ) as told:
        QUICK.fit(data)
    assert told.value.next == "pip install 'btcframe-models[lightgbm]'"
    assert predict(QUICK.load(tmp_path), data.x).tobytes() == predict(fitted, data.x).tobytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trees": 0}, "trees: 0 is out of range: it lies between 1 and 10,000"),
        ({"leaves": 1}, "leaves: 1 is out of range"),
        ({"bins": 256}, "bins: 256 is out of range"),
        ({"min_leaf": 0}, "min_leaf: 0 is out of range: it is at least 1"),
        ({"patience": -1}, "patience: -1"),
        ({"learning_rate": 0.0}, "learning_rate: 0.0 is not above 0"),
        ({"l2": -1.0}, "l2: -1.0 is not 0 or greater"),
        ({"max_features": 0.0}, "max_features: 0.0 is not above 0"),
        ({"max_missing": 2.0}, "max_missing: 2.0 is not between 0 and 1"),
        ({"coverage": 1.0}, "coverage: 1.0"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LightGBM(**settings)


def test_hopeless_windows_are_refused_before_the_library_is_asked() -> None:
    data = training_set(200)
    with pytest.raises(ModelError, match="lightgbm: none of the 4 columns varies on the 200 training rows"):
        QUICK.fit(dataclasses.replace(data, x=np.ones_like(data.x)))
