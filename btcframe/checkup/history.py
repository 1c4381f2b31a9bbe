"""The quality of a table's rows over time, and what lowered it.

A row whose quality is below 1 has one cause, the first of these that holds:

- bookless: it has no mid (quality 0)
- quiet: a bar in which nobody traded
- stale: its last book message is older than is usual (STALE)
- late: what was consumed came later than is usual (LATE)
- snapshot: a snapshot made or replaced the book in it, or in one of the five rows before
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from btcframe.checkup.thinned import Blocks
from btcframe.types import RowArray, RowFlag

LOWERED = ("bookless", "quiet", "stale", "late", "snapshot")
"""Why a row's quality is below 1."""

_PARTS = 1_000_000  # whole numbers, so that a sum does not depend on how the rows came
_MS = 1_000_000
_QUIET = int(RowFlag.BAR | RowFlag.NO_EVENTS)


@dataclass(frozen=True)
class History:
    """The quality of all rows, in at most 64 stretches of equal length; the last one may be shorter.

    Parameters
    ----------
    rows : tuple of int          per stretch
    ms : tuple of int            per stretch, its rows' mean time, ms after the first row
    quality : tuple of float     per stretch, mean of its rows, to a millionth
    lowered : mapping            per cause of `LOWERED`, rows of each stretch
    """

    rows: tuple[int, ...]
    ms: tuple[int, ...]
    quality: tuple[float, ...]
    lowered: Mapping[str, tuple[int, ...]]

    @property
    def mean(self) -> float:
        """Of all rows; NaN without any."""
        total = sum(self.rows)
        return sum(q * n for q, n in zip(self.quality, self.rows, strict=True)) / total if total else np.nan

    def causes(self) -> dict[str, int]:
        """Rows below 1 by cause, the most frequent first; causes that there are."""
        told = {cause: sum(rows) for cause, rows in self.lowered.items()}
        return {cause: n for cause, n in sorted(told.items(), key=lambda item: -item[1]) if n}

    def as_manifest(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        lists = {name: list(getattr(self, name)) for name in ("rows", "ms", "quality")}
        return lists | {"lowered": {cause: list(rows) for cause, rows in self.lowered.items()}}

    @classmethod
    def from_manifest(cls, told: Mapping[str, Any]) -> History:
        """Back from `as_manifest`; KeyError where something is not told."""
        lowered = {cause: tuple(told["lowered"][cause]) for cause in LOWERED}
        return cls(tuple(told["rows"]), tuple(told["ms"]), tuple(told["quality"]), lowered)


class Quality:
    """Counts the quality of rows while they stream by; where its stretches become too many, two make one."""

    def __init__(self) -> None:
        self._blocks = Blocks(3 + len(LOWERED))
        self._first_ns = 0

    def room(self, start: int) -> int:
        """How many rows from `start` on belong to one stretch."""
        return self._blocks.room(start)

    def add(self, start: int, rows: RowArray) -> None:
        """Take rows of one stretch, of which the first has the number `start`."""
        if start == 0:
            self._first_ns = int(rows["row_ns"][0])
        quality, flags = rows["quality"], rows["flags"]
        held = [
            quality == 0,
            flags & _QUIET == _QUIET,
            flags & int(RowFlag.STALE) != 0,
            flags & int(RowFlag.LATE) != 0,
        ]
        low = quality < 1
        cause = np.where(low, np.select(held, range(len(held)), len(held)), len(LOWERED))
        counts = np.bincount(cause, minlength=len(LOWERED) + 1)[: len(LOWERED)]
        ms = (rows["row_ns"] - self._first_ns) // _MS
        parts = np.rint(quality * _PARTS).astype(np.int64)
        self._blocks.add(start, len(rows), np.array([len(rows), ms.sum(), parts.sum(), *counts]))

    def finish(self) -> History:
        """What was counted."""
        rows, ms, parts, *causes = self._blocks.counts.T
        return History(
            tuple(rows.tolist()),
            tuple((ms // rows).tolist()),
            tuple(np.round(parts / (_PARTS * rows), 6).tolist()),
            {name: tuple(n.tolist()) for name, n in zip(LOWERED, causes, strict=True)},
        )
