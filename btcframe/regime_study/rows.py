"""The market read once: mids, labels, and every method's descriptors, row by row."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from btcframe.api import Clock, Column, Feed, Label, Regime
from btcframe.errors import ConfigError, DataError
from btcframe.learning.tables import Assembler, Layout
from btcframe.pipeline import Pipeline
from btcframe.regime_study.growing import Growing
from btcframe.regime_study.visits import Labels
from btcframe.types import TRUTH, Floats, Instrument, Ints, RowArray, StateArray

if TYPE_CHECKING:
    import pyarrow as pa


BATCH = 8192
"""Rows handled at a time: a row with its book is a kilobyte. The bits do not depend on it."""


class Rows(NamedTuple):
    """What all methods are judged on; large arrays lie on the disk.

    Parameters
    ----------
    symbol : str
    period_ns : int                  of a row
    horizons_ns : tuple of int
    row_ns : int64[n]
    mid : float64[n]                 quote, NaN where there is none
    y : float64[n, h]                return over each horizon after the row, bps; NaN where unknown
    t_end : int64[n, h]
    descriptors : mapping            float64[n, d] of each regime that was asked
    truth : int8[n] or None          the state that a synthetic market was in, −1 where untold
    directory : Path                 where large arrays made from it lie
    """

    symbol: str
    period_ns: int
    horizons_ns: tuple[int, ...]
    row_ns: Ints
    mid: Floats
    y: Floats
    t_end: Ints
    descriptors: Mapping[str, Floats]
    truth: Labels | None
    directory: Path


@dataclass(frozen=True)
class _Apart:
    """A regime's descriptors as a feature, under its method's name: two of one kind have columns of their own."""

    name: str
    regime: Regime

    def columns(self) -> tuple[Column, ...]:
        return tuple(c._replace(name=f"{self.name}/{c.name}") for c in self.regime.columns())

    def state(self, instrument: Instrument) -> StateArray:
        return self.regime.state(instrument)

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        self.regime.update(rows, state, out)


def read(
    feed: Feed, clock: Clock, label: Label, regimes: Mapping[str, Regime], directory: Path, *,
    threads: int, advance: Callable[[float], None],
) -> Rows:  # fmt: skip
    """Push a feed through one pipeline that computes the descriptors of all regimes.

    Parameters
    ----------
    feed : Feed
    clock : Clock
    label : Label          its horizons are those that regimes are judged over
    regimes : mapping      at least one, by a name of its own
    directory : Path       where large arrays lie
    threads : int          that compute descriptors
    advance : callable     told of every number of rows closed

    Raises
    ------
    ConfigError
        If no regime is named.
    DataError
        If no row is closed, or none has a mid.
    StoreError
        If the disk is full.
    """
    if not regimes:
        raise ConfigError(
            "there is no regime to judge",
            where="regimes",
            hint="Name one or several: 'regimes=[hht,volatility]'.",
        )
    # a pipeline has one regime, and may have any number of features: the others are asked as such
    first, *others = regimes
    features = {name: _Apart(name, regimes[name]) for name in others}
    pipeline = Pipeline(feed.instrument, clock, features, regimes[first], threads=threads, capacity=BATCH)
    asked = {first: tuple(c.name for c in regimes[first].columns())}
    asked |= {name: tuple(c.name for c in feature.columns()) for name, feature in features.items()}
    layout = Layout.of([c.name for c in pipeline.columns], [c.name for c in pipeline.regime_columns], label)
    assembler = Assembler(layout, feed.instrument.symbol, label, BATCH)
    hidden: list[StateArray] = []
    with contextlib.closing(_Arrays(asked, layout, directory)) as arrays:
        for closed in _pushed(feed, pipeline, hidden):
            if closed:
                arrays.add(assembler.add(pipeline.rows, pipeline.x, pipeline.descriptors))
                advance(closed)
        arrays.add(assembler.finish())
        _check_enough(assembler.summary.rows, assembler.summary.unusable)
        return arrays.finish(feed.instrument.symbol, clock.period_ns, hidden)


def _pushed(feed: Feed, pipeline: Pipeline, hidden: list[StateArray]) -> Iterator[int]:
    """Push everything, and keep what is told of the truth. Yields after each step how many rows the pipeline closed."""
    for batch in feed:
        if batch.truth is not None:
            hidden.append(batch.truth)
        rows = batch.rows
        at = 0
        while rows is not None and at < len(rows):
            at = pipeline.push_rows(rows, at)
            yield len(pipeline.rows)
        at, whole = 0, False
        while not whole:
            at, wake = pipeline.push(batch.events, at)
            whole = at == len(batch.events) and not wake
            yield len(pipeline.rows)


class _Arrays:
    """Tables as the assembler gives them out, gathered into arrays."""

    def __init__(self, asked: Mapping[str, tuple[str, ...]], layout: Layout, directory: Path) -> None:
        self._asked, self._layout, self._directory = asked, layout, directory
        self._ends = tuple(f"{label}_t_end" for label in layout.labels)
        self._row_ns = Growing(np.int64, 1, directory)
        self._mid = Growing(np.float64, 1, directory)
        self._y = Growing(np.float64, len(layout.labels), directory)
        self._t_end = Growing(np.int64, len(layout.labels), directory)
        self._told = {name: Growing(np.float64, len(columns), directory) for name, columns in asked.items()}

    def add(self, table: pa.Table | None) -> None:
        if table is None:
            return

        def columns(names: Iterable[str]) -> Floats:
            return np.column_stack([table.column(name).to_numpy() for name in names])

        self._row_ns.add(columns(["row_ns"]))
        self._mid.add(columns(["mid"]))
        self._y.add(columns(self._layout.labels))
        self._t_end.add(columns(self._ends))
        for name, growing in self._told.items():
            growing.add(columns(self._asked[name]))

    def close(self) -> None:
        for growing in (self._row_ns, self._mid, self._y, self._t_end, *self._told.values()):
            growing.close()

    def finish(self, symbol: str, period_ns: int, hidden: list[StateArray]) -> Rows:
        row_ns = self._row_ns.finish()[:, 0]
        return Rows(
            symbol, period_ns, self._layout.horizons_ns, row_ns, self._mid.finish()[:, 0], self._y.finish(),
            self._t_end.finish(), {name: growing.finish() for name, growing in self._told.items()},
            _truth_at(row_ns, hidden), self._directory,
        )  # fmt: skip


def _truth_at(row_ns: Ints, hidden: list[StateArray]) -> Labels | None:
    """The true state at each row, −1 where none was told for its time; None where the source tells nothing."""
    told = np.concatenate(hidden) if hidden else np.empty(0, TRUTH)
    if not len(told):
        return None
    at = np.minimum(np.searchsorted(told["row_ns"], row_ns), len(told) - 1)
    return np.where(told["row_ns"][at] == row_ns, told["regime"][at], -1).astype(np.int8)


def _check_enough(rows: int, unusable: int) -> None:
    if rows == 0:
        raise DataError("no row was closed", where="source", hint="Is there a whole book in the data?")
    if unusable == rows:
        raise DataError(f"none of the {rows:,} rows has a price", where="source")
