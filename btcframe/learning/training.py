"""Training fold by fold: everything fitted inside the fold, everything judged outside it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from btcframe import scratch
from btcframe.api import Split
from btcframe.combinatorial import Combinatorial
from btcframe.engine import Where, Workers
from btcframe.learning.folds import (
    Fitted,
    Fold,
    OutOfSample,
    Recipe,
    fit_fold,
    joined,
    predict_windows,
    window_of,
)
from btcframe.learning.parted import workers_for
from btcframe.learning.tables import TrainingTable
from btcframe.models.artefacts import save_model
from btcframe.models.profile import SAMPLED, Profile, profile_of
from btcframe.report.metrics import Found, Metrics
from btcframe.split import WalkForward
from btcframe.types import PREDICTION, Floats, Ints, StateArray


@dataclass(frozen=True)
class TrainResult:
    """What a training found.

    Parameters
    ----------
    build : str
    folds : tuple of Fold         in order of time; none of a combinatorial training
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


@dataclass(frozen=True)
class Work:
    """What any of the folds is made of.

    Parameters
    ----------
    table : TrainingTable
    splitter : WalkForward or Combinatorial
    recipe : Recipe
    artefacts : Path or None    where the models are kept, as fold-0 and so on; None: nowhere
    manifest : mapping          of the artefacts
    """

    table: TrainingTable
    splitter: WalkForward | Combinatorial
    recipe: Recipe
    artefacts: Path | None = None
    manifest: Mapping[str, Any] | None = None

    def count(self) -> int:
        """How many folds there are."""
        return self.splitter.count(self.table.row_ns, self.table.t_end)

    def splits(self) -> Iterator[Split]:
        """The folds' rows, in order."""
        return self.splitter.split(self.table.row_ns, self.table.t_end)


class Trained(NamedTuple):
    """What became of a fold.

    Parameters
    ----------
    window : dict           what a `Fold` says of it: all but the artefact
    part : OutOfSample
    regimes : tuple of str
    unfit : str             why there is no baseline; "" where there is one, or none was asked for
    """

    window: dict[str, int]
    part: OutOfSample
    regimes: tuple[str, ...]
    unfit: str


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
    predicted = horizons * (
        2 * (PREDICTION.itemsize + 8) + 5 * 8
    )  # fold by fold, joined, and as they are written
    if rows * table >= scratch.LARGE:
        scratch.check_room(directory, rows * (table + predicted))


def train_fold(work: Work, index: int, split: Split, workers: Workers | None = None) -> Trained:
    """Fit a fold, the parts of its model by workers where there are some, predict its test window, and keep the model.

    Raises
    ------
    ModelError
        If it cannot be fitted.
    StoreError
        If the model cannot be saved.
    """
    table = work.table
    fitted = fit_fold(table, split.train, work.recipe, index=index, workers=workers)
    edges = work.splitter.windows(table.row_ns, table.t_end)
    stretches = np.split(split.test, np.searchsorted(split.test, edges))
    part = predict_windows(fitted, table, [rows for rows in stretches if len(rows)])
    window = window_of(index, split, table)
    if work.artefacts is not None:
        manifest = {**(work.manifest or {}), "fold": window}
        save_model(
            fitted.model, work.artefacts / f"fold-{index}", manifest, profile(table, split.train, part)
        )
    return Trained(window, part, fitted.model.regimes, fitted.unfit)


def fit_final(
    work: Work, index: int, found: OutOfSample, told: Mapping[str, Any], artefact: Path, where: Where
) -> Fitted:
    """Fit on every row of the table, and keep the model.

    Parameters
    ----------
    work : Work
    index : int            PREDICTION.model: one more than the last fold's
    found : OutOfSample    what the folds' models predicted
    told : mapping         what its manifest says of their worth
    artefact : Path
    where : Where          the parts of the model's fit are worked on, where it has some

    Raises
    ------
    ConfigError
        If there is no Ray, or no cluster answers.
    ModelError
        If it cannot be fitted.
    StoreError
        If it cannot be saved.
    """
    rows = np.arange(len(work.table))
    with workers_for(work.recipe.model, where) as there:
        fitted = fit_fold(work.table, rows, work.recipe, index=index, workers=there)
    manifest = {
        **(work.manifest or {}), **told, "fold": None, "final": True, "train_rows": len(rows),
        "train_start_ns": int(work.table.row_ns[0]), "train_end_ns": fitted.train_end_ns,
    }  # fmt: skip
    save_model(fitted.model, artefact, manifest, profile(work.table, rows, found))
    return fitted


def profile(table: TrainingTable, train: Ints, found: OutOfSample) -> Profile:
    """What a model's training rows were like, and what was predicted out of sample."""
    used = train[scratch.take(table.quality, train, table.directory) > 0]
    step = max(1, -(-len(used) // SAMPLED))
    return profile_of(scratch.take(table.x, used[::step], table.directory), found.predictions["mean"])


def path_of(
    splits: Ints, edges: Ints, parts: Sequence[OutOfSample], directory: Path | None = None
) -> OutOfSample:
    """One walk over all rows, put together of combinatorial splits.

    Parameters
    ----------
    splits : int64[groups]        the split that each group is taken from
    edges : int64[groups + 1]     where the groups begin, and the end of the last
    parts : sequence of OutOfSample    of all splits
    directory : Path, optional    where large arrays lie
    """
    cut = []
    for split, (start, stop) in zip(splits.tolist(), itertools.pairwise(edges.tolist()), strict=True):
        rows = parts[split].rows
        mine = slice(int(np.searchsorted(rows, start)), int(np.searchsorted(rows, stop)))
        cut.append(OutOfSample(*(array[mine] for array in parts[split])))
    return joined(cut, directory)
