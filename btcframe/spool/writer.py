"""The spool of a live session: `put` for whoever has rows, one thread to the disk, one from there into the store."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from btcframe.api import SessionEvent, Store
from btcframe.spool.directory import SEGMENT_BYTES, Journal
from btcframe.spool.drain import Drain, Step
from btcframe.spool.frames import Entry, packed
from btcframe.spool.handover import KEPT, LOST, STORED, HandOver, Put, Receipt
from btcframe.spool.segment import unwritable
from btcframe.spool.settings import Settings, address_of
from btcframe.spool.status import Counters, SpoolStatus, read_counters, read_status, write_counters
from btcframe.types import NS

ROOM_NS = NS
"""How long to wait for room on a full disk before the next attempt."""


class Spool:
    """Rows on their way into a store, by way of the disk. Run it with `running`, or step by step.

    `put` may be called by any thread, in the order that is to be kept. It waits for nobody: what it took is
    acknowledged by its receipt once it is on disk, or, where the disk has no room and nothing waits there, in the store.

    Parameters
    ----------
    store : Store
    settings : Settings
    now_ns : callable       the clock, ns UTC
    uniform : callable      random numbers in [0, 1), for the waits between attempts
    observe : callable      is told SessionEvents: spool_waits, spool_flows, spool_apart, spool_full, spool_lost
    segment : int           bytes at which a new file is begun

    Raises
    ------
    StoreError
        If another process uses the directory, or it cannot be written.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        uniform: Callable[[], float] = random.random,
        observe: Callable[[SessionEvent], None] = lambda event: None,
        segment: int = SEGMENT_BYTES,
    ) -> None:
        self._settings, self._now_ns, self._observe = settings, now_ns, observe
        self._path = Path(settings.path)
        self._journal = Journal(
            self._path,
            address_of(store),
            limit=settings.limit,
            sync=settings.fsync == "always",
            segment=segment,
        )
        self._hand = HandOver(settings.queue, now_ns)
        self._drain = Drain(
            self._journal,
            store,
            every_ns=settings.every_ns,
            batch=settings.batch,
            now_ns=now_ns,
            uniform=uniform,
            tell=self._tell,
        )
        self._head = threading.Lock()  # who brings the head of the hand-over somewhere
        self._before = read_counters(self._path)
        self._told = self._before._replace(failures=0, error="", restarts=0)
        self._counting = threading.Lock()
        self._full = ""
        self._synced_ns = now_ns()
        self._restarts = 0
        self._stop = threading.Event()

    # --------------------------------------------------------------------------------------------- to the disk

    def put(self, entry: Entry) -> Receipt:
        """Take rows over, in microseconds. A receipt that is LOST at once says that there was no room in memory."""
        return self._hand.put(entry)

    def room(self, rows: int) -> bool:
        """Whether so many rows may be put without being lost."""
        return self._hand.has_room(rows)

    def wait(self, receipt: Receipt, seconds: float | None = None) -> bool:
        """Wait until rows are acknowledged or lost; whether they are acknowledged."""
        self._hand.wait(lambda: receipt.acknowledged or receipt.state == LOST, seconds)
        return receipt.acknowledged

    def write_step(self) -> bool:
        """Bring what waits in memory to the disk; whether anything was brought there."""
        with self._head:
            puts = self._hand.head(self._settings.batch)
            try:
                if puts:
                    self._journal.append([_frame(group) for group in _gathered(puts)])
                    self._hand.done(puts, KEPT)
                now_ns = self._now_ns()
                if (
                    self._settings.fsync == "interval"
                    and now_ns - self._synced_ns >= self._settings.interval_ns
                ):
                    self._journal.sync()
                    self._synced_ns = now_ns
            except OSError as error:
                if not self._full:
                    self._tell("spool_full", error=f"{error.strerror or error}", rows=self._hand.rows)
                self._full = str(error.strerror or error)
                return False
            finally:
                self._count()
            if puts:
                self._full = ""
        return bool(puts)

    # ---------------------------------------------------------------------------------------------- the store

    def drain_step(self, *, hurry: bool = False, again: bool = False) -> Step:
        """Bring what comes next into the store: from the disk, or, where that has no room and is empty, from memory."""
        step = self._drain.step(hurry=hurry or bool(self._full), again=again)
        if step.wait_ns is None and self._full:
            step = self._straight()
        self._count()
        return step

    def _straight(self) -> Step:
        with self._head:
            puts = self._hand.head(self._settings.batch)
            if not puts:
                return Step(0, 0, 0, None, "")
            step = self._drain.give([put.entry for put in puts])
            if not step.error:
                self._hand.done(puts, STORED)
            return step

    # ----------------------------------------------------------------------------------------- how it stands

    def status(self) -> SpoolStatus:
        """How the spool stands."""
        return read_status(self._path, self._now_ns())._replace(
            memory=self._hand.rows, **self._counters()._asdict()
        )

    def _counters(self) -> Counters:
        return Counters(
            self._before.lost + self._hand.lost,
            self._drain.failures,
            self._drain.error or self._full,
            self._restarts,
        )

    def _count(self) -> None:
        """Keep the counters where other processes find them, and say what was lost."""
        with self._counting:
            now, told = self._counters(), self._told
            if now == told:
                return
            self._told = now
            write_counters(self._path, now)
        if now.lost > told.lost:
            self._tell("spool_lost", rows=now.lost - told.lost, total=now.lost)

    def _tell(self, kind: str, **data: Any) -> None:
        self._observe(SessionEvent(kind, self._now_ns(), data={"spool": str(self._path), **data}))

    # ------------------------------------------------------------------------------------------------ threads

    @contextlib.contextmanager
    def running(self) -> Iterator[Spool]:
        """Run both threads; at the end, write what waits in memory to the disk, and offer all to the store once more.

        What neither takes is lost, and counted.
        """
        threads = [
            threading.Thread(target=self._keep_on, args=(turn,), name=name, daemon=True)
            for name, turn in (("spool", self._write_turn), ("drain", self._drain_turn))
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._hand.wake()
            for thread in threads:
                thread.join()
            self.close()

    def close(self) -> None:
        """End it: see `running`. Rows that were acknowledged and not drained stay on disk for the next one.

        Raises
        ------
        StoreError
            If the disk fails as it is waited for a last time.
        """
        try:
            while self.write_step():
                pass
            while self.drain_step(hurry=True, again=True).wait_ns == 0:
                self.write_step()
            while puts := self._hand.head(self._settings.batch):
                self._hand.done(puts, LOST)
            self._count()
        finally:
            try:
                self._journal.close()
            except OSError as error:
                raise unwritable(self._path, error) from error

    def _keep_on(self, turn: Callable[[], None]) -> None:
        """Take turns until the end. A turn that fails is counted, told, and followed by the next."""
        while not self._stop.is_set():
            try:
                turn()
            except Exception as error:  # noqa: BLE001 - the thread must go on whatever happens: rows wait for it
                self._restarts += 1
                self._tell("spool_restarted", error=f"{type(error).__name__}: {error}")
                self._stop.wait(ROOM_NS / NS)

    def _write_turn(self) -> None:
        if self._full:
            self._stop.wait(ROOM_NS / NS)
        else:
            self._hand.wait(
                lambda: self._stop.is_set() or self._hand.rows > 0, self._settings.interval_ns / NS or None
            )
        self.write_step()

    def _drain_turn(self) -> None:
        wait_ns = self.drain_step().wait_ns
        if wait_ns != 0:
            # not for longer than a second: a batch may be full by then
            self._stop.wait(min(wait_ns or NS, NS) / NS)


def _gathered(puts: list[Put]) -> Iterator[list[Put]]:
    """Neighbours that are rows of one table with the same columns: one frame takes less time and room than many."""
    for _, group in itertools.groupby(puts, key=lambda put: (*put.entry[:3], put.entry.rows.schema)):
        yield list(group)


def _frame(puts: list[Put]) -> tuple[bytes, int, int]:
    import pyarrow

    first = puts[0].entry
    rows = pyarrow.concat_tables([put.entry.rows for put in puts]) if len(puts) > 1 else first.rows
    return packed(first._replace(rows=rows), puts[0].ns), rows.num_rows, puts[0].ns
