"""Recorded sessions as a source: the rows of the session itself, whatever the portions."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bybit_market import LINEAR, Exchange
from driven import Running
from hypothesis import given, settings
from hypothesis import strategies as st
from jobs.small import make_run

from btcframe.api import Batch
from btcframe.clocks.time import TimeClock
from btcframe.errors import ConfigError, DataError, PluginError
from btcframe.hookspecs import hookimpl
from btcframe.jobs import record as record_job
from btcframe.pipeline import Pipeline
from btcframe.plugins import discover
from btcframe.provenance import code_of
from btcframe.sections import Record
from btcframe.session_log import LOG, Keeping, SessionLog, SessionWriter, part_paths
from btcframe.sources.bybit.decoder import BybitDecoder
from btcframe.sources.bybit.market import Market
from btcframe.sources.random_walk import RandomWalk
from btcframe.sources.session_log import RecordedSession
from btcframe.testing import SourceSuite
from btcframe.types import EVENT, Frame

MS = 1_000_000
CATALOG = discover()
PLAIN = Keeping()
HEADER = {"source": {"plugin": "cryptofeed_capture", "path": "gone.jsonl"}, "seed": 7}


def session(messages: int = 120, seed: int = 3) -> list[Frame]:
    """A session with everything in it: its market, a gap, a lost connection, garbage, heartbeats, trades."""
    exchange = Exchange(seed)
    now = exchange.ms * MS
    frames = [Market(LINEAR, "BTCUSDT", 50).frame(now), Frame(now + 1, "~connected", b"")]
    frames.append(Frame(now + 2, exchange.topic, exchange.snapshot()))
    for i in range(messages):
        exchange.move()
        now = exchange.ms * MS + i
        if i % 40 == 20:
            exchange.delta()  # never arrives
        if i % 50 == 35:
            frames.append(Frame(now, "~lost", b"closed"))
        if i % 45 == 30:
            frames.append(Frame(now, exchange.topic, b'{"topic":"orderbook.50.BTCUSDT","ty'))
        if i % 25 == 24:
            frames.append(Frame(now + 5, exchange.topic, exchange.snapshot()))
        frames.append(Frame(now + 9, exchange.topic, exchange.delta()))
        frames.append(Frame(now + 10, exchange.trade_topic, exchange.trades(2)))
        frames.append(Frame(now + 11, "~heartbeat", b""))
    return sorted(frames, key=lambda frame: frame.local_ts)


def recorded(folder: Path, portions: Iterable[list[Frame]], keeping: Keeping = PLAIN) -> Path:
    """The log of a session that consumed frames in these portions."""
    with SessionWriter(folder / LOG, HEADER, keeping) as log:
        for portion in portions:
            log.batch(Batch(frames=portion))
    return folder


def opened(path: Path, catalog: Any = CATALOG) -> RecordedSession:
    source: RecordedSession = catalog.build("source", {"plugin": "session_log", "path": str(path)})
    return source


def rows_of(batches: Iterable[np.ndarray]) -> np.ndarray:
    pipeline = Pipeline(LINEAR, TimeClock("100ms"), {}, Running("regime_"))
    rows = []
    for events in batches:
        at = 0
        while at < len(events):
            at, _ = pipeline.push(events, at)
            rows.append(pipeline.rows.copy())
    return np.concatenate(rows)


def live(portions: Iterable[list[Frame]]) -> list[np.ndarray]:
    """What a session's own decoder made of them, a portion at a time."""
    decoder = BybitDecoder(LINEAR, "BTCUSDT", 50)
    return [decoder.push(portion) for portion in portions]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(50, 5000), st.integers(0, 3000))
def test_the_rows_are_the_sessions_own_whatever_the_portions(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], block: int, part_ms: int
) -> None:
    frames = session()
    portions, at = [], 0
    while at < len(frames):
        size = sizes[len(portions) % len(sizes)]
        portions.append(frames[at : at + size])
        at += size
    folder = recorded(
        tmp_path_factory.mktemp("run"), portions, Keeping(block=block, part_ns=part_ms * MS, behind=True)
    )
    want = live(portions)
    feed = opened(folder).open(seed=0)
    got = [batch.events for batch in feed]
    assert feed.instrument == LINEAR
    assert np.concatenate(got).tobytes() == np.concatenate(want).tobytes()
    assert rows_of(got).tobytes() == rows_of(want).tobytes()
    assert rows_of(live([[frame] for frame in frames])).tobytes() == rows_of(want).tobytes()


