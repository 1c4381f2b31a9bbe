from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.api import Batch
from btcframe.errors import DataError, ReplayError, StoreError
from btcframe.recorded import RecordedFeed, recorded_feed
from btcframe.session_log import (
    CommandItem,
    EventsItem,
    FillsItem,
    FrameItem,
    HeartbeatItem,
    OrdersItem,
    SessionLog,
    SessionWriter,
    events_sha256,
)
from btcframe.sources.binance_raw import BinanceRaw
from btcframe.sources.random_walk import RandomWalk
from btcframe.types import EVENT, FILL, ORDER, Frame, Instrument, Kind

HEADER = {"source": {"plugin": "random_walk", "rate": 5.0}, "symbol": "BTC/USDT:USDT", "seed": 7}


def orders() -> np.ndarray:
    out = np.zeros(2, ORDER)
    out["order_id"], out["ns"], out["side"], out["model"] = [1, 2], 1_700_000_000_123_456_789, -1, -1
    return out


def fills() -> np.ndarray:
    out = np.zeros(1, FILL)
    out["order_id"], out["ns"], out["fee"], out["maker"] = 1, 1_700_000_000_123_456_789, 0.1 + 0.2, 1
    return out


def unpacked(path: Path) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True).read()


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
    with SessionWriter(path, HEADER, flush_bytes=100) as log:
        log.frames(frames)
    assert [i.frame() for i in SessionLog(path)] == frames


def test_a_log_cut_anywhere_opens_up_to_the_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "whole.jsonl.zst"
    frames = [Frame(i, "s", b"x" * (i % 37)) for i in range(300)]
    with SessionWriter(path, HEADER, flush_bytes=500) as writer:
        begins = path.stat().st_size
        writer.frames(frames)
    data = path.read_bytes()
    cut = tmp_path / "cut.jsonl.zst"
    lengths = set()
    for size in [*range(begins, len(data), 97), len(data) - 1]:
        cut.write_bytes(data[:size])
        log = SessionLog(cut)
        items = [i.frame() for i in log]
        assert items == frames[: len(items)]
        assert log.complete is False or items == frames  # only the checksum is missing
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


def write_lines(path: Path, *lines: str) -> SessionLog:
    path.write_bytes(zstandard.compress("".join(line + "\n" for line in lines).encode()))
    return SessionLog(path)


FIRST = '{"t":"header","format":"btcframe-session","version":1}'


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a"
    log = write_lines(path, FIRST, '{"t":"heartbeat","ts":1}', '{"t":"heartbeat"}')
    with pytest.raises(DataError) as caught:
        list(log)
    assert caught.value.where == f"{path}:3"
    log = write_lines(path, FIRST, '{"t":"heartbeat","ts":1}', '{"t":"end","counts":{"heartbeat":2}}')
    with pytest.raises(DataError, match="closes with"):
        list(log)


