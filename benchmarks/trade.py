"""Claim: a whole session takes 1,000 messages a second at under 150 µs of CPU each, from the wire to the decision.

Ours: everything that `btcframe trade` does in paper: socket thread, decoder with its verified book, all features, the
regime, a ridge predictor, policy, risk, the simulated venue, the log (fsync), tables, spool and store; the process's CPU,
all threads. Peer: a plain `websockets` client that looks at nothing. The exchange is a process of its own that sends a
depth-200 book at that pace, on loopback. Then hours of a synthetic market as fast as it goes: how the memory grows.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from benchmarks.frame import table
from benchmarks.live import PACE, PACED, STREAM, adapter, exchange, plain
from benchmarks.main import BTCFRAME, process
from btcframe.api import Batch
from btcframe.live.opening import opened
from btcframe.plugins import discover
from btcframe.run import Run, describe
from btcframe.sections import Trade
from btcframe.sources.bybit.source import Bybit
from btcframe.sources.live.feed import LiveFeed, Settings
from btcframe.types import Frame

SETTINGS = ("clock.every=100ms", "state.every=5s")
STAGES = ("decode", "book", "row", "signal", "total")


class Wired(NamedTuple):
    """The source bybit, with the benchmark's exchange behind it."""

    url: str

    def open(self, *, seed: int) -> LiveFeed:
        return LiveFeed(adapter(self.url), Settings())

    def decode(self, frames: Iterable[list[Frame]]) -> Any:
        return Bybit().decode(frames)


class Measured(NamedTuple):
    """µs of CPU a message; ns from sending to the end of the turn, per message and per row; the session's own account."""

    cpu: float
    took: np.ndarray[Any, Any]
    rows: np.ndarray[Any, Any]
    told: dict[str, Any]


def trained(folder: Path) -> dict[str, Any]:
    """Train a model of all features on a synthetic market; the config of a session that predicts with it."""
    place = folder / "train"
    options = ("source.duration=30m", "validation.folds=2", *SETTINGS, f"store.path={folder / 'lake'}")
    process(*BTCFRAME, "train", *options, f"hydra.run.dir={place}")
    config: dict[str, Any] = json.loads((place / "manifest.json").read_text())["config"]
    config["spool"] |= {"path": str(folder / "spool"), "every": "10s", "batch": 8192, "queue": 16384}
    return config | {"verb": "trade", "trained": str(place), "trade": vars(Trade(lag="1m", stall="10s"))}


def session(url: str, control: Any, folder: Path, config: dict[str, Any]) -> Measured:
    """A session for as long as the exchange sends."""
    catalog = discover()
    run = Run(folder, config, catalog, manifest=describe(config, catalog))
    last = int(orjson.loads(STREAM.frames[PACED].data)["data"]["u"])
    done: list[int] = []
    rows: list[int] = []
    cpu = 0.0
    control.send(PACE)
    with opened(run, Wired(url)) as ready:
        trading, feed = ready.session, ready.feed
        for batch in ready.batches:
            before = len(done)
            closed = trading.rows
            trading.take(batch)
            now, messages = time.monotonic_ns(), _messages(batch)
            if messages and not done:
                cpu = time.process_time()
            done += [now] * messages
            if messages and trading.rows > closed:
                rows.append(before)
            if feed.decoder.update_id == last:
                break
        cpu = time.process_time() - cpu
        trading.end(flatten=False)
    sent = np.array(control.recv())
    finished = np.array(done)
    waited = finished - sent[: len(finished)]
    if len(finished) != PACED + 1 or feed.counters.lost:
        raise AssertionError(f"{len(finished):,} messages came, {feed.counters}")
    return Measured(1e6 * cpu / PACED, waited[1:], waited[[at for at in rows if at]], trading.plain())


def _messages(batch: Batch) -> int:
    return sum(frame.stream[:9] == "orderbook" for frame in batch.frames)


def grown(folder: Path) -> Iterator[tuple[str, ...]]:
    """Peak memory of sessions of two lengths, both longer than what a table is merged in at a time."""
    before = 0.0
    for minutes in (120, 240):
        place = folder / f"{minutes}m"
        options = (
            "source=synthetic", f"source.duration={minutes}m", *SETTINGS, f"hydra.run.dir={place}",
            f"store.path={place}-lake", f"spool.path={place}-spool",
        )  # fmt: skip
        done = process(*BTCFRAME, "trade", *options)
        more = f"{done.megabytes - before:+,.0f} MB" if before else ""
        yield f"{minutes} minutes of market", f"{done.seconds:.1f} s", f"{done.megabytes:,.0f} MB", more
        before = done.megabytes


def main() -> None:
    with tempfile.TemporaryDirectory() as name, exchange() as (url, control), contextlib.chdir(name):
        folder = Path(name)
        config = trained(folder)
        (folder / "first").mkdir()
        (folder / "second").mkdir()
        session(url, control, folder / "first", config)  # loads what is compiled
        mine = session(url, control, folder / "second", config)
        control.send(PACE)
        before = time.process_time()
        asyncio.run(plain(url, PACED + 1))
        theirs = 1e6 * (time.process_time() - before) / PACED
        control.recv()
        percentiles = [np.percentile(found, [50, 99]) / 1e3 for found in (mine.took, mine.rows)]
        table(
            f"From the wire to the decision, {PACED:,} messages, {PACE:,} a second, 100 ms rows, all features, a predictor",
            "", "CPU a message", "p50", "p99",
            rows=[
                ("btcframe: a session, each message", f"{mine.cpu:.0f} µs", *(f"{t:,.0f} µs" for t in percentiles[0])),
                ("… those that closed a row", "", *(f"{t:,.0f} µs" for t in percentiles[1])),
                ("websockets, nothing looked at", f"{theirs:.0f} µs", "", ""),
            ],
            note=f"From the exchange's send to the end of the turn; CPU of all threads, {mine.cpu / theirs:.1f}× the other client's. "
            f"{os.cpu_count()} cores.",
        )  # fmt: skip
        latency = mine.told["latency"]
        table(
            "By stage, from our socket on", "", "n", "p50", "p99",
            rows=[
                (stage, f"{latency[stage]['n']:,}", *(f"{latency[stage][p] / 1e3:,.1f} µs" for p in ("p50_ns", "p99_ns")))
                for stage in STAGES
            ],
        )  # fmt: skip
        table("A session as fast as it goes", "", "took", "peak memory", "more", rows=list(grown(folder)))


if __name__ == "__main__":
    main()
