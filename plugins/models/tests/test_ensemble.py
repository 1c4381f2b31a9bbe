"""The ensemble: weights that believe whoever was right, calibrated probabilities, intervals that cover."""

from __future__ import annotations

import dataclasses
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btcframe.api import TrainingSet
from btcframe.errors import ModelError
from btcframe.split import WalkForward
from btcframe.types import NS, PREDICTION
from btcframe_models.ensemble import Ensemble
from btcframe_models.persistence import Persistence
from btcframe_models.regime_mixture import RegimeMixture
from btcframe_models.stacking import StackPredictor, conformal, logistic, non_negative
from btcframe_models.zero import Zero

from .tree_market import FAST, FOREST, predict, training_set

SMALL = Ensemble(boosting=FAST, extra_trees=FOREST)


def cut(data: TrainingSet, n: int) -> TrainingSet:
    return dataclasses.replace(
        data, x=data.x[:n], y=data.y[:n], t_end=data.t_end[:n], row_ns=data.row_ns[:n], weight=data.weight[:n],
        regime=data.regime[:n],
    )  # fmt: skip


def test_the_mean_is_the_weighted_sum_of_the_members() -> None:
    data = training_set()
    fitted = SMALL.fit(data)
    out = predict(fitted, data.x)
    assert list(fitted.members) == ["ridge", "boosting", "extra_trees"]
    said = [predict(member, data.x)["mean"] for member in fitted.members.values()]
    for h in range(2):
        expected = sum(
            w * mean[:, h] for w, mean in zip(fitted.stack.weights[0, h], said, strict=True) if w > 0
        )
        np.testing.assert_allclose(out["mean"][:, h], expected, rtol=1e-12)
        slope, offset = fitted.stack.slope[0, h], fitted.stack.offset[0, h]
        np.testing.assert_allclose(
            out["p_up"][:, h], 1 / (1 + np.exp(-(offset + slope * expected))), rtol=1e-12
        )
    assert (fitted.stack.weights >= 0).all()
    np.testing.assert_array_equal(list(fitted.weights.values()), fitted.stack.weights[0].T)
    assert list(fitted.weights) == list(fitted.members)


def test_who_is_right_is_believed_and_who_guesses_is_not() -> None:
    """Of what only two columns together tell, a line knows nothing."""
    data = training_set(3000)
    weights = SMALL.fit(data).stack.weights[0]
    assert weights[0, 0] < 0.2 < weights[0, 1:].sum()


def test_probabilities_and_intervals_are_what_they_say_out_of_sample() -> None:
    data = training_set(6000)
    fitted = SMALL.fit(cut(data, 4000))
    y, out = data.y[4000:], predict(fitted, data.x[4000:])
    for h in range(2):
        known = np.isfinite(y[:, h]) & np.isfinite(out["mean"][:, h])
        assert np.mean(
            (out["low"][known, h] <= y[known, h]) & (y[known, h] <= out["high"][known, h])
        ) == pytest.approx(0.8, abs=0.04)
        for sure in (out["p_up"][:, h] > 0.7, out["p_up"][:, h] < 0.3):
            happened = np.mean(y[known & sure, h] > 0)
            assert happened == pytest.approx(out["p_up"][known & sure, h].mean(), abs=0.06)


def test_what_is_said_of_a_wild_regime_is_not_said_of_a_calm_one() -> None:
    """The same signal with ten times the noise in every second stretch: each regime is covered, and as sure as it may be."""
    rng = np.random.default_rng(11)
    n = 6000
    x, wild = rng.standard_normal((n, 2)), np.arange(n) // 100 % 2 == 1
    y = x[:, :1] + np.where(wild, 10.0, 1.0)[:, None] * rng.standard_normal((n, 1))
    row_ns = np.arange(n) * NS
    data = TrainingSet(
        x, ("a", "b"), row_ns, y, row_ns[:, None] + NS, (NS,), np.ones(n),
        np.column_stack((~wild, wild)).astype(float), ("calm", "wild"), WalkForward(3, 0, 100), 7,
    )  # fmt: skip
    fitted = Ensemble(members=("ridge",), coverage=0.8).fit(cut(data, 4000))
    out = np.zeros((n - 4000, 1), PREDICTION)
    fitted.predict(data.x[4000:], data.regime[4000:], out)
    y, wild = y[4000:, 0], wild[4000:]
    inside = (out["low"][:, 0] <= y) & (y <= out["high"][:, 0])
    for mine in (wild, ~wild):
        assert inside[mine].mean() == pytest.approx(0.8, abs=0.04)
    sure = np.abs(out["p_up"][:, 0] - 0.5)
    assert sure[~wild].mean() > 5 * sure[wild].mean()
    unknown = np.zeros((n - 4000, 1), PREDICTION)
    fitted.predict(data.x[4000:], np.full_like(data.regime[4000:], np.nan), unknown)
    np.testing.assert_array_equal(unknown["mean"], out["mean"])
    assert np.unique(unknown["high"] - unknown["mean"]).size < 5, "without a regime, one interval for all"


