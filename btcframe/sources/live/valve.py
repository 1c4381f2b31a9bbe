"""What is left out when a session is overloaded: before it is consumed, and so that a replay knows of it.

Optional topics go first, then all messages of the market, and where there is no memory left at all, everything. What is
left out has one frame in its place, ``~spared`` or ``~shed``, at most one in 100 ms. The decoder takes ``~shed`` for
what it is, a loss: the book is not to be used until its next snapshot. Order is never changed, and of what was consumed
nothing is ever left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import msgspec

from btcframe.control import CONTROL, SHED, SPARED
from btcframe.types import Frame

SPARING = 0.5
"""Pressure from which optional topics are left out; one that has been higher must fall below it before the market is let in."""

SHEDDING = 0.9
"""Pressure from which the market is."""

FULL = 1.0
"""Pressure from which everything is, control frames too: for the session time stands still."""

TELL_NS = 100_000_000
"""Time between two frames that tell of what was left out. Rows close by them where nothing else comes through."""


@dataclass(frozen=True)
class ShedCounters:
    """What was left out since the start.

    Parameters
    ----------
    spared : int        frames of optional topics
    shed : int          other frames
    bytes : int         of both
    times : int         how often the market was shut out
    shut : int          1 while it is
    """

    spared: int = 0
    shed: int = 0
    bytes: int = 0
    times: int = 0
    shut: int = 0


class Valve:
    """Stands before the decoder, in the consumer's thread.

    Parameters
    ----------
    pressure : callable         how much of its memory the session uses, 0 to 1 and more
    lag_ns : int                messages that have waited longer for the consumer are not worth to be acted upon
    optional : names of topics
    """

    def __init__(self, pressure: Callable[[], float], lag_ns: int, optional: Collection[str]) -> None:
        self._pressure, self._lag_ns, self._optional = pressure, lag_ns, frozenset(optional)
        self._spared = self._shed = self._bytes = self._times = 0
        self.shut = False
        self._told: int | None = (
            None  # monotonic time at which something was told last; None: it is to be at once
        )
        self._owed: list[int] = [0, 0]  # frames and bytes not told of
        self._last: Frame | None = None  # of those, the last

    @property
    def counters(self) -> ShedCounters:
        """What was left out so far."""
        return ShedCounters(self._spared, self._shed, self._bytes, self._times, int(self.shut))

    def admit(
        self, frames: Sequence[Frame], mono: Sequence[int], now: int
    ) -> tuple[Sequence[Frame], Sequence[int]]:
        """What of frames may be consumed.

        Parameters
        ----------
        frames : sequence of Frame
        mono : sequence of int      monotonic time of each, ns
        now : int               the same clock

        Returns
        -------
        (frames, mono)
        """
        late = SHEDDING * min((now - mono[0]) / self._lag_ns, 1.0)
        pressure = max(self._pressure(), late)
        if not self.shut:
            if pressure < SPARING:
                return frames, mono
            if pressure < SHEDDING:
                return self._sparing(frames, mono)
            self.shut, self._told, self._owed, self._last = True, None, [0, 0], None
            self._times += 1
        elif pressure < SPARING:
            self.shut = False
            return self._opened(frames, mono)
        if pressure >= FULL:
            for frame in frames:
                self._leave_out(frame)
            return [], []
        return self._shedding(frames, mono)

    def _sparing(self, frames: Sequence[Frame], mono: Sequence[int]) -> tuple[list[Frame], list[int]]:
        kept: tuple[list[Frame], list[int]] = [], []
        for frame, at in zip(frames, mono, strict=True):
            if frame.stream not in self._optional:
                _keep(kept, frame, at)
                continue
            self._spared += 1
            self._owe(frame)
            if self._is_time(at):
                self._tell(kept, frame, at, SPARED)
        return kept

    def _shedding(self, frames: Sequence[Frame], mono: Sequence[int]) -> tuple[list[Frame], list[int]]:
        kept: tuple[list[Frame], list[int]] = [], []
        for frame, at in zip(frames, mono, strict=True):
            if frame.stream[:1] == CONTROL:
                if (
                    not self._told and self._last is not None
                ):  # nothing may come between a loss and its telling
                    self._tell(kept, self._last, at, SHED)
                _keep(kept, frame, at)
                continue
            self._leave_out(frame)
            if self._is_time(at):
                self._tell(kept, frame, at, SHED)
        return kept

    def _opened(self, frames: Sequence[Frame], mono: Sequence[int]) -> tuple[Sequence[Frame], Sequence[int]]:
        """Let everything in. The book was lost with the first frame that told of it, and nothing has brought it back."""
        if self._told is not None or self._last is None:
            return frames, mono
        kept: tuple[list[Frame], list[int]] = [], []
        self._tell(kept, self._last, mono[0], SHED)
        return [*kept[0], *frames], [*kept[1], *mono]

    def _is_time(self, at: int) -> bool:
        return self._told is None or at - self._told >= TELL_NS

    def _leave_out(self, frame: Frame) -> None:
        self._shed += 1
        self._owe(frame)

    def _owe(self, frame: Frame) -> None:
        self._bytes += len(frame.data)
        self._owed[0] += 1
        self._owed[1] += len(frame.data)
        self._last = frame

    def _tell(self, kept: tuple[list[Frame], list[int]], frame: Frame, at: int, stream: str) -> None:
        """Put what was left out in the place of the last of it, whose stamp nothing else has."""
        frames, size = self._owed
        data = msgspec.json.encode({"frames": frames, "bytes": size})
        _keep(kept, Frame(frame.local_ts, stream, data), at)
        self._told, self._owed, self._last = at, [0, 0], None


def _keep(kept: tuple[list[Frame], list[int]], frame: Frame, at: int) -> None:
    kept[0].append(frame)
    kept[1].append(at)
