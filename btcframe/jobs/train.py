"""Walk-forward training on a build: a saved model per fold, out-of-sample predictions, and what they are worth."""

from __future__ import annotations

from typing import Any

from btcframe.config import walk_forward as walk_forward_of
from btcframe.jobs import build as build_job
from btcframe.learning.building import Build
from btcframe.learning.tables import TrainingTable, read_training
from btcframe.learning.training import (
    MODELS,
    PREDICTIONS,
    Fold,
    OutOfSample,
    TrainResult,
    against_oracle,
    check_room,
    fold_of,
    joined,
    judge,
    plain_found,
    plain_metrics,
    walk_forward,
    write_predictions,
)
from btcframe.models.artefacts import save_model
from btcframe.pipeline.selection import chosen
from btcframe.report.metrics import Found
from btcframe.report.prediction import metrics_table, verdicts
from btcframe.run import Run
from btcframe.scratch import take
from btcframe.truth import expected_name, known, read_truth
from btcframe.types import Floats, Ints


def main(run: Run) -> TrainResult:
    """Train on the build that the config describes; it is made first where it does not exist.

    Raises
    ------
    ConfigError, DataError, ModelError, StoreError
    """
    _check_room(run)
    build = build_job.build(run)
    table = read_training(run.component("store"), build.id, build.layout, build.rows, run.dir)
    folds, found, regimes = _folds(run, build, table)
    row_ns, y, t_end = (take(array, found.rows, run.dir) for array in (table.row_ns, table.y, table.t_end))
    expected = _expected(run, build, row_ns)
    write_predictions(run.dir / PREDICTIONS, table, found, regimes, expected)
    metrics = judge(table, found, seed=run.seed)
    told: dict[str, Any] = {
        "folds": [vars(fold) | {"artefact": f"{MODELS}/{fold.artefact.name}"} for fold in folds],
        "metrics": [plain_metrics(m) for m in metrics],
    }
    oracle: tuple[Found, ...] = ()
    if expected:
        oracle = against_oracle(table, found, expected, seed=run.seed)
        told["oracle"] = [plain_found(f) for f in oracle]
    run.manifest.setdefault("results", {})["train"] = told
    run.say(metrics_table(metrics, oracle))
    run.say(verdicts(metrics, oracle))
    return TrainResult(build.id, folds, row_ns, found.predictions, y, t_end, metrics, oracle)


def _check_room(run: Run) -> None:
    """Where the source knows how long its market is, look whether the disk has room for a training on it."""
    span_ns = getattr(run.component("source"), "span_ns", None)
    if span_ns is None:
        return
    features = chosen(run.components("features"), run.config["select"])
    columns = len(features) + len(run.component("regime").columns())
    rows = span_ns // run.component("clock").period_ns
    check_room(run.dir, rows, columns, len(run.component("label").horizons_ns))


def _expected(run: Run, build: Build, row_ns: Ints) -> list[Floats]:
    """What the oracle expects at these rows, an array a horizon; none where the market's truth is not known."""
    if not known(build.manifest):
        return []
    names = [expected_name(horizon) for horizon in build.layout.horizons_ns]
    columns = read_truth(run.component("store"), build.id, names, row_ns, run.dir)
    return [columns[name] for name in names]


def _folds(
    run: Run, build: Build, table: TrainingTable
) -> tuple[tuple[Fold, ...], OutOfSample, tuple[str, ...]]:
    splitter = walk_forward_of(run.config)
    manifest = {
        slot: run.config[slot] for slot in ("clock", "features", "select", "regime", "label", "model")
    }
    manifest |= {"build": build.id, "seed": run.seed, "symbol": build.manifest["symbol"]}
    folds: list[Fold] = []
    parts: list[OutOfSample] = []
    regimes: tuple[str, ...] = ()
    with run.progress("training", total=splitter.folds, unit="folds") as bar:
        trained = walk_forward(
            table, run.component("regime"), run.component("model"), splitter, seed=run.seed
        )
        for index, (split, fitted, part) in enumerate(trained):
            fold = fold_of(index, split, table, run.dir / MODELS / f"fold-{index}")
            window = {k: v for k, v in vars(fold).items() if k != "artefact"}
            save_model(fitted, fold.artefact, manifest | {"fold": window})
            folds.append(fold)
            parts.append(part)
            regimes = fitted.regimes
            run.notify("fold_done", **window)
            bar.advance(1)
    return tuple(folds), joined(parts, run.dir), regimes
