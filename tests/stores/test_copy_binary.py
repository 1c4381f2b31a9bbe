"""The binary COPY format beside a plain writer of it that goes value by value."""

from __future__ import annotations

import datetime
import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.stores.postgres import copy_binary
from btcframe.stores.postgres.copy_binary import decode, encode
from btcframe.stores.postgres.kinds import KINDS, STAMP

EPOCH = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
FORMATS = {"int16": ">h", "int32": ">i", "int64": ">q", "float": ">f", "double": ">d", "bool": ">?"}


def naive(kinds: list[str], rows: list[tuple[Any, ...]]) -> list[bytes]:
    """The bytes of each row, as the documentation tells the format."""
    out = []
    for row in rows:
        told = struct.pack(">h", len(row))
        for kind, value in zip(kinds, row, strict=True):
            if value is None:
                told += struct.pack(">i", -1)
                continue
            if kind == STAMP:
                data = struct.pack(">q", (value - EPOCH) // datetime.timedelta(microseconds=1))
            else:
                data = value.encode() if kind == "string" else struct.pack(FORMATS[kind], value)
            told += struct.pack(">i", len(data)) + data
        out.append(told)
    return out


def value(kind: str) -> st.SearchStrategy[Any]:
    if kind == "string":
        return st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
    if kind == STAMP:
        years = (datetime.datetime(year, 1, 1) for year in (1677, 2262))
        return st.datetimes(*years, timezones=st.just(datetime.UTC))
    if kind == "bool":
        return st.booleans()
    if kind in ("float", "double"):
        return st.floats(width=32 if kind == "float" else 64)
    bits = 8 * struct.calcsize(FORMATS[kind]) - 1
    return st.integers(-(2**bits), 2**bits - 1)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[tuple[Any, ...]]]:
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=5))
    nulls = draw(st.booleans())
    values = [st.none() | value(kind) if nulls else value(kind) for kind in kinds]
    return kinds, draw(st.lists(st.tuples(*values), min_size=1, max_size=8))


@settings(max_examples=150, derandomize=True, deadline=None)
@given(table=tables(), skipped=st.integers(0, 3), chunk=st.sampled_from([1, 100, 1 << 21]))
def test_any_rows_are_told_and_read_as_the_documentation_says(
    table: tuple[list[str], list[tuple[Any, ...]]], skipped: int, chunk: int
) -> None:
    kinds, rows = table
    columns = [pa.array(c, KINDS[k].arrow) for k, c in zip(kinds, zip(*rows, strict=True), strict=True)]
    batch = pa.RecordBatch.from_arrays(columns, [str(j) for j in range(len(kinds))])
    expected = naive(kinds, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copy_binary, "CHUNK", chunk)
        assert b"".join(encode(kinds, batch)) == b"".join(expected)
        part = batch.slice(skipped)  # a slice shares the buffers of the whole
        assert b"".join(encode(kinds, part)) == b"".join(expected[skipped:])
    for got, column in zip(decode(kinds, expected), columns, strict=True):
        got.validate(full=True)
        assert got.type == column.type and repr(got.to_pylist()) == repr(column.to_pylist())
