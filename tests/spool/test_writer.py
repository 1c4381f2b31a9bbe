"""The spool of a session: receipts, fsync, bounds in memory and on disk, threads; no test waits for time to pass."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from spool.spooled import Clock, MemoryStore, down, entry, settings, stamps

from btcframe.api import SessionEvent
from btcframe.errors import StoreError
from btcframe.spool import Spool
from btcframe.spool.directory import Journal
from btcframe.spool.handover import KEPT, LOST, STORED, WAITING
from btcframe.spool.segment import segments
from btcframe.spool.status import read_status
from btcframe.types import NS


def spool_in(
    path: Path, store: Any, clock: Clock | None = None, **changes: Any
) -> tuple[Spool, list[SessionEvent]]:
    told: list[SessionEvent] = []
    how = {"now_ns": clock or Clock(), "uniform": lambda: 0.0, "observe": told.append}
    return Spool(store, settings(path, **changes), **how), told  # type: ignore[arg-type]


def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the disk is full."""

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("btcframe.spool.segment.os.pwrite", full)


def test_rows_are_acknowledged_on_disk_and_gathered_into_few_frames(tmp_path: Path) -> None:
    spool, _ = spool_in(tmp_path, store := MemoryStore())
    receipts = [spool.put(entry(i)) for i in range(50)]
    assert {receipt.state for receipt in receipts} == {WAITING}
    assert spool.write_step()
    assert {receipt.state for receipt in receipts} == {KEPT}
    assert (spool.status().rows, spool.status().batches, spool.status().memory) == (50, 1, 0)
    assert not spool.write_step()
    assert spool.drain_step().rows == 50
    assert store.stamps() == stamps(0, 50)
    spool.close()


def test_tables_stay_apart_and_in_order_in_the_file(tmp_path: Path) -> None:
    spool, _ = spool_in(tmp_path, store := MemoryStore())
    for each in (entry(0), entry(1), entry(0, table="u"), entry(2), entry(3, g=[1.0])):
        spool.put(each)
    spool.write_step()
    assert spool.status().batches == 4
    spool.drain_step()
    assert [call[2:] for call in store.calls] == [
        ("t", stamps(0, 3)),
        ("u", stamps(0, 1)),
        ("t", stamps(3, 1)),
    ]
    spool.close()


def test_no_rows_are_nothing_to_do(tmp_path: Path) -> None:
    spool, _ = spool_in(tmp_path, MemoryStore())
    assert spool.put(entry(0, 0)).acknowledged
    assert not spool.write_step()
    spool.close()


@pytest.mark.parametrize(("fsync", "files"), [("always", 10), ("interval", 2), ("never", 0)])
def test_when_the_disk_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: str, files: int
) -> None:
    waited: list[str] = []
    real = os.fsync

    def fsync_counted(file: int) -> None:
        waited.append(Path(f"/proc/self/fd/{file}").resolve().suffix)
        real(file)

    monkeypatch.setattr("btcframe.spool.segment.os.fsync", fsync_counted)
    spool, _ = spool_in(tmp_path, MemoryStore(), clock := Clock(), fsync=fsync, interval="4s")
    for i in range(10):
        clock.on(1)
        receipt = spool.put(entry(i))
        spool.write_step()
        assert receipt.acknowledged
    assert waited.count(".spool") == files
    spool.close()


def test_a_full_queue_refuses_what_comes_and_says_so(tmp_path: Path) -> None:
    spool, told = spool_in(tmp_path, store := MemoryStore(), queue=10)
    receipts = [spool.put(entry(3 * i, 3)) for i in range(5)]
    assert [receipt.state for receipt in receipts] == [WAITING] * 3 + [LOST] * 2
    assert not spool.wait(receipts[4])
    spool.write_step()
    assert spool.status().lost == 6
    assert [(e.kind, e.data["rows"], e.data["total"]) for e in told] == [("spool_lost", 6, 6)]
    spool.put(entry(20, 30))  # larger than the queue, but nothing else waits
    spool.write_step()
    spool.drain_step()
    assert store.stamps() == stamps(0, 9) + stamps(20, 30)
    spool.close()
    assert read_status(tmp_path, 0).lost == 6  # told to who comes later, too
    again, told = spool_in(tmp_path, store)
    assert again.status().lost == 6
    again.write_step()
    assert told == []
    again.close()


