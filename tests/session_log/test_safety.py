"""What is there after whatever went wrong."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest
from session_logs import HEADER, numbered

from btcframe.errors import DataError, StoreError
from btcframe.session_log import FrameItem, Keeping, Later, SessionLog, SessionWriter, Straight, files
from btcframe.types import Frame


def frames_of(log: SessionLog) -> list[Frame]:
    return [item.frame() for item in log if isinstance(item, FrameItem)]


def fill_up(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """A disk that takes so many bytes more."""
    real = os.pwrite
    left = [room]

    def pwrite(file: int, data: memoryview, at: int) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = real(file, data[: left[0]], at)
        left[0] -= taken
        return taken

    monkeypatch.setattr(files.os, "pwrite", pwrite)


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("room", [0, 10, 500, 5000])
def test_a_full_disk_is_said_and_nothing_before_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behind: bool, room: int
) -> None:
    path = tmp_path / "session.jsonl.zst"
    frames = numbered(2000)
    writer = SessionWriter(path, HEADER, Keeping(block=200, behind=behind))
    fill_up(monkeypatch, room)
    with pytest.raises(StoreError, match="session log cannot be written: No space left"), writer:
        for frame in frames:
            writer.frames([frame])
    monkeypatch.undo()
    log = SessionLog(path)
    found = frames_of(log)
    assert found == frames[: writer.acknowledged]
    assert (log.complete, log.cut) == (False, 0)  # the block that did not fit was taken back
    assert (len(found) > 0) == (room > 200)


def test_nothing_is_written_after_what_did_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "session.jsonl.zst"
    writer = SessionWriter(path, HEADER)
    writer.frames(numbered(3))
    fill_up(monkeypatch, 0)
    with pytest.raises(StoreError, match="No space left"):
        writer.flush()
    monkeypatch.undo()
    writer.frames(numbered(3, 10))
    with pytest.raises(StoreError, match="No space left"):
        writer.close()
    assert frames_of(SessionLog(path)) == []


@pytest.mark.parametrize("behind", [False, True])
def test_a_log_is_never_overwritten_and_needs_a_directory(tmp_path: Path, behind: bool) -> None:
    for keeping in (Keeping(behind=behind), Keeping(behind=behind, part_ns=1)):
        path = tmp_path / "session.jsonl.zst"
        SessionWriter(path, HEADER, keeping).close()
        with pytest.raises(StoreError, match="cannot be written: File exists"):
            SessionWriter(path, HEADER, keeping)
        with pytest.raises(StoreError, match="cannot be written: No such file"):
            SessionWriter(tmp_path / "no" / "a", HEADER, keeping)


def test_what_was_consumed_is_written_in_time(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl.zst"
    now = [0]
    writer = SessionWriter(path, HEADER, Keeping(flush_ns=100), now_ns=lambda: now[0])
    for now[0], written in ((99, 0), (100, 2), (150, 2), (199, 2), (200, 5), (1000, 6)):
        writer.frames(numbered(1, now[0]))
        assert writer.acknowledged == written
        assert len(frames_of(SessionLog(path))) == written
    writer.close()


def test_what_is_acknowledged_has_reached_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "session.jsonl.zst"
    synced: list[int] = []
    real = os.fdatasync

    def fdatasync(file: int) -> None:
        real(file)
        synced.append(os.fstat(file).st_size)

    monkeypatch.setattr(files.os, "fdatasync", fdatasync)
    with SessionWriter(path, HEADER, Keeping(block=1, sync=True)) as writer:
        for frame in numbered(5):
            writer.frames([frame])
            assert synced[-1] == path.stat().st_size == writer.size
    assert len(synced) == 7  # with the header and the closing line


def test_a_machine_that_went_down_leaves_zeros_at_most(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl.zst"
    with SessionWriter(path, HEADER, Keeping(block=200)) as writer:
        for frame in numbered(100):
            writer.frames([frame])
    data = path.read_bytes()
    path.write_bytes(data + bytes(1000))
    assert SessionLog(path).header["seed"] == 7
    log = SessionLog(path)
    assert frames_of(log) == numbered(100)
    assert log.complete  # the closing line is there
    for lost in (10, 200):
        path.write_bytes(data[:-lost] + bytes(lost))
        log = SessionLog(path)
        found = frames_of(log)
        assert found == numbered(100)[: len(found)]
        assert len(found) > 80
        assert log.complete is False
        assert log.cut >= lost


def test_damage_anywhere_is_found_and_never_a_wrong_item(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl.zst"
    with SessionWriter(path, HEADER, Keeping(block=150)) as writer:
        for frame in numbered(60):
            writer.frames([frame])
    data = path.read_bytes()
    damaged = 0
    for at in range(0, len(data), 7):
        broken = bytearray(data)
        broken[at] ^= 0x55
        path.write_bytes(broken)
        try:
            log = SessionLog(path)
            found = frames_of(log)
        except DataError:
            damaged += 1
            continue
        assert found == numbered(60)[: len(found)]  # in the last block damage cannot be told from a cut
        assert log.complete is False
        assert log.cut > 0
    assert damaged > len(range(0, len(data), 7)) * 0.8


@pytest.mark.parametrize("seed", range(3))
def test_a_log_that_is_written_later_goes_on_when_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Whatever fails, a block or the beginning of another file: all of it comes, once, in order."""
    draw = random.Random(seed)
    path, frames = tmp_path / "session.jsonl.zst", numbered(4000)
    held = Later(Straight(sync=False, again=True))
    writer = SessionWriter(path, HEADER, Keeping(block=500, part_ns=700), files=held)
    failures = 0
    with writer:
        for at in range(0, len(frames), 50):
            fill_up(monkeypatch, draw.choice((0, 30, 300, 10**6)))
            writer.frames(frames[at : at + 50])
            try:
                writer.flush()
            except StoreError as error:
                failures += 1
                assert "No space left" in error.what
                assert held.bytes > 0
                assert frames_of(SessionLog(path)) == frames[: writer.acknowledged]
            monkeypatch.undo()
    log = SessionLog(path)
    assert failures > 5 and held.bytes == 0
    assert frames_of(log) == frames
    assert log.complete and writer.parts == 6


def test_without_being_told_to_a_log_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Later(Straight(sync=False))
    writer = SessionWriter(tmp_path / "session.jsonl.zst", HEADER, files=held)
    writer.frames(numbered(10))
    fill_up(monkeypatch, 0)
    with pytest.raises(StoreError):
        writer.flush()
    monkeypatch.undo()
    with pytest.raises(StoreError, match="No space left"):
        writer.flush()
    held.end()
