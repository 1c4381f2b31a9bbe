"""Why a value is missing, told from facts of its row alone: what the row lacks, and what the column says it reads.

A missing value has one cause, the first of these that holds:

- warmup: the row comes before the column's declared warm-up is over, counted from the first usable row
- gap, partial, crossed, one_sided, flow_cut, bar: a field that the column reads is unknown in the row, and the row's
  flag says why; absent: a field is unknown and no flag says why
- levels: the column reads the book's levels, and the side it reads has fewer than any row of this column with a value
- awaits: the column declares what it waits for
- refill: a row lacked its book or its flow not longer ago than the warm-up: a window must be known to 80 %, and a
  change needs both its ends
- formula: all it reads is known; its formula has no value there
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from btcframe.api import Column
from btcframe.types import LEVELS, ROW, Floats, Ints, RowArray, RowFlag

Bools = npt.NDArray[np.bool_]

_FLAGGED = (
    ("gap", RowFlag.GAP),
    ("partial", RowFlag.PARTIAL),
    ("crossed", RowFlag.CROSSED),
    ("one_sided", RowFlag.ONE_SIDED),
    ("flow_cut", RowFlag.FLOW_CUT),
    ("bar", RowFlag.BAR),
)
_UNUSABLE = int(RowFlag.GAP | RowFlag.CROSSED | RowFlag.ONE_SIDED)
_UNKNOWN_FLOW = int(RowFlag.PARTIAL | RowFlag.GAP | RowFlag.FLOW_CUT)
_WATCHED = int(
    RowFlag.PARTIAL
    | RowFlag.GAP
    | RowFlag.CROSSED
    | RowFlag.ONE_SIDED
    | RowFlag.FLOW_CUT
    | RowFlag.THIN
    | RowFlag.BAR
)
_SEPARATES = 0.05
"""Share of the rows with enough levels that may lack a value where the levels are called the cause."""


def has_book(rows: RowArray) -> Bools:
    """bool[n]: whether each row can be used: it has a mid (a bar has one, too), and is not GAP, CROSSED or ONE_SIDED."""
    good: Bools = (rows["flags"] & _UNUSABLE == 0) & ~np.isnan(rows["mid"])
    return good


class Missing:
    """Counts missing values by cause.

    Parameters
    ----------
    columns : sequence of Column
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        k = len(columns)
        read = {name for column in columns for name in column.inputs}
        self._fields = [n for n in ROW.names or () if n in read and ROW[n].base.kind == "f"]
        self._reads = np.array([[n in c.inputs for c in columns] for n in self._fields], bool).reshape(
            len(self._fields), k
        )
        self._sides: Bools = np.array(
            [[any(n.startswith(side) for n in c.inputs) for c in columns] for side in ("bid_", "ask_")]
        )
        self._levels: Bools = np.asarray(self._sides.any(axis=0))
        self._warmup = np.array([c.warmup for c in columns], np.int64)
        self._awaits = np.array([bool(c.awaits) for c in columns])
        self._age = -1  # of the next row, counted from the first usable one
        self._since = np.array(
            [1 << 40, 1 << 40]
        )  # rows since the last without book or flow, and since a thin one
        self._warming = np.zeros(k, np.int64)
        self._flagged = np.zeros((len(_FLAGGED) + 1, k), np.int64)
        self._rest = np.zeros((k, 2, LEVELS + 1), np.int64)  # by being within a refill, by levels
        self._held = np.zeros(
            (k, LEVELS + 1), np.int64
        )  # rows with a value, by levels: rows short of levels only
        self._full = 0  # rows with all levels
        self.deepest = (0, 0)

    def add(self, rows: RowArray, usable: Bools, known: Bools) -> None:
        """Take rows ROW[n], whether each has a usable book, and which values are known, bool[n, k]."""
        n = len(rows)
        flags = rows["flags"]
        plain = not (flags & _WATCHED).any() and bool(usable.all())
        if plain and self._age >= 0 and known.all():
            self._since += n
            self._age += n
            self._full += n
            self.deepest = (LEVELS, LEVELS)
            return
        if plain:
            bids = asks = np.full(n, LEVELS)
        else:
            bids, asks = (np.count_nonzero(~np.isnan(rows[side]), axis=1) for side in ("bid_px", "ask_px"))
        self.deepest = (max(self.deepest[0], int(bids.max())), max(self.deepest[1], int(asks.max())))
        short = (bids < LEVELS) | (asks < LEVELS)
        self._full += n - int(np.count_nonzero(short))
        bad = ~usable | (flags & _UNKNOWN_FLOW != 0)
        since = [self._distances(0, bad), self._distances(1, bad | short)]
        age = self._ages(usable)
        if short.any():
            self._hold(bids, asks, short, known)
        lacking = np.flatnonzero(~known.all(axis=0))
        if len(lacking):
            self._explain(rows, ~known[:, lacking], lacking, age, since, (bids, asks))

    def _distances(self, which: int, bad: Bools) -> Ints:
        """Rows since the last bad one, 0 in it; goes on from the rows before."""
        at = np.arange(len(bad))
        last = np.maximum.accumulate(np.where(bad, at, -1 - self._since[which]))
        self._since[which] = len(bad) - 1 - last[-1]
        return at - last

    def _ages(self, usable: Bools) -> Ints:
        if self._age < 0:
            first = int(np.argmax(usable)) if usable.any() else len(usable)
            age = np.arange(len(usable)) - first
            self._age = len(usable) - first if first < len(usable) else -1
            return age
        age = self._age + np.arange(len(usable))
        self._age += len(usable)
        return age

    def _side_levels(self, bids: Ints, asks: Ints, columns: Ints) -> Ints:
        """int64[n, j]: levels of the shorter side that each column reads; all where it reads none."""
        bid, ask = self._sides[:, columns]
        return np.minimum(np.where(bid, bids[:, None], LEVELS), np.where(ask, asks[:, None], LEVELS))

    def _hold(self, bids: Ints, asks: Ints, short: Bools, known: Bools) -> None:
        columns = np.flatnonzero(self._levels)
        levels = self._side_levels(bids[short], asks[short], columns)
        at, column = np.nonzero(known[np.ix_(short, columns)])
        np.add.at(self._held, (columns[column], levels[at, column]), 1)

    def _explain(
        self, rows: RowArray, missing: Bools, columns: Ints, age: Ints, since: list[Ints], sides: tuple[Ints, Ints]
    ) -> None:  # fmt: skip
        warmup = self._warmup[columns]
        warming = missing & (age[:, None] >= 0) & (age[:, None] < warmup)
        self._warming[columns] += np.count_nonzero(warming, axis=0)
        missing = missing & ~warming
        absent = missing & self._lacks_input(rows, columns)
        if absent.any():
            flags = rows["flags"]
            why = np.select([flags & int(f) != 0 for _, f in _FLAGGED], range(len(_FLAGGED)), len(_FLAGGED))
            for cause in np.unique(why):
                self._flagged[cause, columns] += np.count_nonzero(absent[why == cause], axis=0)
        rest = missing & ~absent
        if not rest.any():
            return
        at, j = np.nonzero(rest)
        levels = self._side_levels(*sides, columns)[at, j]
        near, near_thin = (distance[at] <= warmup[j] for distance in since)
        refill = np.where(self._levels[columns][j], near_thin, near) & (warmup[j] > 0)
        index = (columns[j] * 2 + refill) * (LEVELS + 1) + levels
        self._rest += np.bincount(index, minlength=self._rest.size).reshape(self._rest.shape)

    def _lacks_input(self, rows: RowArray, columns: Ints) -> Bools:
        """bool[n, j]: whether a field that a column reads is unknown; of the levels, the best."""
        reads = self._reads[:, columns]
        unknown = np.zeros((len(rows), len(columns)), bool)
        for name, used in zip(self._fields, reads, strict=True):
            if used.any():
                values: Floats = rows[name]
                nan = np.isnan(values if values.ndim == 1 else values[:, 0])
                unknown |= nan[:, None] & used
        return unknown

    def causes(self) -> list[tuple[dict[str, int], int | None]]:
        """Per column, missing values by cause, and the fewest levels with which it had a value in a short row."""
        return [self._of(j) for j in range(len(self._warmup))]

    def _of(self, j: int) -> tuple[dict[str, int], int | None]:
        found = {"warmup": int(self._warming[j])}
        found |= {
            name: int(n)
            for name, n in zip([*(f for f, _ in _FLAGGED), "absent"], self._flagged[:, j], strict=True)
        }
        rest = self._rest[j].copy()
        held = np.flatnonzero(self._held[j])
        least = int(held[0]) if len(held) else None
        enough = self._enough(j, least)
        if enough is not None:
            found["levels"] = int(rest[:, :enough].sum())
            rest[:, :enough] = 0
        if self._awaits[j]:
            found["awaits"] = int(rest.sum())
        else:
            found["formula"], found["refill"] = (int(n) for n in rest.sum(axis=1))
        return {cause: n for cause, n in found.items() if n}, least

    def _enough(self, j: int, least: int | None) -> int | None:
        """From how many levels on the column has values; None where the levels do not decide it.

        They do where rows with fewer never have a value, and rows with as many nearly always do.
        """
        if not self._levels[j]:
            return None
        lacking = self._rest[j, 0]
        enough = LEVELS if least is None else least
        if not lacking[:enough].any() and not self._rest[j, 1, :enough].any():
            return None
        short = int(lacking[enough:].sum())
        having = int(self._held[j, enough:].sum()) + self._full
        return enough if short <= _SEPARATES * max(having, 1) else None