def test_a_full_disk_sends_rows_straight_to_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, told = spool_in(tmp_path, store := MemoryStore())
    spool.put(entry(0, 2))
    spool.write_step()
    no_room(monkeypatch)
    receipt = spool.put(entry(2, 2))
    assert not spool.write_step()
    assert receipt.state == WAITING
    assert spool.status().error == "No space left on device"
    assert spool.drain_step().rows == 2  # what is on disk comes first
    assert receipt.state == WAITING
    assert spool.drain_step().rows == 2
    assert receipt.state == STORED
    assert store.stamps() == stamps(0, 4)
    assert [e.kind for e in told] == ["spool_full"]
    monkeypatch.undo()
    spool.put(entry(4))
    assert spool.write_step()
    assert spool.status().error == ""
    spool.close()


def test_a_full_disk_and_no_store_keep_rows_in_memory_and_lose_only_what_exceeds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, told = spool_in(tmp_path, store := MemoryStore(down), clock := Clock(), queue=4)
    no_room(monkeypatch)
    receipts = [spool.put(entry(i)) for i in range(6)]
    for _ in range(3):
        assert not spool.write_step()
        assert spool.drain_step().error
        clock.on(60)
    assert [receipt.state for receipt in receipts] == [WAITING] * 4 + [LOST] * 2
    assert [e.kind for e in told] == ["spool_full", "spool_lost", "spool_waits"]
    monkeypatch.undo()
    assert spool.write_step()
    store.fails = lambda table, rows: None
    spool.close()
    assert store.stamps() == stamps(0, 4)
    assert [receipt.acknowledged for receipt in receipts] == [True] * 4 + [False] * 2


def test_rows_that_neither_disk_nor_store_takes_at_the_end_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, told = spool_in(tmp_path, MemoryStore(down))
    no_room(monkeypatch)
    receipt = spool.put(entry(0, 3))
    spool.close()
    assert receipt.state == LOST
    assert ("spool_lost", 3) in [(e.kind, e.data.get("rows")) for e in told]


def test_the_limit_counts_as_a_full_disk(tmp_path: Path) -> None:
    spool, told = spool_in(tmp_path, store := MemoryStore(down), limit=1_000_000, queue=100_000)
    for i in itertools.count():
        receipt = spool.put(entry(2000 * i, 2000))
        spool.write_step()
        if not receipt.acknowledged:
            break
    assert 0 < spool.status().bytes <= 1_000_000
    assert [(e.kind, e.data["error"]) for e in told] == [("spool_full", "spool.limit is reached")]
    store.fails = lambda table, rows: None
    spool.close()
    assert store.stamps() == stamps(0, 2000 * (i + 1))


