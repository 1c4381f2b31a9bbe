"""How long it takes from the exchange to a decision, stage by stage, in histograms.

A histogram has the layout of HdrHistogram: a thousandth of relative error from 1 ns to 73 minutes, so the tail is as
exact as the middle. Those of several processes are merged by adding their counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from btcframe.errors import DataError, did_you_mean
from btcframe.kernels.histogram import (
    BUCKETS,
    at_most,
    messages,
    new_histograms,
    percentiles,
    record_arrivals,
    record_one,
)
from btcframe.types import EventArray, Ints

STAGES = {
    "venue": "from the matching engine to the exchange's socket, by the exchange's clocks",
    "wire": "from the exchange's socket to ours, less the offset of the clocks",
    "decode": "from our socket to events, the wait for the consumer included",
    "book": "from events to the book",
    "row": "from events to a closed row with its features",
    "signal": "from a closed row to the decision",
    "total": "from our socket to the decision: of the earliest message of the batch that closed the row",
}
"""What is timed: the first four per message, the others per row."""

_VENUE, _WIRE, _DECODE, _BOOK, _ROW, _SIGNAL, _TOTAL = range(len(STAGES))
_PERCENTS = np.array([50.0, 90.0, 99.0, 99.9])
_TOLD = ("n", "sum", "max", "negative")


class Summary(NamedTuple):
    """One stage.

    Parameters
    ----------
    n : int             messages or rows
    negative : int      of those, below 0, counted as 0: what is known of the clocks is not better than that
    sum_ns : int
    p50_ns, p90_ns, p99_ns, p99_9_ns : int      at most a thousandth too great
    max_ns : int        exact
    """

    n: int
    negative: int
    sum_ns: int
    p50_ns: int
    p90_ns: int
    p99_ns: int
    p99_9_ns: int
    max_ns: int


class Latency:
    """Times the stages in one consumer's thread: call what happened when it has happened.

    Parameters
    ----------
    now : callable      monotonic time, ns: the clock of EVENT.mono_ts
    """

    def __init__(self, now: Callable[[], int] = time.monotonic_ns) -> None:
        self._now = now
        self._histograms = new_histograms(len(STAGES))
        self._decoded = self._closed = self._received = 0

    def decoded(self, events: EventArray, offset_ns: int = 0) -> None:
        """A batch was handed over.

        Parameters
        ----------
        events : EVENT[n]
        offset_ns : int     our clock less the exchange's, see ClockOffset
        """
        self._decoded = self._now()
        self._received = record_arrivals(
            self._histograms, _VENUE, _WIRE, _DECODE, events, offset_ns, self._decoded
        )

    def booked(self, events: EventArray, start: int, stop: int) -> None:
        """events[start:stop] of the batch are in the book, and no row was closed."""
        taken = self._now() - self._decoded
        record_one(self._histograms, _BOOK, taken, messages(events, start, stop))

    def closed(self) -> None:
        """The batch closed a row, and its features are there."""
        self._closed = self._now()
        record_one(self._histograms, _ROW, self._closed - self._decoded, 1)

    def signalled(self) -> None:
        """Something was decided; it is timed where it is the first decision on a row."""
        if not self._closed:
            return
        now = self._now()
        record_one(self._histograms, _SIGNAL, now - self._closed, 1)
        if self._received:
            record_one(self._histograms, _TOTAL, now - self._received, 1)
        self._closed = 0

    def copy(self) -> Latency:
        """What has been counted, for another thread to look at while this one goes on counting.

        The copy is consistent in itself, which the original is not at any moment: kernels count without the GIL, and a
        duration may be in its bucket and not yet in their number. It may lack what is being counted, and its sum may
        lack, or have, one duration more.
        """
        other = Latency(self._now)
        other._histograms = self._histograms.copy()
        other._histograms["n"] = other._histograms["counts"].sum(axis=1)
        return other

    def summary(self) -> dict[str, Summary]:
        """The stages of which something is known."""
        summaries = {}
        for name, histogram in zip(STAGES, self._histograms, strict=True):
            if histogram["n"]:
                points = np.empty(len(_PERCENTS), np.int64)
                percentiles(histogram, _PERCENTS, points)
                most = int(histogram["max"])
                p50, p90, p99, p99_9 = np.minimum(points, most).tolist()
                summaries[name] = Summary(
                    int(histogram["n"]),
                    int(histogram["negative"]),
                    int(histogram["sum"]),
                    p50,
                    p90,
                    p99,
                    p99_9,
                    most,
                )
        return summaries

    def plain(self) -> dict[str, dict[str, int]]:
        """`summary` as JSON can hold it."""
        return {name: summary._asdict() for name, summary in self.summary().items()}

    def counts(self) -> dict[str, Any]:
        """Everything, as JSON can hold it: what `add` takes."""
        told = {}
        for name, histogram in zip(STAGES, self._histograms, strict=True):
            filled = np.flatnonzero(histogram["counts"])
            if len(filled):
                pairs = np.column_stack((filled, histogram["counts"][filled])).tolist()
                told[name] = {key: int(histogram[key]) for key in _TOLD} | {"buckets": pairs}
        return told

    def add(self, counts: Mapping[str, Any]) -> None:
        """Merge what another has counted, in this process or elsewhere.

        Parameters
        ----------
        counts : mapping        of `counts`

        Raises
        ------
        DataError
            If it is something else; then nothing is merged.
        """
        merged = self._histograms.copy()
        for name, told in counts.items():
            if name not in STAGES:
                raise DataError(f"there is no stage {name!r} of latency", hint=did_you_mean(name, STAGES))
            histogram = merged[list(STAGES).index(name)]
            index, times = np.array(told["buckets"], np.int64).reshape(-1, 2).T
            if times.sum() != told["n"] or not ((index >= 0) & (index < BUCKETS) & (times > 0)).all():
                raise DataError(f"the counts of the stage {name!r} of latency contradict themselves")
            histogram["counts"][index] += times
            for key in ("n", "sum", "negative"):
                histogram[key] += told[key]
            histogram["max"] = max(histogram["max"], told["max"])
        self._histograms = merged

    def at_most(self, stage: str, bounds_ns: Ints) -> Ints:
        """How many durations of a stage lie at or below each bound, to a thousandth: cumulative, as Prometheus has it.

        Parameters
        ----------
        stage : str             of STAGES
        bounds_ns : int64[k]    ascending

        Returns
        -------
        int64[k]
        """
        out = np.empty(len(bounds_ns), np.int64)
        at_most(self._histograms[list(STAGES).index(stage)], bounds_ns, out)
        return out
