"""The clock: a row every so often, from an offset on."""

from dataclasses import dataclass

import numpy as np
from btcframe.kernels import kernel
from btcframe.types import EventFlag, Kind, duration_ns

MEMORY = np.dtype([("period", "i8"), ("offset", "i8"), ("edge", "i8"), ("inside", "i8")])
END, HEARTBEAT, GAP = int(EventFlag.END), int(Kind.HEARTBEAT), int(Kind.GAP)


@kernel
def grid_cuts(events, start, state, out):
    """Cut before every message that is later than the running row's edge."""
    s = state[0]
    found = 0
    for i in range(start, len(events)):
        event = events[i]
        if s.edge == 0:  # the first event: its row ends at the next point of the grid
            s.edge = s.offset - (s.offset - event.local_ts) // s.period * s.period
        if s.inside == 0:
            while event.local_ts > s.edge:
                out[found].index = i
                out[found].row_ns = s.edge
                s.edge += s.period
                found += 1
                if found == len(out):
                    return found, i
        s.inside = event.flags & END == 0 and event.kind != HEARTBEAT and event.kind != GAP
    return found, len(events)


@dataclass(frozen=True)
class AcmeAll:
    """Closes a row at every multiple of a period after an offset; an interval without events is a row, too.

    Parameters
    ----------
    every : str     length of a row, a duration
    offset : str    where in the period rows end, a duration: 0s for whole multiples since 1970
    """

    every: str = "1s"
    offset: str = "0s"

    def __post_init__(self):
        """Refuse what has no meaning, before any work; the message begins with the field."""
        for name in ("every", "offset"):
            try:
                duration_ns(getattr(self, name), zero=name == "offset")
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None

    @property
    def period_ns(self):
        """Length of a row, ns."""
        return duration_ns(self.every)

    def state(self):
        """The grid, the edge of the running row, and whether a message is half consumed."""
        memory = np.zeros(1, MEMORY)
        memory["period"], memory["offset"] = self.period_ns, duration_ns(self.offset, zero=True)
        return memory

    def cuts(self, events, start, state, out):
        """Boundaries from `start` on: how many, and the first event that was not looked at."""
        found, seen = grid_cuts(events, start, state, out)
        return found, seen
