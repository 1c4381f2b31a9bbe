"""Purged, embargoed splits: no training label ends inside, or shortly before, the window it is tested on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from btcframe.api import Split
from btcframe.errors import ConfigError, DataError, ModelError
from btcframe.types import Ints, duration_name


@dataclass(frozen=True)
class WalkForward:
    """Walk-forward validation: train on the past, test on the window that follows, move on.

    The rows are cut into a first part that is only trained on and `folds` test windows of equal numbers of rows, in
    order of time. A row is trained on in a fold if its longest label ends before the test window starts, less
    the embargo: max_h t_end < test_start − embargo. The first part holds n/(folds + 1) rows, or as many as it
    takes for `min_train` of them to survive that.

    Parameters
    ----------
    folds : int         test windows, at least 1
    embargo_ns : int    time kept free between the last training label and the test window
    min_train : int     training rows a fold needs after purging
    expanding : bool    train on the whole past, or on as many of the latest rows as the first fold had
    every_ns : int      if not 0, test windows of this length, as many as there are, in place of `folds` of them, which
                        then only says how long the first part is; what is left at the end and is shorter than the
                        longest label belongs to the last window

    Raises
    ------
    ConfigError
        For settings that make no sense.
    """

    folds: int = 5
    embargo_ns: int = 0
    min_train: int = 500
    expanding: bool = True
    every_ns: int = 0

    def __post_init__(self) -> None:
        check_least(
            ("folds", self.folds, 1), ("embargo", self.embargo_ns, 0), ("min_train", self.min_train, 1)
        )

    def windows(self, row_ns: Ints, t_end: Ints) -> Ints:
        """int64[folds + 1]: the rows at which the test windows begin, and behind them the end of the last.

        Parameters and errors as in `split`.
        """
        check_order(row_ns, t_end)
        latest = t_end.max(axis=1)
        first, reach = self._first_test(row_ns, latest), int((latest - row_ns).max())
        if self.every_ns:
            return self._timed(row_ns, first, reach)
        edges: Ints = first + (len(row_ns) - first) * np.arange(self.folds + 1) // self.folds
        check_lasting(row_ns, edges, reach, "fold", "validation.folds")
        return edges

    def count(self, row_ns: Ints, t_end: Ints) -> int:
        """How many splits there are; parameters and errors as in `split`."""
        return len(self.windows(row_ns, t_end)) - 1

    def split(self, row_ns: Ints, t_end: Ints) -> Iterator[Split]:
        """Folds in order of time.

        Parameters
        ----------
        row_ns : int64[n]     strictly increasing
        t_end : int64[n, h]   when each label is known, never before its row

        Raises
        ------
        DataError
            If rows are duplicated or go back in time, or a label ends before its row.
        ModelError
            If there are too few rows for the folds, for `min_train`, or for the longest label.
        """
        edges = self.windows(row_ns, t_end)
        latest = t_end.max(axis=1)
        width = 0
        for fold, (start, stop) in enumerate(itertools.pairwise(edges.tolist())):
            train = np.flatnonzero(latest[:start] < row_ns[start] - self.embargo_ns)
            if fold == 0:
                width = len(train)
            yield Split(train if self.expanding else train[-width:], np.arange(start, stop))

    def inner(self) -> WalkForward:
        """For a model's own use inside a training window: stacking, early stopping."""
        return WalkForward(3, self.embargo_ns, max(1, self.min_train // 4), self.expanding)

    def _timed(self, row_ns: Ints, first: int, reach: int) -> Ints:
        if self.every_ns < reach:
            raise ModelError(
                f"test windows of {duration_text(self.every_ns)} are shorter than the longest label "
                f"({duration_text(reach)})",
                where="validation.every",
                hint="Refit less often, or use shorter horizons (label.horizons).",
            )
        begins = np.arange(row_ns[first], row_ns[-1] + 1, self.every_ns)
        if len(begins) > 1 and row_ns[-1] - begins[-1] < reach:
            begins = begins[:-1]
        # a stretch without rows is no window of its own
        return np.append(np.unique(np.searchsorted(row_ns, begins)), len(row_ns))

    def _first_test(self, row_ns: Ints, latest: Ints) -> int:
        n = len(row_ns)
        if n <= self.folds:
            raise ModelError(
                f"{n:,} rows are too few for {self.folds} folds",
                where="validation.folds",
                hint="Every fold needs at least one row to test on and one to train on.",
            )
        first = n
        if n >= self.min_train:
            # a label ends no earlier than its row, so every row that survives purging lies before the test window
            last = np.partition(latest, self.min_train - 1)[self.min_train - 1] + self.embargo_ns
            first = max(n // (self.folds + 1), int(np.searchsorted(row_ns, last, side="right")))
        if n - first < self.folds:
            reach = int((latest - row_ns).max())
            kept = np.count_nonzero(latest < row_ns[-1] - self.embargo_ns)
            raise ModelError(
                f"{n:,} rows are not enough: {self.min_train:,} to train on, purged of labels that reach "
                f"{duration_text(reach)} ahead and {duration_text(self.embargo_ns)} of embargo, leave "
                f"{n - first:,} for {self.folds} test windows",
                where="validation",
                hint=f"Lower validation.min_train (at most {kept:,} rows survive purging), "
                "validation.embargo or label.horizons, or use more data.",
            )
        return first


def check_least(*settings: tuple[str, int, int]) -> None:
    """Raise ConfigError for the first of (name, value, least) whose value is below its least."""
    for name, value, least in settings:
        if value < least:
            raise ConfigError(f"validation.{name}: {value} is less than {least}", where="validation")


def check_lasting(row_ns: Ints, edges: Ints, reach: int, what: str, where: str) -> None:
    """Raise ModelError where a window between two edges is shorter than the longest label, `reach` ns."""
    for number, (start, stop) in enumerate(itertools.pairwise(edges.tolist())):
        lasts = int(row_ns[stop - 1] - row_ns[start])
        if lasts < reach:
            raise ModelError(
                f"the test window of {what} {number} lasts {duration_text(lasts)}, less than the longest label "
                f"({duration_text(reach)}): {len(row_ns):,} rows in {len(edges) - 1} {what}s",
                where=where,
                hint=f"Use fewer {what}s, shorter horizons (label.horizons), or more data.",
            )


def check_order(row_ns: Ints, t_end: Ints) -> None:
    """Raise DataError unless rows are strictly ordered in time and labels end no earlier than their rows."""
    shape: tuple[int, ...] = t_end.shape
    if len(shape) != 2 or shape[0] != len(row_ns) or shape[1] == 0:
        raise DataError(f"t_end has shape {shape}, which does not go with {len(row_ns)} rows")
    backwards = np.flatnonzero(row_ns[1:] <= row_ns[:-1])
    if len(backwards):
        at = int(backwards[0]) + 1
        what = "is there twice" if row_ns[at] == row_ns[at - 1] else "goes back in time"
        raise DataError(
            f"row {at:,} (row_ns {row_ns[at]}) {what}; {len(backwards):,} rows are out of order",
            hint="Rows must be strictly ordered in time: build the table again from its source.",
        )
    early = np.flatnonzero((t_end < row_ns[:, None]).any(axis=1))
    if len(early):
        raise DataError(f"the label of row {int(early[0]):,} ends before the row itself")


def duration_text(ns: int) -> str:
    """A duration for a message: as it would be written, or in seconds where that is shorter."""
    return duration_name(ns) if ns % 1_000_000 == 0 else f"{ns / 1e9:.6g}s"