def test_a_regime_has_weights_of_its_own() -> None:
    """Two members, one right in each regime: the mixture follows the regime, the ensemble cannot."""
    rng = np.random.default_rng(3)
    n = 4000
    x = rng.standard_normal((n, 2))
    first = rng.random(n) < 0.5
    y = np.where(first, x[:, 0], -x[:, 0])[:, None] + 0.1 * rng.standard_normal((n, 1))
    row_ns = NS * np.arange(1, n + 1)
    regime = np.column_stack((first, ~first)).astype(float)
    data = dataclasses.replace(
        training_set(), x=x, columns=("log_return_1", "b"), y=y, row_ns=row_ns, t_end=row_ns[:, None] + NS,
        horizons_ns=(NS,), weight=np.ones(n), regime=regime, regimes=("up", "down"),
    )  # fmt: skip
    members = {"members": ("other",), "other": Persistence()}  # says 1e4·x
    mixture = RegimeMixture(prior=10.0, **members).fit(data)  # type: ignore[arg-type]
    np.testing.assert_allclose(mixture.stack.weights[1:, 0, 0], [1e-4, 0.0], atol=1e-6)
    out = np.zeros((3, 1), PREDICTION)
    mixture.predict(np.ones((3, 2)), np.array([[1.0, 0.0], [0.0, 1.0], [np.nan, np.nan]]), out)
    np.testing.assert_allclose(out["mean"][:, 0], [1.0, 0.0, 1e4 * mixture.stack.weights[0, 0, 0]], atol=0.02)
    plain = Ensemble(**members).fit(data)  # type: ignore[arg-type]
    assert plain.stack.weights.shape == (1, 1, 1)
    rare = RegimeMixture(prior=1e9, **members).fit(data)  # type: ignore[arg-type]
    np.testing.assert_allclose(
        rare.stack.weights, plain.stack.weights[0, 0, 0], atol=1e-7
    )  # all rows outweigh it


def test_a_window_too_short_says_so(caplog: pytest.LogCaptureFixture) -> None:
    data = training_set(120)
    with caplog.at_level(logging.WARNING):
        fitted = Ensemble(members=("boosting", "extra_trees"), boosting=FAST, extra_trees=FOREST).fit(data)
    assert "too few for weights: the members count the same" in caplog.text
    out = predict(fitted, data.x)
    assert (fitted.stack.weights == 0.5).all()
    assert np.isnan(out["p_up"]).all() and np.isnan(out["low"]).all() and np.isfinite(out["mean"]).any()


def test_a_first_part_too_short_for_a_member_leaves_those_behind_it(caplog: pytest.LogCaptureFixture) -> None:
    data = dataclasses.replace(training_set(1200), splitter=WalkForward(8, 0, 10))
    late = dataclasses.replace(FAST, max_missing=0.0)
    x = data.x.copy()
    # so nothing can be learned from before the first two parts, and something before the third
    x[:280] = np.nan
    with caplog.at_level(logging.WARNING):
        fitted = Ensemble(members=("boosting",), boosting=late).fit(dataclasses.replace(data, x=x))
    assert caplog.text.count("a part of the training window cannot be learned from") == 2
    assert "too few" not in caplog.text and np.isfinite(fitted.stack.low[0]).all()


def test_it_is_kept_whole(tmp_path: Path) -> None:
    data = training_set()
    fitted = SMALL.fit(data)
    fitted.save(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        "stack.json",
        "stack.npz",
        "ridge",
        "boosting",
        "extra_trees",
    }
    assert predict(SMALL.load(tmp_path), data.x).tobytes() == predict(fitted, data.x).tobytes()
    with pytest.raises(ModelError, match="fitted on 4 columns, but got 3"):
        predict(fitted, np.zeros((1, 3)))


def test_a_member_that_cannot_be_fitted_is_told() -> None:
    with pytest.raises(ModelError, match="persistence: there is no column log_return_N"):
        Ensemble(members=("ridge", "other"), other=Persistence()).fit(training_set())


