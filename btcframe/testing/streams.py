"""Checks of anything that reads rows in order and writes columns: features, regime descriptors, labelers."""

from __future__ import annotations

import contextlib
import gc
import io
import itertools
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from btcframe.testing.checks import (
    ContractError,
    NotApplicable,
    changed_field,
    differing,
    first_difference,
    global_generators,
)
from btcframe.types import Floats, StateArray

Inputs = Any  # ROW[n] or float64[n, d]


ROUNDS = 9
"""How often it may grow by too much before it is said to."""


class Stream(NamedTuple):
    """One thing that streams.

    Parameters
    ----------
    owner : str              for messages
    columns : tuple of str   what `update` writes, in order
    state : callable         () → memory before the first row
    update : callable        (inputs[n], state, out float64[n, k])
    """

    owner: str
    columns: tuple[str, ...]
    state: Callable[[], StateArray]
    update: Callable[[Any, StateArray, Floats], None]


SINGLE_ROWS = 1000
"""Rows fed one by one to see whether memory grows."""

GUARD = -12345.678
GUARDED = 1024
"""Numbers before and after the output of a run: a kernel checks no bounds, and a cheat must not crash the process."""


class Canvas:
    """An output float64[n, k] full of NaN, with guards around it."""

    def __init__(self, n: int, k: int) -> None:
        self._all = np.full(n * k + 2 * GUARDED, GUARD)
        self.out: Floats = self._all[GUARDED:-GUARDED].reshape(n, k)
        self.out[:] = np.nan

    def check(self, stream: Stream) -> None:
        """Raise if something was written beside the output."""
        if (self._all[:GUARDED] != GUARD).any() or (self._all[-GUARDED:] != GUARD).any():
            k = self.out.shape[1]
            raise ContractError(
                f"{stream.owner} writes other columns than declared: it declares {k} and writes beyond them",
                "out is float64[n, k], column j being columns()[j]; declare every column that is written.",
            )


def run(stream: Stream, inputs: Inputs, cuts: Iterable[int] = (), state: StateArray | None = None) -> Floats:
    """Columns over all rows, in one call or cut before the given rows. Works on a copy of the inputs."""
    inputs = inputs.copy()
    memory = stream.state() if state is None else state
    canvas = Canvas(len(inputs), len(stream.columns))
    edges = [0, *cuts, len(inputs)]
    for start, stop in itertools.pairwise(edges):
        stream.update(inputs[start:stop], memory, canvas.out[start:stop])
    canvas.check(stream)
    return canvas.out


