"""Data files as they are written: named by their checksum, without levels where nothing is null, nothing left behind."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import deltalake
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stores.every_row import read, rows, same

from btcframe.errors import StoreError
from btcframe.stores import lake_writing
from btcframe.stores.delta import Delta


@pytest.fixture
def store(tmp_path: Path) -> Delta:
    return Delta(str(tmp_path / "lake"))


def files(store: Delta, pattern: str = "*.parquet") -> list[Path]:
    return sorted(Path(store.path, "t").rglob(pattern))


def test_a_batch_is_written_as_files_side_by_side(store: Delta, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rows(0, 5000)
    monkeypatch.setattr(lake_writing, "PIECE_BYTES", whole.nbytes // 4)
    store.write("b", "t", whole)
    made = files(store)
    assert len(made) == 4
    assert all(f.stem.partition("-")[2] == hashlib.sha256(f.read_bytes()).hexdigest() for f in made)
    store.seal("b", {"tables": {"t": 5000}})
    assert same(read(store, "b"), whole)


def test_nulls_come_back_whether_a_file_has_them_or_not(store: Delta) -> None:
    """Three files of a day: without nulls, with them, and without the column; merged they are one."""
    many = np.arange(1, 31) * 10**9
    parts = [
        pa.table({"row_ns": many[:10], "symbol": ["s"] * 10, "x": np.arange(10.0), "y": np.arange(10)}),
        pa.table({"row_ns": many[10:20], "symbol": ["s"] * 10, "x": [None, *map(float, range(9))], "y": np.arange(10)}),
        pa.table({"row_ns": many[20:], "symbol": ["s"] * 10, "y": np.arange(10)}),
    ]  # fmt: skip
    for part in parts:
        store.write("b", "t", part)
    assert sorted("x" in f.names and not f.field("x").nullable for f in map(pq.read_schema, files(store))) == [
        False, False, True
    ]  # fmt: skip
    truth = pa.concat_tables(parts, promote_options="default")
    assert read(store, "b", whole=False).select(truth.column_names).equals(truth)
    store.compact()
    (merged,) = deltalake.DeltaTable(f"{store.path}/t").file_uris()
    schema = pq.read_schema(merged)
    assert [schema.field(name).nullable for name in ("row_ns", "symbol", "x", "y")] == [
        False,
        False,
        True,
        False,
    ]
    store.seal("b", {"tables": {"t": 30}})
    assert read(store, "b").select(truth.column_names).equals(truth)
    by_others = deltalake.QueryBuilder().register("t", deltalake.DeltaTable(f"{store.path}/t"))
    count = pa.table(by_others.execute("SELECT count(*) AS n, count(x) AS x, sum(y) AS y FROM t").read_all())
    assert count.to_pylist() == [{"n": 30, "x": 19, "y": 135}]


def test_what_a_killed_writer_leaves_is_no_row_no_finding_and_goes(store: Delta) -> None:
    store.write("b", "t", rows(0, 10))
    left = files(store)[0].parent / "0123456789ab.unfinished"
    left.write_bytes(b"PAR1 and half a file")
    store.seal("b", {"tables": {"t": 10}})
    assert same(read(store, "b"), rows(0, 10))
    assert [v.findings for v in store.verify()] == [()]
    store.compact()
    assert left.exists()  # a writer may be at it
    long_ago = time.time() - 2 * 86_400
    os.utime(left, (long_ago, long_ago))
    store.compact()
    assert not left.exists()
    assert same(read(store, "b"), rows(0, 10))


def test_a_write_that_fails_gives_back_what_it_wrote(store: Delta, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write("b", "t", rows(0, 10))

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="table t cannot be written") as caught:
            store.write("b", "t", rows(10, 10))
    assert "The disk is full" in str(caught.value)
    assert len(files(store)) == 1 and not files(store, "*.unfinished")
    store.write("b", "t", rows(10, 10))
    store.seal("b", {"tables": {"t": 20}})
    assert same(read(store, "b"), rows(0, 20))
