"""Claim: a frame costs whoever logs it a few microseconds (5 are 200,000 a second), and no wait for the disk.

The frames are like those of a book of depth 200. The peer is what recorders mostly do: `json.dumps` of the same items
into `gzip` (level 6) in the same thread. Measured are the processor's time of the caller's thread and of all, which a
machine that is shared distorts least; the time until every frame is in the file; and how long single calls take, as a
live session makes them.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.frame import Timing, ratio, table
from benchmarks.inputs import SEED
from btcframe.session_log import FrameItem, Keeping, SessionLog, SessionWriter
from btcframe.types import Frame

FRAMES = 100_000
SECOND = 1_000_000_000
PEER = "peer: json, gzip"
HEADER = {"source": {"plugin": "bybit"}, "seed": 7}


def deltas(n: int) -> list[Frame]:
    """Messages of some 18 levels, five milliseconds apart."""
    rng = np.random.default_rng(SEED)
    ticks, lots = rng.integers(0, 1000, (n, 18)), rng.integers(1, 5000, (n, 18))
    frames = []
    for i, (prices, sizes) in enumerate(zip(ticks.tolist(), lots.tolist(), strict=True)):
        levels = [f'["{64000 + p / 10:.2f}","{s / 1000:.3f}"]' for p, s in zip(prices, sizes, strict=True)]
        text = (
            f'{{"topic":"orderbook.200.BTCUSDT","type":"delta","ts":{1_786_310_818_000 + 5 * i},"data":{{"s":"BTCUSDT",'
            f'"b":[{",".join(levels[:9])}],"a":[{",".join(levels[9:])}],"u":{i},"seq":{i * 7}}},'
            f'"cts":{1_786_310_817_998 + 5 * i}}}'
        )
        frames.append(
            Frame(1_786_310_818_000_000_000 + 5_000_000 * i, "orderbook.200.BTCUSDT", text.encode())
        )
    return frames


class Took(NamedTuple):
    """Seconds of one way: until all is in the file, of the caller's thread, of all threads, and of each call."""

    whole: float
    caller: float
    process: float
    calls: list[float]


def ours(path: Path, frames: list[Frame], keeping: Keeping, at_once: int) -> Took:
    calls = []
    clocks = time.perf_counter, time.thread_time, time.process_time
    began = [clock() for clock in clocks]
    with SessionWriter(path, HEADER, keeping) as log:
        for i in range(0, len(frames), at_once):
            start = time.perf_counter()
            log.frames(frames[i : i + at_once])
            calls.append(time.perf_counter() - start)
    return Took(*(clock() - at for clock, at in zip(clocks, began, strict=True)), calls)


def theirs(path: Path, frames: list[Frame]) -> Took:
    """The same with what the standard library has."""
    calls = []
    clocks = time.perf_counter, time.thread_time, time.process_time
    began = [clock() for clock in clocks]
    with gzip.open(path, "wb", compresslevel=6) as file:
        for ts, stream, data in frames:
            start = time.perf_counter()
            file.write(json.dumps({"ts": ts, "stream": stream, "raw": data.decode()}).encode() + b"\n")
            calls.append(time.perf_counter() - start)
    return Took(*(clock() - at for clock, at in zip(clocks, began, strict=True)), calls)


def check(folder: Path, frames: list[Frame]) -> None:
    """All of them give the frames back."""
    for path in folder.glob("ours-*"):
        assert [i.frame() for i in SessionLog(path) if isinstance(i, FrameItem)] == frames, (
            f"{path.name}: other frames"
        )
    with gzip.open(folder / "theirs") as file:
        read = [json.loads(line) for line in file]
    assert [Frame(r["ts"], r["stream"], r["raw"].encode()) for r in read] == frames, "the peer: other frames"


def main() -> None:
    frames = deltas(FRAMES)
    size = sum(len(frame.data) for frame in frames)
    ways = {
        "a thread behind, one by one": (Keeping(flush_ns=SECOND, behind=True), 1),
        "and the disk waited for each second": (Keeping(flush_ns=SECOND, sync=True, behind=True), 1),
        "and 20 at a time": (Keeping(flush_ns=SECOND, sync=True, behind=True), 20),
        "no thread, one by one": (Keeping(flush_ns=SECOND), 1),
    }
    took: dict[str, list[Took]] = {name: [] for name in (*ways, PEER)}
    sizes: dict[str, int] = {}
    for turn in range(4):
        with tempfile.TemporaryDirectory(dir=".") as name:  # a disk, not memory
            folder = Path(name)
            for n, (way, (keeping, at_once)) in enumerate(ways.items()):
                took[way].append(ours(folder / f"ours-{n}", frames, keeping, at_once))
                sizes[way] = (folder / f"ours-{n}").stat().st_size
            took[PEER].append(theirs(folder / "theirs", frames))
            sizes[PEER] = (folder / "theirs").stat().st_size
            if turn == 0:
                check(folder, frames)
                took = {way: [] for way in took}
    peer = Timing(tuple(t.caller for t in took[PEER]))
    rows = []
    for way, turns in took.items():
        caller, process = (Timing(tuple(getattr(t, who) for t in turns)) for who in ("caller", "process"))
        calls = 1e6 * np.concatenate([t.calls for t in turns])
        rows.append((
            way, caller.each(FRAMES), process.each(FRAMES).split(" (")[0],
            Timing(tuple(t.whole for t in turns)).rate(FRAMES), f"{np.percentile(calls, 50):.1f} µs",
            f"{np.percentile(calls, 99):.0f} µs", f"{size / sizes[way]:.1f}×", ratio(caller, peer),
        ))  # fmt: skip
    table(
        f"Session log, {FRAMES:,} frames of {size / FRAMES:.0f} bytes", "how", "caller's CPU a frame", "all CPU",
        "in the file", "a call, p50", "p99", "smaller", "× peer", rows=rows,
        note="Each file gives the same frames back. Prices and sizes are random: real ones pack tighter. × peer is of the "
        "caller's CPU.",
    )  # fmt: skip


if __name__ == "__main__":
    main()
