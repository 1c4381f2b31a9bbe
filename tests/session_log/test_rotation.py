from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session_logs import HEADER, numbered, unpacked, write_lines

from btcframe.errors import DataError
from btcframe.session_log import (
    FrameItem,
    HeartbeatItem,
    Keeping,
    SessionLog,
    SessionWriter,
    part_path,
    part_paths,
)
from btcframe.types import Frame

LOG = "session.jsonl.zst"


def rotated(folder: Path, frames: list[Frame], keeping: Keeping) -> Path:
    path = folder / LOG
    with SessionWriter(path, HEADER, keeping) as writer:
        for frame in frames:
            writer.frames([frame])
    return path


def frames_of(log: SessionLog) -> list[Frame]:
    return [item.frame() for item in log if isinstance(item, FrameItem)]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    steps=st.lists(st.integers(0, 50), min_size=1, max_size=60),
    portions=st.integers(1, 7),
    block=st.integers(1, 400),
    part_bytes=st.integers(0, 300),
    part_ns=st.integers(0, 200),
    behind=st.booleans(),
)
def test_many_files_are_one_log(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], portions: int, block: int, part_bytes: int, part_ns: int,
    behind: bool,
) -> None:  # fmt: skip
    path = tmp_path_factory.mktemp("log") / LOG
    now, frames = 0, []
    for i, step in enumerate(steps):
        now += step
        frames.append(Frame(now, "s", b"%d" % i * (i % 9)))
    keeping = Keeping(block=block, part_bytes=part_bytes, part_ns=part_ns, behind=behind)
    with SessionWriter(path, HEADER, keeping) as writer:
        for i in range(0, len(frames), portions):
            writer.frames(frames[i : i + portions])
    assert writer.items == writer.acknowledged == len(frames)
    log = SessionLog(path)
    assert frames_of(log) == frames
    assert log.complete
    assert len(log.paths) == writer.parts
    stamps = [frame.local_ts for frame in frames]
    last = next((ts for ts in reversed(stamps) if ts), 0)
    told = log.summary()
    assert (told.parts, told.last_ns) == (writer.parts, last)
    assert told.size == writer.size == sum(p.stat().st_size for p in log.paths)
    assert told.first_ns == next((ts for ts in stamps if ts), 0)


def test_a_file_has_what_came_within_its_time(tmp_path: Path) -> None:
    path = rotated(tmp_path, [Frame(ts, "s", b"") for ts in (5, 9, 14, 15, 16, 40)], Keeping(part_ns=10))
    parts = [frames_of(SessionLog(p)) for p in part_paths(path)]
    assert [[f.local_ts for f in part] for part in parts] == [[5, 9, 14], [15, 16], [40]]


def test_a_file_ends_once_it_is_large_enough(tmp_path: Path) -> None:
    path = rotated(tmp_path, numbered(200), Keeping(block=100, part_bytes=2000))
    sizes = [p.stat().st_size for p in part_paths(path)]
    assert len(sizes) > 3
    assert all(2000 <= size < 2600 for size in sizes[:-1])


def test_every_file_opens_by_itself(tmp_path: Path) -> None:
    frames = numbered(100)
    path = rotated(tmp_path, frames, Keeping(part_ns=30))
    seen = 0
    for number, part in enumerate(part_paths(path), start=1):
        log = SessionLog(part)
        assert {k: log.header[k] for k in HEADER} == HEADER
        assert (log.header["part"], log.header["item"]) == (number, seen)
        found = frames_of(log)
        assert found == frames[seen : seen + len(found)]
        assert log.complete
        seen += len(found)
    assert seen == 100


def test_a_log_that_is_not_rotated_is_one_file_of_its_name(tmp_path: Path) -> None:
    path = rotated(tmp_path, numbered(3), Keeping())
    assert part_paths(path) == (path,)
    assert [p.name for p in tmp_path.iterdir()] == [LOG]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = rotated(tmp_path, numbered(100), Keeping(part_ns=30))
    part_path(path, 2).unlink()
    with pytest.raises(DataError, match="part 2 of the session log is missing") as caught:
        SessionLog(path)
    assert caught.value.where == str(part_path(path, 2))


