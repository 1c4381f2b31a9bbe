"""One fold: a labeler and a model fitted on its training rows, and what they say of the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from btcframe import scratch
from btcframe.api import Labeler, Model, Predictor, Regime, Split, Splitter, TrainingSet
from btcframe.engine import Workers
from btcframe.errors import ModelError
from btcframe.learning.parted import fit
from btcframe.learning.tables import TrainingTable
from btcframe.learning.weights import uniqueness
from btcframe.models.artefacts import FittedModel, read_manifest
from btcframe.models.mocks import is_mock
from btcframe.types import PREDICTION, Floats, Ints, StateArray

MODELS = "models"
FINAL = "final"
"""The artefact, in MODELS, of a model that was fitted on all rows."""


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


@dataclass(frozen=True)
class Recipe:
    """What is fitted in a fold.

    Parameters
    ----------
    regime : Regime
    model : Model
    inner : Splitter           for the model's own use inside the window
    seed : int
    baseline : Model or None   fitted beside the model, for comparison
    uniqueness : bool          labels that overlap others weigh less
    """

    regime: Regime
    model: Model
    inner: Splitter
    seed: int
    baseline: Model | None = None
    uniqueness: bool = False


class Fitted(NamedTuple):
    """What a fold made of its training rows.

    Parameters
    ----------
    model : FittedModel
    train_end_ns : int      end of the training window
    baseline : Predictor or None
    unfit : str             why there is no baseline; "" where none was asked for
    """

    model: FittedModel
    train_end_ns: int
    baseline: Predictor | None = None
    unfit: str = ""


class OutOfSample(NamedTuple):
    """Predictions on a fold's test window, or on those of all folds."""

    rows: Ints  # indices into the table
    predictions: StateArray  # PREDICTION[n, h]
    regime: Floats  # float64[n, r]
    baseline: Floats  # float64[n, h], bps: what the baseline of the fold predicts; NaN without one
    age_ns: Ints  # int64[n], since the end of the training window


def fit_fold(
    table: TrainingTable, train: Ints, recipe: Recipe, *, index: int, workers: Workers | None = None
) -> Fitted:
    """Fit a labeler and a model on training rows.

    The labeler is fitted on the descriptors of all training rows and then run over them from the first on, its memory
    fresh. The model is given the rows of quality above 0, weighted by it and, where the recipe says so, by the
    uniqueness of their labels. Features may be NaN (warm-up, after bad rows): what to do about that is the model's.

    Parameters
    ----------
    table : TrainingTable
    train : int64[m]       indices, increasing
    recipe : Recipe
    index : int
    workers : Workers, optional    who works on the parts of the model's fit, where it has some

    Raises
    ------
    ModelError
        Where regime or model cannot be fitted; it names the fold.
    """
    try:
        labeler, data = training_set(table, train, recipe)
        predictor = fit(recipe.model, data, workers, table.directory)
        model = FittedModel(
            labeler, predictor, table.layout.regime_columns, index, mock=is_mock(recipe.model)
        )
    except ModelError as error:
        where = f"fold {index}, {len(train):,} training rows"
        raise ModelError(error.what, where=where, hint=error.hint, next=error.next) from error
    model.check_columns(table.layout.columns, table.layout.regime_columns)
    end_ns = int(table.row_ns[train[-1]]) + 1
    if recipe.baseline is None:
        return Fitted(model, end_ns)
    try:
        return Fitted(model, end_ns, recipe.baseline.fit(data))
    except ModelError as error:
        return Fitted(model, end_ns, None, error.what)


