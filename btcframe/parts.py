"""Features and the regime at work: the parts of a pipeline that turn rows into columns.

A batch goes through all parts a chunk at a time, in one thread or several; a live row goes through them where it
stands. The bits are the same.
"""

from __future__ import annotations

import contextvars
import functools
import threading
from collections import deque
from collections.abc import Container, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from btcframe.api import Column, Feature, Regime
from btcframe.types import Floats, Instrument, Ints, RowArray, StateArray

CHUNK = 2048
"""Rows that all parts take before the next ones: 2 MB, which stay in the processor's cache.

As fast as fewer in one thread. In several each call is a wait for Python's lock, and fewer rows a call cost a quarter.
"""

_NOWHERE = (-1, 0)


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
    """

    def __init__(self, parts: Sequence[Part], rows: RowArray, matrix: Floats) -> None:
        ends = np.cumsum([0, *(part.block.shape[1] for part in parts)])
        self._whole = np.empty((1, ends[-1]))  # of a single row every part's columns are contiguous
        self._calls = [
            partial(part.component.update, rows[:1], part.state, self._whole[:, first:end])
            for part, first, end in zip(parts, ends, ends[1:], strict=False)
        ]
        used = [first + i for part, first in zip(parts, ends, strict=False) for i in part.used]
        self._used = np.array(used, np.int64)
        self._row = matrix[0]

    def update(self) -> None:
        """Advance over the row."""
        self._whole.fill(np.nan)
        for call in self._calls:
            call()
        self._whole.take(self._used, out=self._row, mode="clip")  # "raise" would buffer, and take 2 µs


def update_all(work: Sequence[tuple[Part, Floats]], rows: RowArray, threads: int = 1) -> None:
    """Each part over all rows, several parts at a time. The bits do not depend on the number of threads.

    Threads live as long as the call: there is no pool to close.

    Parameters
    ----------
    work : sequence of (Part, float64[n, u])    each with the matrix it writes into
    rows : ROW[n]
    threads : int

    Raises
    ------
    Exception
        What a component raises; where several do, what one thread would have met first.
    """
    queue = _Queue(work, rows)
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

    def __init__(self, work: Sequence[tuple[Part, Floats]], rows: RowArray) -> None:
        self._work, self._rows = work, rows
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
            part.update(rows, matrix[at : at + len(rows)])
        except BaseException as error:  # noqa: BLE001 - raised again by update_all, Ctrl-C as well
            with self._failing:
                if (at, i) < self.end:  # those before it still have their turn: one of them may fail, too
                    self.end, self.error = (at, i), error
        else:
            self._turns.append((at + CHUNK, i))
