"""A session log as it is written: items to lines, lines to blocks, blocks to files."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from btcframe.api import Batch
from btcframe.errors import StoreError
from btcframe.session_log.files import Behind, Files, Straight
from btcframe.session_log.items import (
    CommandItem,
    EndItem,
    EventsItem,
    FillsItem,
    FrameItem,
    HeartbeatItem,
    Item,
    NextItem,
    OrdersItem,
    events_sha256,
    kind,
)
from btcframe.session_log.reader import FORMAT, VERSION, part_path
from btcframe.types import EventArray, Frame, Kind, StateArray

_PIECE = 256
"""Frames that become lines at a time."""


@dataclass(frozen=True)
class Keeping:
    """How a log is kept.

    Parameters
    ----------
    block : int         bytes of lines after which they are written
    flush_ns : int      real time after which they are, however few; looked at whenever something is consumed. 0: never
    sync : bool         wait for the disk itself after each block: then a crash of the machine loses no more than one
                        of the process
    part_bytes : int    bytes on disk after which another file is begun; 0: never
    part_ns : int       time between the first and the last stamp of a file after which another is; 0: never
    behind : bool       write from a thread of its own
    """

    block: int = 1 << 20
    flush_ns: int = 0
    sync: bool = False
    part_bytes: int = 0
    part_ns: int = 0
    behind: bool = False

    @property
    def rotated(self) -> bool:
        """Whether the log may have several files."""
        return self.part_bytes > 0 or self.part_ns > 0


class SessionWriter:
    """Writes a session log. A context manager: leaving it on an exception leaves the log without its closing line.

    Parameters
    ----------
    path : Path         the file, or the name that the files share: ``session.0001.jsonl.zst`` of ``session.jsonl.zst``
    header : mapping    source node, symbol, tick, lot, seed, …: plain values; in every file
    keeping : Keeping
    now_ns : callable   a clock for `flush_ns`
    files : Files, optional     where blocks go, in place of what `keeping` says

    Raises
    ------
    StoreError
        If it cannot be written; an existing log is never overwritten.
    """

    def __init__(
        self,
        path: Path,
        header: Mapping[str, Any],
        keeping: Keeping = Keeping(),
        now_ns: Callable[[], int] = time.monotonic_ns,
        files: Files | None = None,
    ) -> None:
        self.path, self._header, self._keeping, self._now_ns = path, dict(header), keeping, now_ns
        self._encoder = msgspec.json.Encoder()
        straight = Straight(keeping.sync)
        self._files: Files = files or (Behind(straight) if keeping.behind else straight)
        self._part = 0
        self._items = 0
        self._buffer = bytearray()
        self._counts: Counter[str] = Counter()
        self._closed = False
        self._flushed_ns = now_ns() if keeping.flush_ns else 0
        try:
            self._begin()
            self._files.wait()
        except StoreError:
            self._files.end()
            raise

    @property
    def items(self) -> int:
        """Items so far."""
        return self._items

    @property
    def acknowledged(self) -> int:
        """Of them those that a crash of the process cannot lose; with `Keeping.sync`, nor one of the machine."""
        return self._files.written.acknowledged

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._files.written.size

    @property
    def parts(self) -> int:
        """Files so far."""
        return self._part

    def frames(self, frames: Sequence[Frame]) -> None:
        """Raw feed messages, untouched."""
        for i in range(0, len(frames), _PIECE):
            piece = frames[i : i + _PIECE]
            self._rotate(piece[0].local_ts)
            self._buffer += self._encoder.encode_lines([FrameItem.of(frame) for frame in piece])
            self._counts["frame"] += len(piece)
            self._items += len(piece)
            self._hand_over()

    def heartbeat(self, ts: int) -> None:
        """Time passed without a message."""
        self._rotate(ts)
        self.add(HeartbeatItem(ts))

    def command(self, ts: int, name: str, /, **data: Any) -> None:
        """A halt, a promotion and its model directory, …"""
        self.add(CommandItem(ts, name, data))

    def orders(self, orders: StateArray) -> None:
        """ORDER[n] as the venue reported them; nothing is written for none."""
        if len(orders):
            self.add(OrdersItem.of(orders))

    def fills(self, fills: StateArray) -> None:
        """FILL[n] as the venue reported them; nothing is written for none."""
        if len(fills):
            self.add(FillsItem.of(fills))

    def events(self, events: EventArray) -> None:
        """The fingerprint of events that config and seed make again."""
        self.add(EventsItem(len(events), events_sha256(events)))

    def batch(self, batch: Batch) -> None:
        """A batch as a feed handed it over: its frames, or what stands for its events where it has none."""
        events = batch.events
        if batch.frames:
            self.frames(batch.frames)
        elif len(events) == 1 and events["kind"][0] == Kind.HEARTBEAT:
            self.heartbeat(int(events["local_ts"][0]))
        elif len(events):
            self.events(events)

    def flush(self) -> None:
        """Hand everything written so far to the operating system, and wait until it has it."""
        self._hand_over(now=True)
        self._files.wait()

    def close(self) -> None:
        """Write the closing line; harmless when done twice."""
        if not self._closed:
            self._line(EndItem(dict(sorted(self._counts.items()))))
            self._stop()

    def __enter__(self) -> SessionWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif not self._closed:
            try:
                self._stop()
            except StoreError:
                if not isinstance(error, StoreError):  # that one says why already
                    raise

    def _stop(self) -> None:
        self._closed = True
        try:
            self.flush()
        finally:
            self._files.end()

    def _begin(self) -> None:
        """Begin another file."""
        self._part += 1
        self._since_ns: int | None = None  # the first stamp of this file
        path = part_path(self.path, self._part) if self._keeping.rotated else self.path
        head = {"t": "header", "format": FORMAT, "version": VERSION, "part": self._part, "item": self._items}
        self._files.begin(path, self._encoder.encode(head | self._header | head) + b"\n")

    def _rotate(self, ts: int) -> None:
        """Begin another file before an item of this stamp, if it is time."""
        keeping = self._keeping
        if not keeping.rotated:
            return
        if self._since_ns is None:
            self._since_ns = ts
        # the thread behind may not have come to this file yet
        full = (
            self._counts
            and self._files.written.part == self._part
            and 0 < keeping.part_bytes <= self._files.written.part_size
        )
        if full or 0 < keeping.part_ns <= ts - self._since_ns:
            self._line(NextItem(dict(sorted(self._counts.items()))))
            self._hand_over(now=True)
            self._counts.clear()
            self._begin()
            self._since_ns = ts

    def add(self, item: Item) -> None:
        """An item as it is, such as one of another log."""
        self._line(item)
        self._counts[kind(item)] += 1
        self._items += 1
        self._hand_over()

    def _line(self, item: Any) -> None:
        self._buffer += self._encoder.encode(item)
        self._buffer += b"\n"

    def _hand_over(self, now: bool = False) -> None:
        """Let the lines be written, if they are enough, it is time, or they must be."""
        if not (now or len(self._buffer) >= self._keeping.block or self._is_time()):
            return
        if self._keeping.flush_ns:
            self._flushed_ns = self._now_ns()
        if self._buffer:
            self._files.append(bytes(self._buffer), self._items)
            self._buffer.clear()

    def _is_time(self) -> bool:
        flush_ns = self._keeping.flush_ns
        return flush_ns > 0 and self._now_ns() - self._flushed_ns >= flush_ns
