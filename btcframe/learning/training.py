"""Walk-forward training: everything fitted inside the fold, everything judged outside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from btcframe import scratch
from btcframe.api import Model, Regime, Split, Splitter, TrainingSet
from btcframe.atomic import replacing
from btcframe.errors import ModelError
from btcframe.learning.tables import TrainingTable
from btcframe.models.artefacts import FittedModel, read_manifest
from btcframe.report.metrics import Estimate, Found, Metrics, compare, evaluate
from btcframe.split import WalkForward
from btcframe.types import PREDICTION, Floats, Ints, StateArray, duration_name

MODELS = "models"
PREDICTIONS = "predictions.parquet"


@dataclass(frozen=True)
class Fold:
    """A fold's windows and its artefact.

    The model may be used on rows with test_start_ns <= row_ns < test_end_ns: it has seen nothing of them. It was
    trained on rows with train_start_ns <= row_ns < train_end_ns, which artefacts of older versions do not tell.
    """

    index: int
    artefact: Path
    test_start_ns: int
    test_end_ns: int
    train_rows: int
    test_rows: int
    train_start_ns: int | None = None
    train_end_ns: int | None = None


class OutOfSample(NamedTuple):
    """Predictions on a fold's test window, or on those of all folds."""

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
    oracle : tuple of Found       the same against what could be known; empty where the market's truth is not
    """

    build: str
    folds: tuple[Fold, ...]
    row_ns: Ints
    predictions: StateArray
    y: Floats
    t_end: Ints
    metrics: tuple[Metrics, ...]
    oracle: tuple[Found, ...] = ()


def check_room(directory: Path, rows: int, columns: int, horizons: int) -> None:
    """Refuse a training that the disk has no room for, before hours of work.

    Parameters
    ----------
    directory : Path    of the run
    rows : int          of the training table
    columns : int       features and regime descriptors
    horizons : int

    Raises
    ------
    StoreError
    """
    table = 8 * (3 + columns + 2 * horizons)
    predicted = horizons * (2 * PREDICTION.itemsize + 5 * 8)  # fold by fold, joined, and as they are written
    if rows * table >= scratch.LARGE:
        scratch.check_room(directory, rows * (table + predicted))


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
    directory = table.directory
    try:
        descriptors = scratch.take(table.descriptors, train, directory)
        labeler = regime.fit(descriptors, seed=seed)
        probabilities = scratch.zeros((len(train), len(labeler.labels)), np.float64, directory)
        state = labeler.state()
        for part in scratch.pieces(len(train), descriptors, probabilities):
            probabilities[part] = np.nan
            labeler.update(descriptors[part], state, probabilities[part])
        used = scratch.take(table.quality, train, directory) > 0
        rows = train if used.all() else train[used]
        data = TrainingSet(
            x=scratch.take(table.x, rows, directory),
            columns=table.layout.columns,
            row_ns=scratch.take(table.row_ns, rows, directory),
            y=scratch.take(table.y, rows, directory),
            t_end=scratch.take(table.t_end, rows, directory),
            horizons_ns=table.layout.horizons_ns,
            weight=scratch.take(table.quality, rows, directory),
            regime=scratch.take(probabilities, np.flatnonzero(used), directory),
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
    regime = scratch.zeros((len(rows), len(fitted.regimes)), np.float64, table.directory)
    out = scratch.zeros((len(rows), len(fitted.horizons_ns)), PREDICTION, table.directory)
    x, descriptors, row_ns = (
        scratch.take(array, rows, table.directory) for array in (table.x, table.descriptors, table.row_ns)
    )
    scorer = fitted.scorer()
    for part in scratch.pieces(len(rows), x, descriptors, row_ns, regime, out):
        regime[part] = np.nan
        scorer.update(x[part], descriptors[part], row_ns[part], regime[part], out[part])
    return OutOfSample(rows, out, regime)


def joined(parts: Sequence[OutOfSample], directory: Path | None = None) -> OutOfSample:
    """All folds' predictions one after the other; large arrays lie in `directory`."""
    rows, predictions, regime = (scratch.joined(arrays, directory) for arrays in zip(*parts, strict=True))
    return OutOfSample(rows, predictions, regime)


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
    """The windows of a split."""
    trained, tested = (
        (int(first), int(last) + 1)
        for first, last in (table.row_ns[rows[[0, -1]]] for rows in (split.train, split.test))
    )
    return Fold(index, artefact, *tested, len(split.train), len(split.test), *trained)


