"""Features and the regime at work: the parts of a pipeline that turn rows into columns.

A batch goes through all parts a chunk at a time, in one thread or several; a live row goes through them where it
stands. The bits are the same.
"""

from __future__ import annotations

import contextvars
import functools
import threading
from collections import deque
from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from btcframe.api import Column, Feature, Regime
from btcframe.pipeline.containment import Containment
from btcframe.types import Floats, Instrument, Ints, RowArray, StateArray

CHUNK = 2048
"""Rows that all parts take before the next ones: 2 MB, which stay in the processor's cache.

As fast as fewer in one thread. In several each call is a wait for Python's lock, and fewer rows a call cost a quarter.
"""

_NOWHERE = (-1, 0)

_Call = tuple[str, Callable[[], object], Floats]
"""A part's name, its work on the row, and float64[1, k] that it writes into; a plain tuple, which a loop takes apart faster."""


class Part(NamedTuple):
    """A feature or the regime, with its memory and its own block of output.

    Each has a block of its own, so that a kernel sees one memory layout whether one row closed or 65,536.

    Parameters
    ----------
    name : str
    component : Feature or Regime
    state : structured    of shape (1,)
    block : float64[CHUNK, k]
    used : int64[u]       the columns of the block that are asked for
    first : int           column of the matrix where they begin
    """

    name: str
    component: Feature | Regime
    state: StateArray
    block: Floats
    used: Ints
    first: int

    def update(self, rows: RowArray, matrix: Floats) -> None:
        """Advance over at most CHUNK rows and write the used columns into theirs of the matrix."""
        out = self.block[: len(rows)]
        out.fill(np.nan)
        self.component.update(rows, self.state, out)
        kept = out if len(self.used) == out.shape[1] else out[:, self.used]
        matrix[:, self.first : self.first + len(self.used)] = kept

    def update_contained(self, rows: RowArray, matrix: Floats, containment: Containment) -> None:
        """The same; from the row on at which it raises when rows come singly, it is off and its columns are NaN."""
        own = slice(self.first, self.first + len(self.used))
        if self.name in containment.told:
            matrix[:, own] = np.nan
            return
        before = self.state.copy()
        try:
            self.update(rows, matrix)
        except Exception:  # noqa: BLE001 - which row it is about is found below
            self.state[:] = before
        else:
            return
        for i in range(len(rows)):
            try:
                self.update(rows[i : i + 1], matrix[i : i + 1])
            except Exception as error:  # noqa: BLE001 - contained, or raised again
                containment.met(self.name, error)
                matrix[i:, own] = np.nan
                return


def parts_of(
    components: Mapping[str, Any], instrument: Instrument, used: Container[str] | None = None
) -> tuple[tuple[Column, ...], list[Part]]:
    """The used columns, in order, and the parts that have any; None uses all."""
    columns: list[Column] = []
    parts = []
    for name, component in components.items():
        own = component.columns()
        taken = [i for i, column in enumerate(own) if used is None or column.name in used]
        if used is not None and not taken:
            continue
        state = component.state(instrument)
        block = np.empty((CHUNK, len(own)))
        parts.append(
            Part(
                name,
                component,
                state.view(_same(state.dtype)),
                block,
                np.array(taken, np.int64),
                len(columns),
            )
        )
        columns += [own[i] for i in taken]
    return tuple(columns), parts