def test_damage_in_the_middle_is_no_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    rng = np.random.default_rng(0)
    with SessionWriter(path, HEADER, flush_bytes=4000) as writer:
        writer.frames([Frame(i, "s", rng.bytes(90)) for i in range(1000)])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged session log"):
        list(SessionLog(path))


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no session log"):
        SessionLog(tmp_path / "a")
    (tmp_path / "a").write_text("hello")
    with pytest.raises(DataError):
        SessionLog(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(DataError, match="is not a session log"):
        SessionLog(tmp_path / "a")
    for line in ("[]", "{}", "nonsense", '{"format":"other"}'):
        with pytest.raises(DataError, match="is not a session log"):
            write_lines(tmp_path / "a", line)
    with pytest.raises(DataError, match="version 2"):
        write_lines(tmp_path / "a", FIRST.replace("1", "2"))


def test_a_log_is_never_overwritten_and_needs_a_directory(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    SessionWriter(path, HEADER).close()
    with pytest.raises(StoreError, match="cannot be written"):
        SessionWriter(path, HEADER)
    with pytest.raises(StoreError, match="cannot be written"):
        SessionWriter(tmp_path / "no" / "a", HEADER)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "a.jsonl.zst", HEADER)
    writer._file.close()
    writer._file = Path("/dev/full").open("wb")  # noqa: SIM115 - the writer closes it
    with pytest.raises(StoreError, match="No space left"):
        writer.close()
    assert writer._file.closed


# -------------------------------------------------------------------------------------------------------- replay


STAMP = 1_700_000_000_000_000_000
SNAPSHOT = b'{"lastUpdateId":5,"E":1,"T":1,"bids":[["100.0","1"]],"asks":[["100.1","1"]]}'


def trade_frame(i: int) -> Frame:
    data = b'{"stream":"btcusdt@trade","data":{"E":1,"T":1,"t":%d,"p":"100.1","q":"0.005","X":"MARKET","m":true}}'
    return Frame(STAMP + i, "btcusdt@trade", data % i)


def test_frames_heartbeats_and_commands_replay_at_their_places(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    with SessionWriter(path, HEADER) as writer:
        writer.frames([Frame(STAMP, "depth_snapshot", SNAPSHOT), trade_frame(1)])
        writer.heartbeat(STAMP + 2)
        writer.command(STAMP + 2, "halt")
        writer.frames([trade_frame(3)])
        writer.heartbeat(STAMP + 4)
    seen: list[object] = []
    feed = recorded_feed(SessionLog(path), BinanceRaw(), seed=0, on_item=seen.append)
    assert feed.instrument.symbol == "BTC/USDT:USDT"
    for batch in feed:
        seen += [(Kind(int(e["kind"])).name, int(e["local_ts"]) - STAMP) for e in batch.events]
    feed.close()
    assert seen == [
        ("CLEAR", 0),
        ("DEPTH", 0),
        ("DEPTH", 0),
        ("TRADE", 1),
        ("HEARTBEAT", 2),
        CommandItem(STAMP + 2, "halt", {}),
        ("TRADE", 3),
        ("HEARTBEAT", 4),
    ]


def test_a_seeded_source_is_made_again_and_compared(tmp_path: Path) -> None:
    source = RandomWalk(duration="10h")
    path = tmp_path / "a.jsonl.zst"
    with SessionWriter(path, HEADER) as writer:
        for batch in source.open(seed=7):
            writer.batch(batch)
            writer.orders(orders())
    log = SessionLog(path)
    told: list[object] = []
    feed = recorded_feed(log, source, seed=7, on_item=told.append)
    again = np.concatenate([b.events for b in feed])
    assert again.tobytes() == np.concatenate([b.events for b in source.open(seed=7)]).tobytes()
    assert len(told) == sum(isinstance(i, EventsItem) for i in log) > 5
    for other, seed in (
        (source, 8),
        (RandomWalk(duration="1h"), 7),
        (RandomWalk(duration="10h", rate=6.0), 7),
    ):
        with pytest.raises(ReplayError, match="other events than were recorded"):
            list(recorded_feed(log, other, seed=seed))


def test_a_source_that_cannot_decode_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    with SessionWriter(path, HEADER) as writer:
        writer.frames([trade_frame(1)])
    with pytest.raises(DataError, match="RandomWalk cannot decode"):
        recorded_feed(SessionLog(path), RandomWalk(), seed=0)


def test_items_wait_until_what_came_before_them_was_taken(tmp_path: Path) -> None:
    """Also where a decoder reads ahead, or gives several batches for a run of frames."""

    class Ahead:
        instrument = Instrument("X", Decimal(1), Decimal(1))

        def __init__(self, frames: Iterator[list[Frame]]) -> None:
            self.runs = list(frames)

        def __iter__(self) -> Iterator[Batch]:
            for run in self.runs:
                for frame in run:
                    yield Batch(frames=[frame])

        def close(self) -> None:
            pass

    class Source:
        def decode(self, frames: Iterator[list[Frame]]) -> Ahead:
            return Ahead(frames)

    path = tmp_path / "a.jsonl.zst"
    with SessionWriter(path, HEADER) as writer:
        writer.command(0, "start")
        writer.frames([Frame(1, "a", b""), Frame(2, "b", b"")])
        writer.command(3, "first")
        writer.command(3, "second")
        writer.frames([Frame(6, "c", b"")])
        writer.command(7, "third")
    seen: list[object] = []
    feed = RecordedFeed(SessionLog(path), Source(), seed=0, on_item=lambda item: seen.append(item.name))  # type: ignore[arg-type, union-attr]
    for batch in feed:
        seen += [f.stream for f in batch.frames]
    assert seen == ["start", "a", "b", "first", "second", "c", "third"]


@pytest.mark.shared
def test_a_recorded_session_replays_to_the_same_events(tmp_path: Path, market_data: Path) -> None:
    source = BinanceRaw(paths=(str(market_data / "raw-binance" / "usdm_btcusdt_20240718.gz"),))
    path = tmp_path / "a.jsonl.zst"
    want = []
    with SessionWriter(path, HEADER) as writer:
        for batch in source.open(seed=0):
            writer.batch(batch)
            want.append(batch.events)
    got = [b.events for b in recorded_feed(SessionLog(path), source, seed=0)]
    assert np.concatenate(got).tobytes() == np.concatenate(want).tobytes()
    assert path.stat().st_size < 1.5 * Path(source.paths[0]).stat().st_size
