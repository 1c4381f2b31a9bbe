"""From the socket's thread to the consumer's: the only place where the two meet.

Frames are stamped and put by the socket's thread, in the order in which they came, and taken by the consumer's, all
that wait at a time. What waits is bounded in bytes. When the bound is reached nothing more is read from the socket
until the consumer has come for more: so nothing is dropped and the order never changes. What is read later is stamped
later, for that is when we had it; an exchange that cannot get rid of its messages ends the connection, which is told
in its place like any other loss.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from btcframe.sources.live.counters import Tally
from btcframe.types import Frame

COST = 300
"""Bytes that a frame takes beside its contents."""


class Clocks(NamedTuple):
    """Where stamps come from.

    Parameters
    ----------
    wall : callable     ns UTC; it may be stepped
    mono : callable     ns; it never is
    """

    wall: Callable[[], int] = time.time_ns
    mono: Callable[[], int] = time.monotonic_ns


class Handover:
    """A bounded queue of frames.

    A stamp is the wall clock of the session's start, and the monotonic time since: so a step of the wall clock touches
    none, and what was received later never has the earlier stamp, nor the same.

    Parameters
    ----------
    limit : int         bytes that may wait; a frame that is put when there is room always fits
    tally : Tally
    clocks : Clocks
    """

    def __init__(self, limit: int, tally: Tally, clocks: Clocks) -> None:
        self._limit, self._tally = limit, tally
        self._ready = threading.Condition()
        self._frames: list[Frame] = []
        self._mono: list[int] = []
        self._held = 0  # bytes that wait, and those that the consumer has not come back from
        self._taken = 0
        self._ended = self._closed = False
        self._error: Exception | None = None
        self._wake: Callable[[], object] | None = None
        self._mono_now = clocks.mono
        self._ahead = clocks.wall() - clocks.mono()
        self._last = 0
        self.last_mono = clocks.mono()

    def now(self) -> int:
        """The time as stamps tell it, ns UTC."""
        return self._ahead + self._mono_now()

    # ------------------------------------------------------------------------------------- the socket's thread

    def put(self, stream: str, data: bytes) -> bool:
        """Stamp a frame and let it wait; returns whether there is room for another."""
        mono = self.last_mono = self._mono_now()
        now = self._last = max(self._ahead + mono, self._last + 1)
        with self._ready:
            if self._ended:
                return True
            self._frames.append(Frame(now, stream, data))
            self._mono.append(mono)
            self._held += len(data) + COST
            if len(self._frames) == 1:
                self._ready.notify()
            return self._held < self._limit

    @property
    def closed(self) -> bool:
        """Whether the consumer has gone."""
        return self._closed

    @property
    def has_room(self) -> bool:
        """Whether anything more may be put."""
        return self._held < self._limit

    async def room(self) -> None:
        """Wait until there is room."""
        event, loop, since = asyncio.Event(), asyncio.get_running_loop(), self._mono_now()
        with self._ready:
            if self._held < self._limit or self._ended:
                return
            self._wake = lambda: loop.call_soon_threadsafe(event.set)
        self._tally.add("waits")
        try:
            await event.wait()
        finally:
            with self._ready:
                self._wake = None
            self._tally.add("waited_ms", (self._mono_now() - since) // 1_000_000)

    def end(self, error: Exception | None = None) -> None:
        """There will be no more; `error` is raised to the consumer after what waits."""
        with self._ready:
            if not self._ended:
                self._ended, self._error = True, error
                self._ready.notify()

    # ----------------------------------------------------------------------------------- the consumer's thread

    def take(self) -> tuple[list[Frame], list[int]]:
        """All frames that wait, and the monotonic stamp of each; waits for one. None at all: it is over.

        Raises
        ------
        Exception
            What ended it.
        """
        with self._ready:
            self._held -= self._taken
            self._taken = 0
            if self._wake is not None:
                self._wake()
                self._wake = None
            while not self._frames and not self._ended:
                self._ready.wait()
            if not self._frames and self._error is not None:
                error, self._error = self._error, None
                raise error
            frames, self._frames = self._frames, []
            mono, self._mono = self._mono, []
            self._taken = self._held
            self._tally.most("most_waiting", self._taken)
            return frames, mono

    def close(self) -> None:
        """Drop what waits: the consumer has gone."""
        with self._ready:
            self._ended, self._closed, self._error = True, True, None
            self._frames, self._mono = [], []
            self._held = self._taken = 0
            if self._wake is not None:
                self._wake()
                self._wake = None
            self._ready.notify()
