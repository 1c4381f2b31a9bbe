"""The hand-over from the fast lane to the slow one: a queue that takes anything at once, and says how much it holds.

The fast lane puts and never waits. The bound is not here but where the market comes in (`sources.live.valve`): when too
much is held nothing more is consumed, so nothing more comes, and what was acted upon is never left out.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, NamedTuple

COST = 300
"""Bytes that an item takes beside its contents."""


class Item(NamedTuple):
    """Something on its way.

    Parameters
    ----------
    kind : str      whose sink it is for
    what : Any
    size : int      bytes
    """

    kind: str
    what: Any
    size: int


class Lane:
    """Items in order, from one thread to another. Neither side takes a lock: each counts in numbers of its own."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._put = self._taken = 0  # bytes
        self._limit = 1 << 62
        self._wake = threading.Event()
        self.items = 0

    # ----------------------------------------------------------------------------------------- the fast lane

    def put(self, kind: str, what: Any, size: int) -> None:
        """Take an item; `size` is the bytes of its contents."""
        self._put += size + COST
        self.items += 1
        self._items.append(Item(kind, what, size + COST))
        if len(self._items) >= self._limit:
            self._wake.set()

    # ----------------------------------------------------------------------------------------- the slow lane

    @property
    def bytes(self) -> int:
        """That wait; looked at from any thread."""
        return self._put - self._taken

    def wait(self, items: int, seconds: float) -> None:
        """Until so many items wait, so much time has passed, or it is woken."""
        self._limit = items
        if len(self._items) < items:
            self._wake.wait(seconds)
        self._wake.clear()

    def wake(self) -> None:
        """Let the slow lane look at once."""
        self._wake.set()

    def __len__(self) -> int:
        return len(self._items)

    def first(self) -> Item | None:
        """What comes next; it stays until it is `done`."""
        return self._items[0] if self._items else None

    def done(self) -> None:
        """What came next has been taken."""
        self._taken += self._items.popleft().size