def test_frames_come_through_untouched_so_it_can_be_recorded_again(tmp_path: Path) -> None:
    frames = session(20)
    first = recorded(tmp_path, [frames])
    assert [f for batch in opened(first).open(seed=0) for f in batch.frames] == frames


def test_it_is_known_by_its_contents(tmp_path: Path) -> None:
    frames = session(20)
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    one, same, other = (
        opened(recorded(folder, [frames[:n]])).fingerprint()
        for folder, n in zip(folders, (30, 30, 29), strict=True)
    )
    assert one == same != other
    assert len(one) == 64
    assert RecordedSession().fingerprint() == ""


def test_it_knows_how_long_it_is(tmp_path: Path) -> None:
    frames = session(40)
    source = opened(recorded(tmp_path, [frames], Keeping(block=100, part_ns=10**9)))
    assert source.span_ns == frames[-1].local_ts - frames[0].local_ts


def test_a_run_directory_a_log_and_one_of_its_files_can_be_named(tmp_path: Path) -> None:
    frames = session()
    recorded(tmp_path, [[frame] for frame in frames], Keeping(part_ns=10**9))
    parts = part_paths(tmp_path / LOG)
    assert len(parts) > 3
    read = [
        sum(len(batch.frames) for batch in opened(path).open(seed=0))
        for path in (tmp_path, tmp_path / LOG, parts[0])
    ]
    assert read[0] == read[1] == len(frames) > read[2] > 0
    with pytest.raises(DataError, match="this is part 2 of a session log") as caught:
        opened(parts[1]).open(seed=0)
    assert caught.value.next == f"Name the directory, with all parts: source.path={tmp_path}"


def test_a_log_that_was_cut_is_read_as_far_as_it_is_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frames = session()
    recorded(tmp_path, [[frame] for frame in frames], Keeping(block=500))
    log = tmp_path / LOG
    log.write_bytes(log.read_bytes()[:-150])
    with caplog.at_level(logging.WARNING):
        batches = list(opened(tmp_path).open(seed=0))
    got = [frame for batch in batches for frame in batch.frames]
    assert got == frames[: len(got)]
    assert len(frames) - 20 < len(got) < len(frames)
    session_log = SessionLog(log)
    list(session_log)
    (record,) = caplog.records
    assert "has no closing line: its session was killed" in record.getMessage()
    assert f"{session_log.cut:,} bytes of a block" in record.getMessage()


def test_a_session_of_binance_is_read_as_its_settings_were(tmp_path: Path) -> None:
    stamp = 1_700_000_000_000_000_000
    book = b'{"lastUpdateId":5,"E":1,"T":1,"bids":[["100.5","1"]],"asks":[["101.0","1"]]}'
    print_ = (
        b'{"stream":"btcusdt@trade","data":{"E":1,"T":1,"t":1,"p":"100.5","q":"0.5","X":"MARKET","m":true}}'
    )
    node = {"plugin": "binance_raw", "paths": ["gone.gz"], "tick": 0.5, "lot": 0.25, "market": "usdm"}
    with SessionWriter(tmp_path / LOG, {"source": node, "seed": 1}) as log:
        log.frames([Frame(stamp, "depth_snapshot", book), Frame(stamp + 1, "btcusdt@trade", print_)])
        log.heartbeat(stamp + 2)
    events = np.concatenate([batch.events for batch in opened(tmp_path).open(seed=0)])
    assert events["ticks"].tolist() == [0, 201, 202, 201, 0]
    assert events["lots"].tolist() == [0, 4, 4, 2, 0]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no session log"):
        opened(tmp_path)
    with pytest.raises(DataError, match=r"nothing does not exist"):
        opened(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"Runs with one: run\.$"):
        (tmp_path / "runs" / "run").mkdir(parents=True)
        recorded(tmp_path / "runs" / "run", [session(1)])
        opened(tmp_path / "runs")
    with pytest.raises(ConfigError, match=r"source\.path: no session is named"):
        RecordedSession().open(seed=0)
    with pytest.raises(ConfigError, match=r"source\.recorded: which source was recorded is not known"):
        RecordedSession(path=str(recorded(tmp_path, [session(1)]))).open(seed=0)
    for name, header, error in (
        ("a", {"seed": 1}, "does not say which source was recorded"),
        ("b", {"source": {"plugin": "kraken"}, "seed": 1}, "there is no such source plugin"),
        ("c", {"source": {"plugin": "binance_raw", "speed": 3}, "seed": 1}, "has no such setting"),
    ):
        (tmp_path / name).mkdir()
        SessionWriter(tmp_path / name / LOG, header).close()
        with pytest.raises((DataError, PluginError, ConfigError), match=error) as caught:
            opened(tmp_path / name)
        assert str(tmp_path / name / LOG) in str(caught.value)