def judge(table: TrainingTable, found: OutOfSample, *, seed: int) -> tuple[Metrics, ...]:
    """Metrics per horizon over the rows that were predicted."""
    mean = found.predictions["mean"]
    y, row_ns = (scratch.take(array, found.rows, table.directory) for array in (table.y, table.row_ns))
    return tuple(
        evaluate(mean[:, h], y[:, h], row_ns, horizon, seed=seed)
        for h, horizon in enumerate(table.layout.horizons_ns)
    )


def against_oracle(
    table: TrainingTable, found: OutOfSample, expected: Sequence[Floats], *, seed: int
) -> tuple[Found, ...]:
    """The predictions against what could be known, per horizon.

    Parameters
    ----------
    table : TrainingTable
    found : OutOfSample
    expected : sequence of float64[n]    the oracle's, a horizon each, at the rows that were predicted; NaN: unknown
    seed : int
    """
    mean = found.predictions["mean"]
    y, row_ns = (scratch.take(array, found.rows, table.directory) for array in (table.y, table.row_ns))
    return tuple(
        compare(mean[:, h], values, y[:, h], row_ns, horizon, seed=seed)
        for h, (values, horizon) in enumerate(zip(expected, table.layout.horizons_ns, strict=True))
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
    path: Path, table: TrainingTable, found: OutOfSample, regimes: tuple[str, ...], expected: Sequence[Floats] = ()
) -> None:  # fmt: skip
    """Out-of-sample predictions as parquet: a row per row_ns; per horizon mean, p_up, low, high and the label.

    Where the oracle's expectations are known, they stand beside them: oracle_<horizon>, bps.

    Raises
    ------
    StoreError
        If it cannot be written; nothing is left behind then.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    y, row_ns = (scratch.take(array, found.rows, table.directory) for array in (table.y, table.row_ns))

    def batch(part: slice) -> pa.Table:
        predictions = found.predictions[part]
        columns: dict[str, Any] = {"row_ns": row_ns[part], "fold": predictions["model"][:, 0]}
        columns |= {f"regime_{name}": found.regime[part, r] for r, name in enumerate(regimes)}
        for h, (label, horizon) in enumerate(zip(table.layout.labels, table.layout.horizons_ns, strict=True)):
            for field in ("mean", "p_up", "low", "high"):
                columns[f"{field}_{duration_name(horizon)}"] = predictions[field][:, h]
            columns[label] = y[part, h]
            if expected:
                columns[f"oracle_{duration_name(horizon)}"] = expected[h][part]
        return pa.table({name: np.ascontiguousarray(column) for name, column in columns.items()})

    with (
        replacing(path, "the predictions") as temporary,
        pq.ParquetWriter(
            temporary, batch(slice(0)).schema, compression="zstd", write_page_checksum=True
        ) as writer,
    ):
        for part in scratch.pieces(len(found.rows), y, row_ns, found.predictions, found.regime, *expected):
            writer.write_table(batch(part))


def plain_metrics(metrics: Metrics) -> dict[str, Any]:
    """Metrics as plain values, for a manifest; NaN as null."""
    return _plain(metrics._asdict())


def plain_found(found: Found) -> dict[str, Any]:
    """The oracle's metrics with `found` and `gap`, as plain values."""
    return _plain({**found.oracle._asdict(), "found": found.found, "gap": found.gap})


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    named = {k: v._asdict() if isinstance(v, Estimate) else v for k, v in fields.items()}
    plain: dict[str, Any] = json.loads(json.dumps(named), parse_constant=lambda _: None)
    return plain