def training_set(table: TrainingTable, train: Ints, recipe: Recipe) -> tuple[Labeler, TrainingSet]:
    """A labeler fitted on training rows, and what the model may see of them; see `fit_fold`.

    Raises
    ------
    ModelError
        If the labeler cannot be fitted.
    """
    directory = table.directory
    descriptors = scratch.take(table.descriptors, train, directory)
    labeler = recipe.regime.fit(descriptors, seed=recipe.seed)
    probabilities = scratch.zeros((len(train), len(labeler.labels)), np.float64, directory)
    state = labeler.state()
    for part in scratch.pieces(len(train), descriptors, probabilities):
        probabilities[part] = np.nan
        labeler.update(descriptors[part], state, probabilities[part])
    used = scratch.take(table.quality, train, directory) > 0
    rows = train if used.all() else train[used]
    row_ns, y, t_end, weight = (
        scratch.take(array, rows, directory) for array in (table.row_ns, table.y, table.t_end, table.quality)
    )
    return labeler, TrainingSet(
        x=scratch.take(table.x, rows, directory),
        columns=table.layout.columns,
        row_ns=row_ns,
        y=y,
        t_end=t_end,
        horizons_ns=table.layout.horizons_ns,
        weight=weight * uniqueness(row_ns, t_end, y) if recipe.uniqueness else weight,
        regime=scratch.take(probabilities, np.flatnonzero(used), directory),
        regimes=labeler.labels,
        splitter=recipe.inner,
        seed=recipe.seed,
    )


def predict_rows(fitted: Fitted, table: TrainingTable, rows: Ints) -> OutOfSample:
    """Predict consecutive rows, as a trader does who starts at the first of them."""
    directory, horizons = table.directory, len(fitted.model.horizons_ns)
    regime = scratch.zeros((len(rows), len(fitted.model.regimes)), np.float64, directory)
    out = scratch.zeros((len(rows), horizons), PREDICTION, directory)
    baseline = scratch.zeros((len(rows), horizons), np.float64, directory)
    age = scratch.zeros((len(rows),), np.int64, directory)
    x, descriptors, row_ns = (
        scratch.take(array, rows, directory) for array in (table.x, table.descriptors, table.row_ns)
    )
    scorer = fitted.model.scorer()
    for part in scratch.pieces(len(rows), x, descriptors, row_ns, regime, out, baseline, age):
        regime[part] = np.nan
        scorer.update(x[part], descriptors[part], row_ns[part], regime[part], out[part])
        baseline[part] = np.nan
        if fitted.baseline is not None:
            said = np.empty((len(row_ns[part]), horizons), PREDICTION)
            fitted.baseline.predict(x[part], regime[part], said)
            baseline[part] = said["mean"]
        age[part] = row_ns[part] - fitted.train_end_ns
    return OutOfSample(rows, out, regime, baseline, age)


def joined(parts: Sequence[OutOfSample], directory: Path | None = None) -> OutOfSample:
    """All predictions one after the other; large arrays lie in `directory`."""
    return OutOfSample(*(scratch.joined(arrays, directory) for arrays in zip(*parts, strict=True)))


def predict_windows(fitted: Fitted, table: TrainingTable, windows: Iterable[Ints]) -> OutOfSample:
    """Predict several stretches of consecutive rows, each as if it were the only one."""
    return joined([predict_rows(fitted, table, rows) for rows in windows], table.directory)


def window_of(index: int, split: Split, table: TrainingTable) -> dict[str, int]:
    """What a `Fold` says of a split: all but its artefact."""
    (train_start, train_end), (test_start, test_end) = (
        (int(first), int(last) + 1)
        for first, last in (table.row_ns[rows[[0, -1]]] for rows in (split.train, split.test))
    )
    return {
        "index": index, "test_start_ns": test_start, "test_end_ns": test_end,
        "train_rows": len(split.train), "test_rows": len(split.test),
        "train_start_ns": train_start, "train_end_ns": train_end,
    }  # fmt: skip


def saved_folds(directory: Path) -> tuple[Fold, ...]:
    """The folds that a run left in its directory, in order of time.

    Raises
    ------
    ModelError
        If there are none, or one is damaged.
    """
    artefacts = sorted((directory / MODELS).glob("fold-*")) if (directory / MODELS).is_dir() else []
    if not artefacts:
        raise ModelError(
            f"there are no trained models in {directory}",
            hint="A combinatorial training keeps none of its folds: they have seen what came after their test windows.",
            next="Train some: btcframe train",
        )
    folds = []
    for artefact in artefacts:
        manifest = read_manifest(artefact)
        folds.append(Fold(artefact=artefact, **manifest["fold"]))
    return tuple(sorted(folds, key=lambda fold: fold.index))
