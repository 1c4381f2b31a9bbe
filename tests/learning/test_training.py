"""Walk-forward training: nothing of the test window is known in the fold, and what is saved is what predicted."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from btcframe import scratch
from btcframe.api import TrainingSet
from btcframe.errors import ModelError
from btcframe.labels.forward_return import ForwardReturn
from btcframe.learning.folds import (
    Fold,
    OutOfSample,
    Recipe,
    fit_fold,
    joined,
    predict_rows,
    saved_folds,
    window_of,
)
from btcframe.learning.predictions import against_oracle, judge, plain_found, plain_metrics, write_predictions
from btcframe.learning.tables import Layout, TrainingTable
from btcframe.learning.training import path_of
from btcframe.models.artefacts import load_model, save_model
from btcframe.plugins import discover
from btcframe.report.metrics import compare, evaluate
from btcframe.split import WalkForward
from btcframe.types import NS, PREDICTION
from btcframe_models.ridge import Ridge
from btcframe_regimes.volatility import Volatility

LABEL = ForwardReturn(horizons=("5s", "10s"))
SPLIT = WalkForward(folds=3, embargo_ns=10 * NS, min_train=200)


def table(n: int = 2000, seed: int = 0) -> TrainingTable:
    """A market in which feature f0 moves the price of the next rows; some rows are bad."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 3))
    steps = 0.3 * np.concatenate([[0], x[:-1, 0]]) + rng.standard_normal(n)
    log_mid = np.cumsum(steps) * 1e-4
    row_ns = NS * np.arange(1, n + 1)
    t_end = row_ns[:, None] + np.array(LABEL.horizons_ns)
    ends = np.arange(n)[:, None] + np.array([5, 10])
    y = np.where(ends < n, 1e4 * (log_mid[np.minimum(ends, n - 1)] - log_mid[:, None]), np.nan)
    quality = np.where(rng.random(n) < 0.05, 0.0, 1.0)
    x[:20, 2] = np.nan  # warm-up
    descriptors = np.abs(rng.standard_normal((n, 1)))
    descriptors[:20] = np.nan
    layout = Layout.of(("f0", "f1", "f2"), ("regime_vol_300",), LABEL)
    return TrainingTable(layout, row_ns, quality, np.exp(log_mid), x, descriptors, y, t_end)


def recipe(model: Any = None, **settings: Any) -> Recipe:
    return Recipe(Volatility(), model or Ridge(**settings), SPLIT.inner(), 7)


def run(t: TrainingTable, made: Recipe | None = None) -> list[Any]:
    """Split, model and predictions of every fold."""
    results = []
    for index, split in enumerate(SPLIT.split(t.row_ns, t.t_end)):
        fitted = fit_fold(t, split.train, made or recipe(), index=index)
        results.append((split, fitted.model, predict_rows(fitted, t, split.test)))
    return results


def test_it_finds_what_is_there() -> None:
    t = table(8000)
    parts = [part for _, _, part in run(t)]
    metrics = judge(t, joined(parts), seed=7)
    assert [m.horizon_ns for m in metrics] == [5 * NS, 10 * NS]
    assert all(m.ic.low > 0 for m in metrics)
    rows = np.concatenate([p.rows for p in parts])
    mean = np.concatenate([p.predictions["mean"][:, 1] for p in parts])
    assert metrics[1] == evaluate(mean, t.y[rows, 1], t.row_ns[rows], 10 * NS, seed=7)


def test_shuffled_labels_give_nothing() -> None:
    t = table(4000)
    shuffled = dataclasses.replace(t, y=np.random.default_rng(1).permutation(t.y))
    metrics = judge(shuffled, joined([part for _, _, part in run(shuffled)]), seed=7)
    assert all(m.ic.low <= 0 <= m.ic.high for m in metrics)


def test_a_fold_knows_nothing_of_what_follows() -> None:
    t = table()
    for index, (split, _, part) in enumerate(run(t)):
        start = split.test[0]
        later = dataclasses.replace(
            t, **{f: getattr(t, f).copy() for f in ("x", "y", "descriptors", "quality")}
        )
        unknown = (t.t_end >= t.row_ns[start] - SPLIT.embargo_ns).any(axis=1)
        later.y[unknown] += 100  # labels that reach the test window or its embargo
        later.x[start + 50 :] += 100
        later.descriptors[start + 50 :] += 100
        later.quality[start:] = 0
        _, _, again = run(later)[index]
        assert again.predictions[:50].tobytes() == part.predictions[:50].tobytes()
        assert again.regime[:50].tobytes() == part.regime[:50].tobytes()


