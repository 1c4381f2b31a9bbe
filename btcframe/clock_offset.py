"""How far our clock is ahead of the exchange's: bounds that hold, from the stamps that a session logs.

Nothing is ever corrected by it but what is shown: no stamp in the log, no event, no row. It is a function of what was
consumed, so a replay estimates what the session did. The arithmetic and its sources: `btcframe.kernels.offset`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np

from btcframe.api import Batch
from btcframe.control import ROUND_TRIP, STEPPED
from btcframe.errors import DataError
from btcframe.kernels.offset import OFFSET, UNKNOWN, ask, hear, known
from btcframe.types import Frame


class Offset(NamedTuple):
    """Local clock less the exchange's.

    Parameters
    ----------
    ns : int                    estimate, 0 where nothing is known
    low_ns, high_ns : int or None       it is not less, not more; None: unknown
    drift_ppm : float or None   by which our clock gained on the exchange's since the first minute, and …
    drift_error_ppm : float or None     … how far that may be off
    steps : int                 times that the stamps contradicted what was known by STEP_NS or more: a clock was stepped
    slips : int                 times that they did so by less: the exchange's machines disagree, or a clock runs wild
    last_step_ns : int          by how much, the last time; positive: ours went ahead or the exchange's back
    wall_steps : int            times that our wall clock was stepped, which no stamp shows
    wall_stepped_ns : int       by how much in all: so far it is ahead of the stamps
    round_trips : int           of the exchange's time
    round_trip_ns : int or None the shortest of them
    in_doubt : bool             all messages of the last second came far later than before: another round trip will
                                tell whether a clock was stepped or the line is slow
    """

    ns: int
    low_ns: int | None
    high_ns: int | None
    drift_ppm: float | None
    drift_error_ppm: float | None
    steps: int
    slips: int
    last_step_ns: int
    wall_steps: int
    wall_stepped_ns: int
    round_trips: int
    round_trip_ns: int | None
    in_doubt: bool

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return self._asdict()


class _Said(msgspec.Struct, frozen=True):
    sent_ns: int
    took_ns: int = 0
    server_ns: int = 0
    error: str = ""


class _Step(msgspec.Struct, frozen=True):
    step_ns: int


_round_trip = msgspec.json.Decoder(_Said).decode
_step = msgspec.json.Decoder(_Step).decode


class ClockOffset:
    """Bounds of the offset, kept up with what a session consumes.

    Local time is that of the stamps, `local_ts`: the wall clock as it was when the session began, and the time since.

    Parameters
    ----------
    drift_ppm : int     greatest drift of the clocks against each other; 500 is the most a disciplined one is slewed
    spread_ns : int     by which stamps of the exchange's own machines may differ
    late_ns : int       a message that comes so much later than the bounds explain is late
    """

    def __init__(self, drift_ppm: int = 500, spread_ns: int = 5_000_000, late_ns: int = 500_000_000) -> None:
        self._state = np.zeros(1, OFFSET)
        self._state["drift_ppm"], self._state["spread_ns"], self._state["late_ns"] = (
            drift_ppm,
            spread_ns,
            late_ns,
        )
        self._state["low"], self._state["high"] = -UNKNOWN, UNKNOWN
        self._wall_steps = self._wall_stepped_ns = 0

    def take(self, batch: Batch) -> None:
        """Consume a batch: its messages' stamps, and control frames ROUND_TRIP and STEPPED, in order.

        Raises
        ------
        DataError
            If such a frame is damaged.
        """
        events, begin = batch.events, 0
        for frame in batch.frames:
            if frame.stream in (ROUND_TRIP, STEPPED):
                end = int(np.searchsorted(events["local_ts"], frame.local_ts))
                hear(self._state, events[begin:end])
                begin = end
                self._control(frame)
        hear(self._state, events[begin:])

    def _control(self, frame: Frame) -> None:
        try:
            if frame.stream == STEPPED:
                self._wall_stepped_ns += _step(frame.data).step_ns
                self._wall_steps += 1
                return
            said = _round_trip(frame.data)
        except msgspec.DecodeError as error:
            raise DataError(
                f"the frame {frame.stream} is damaged: {error}", where=f"at {frame.local_ts}"
            ) from error
        if not said.error:
            ask(self._state, said.sent_ns, said.took_ns, said.server_ns)

    @property
    def offset_ns(self) -> int:
        """The estimate: what to take from a local stamp to have the exchange's time; 0 where nothing is known."""
        return int(known(self._state)[0])

    @property
    def offset(self) -> Offset:
        """What is known now."""
        s = self._state[0]
        ns, low, high = known(self._state)
        since = int(s["now"] - s["anchor_at"]) if s["first_at"] else 0
        drift = error = None
        if since > 0:
            least, most = low - int(s["anchor_high"]), high - int(s["anchor_low"])
            drift, error = 5e5 * (most + least) / since, 5e5 * (most - least) / since
        return Offset(
            ns=ns,
            low_ns=None if s["low"] == -UNKNOWN else low,
            high_ns=None if s["high"] == UNKNOWN else high,
            drift_ppm=drift,
            drift_error_ppm=error,
            steps=int(s["steps"]),
            slips=int(s["slips"]),
            last_step_ns=int(s["last_step"]),
            wall_steps=self._wall_steps,
            wall_stepped_ns=self._wall_stepped_ns,
            round_trips=int(s["round_trips"]),
            round_trip_ns=int(s["shortest"]) if s["round_trips"] else None,
            in_doubt=bool(s["in_doubt"]),
        )
