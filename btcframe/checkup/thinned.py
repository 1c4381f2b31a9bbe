"""A stream kept in a fixed amount of memory, the same however the stream was cut."""

from __future__ import annotations

import numpy as np

from btcframe.types import Floats, Ints

KEPT = 4096
"""Rows of the sample at most; at least half of them, once there are so many."""

BLOCKS = 64
"""Blocks at most; at least half of them, once there are so many."""

SHORTEST = 32
"""Rows of a block to begin with."""


class Sample:
    """Every s-th row; where that becomes too many, every second one is dropped and s doubles.

    Parameters
    ----------
    columns : int
    """

    def __init__(self, columns: int) -> None:
        self.stride = 1
        self._kept = np.empty((KEPT, columns))
        self._n = 0

    def add(self, start: int, values: Floats) -> None:
        """Take rows float64[n, k] of which the first has the number `start`."""
        while True:
            chosen = values[-start % self.stride :: self.stride]
            room = KEPT - self._n
            self._kept[self._n : self._n + len(chosen)] = chosen[:room]
            self._n += min(len(chosen), room)
            if len(chosen) <= room:
                return
            taken = (-start % self.stride) + room * self.stride  # the first that found no room
            start, values = start + taken, values[taken:]
            self._kept[: KEPT // 2] = self._kept[::2].copy()
            self._n = KEPT // 2
            self.stride *= 2

    @property
    def values(self) -> Floats:
        """float64[m, k]: rows 0, s, 2s, …; a view."""
        return self._kept[: self._n]


class Blocks:
    """Known values, or other counts, per block of consecutive rows; where that becomes too many blocks, two make one.

    Parameters
    ----------
    columns : int
    """

    def __init__(self, columns: int) -> None:
        self.span = SHORTEST
        self._known = np.zeros((BLOCKS, columns), np.int64)
        self._rows = 0

    def room(self, start: int) -> int:
        """How many rows from `start` on belong to one block."""
        if start == BLOCKS * self.span:
            self._known[: BLOCKS // 2] = self._known[::2] + self._known[1::2]
            self._known[BLOCKS // 2 :] = 0
            self.span *= 2
        return self.span - start % self.span

    def add(self, start: int, rows: int, known: Ints) -> None:
        """Add rows of one block, see `room`, of which the columns have int64[k] values."""
        self._known[start // self.span] += known
        self._rows = start + rows

    @property
    def counts(self) -> Ints:
        """int64[b, k]: what was added, per block."""
        return self._known[: -(-self._rows // self.span)]

    def percent(self) -> Ints:
        """int64[b, k]: share of the rows with a value in percent; 0 and 100 are exact."""
        blocks = len(self.counts)
        sizes = np.full((blocks, 1), self.span)
        if blocks:
            sizes[-1] = self._rows - (blocks - 1) * self.span
        known = self.counts
        inner = np.clip(np.rint(100 * known / np.maximum(sizes, 1)), 1, 99).astype(np.int64)
        return np.where(known == 0, 0, np.where(known == sizes, 100, inner))
