"""The store delta alone; its contract is in tests/test_contract.py, the words of errors in test_every_store.py."""

from __future__ import annotations

import multiprocessing
import resource
import signal
from pathlib import Path

import pytest
from stores.every_row import read, rows

from btcframe.errors import StoreError
from btcframe.stores.delta import Delta


@pytest.fixture
def store(tmp_path: Path) -> Delta:
    return Delta(str(tmp_path / "lake"))


def test_memory_stays_flat_batch_by_batch(store: Delta) -> None:
    for part in range(4):
        store.write("b", "t", rows(part * 1000, 1000))
    store.seal("b", {})
    assert [batch.num_rows for batch in store.scan("b", "t")] == [1000] * 4


def test_a_damaged_file_is_named(store: Delta, tmp_path: Path) -> None:
    store.write("b", "t", rows(0, 10))
    store.seal("b", {})
    file = next((tmp_path / "lake" / "t").rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(StoreError, match="table t cannot be read") as caught:
        read(store, "b")
    assert str(tmp_path) in caught.value.where
    file.unlink()
    with pytest.raises(StoreError, match="table t cannot be read"):
        read(store, "b")
    log = next((tmp_path / "lake" / "builds" / "_delta_log").glob("*.json"))
    log.write_text("{not json")
    with pytest.raises(StoreError, match="list of builds cannot be read"):
        Delta(store.path).builds()


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = Delta(str(tmp_path / "file" / "lake"))
    with pytest.raises(StoreError) as caught:
        store.write("b", "t", rows(0, 10))
    assert "store.path" in caught.value.next
    with pytest.raises(ValueError, match="path: it is empty"):
        Delta(" ")


def _write_half(path: str, queue: multiprocessing.Queue[object], limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # what a full disk looks like to a file
    try:
        Delta(path).write("b", "t", rows(1000, 200_000))
        queue.put("written")
    except StoreError as error:
        queue.put(error.hint)


def test_a_full_disk_leaves_nothing_half(store: Delta) -> None:
    store.write("b", "t", rows(0, 10))
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_write_half, args=(store.path, queue, 200_000))
    process.start()
    assert queue.get(timeout=60) == "The disk is full: free some space."
    process.join()
    store.write("b", "t", rows(10, 10))
    store.seal("b", {"tables": {"t": 20}})
    assert read(store, "b")["row_ns"].equals(rows(0, 20)["row_ns"])
