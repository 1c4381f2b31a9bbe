"""What a segment of the spool looks like in its file; knows no store and no directory.

A segment is a header, then frames. The header holds the address of the store that the rows are for, and how far they
were drained, which is put right in place: that needs no room on a full disk. A frame is a head of fixed size, then
one JSON object that says what the rows are, then the rows as an Arrow IPC stream. Head and body have a CRC-32 each, so
that a length is never trusted that a flipped bit has changed.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from btcframe.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"btcspool"
VERSION = 1

ROWS, RECORD = "rows", "record"
"""Kinds of entries: rows of a build, and records of a run."""

_HEADER = struct.Struct("<8sIII")  # magic, version, bytes of the address, CRC of all that and the address
_DRAINED = struct.Struct("<QI")  # offset up to which frames are drained, its CRC
_HEAD = struct.Struct(
    "<4sIQQqI"
)  # mark, CRC of the body, bytes of the body, rows, when put, CRC of all before
_MARK = b"\xf1frm"

_LONGEST = 1 << 16
"""Bytes of an address at most."""

_ALIGNED = 64
"""Bytes to which the JSON object is padded, so that numbers lie where Arrow wants them."""


class Entry(NamedTuple):
    """Rows on their way into a store.

    Parameters
    ----------
    kind : str          ROWS or RECORD
    owner : str         the build, or the run
    table : str
    rows : pa.Table
    """

    kind: str
    owner: str
    table: str
    rows: pa.Table


class Header(NamedTuple):
    """The header of a segment: for which store, and where its frames begin and were drained up to."""

    address: str
    first: int
    drained: int


class Frame(NamedTuple):
    """A frame as it lies in its file. `body` is empty where only heads were read."""

    start: int
    end: int
    rows: int
    ns: int
    body: bytes


class Damage(NamedTuple):
    """Bytes that are no frame. `torn`: the file ends before its last frame does, as after a crash."""

    start: int
    end: int
    torn: bool

    @property
    def rows(self) -> int:
        """Nobody knows: none is counted."""
        return 0


def header(address: str) -> bytes:
    """The header of a new segment."""
    text = address.encode()
    fixed = _HEADER.pack(MAGIC, VERSION, len(text), 0)[:-4]
    fixed += zlib.crc32(fixed + text).to_bytes(4, "little")
    return fixed + text + _drained(len(fixed) + len(text) + _DRAINED.size)


def _drained(offset: int) -> bytes:
    return _DRAINED.pack(offset, zlib.crc32(offset.to_bytes(8, "little")))


def read_header(file: int, where: str) -> Header | None:
    """The header of an open segment, or None if it is damaged, or this is none.

    A place up to which it was drained that cannot be read counts as the beginning: a store takes no row twice.

    Raises
    ------
    StoreError
        If it is of a newer version.
    """
    fixed = os.pread(file, _HEADER.size, 0)
    if len(fixed) < _HEADER.size:
        return None
    magic, version, length, check = _HEADER.unpack(fixed)
    text = os.pread(file, min(length, _LONGEST), _HEADER.size)
    if magic != MAGIC or zlib.crc32(fixed[:-4] + text) != check:
        return None
    if version > VERSION:
        raise StoreError(
            f"this spool is of version {version}, and this btcframe reads up to {VERSION}",
            where=where,
            next="Drain it with the btcframe that wrote it, or install a newer one.",
        )
    place = os.pread(file, _DRAINED.size, _HEADER.size + length)
    if len(place) != _DRAINED.size:
        return None
    first = _HEADER.size + length + _DRAINED.size
    offset, told = _DRAINED.unpack(place)
    whole = told == zlib.crc32(offset.to_bytes(8, "little")) and offset >= first
    return Header(text.decode(), first, offset if whole else first)


def put_drained(file: int, first: int, offset: int) -> None:
    """Note in the header of an open segment that the frames before `offset` are in the store."""
    os.pwrite(file, _drained(offset), first - _DRAINED.size)


def packed(entry: Entry, ns: int, error: str = "") -> bytes:
    """A frame. `error`: why it was set apart."""
    import pyarrow

    what = {"kind": entry.kind, "owner": entry.owner, "table": entry.table}
    text = json.dumps(what | ({"error": error} if error else {})).encode() + b" "
    sink = pyarrow.BufferOutputStream()
    sink.write(text[:-1].ljust(-len(text) // _ALIGNED * -_ALIGNED - 1) + b"\n")
    with pyarrow.ipc.new_stream(sink, entry.rows.schema) as stream:
        stream.write_table(entry.rows.combine_chunks())  # else a batch for each of many small chunks
    body = sink.getvalue()
    head = _HEAD.pack(_MARK, zlib.crc32(body), body.size, entry.rows.num_rows, ns, 0)[:-4]
    return b"".join((head, zlib.crc32(head).to_bytes(4, "little"), body))


def unpacked(frame: Frame) -> Entry:
    """The entry in a frame."""
    import pyarrow

    buffer = pyarrow.py_buffer(frame.body)
    split = frame.body.index(b"\n") + 1
    what = json.loads(frame.body[:split])
    with pyarrow.ipc.open_stream(buffer.slice(split)) as stream:
        return Entry(what["kind"], what["owner"], what["table"], stream.read_all())


def error_of(frame: Frame) -> str:
    """Why a frame was set apart."""
    return str(json.loads(frame.body[: frame.body.index(b"\n")]).get("error", ""))


def scan(file: int, start: int, end: int, *, bodies: bool = True) -> Iterator[Frame | Damage]:
    """The frames of an open segment between two offsets, and what is damaged between them.

    Parameters
    ----------
    file : int          descriptor
    start, end : int    bytes
    bodies : bool       read and check the bodies, too
    """
    at = start
    while at < end:
        found = _frame(file, at, end, bodies)
        if found is None:
            found = Damage(at, _next(file, at + 1, end), False)
        yield found
        at = found.end


def _frame(file: int, at: int, end: int, bodies: bool) -> Frame | Damage | None:
    """The frame at an offset, the torn one there, or None if there is neither."""
    head = os.pread(file, min(_HEAD.size, end - at), at)
    if len(head) < _HEAD.size:
        return Damage(at, end, True)
    mark, check, length, rows, ns, own = _HEAD.unpack(head)
    if mark != _MARK or own != zlib.crc32(head[:-4]):
        return None
    stop = at + _HEAD.size + length
    if stop > end:
        return Damage(at, end, True)
    if not bodies:
        return Frame(at, stop, rows, ns, b"")
    body = os.pread(file, length, at + _HEAD.size)
    if len(body) < length or zlib.crc32(body) != check:
        return Damage(at, stop, False)
    return Frame(at, stop, rows, ns, body)


def _next(file: int, at: int, end: int) -> int:
    """Where the next whole head begins, or the end."""
    rest = os.pread(file, end - at, at)
    found = rest.find(_MARK)
    while found >= 0:
        head = rest[found : found + _HEAD.size]
        if len(head) == _HEAD.size and zlib.crc32(head[:-4]) == int.from_bytes(head[-4:], "little"):
            return at + found
        found = rest.find(_MARK, found + 1)
    return end
