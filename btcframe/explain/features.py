"""The features of a row that was decided on, and what is unusual about them.

A session keeps no features: they follow from its log, so its market is played up to that row, through the pipeline
alone. What is usual is told by the rows of the session before it, never by what came later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from btcframe.checkup.thinned import Sample
from btcframe.errors import DataError, ReplayError
from btcframe.explain.chain import Left, left_by
from btcframe.explain.values import Feature, Features
from btcframe.pipeline import Pipeline
from btcframe.plugins import Catalog
from btcframe.run import Run
from btcframe.session_log import CommandItem, Item, SessionLog
from btcframe.sessions.replaying import as_it_began
from btcframe.sessions.session import SESSION
from btcframe.types import EventArray, Floats


def features(directory: Path, row_ns: int, catalog: Catalog, advance: Callable[[int], None]) -> Features:
    """The features of a session's row.

    Parameters
    ----------
    directory : Path       of the session
    row_ns : int           the end of the row
    catalog : Catalog
    advance : callable     told how many events were played

    Raises
    ------
    DataError
        If the log does not reach the row, or what the session left is damaged.
    PluginError
        If a feature raises, where the session did not go on without it either.
    ReplayError
        If the market cannot be played again as it was.
    """
    left = left_by(directory)
    session = Run(directory, left.manifest["config"], catalog)
    log, told = SessionLog(directory / SESSION), list[Item]()
    with as_it_began(session, log, told.append) as (feed, pipeline):
        before = _Before(pipeline)
        for batch in feed:
            _switch_off(pipeline, told)
            at = before.rows_until(row_ns, batch.events)
            advance(len(batch.events))
            if at is not None:
                _check(left, row_ns, pipeline.rows[at])
                return before.compared(pipeline.x[at])
    raise DataError(
        f"the session log ends before the row {row_ns}",
        where=str(log.path),
        hint="The last moments of a session that runs, or was killed, are not in it.",
    )


class _Before:
    """The rows before one, as a sample of constant size."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._sample = Sample(len(pipeline.columns))
        self._rows = 0

    def rows_until(self, row_ns: int, events: EventArray) -> int | None:
        """Play events; where the row stands among those that the last push closed, None where it is still to come."""
        consumed = 0
        while True:
            consumed, wake = self._pipeline.push(events, consumed)
            ends = self._pipeline.rows["row_ns"]
            earlier = int(np.searchsorted(ends, row_ns))
            self._sample.add(self._rows, self._pipeline.x[:earlier])
            self._rows += earlier
            if earlier < len(ends):
                return earlier
            if not wake:
                return None

    def compared(self, x: Floats) -> Features:
        """A row's features float64[k], the least usual first; functions of the time of day, then unknown ones, last."""
        found = []
        for column, value, values in zip(
            self._pipeline.columns, x.tolist(), self._sample.values.T, strict=True
        ):
            usual, below, far = _place(np.sort(values[np.isfinite(values)]), value)
            away = (-abs(below - 0.5), -far) if below == below else (1.0, 0.0)
            order = (below != below, column.inputs == ("row_ns",), *away)
            found.append((order, Feature(column.name, column.unit, value, usual, below)))
        found.sort(key=lambda one: one[0])
        columns = tuple(feature for _, feature in found)
        return Features(columns, self._rows, dict(self._pipeline.contained))


def _place(known: Floats, value: float) -> tuple[float, float, float]:
    """Where a value lies among sorted ones: their median, the share below it, and its distance in their spans.

    The span is that from the 1st to the 99th percentile; percentiles are values of the sample, the lower one.
    """
    n, nan = len(known), float("nan")
    if not n:
        return nan, nan, nan
    low, median, high = (float(known[(n - 1) * percent // 100]) for percent in (1, 50, 99))
    if value != value:
        return median, nan, nan
    below = (np.searchsorted(known, value) + np.searchsorted(known, value, side="right")) / (2 * n)
    span = high - low
    far = abs(value - median) / span if span else float("inf") if value != median else 0.0
    return median, float(below), far


def _switch_off(pipeline: Pipeline, told: list[Item]) -> None:
    """Switch off what the session switched off at this place."""
    for item in told:
        if isinstance(item, CommandItem) and item.name == "contain":
            pipeline.switch_off(item.data["name"], item.data.get("why", ""))
    told.clear()


def _check(left: Left, row_ns: int, row: Any) -> None:
    """Refuse a row that is another one than the session's, where that is in its files."""
    equity = left.tables["equity"]
    at = int(np.searchsorted(equity["row_ns"], row_ns))
    if at == len(equity) or equity["row_ns"][at] != row_ns:
        return
    then, now = (_facts(one) for one in (equity[at], row))
    if then != now:
        raise ReplayError(
            f"the row {row_ns} is not as it was: quality and age of the book were {then}, and are {now}",
            where=str(left.directory),
            next=f"What differs first: btcframe replay {left.directory}",
        )


def _facts(row: Mapping[str, Any]) -> tuple[float, int]:
    return float(row["quality"]), int(row["age_ns"])
