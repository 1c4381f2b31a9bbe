"""Claim: keeping a session's state holds the market up for under a millisecond, less than pickling it in place does.

Ours: `StateWriter`, which copies the memory and leaves checksum, disk and fsync to a thread. Peer: `pickle.dumps`,
written, flushed and renamed where the market waits. Both put the session log first. One message at a time, all
features. Then the ways back: restoring the state, replaying the log, raw rows out of the store.
"""

from __future__ import annotations

import os
import pickle
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.frame import first, per_second, table
from benchmarks.inputs import read
from btcframe.api import Batch, Wakes
from btcframe.clocks.time import TimeClock
from btcframe.learning.stored_rows import TABLE, read_rows, to_table
from btcframe.pipeline import Pipeline
from btcframe.plugins import discover
from btcframe.session_log import SessionWriter
from btcframe.sessions.saved_state import StateWriter, read_state
from btcframe.sources.synthetic import Synthetic
from btcframe.stores.delta import Delta
from btcframe.types import NS, EventFlag, Frame

EVERY_NS = 10 * NS
MESSAGE = b'{"stream":"btcusdt@depth@100ms","data":{' + b'"b":[["20000.10","1.250"]],' * 6 + b"}}"


class PickleWriter:
    """The peer: everything where the market waits."""

    def __init__(self, path: Path, pipeline: Pipeline, flush: Callable[[], None]) -> None:
        self.path, self.pipeline, self.flush, self.due = path, pipeline, flush, 0

    def took(self, events: int) -> None:
        now_ns = self.pipeline.now_ns
        if now_ns >= self.due:
            self.flush()
            part = self.path.with_suffix(".part")
            with part.open("wb") as file:
                file.write(pickle.dumps(self.pipeline.save()))
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)
            self.due = now_ns + EVERY_NS


def session(folder: Path, pipeline: Pipeline, parts: list[Any], pickled: bool) -> np.ndarray:
    """How long each call of `took` that wrote held the market up, seconds: the longest, as many as there were."""
    held, start_ns = [], int(parts[0]["local_ts"][0])
    with SessionWriter(folder / f"log-{time.time_ns()}", {}) as log:
        ours = StateWriter(folder / "state", pipeline, {}, EVERY_NS, log.flush)
        with ours:
            writer: Any = PickleWriter(folder / "pickle", pipeline, log.flush) if pickled else ours
            for part in parts:
                log.batch(Batch(part, [Frame(int(part["local_ts"][0]), "depth", MESSAGE)]))
                at, wake = 0, True
                while at < len(part) or wake:
                    at, wake = pipeline.push(part, at)
                start = time.perf_counter()
                writer.took(len(part))
                held.append(time.perf_counter() - start)
    return np.sort(held)[-((pipeline.now_ns - start_ns) // EVERY_NS) :]


def main() -> None:
    catalog = discover()
    market = read("synthetic, 1 h", Synthetic(duration="1h"), "100ms")
    ends = np.flatnonzero(market.events["flags"] & int(EventFlag.END)) + 1
    parts = np.split(market.events, ends[:-1])
    features = {name: catalog.build("features", {"plugin": name}) for name in catalog.names("features")}
    regime = catalog.build("regime", {"plugin": "volatility"})

    def fresh(wakes: Wakes | None = None) -> Pipeline:
        return Pipeline(market.instrument, TimeClock(market.every), features, regime, wakes=wakes)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started, _ = first(lambda: session(folder, fresh(Wakes()), parts[:5000], False))
        runs: dict[str, list[np.ndarray]] = {"StateWriter": [], "pickle in place": []}
        for _ in range(3):
            for who, found in runs.items():
                pipeline = fresh(Wakes())
                found.append(session(folder, pipeline, parts, who != "StateWriter"))
        rows = pipeline.rows_seen
        state = read_state(folder / "state")
        assert all(state.memory[k].tobytes() == v.tobytes() for k, v in pipeline.save().items()), "other bits"
        held = {who: np.concatenate(found) for who, found in runs.items()}
        p50, p99 = ({who: np.percentile(h, q) for who, h in held.items()} for q in (50, 99))
        table(
            f"A state every 10 s, {len(features)} features, {len(parts):,} messages, {rows:,} rows of 100 ms",
            "what", "held up, p50", "p99", "× pickle (p50)", "a row at state.every=1m",
            rows=[
                (who, f"{1e3 * p50[who]:.2f} ms", f"{1e3 * p99[who]:.2f} ms",
                 f"{p50['pickle in place'] / p50[who]:.1f}×", f"{1e6 * h.mean() / 600:.2f} µs")
                for who, h in held.items()
            ],
            note=f"The state read is the pipeline's to the bit: {(folder / 'state').stat().st_size:,} bytes; three "
            f"sessions each, in turns. {started}",
        )  # fmt: skip
        _ways_back(folder, fresh, market.events)


def _ways_back(folder: Path, fresh: Callable[[], Pipeline], events: Any) -> None:
    batch, rows = fresh(), []
    seconds = {}

    def timed(name: str, call: Callable[[], Any]) -> None:
        start = time.perf_counter()
        call()
        seconds[name] = time.perf_counter() - start

    def replay() -> None:
        at = 0
        while at < len(events):
            at, _ = batch.push(events, at)
            rows.append(batch.rows.copy())

    timed("replay", replay)
    whole = np.concatenate(rows)
    store = Delta(path=str(folder / "lake"))

    def write() -> None:
        store.write("b", TABLE, to_table(whole, "BTC"))
        store.seal("b", {"tables": {TABLE: len(whole)}})

    warmed = fresh()

    def from_store() -> None:
        for stored in read_rows(store, "b", 1 << 62):
            at = 0
            while at < len(stored):
                at = warmed.push_rows(stored, at)

    timed("write", write)
    timed("store", from_store)
    timed("state", lambda: fresh().restore(read_state(folder / "state").memory))
    ours, theirs = warmed.save(), batch.save()
    assert all(ours[k].tobytes() == v.tobytes() for k, v in theirs.items() if k.startswith("features.")), (
        "other bits"
    )
    n, size = len(whole), sum(f.stat().st_size for f in (folder / "lake" / TABLE).rglob("*.parquet"))
    named = {
        "the state, read and restored": "state", "events through the pipeline (decoding apart)": "replay",
        "raw rows out of the store": "store", "raw rows into it (build.rows=true)": "write",
    }  # fmt: skip
    table(
        f"The ways back, {n:,} rows", "what", "seconds", "rows",
        rows=[(what, f"{seconds[k]:.3f} s", per_second(*3 * [n / seconds[k]]).split(" (")[0]) for what, k in named.items()],
        note=f"The three memories are the same to the bit. Raw rows take {size / n:,.0f} bytes each.",
    )  # fmt: skip


if __name__ == "__main__":
    main()
