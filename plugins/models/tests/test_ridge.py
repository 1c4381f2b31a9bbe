"""Ridge: what it fits, what it does with missing and useless columns, and what it refuses."""

from __future__ import annotations

import dataclasses
import logging
import math
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btcframe import scratch
from btcframe.api import TrainingSet
from btcframe.errors import ModelError
from btcframe.split import WalkForward
from btcframe.types import NS, PREDICTION
from btcframe_models import ridge
from btcframe_models.ridge import Ridge
from btcframe_models.zero import Zero


def training_set(n: int = 600, seed: int = 0) -> TrainingSet:
    """Three columns of very different scale, the last heavy-tailed; two horizons."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 3)) * (1.0, 1e4, 1.0) + (0.0, 5.0, 100.0)
    x[:, 2] = np.sinh(4 * (x[:, 2] - 100))
    y = np.stack([x[:, 0] + x[:, 1] / 2e4, -2 * x[:, 0]], axis=1) + rng.standard_normal((n, 2))
    row_ns = NS * np.arange(1, n + 1)
    horizons = (NS, 5 * NS)
    return TrainingSet(
        x, ("a", "b", "c"), row_ns, y, row_ns[:, None] + np.array(horizons), horizons,
        rng.random(n) + 0.5, np.zeros((n, 0)), (), WalkForward(), 7,
    )  # fmt: skip


def predict(predictor: Any, x: np.ndarray) -> np.ndarray:
    out = np.zeros((len(x), len(predictor.horizons_ns)), PREDICTION)
    predictor.predict(x, np.zeros((len(x), 0)), out)
    return out


def test_equals_scikit_learn_on_scaled_features() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    data = training_set()
    data.x[::50, 1] = np.nan
    data.y[::9, 1] = np.nan
    out = predict(Ridge(alpha=3.0, max_missing=0.5).fit(data), data.x)
    median = np.nanmedian(data.x, axis=0)
    iqr = np.nanquantile(data.x, 0.75, axis=0) - np.nanquantile(data.x, 0.25, axis=0)
    z = np.nan_to_num(np.clip((data.x - median) / (iqr / 1.349), -5, 5))
    for h in range(2):
        known = np.isfinite(data.y[:, h])
        theirs = linear_model.Ridge(alpha=3.0 * data.weight[known].sum()).fit(
            z[known], data.y[known, h], sample_weight=data.weight[known]
        )
        np.testing.assert_allclose(out["mean"][:, h], theirs.predict(z), rtol=1e-9)
        residual = data.y[known, h] - theirs.predict(z[known])
        sigma = math.sqrt(
            np.average(residual**2, weights=data.weight[known]) * known.sum() / (known.sum() - 3)
        )
        width = statistics.NormalDist().inv_cdf(0.9) * sigma
        np.testing.assert_allclose(out["high"][:, h] - out["mean"][:, h], width, rtol=1e-6)
        up = [statistics.NormalDist(0, sigma).cdf(m) for m in out["mean"][:, h]]
        np.testing.assert_allclose(out["p_up"][:, h], up, rtol=1e-6)


def test_the_bits_do_not_depend_on_threads() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")
    data = training_set(5000)
    found = []
    for threads in (1, 2):
        with threadpoolctl.threadpool_limits(threads):
            found.append(predict(Ridge().fit(data), data.x).tobytes())
    assert found[0] == found[1]


def test_rows_missing_too_much_are_neither_trained_on_nor_predicted() -> None:
    data = training_set()
    holes = data.x.copy()
    holes[:100, :2] = np.nan
    model = Ridge(max_missing=0.4)
    kept = {f: getattr(data, f)[100:] for f in ("x", "y", "row_ns", "t_end", "weight", "regime")}
    with_holes = model.fit(dataclasses.replace(data, x=holes))
    out = predict(with_holes, holes)
    assert np.isnan(out["mean"][:100]).all() and np.isnan(out["p_up"][:100]).all()
    assert np.isfinite(out["mean"][100:]).all()
    without = model.fit(dataclasses.replace(data, **kept))
    # only the scaling of c, which is there in all rows, may differ
    np.testing.assert_allclose(without.linear.center[:2], with_holes.linear.center[:2])
    np.testing.assert_allclose(
        predict(without, data.x)["mean"], predict(with_holes, data.x)["mean"], atol=0.05
    )


def test_a_long_training_set_is_scaled_on_rows_evenly_spaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ridge, "SCALED_ON", 130)
    monkeypatch.setattr(scratch, "PIECE", 97)
    data = training_set()
    fitted = Ridge().fit(data)
    low, median, high = np.percentile(data.x[::5], (25, 50, 75), axis=0)  # every fifth of 600: 120 rows
    np.testing.assert_array_equal(fitted.linear.center, median)
    np.testing.assert_array_equal(fitted.linear.scale, (high - low) / 1.349)


def test_weight_0_is_as_good_as_absent() -> None:
    data = training_set()
    weight = data.weight.copy()
    weight[::3] = 0
    spoiled = data.y.copy()
    spoiled[::3] = 1e6
    a = Ridge().fit(dataclasses.replace(data, weight=weight))
    b = Ridge().fit(dataclasses.replace(data, weight=weight, y=spoiled))
    np.testing.assert_array_equal(a.linear.coef, b.linear.coef)


def test_useless_columns_get_0_and_are_named(caplog: pytest.LogCaptureFixture) -> None:
    data = training_set()
    useless = np.stack([np.full(600, np.nan), np.full(600, 0.1)], axis=1)
    wide = dataclasses.replace(data, x=np.hstack([data.x, useless]), columns=("a", "b", "c", "gone", "flat"))
    with caplog.at_level(logging.WARNING):
        fitted = Ridge(max_missing=0.0).fit(wide)
    assert "gone, flat" in caplog.text
    np.testing.assert_array_equal(fitted.linear.coef[:, 3:], 0)
    # what was never there is not missed
    np.testing.assert_array_equal(predict(fitted, wide.x)["mean"], predict(Ridge().fit(data), data.x)["mean"])


def test_a_column_that_is_mostly_one_value_is_still_scaled() -> None:
    data = training_set()
    data.x[:, 2] = np.where(np.arange(600) % 10 == 0, 7.0, 0.0)
    fitted = Ridge().fit(data)
    assert fitted.linear.center[2] == 0
    assert fitted.linear.scale[2] == pytest.approx(1.2533 * 0.7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros((600, 2))}, "label at horizon 1s is 0 bps on all 600 training rows"),
        ({"y": np.full((600, 2), np.nan)}, "horizon 1s has 0 labelled rows with features, of 600 .* need 20"),
        ({"x": np.full((600, 3), np.nan)}, "none of the 3 columns varies on the 600 training rows"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(change: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        Ridge().fit(dataclasses.replace(training_set(), **change))
    assert caught.value.hint


def test_saved_without_pickle(tmp_path: Path) -> None:
    data = training_set()
    fitted = Ridge().fit(data)
    fitted.save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ridge.json", "ridge.npz"]
    loaded = Ridge().load(tmp_path)
    assert predict(loaded, data.x).tobytes() == predict(fitted, data.x).tobytes()
    assert (loaded.columns, loaded.horizons_ns) == (data.columns, data.horizons_ns)


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": 0.0},
        {"clip": -1.0},
        {"max_missing": 1.5},
        {"coverage": 1.0},
        {"alpha": math.nan},
        {"alpha": 1e308},
    ],
)
def test_bad_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Ridge(**wrong)


def test_zero_has_no_opinion(tmp_path: Path) -> None:
    data = training_set()
    predictor = Zero().fit(data)
    out = predict(predictor, np.full((4, 3), np.nan))
    assert (out["mean"] == 0).all()
    assert all(np.isnan(out[field]).all() for field in ("p_up", "low", "high"))
    np.testing.assert_array_equal(out["horizon_ns"][0], data.horizons_ns)
    predictor.save(tmp_path)
    assert Zero().load(tmp_path) == predictor
    with pytest.raises(ModelError, match="fitted on 3 columns, but got 2"):
        predict(predictor, np.zeros((1, 2)))