def test_the_code_of_the_source_that_was_recorded_counts(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Theirs:
        def open(self, *, seed: int) -> None: ...
        def fingerprint(self) -> str: ...
        def decode(self, frames: object) -> None: ...

    Theirs.__module__ = "their_exchange.source"
    plugin = SimpleNamespace(
        __name__="theirs", btcframe_components=hookimpl(lambda: {"source": {"theirs": Theirs}})
    )
    catalog = discover([("theirs", plugin)])
    SessionWriter(tmp_path / LOG, {"source": {"plugin": "theirs"}, "seed": 1}).close()
    node = {"plugin": "session_log", "path": str(tmp_path)}
    assert isinstance(opened(tmp_path, catalog).recorded, Theirs)
    assert code_of([("source", node)], catalog).keys() == {"btcframe", "their_exchange"}
    assert code_of([("source", {"plugin": "session_log"})], catalog).keys() == {"btcframe"}


class TestRecordedSession(SourceSuite):
    """The contract of a source."""

    @pytest.fixture(autouse=True)
    def _log(self, tmp_path: Path) -> None:
        self.folder = recorded(tmp_path, [session()])

    def make(self) -> RecordedSession:
        return opened(self.folder)


def test_a_session_without_frames_is_no_source(tmp_path: Path) -> None:
    node = {"plugin": "random_walk", "duration": "1h"}
    with SessionWriter(tmp_path / LOG, {"source": node, "seed": 5}) as log:
        for batch in RandomWalk(duration="1h").open(seed=5):
            log.batch(batch)
    with pytest.raises(DataError, match="holds no frames: source random_walk makes its events") as caught:
        opened(tmp_path).open(seed=0)
    assert caught.value.next.startswith("Make them again: source=random_walk seed=5")


def test_a_session_cut_before_its_first_frame_says_so(tmp_path: Path) -> None:
    recorded(tmp_path, [session(5)])
    path = tmp_path / LOG
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(
        DataError, match=r"holds no frames: it was cut, and [\d,]+ bytes of a broken block are left"
    ):
        opened(tmp_path).open(seed=0)
    (tmp_path / "none").mkdir()
    SessionWriter(tmp_path / "none" / LOG, HEADER).close()
    with pytest.raises(DataError, match=r"holds no frames \("):
        opened(tmp_path / "none").open(seed=0)


def test_what_is_recorded_of_a_recording_needs_the_first_one_no_more(tmp_path: Path) -> None:
    frames = session(20)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    recorded(first, [frames])
    run = make_run(
        tmp_path, CATALOG, "second", verb="record", source={"plugin": "session_log", "path": str(first)},
        record=vars(Record()),
    )  # fmt: skip
    record_job.main(run)
    shutil.rmtree(first)
    assert SessionLog(second / LOG).header["source"] == HEADER["source"]
    assert [f for batch in opened(second).open(seed=0) for f in batch.frames] == frames


def test_a_heartbeat_that_is_no_frame_stays_one_when_it_is_recorded_again(tmp_path: Path) -> None:
    beat = np.zeros(1, EVENT)
    beat["kind"], beat["local_ts"] = 6, 77
    with SessionWriter(tmp_path / LOG, HEADER) as log:
        log.batch(Batch(beat))
    (item,) = SessionLog(tmp_path / LOG)
    assert item.ts == 77  # type: ignore[union-attr]
