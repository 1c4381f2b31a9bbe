"""A pipeline's memory in a file, so that a later session need not start from nothing.

A line with a checksum of all that follows, a line of facts (whose memory it is, where it stands, which arrays), the
arrays' bytes. A file is whole or not there, and one that is damaged, or not ours, never becomes a memory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from btcframe.atomic import replacing
from btcframe.errors import DataError
from btcframe.pipeline import Pipeline
from btcframe.types import StateArray

FORMAT = "btcframe-state"
VERSION = 1


@dataclass(frozen=True)
class SavedState:
    """What a pipeline remembers at one place of a session.

    Parameters
    ----------
    identity : mapping    what made it, plain values: a pipeline of another identity must not take it
    now_ns : int          local time of the last item it has seen
    rows : int            rows it has closed
    events : int          events of its session's market that went before it
    memory : mapping      `Pipeline.save()`
    """

    identity: Mapping[str, Any]
    now_ns: int
    rows: int
    events: int
    memory: Mapping[str, StateArray]

    @classmethod
    def of(cls, pipeline: Pipeline, identity: Mapping[str, Any], events: int) -> SavedState:
        """A copy of what the pipeline remembers now."""
        return cls(identity, pipeline.now_ns, pipeline.rows_seen, events, pipeline.save())


def write_state(path: Path, state: SavedState) -> str:
    """Write a state in the place of the one before.

    Returns
    -------
    str     the checksum: what names this state

    Raises
    ------
    StoreError
        If it cannot be written; the one before then stands.
    """
    facts = {
        "identity": state.identity,
        "now_ns": state.now_ns,
        "rows": state.rows,
        "events": state.events,
        "arrays": {name: [_descr(a.dtype), a.shape] for name, a in state.memory.items()},
    }
    body = b"".join([_line(facts), *(a.tobytes() for a in state.memory.values())])
    checksum = hashlib.sha256(body).hexdigest()
    with replacing(path, "the saved state") as temporary:
        temporary.write_bytes(_line({"format": FORMAT, "version": VERSION, "sha256": checksum}) + body)
    return checksum


def read_state(path: Path, checksum: str = "") -> SavedState:
    """Read a state.

    Parameters
    ----------
    path : Path
    checksum : str    what `write_state` returned, where just that state will do

    Raises
    ------
    DataError
        If there is none, it is damaged, not a saved state, another version's, or not that of the checksum.
    """
    try:
        first, _, body = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        raise DataError(f"there is no saved state {path.name}", where=str(path.parent)) from None
    except OSError as error:
        raise DataError(f"the saved state cannot be read: {error.strerror}", where=str(path)) from error
    try:
        head = json.loads(first)
    except ValueError:
        head = None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise DataError("it is damaged, or no saved state", where=str(path))
    if head.get("version") != VERSION:
        raise DataError(
            f"the saved state is of version {head.get('version')}, this btcframe reads {VERSION}",
            where=str(path),
        )
    found = hashlib.sha256(body).hexdigest()
    if found != head.get("sha256"):
        raise DataError("the saved state is damaged: it does not match its checksum", where=str(path))
    if checksum and found != checksum:
        raise DataError("it is another saved state than the session log names", where=str(path))
    facts, _, data = body.partition(b"\n")
    told = json.loads(facts)
    return SavedState(**told | {"memory": _arrays(told.pop("arrays"), data)})


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _arrays(told: Mapping[str, Any], data: bytes) -> dict[str, StateArray]:
    arrays, at = {}, 0
    for name, (descr, shape) in told.items():
        dtype = np.lib.format.descr_to_dtype(_as_descr(descr))
        count = int(np.prod(shape))
        arrays[name] = np.frombuffer(data, dtype, count, at).reshape(shape)
        at += count * dtype.itemsize
    return arrays


@cache
def _descr(dtype: np.dtype[Any]) -> Any:
    # a millisecond of Python for all parts of a pipeline, and the same at every write
    return np.lib.format.dtype_to_descr(dtype)


def _as_descr(descr: Any) -> Any:
    """A dtype's description as NumPy made it: JSON knows no tuples."""
    if isinstance(descr, str):
        return descr
    return [
        (name if isinstance(name, str) else tuple(name), _as_descr(kind), *map(tuple, shape))
        for name, kind, *shape in descr
    ]


class StateWriter:
    """Keeps the file of a session's state at most a while behind, from a thread of its own.

    Only the copy of the memory (`Pipeline.save`) is made by the caller. If the file before is still being written,
    the next one waits for a later call. Leaving it without an exception writes the last state.

    Parameters
    ----------
    path : Path
    pipeline : Pipeline
    identity : mapping      see SavedState
    every_ns : int          market time between two files, ns; 0: there is none
    flush : callable        puts the session log before the state, so that the log is never behind it

    Raises
    ------
    StoreError
        By `took` or at the end, if a file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        pipeline: Pipeline,
        identity: Mapping[str, Any],
        every_ns: int,
        flush: Callable[[], None],
    ) -> None:
        self._path, self._pipeline, self._identity = path, pipeline, identity
        self._every_ns, self._flush = every_ns, flush
        self._events = 0
        self._due_ns: int | None = None  # none before the first event
        self._pool = ThreadPoolExecutor(1, "state")
        self._writing: Future[str] | None = None

    def took(self, events: int) -> None:
        """The pipeline has consumed so many more events, and the session log holds them."""
        self._events += events
        if not self._every_ns:
            return
        now_ns = self._pipeline.now_ns
        if self._due_ns is None:
            self._due_ns = now_ns + self._every_ns
        if now_ns >= self._due_ns and (self._writing is None or self._writing.done()):
            self._write()
            self._due_ns = now_ns + self._every_ns

    def _write(self) -> None:
        if self._writing is not None:
            self._writing.result()
        self._flush()
        state = SavedState.of(self._pipeline, self._identity, self._events)
        self._writing = self._pool.submit(write_state, self._path, state)

    def __enter__(self) -> StateWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._pool:
            if kind is None and self._every_ns and self._events:
                self._write()
                if self._writing is not None:
                    self._writing.result()
