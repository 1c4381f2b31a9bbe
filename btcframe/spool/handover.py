"""The hand-over from whoever has rows to the thread that writes them to disk: a bounded queue in memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from btcframe.spool.frames import Entry

WAITING, KEPT, STORED, LOST = "waiting", "kept", "stored", "lost"
"""What became of rows: they are in memory; in the spool on disk; in the store itself; nowhere."""


class Receipt:
    """What became of the rows of one `put`. Those that are KEPT or STORED are acknowledged."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state = WAITING

    @property
    def acknowledged(self) -> bool:
        """Whether the rows are safe, as the policy of fsync means it."""
        return self.state in (KEPT, STORED)


class Put(NamedTuple):
    """An entry, when it was put, and its receipt."""

    entry: Entry
    ns: int
    receipt: Receipt


class HandOver:
    """Entries on their way to the disk, in order. `put` takes microseconds and never waits for anybody's work.

    Parameters
    ----------
    limit : int         rows; an entry with more is taken where nothing else waits
    now_ns : callable   the clock, ns UTC
    """

    def __init__(self, limit: int, now_ns: Callable[[], int]) -> None:
        self._limit, self._now_ns = limit, now_ns
        self._puts: deque[Put] = deque()
        self._changed = threading.Condition()
        self.rows = self.lost = 0

    def has_room(self, rows: int) -> bool:
        """Whether an entry of so many rows would be taken."""
        return not self.rows or self.rows + rows <= self._limit

    def put(self, entry: Entry) -> Receipt:
        """Take an entry, or count its rows as lost if there is no room."""
        receipt, rows = Receipt(), entry.rows.num_rows
        if rows == 0:
            receipt.state = STORED
            return receipt
        with self._changed:
            if not self.has_room(rows):
                receipt.state = LOST
                self.lost += rows
                return receipt
            self._puts.append(Put(entry, self._now_ns(), receipt))
            self.rows += rows
            self._changed.notify_all()
        return receipt

    def head(self, rows: int) -> list[Put]:
        """What comes next, up to so many rows; it stays until it is `done`."""
        found: list[Put] = []
        count = 0
        with self._changed:
            for put in self._puts:
                found.append(put)
                count += put.entry.rows.num_rows
                if count >= rows:
                    break
        return found

    def done(self, puts: list[Put], state: str) -> None:
        """What came next has become this."""
        with self._changed:
            for put in puts:
                if self._puts.popleft() is not put:
                    raise RuntimeError("the hand-over was emptied by somebody else")
                put.receipt.state = state
                rows = put.entry.rows.num_rows
                self.rows -= rows
                self.lost += rows if state == LOST else 0
            self._changed.notify_all()

    def wait(self, until: Callable[[], bool], seconds: float | None) -> bool:
        """Wait until something holds that a `put` or `done` changes; whether it does."""
        with self._changed:
            return self._changed.wait_for(until, seconds)

    def wake(self) -> None:
        """Let those who wait look again."""
        with self._changed:
            self._changed.notify_all()
