"""Leaks are told by what they leave behind, and honest models are left in peace."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from btcframe.learning import leaks
from btcframe.learning.folds import OutOfSample, Recipe, fit_fold, joined, predict_rows
from btcframe.learning.leaks import GONE, IMPLAUSIBLE, ONE_COLUMN, Suspicion, column_shares, suspicions
from btcframe.learning.tables import Layout, TrainingTable
from btcframe.models.artefacts import FittedModel
from btcframe.split import WalkForward
from btcframe.types import NS, Floats
from btcframe_models.persistence import Persistence
from btcframe_models.ridge import Ridge
from btcframe_regimes import Volatility

HORIZONS = (5, 15)
COLUMNS = 8


def table(signal: float, *, n: int = 6000, seed: int = 3) -> TrainingTable:
    """A walk with a signal that lasts some ten rows, eight columns that each show it with noise of their own."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(n)
    hidden = np.zeros(n)
    for t in range(1, n):
        hidden[t] = 0.9 * hidden[t - 1] + math.sqrt(1 - 0.81) * noise[t]
    steps = 1e-4 * (rng.standard_normal(n) + signal * np.concatenate([[0.0], hidden[:-1]]))
    log_mid = steps.cumsum()
    x = hidden[:, None] + rng.standard_normal((n, COLUMNS))
    y = np.full((n, 2), np.nan)
    for h, rows in enumerate(HORIZONS):
        y[:-rows, h] = 1e4 * (log_mid[rows:] - log_mid[:-rows])
    row_ns = NS * np.arange(1, n + 1)
    horizons = tuple(NS * h for h in HORIZONS)
    layout = Layout(tuple(f"c{j}" for j in range(COLUMNS)), ("regime_a",), ("y_5s", "y_15s"), horizons)
    return TrainingTable(
        layout, row_ns, np.ones(n), np.exp(log_mid), x, rng.random((n, 1)), y, row_ns[:, None] + np.array(horizons)
    )  # fmt: skip


def with_column(of: TrainingTable, name: str, values: Floats) -> TrainingTable:
    layout = dataclasses.replace(of.layout, columns=(*of.layout.columns, name))
    return dataclasses.replace(of, layout=layout, x=np.column_stack((of.x, np.nan_to_num(values))))


def knowing(of: TrainingTable, rows: int) -> TrainingTable:
    """With a column that knows the move of the next rows."""
    return with_column(of, "future", leaks.moves(of.mid, of.row_ns, rows, rows * NS))


def walked(of: TrainingTable, model: object = None) -> tuple[OutOfSample, FittedModel]:
    splitter = WalkForward(3, 0, 500)
    recipe = Recipe(Volatility(), model or Ridge(alpha=0.01), splitter.inner(), 7)  # type: ignore[arg-type]
    parts = []
    for index, split in enumerate(splitter.split(of.row_ns, of.t_end)):
        fitted = fit_fold(of, split.train, recipe, index=index)
        parts.append(predict_rows(fitted, of, split.test))
    return joined(parts), fitted.model


def found_in(of: TrainingTable, model: object = None) -> tuple[Suspicion, ...]:
    return suspicions(of, *walked(of, model), seed=7)


def kinds(told: tuple[Suspicion, ...]) -> set[tuple[str, int]]:
    return {(s.kind, s.horizon_ns // NS) for s in told}


@pytest.mark.parametrize("signal", [0.0, 0.1, 0.3])
def test_an_honest_model_is_not_suspected(signal: float) -> None:
    assert found_in(table(signal)) == ()


def test_a_leak_of_one_row_is_told_by_all_three() -> None:
    """Of independent moves it has an IC of √(1/5) only: 0.45, which may well be honest."""
    told = found_in(knowing(table(0.0), 1))
    assert {(IMPLAUSIBLE, 5), (GONE, 5), (ONE_COLUMN, 5), (GONE, 15), (ONE_COLUMN, 15)} <= kinds(told)
    words = {s.kind: s.words for s in told if s.horizon_ns == 5 * NS}
    assert words[IMPLAUSIBLE].startswith(
        "5s: implausibly good. The correlation with the move of the next 1s is +0."
    )
    assert "With the columns of one row (1s) earlier the IC of +0.4" in words[GONE]
    assert "of what the prediction varies by is future: see whether" in words[ONE_COLUMN]


def test_a_leak_of_the_whole_horizon_is_told() -> None:
    told = found_in(knowing(table(0.1), 15))
    assert (IMPLAUSIBLE, 15) in kinds(told) and (ONE_COLUMN, 15) in kinds(told)
    assert (GONE, 15) not in kinds(told)  # of fifteen rows, one is missing


def test_beside_an_honest_signal_a_leak_is_still_told() -> None:
    assert (IMPLAUSIBLE, 5) in kinds(found_in(knowing(table(0.2), 2)))


def test_the_share_of_a_column_is_that_of_its_variance() -> None:
    """A line β₁c₀ + β₂c₁ of independent columns: β² shares."""
    of = table(0.0)
    rng = np.random.default_rng(5)
    x = rng.standard_normal((len(of), COLUMNS))
    y = x @ np.array([[2.0, 1.0], [1.0, 1.0], *[[0.0, 0.0]] * (COLUMNS - 2)]) + rng.standard_normal(
        (len(of), 2)
    )
    of = dataclasses.replace(of, x=x, y=y)
    found, last = walked(of, Ridge(alpha=1e-6))
    kept = of.x.copy()
    shares = column_shares(of, found, last, seed=1)
    np.testing.assert_allclose(shares[:, :2], [[0.8, 0.2], [0.5, 0.5]], atol=0.03)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert of.x.tobytes() == kept.tobytes()  # what was shuffled is a copy


def test_a_model_that_looks_at_one_column_by_design_is_not_suspected() -> None:
    of = table(0.3)
    of = dataclasses.replace(
        of, layout=dataclasses.replace(of.layout, columns=("log_return_5", *of.layout.columns[1:]))
    )
    assert found_in(of, Persistence()) == ()


def test_without_a_model_no_column_is_looked_at() -> None:
    of = knowing(table(0.0), 1)
    found, _ = walked(of)
    assert {s.kind for s in suspicions(of, found, None, seed=7)} == {IMPLAUSIBLE, GONE}


def test_moves_span_rows_that_follow_each_other() -> None:
    mid = np.array([100.0, 101.0, 102.0, 103.0])
    row_ns = NS * np.array([1, 2, 3, 9])
    np.testing.assert_allclose(
        leaks.moves(mid, row_ns, 1, NS),
        [1e4 * math.log(1.01), 1e4 * math.log(102 / 101), math.nan, math.nan],
    )


def test_too_few_blocks_for_an_interval_say_nothing() -> None:
    assert found_in(knowing(table(0.0, n=650), 1)) == ()


def test_plain_values_for_a_manifest() -> None:
    told = found_in(knowing(table(0.0), 1))
    assert json.loads(json.dumps([leaks.plain(s) for s in told]))[0]["kind"] == IMPLAUSIBLE
