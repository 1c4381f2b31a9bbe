"""Row boundaries on a fixed grid of time."""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel
from btcframe.types import EventFlag, Kind

EDGES = np.dtype(
    [
        ("period", "i8"),  # ns
        ("edge", "i8"),  # where the running row ends; 0 before the first event
        ("inside", "i8"),  # in the middle of a feed message
    ],
    align=True,
)

_HEARTBEAT, _GAP = int(Kind.HEARTBEAT), int(Kind.GAP)
_END = int(EventFlag.END)


@kernel
def time_cuts(events, start, state, out):
    """Cut before every item later than the running row's edge; see api.Clock.cuts.

    A feed message is one item: it is cut before its first event or not at all. A stamp that goes back is never
    past an edge, so it belongs to the running row.
    """
    s = state[0]
    found = 0
    for i in range(start, events.shape[0]):
        e = events[i]
        if s.edge == 0:
            s.edge = -(-e.local_ts // s.period) * s.period
        if s.inside == 0:
            while e.local_ts > s.edge:
                out[found].index = i
                out[found].row_ns = s.edge
                s.edge += s.period
                found += 1
                if found == out.shape[0]:
                    return found, i
        s.inside = e.flags & _END == 0 and e.kind != _HEARTBEAT and e.kind != _GAP
    return found, events.shape[0]
