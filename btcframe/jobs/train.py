"""Walk-forward training on a build: a saved model per fold, out-of-sample predictions, and what they are worth."""

from __future__ import annotations

import numpy as np

from btcframe.artefacts import save_model
from btcframe.building import Build
from btcframe.config import walk_forward as walk_forward_of
from btcframe.jobs import build as build_job
from btcframe.report.prediction import metrics_table, verdicts
from btcframe.run import Run
from btcframe.tables import TrainingTable, read_training
from btcframe.training import (
    MODELS,
    PREDICTIONS,
    Fold,
    OutOfSample,
    TrainResult,
    fold_of,
    judge,
    plain_metrics,
    walk_forward,
    write_predictions,
)


def main(run: Run) -> TrainResult:
    """Train on the build that the config describes; it is made first where it does not exist.

    Raises
    ------
    ConfigError, DataError, ModelError, StoreError
    """
    build = build_job.main(run)
    table = read_training(run.component("store"), build.id, build.layout, build.rows)
    folds, parts, regimes = _folds(run, build, table)
    write_predictions(run.dir / PREDICTIONS, table, parts, regimes)
    metrics = judge(table, parts, seed=run.seed)
    rows = np.concatenate([part.rows for part in parts])
    run.manifest.setdefault("results", {})["train"] = {
        "folds": [vars(fold) | {"artefact": f"{MODELS}/{fold.artefact.name}"} for fold in folds],
        "metrics": [plain_metrics(m) for m in metrics],
    }
    run.say(metrics_table(metrics))
    run.say(verdicts(metrics))
    predictions = np.concatenate([part.predictions for part in parts])
    return TrainResult(
        build.id, folds, table.row_ns[rows], predictions, table.y[rows], table.t_end[rows], metrics
    )


def _folds(
    run: Run, build: Build, table: TrainingTable
) -> tuple[tuple[Fold, ...], list[OutOfSample], tuple[str, ...]]:
    splitter = walk_forward_of(run.config)
    manifest = {slot: run.config[slot] for slot in ("clock", "features", "regime", "label", "model")}
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
    return tuple(folds), parts, regimes