def test_a_half_written_frame_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, _ = spool_in(tmp_path, store := MemoryStore())
    spool.put(entry(0))
    spool.write_step()
    real, calls = os.pwrite, []

    def half(file: int, data: Any, at: int) -> int:
        calls.append(at)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return real(file, data[: len(data) // 2], at)

    with monkeypatch.context() as patched:
        patched.setattr("btcframe.spool.segment.os.pwrite", half)
        spool.put(entry(1))
        assert not spool.write_step()
    spool.write_step()
    spool.drain_step(hurry=True)
    assert store.stamps() == stamps(0, 2)
    assert read_status(tmp_path, 0).damaged == 0
    spool.close()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    spool, _ = spool_in(tmp_path, MemoryStore())
    with pytest.raises(StoreError, match=f"process {os.getpid()} uses this spool") as raised:
        Journal(tmp_path, "memory", limit=1)
    assert "spool.path=" in str(raised.value)
    spool.close()
    Journal(tmp_path, "memory", limit=1).close()


def test_a_place_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="the spool cannot be used: Not a directory"):
        Journal(tmp_path / "file" / "spool", "memory", limit=1)


def test_what_a_crash_left_is_cut_off_and_the_rest_goes_on(tmp_path: Path) -> None:
    spool, _ = spool_in(tmp_path, store := MemoryStore())
    spool.put(entry(0, 2))
    spool.write_step()
    spool._journal.close()  # as a crash leaves it
    (path,) = segments(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + b"\xf1frm and a half")
    again, _ = spool_in(tmp_path, store)
    assert path.read_bytes() == whole
    again.close()
    assert store.stamps() == stamps(0, 2)


def test_threads_bring_everything_in(tmp_path: Path) -> None:
    store = MemoryStore()
    spool, _ = spool_in(tmp_path, store)
    with spool.running():
        receipts = [spool.put(entry(i)) for i in range(200)]
        assert spool.wait(receipts[-1], 60)
    assert store.stamps() == stamps(0, 200)
    assert segments(tmp_path) == []


def test_a_store_that_stalls_keeps_nobody_waiting(tmp_path: Path) -> None:
    stalled, go_on = threading.Event(), threading.Event()

    def stalls(table: str, rows: pa.Table) -> None:
        stalled.set()
        assert go_on.wait(60)

    store = MemoryStore(stalls)
    spool, _ = spool_in(tmp_path, store)
    with spool.running():
        spool.put(entry(0))
        assert stalled.wait(60)
        receipts = [spool.put(entry(i)) for i in range(1, 100)]
        assert all(spool.wait(receipt, 60) for receipt in receipts)  # on disk, while the store still stalls
        assert store.calls == []
        go_on.set()
    assert store.stamps() == stamps(0, 100)


def test_a_thread_that_fails_goes_on_and_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, told = spool_in(tmp_path, store := MemoryStore())
    real, failed = spool._journal.append, threading.Event()

    def once(frames: Any) -> None:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("a defect")
        real(frames)

    monkeypatch.setattr(spool._journal, "append", once)
    monkeypatch.setattr("btcframe.spool.writer.ROOM_NS", 0)
    with spool.running():
        assert spool.wait(spool.put(entry(0)), 60)
        assert spool.status().restarts == 1
    assert [(e.kind, e.data["error"]) for e in told] == [("spool_restarted", "RuntimeError: a defect")]
    assert store.stamps() == stamps(0, 1)


def test_how_it_stands_is_seen_by_others(tmp_path: Path) -> None:
    clock = Clock()
    spool, _ = spool_in(tmp_path, MemoryStore(down), clock)
    spool.put(entry(0, 3))
    spool.write_step()
    clock.on(10)
    spool.put(entry(3, 2))
    spool.write_step()
    spool.drain_step()
    seen = read_status(tmp_path, clock())
    assert seen == spool.status()
    assert (seen.rows, seen.batches, seen.stores) == (5, 2, {"memory": 5})
    assert (seen.oldest_ns, seen.age_ns) == (clock() - 10 * NS, 10 * NS)
    assert (seen.failures, seen.error) == (1, "the server is not there")
    assert seen.bytes < sum(path.stat().st_size for path in segments(tmp_path)) < seen.bytes + 200
    spool.close()


def test_counters_that_went_with_the_power(tmp_path: Path) -> None:
    (tmp_path / "counters.json").write_text("")
    spool, _ = spool_in(tmp_path, MemoryStore())
    assert spool.status().lost == 0
    spool.close()


def test_a_spool_that_cannot_be_opened_is_free_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, _ = spool_in(tmp_path, MemoryStore(down))
    with monkeypatch.context() as patched:
        patched.setattr("btcframe.spool.frames.VERSION", 2)
        spool.put(entry(0))
        spool.close()
    with pytest.raises(StoreError, match="of version 2"):
        Journal(tmp_path, "memory", limit=1)
    segments(tmp_path)[0].unlink()
    Journal(tmp_path, "memory", limit=1).close()


def test_a_disk_that_fails_at_the_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, _ = spool_in(tmp_path, MemoryStore(down))
    spool.put(entry(0))
    spool.write_step()

    def broken(file: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("btcframe.spool.segment.os.fsync", broken)
        with pytest.raises(StoreError, match="the spool cannot be used: Input/output error"):
            spool.close()
    again, _ = spool_in(tmp_path, store := MemoryStore())  # it is free, and the rows are there
    again.close()
    assert store.stamps() == stamps(0, 1)
