"""The record of everything a session consumed, in the order of consumption: what a replay needs beside the lock.

A ``.jsonl.zst`` file: a header line, one JSON object per input, a closing line. It is written as independent
compressed frames, so a file that was cut opens up to the last whole line and says that it was cut.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import msgspec
import numpy as np
import zstandard

from btcframe.api import Batch
from btcframe.atomic import unwritable
from btcframe.errors import DataError, StoreError
from btcframe.types import FILL, ORDER, EventArray, Frame, StateArray

FORMAT = "btcframe-session"
VERSION = 1

FLUSH_BYTES = 1 << 20
"""Uncompressed bytes after which a compressed frame is written: the most a crash can lose."""


class FrameItem(msgspec.Struct, tag_field="t", tag="frame", omit_defaults=True, gc=False):
    """One raw feed message. `raw` is its text; bytes that are not UTF-8 stand in `b64`."""

    ts: int
    stream: str
    raw: str = ""
    b64: str = ""

    def frame(self) -> Frame:
        """The message as it was received."""
        return Frame(self.ts, self.stream, base64.b64decode(self.b64) if self.b64 else self.raw.encode())


class HeartbeatItem(msgspec.Struct, tag_field="t", tag="heartbeat", gc=False):
    """Time passed."""

    ts: int


class CommandItem(msgspec.Struct, tag_field="t", tag="command"):
    """Something the user or the machinery asked for: halt, promotion, …"""

    ts: int
    name: str
    data: dict[str, Any] = {}


class OrdersItem(msgspec.Struct, tag_field="t", tag="orders"):
    """What the venue said about orders: one mapping of field to value per ORDER."""

    records: list[dict[str, int]]

    def array(self) -> StateArray:
        """ORDER[n]."""
        return _to_array(self.records, ORDER)


class FillsItem(msgspec.Struct, tag_field="t", tag="fills"):
    """What the venue said about fills: one mapping of field to value per FILL."""

    records: list[dict[str, int | float]]

    def array(self) -> StateArray:
        """FILL[n]."""
        return _to_array(self.records, FILL)


class EventsItem(msgspec.Struct, tag_field="t", tag="events"):
    """A batch of a source that makes its events from config and seed: how many, and their hash."""

    n: int
    sha256: str


class EndItem(msgspec.Struct, tag_field="t", tag="end"):
    """The last line of a session that was closed: how many items of each kind it holds."""

    counts: dict[str, int]


Item = FrameItem | HeartbeatItem | CommandItem | OrdersItem | FillsItem | EventsItem

_decode = msgspec.json.Decoder(Item | EndItem).decode


def events_sha256(events: EventArray) -> str:
    """Hash of an EVENT array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(events).view(np.uint8).data).hexdigest()


class SessionWriter:
    """Writes a session log. A context manager: leaving it on an exception leaves the log without its closing line.

    Parameters
    ----------
    path : Path
    header : mapping        source node, symbol, tick, lot, seed, …: plain values
    flush_bytes : int       uncompressed bytes per compressed frame

    Raises
    ------
    StoreError
        If it cannot be written; an existing log is never overwritten.
    """

    def __init__(self, path: Path, header: Mapping[str, Any], flush_bytes: int = FLUSH_BYTES) -> None:
        self.path = path
        try:
            self._file = path.open("xb")
        except OSError as error:
            raise self._failed(error) from error
        self._encoder = msgspec.json.Encoder()
        self._compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
        self._buffer = bytearray()
        self._flush_bytes = flush_bytes
        self._counts: Counter[str] = Counter()
        self._line({"t": "header", "format": FORMAT, "version": VERSION, **header})
        self.flush()

    def frames(self, frames: Sequence[Frame]) -> None:
        """Raw feed messages, untouched."""
        for ts, stream, data in frames:
            try:
                self._line(FrameItem(ts, stream, raw=data.decode()))
            except UnicodeDecodeError:
                self._line(FrameItem(ts, stream, b64=base64.b64encode(data).decode()))
            self._counts["frame"] += 1

    def heartbeat(self, ts: int) -> None:
        """Time passed without a message."""
        self._add("heartbeat", HeartbeatItem(ts))

    def command(self, ts: int, name: str, **data: Any) -> None:
        """A halt, a promotion and its model directory, …"""
        self._add("command", CommandItem(ts, name, data))

    def orders(self, orders: StateArray) -> None:
        """ORDER[n] as the venue reported them; nothing is written for none."""
        if len(orders):
            self._add("orders", OrdersItem(_to_records(orders)))

    def fills(self, fills: StateArray) -> None:
        """FILL[n] as the venue reported them; nothing is written for none."""
        if len(fills):
            self._add("fills", FillsItem(_to_records(fills)))

    def events(self, events: EventArray) -> None:
        """The fingerprint of events that config and seed make again."""
        self._add("events", EventsItem(len(events), events_sha256(events)))

    def batch(self, batch: Batch) -> None:
        """A batch as a feed handed it over: its frames, or the fingerprint of its events where it has none."""
        if batch.frames:
            self.frames(batch.frames)
        elif len(batch.events):
            self.events(batch.events)

    def flush(self) -> None:
        """Hand everything written so far to the operating system."""
        if self._buffer:
            try:
                self._file.write(self._compressor.compress(self._buffer))
                self._file.flush()
            except OSError as error:
                raise self._failed(error) from error
            self._buffer.clear()

    def _failed(self, error: OSError) -> StoreError:
        return unwritable("the session log", self.path, error)

    def close(self) -> None:
        """Write the closing line; harmless when done twice."""
        if not self._file.closed:
            self._line(EndItem(dict(sorted(self._counts.items()))))
            self._stop()

    def __enter__(self) -> SessionWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif not self._file.closed:
            self._stop()

    def _stop(self) -> None:
        try:
            self.flush()
        finally:
            with contextlib.suppress(OSError):  # what could not be written has been reported by flush
                self._file.close()

    def _add(self, kind: str, item: Item) -> None:
        self._line(item)
        self._counts[kind] += 1

    def _line(self, item: Any) -> None:
        self._buffer += self._encoder.encode(item)
        self._buffer += b"\n"
        if len(self._buffer) >= self._flush_bytes:
            self.flush()


