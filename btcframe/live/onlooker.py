"""Who looks on while a session's trader works, in its thread: times, rows on their way, and what is wrong with a part."""

from __future__ import annotations

import numpy as np

from btcframe.latency import Latency
from btcframe.live.slow_lane import SlowLane
from btcframe.models.production import Sentinel
from btcframe.pipeline import Pipeline
from btcframe.trading.onlookers import Notify
from btcframe.types import ROW, EventArray, Floats, RowFlag, StateArray

STRIKES = 3
"""Rows in a row for which one part took too long, before it is switched off; a busy machine may explain one."""

HOPELESS = 8
"""Times as long as it may take, from which on a part is switched off at once."""


class Onlooker:
    """Looks on while the trader works: times the stages, hands rows on, and notes which part was slow or has failed.

    Parameters
    ----------
    latency : Latency
    pipeline : Pipeline     with a stopwatch
    slow : SlowLane
    stall_ns : int          that a part may take for a row
    tell : callable         observers, ``tell(kind, **data)``: gap, gap_over
    """

    def __init__(
        self, latency: Latency, pipeline: Pipeline, slow: SlowLane, stall_ns: int, tell: Notify
    ) -> None:
        self._latency, self._pipeline, self._slow, self._stall_ns = latency, pipeline, slow, stall_ns
        self._tell = tell
        self._whole_ns = self._lost_ns = 0  # the last row with a book; since when there is none
        self._suspect, self._strikes = "", 0
        self.stalled: tuple[str, int] | None = None
        self.begin(False)

    def begin(self, predicts: bool) -> None:
        """Another model predicts from here on, or none."""
        self._predicts, self._sentinel = predicts, Sentinel()
        self.failure = ""  # why it has failed

    def booked(self, events: EventArray, start: int, stop: int) -> None:
        """Events are in the book."""
        self._latency.booked(events, start, stop)

    def closed(self) -> None:
        """A row and its features are there."""
        self._latency.closed()
        row = np.frombuffer(self._pipeline.rows.tobytes(), ROW)
        self._slow.row(row)
        self._look_at_book(row["row_ns"].item(), row["flags"].item() & RowFlag.GAP.value != 0)
        name, took_ns = self._pipeline.slowest
        if took_ns <= self._stall_ns:
            self._strikes = 0
            return
        self._strikes = self._strikes + 1 if name == self._suspect else 1
        self._suspect = name
        if self._strikes >= STRIKES or took_ns > HOPELESS * self._stall_ns:
            self.stalled, self._strikes = (name, took_ns), 0

    def _look_at_book(self, row_ns: int, gap: bool) -> None:
        """Tell when the book is lost, and when it is whole again; that there is none at first is no loss."""
        if gap and self._whole_ns and not self._lost_ns:
            self._lost_ns = self._whole_ns
            self._tell("gap", since_ns=self._lost_ns)
        elif not gap:
            self._whole_ns = row_ns
            if self._lost_ns:
                self._tell("gap_over", since_ns=self._lost_ns, until_ns=row_ns)
                self._lost_ns = 0

    def predicted(
        self, row: bytes, x: Floats, descriptors: Floats, prediction: StateArray, error: str
    ) -> None:
        """It was predicted on, or the model raised."""
        if not self._predicts:
            return
        self._slow.scored(row, x, prediction)
        total = sum(prediction["mean"].tolist())
        if total == total and not error:
            self._sentinel.blind = 0
            return
        whole = bool(np.isfinite(x).all() and np.isfinite(descriptors).all())
        failure = error or self._sentinel.missed(whole)
        self.failure = self.failure or failure

    def signalled(self) -> None:
        """It was decided on."""
        self._latency.signalled()