def test_without_its_last_file_a_log_is_not_complete(tmp_path: Path) -> None:
    frames = numbered(100)
    path = rotated(tmp_path, frames, Keeping(part_ns=30))
    part_paths(path)[-1].unlink()
    log = SessionLog(path)
    assert frames_of(log) == frames[:90]
    assert log.complete is False


def test_a_file_of_another_session_is_refused(tmp_path: Path) -> None:
    for name, header in (("a", HEADER), ("b", HEADER | {"seed": 8})):
        (tmp_path / name).mkdir()
        with SessionWriter(tmp_path / name / LOG, header, Keeping(part_ns=30)) as writer:
            writer.frames(numbered(30))
            writer.frames(numbered(30, 30))
    path = tmp_path / "a" / LOG
    part_path(path, 2).write_bytes(part_path(tmp_path / "b" / LOG, 2).read_bytes())
    with pytest.raises(DataError, match="of another session"):
        list(SessionLog(path))
    part_path(path, 2).write_bytes(part_path(path, 1).read_bytes())
    with pytest.raises(DataError, match="begins with item 0, and the one before ends with 29"):
        list(SessionLog(path))
    part_path(path, 2).write_bytes(b"nonsense")
    part_path(path, 3).write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"session.0002.jsonl.zst is not a session log"):
        list(SessionLog(path))


def test_two_logs_in_one_directory_are_not_told_apart(tmp_path: Path) -> None:
    path = rotated(tmp_path, numbered(100), Keeping(block=100, part_ns=30))
    SessionWriter(path, HEADER).close()
    with pytest.raises(
        DataError, match=r"two session logs lie here: session.jsonl.zst, and one of \d+ parts"
    ):
        SessionLog(path)


def test_a_file_cut_in_the_middle_of_a_log_is_no_crash(tmp_path: Path) -> None:
    path = rotated(tmp_path, numbered(100), Keeping(block=100, part_ns=30))
    second = part_path(path, 2)
    second.write_bytes(second.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"cut in the middle: session.0002.jsonl.zst has no closing line"):
        list(SessionLog(path))
    alone = SessionLog(second)
    assert frames_of(alone) == numbered(100)[30 : 30 + len(frames_of(alone))]
    assert alone.complete is False


def test_a_writer_that_died_as_it_began_a_file_leaves_what_was_before(tmp_path: Path) -> None:
    path = rotated(tmp_path, numbered(60), Keeping(part_ns=30))
    whole = part_path(path, 2).read_bytes()
    for left in (b"", whole[:10]):
        part_path(path, 2).write_bytes(left)
        log = SessionLog(path)
        assert frames_of(log) == numbered(30)
        assert (log.complete, log.cut) == (False, len(left))
        assert log.summary().last_ns == 30


def test_a_log_of_version_1_is_read(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / LOG,
        '{"t":"header","format":"btcframe-session","version":1,"seed":7}',
        '{"t":"frame","ts":5,"stream":"a","raw":"b"}',
        '{"t":"heartbeat","ts":6}',
        '{"t":"end","counts":{"frame":1,"heartbeat":1}}',
    )
    log = SessionLog(path)
    assert list(log) == [FrameItem(5, "a", "b"), HeartbeatItem(6)]
    assert log.complete
    assert log.header["seed"] == 7
    assert log.summary()[2:] == (5, 6)


def test_zstdcat_reads_every_file(tmp_path: Path) -> None:
    path = rotated(tmp_path, numbered(100), Keeping(block=100, part_ns=30))
    for part in part_paths(path):
        lines = unpacked(part).decode().splitlines()
        assert lines[0].startswith('{"t":"header","format":"btcframe-session","version":2,')
        assert lines[-1].startswith('{"t":"end"' if part == part_paths(path)[-1] else '{"t":"next"')