class SessionLog:
    """Reads a session log, streaming: iterate it for its items, any number of times.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    header : dict
    complete : bool or None
        After an iteration came to its end: whether the closing line was there. A killed run's is not.

    Raises
    ------
    DataError
        If the file is missing, is no session log, is of a newer version, or is damaged before its end.
    """

    READ: ClassVar[int] = 1 << 20

    def __init__(self, path: Path) -> None:
        self.path = path
        self.complete: bool | None = None
        if not path.is_file():
            raise DataError(f"there is no session log {path}")
        with path.open("rb") as file:
            first = next(self._lines(file), b"")
        try:
            header = msgspec.json.decode(first)
        except msgspec.DecodeError:
            header = None
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise DataError(f"{path} is not a session log", hint=f"Its first line has no format {FORMAT!r}.")
        if header["version"] != VERSION:
            raise DataError(
                f"the session log is of version {header['version']}, this btcframe reads {VERSION}",
                where=str(path),
                hint="Replay it with the btcframe that wrote it.",
            )
        self.header: dict[str, Any] = header

    def __iter__(self) -> Iterator[Item]:
        self.complete = None
        counts: Counter[str] = Counter()
        with self.path.open("rb") as file:
            lines = self._lines(file)
            next(lines, b"")
            for number, line in enumerate(lines, start=2):
                try:
                    item = _decode(line)
                except msgspec.DecodeError as error:
                    raise DataError(f"damaged session log: {error}", where=f"{self.path}:{number}") from error
                if isinstance(item, EndItem):
                    if item.counts != dict(counts):
                        raise DataError(
                            f"the session log holds {dict(counts)}, but closes with {item.counts}",
                            where=f"{self.path}:{number}",
                        )
                    self.complete = True
                    return
                counts[str(item.__struct_config__.tag)] += 1
                yield item
        self.complete = False

    def _lines(self, file: io.BufferedReader) -> Iterator[bytes]:
        """Whole lines; what follows the last line break of a cut file is dropped."""
        rest = b""
        number = 0
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        while True:
            try:
                chunk = reader.read(self.READ)
            except zstandard.ZstdError as error:
                raise DataError(
                    f"damaged session log: {error}", where=f"{self.path}, after line {number}"
                ) from error
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            number += len(lines)
            yield from lines


def _to_records(array: StateArray) -> list[dict[str, Any]]:
    names = [name for name in array.dtype.names or () if not name.startswith("pad")]
    return [dict(zip(names, (record[name].item() for name in names), strict=True)) for record in array]


def _to_array(records: list[Any], dtype: np.dtype[Any]) -> StateArray:
    array = np.zeros(len(records), dtype)
    for i, record in enumerate(records):
        for name, value in record.items():
            array[name][i] = value
    return array
