"""Walk-forward training: everything fitted inside the fold, everything judged outside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from btcframe.api import Model, Regime, Split, Splitter, TrainingSet
from btcframe.artefacts import FittedModel, read_manifest
from btcframe.atomic import replacing
from btcframe.errors import ModelError
from btcframe.report.metrics import Metrics, evaluate
from btcframe.split import WalkForward
from btcframe.tables import TrainingTable
from btcframe.types import PREDICTION, Floats, Ints, StateArray, duration_name

MODELS = "models"
PREDICTIONS = "predictions.parquet"


@dataclass(frozen=True)
class Fold:
    """A fold's window and its artefact.

    The model may be used on rows with test_start_ns <= row_ns < test_end_ns: it has seen nothing of them.
    """

    index: int
    artefact: Path
    test_start_ns: int
    test_end_ns: int
    train_rows: int
    test_rows: int


class OutOfSample(NamedTuple):
    """Predictions on a fold's test window."""

    rows: Ints  # indices into the table
    predictions: StateArray  # PREDICTION[n, h]
    regime: Floats  # float64[n, r]


@dataclass(frozen=True)
class TrainResult:
    """What a training found.

    Parameters
    ----------
    build : str
    folds : tuple of Fold         in order of time
    row_ns : int64[n]             rows of all test windows
    predictions : PREDICTION[n, h]
    y : float64[n, h]             labels, bps
    t_end : int64[n, h]
    metrics : tuple of Metrics    one per horizon, over all folds
    """

    build: str
    folds: tuple[Fold, ...]
    row_ns: Ints
    predictions: StateArray
    y: Floats
    t_end: Ints
    metrics: tuple[Metrics, ...]


def fit_fold(
    table: TrainingTable, train: Ints, regime: Regime, model: Model, splitter: Splitter, *, index: int, seed: int
) -> FittedModel:  # fmt: skip
    """Fit a labeler and a model on training rows.

    The labeler is fitted on the descriptors of all training rows and then run over them from the first on, its memory
    fresh. The model is given the rows of quality above 0, weighted by it. Features may be NaN (warm-up, after
    bad rows): what to do about that is the model's.

    Parameters
    ----------
    table : TrainingTable
    train : int64[m]       indices, increasing
    regime, model : Regime, Model
    splitter : Splitter    for the model's own use inside the window
    index, seed : int

    Raises
    ------
    ModelError
        Where regime or model cannot be fitted; it names the fold.
    """
    try:
        descriptors = table.descriptors[train]
        labeler = regime.fit(descriptors, seed=seed)
        probabilities = np.full((len(train), len(labeler.labels)), np.nan)
        labeler.update(descriptors, labeler.state(), probabilities)
        used = table.quality[train] > 0
        rows = train[used]
        data = TrainingSet(
            x=table.x[rows],
            columns=table.layout.columns,
            row_ns=table.row_ns[rows],
            y=table.y[rows],
            t_end=table.t_end[rows],
            horizons_ns=table.layout.horizons_ns,
            weight=table.quality[rows],
            regime=probabilities[used],
            regimes=labeler.labels,
            splitter=splitter,
            seed=seed,
        )
        fitted = FittedModel(labeler, model.fit(data), table.layout.regime_columns, index)
    except ModelError as error:
        where = f"fold {index}, {len(train):,} training rows"
        raise ModelError(error.what, where=where, hint=error.hint, next=error.next) from error
    fitted.check_columns(table.layout.columns, table.layout.regime_columns)
    return fitted


def predict_rows(fitted: FittedModel, table: TrainingTable, rows: Ints) -> OutOfSample:
    """Predict consecutive rows, as a trader does who starts at the first of them."""
    regime = np.full((len(rows), len(fitted.regimes)), np.nan)
    out = np.zeros((len(rows), len(fitted.horizons_ns)), PREDICTION)
    fitted.scorer().update(table.x[rows], table.descriptors[rows], table.row_ns[rows], regime, out)
    return OutOfSample(rows, out, regime)


