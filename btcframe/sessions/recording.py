"""A recording while it is made: how much has come, how fast, with what gaps, and what it takes on disk."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from btcframe.api import Batch, Feed
from btcframe.clock_offset import ClockOffset
from btcframe.latency import Latency
from btcframe.report.words import counted
from btcframe.session_log import SessionWriter
from btcframe.types import NS, Ints, Kind

AGAIN = 1.0
"""Seconds after which another request to stop is another one."""

_KINDS = max(Kind) + 1


class Meter:
    """Counts what a feed gives and a log takes.

    Parameters
    ----------
    feed : Feed
    log : SessionWriter
    now_ns : callable       the monotonic clock of EVENT.mono_ts
    """

    def __init__(self, feed: Feed, log: SessionWriter, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._feed, self._log, self._now_ns = feed, log, now_ns
        self._began_ns = self._shown_ns = now_ns()
        self._kinds: Ints = np.zeros(_KINDS, np.int64)
        self._mono_ns = 0
        self._clock, self._latency = ClockOffset(), Latency(now_ns)
        self._shown = 0
        self.frames = self.bytes = self.first_ns = self.last_ns = 0

    def took(self, batch: Batch) -> None:
        """The log has a batch."""
        if batch.frames:
            self.frames += len(batch.frames)
            self.bytes += sum([len(frame.data) for frame in batch.frames])
            self.first_ns = self.first_ns or batch.frames[0].local_ts
            self.last_ns = batch.frames[-1].local_ts
        if len(batch.events):
            self._kinds += np.bincount(batch.events["kind"], minlength=_KINDS)
            self._mono_ns = int(batch.events["mono_ts"][-1])
        self._clock.take(batch)
        self._latency.decoded(batch.events, self._clock.offset_ns)

    def line(self) -> str:
        """How it stands, in a line; the rate is that since the line before."""
        now_ns = self._now_ns()
        seconds = max(now_ns - self._shown_ns, 1) / NS
        rate = (self.frames - self._shown) / seconds
        self._shown, self._shown_ns = self.frames, now_ns
        told = [
            f"{_span(now_ns - self._began_ns)}  {counted(self.frames, 'frame')}, {rate:,.0f}/s",
            self._market(),
        ]
        if self._mono_ns:
            told.append(f"lag {(now_ns - self._mono_ns) / 1e6:.1f} ms")
        if (wire := self._latency.summary().get("wire")) is not None:
            told.append(f"wire p99 {wire.p99_ns / 1e6:,.1f} ms")
        return " · ".join([*told, self._disk()])

    def summary(self) -> str:
        """What was recorded, in a line."""
        span = _span(self.last_ns - self.first_ns)
        return f"{counted(self.frames, 'frame')} of {self._feed.instrument.symbol} in {span} · {self._market()} · {self._disk()}"

    def plain(self) -> dict[str, Any]:
        """Plain values, for the manifest. Sizes are bytes."""
        return {
            "symbol": self._feed.instrument.symbol,
            "frames": self.frames,
            "bytes": self.bytes,
            "events": int(self._kinds.sum()),
            "snapshots": int(self._kinds[Kind.CLEAR]),
            "gaps": int(self._kinds[Kind.GAP]),
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
            "size": self._log.size,
            "parts": self._log.parts,
            "counters": counters_of(self._feed),
            "latency": self._latency.plain(),
            "clock": self._clock.offset.plain(),
        }

    def _market(self) -> str:
        gaps, snapshots = int(self._kinds[Kind.GAP]), int(self._kinds[Kind.CLEAR])
        return f"{counted(snapshots, 'snapshot')}, {counted(gaps, 'gap')}"

    def _disk(self) -> str:
        size, parts = self._log.size, self._log.parts
        ratio = f" ({self.bytes / size:.1f}× less)" if size < self.bytes else ""
        taken = f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
        return f"{taken}{ratio} in {counted(parts, 'file')}"


def counters_of(feed: Feed) -> dict[str, Mapping[str, int]]:
    """What a feed has counted, where it counts: of its connection, and of its decoder."""
    counted = {"connection": feed, "decoder": getattr(feed, "decoder", None)}
    found = {name: getattr(who, "counters", None) for name, who in counted.items()}
    return {name: dataclasses.asdict(counters) for name, counters in found.items() if counters is not None}


@contextlib.contextmanager
def until_stopped(now: Callable[[], float] = time.monotonic) -> Iterator[Callable[[], bool]]:
    """Whether the user or the system asked to stop: Ctrl-C or SIGTERM. Asked again after a second, it does not wait.

    Raises
    ------
    KeyboardInterrupt
        Anywhere inside, when asked again. One request may come twice at once: to a process, and to its group.
    """
    asked: list[float] = []

    def ask(number: int, frame: object) -> None:
        asked.append(now())
        if asked[-1] - asked[0] > AGAIN:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # only it is told of signals
        yield lambda: False
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _span(ns: int) -> str:
    minutes, seconds = divmod(round(ns / NS), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