def test_training_sets_hold_what_they_should() -> None:
    seen: list[TrainingSet] = []

    @dataclass(frozen=True)
    class Spy:
        def fit(self, data: TrainingSet) -> Any:
            seen.append(data)
            return Ridge().fit(data)

        def load(self, directory: Path) -> Any:
            raise AssertionError

    t = table()
    t.quality[5::10] *= 0.5
    splits = [s for s, _, _ in run(t, recipe(Spy()))]
    for data, split in zip(seen, splits, strict=True):
        rows = split.train[t.quality[split.train] > 0]
        np.testing.assert_array_equal(data.row_ns, t.row_ns[rows])
        np.testing.assert_array_equal(data.x, t.x[rows])
        np.testing.assert_array_equal(data.y, t.y[rows])
        np.testing.assert_array_equal(data.weight, t.quality[rows])
        assert data.seed == 7 and set(data.weight) == {0.5, 1.0}
        assert data.regimes == ("low", "normal", "high") and data.regime.shape == (len(rows), 3)
        labeler = Volatility().fit(t.descriptors[split.train], seed=7)
        expected = np.full((len(split.train), 3), np.nan)
        labeler.update(t.descriptors[split.train], labeler.state(), expected)
        np.testing.assert_array_equal(data.regime, expected[t.quality[split.train] > 0])
        inner = list(data.splitter.split(data.row_ns, data.t_end))
        assert len(inner) == 3 and inner[-1].test[-1] == len(rows) - 1


def test_a_saved_fold_predicts_the_same_bits_row_by_row(tmp_path: Path) -> None:
    t, catalog = table(), discover()
    nodes = {"regime": {"plugin": "volatility"}, "model": {"plugin": "ridge"}}
    folds = []
    for index, (split, fitted, part) in enumerate(run(t)):
        window = window_of(index, split, t)
        fold = Fold(artefact=tmp_path / "models" / f"fold-{index}", **window)
        save_model(fitted, fold.artefact, nodes | {"fold": window})
        folds.append(fold)
        loaded = load_model(fold.artefact, catalog)
        assert loaded.index == index
        out = np.zeros((len(split.test), 2), PREDICTION)
        regime = np.empty((len(split.test), 3))
        scorer = loaded.scorer()
        for i, row in enumerate(split.test):
            one = slice(row, row + 1)
            scorer.update(t.x[one], t.descriptors[one], t.row_ns[one], regime[i : i + 1], out[i : i + 1])
        assert out.tobytes() == part.predictions.tobytes()
    assert saved_folds(tmp_path) == tuple(folds)
    for before, after in itertools.pairwise(folds):
        assert before.test_start_ns < before.test_end_ns <= after.test_start_ns
    with pytest.raises(ModelError, match="there are no trained models"):
        saved_folds(tmp_path / "models")


def test_predictions_are_written(tmp_path: Path) -> None:
    t = table()
    results = run(t)
    parts = [part for _, _, part in results]
    write_predictions(tmp_path / "p.parquet", t, joined(parts), results[0][1].regimes)
    got = pq.read_table(tmp_path / "p.parquet")
    rows = np.concatenate([p.rows for p in parts])
    np.testing.assert_array_equal(got["row_ns"].to_numpy(), t.row_ns[rows])
    np.testing.assert_array_equal(got["y_10s"].to_numpy(), t.y[rows, 1])
    mean = np.concatenate([p.predictions["mean"][:, 0] for p in parts])
    np.testing.assert_array_equal(got["mean_5s"].to_numpy(), mean)
    assert {"fold", "regime_low", "p_up_10s", "low_5s", "high_5s"} <= set(got.column_names)
    assert [p.name for p in tmp_path.iterdir()] == ["p.parquet"]


