"""Which columns are worth it: clusters of those that say the same, and importance by permutation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from btcframe.api import Model, Predictor, TrainingSet
from btcframe.errors import ModelError
from btcframe.types import PREDICTION, Floats, Ints, StateArray
from btcframe_models.window import varying

CORRELATED_ON = 5000
"""Rows, evenly spaced, that tell whether two columns say the same."""


class Selection(NamedTuple):
    """What was chosen, and why.

    Parameters
    ----------
    chosen : tuple of str            the columns used, in their order
    idle : tuple of str              those that never varied
    stands_for : mapping             columns left out as saying the same, by the one that stands for them
    importance : mapping             growth of the squared error without the column, a share of the label's mean
                                     square; of those that were looked at, empty where none were
    """

    chosen: tuple[str, ...]
    idle: tuple[str, ...]
    stands_for: Mapping[str, tuple[str, ...]]
    importance: Mapping[str, float]


@dataclass(frozen=True)
class SelectedPredictor:
    """A predictor of some columns that is given all of them.

    Parameters
    ----------
    columns : tuple of str      all
    inner : Predictor           of the chosen ones
    selection : Selection
    """

    columns: tuple[str, ...]
    inner: Predictor
    selection: Selection

    @property
    def horizons_ns(self) -> tuple[int, ...]:
        """Horizons it predicts, ns."""
        return self.inner.horizons_ns

    @cached_property
    def _places(self) -> Ints:
        return np.array([self.columns.index(name) for name in self.selection.chosen], np.int64)

    def predict(self, x: Floats, regime: Floats, out: StateArray) -> None:
        """Fill out PREDICTION[n, h] from the chosen columns of x."""
        if x.shape[1] != len(self.columns):
            raise ModelError(f"the model was fitted on {len(self.columns)} columns, but got {x.shape[1]}")
        self.inner.predict(x.take(self._places, axis=1), regime, out)

    def save(self, directory: Path) -> None:
        """Write selected.json, and the predictor in inner/."""
        head = {"columns": self.columns} | self.selection._asdict()
        (directory / "selected.json").write_text(json.dumps(head, indent=1) + "\n", encoding="utf-8")
        (directory / "inner").mkdir()
        self.inner.save(directory / "inner")


def load_selected(directory: Path, model: Model) -> SelectedPredictor:
    """Read what `SelectedPredictor.save` wrote."""
    head = json.loads((directory / "selected.json").read_text(encoding="utf-8"))
    selection = Selection(
        tuple(head["chosen"]),
        tuple(head["idle"]),
        {name: tuple(others) for name, others in head["stands_for"].items()},
        head["importance"],
    )
    return SelectedPredictor(tuple(head["columns"]), model.load(directory / "inner"), selection)


def fit_selected(
    model: Model, data: TrainingSet, *, alike: float | None, keep: int | None, rows: int
) -> SelectedPredictor:
    """Choose columns and fit a model on them.

    Parameters
    ----------
    model : Model
    data : TrainingSet
    alike : float or None    rank correlation of columns that say the same; None: it is not looked at
    keep : int or None       columns kept by importance; None: it is not looked at
    rows : int               predicted of each part

    Raises
    ------
    ModelError
        If no column varies, or the model cannot be fitted, or not be judged inside the window.
    """
    used = varying("selected", data)
    clusters = [[j] for j in np.flatnonzero(used).tolist()] if alike is None else clustered(data, used, alike)
    left = np.array(sorted(cluster[0] for cluster in clusters), np.int64)
    importance: Mapping[str, float] = {}
    if keep is not None:
        worth = importances(model, columns_of(data, left), rows)
        importance = {data.columns[j]: float(value) for j, value in zip(left, worth, strict=True)}
        left = np.sort(left[np.argsort(-worth, kind="stable")[:keep]])
    names = data.columns
    selection = Selection(
        tuple(names[j] for j in left),
        tuple(names[j] for j in np.flatnonzero(~used)),
        {names[first]: tuple(names[j] for j in others) for first, *others in clusters if others},
        importance,
    )
    return SelectedPredictor(names, model.fit(columns_of(data, left)), selection)


def columns_of(data: TrainingSet, places: Ints) -> TrainingSet:
    """A training set of some of the columns."""
    return replace(
        data, x=np.ascontiguousarray(data.x[:, places]), columns=tuple(data.columns[j] for j in places)
    )


def clustered(
    data: TrainingSet, used: np.ndarray[tuple[int], np.dtype[np.bool_]], alike: float
) -> list[list[int]]:
    """Columns that say the same, the one that stands for the others first.

    Ranks of at most `CORRELATED_ON` evenly spaced rows; a missing value counts as the middle rank. Complete linkage.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    places = np.flatnonzero(used)
    if len(places) == 1:
        return [places.tolist()]
    ranks = _ranks(data.x[:: max(1, len(data.x) // CORRELATED_ON)][:, places])
    # sums of one row after the other, whatever the threads
    like = np.abs(np.einsum("na,nb->ab", ranks, ranks))
    np.fill_diagonal(like, 1.0)
    tree = linkage(squareform(np.maximum(1 - like, 0.0), checks=False), "complete")
    named = fcluster(tree, 1 - alike, "distance")
    clusters = []
    for name in np.unique(named):
        members = np.flatnonzero(named == name)
        most = int(np.argmax(like[np.ix_(members, members)].sum(axis=0)))
        order = [members[most], *np.delete(members, most)]
        clusters.append([int(places[j]) for j in order])
    return sorted(clusters)


def _ranks(x: Floats) -> Floats:
    """Ranks of each column about their middle, of length 1; 0 where missing or constant."""
    from scipy.stats import rankdata

    ranks = np.zeros(x.shape)
    for j in range(x.shape[1]):
        known = np.isfinite(x[:, j])
        ranks[known, j] = rankdata(x[known, j]) - (np.count_nonzero(known) + 1) / 2
    length = np.sqrt((ranks**2).sum(axis=0))
    scaled: Floats = ranks / np.where(length > 0, length, 1.0)
    return scaled


def importances(model: Model, data: TrainingSet, rows: int) -> Floats:
    """By how much the squared error grows where a column is shuffled, float64[k], a share of the label's mean square.

    A mean over the parts that the training set's splitter sets aside and over horizons; each part is predicted by the
    model fitted before it.

    Raises
    ------
    ModelError
        If the window cannot be split, or the model not be fitted before a part.
    """
    rng = np.random.default_rng(data.seed)
    found: list[Floats] = []
    for split in data.splitter.split(data.row_ns, data.t_end):
        predictor = model.fit(data.part(split.train))
        test = split.test[:: max(1, len(split.test) // rows)]
        part = data.part(test)
        before = _errors(predictor, part, part.x)
        grown = np.empty((len(data.columns), len(data.horizons_ns)))
        for j in range(len(data.columns)):
            shuffled = part.x.copy()
            shuffled[:, j] = rng.permutation(shuffled[:, j])
            grown[j] = _errors(predictor, part, shuffled) - before
        found.append(grown.mean(axis=1))
    worth: Floats = np.mean(found, axis=0)
    return worth


def _errors(predictor: Predictor, part: TrainingSet, x: Floats) -> Floats:
    """Squared error of each horizon as a share of the label's mean square; 0 where nothing is known."""
    out = np.zeros((len(x), len(part.horizons_ns)), PREDICTION)
    predictor.predict(x, part.regime, out)
    errors = np.zeros(len(part.horizons_ns))
    for h in range(len(errors)):
        y, mean = part.y[:, h], out["mean"][:, h]
        known = np.isfinite(y) & np.isfinite(mean) & (part.weight > 0)
        size = (part.weight[known] * y[known] ** 2).sum()
        if size > 0:
            errors[h] = (part.weight[known] * (y[known] - mean[known]) ** 2).sum() / size
    return errors
