"""PostgreSQL's binary COPY format, both ways, a column at a time: no loop over rows.

A row is the number of its fields, 16 bits, and for each field its length in bytes, 32 bits, and its value; a null has
length −1 and no value. Everything is big-endian. Source: PostgreSQL documentation, COPY, "Binary Format".

Where every row has the same lengths (no nulls, and texts of one length), rows are records: writing, one NumPy assignment
a column moves the values; reading, one a run of columns of the same kind. Otherwise values are put into records as wide
as the longest and the bytes that are too many are taken out; and, reading, each column is looked up at its place in the
row.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from btcframe.stores.postgres.kinds import KINDS

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
CHUNK = 1 << 21
"""Bytes that are encoded at a time: they stay in the processor's cache, and the server works on the last ones."""

Bytes = npt.NDArray[np.uint8]
Lengths = npt.NDArray[np.int32]


# -------------------------------------------------------------------------------------------------- encoding


def encode(kinds: Sequence[str], batch: pa.RecordBatch) -> Iterator[memoryview]:
    """The bytes of a batch's rows, without header and trailer, in pieces of about CHUNK.

    Parameters
    ----------
    kinds : sequence of str    of the batch's columns
    batch : RecordBatch
    """
    width = 2 + sum(4 + _widest(kind, column) for kind, column in zip(kinds, batch.columns, strict=True))
    step = max(1, CHUNK // width)
    for at in range(0, batch.num_rows, step):
        yield _records(kinds, batch.slice(at, step).columns)


def _widest(kind: str, column: pa.Array) -> int:
    """Bytes that the longest value of a column takes."""
    if kind == "string":
        return int(pc.max(pc.binary_length(column)).as_py() or 0)
    return np.dtype(KINDS[kind].wire).itemsize


def _records(kinds: Sequence[str], columns: Sequence[pa.Array]) -> memoryview:
    widths = [_widest(kind, column) for kind, column in zip(kinds, columns, strict=True)]
    head = np.empty(2 + sum(widths) + 4 * len(widths), np.uint8)
    _put(head[:2], ">i2", len(kinds))
    starts = 2 + np.cumsum([0, *(4 + w for w in widths)])
    for start, width in zip(starts, widths, strict=False):
        _put(head[start : start + 4], ">i4", width)
    out = np.empty((len(columns[0]), len(head)), np.uint8)
    out[:] = head
    surplus: list[tuple[slice, npt.NDArray[np.bool_]]] = []
    for start, width, kind, column in zip(starts, widths, kinds, columns, strict=False):
        value = slice(start + 4, start + 4 + width)
        lengths = _put_text(out[:, value], column) if kind == "string" else None
        if kind != "string":
            _put(out[:, value], KINDS[kind].wire, _values(kind, column))
            if column.null_count:
                lengths = np.where(column.is_valid(), width, -1).astype(np.int32)
        if lengths is not None and (lengths != width).any():
            _put(out[:, start : start + 4], ">i4", lengths)
            surplus.append((value, np.arange(width) >= lengths[:, None]))
    if not surplus:
        return out.reshape(-1).data
    kept = np.ones(out.shape, np.bool_)
    for value, more in surplus:
        kept[:, value] = ~more
    return out[kept].data


def _values(kind: str, column: pa.Array) -> npt.NDArray[Any]:
    """The numbers of a column as the wire counts them; anything where it is null."""
    zero = KINDS[kind].zero
    plain = column.view(pa.int64()) if zero else column
    filled = plain.fill_null(False if kind == "bool" else 0) if plain.null_count else plain
    values: npt.NDArray[Any] = filled.to_numpy(zero_copy_only=False)
    return values - zero if zero else values


def _put(place: Bytes, wire: str, values: Any) -> None:
    """Write values, one a row, as their bytes."""
    place.view(wire)[..., 0] = values


def _put_text(place: Bytes, column: pa.Array) -> Lengths:
    """Write texts left-aligned, one a row; returns their lengths in bytes, −1 for a null."""
    offsets, data = _text(column)
    lengths = np.diff(offsets).astype(np.int32)
    width = place.shape[1]
    if (lengths == width).all():
        place[:] = data[offsets[0] : offsets[-1]].reshape(place.shape)
    else:
        inside = np.arange(width) < lengths[:, None]
        place[inside] = data[offsets[0] : offsets[-1]]
    if column.null_count:
        lengths[~column.is_valid().to_numpy(zero_copy_only=False)] = -1
    return lengths


def _text(column: pa.Array) -> tuple[npt.NDArray[np.int64], Bytes]:
    """Offsets (n + 1) and bytes of an array of text; a null is an empty text."""
    filled = column.fill_null("") if column.null_count else column
    _, offsets, data = filled.buffers()
    ends = np.frombuffer(offsets, np.int32)[filled.offset :][: len(filled) + 1]
    return ends.astype(np.int64), np.frombuffer(data or b"", np.uint8)


# -------------------------------------------------------------------------------------------------- decoding


def decode(kinds: Sequence[str], rows: Sequence[bytes | memoryview]) -> list[pa.Array]:
    """Arrays of the columns, from the bytes of rows, each one row.

    Parameters
    ----------
    kinds : sequence of str
    rows : sequence of bytes    n > 0 of them, without header and trailer
    """
    told = b"".join(rows)
    columns = _alike(kinds, told, len(rows))
    return _apart(kinds, told, rows) if columns is None else columns


def _alike(kinds: Sequence[str], told: bytes, n: int) -> list[pa.Array] | None:
    """The columns of n rows that all have the lengths of the first; None where one has others."""
    width, rest = divmod(len(told), n)
    fields, start = [], 2
    for kind in kinds:
        (length,) = struct.unpack_from(">i", told, start)
        fields.append((kind, length))
        start += 4 + max(length, 0)
    if rest or start != width:
        return None
    columns: list[pa.Array] = []
    start = 2
    for (kind, length), run in itertools.groupby(fields):
        many, step = len(list(run)), 4 + max(length, 0)
        if (np.ndarray((n, many), ">i4", told, start, (width, step)) != length).any():
            return None
        columns += _run(kind, length, told, start + 4, (many, n), (step, width))
        start += many * step
    return columns


def _run(
    kind: str, length: int, told: bytes, start: int, shape: tuple[int, int], steps: tuple[int, int]
) -> Iterator[pa.Array]:
    """Columns of one kind and length that follow each other: values start at `start`, columns × rows of them."""
    many, n = shape
    if length < 0:
        yield from (pa.nulls(n, KINDS[kind].arrow) for _ in range(many))
    elif kind == "string":
        lengths = np.full(n, length, np.int32)
        texts = np.ndarray((*shape, length), np.uint8, told, start, (*steps, 1))
        yield from (_array(kind, np.frombuffer(text.tobytes(), np.uint8), lengths) for text in texts)
    else:
        values = np.ndarray(shape, KINDS[kind].wire, told, start, steps)
        yield from (
            _numbers(kind, column) for column in values.astype(values.dtype.newbyteorder("="), order="C")
        )


def _apart(kinds: Sequence[str], told: bytes, rows: Sequence[bytes | memoryview]) -> list[pa.Array]:
    """The columns of rows of any lengths."""
    data = np.frombuffer(told, np.uint8)
    starts = np.cumsum([0, *map(len, rows)])[:-1] + 2
    columns = []
    for kind in kinds:
        lengths = _at(data, starts, np.full(len(rows), 4)).view(">i4").astype(np.int32)
        taken = np.maximum(lengths, 0)
        columns.append(_array(kind, _at(data, starts + 4, taken), lengths))
        starts = starts + 4 + taken
    return columns


def _at(data: Bytes, starts: npt.NDArray[np.int64], lengths: npt.NDArray[Any]) -> Bytes:
    """The bytes data[starts[i] : starts[i] + lengths[i]], one after another."""
    ends = np.cumsum(lengths)
    taken: Bytes = data[np.repeat(starts - (ends - lengths), lengths) + np.arange(ends[-1])]
    return taken


def _array(kind: str, data: Bytes, lengths: Lengths) -> pa.Array:
    """An array of the values whose bytes follow each other; length −1 is a null."""
    valid = lengths >= 0
    if kind == "string":
        offsets = np.concatenate([[0], np.cumsum(np.maximum(lengths, 0))]).astype(np.int32)
        mask = None if valid.all() else pa.array(valid).buffers()[1]
        return pa.StringArray.from_buffers(len(lengths), pa.py_buffer(offsets), pa.py_buffer(data), mask)
    values = data.view(KINDS[kind].wire)
    spread = np.zeros(len(lengths), values.dtype.newbyteorder("="))
    spread[valid] = values
    return _numbers(kind, spread, None if valid.all() else ~valid)


def _numbers(kind: str, values: npt.NDArray[Any], missing: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """An array of numbers, as the wire counts them."""
    arrow, zero = KINDS[kind].arrow, KINDS[kind].zero
    return (
        pa.array(values + zero, mask=missing).view(arrow) if zero else pa.array(values, arrow, mask=missing)
    )
