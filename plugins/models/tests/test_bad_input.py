"""Input that no model can learn from, or only in part: a ModelError that says what, or a stated, safe degradation.

Stated is: a column that is never there, or never moves, is as good as absent; what is infinite is missing; a row
that misses too much is predicted NaN; nothing infinite is ever predicted.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from btcframe.api import TrainingSet
from btcframe.errors import ModelError
from btcframe.testing.models import training_set
from btcframe.types import PREDICTION
from btcframe_models import btcframe_components
from btcframe_models.boosting import Boosting
from btcframe_models.ensemble import Ensemble
from btcframe_models.extra_trees import ExtraTrees
from btcframe_models.light_gbm import LightGBM
from btcframe_models.regime_mixture import RegimeMixture
from btcframe_models.selected import Selected

pytest.importorskip("lightgbm")

TREES = {"boosting": Boosting(trees=6, min_leaf=20), "extra_trees": ExtraTrees(trees=4, min_leaf=20)}
SMALL = {
    **TREES,
    "lightgbm": LightGBM(trees=6, min_leaf=20),
    "ensemble": Ensemble(**TREES),
    "regime_mixture": RegimeMixture(**TREES),
    "selected": Selected(rows=100),
}
ALL: dict[str, Any] = {name: model() for name, model in btcframe_components()["model"].items()} | SMALL
LEARN = ("ridge", *SMALL)
"""Those that learn from labels; the others are baselines."""

models = pytest.mark.parametrize("name", sorted(ALL))
learning = pytest.mark.parametrize("name", sorted(LEARN))
knowing = pytest.mark.parametrize("name", sorted(set(ALL) - {"mock"}))
"""All but `mock`, whose noise is drawn from the bits of the row."""


def predict(predictor: Any, data: TrainingSet, x: np.ndarray | None = None) -> np.ndarray:
    x = data.x if x is None else x
    out = np.zeros((len(x), len(data.horizons_ns)), PREDICTION)
    predictor.predict(x, data.regime[: len(x)], out)
    for field in ("mean", "p_up", "low", "high"):
        assert not np.isinf(out[field]).any()
    return out


def with_column(data: TrainingSet, j: int, value: float) -> TrainingSet:
    x = data.x.copy()
    x[:, j] = value
    return dataclasses.replace(data, x=x)


def test_all_models_are_asked() -> None:
    assert set(SMALL) <= set(ALL) and {"zero", "persistence", "ridge"} <= set(ALL)


@learning
def test_a_label_that_never_changes_is_refused(name: str) -> None:
    data = training_set()
    with pytest.raises(ModelError, match=r"the label at horizon 5s is 3 bps on all") as told:
        ALL[name].fit(dataclasses.replace(data, y=np.full_like(data.y, 3.0)))
    assert told.value.hint


@models
def test_a_label_that_only_goes_up_gives_no_nonsense(name: str) -> None:
    data = training_set()
    up = dataclasses.replace(data, y=np.abs(data.y) + 0.1)
    out = predict(ALL[name].fit(up), up)
    assert ((out["p_up"] >= 0) & (out["p_up"] <= 1) | np.isnan(out["p_up"])).all()
    assert not (out["low"] > out["high"]).any()
    if name in LEARN:
        assert np.nanmin(out["mean"]) > 0


@learning
def test_a_horizon_without_labels_is_refused_by_name(name: str) -> None:
    data = training_set()
    with pytest.raises(ModelError, match=r"horizon 30s has 0 labelled rows with features, of \d+"):
        ALL[name].fit(dataclasses.replace(data, y=data.y * (1.0, np.nan)))


@knowing
@pytest.mark.parametrize("value", [np.nan, 7.0, np.inf], ids=["missing", "constant", "infinite"])
def test_a_column_that_says_nothing_is_as_good_as_absent(name: str, value: float) -> None:
    data = with_column(training_set(), 3, value)
    fitted = ALL[name].fit(data)
    out = predict(fitted, data)
    assert np.isfinite(out["mean"]).any()
    for other in (5.0, np.nan, -np.inf):  # whatever it holds later
        assert predict(fitted, with_column(data, 3, other)).tobytes() == out.tobytes()


@learning
@pytest.mark.parametrize("rows", [0, 1, 10])
def test_too_few_rows_are_refused(name: str, rows: int) -> None:
    with pytest.raises(ModelError, match=r"none of the 6 columns varies on|10 training rows"):
        ALL[name].fit(training_set(rows))


@learning
def test_rows_without_weight_are_no_rows(name: str) -> None:
    data = training_set()
    with pytest.raises(ModelError, match=r"horizon 5s has 0 labelled rows with features"):
        ALL[name].fit(dataclasses.replace(data, weight=np.zeros(800)))


@knowing
def test_what_is_infinite_is_missing(name: str) -> None:
    data = training_set()
    wild = np.where(np.isnan(data.x), np.where(np.arange(800)[:, None] % 2, np.inf, -np.inf), data.x)
    plain, odd = ALL[name].fit(data), ALL[name].fit(dataclasses.replace(data, x=wild))
    out = predict(plain, data)
    assert predict(odd, data).tobytes() == out.tobytes()
    assert predict(plain, data, wild).tobytes() == out.tobytes()


@models
def test_huge_values_give_finite_predictions(name: str) -> None:
    data = training_set()
    x = data.x.copy()
    x[::50, 1], x[25::50, 4] = 1e300, -1e300
    huge = dataclasses.replace(data, x=x)
    out = predict(ALL[name].fit(huge), huge)
    assert np.isfinite(out["mean"]).mean() > 0.9


@learning
def test_a_row_that_misses_everything_is_not_predicted(name: str) -> None:
    data = training_set()
    out = predict(ALL[name].fit(data), data, np.full((3, 6), np.nan))
    for field in ("mean", "p_up", "low", "high"):
        assert np.isnan(out[field]).all()


@models
def test_another_number_of_columns_is_refused(name: str) -> None:
    data = training_set()
    fitted = ALL[name].fit(data)
    with pytest.raises(ModelError, match="the model was fitted on 6 columns, but got 5"):
        predict(fitted, data, data.x[:, :5])
