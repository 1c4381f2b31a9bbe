"""What a model is given, and what it makes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from btcframe.scratch import pieces, take
from btcframe.types import Floats, Ints, StateArray


class Split(NamedTuple):
    """Row indices of one fold."""

    train: Ints
    test: Ints


class Splitter(Protocol):
    """Purged splits of a training set."""

    def split(self, row_ns: Ints, t_end: Ints) -> Iterator[Split]:
        """row_ns int64[n], t_end int64[n, h] → folds; no training label ends inside the test window."""


@dataclass(frozen=True)
class TrainingSet:
    """What a model may see: one fold's training rows, nothing else.

    Parameters
    ----------
    x : float64[n, k]          unscaled feature columns, NaN where missing
    columns : tuple of str     their names, in order
    row_ns : int64[n]
    y : float64[n, h]          labels, NaN where unknown
    t_end : int64[n, h]        when each label is known
    horizons_ns : tuple of int
    weight : float64[n]        sample weight
    regime : float64[n, r]     probabilities of the labeler fitted on these rows
    regimes : tuple of str     their names
    splitter : Splitter        for early stopping and stacking inside the window
    seed : int
    """

    x: Floats
    columns: tuple[str, ...]
    row_ns: Ints
    y: Floats
    t_end: Ints
    horizons_ns: tuple[int, ...]
    weight: Floats
    regime: Floats
    regimes: tuple[str, ...]
    splitter: Splitter
    seed: int

    def pieces(self) -> Iterator[slice]:
        """Consecutive slices of the rows, 65,536 at a time, for a model that need not hold them all at once.

        A training set that is large lies on the disk; behind each slice, the memory that it took is let go of.
        """
        return pieces(len(self.x), self.x, self.row_ns, self.y, self.t_end, self.weight, self.regime)

    def part(self, rows: Ints) -> TrainingSet:
        """A training set of some of the rows, int64[m], increasing: views where they follow each other."""
        return replace(
            self, x=take(self.x, rows), row_ns=take(self.row_ns, rows), y=take(self.y, rows),
            t_end=take(self.t_end, rows), weight=take(self.weight, rows), regime=take(self.regime, rows),
        )  # fmt: skip


@runtime_checkable
class Predictor(Protocol):
    """A fitted model."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Feature columns it takes, in order."""

    @property
    def horizons_ns(self) -> tuple[int, ...]:
        """Horizons it predicts, ns."""

    def predict(self, x: Floats, regime: Floats, out: StateArray) -> None:
        """Fill out PREDICTION[n, h] from x float64[n, k] and regime float64[n, r].

        One sequential kernel: n rows at once give the bits of n calls with one row. A row it cannot predict
        (missing columns) gets NaN. `row_ns` and `model` are the caller's and left alone.
        """

    def save(self, directory: Path) -> None:
        """Write everything `Model.load` needs into a directory that exists and is empty. No pickle."""


@runtime_checkable
class Model(Protocol):
    """A recipe for a predictor.

    One that finds some of its settings by itself, setting rows of the window aside, may have
    ``as_found(predictor) -> Model``: the recipe with those settings as that fit found them. Who fits it again on parts
    of the same window then pays for that once. One that predicts noise, to try the plumbing, says of itself
    ``mock = True``, a class variable: everything that rests on it is labelled.
    """

    def fit(self, data: TrainingSet) -> Predictor:
        """Raises ModelError where the data cannot be fitted (constant label, too few rows)."""

    def load(self, directory: Path) -> Predictor: ...


class Part(NamedTuple):
    """A part of a fit, which may be worked on anywhere: in this process, in another, on another machine.

    Parameters
    ----------
    work : callable         a function of a module, ``work(data, *given)``; what it gives pickles
    given : tuple           what it takes besides the training set; pickles
    inside : tuple of int   empty: it sees the whole window; else the rows for fitting in that split of `data.splitter`,
                            and, where there are more, in that split of these
    """

    work: Callable[..., Any]
    given: tuple[Any, ...] = ()
    inside: tuple[int, ...] = ()

    def do(self, data: TrainingSet) -> Any:
        """Work on it here."""
        return self.work(self.seen(data), *self.given)

    def seen(self, data: TrainingSet) -> TrainingSet:
        """What of the training set it sees."""
        for index in self.inside:
            (split,) = itertools.islice(data.splitter.split(data.row_ns, data.t_end), index, index + 1)
            data = data.part(split.train)
        return data


Fitting = Generator[Sequence[Part], Sequence[Any], Predictor]
"""A fit in steps: each yields parts that do not need each other, is sent what came of them, in their order, and what is
returned is the predictor."""


@runtime_checkable
class Parted(Protocol):
    """A model whose fit has parts that can be worked on side by side; one beside `Model`."""

    def fitting(self, data: TrainingSet) -> Fitting:
        """What `fit` makes of the same data, to the bit, whoever works on the parts."""
