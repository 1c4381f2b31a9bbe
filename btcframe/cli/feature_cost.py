"""What a row costs in each feature component, on this machine and on an ordinary market."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numba.core import event

from btcframe.api import Feature
from btcframe.clocks.time import TimeClock
from btcframe.kernels.book import new_book
from btcframe.kernels.flow import new_state
from btcframe.kernels.rows import build_rows
from btcframe.pipeline.parts import CHUNK, parts_of
from btcframe.sources.synthetic import Synthetic
from btcframe.types import CUT, ROW, Instrument, RowArray

ROWS = 8192
"""Enough for the windows of the defaults to be full in most of them."""

PASSES = 7


def measured(
    components: Mapping[str, Feature], compiling: Callable[[], None]
) -> tuple[dict[str, float], dict[str, Exception]]:
    """Costs on ordinary rows, and what the components raised that have none.

    Parameters
    ----------
    components : mapping of name to Feature
    compiling : callable    told once, if kernels must be compiled first

    Returns
    -------
    (costs, failures) : (dict of name to ns a row, dict of name to exception)
    """
    sound, failures = {}, {}
    with told_of_compiling(compiling):
        rows, instrument = ordinary_rows()
        for name, component in components.items():
            try:
                costs({name: component}, rows[:1], instrument, passes=1)
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything, and the others go on
                failures[name] = error
            else:
                sound[name] = component
        return costs(sound, rows, instrument), failures


def ordinary_rows(n: int = ROWS, seed: int = 0) -> tuple[RowArray, Instrument]:
    """The first rows, one a second, of the synthetic market.

    Returns
    -------
    (rows, instrument) : (ROW[n], Instrument)
    """
    room = n + 60  # the first seconds may have no row yet
    feed = Synthetic(duration=f"{room - 1}s").open(seed=seed)
    clock = TimeClock("1s")
    book, ingest, ticking = new_book(), new_state(feed.instrument, 0), clock.state()
    rows, cuts, closed = np.zeros(room, ROW), np.zeros(room, CUT), 0
    for batch in feed:
        found, seen = clock.cuts(batch.events, 0, ticking, cuts)
        closed += build_rows(book, ingest, batch.events, 0, seen, cuts, found, rows[closed:])
    feed.close()
    return rows[:n], feed.instrument


def costs(
    components: Mapping[str, Feature], rows: RowArray, instrument: Instrument, passes: int = PASSES
) -> dict[str, float]:
    """Nanoseconds a row of each component: the least of several passes, after one that does not count.

    As the pipeline goes about it: a chunk of rows through all components before the next one, so that each finds the
    processor's cache as the others leave it.

    Parameters
    ----------
    components : mapping of name to Feature
    rows : ROW[n]
    instrument : Instrument
    passes : int
    """
    columns, parts = parts_of(components, instrument)
    matrix = np.empty((CHUNK, len(columns)))
    spent = np.zeros((passes + 1, len(parts)))  # ns
    for taken in spent:
        for at in range(0, len(rows), CHUNK):
            chunk = rows[at : at + CHUNK]
            for i, part in enumerate(parts):
                start = time.perf_counter_ns()
                part.update(chunk, matrix[: len(chunk)])
                taken[i] += time.perf_counter_ns() - start
    least = spent[1:].min(axis=0) / len(rows)
    return {part.name: float(ns) for part, ns in zip(parts, least, strict=True)}


class _Once(event.Listener):
    """Numba's event of a compilation; loading a kernel from the cache is none."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell: Callable[[], None] | None = tell

    def on_start(self, event: Any) -> None:
        if self._tell is not None:
            self._tell()
            self._tell = None

    def on_end(self, event: Any) -> None: ...


@contextlib.contextmanager
def told_of_compiling(tell: Callable[[], None]) -> Iterator[None]:
    """Call once, before the first kernel that is compiled meanwhile."""
    listener = _Once(tell)
    event.register("numba:compile", listener)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        event.unregister("numba:compile", listener)  # type: ignore[no-untyped-call]
