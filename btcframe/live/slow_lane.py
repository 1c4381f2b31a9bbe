"""The slow lane of a session: a thread that brings what the fast lane has put behind itself to disk and store.

The fast lane (book, features, decision) never waits for it: it puts items into a `Lane`, and the bound on what may be
held is kept where the market comes in. The thread takes items into the memory of its sinks, which cannot fail for want
of a disk, and then has the sinks write, which may fail and be tried again as often as it takes. So a disk that is full
for an hour loses nothing, and a thread that dies goes on where it was.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from btcframe.api import Batch
from btcframe.errors import StoreError
from btcframe.live.lanes import COST, Item, Lane
from btcframe.live.pace import Pace
from btcframe.models.production import Candidate
from btcframe.session_log import CommandItem
from btcframe.types import NS, Floats, StateArray

BATCH, COMMAND, ORDERS, FILLS, ROW, TABLE, STATE, ACCOUNT, MODEL, SCORED = (
    "batch", "command", "orders", "fills", "row", "table", "state", "account", "model", "scored",
)  # fmt: skip
"""Kinds of items."""

AGAIN_NS = NS // 2
"""Time between two attempts while something cannot be written."""


class Sink(Protocol):
    """Where items go. `take` keeps them in memory and `write` brings what is kept away."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it takes."""

    @property
    def held(self) -> int:
        """Bytes kept."""

    def take(self, item: Item) -> None:
        """Keep an item of one of the kinds; touches no disk."""

    def write(self, everything: bool) -> None:
        """Write what is kept, or what is worth it. Where it fails what is kept stays, and it is called again.

        Raises
        ------
        StoreError
        """


@dataclass(frozen=True)
class LaneCounters:
    """How the slow lane stands.

    Parameters
    ----------
    held_bytes, most_bytes : int    that are not written yet, now and at most so far
    items : int                     put by the fast lane
    waiting : int                   of them, not looked at yet
    writes : int                    times that everything was written
    failures : int                  attempts in a row that something could not be
    restarts : int                  times that the thread failed or died, and went on
    flush_ms : float                time that items are gathered for, as the market is
    batch : int                     items after which they are written at once
    """

    held_bytes: int
    most_bytes: int
    items: int
    waiting: int
    writes: int
    failures: int
    restarts: int
    flush_ms: float
    batch: int


