from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from session_logs import HEADER

from btcframe.api import Batch
from btcframe.errors import DataError, ReplayError
from btcframe.pipeline.recorded import RecordedFeed, recorded_feed
from btcframe.session_log import CommandItem, EventsItem, SessionLog, SessionWriter
from btcframe.sources.binance_raw import BinanceRaw
from btcframe.sources.random_walk import RandomWalk
from btcframe.types import ORDER, Frame, Instrument, Kind

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
    source = RandomWalk(duration="1h")
    path = tmp_path / "a.jsonl.zst"
    with SessionWriter(path, HEADER) as writer:
        for batch in source.open(seed=7):
            writer.batch(batch)
            writer.orders(np.zeros(1, ORDER))
    log = SessionLog(path)
    told: list[object] = []
    feed = recorded_feed(log, source, seed=7, on_item=told.append)
    again = np.concatenate([b.events for b in feed])
    assert again.tobytes() == np.concatenate([b.events for b in source.open(seed=7)]).tobytes()
    assert len(told) == sum(isinstance(i, EventsItem) for i in log) > 5
    for other, seed in (
        (source, 8),
        (RandomWalk(duration="6m"), 7),
        (RandomWalk(duration="1h", rate=6.0), 7),
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
