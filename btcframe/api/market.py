"""Where events come from, and what closes a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from btcframe.types import EVENT, NS, EventArray, Frame, Instrument, RowArray, StateArray


class Batch(NamedTuple):
    """What a feed hands over at a time: a few events live, up to 65k from a recording.

    `frames` are the raw messages the events were decoded from, for the session log; empty for a source that makes
    its events itself (its config and seed are then the record). `rows` are closed rows, of a source without a book.
    `truth` is what a synthetic market hides: a table beside the training table, to judge by, never an input.
    """

    events: EventArray = np.empty(0, EVENT)
    frames: Sequence[Frame] = ()
    rows: RowArray | None = None
    truth: StateArray | None = None


@runtime_checkable
class Feed(Protocol):
    """An open source: iterate it for batches, in order of consumption, `local_ts` never decreasing."""

    instrument: Instrument

    def __iter__(self) -> Iterator[Batch]: ...

    def close(self) -> None:
        """Stop and free whatever the feed holds; harmless when done twice."""


@runtime_checkable
class Source(Protocol):
    """Market events, recorded or live.

    A source whose batches carry frames also has ``decode(frames: Iterable[list[Frame]]) -> Feed``, the same
    decoding without the files or sockets: a session log replays through it. One whose batches carry truth also has
    ``oracle(truth: TRUTH[n], horizons_ns) -> float64[n, h]``, the expected return in bps given the hidden state.
    One that knows how long its market is has ``span_ns``, so that too long a one is refused before any work.
    One whose batches carry rows instead of events has ``row_period_ns() -> int``, how long a row is: the clock must
    agree, and jobs that need a book refuse it.
    One that gives what another source gave, recorded, has ``origin() -> Mapping``, that source's node: a log of what it
    gives names it, and so needs no other log.
    One that is live has ``live_ns() -> int``, how long a session lasts, 0 for until it is stopped: it will not say the
    same again, so no table is built from it.
    """

    def open(self, *, seed: int) -> Feed:
        """Start from the beginning. Raises DataError if there is nothing to read."""

    def fingerprint(self) -> str:
        """What identifies the data: a hash of the recorded files, or "" where config and seed say it all."""


SETTLED_NS = 60 * NS
"""How long behind an opening a source that was entered there may take until it says what it says otherwise, ns."""


@runtime_checkable
class Enterable(Protocol):
    """A source of recorded events that can be entered in its middle: its days are built side by side.

    One beside `Source`. Its batches carry neither rows nor truth.
    """

    def openings(self) -> tuple[int, ...]:
        """Where it can be entered, in order: local_ts of the first message of a snapshot, ns; none where nowhere."""

    def enter(self, opening: int, *, seed: int) -> Feed:
        """Start at an opening. From `SETTLED_NS` behind it on the events are those of `Source.open`, to the bit."""


@runtime_checkable
class Clock(Protocol):
    """Closes rows."""

    @property
    def period_ns(self) -> int:
        """Nominal length of a row, ns."""

    def state(self) -> StateArray:
        """Memory before the first event: a structured array of shape (1,)."""

    def cuts(self, events: EventArray, start: int, state: StateArray, out: StateArray) -> tuple[int, int]:
        """Write the row boundaries found from `start` on.

        Parameters
        ----------
        events : EVENT[n]
        start : int           first event not yet looked at
        state : structured    updated in place
        out : CUT[c]          boundaries; several may share one index (rows without events)

        Returns
        -------
        (found, seen) : (int, int)
            boundaries written, and the first event not looked at: n, or the index of the last boundary where
            `out` was full (the next call starts there).
        """


FrameBatches = Iterable[list[Frame]]