class SlowLane:
    """The thread, and the doors to it for the fast lane. It is the trader's `Log`.

    Parameters
    ----------
    groups : sequence of sequences of Sink
        Within a group no sink is written before all ahead of it were: so no file tells of more than the log does.
    pace : Pace
    limit : int             bytes that may be held; the session must not consume when `pressure` comes to 1
    tell : callable         ``tell(kind, **data)``: lane_waits, lane_flows, lane_restarted
    now_ns : callable       a clock that is never stepped, ns

    Attributes
    ----------
    error : str             why something could not be written at the last attempt; "" where all was
    again_ns : int          time between two attempts
    """

    def __init__(
        self,
        groups: Sequence[Sequence[Sink]],
        pace: Pace,
        limit: int,
        tell: Callable[..., None] = lambda kind, **data: None,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._groups, self._pace, self._limit = [list(group) for group in groups], pace, limit
        self._tell, self._now_ns = tell, now_ns
        self._sinks: dict[str, list[Sink]] = {}
        for sink in (sink for group in groups for sink in group):
            for kind in sink.kinds:
                self._sinks.setdefault(kind, []).append(sink)
        self._lane = Lane()
        self._kept = 0  # bytes in the sinks
        self._most = self._writes = self._failures = self._restarts = 0
        self._written_ns, self._items = now_ns(), 0
        self._stop = threading.Event()
        self._room = threading.Event()
        self._thread: threading.Thread | None = None
        self.again_ns = AGAIN_NS
        self.error = ""

    # ----------------------------------------------------------------------------------------- the fast lane

    def batch(self, batch: Batch) -> None:
        """What is about to be consumed."""
        if frames := batch.frames:
            size = sum([len(frame.data) for frame in frames]) + COST * len(frames)
            self._lane.put(BATCH, Batch(frames=frames), size)
        elif len(batch.events):
            self._lane.put(BATCH, Batch(batch.events), batch.events.nbytes)

    def command(self, ts: int, name: str, /, **data: Any) -> None:
        """Something the trader was told, or told itself."""
        self._lane.put(COMMAND, CommandItem(ts, name, data), COST)

    def orders(self, orders: StateArray) -> None:
        """What the venue said about orders."""
        if len(orders):
            self._lane.put(ORDERS, orders.copy(), orders.nbytes)

    def fills(self, fills: StateArray) -> None:
        """What the venue said about fills."""
        if len(fills):
            self._lane.put(FILLS, fills.copy(), fills.nbytes)

    def row(self, row: StateArray) -> None:
        """ROW[1] that was closed, a copy."""
        self._lane.put(ROW, row, row.nbytes)

    def table(self, name: str, records: StateArray) -> None:
        """Records of a table of the session, a copy."""
        self._lane.put(TABLE, (name, records), records.nbytes)

    def state(self, state: Any, size: int) -> None:
        """The pipeline's memory, to be written after all before it."""
        self._lane.put(STATE, state, size)

    def account(self, account: Mapping[str, Any]) -> None:
        """The trader's memory, likewise."""
        self._lane.put(ACCOUNT, account, COST)

    def model(self, candidate: Candidate | None) -> None:
        """Who predicts from the next row on."""
        self._lane.put(MODEL, candidate, 0)

    def scored(self, row: bytes, x: Floats, prediction: StateArray) -> None:
        """A row that was predicted on: its ROW, float64[k], PREDICTION[h]; kept as they are."""
        self._lane.put(SCORED, (row, x, prediction), len(row) + x.nbytes + prediction.nbytes)

    @property
    def held(self) -> int:
        """Bytes that are not written yet."""
        return self._lane.bytes + self._kept

    def pressure(self) -> float:
        """What is held, as a share of what may be."""
        return self.held / self._limit

    def wait_for_room(self) -> None:
        """Wait while more than half of what may be held is: for a market that can wait, as a recording can."""
        while 2 * self.held > self._limit and not self._stop.is_set():
            self._lane.wake()
            self._room.clear()
            self._room.wait(0.1)

    def tend(self) -> None:
        """Start the thread again if it has died; to be called now and then."""
        if self._thread is not None and not self._thread.is_alive() and not self._stop.is_set():
            self._restarted("the thread died")
            self._start()

    @property
    def counters(self) -> LaneCounters:
        """How it stands."""
        return LaneCounters(
            self.held, max(self._most, self.held), self._lane.items, len(self._lane), self._writes,
            self._failures, self._restarts, self._pace.flush_ns / 1e6, self._pace.batch,
        )  # fmt: skip

    # ----------------------------------------------------------------------------------------- the slow lane

    @contextmanager
    def running(self) -> Iterator[SlowLane]:
        """Run the thread; at the end everything is written.

        Raises
        ------
        StoreError
            At the end, if it cannot be.
        """
        self._start()
        try:
            yield self
        except BaseException:
            self._finish()  # what can be; why it ended matters more
            raise
        self.close()

    def close(self) -> None:
        """End the thread, and write everything that waits.

        Raises
        ------
        StoreError
            If it cannot be.
        """
        self._finish()
        if self.error:
            raise StoreError(
                f"the end of the session cannot be written: {self.error}",
                hint="What was acknowledged before is there.",
                next="Make room, and start again from what is there: btcframe trade warm_start=DIR",
            )

    def _finish(self) -> None:
        self._stop.set()
        self._lane.wake()
        if self._thread is not None:
            self._thread.join()
        while len(self._lane):
            self.step()
        self.step(everything=True)

    def step(self, everything: bool = False) -> None:
        """Take what waits and have it written; what cannot be stays."""
        self._most = max(self._most, self.held)
        taken = self._take()
        now_ns = self._now_ns()
        if taken:
            self._pace.wrote(taken, now_ns - self._written_ns)
            self._written_ns = now_ns
        before, self.error = self.error, ""
        for group in self._groups:
            try:
                for sink in group:
                    sink.write(everything)
            except StoreError as error:
                self.error = error.what
            self._count()
        if self.error:
            self._failures += 1
            if not before:
                self._tell("lane_waits", error=self.error, held=self.held)
        else:
            self._writes += bool(taken)
            self._failures = 0
            if before:
                self._tell("lane_flows", held=self.held)
        self._room.set()

    def _take(self) -> int:
        taken = 0
        while (item := self._lane.first()) is not None:
            for sink in self._sinks.get(item.kind, ()):
                sink.take(item)
            if item.kind == ROW:
                self._pace.row(item.what["row_ns"].item(), item.what["mid"].item())
            self._kept += (
                item.size
            )  # until the sinks are counted: what is moved must not be missing meanwhile
            self._lane.done()
            taken += 1
            if taken >= self._pace.batch:
                break
        self._count()
        return taken

    def _count(self) -> None:
        self._kept = sum(sink.held for group in self._groups for sink in group)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="slow-lane", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001 - it must go on whatever happens: the session waits for it
                self._restarted(f"{type(error).__name__}: {error}")
                self._stop.wait(self.again_ns / NS)

    def _turn(self) -> None:
        if self.error:
            self._stop.wait(self.again_ns / NS)
        else:
            self._lane.wait(self._pace.batch, self._pace.flush_ns / NS)
        self.step()

    def _restarted(self, why: str) -> None:
        self._restarts += 1
        self._tell("lane_restarted", error=why)