def steady(stream: Stream, inputs: Inputs) -> Floats:
    """Columns over all rows, if two runs agree, with another between them; what a check compares with.

    Raises
    ------
    NotApplicable
        If they do not: whatever the check then saw, it would blame the wrong cause.
    """
    columns = run(stream, inputs)
    run(stream, inputs[: len(inputs) // 2])
    if first_difference(columns, run(stream, inputs)) is not None:
        raise NotApplicable(
            f"two runs of {stream.owner} over the same rows differ: see the check deterministic"
        )
    return columns


def check_causal(
    stream: Stream, inputs: Inputs, changed: Callable[[Inputs, int], Inputs], cuts: Sequence[int]
) -> None:
    """Changing or removing what comes after a row leaves every value up to it equal to the bit."""
    whole = steady(stream, inputs)
    for cut in cuts:
        ways = (
            (f"when rows after {cut} changed", changed(inputs, cut)),
            (f"when rows after {cut} were taken away", inputs[: cut + 1]),
        )
        for how, other in ways:
            altered = run(stream, other)[: cut + 1]
            found = first_difference(whole[: cut + 1], altered)
            if found is not None:
                raise _looks_ahead(stream, whole, altered, found, cut, how)


def _looks_ahead(
    stream: Stream, whole: Floats, altered: Floats, found: tuple[int, int], cut: int, how: str
) -> ContractError:
    t, j = found
    valid = np.flatnonzero(~np.isnan(whole[: cut + 1]).all(axis=1))
    seen = f"{whole[t, j]} became {altered[t, j]} {how}"
    if len(valid) > 50 and t <= valid[0]:
        return ContractError(
            f"{stream.owner} uses the whole batch: column {stream.columns[j]} at row {t}, {cut - t} rows back, {seen}",
            "A mean, scale or fit over the rows at hand knows the future. Keep running figures in `state`.",
        )
    ahead = cut + 1 - t
    return ContractError(
        f"{stream.owner} looks ahead by {ahead} row{'s' if ahead > 1 else ''}: "
        f"value at row {t} of column {stream.columns[j]}: {seen}",
        "Compute row t from rows up to t; what is needed from earlier rows belongs in `state`.",
    )


def check_chunk_invariant(stream: Stream, inputs: Inputs) -> None:
    """One batch, row by row, and random cuts (empty ones too) give the same bits."""
    n = len(inputs)
    rng = np.random.default_rng(7)
    whole = steady(stream, inputs)
    splits = {
        "row by row": list(range(1, n)),
        "in chunks of 64": list(range(64, n, 64)),
        "in random chunks": np.sort(rng.integers(0, n + 1, n // 20)).tolist(),
    }
    for how, cuts in splits.items():
        parts = run(stream, inputs, cuts)
        found = first_difference(whole, parts)
        if found is not None:
            t, j = found
            raise ContractError(
                f"{stream.owner} depends on the chunk size: column {stream.columns[j]} at row {t} is "
                f"{whole[t, j]} in one batch of {n} rows and {parts[t, j]} {how}",
                "Use nothing of the batch (length, mean, last row); carry what the next call needs in `state`.",
            )


def check_state(stream: Stream) -> None:
    """Memory is a structured array of shape (1,), plain values only, and new with each call."""
    memory = stream.state()
    cure = "Return np.zeros(1, dtype) of a structured dtype with numbers only; it is saved with np.save."
    if not isinstance(memory, np.ndarray) or memory.shape != (1,) or memory.dtype.names is None:
        seen = f"{memory.dtype} {memory.shape}" if isinstance(memory, np.ndarray) else type(memory).__name__
        raise ContractError(
            f"{stream.owner}: state() is not a structured array of shape (1,) but {seen}", cure
        )
    if memory.dtype.hasobject:
        raise ContractError(f"{stream.owner}: state() holds Python objects: {memory.dtype}", cure)
    if np.shares_memory(memory, stream.state()):
        raise ContractError(f"{stream.owner}: state() hands out the same memory twice", cure)


def check_restart(stream: Stream, again: Stream, inputs: Inputs) -> None:
    """State saved at a row and restored in a new instance gives the bits of never stopping."""
    steady(stream, inputs)
    n = len(inputs)
    for at in (1, n // 3, n - n // 5):
        whole = run(stream, inputs, (at,))
        memory = stream.state()
        run(stream, inputs[:at], state=memory)
        restored = saved(memory)
        run(again, inputs[::-1])  # someone else computes in between
        rest = run(again, inputs[at:], state=restored)
        found = first_difference(whole[at:], rest)
        if found is not None:
            t, j = found
            raise ContractError(
                f"{stream.owner} keeps memory outside its state: saved at row {at} and restored, column "
                f"{stream.columns[j]} at row {at + t} is {rest[t, j]} instead of {whole[at + t, j]}",
                "Whatever the next row needs must stand in `state`: no attribute, global, cache or closure.",
            )


def saved(memory: StateArray) -> StateArray:
    """The memory after a round trip through a file."""
    file = io.BytesIO()
    np.save(file, memory, allow_pickle=False)
    file.seek(0)
    restored: StateArray = np.load(file, allow_pickle=False)
    return restored


def check_deterministic(stream: Stream, again: Stream, inputs: Inputs, others: Inputs) -> None:
    """Two runs give the same bits, also when two instances take turns on different markets."""
    first = run(stream, inputs)
    for second in (run(stream, inputs), run(again, inputs)):
        found = first_difference(first, second)
        if found is None:
            continue
        t, j = found
        seen = f"column {stream.columns[j]} at row {t} is {first[t, j]}, then {second[t, j]}"
        if first_difference(_reseeded(stream, inputs), _reseeded(again, inputs)) is None:
            raise ContractError(
                f"{stream.owner} is unseeded: it draws from the global random generator: {seen}",
                "A feature is a function of the rows: draw nothing, or from a generator with a seed of its own.",
            )
        raise ContractError(
            f"{stream.owner} keeps hidden global state: two runs over the same rows differ: {seen}",
            "All memory stands in `state`: no attribute, global, cache or closure that an earlier run fills.",
        )
    memories = stream.state(), again.state()
    canvases = [Canvas(len(market), len(stream.columns)) for market in (inputs, others)]
    cuts = range(37, len(inputs), 37)
    for start in (0, *cuts):
        part = slice(start, start + 37)
        stream.update(inputs[part].copy(), memories[0], canvases[0].out[part])
        again.update(others[part].copy(), memories[1], canvases[1].out[part])
    for canvas, alone in zip(canvases, (run(stream, inputs, cuts), run(stream, others, cuts)), strict=True):
        found = first_difference(alone, canvas.out)
        if found is not None:
            t, j = found
            raise ContractError(
                f"{stream.owner} keeps hidden global state: with a second instance running, column "
                f"{stream.columns[j]} at row {t} is {canvas.out[t, j]} instead of {alone[t, j]}",
                "All memory stands in `state`: two pipelines in one process must not see each other.",
            )


def _reseeded(stream: Stream, inputs: Inputs) -> Floats:
    with global_generators(1):
        return run(stream, inputs)


def check_input_untouched(stream: Stream, inputs: Inputs) -> None:
    """`update` leaves the rows as they were."""
    handed = inputs.copy()
    stream.update(handed, stream.state(), Canvas(len(inputs), len(stream.columns)).out)
    where = changed_field(inputs, handed)
    if not where and inputs.dtype.names is None and differing(inputs, handed).any():
        t, j = np.argwhere(differing(inputs, handed))[0]
        where = f"row {t}, column {j}: {inputs[t, j]} became {handed[t, j]}"
    if where:
        raise ContractError(
            f"{stream.owner} changes its input: {where}",
            "Rows are shared with every other component: copy what you change, or keep it in `state`.",
        )


def check_written(stream: Stream, inputs: Inputs) -> None:
    """What is written is what is declared: every column, and nothing beside them."""
    k = len(stream.columns)
    canvas = Canvas(len(inputs), k)
    try:
        stream.update(inputs.copy(), stream.state(), canvas.out)
    except (IndexError, ValueError) as error:
        raise ContractError(
            f"{stream.owner} writes other columns than declared: it declares {k} "
            f"({', '.join(stream.columns)}), and writing them raised {type(error).__name__}: {error}",
            "out is float64[n, k], column j being columns()[j].",
        ) from error
    canvas.check(stream)
    empty = [name for j, name in enumerate(stream.columns) if np.isnan(canvas.out[:, j]).all()]
    if empty:
        raise ContractError(
            f"{stream.owner} writes other columns than declared: {', '.join(empty)} is declared and never written "
            f"in {len(inputs)} ordinary rows",
            "Write every column of columns(), in that order, or do not declare it.",
        )


def check_no_growth(stream: Stream, inputs: Inputs) -> None:
    """Single rows, a thousand of them, leave no memory behind."""
    memory = stream.state()
    n = len(inputs)
    canvas = Canvas(n, len(stream.columns))

    def feed(times: int) -> None:
        for i in range(times):
            t = i % n
            stream.update(inputs[t : t + 1], memory, canvas.out[t : t + 1])

    def growth() -> int:
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        feed(SINGLE_ROWS)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before

    feed(n)  # beyond the warm-up: what is loaded or compiled for the first value is there before it counts
    with _tracing():
        feed(100)
        # a cache fills, and is full, and other threads allocate too; what leaks does so every time
        if any(growth() <= 4 * SINGLE_ROWS for _ in range(ROUNDS)):
            return
        before = _allocated()
        feed(SINGLE_ROWS)
        left = _allocated().compare_to(before, "lineno")
    if (grown := _size(left)) > 4 * SINGLE_ROWS:
        (most, *_) = left
        raise ContractError(
            f"{stream.owner} grows with every row: {grown / SINGLE_ROWS:.0f} bytes a row left behind after "
            f"{SINGLE_ROWS} rows, most of it at {most.traceback}",
            "Memory is a fixed record in `state`: use a ring buffer, not a list.",
        )


@contextlib.contextmanager
def _tracing() -> Iterator[None]:
    if tracemalloc.is_tracing():
        yield
        return
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def _allocated() -> tracemalloc.Snapshot:
    """What stands, but for what measuring it takes."""
    gc.collect()
    return tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, tracemalloc.__file__)])


def _size(left: Iterable[tracemalloc.StatisticDiff]) -> int:
    return sum(line.size_diff for line in left)


def cost(stream: Stream, inputs: Inputs) -> dict[str, float]:
    """Measured cost: ns per row in one batch, µs for one row in a call of its own (medians)."""
    n = len(inputs)
    out = Canvas(n, len(stream.columns)).out
    batches, singles = [], []
    for _ in range(5):
        memory = stream.state()
        start = time.perf_counter_ns()
        stream.update(inputs, memory, out)
        batches.append((time.perf_counter_ns() - start) / n)
    memory = stream.state()
    for t in range(min(n, 500)):
        start = time.perf_counter_ns()
        stream.update(inputs[t : t + 1], memory, out[t : t + 1])
        singles.append((time.perf_counter_ns() - start) / 1000)
    return {"batch_ns_per_row": float(np.median(batches)), "one_row_us": float(np.median(singles))}