@pytest.mark.parametrize("bad", [0.0, 0.05])
def test_on_the_disk_it_is_the_same_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: float
) -> None:
    t = table()
    t.quality[:] = np.where(np.random.default_rng(3).random(len(t)) < bad, 0.0, 1.0)
    expected = run(t)
    write_predictions(
        tmp_path / "memory.parquet", t, joined([r[2] for r in expected]), expected[0][1].regimes
    )
    monkeypatch.setattr(scratch, "LARGE", 1)
    monkeypatch.setattr(scratch, "PIECE", 130)
    moved = {}
    for f in ("row_ns", "quality", "mid", "x", "descriptors", "y", "t_end"):
        values = getattr(t, f)
        moved[f] = scratch.zeros(values.shape, values.dtype, tmp_path)
        moved[f][:] = values
    filed = dataclasses.replace(t, **moved, directory=tmp_path)
    results = run(filed)
    for (split, fitted, part), (split_2, fitted_2, part_2) in zip(expected, results, strict=True):
        assert split.train.tobytes() == split_2.train.tobytes()
        assert fitted.predictor.linear.coef.tobytes() == fitted_2.predictor.linear.coef.tobytes()
        assert fitted.predictor.linear.sigma.tobytes() == fitted_2.predictor.linear.sigma.tobytes()
        assert part.predictions.tobytes() == part_2.predictions.tobytes()
        assert part.regime.tobytes() == part_2.regime.tobytes()
        assert part_2.predictions.base is not None
    found = joined([part for _, _, part in results], tmp_path)
    write_predictions(tmp_path / "disk.parquet", filed, found, results[0][1].regimes)
    memory, disk = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("memory", "disk"))
    assert memory.schema == disk.schema
    assert all(memory[c].to_numpy().tobytes() == disk[c].to_numpy().tobytes() for c in memory.column_names)


def test_a_fold_that_cannot_be_fitted_is_named() -> None:
    t = table()
    flat = dataclasses.replace(t, y=np.zeros_like(t.y))
    with pytest.raises(ModelError, match=r"horizon 5s is 0 bps .* \(fold 0, \d+ training rows\)"):
        run(flat)


def test_against_the_oracle() -> None:
    t = table(8000)
    found = joined([part for _, _, part in run(t)])
    noise = np.random.default_rng(9).standard_normal(len(found.rows))
    knows = 0.3 * t.x[found.rows, 0]  # the next row's move
    oracle = [knows, knows + noise]
    first, second = against_oracle(t, found, oracle, seed=7)
    y, mean = t.y[found.rows, 0], found.predictions["mean"][:, 0]
    assert first == compare(mean, oracle[0], y, t.row_ns[found.rows], 5 * NS, seed=7)
    assert first.found.value > 0.9 > 0.5 > second.found.value
    assert first.gap.low < 0 < first.gap.high  # the model finds nearly all there is
    plain = plain_found(first)
    assert plain["ic"] == first.oracle.ic._asdict() and plain["rows"] == first.oracle.rows
    assert plain["found"] == first.found._asdict() and plain["gap"] == first.gap._asdict()


def test_the_oracle_s_expectations_stand_beside_the_predictions(tmp_path: Path) -> None:
    t = table()
    results = run(t)
    found = joined([part for _, _, part in results])
    expected = [np.arange(len(found.rows)) / 8, np.full(len(found.rows), np.nan)]
    write_predictions(tmp_path / "p.parquet", t, found, results[0][1].regimes, expected)
    got = pq.read_table(tmp_path / "p.parquet")
    np.testing.assert_array_equal(got["oracle_5s"].to_numpy(), expected[0])
    np.testing.assert_array_equal(got["oracle_10s"].to_numpy(), expected[1])


def test_metrics_are_plain_in_a_manifest() -> None:
    t = table()
    fitted = fit_fold(t, np.arange(500), recipe(), index=0)
    metrics = judge(t, predict_rows(fitted, t, np.arange(600, 610)), seed=7)
    plain = plain_metrics(metrics[0])
    assert plain["rows"] == metrics[0].rows
    assert plain["ic"]["value"] == metrics[0].ic.value and plain["ic"]["low"] is None


def test_a_path_is_put_together_of_the_splits_that_it_names() -> None:
    t = table(60)
    edges = np.array([0, 20, 40, 60])
    tested = [(0, 1), (0, 2), (1, 2)]
    parts = []
    for split, groups in enumerate(tested):
        rows = np.concatenate([np.arange(edges[g], edges[g + 1]) for g in groups])
        out = np.zeros((len(rows), 2), PREDICTION)
        out["model"], out["mean"] = split, 100 * split + rows[:, None]
        parts.append(
            OutOfSample(rows, out, np.zeros((len(rows), 1)), np.zeros((len(rows), 2)), t.row_ns[rows])
        )
    for splits in ([0, 0, 1], [1, 2, 2]):
        path = path_of(np.array(splits), edges, parts)
        np.testing.assert_array_equal(path.rows, np.arange(60))
        np.testing.assert_array_equal(path.predictions["model"][:, 0], np.repeat(splits, 20))
        np.testing.assert_array_equal(
            path.predictions["mean"][:, 1], 100 * np.repeat(splits, 20) + np.arange(60)
        )
        np.testing.assert_array_equal(path.age_ns, t.row_ns)
