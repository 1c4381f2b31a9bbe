"""How often the slow lane writes, by what the market does: rarely and little in a quiet one, at once in a wild one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from btcframe.types import NS

ACTIVITY_NS = 10 * NS
"""Time constant of the items a second."""

SHORT_NS, LONG_NS = 10 * NS, 600 * NS
"""Time constants of the volatility of now, and of the one that it is held against."""


@dataclass(frozen=True)
class Bounds:
    """Between what a pace may go.

    Parameters
    ----------
    soonest_ns : int    between two writes at least, where nothing overflows
    latest_ns : int     … and at most: what a crash of the process can lose
    least : int         items that are worth a write: a quiet market waits for so many, up to `latest_ns`
    most : int          items after which it is written at once
    """

    soonest_ns: int = 50_000_000
    latest_ns: int = NS
    least: int = 256
    most: int = 8192


class Pace:
    """Flush time and batch size of the slow lane. No decision rests on them, so they may follow the wall clock.

    With λ the items a second (exponential mean over ACTIVITY_NS) and q the unrest, the volatility of the mid over
    SHORT_NS as a multiple of that over LONG_NS (1 while it is not known):

        flush = least / (λ·q), within soonest_ns … latest_ns
        batch = 2·λ·flush,     within least … most

    So a write has about `least` items, in a wild market fewer and sooner; a burst, which λ does not know of yet,
    fills a batch and does not wait; and where much comes for long a batch grows, up to `most`, for a large write
    costs less than many.

    Parameters
    ----------
    bounds : Bounds
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._rate = 0.0  # items a second
        self._mid = float("nan")
        self._row_ns = 0
        self._short = self._long = 0.0  # variance of the log return, a second
        self._known_ns = 0  # how much of the market the variances rest on
        self.flush_ns, self.batch = bounds.latest_ns, bounds.least

    @property
    def unrest(self) -> float:
        """Volatility of now as a multiple of the usual one; 1 where that is not known."""
        if self._known_ns < 2 * SHORT_NS or self._long <= 0:
            return 1.0
        return math.sqrt(self._short / self._long)

    def wrote(self, items: int, took_ns: int) -> None:
        """So many items have come in this time; sets `flush_ns` and `batch`."""
        if took_ns <= 0:
            return
        self._rate = _mean(self._rate, items * NS / took_ns, took_ns / ACTIVITY_NS)
        b = self._bounds
        busy = self._rate * max(self.unrest, 0.1)
        wanted = b.least / busy * NS if busy > 0 else b.latest_ns
        self.flush_ns = int(min(max(wanted, b.soonest_ns), b.latest_ns))
        self.batch = int(min(max(2 * self._rate * self.flush_ns / NS, b.least), b.most))

    def row(self, row_ns: int, mid: float) -> None:
        """A row was closed; `mid` is NaN where it has none."""
        if not mid > 0:
            return
        passed = row_ns - self._row_ns
        if self._row_ns and passed > 0:
            moved = math.log(mid / self._mid) ** 2 / passed * NS
            self._known_ns += passed
            self._short = _mean(self._short, moved, passed / SHORT_NS)
            self._long = _mean(self._long, moved, passed / min(LONG_NS, self._known_ns))
        self._row_ns, self._mid = row_ns, mid


def _mean(before: float, now: float, times: float) -> float:
    """An exponential mean after so many of its time constants with a new value."""
    kept = math.exp(-times)
    return kept * before + (1 - kept) * now