def walk_forward(
    table: TrainingTable, regime: Regime, model: Model, splitter: WalkForward, *, seed: int
) -> Iterator[tuple[Split, FittedModel, OutOfSample]]:
    """Fit and judge fold by fold.

    Raises
    ------
    ModelError, DataError
        If the table cannot be split or a fold not be fitted.
    """
    inner = replace(splitter, folds=3, min_train=max(1, splitter.min_train // 4))
    for index, split in enumerate(splitter.split(table.row_ns, table.t_end)):
        fitted = fit_fold(table, split.train, regime, model, inner, index=index, seed=seed)
        yield split, fitted, predict_rows(fitted, table, split.test)


def fold_of(index: int, split: Split, table: TrainingTable, artefact: Path) -> Fold:
    """The window of a split."""
    first, last = table.row_ns[split.test[[0, -1]]]
    return Fold(index, artefact, int(first), int(last) + 1, len(split.train), len(split.test))


def judge(table: TrainingTable, parts: list[OutOfSample], *, seed: int) -> tuple[Metrics, ...]:
    """Metrics per horizon over all test windows."""
    rows = np.concatenate([part.rows for part in parts])
    mean = np.concatenate([part.predictions["mean"] for part in parts])
    return tuple(
        evaluate(mean[:, h], table.y[rows, h], table.row_ns[rows], horizon, seed=seed)
        for h, horizon in enumerate(table.layout.horizons_ns)
    )


def saved_folds(directory: Path) -> tuple[Fold, ...]:
    """The folds that a run left in its directory, in order of time.

    Raises
    ------
    ModelError
        If there are none, or one is damaged.
    """
    artefacts = sorted((directory / MODELS).glob("fold-*")) if (directory / MODELS).is_dir() else []
    if not artefacts:
        raise ModelError(f"there are no trained models in {directory}", next="Train some: btcframe train")
    folds = []
    for artefact in artefacts:
        manifest = read_manifest(artefact)
        folds.append(Fold(artefact=artefact, **manifest["fold"]))
    return tuple(sorted(folds, key=lambda fold: fold.index))


def write_predictions(
    path: Path, table: TrainingTable, parts: list[OutOfSample], regimes: tuple[str, ...]
) -> None:
    """Out-of-sample predictions as parquet: a row per row_ns; per horizon mean, p_up, low, high and the label.

    Raises
    ------
    StoreError
        If it cannot be written; nothing is left behind then.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = np.concatenate([part.rows for part in parts])
    predictions = np.concatenate([part.predictions for part in parts])
    regime = np.concatenate([part.regime for part in parts])
    columns: dict[str, Any] = {"row_ns": table.row_ns[rows], "fold": predictions["model"][:, 0]}
    columns |= {f"regime_{name}": regime[:, r] for r, name in enumerate(regimes)}
    for h, (label, horizon) in enumerate(zip(table.layout.labels, table.layout.horizons_ns, strict=True)):
        for field in ("mean", "p_up", "low", "high"):
            columns[f"{field}_{duration_name(horizon)}"] = predictions[field][:, h]
        columns[label] = table.y[rows, h]
    values = pa.table({name: np.ascontiguousarray(column) for name, column in columns.items()})
    with replacing(path, "the predictions") as temporary:
        pq.write_table(values, temporary, compression="zstd")


def plain_metrics(metrics: Metrics) -> Mapping[str, Any]:
    """Metrics as plain values, for a manifest; NaN as null."""
    text = json.dumps(metrics._asdict() | {k: v._asdict() for k, v in _estimates(metrics)})
    plain: dict[str, Any] = json.loads(text, parse_constant=lambda _: None)
    return plain


def _estimates(metrics: Metrics) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in metrics._asdict().items() if isinstance(value, tuple)]