@functools.cache
def _same(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """One object for equal dtypes: a compiled kernel knows a record array by it, and compares fields otherwise.

    Without it a second pipeline in a process pays more than a microsecond a call.
    """
    return dtype


class OneRow:
    """All parts over the first row of an array, where it stands: nothing is sliced and nothing allocated.

    Parameters
    ----------
    parts : sequence of Part
    rows : ROW[n]             its first row is read
    matrix : float64[n, u]    its first row is written
    containment : Containment
    stopwatch : callable, optional    the time in ns; with it `slowest` and `at_work` are told

    Attributes
    ----------
    slowest : (str, int)    the part that took longest over the last row, and how long, ns
    at_work : str           the part that is computing; another thread may look
    """

    def __init__(
        self, parts: Sequence[Part], rows: RowArray, matrix: Floats, containment: Containment,
        stopwatch: Callable[[], int] | None = None,
    ) -> None:  # fmt: skip
        ends = np.cumsum([0, *(part.block.shape[1] for part in parts)])
        self._whole = np.empty((1, ends[-1]))  # of a single row every part's columns are contiguous
        self._all: list[_Call] = [
            (part.name, partial(part.component.update, rows[:1], part.state, out), out)
            for part, first, end in zip(parts, ends, ends[1:], strict=False)
            for out in [self._whole[:, first:end]]
        ]
        used = [first + i for part, first in zip(parts, ends, strict=False) for i in part.used]
        self._used = np.array(used, np.int64)
        self._row = matrix[0]
        self._containment, self._stopwatch = containment, stopwatch
        self.slowest, self.at_work = ("", 0), ""
        self.settle()

    def settle(self) -> None:
        """Leave out the parts that are off from now on."""
        self._calls = [call for call in self._all if call[0] not in self._containment.told]

    def update(self) -> None:
        """Advance over the row."""
        self._whole.fill(np.nan)
        if self._stopwatch is not None:
            self._timed(self._stopwatch)
        else:
            for name, update, out in self._calls:
                try:
                    update()
                except Exception as error:  # noqa: BLE001 - contained, or raised again
                    self._met(name, out, error)
        self._whole.take(self._used, out=self._row, mode="clip")  # "raise" would buffer, and take 2 µs

    def _timed(self, stopwatch: Callable[[], int]) -> None:
        slowest, longest = "", 0
        before = stopwatch()
        for name, update, out in self._calls:
            self.at_work = name
            try:
                update()
            except Exception as error:  # noqa: BLE001 - contained, or raised again
                self._met(name, out, error)
            now = stopwatch()
            if now - before > longest:
                slowest, longest = name, now - before
            before = now
        self.slowest, self.at_work = (slowest, longest), ""

    def _met(self, name: str, out: Floats, error: Exception) -> None:
        self._containment.met(name, error)
        out.fill(np.nan)  # what it wrote before it raised is no value
        self.settle()


def update_all(
    work: Sequence[tuple[Part, Floats]], rows: RowArray, containment: Containment, threads: int = 1
) -> None:
    """Each part over all rows, several parts at a time. The bits do not depend on the number of threads.

    Threads live as long as the call: there is no pool to close.

    Parameters
    ----------
    work : sequence of (Part, float64[n, u])    each with the matrix it writes into
    rows : ROW[n]
    containment : Containment
    threads : int

    Raises
    ------
    Exception
        What a component raises that is not contained; where several do, what one thread would have met first.
    """
    queue = _Queue(work, rows, containment)
    others = min(threads, len(work)) - 1 if len(rows) > CHUNK else 0
    helpers = [
        threading.Thread(target=contextvars.copy_context().run, args=(queue.work_off,), name="features")
        for _ in range(others)
    ]
    try:
        for helper in helpers:
            helper.start()
        queue.work_off()
        for helper in helpers:
            helper.join()
    finally:
        queue.end = _NOWHERE  # after Ctrl-C out here the others stop as soon as they have done their chunk
        for helper in helpers:
            if helper.is_alive():
                helper.join()
    if queue.error is not None:
        raise queue.error


def available_threads() -> int:
    """How many threads this process may use: its cores, or what NUMBA_NUM_THREADS says, as a sweep's workers are told."""
    import numba

    return int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]  # numba sets it while it starts


class _Queue:
    """Turns (first row of a chunk, part), first come, first served.

    A part that has done its chunk queues up again behind the others: so all are near the same rows, which stay in
    the cache, and a dear part delays nobody. Whoever finds the queue empty is done: the parts that are left are in
    others' hands, and none can be in two.
    """

    def __init__(self, work: Sequence[tuple[Part, Floats]], rows: RowArray, containment: Containment) -> None:
        self._work, self._rows, self._containment = work, rows, containment
        self._contains = containment.catches or bool(containment.told)
        self._turns: deque[tuple[int, int]] = deque((0, i) for i in range(len(work)))
        self._failing = threading.Lock()
        self.end = (len(rows), 0)
        """The first turn that nobody takes."""
        self.error: BaseException | None = None

    def work_off(self) -> None:
        """Take turns until there are none left."""
        while True:
            try:
                turn = self._turns.popleft()
            except IndexError:
                return
            if turn < self.end:
                self._take(*turn)

    def _take(self, at: int, i: int) -> None:
        part, matrix = self._work[i]
        rows = self._rows[at : at + CHUNK]
        try:
            if self._contains:
                part.update_contained(rows, matrix[at : at + len(rows)], self._containment)
            else:
                part.update(rows, matrix[at : at + len(rows)])
        except BaseException as error:  # noqa: BLE001 - raised again by update_all, Ctrl-C as well
            with self._failing:
                if (at, i) < self.end:  # those before it still have their turn: one of them may fail, too
                    self.end, self.error = (at, i), error
        else:
            self._turns.append((at + CHUNK, i))
