"""A part of one market as a source, so that one session can go on where another ended; and sessions of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from btcframe.api import Batch, Wakes
from btcframe.hookspecs import hookimpl
from btcframe.plugins import Catalog, discover
from btcframe.run import Run
from btcframe.session_log import SessionWriter
from btcframe.sessions.saved_state import StateWriter
from btcframe.sessions.session import SESSION, STATE, header, open_pipeline
from btcframe.sessions.warm_start import identity_of
from btcframe.sources.random_walk import RandomWalk
from btcframe.types import EVENT, NS, EventArray, EventFlag, Frame, Kind, duration_ns


@cache
def market(seed: int) -> EventArray:
    """EVENT[n] of four minutes."""
    walk = RandomWalk(duration="4m", rate=20.0, volatility=3.0)
    return np.concatenate([b.events for b in walk.open(seed=seed)])


@cache
def ends(seed: int) -> list[int]:
    """Where messages end: places at which a market can be cut."""
    return (np.flatnonzero(market(seed)["flags"] & int(EventFlag.END)) + 1).tolist()


@cache
def snapshot(seed: int, at: int) -> EventArray:
    """The book before the event at this place as a snapshot of its time."""
    events = market(seed)
    changes = events[:at][events["kind"][:at] == Kind.DEPTH]
    prices = zip(changes["side"].tolist(), changes["ticks"].tolist(), strict=True)
    book = dict(zip(prices, changes["lots"].tolist(), strict=True))
    levels = [(side, ticks, lots) for (side, ticks), lots in book.items() if lots]
    made = np.zeros(len(levels) + 1, EVENT)
    made["local_ts"] = events["local_ts"][at]
    made["kind"], made["flags"] = Kind.DEPTH, EventFlag.SNAPSHOT
    made["kind"][0] = Kind.CLEAR
    for place, level in enumerate(levels, start=1):
        made["side"][place], made["ticks"][place], made["lots"][place] = level
    made["flags"][-1] |= EventFlag.END
    return made


class PartFeed:
    """Batches of some messages each."""

    instrument = RandomWalk().open(seed=0).instrument

    def __init__(self, batches: Iterable[Batch]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.batches)

    def close(self) -> None: ...


@dataclass(frozen=True)
class Part:
    """Messages of the market between two ENDs, a snapshot first; `later` shifts them in time."""

    since: int = 0
    until: int = 1 << 40
    later: str = "0s"
    framed: bool = False
    messages: int = 40

    def open(self, *, seed: int) -> PartFeed:
        events = self.events(seed)
        stops = (np.flatnonzero(events["flags"] & int(EventFlag.END)) + 1).tolist()
        parts = [p for p in np.split(events, stops[self.messages - 1 :: self.messages]) if len(p)]
        frames = [[Frame(int(p["local_ts"][0]), "raw", p.tobytes())] if self.framed else () for p in parts]
        return PartFeed([Batch(p, f) for p, f in zip(parts, frames, strict=True)])

    def events(self, seed: int) -> EventArray:
        whole = market(seed)
        start = ends(seed)[self.since - 1] if self.since else 0
        stop = ends(seed)[min(self.until, len(ends(seed))) - 1]
        first = [snapshot(seed, start)] if self.since else []
        events = np.concatenate([*first, whole[start:stop]])
        events["local_ts"] += duration_ns(self.later, zero=True)
        return events

    def decode(self, frames: Iterable[list[Frame]]) -> PartFeed:
        """Several frames to a batch, others than the session had."""

        def batches() -> Iterator[Batch]:
            held: list[Frame] = []
            for run in frames:
                held += run
                if len(held) >= 3:
                    yield self._joined(held)
                    held = []
            if held:
                yield self._joined(held)

        return PartFeed(batches())

    def _joined(self, frames: list[Frame]) -> Batch:
        return Batch(np.concatenate([np.frombuffer(f.data, EVENT) for f in frames]), list(frames))

    def fingerprint(self) -> str:
        return ""


def catalog() -> Catalog:
    """The installed plugins and the source `part`."""
    components = hookimpl(lambda: {"source": {"part": Part}})
    return discover([("part", SimpleNamespace(btcframe_components=components, __name__="part"))])


class Killed(Exception):
    """In place of a kill -9: nothing is closed in order."""


def play(run: Run, *, killed: bool = False) -> Any:
    """A session without trading: log and state in the run's directory. Returns its pipeline."""
    feed = run.component("source").open(seed=run.seed)
    every_ns = duration_ns(run.config["state"]["every"], zero=True)
    pipeline = open_pipeline(run, feed.instrument, Wakes())
    what = {"source": run.config["source"], "seed": run.seed, **header(feed.instrument)}
    identity = identity_of(run, feed.instrument)
    with (
        contextlib.suppress(Killed),
        SessionWriter(run.dir / SESSION, what) as log,
        StateWriter(run.dir / STATE, pipeline, identity, every_ns, log.flush) as memory,
    ):
        for batch in feed:
            log.batch(batch)
            push(pipeline, batch.events)
            memory.took(len(batch.events))
        if killed:
            raise Killed
    return pipeline


def push(pipeline: Any, events: EventArray) -> tuple[bytes, bytes, bytes]:
    """Consume everything; the bits of rows, features and descriptors that came of it."""
    found: list[tuple[bytes, bytes, bytes]] = []
    at, wake = 0, True
    while at < len(events) or wake:
        at, wake = pipeline.push(events, at)
        found.append((pipeline.rows.tobytes(), pipeline.x.tobytes(), pipeline.descriptors.tobytes()))
    rows, x, descriptors = (b"".join(part) for part in zip(*found, strict=True))
    return rows, x, descriptors


def gap(ns: int) -> EventArray:
    """The feed lost something."""
    events = np.zeros(1, EVENT)
    events["kind"], events["flags"], events["local_ts"] = Kind.GAP, EventFlag.END, ns
    return events


def uninterrupted(
    run: Run, first: EventArray, second: EventArray, lost: int = 0
) -> tuple[Any, tuple[bytes, bytes, bytes]]:
    """One pipeline that lost its feed after the first of two parts: the pipeline, and the bits of the second part."""
    pipeline = open_pipeline(run, PartFeed.instrument)
    push(pipeline, first)
    lost = lost or min(int(first["local_ts"].max()) + 1, int(second["local_ts"][0]))
    push(pipeline, np.concatenate([gap(lost), heartbeat(int(second["local_ts"][0]))]))
    return pipeline, push(pipeline, second)


def heartbeat(ns: int) -> EventArray:
    """Time passed."""
    events = gap(ns)
    events["kind"] = Kind.HEARTBEAT
    return events


def at_an_edge(seed: int, second: int) -> tuple[int, int]:
    """(messages until then, edge) of a row of 100 ms after which the next one is not empty."""
    stamps = market(seed)["local_ts"][np.array(ends(seed)) - 1]
    edge = (int(stamps[0]) // NS + second) * NS
    cut = int(np.searchsorted(stamps, edge, side="right"))
    while stamps[cut] > edge + NS // 10:
        edge += NS // 10
    return cut, edge


def copy_of(run: Run, folder: Path, *names: str) -> Path:
    """A directory with some files of the run's."""
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes((run.dir / name).read_bytes())
    return folder
