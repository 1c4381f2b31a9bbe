from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session_logs import HEADER, unpacked, write_lines

from btcframe.api import Batch
from btcframe.errors import DataError, StoreError
from btcframe.session_log import (
    CommandItem,
    EventsItem,
    FillsItem,
    FrameItem,
    HeartbeatItem,
    Keeping,
    OrdersItem,
    SessionLog,
    SessionWriter,
    events_sha256,
)
from btcframe.types import EVENT, FILL, ORDER, Frame


def orders() -> np.ndarray:
    out = np.zeros(2, ORDER)
    out["order_id"], out["ns"], out["side"], out["model"] = [1, 2], 1_700_000_000_123_456_789, -1, -1
    return out


def fills() -> np.ndarray:
    out = np.zeros(1, FILL)
    out["order_id"], out["ns"], out["fee"], out["maker"] = 1, 1_700_000_000_123_456_789, 0.1 + 0.2, 1
    return out


def test_everything_comes_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl.zst"
    events = np.zeros(3, EVENT)
    events["ticks"] = [1, 2, 3]
    with SessionWriter(path, HEADER) as log:
        log.frames([Frame(5, "a@trade", b'{"p": "\xc3\xa9\\n"}'), Frame(6, "", b"\xff\x00raw")])
        log.heartbeat(7)
        log.command(8, "promotion", model="models/1", fold=3)
        log.orders(orders())
        log.orders(orders()[:0])
        log.fills(fills())
        log.events(events)
        log.batch(Batch(events))
        log.batch(Batch(frames=[Frame(9, "a@depth", b"[]")]))
        log.batch(Batch())
    log = SessionLog(path)
    assert {k: log.header[k] for k in HEADER} == HEADER
    items = list(log)
    assert log.complete
    assert [type(i) for i in items] == [
        FrameItem, FrameItem, HeartbeatItem, CommandItem, OrdersItem, FillsItem, EventsItem, EventsItem, FrameItem,
    ]  # fmt: skip
    assert items[0].frame() == Frame(5, "a@trade", b'{"p": "\xc3\xa9\\n"}')
    assert items[1].frame() == Frame(6, "", b"\xff\x00raw")
    assert items[2].ts == 7
    assert (items[3].name, items[3].data) == ("promotion", {"model": "models/1", "fold": 3})
    assert items[4].array().tobytes() == orders().tobytes()
    assert items[5].array().tobytes() == fills().tobytes()
    assert items[6] == items[7] == EventsItem(3, events_sha256(events))
    assert list(log) == items  # any number of times
    lines = unpacked(path).splitlines()
    assert json.loads(lines[0]) | HEADER == json.loads(lines[0])
    assert json.loads(lines[-1])["counts"] == {
        "command": 1, "events": 2, "fills": 1, "frame": 3, "heartbeat": 1, "orders": 1,
    }  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 2**62), st.text(max_size=10), st.binary(max_size=60)), max_size=20))
def test_any_bytes_survive(tmp_path_factory: pytest.TempPathFactory, frames: list[tuple]) -> None:
    path = tmp_path_factory.mktemp("log") / "a.jsonl.zst"
    frames = [Frame(*f) for f in frames]
    with SessionWriter(path, HEADER, Keeping(block=100)) as log:
        log.frames(frames)
    assert [i.frame() for i in SessionLog(path)] == frames


def test_a_log_cut_anywhere_opens_up_to_the_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "whole.jsonl.zst"
    frames = [Frame(i, "s", b"x" * (i % 37)) for i in range(300)]
    with SessionWriter(path, HEADER, Keeping(block=500)) as writer:
        begins = path.stat().st_size
        for frame in frames:
            writer.frames([frame])
    data = path.read_bytes()
    cut = tmp_path / "cut.jsonl.zst"
    lengths = set()
    for size in [*range(begins, len(data), 97), len(data) - 1]:
        cut.write_bytes(data[:size])
        log = SessionLog(cut)
        items = [i.frame() for i in log]
        assert items == frames[: len(items)]
        assert log.complete is False
        lengths.add(len(items))
    assert max(lengths) > 280
    assert len(lengths) > 10


def test_a_session_that_failed_has_no_closing_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    with pytest.raises(RuntimeError), SessionWriter(path, HEADER) as writer:
        writer.heartbeat(1)
        raise RuntimeError
    log = SessionLog(path)
    assert list(log) == [HeartbeatItem(1)]
    assert log.complete is False


def test_flush_hands_over_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    writer = SessionWriter(path, HEADER)
    writer.heartbeat(1)
    assert list(SessionLog(path)) == []
    writer.flush()
    assert list(SessionLog(path)) == [HeartbeatItem(1)]
    writer.close()
    writer.close()
    log = SessionLog(path)
    assert list(log) == [HeartbeatItem(1)]
    assert log.complete


def log_of(path: Path, *lines: str) -> SessionLog:
    return SessionLog(write_lines(path, *lines))


FIRST = '{"t":"header","format":"btcframe-session","version":1}'


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a"
    log = log_of(path, FIRST, '{"t":"heartbeat","ts":1}', '{"t":"heartbeat"}')
    with pytest.raises(DataError) as caught:
        list(log)
    assert caught.value.where == f"{path}:3"
    log = log_of(path, FIRST, '{"t":"heartbeat","ts":1}', '{"t":"end","counts":{"heartbeat":2}}')
    with pytest.raises(DataError, match="holds 1 heartbeat, and its closing line counts 2 heartbeat"):
        list(log)


def test_damage_in_the_middle_is_no_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    rng = np.random.default_rng(0)
    with SessionWriter(path, HEADER, Keeping(block=4000)) as writer:
        for i in range(1000):
            writer.frames([Frame(i, "s", rng.bytes(90))])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged session log"):
        list(SessionLog(path))


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a does not exist"):
        SessionLog(tmp_path / "a")
    with pytest.raises(DataError, match=r"There is no directory .*nowhere either"):
        SessionLog(tmp_path / "nowhere" / "a")
    (tmp_path / "a").write_text("hello")
    with pytest.raises(
        DataError, match="is not a session log\nIt is a file of zstd blocks, and this is none"
    ):
        SessionLog(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(DataError, match="a is empty\nIts session ended before the first line was written"):
        SessionLog(tmp_path / "a")
    log_of(tmp_path / "a", FIRST)
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:20])
    with pytest.raises(DataError, match="or was cut before its first block was whole"):
        SessionLog(tmp_path / "a")
    for line in ("[]", "{}", "nonsense", '{"format":"other"}'):
        with pytest.raises(DataError, match="is not a session log"):
            log_of(tmp_path / "a", line)
    with pytest.raises(DataError, match="version 3"):
        log_of(tmp_path / "a", FIRST.replace("1", "3"))


def test_a_log_is_never_overwritten_and_needs_a_directory(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    SessionWriter(path, HEADER).close()
    with pytest.raises(StoreError, match="cannot be written"):
        SessionWriter(path, HEADER)
    with pytest.raises(StoreError, match="cannot be written"):
        SessionWriter(tmp_path / "no" / "a", HEADER)