def test_zero_alone_predicts_zero() -> None:
    data = training_set()
    fitted: StackPredictor = Ensemble(members=("other",), other=Zero()).fit(data)
    out = predict(fitted, data.x)
    assert (out["mean"] == 0).all() and (fitted.stack.weights == 0).all()
    np.testing.assert_allclose(out["p_up"][:, 0], (data.y[:, 0] > 0).mean(), atol=0.05)


def test_weights_are_least_squares_that_cannot_be_negative() -> None:
    rng = np.random.default_rng(0)
    f = rng.standard_normal((500, 3))
    y = f @ (0.5, 0.0, 1.5) - 0.3 * f[:, 1] + 0.01 * rng.standard_normal(500)
    found = non_negative(f.T @ f, f.T @ y)
    np.testing.assert_allclose(found, [0.5, 0.0, 1.5], atol=0.05)
    optimize = pytest.importorskip("scipy.optimize")
    np.testing.assert_allclose(found, optimize.nnls(f, y)[0], atol=1e-4)
    assert (non_negative(np.zeros((2, 2)), np.zeros(2)) == 0).all()
    twin = np.column_stack((f[:, 0], f[:, 0]))
    np.testing.assert_allclose(non_negative(twin.T @ twin, twin.T @ f[:, 0]), [0.5, 0.5], atol=1e-3)


def test_the_direction_is_a_logistic_regression() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(1)
    mean = 0.01 * rng.standard_normal(3000)
    y = np.where(rng.random(3000) < 1 / (1 + np.exp(-(0.2 + 150 * mean))), 1.0, -1.0)
    weight = rng.random(3000) + 0.5
    offset, slope = logistic(mean, y, weight)
    theirs = linear_model.LogisticRegression(C=np.inf, tol=1e-10).fit(
        100 * mean[:, None], y > 0, sample_weight=weight
    )
    assert (offset, slope) == pytest.approx((theirs.intercept_[0], 100 * theirs.coef_[0, 0]), rel=1e-4)
    against = logistic(-mean, y, weight)
    assert against[1] == 0 and 1 / (1 + math.exp(-against[0])) == pytest.approx(
        np.average(y > 0, weights=weight)
    )
    assert all(map(math.isnan, logistic(mean, np.ones(3000), weight)))
    assert logistic(np.zeros(3000), y, weight)[1] == 0


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_conformal_intervals_cover(coverage: float) -> None:
    """Over many small samples the next value lies inside as often as said, not less."""
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(2000):
        left = rng.standard_normal(80) ** 3
        low, high = conformal(left[:-1], np.ones(79), coverage)
        hits += low <= left[-1] <= high
    assert coverage - 0.025 <= hits / 2000 <= coverage + 0.04


def test_a_conformal_interval_of_few_values_is_all_of_them() -> None:
    assert conformal(np.array([1.0, -2.0, 3.0]), np.ones(3), 0.99) == (-2.0, 3.0)
    assert conformal(np.array([1.0, 2.0, 3.0]), np.ones(3), 0.8) == (0.0, 3.0)  # the mean lies inside


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"members": ()}, "members: at least one is needed, of ridge"),
        ({"members": ("ridge", "rigde")}, "members: there is no 'rigde'"),
        ({"members": ("ridge", "ridge")}, "members: ridge is there twice"),
        ({"members": ("other",)}, "other: a model and the name other in members go together"),
        ({"other": Zero()}, "other: a model and the name"),
        ({"coverage": 1.5}, "coverage: 1.5"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    for model in (Ensemble, RegimeMixture):
        with pytest.raises(ValueError, match=message):
            model(**settings)
    with pytest.raises(ValueError, match=r"prior: -1 is not a number of rows"):
        RegimeMixture(prior=-1)


def test_persistence_goes_on_at_the_speed_of_the_last_move(tmp_path: Path) -> None:
    data = dataclasses.replace(training_set(), columns=("log_return_1", "b", "log_return_10", "d"))
    fitted = Persistence().fit(data)
    x = np.array([[1e-4, 9.0, 2e-4, 9.0], [np.nan, 0.0, 0.0, 0.0]])
    out = predict(fitted, x)
    np.testing.assert_allclose(
        out["mean"], [[1.0, 1.0], [np.nan, 0.0]], atol=1e-12
    )  # 2 bps in 10 rows: 1 in 5
    assert np.isnan(out["p_up"]).all() and np.isnan(out["low"]).all()
    fitted.save(tmp_path)
    assert Persistence().load(tmp_path) == fitted
    with pytest.raises(ModelError, match="fitted on 4 columns, but got 3"):
        predict(fitted, np.zeros((1, 3)))
    with pytest.raises(ModelError, match="0 training rows do not tell how long a row is"):
        Persistence().fit(cut(data, 0))
