"""Checking columns while their rows stream by: a fixed amount of memory, and the same numbers however they came."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from btcframe.api import Column
from btcframe.checkup.history import Quality
from btcframe.checkup.missing import Bools, Missing, has_book
from btcframe.checkup.numbers import Checked, Checkup, declared, finite
from btcframe.checkup.sampled import Spread, correlations, spread
from btcframe.checkup.thinned import Blocks, Sample
from btcframe.types import Floats, Ints, RowArray

PIECE = 1024
"""Rows looked at at a time, so that they stay near the processor."""


class Collector:
    """Looks at every row of a table; what needs order or pairs is measured on a thinned sample.

    Parameters
    ----------
    columns : sequence of Column    of the matrix that `add` is given
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        k = len(columns)
        self._columns = columns
        self._sample, self._blocks, self._missing = Sample(k), Blocks(k), Missing(columns)
        self._quality = Quality()
        self._rows = self._usable_rows = self._traded = 0
        self._first_ns = self._last_ns = 0
        self._volume = 0.0
        self._known, self._usable, self._infinite = (np.zeros(k, np.int64) for _ in range(3))
        self._first = np.full(k, -1, np.int64)
        self._low, self._high = np.full(k, np.inf), np.full(k, -np.inf)

    def add(self, rows: RowArray, *parts: Floats) -> None:
        """Take rows.

        Parameters
        ----------
        rows : ROW[n]
        parts : float64[n, …]     the columns side by side
        """
        if not len(rows):
            return
        if self._rows == 0:
            self._first_ns = int(rows["row_ns"][0])
        self._last_ns = int(rows["row_ns"][-1])
        at = 0
        while at < len(rows):
            room = min(self._blocks.room(self._rows), self._quality.room(self._rows))
            stop = min(at + PIECE, at + room, len(rows))
            values = np.concatenate([part[at:stop] for part in parts], axis=1)
            self._add(rows[at:stop], values)
            at = stop

    def _add(self, rows: RowArray, values: Floats) -> None:
        n, start = len(rows), self._rows
        usable, known = has_book(rows), ~np.isnan(values)
        self._trades(rows)
        self._missing.add(rows, usable, known)
        counted = np.full(len(self._columns), n) if known.all() else np.count_nonzero(known, axis=0)
        self._extend(values, known)
        new = (self._first < 0) & (counted > 0)
        if new.any():
            self._first[new] = start + np.argmax(known[:, new], axis=0)
        sound = int(np.count_nonzero(usable))
        self._known += counted
        self._usable += counted if sound == n else np.count_nonzero(known[usable], axis=0)
        self._blocks.add(start, n, counted)
        self._quality.add(start, rows)
        self._sample.add(start, values)
        self._rows += n
        self._usable_rows += sound

    def _extend(self, values: Floats, known: Bools) -> None:
        low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
        wild = np.flatnonzero(np.isinf(low) | np.isinf(high))
        if len(wild):
            inf = np.isinf(values[:, wild])
            self._infinite[wild] += np.count_nonzero(inf, axis=0)
            tame = np.where(inf, np.nan, values[:, wild])
            low[wild], high[wild] = np.fmin.reduce(tame, axis=0), np.fmax.reduce(tame, axis=0)
        self._low, self._high = np.fmin(self._low, low), np.fmax(self._high, high)

    def _trades(self, rows: RowArray) -> None:
        counts = rows["buy_count"] + rows["sell_count"]
        self._traded += int(np.count_nonzero(counts > 0))
        volume = rows["buy_volume"] + rows["sell_volume"]
        # one after the other, so that the last bit does not tell how the rows came
        self._volume = float(np.cumsum(np.r_[self._volume, volume[~np.isnan(volume)]])[-1])

    def finish(self) -> Checkup:
        """What was found."""
        sample = self._sample.values
        measured = [spread(column) for column in np.ascontiguousarray(sample.T)]
        k = len(self._columns)
        ranks = np.stack([r for _, r in measured], axis=1) if k else np.zeros((0, 0), np.int64)
        rho = correlations(ranks, np.isfinite(sample).astype(np.float64))
        percent = np.rint(100 * rho).astype(np.int64)
        coverage = self._blocks.percent()
        causes = self._missing.causes()
        return Checkup(
            rows=self._rows,
            usable=self._usable_rows,
            first_ns=self._first_ns,
            last_ns=self._last_ns,
            stride=self._sample.stride,
            sampled=len(sample),
            block=self._blocks.span,
            deepest=self._missing.deepest,
            traded=self._traded,
            volume=self._volume,
            history=self._quality.finish(),
            rho=tuple(percent[np.tril_indices(k, -1)].tolist()),
            columns=tuple(self._checked(j, measured[j][0], causes[j], coverage[:, j]) for j in range(k)),
        )

    def _checked(
        self, j: int, s: Spread, causes: tuple[dict[str, int], int | None], coverage: Ints
    ) -> Checked:
        low, high = finite(self._low[j]), finite(self._high[j])
        return Checked(
            **declared(self._columns[j]),
            known=int(self._known[j]),
            usable=int(self._usable[j]),
            first=int(self._first[j]) if self._first[j] >= 0 else None,
            infinite=int(self._infinite[j]),
            low=low,
            high=high,
            **s._asdict(),
            coverage=tuple(coverage.tolist()),
            causes=causes[0],
            least=causes[1],
        )
