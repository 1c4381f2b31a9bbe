"""Bounds of how far one clock is ahead of another, from stamps of both.

With o = local clock − exchange's clock: a message that was sent at s and received at r says o <= r − s, for nothing
arrives before it was sent; a question asked at t0 and answered at t1 with the exchange's time s says t0 − s <= o <=
t1 − s (Cristian 1989). What was known is widened by the greatest drift since, and cut with what is said now: so the
smallest round trip of late has the most to say, as in Marzullo's intersection (1984). Where nothing remains of it, one
of the clocks was stepped, and only what is said now counts.
"""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel
from btcframe.types import NS, EventFlag

UNKNOWN = 1 << 62
"""As `high`: there is no upper bound; −UNKNOWN as `low`: no lower one."""

STEP_NS = NS // 10
"""A contradiction of less is no step: the exchange's machines disagree, or a clock drifts faster than any should."""

WINDOW_NS = NS
"""A window of messages that all came late puts the offset in doubt."""

ANCHOR_NS = 60 * NS
"""So long after the first bounds they are kept, to tell the drift from."""

OFFSET = np.dtype(
    [
        ("drift_ppm", "i8"),  # greatest drift of the two clocks against each other
        ("spread_ns", "i8"),  # by which stamps of the exchange's machines may differ
        ("late_ns", "i8"),  # beyond the upper bound, from which on a message is late
        ("low", "i8"),  # lower bound, ns, as it was at …
        ("low_at", "i8"),  # … local stamp
        ("high", "i8"),  # upper bound
        ("high_at", "i8"),
        ("half", "i8"),  # half of the distance of the bounds when there last were two
        ("now", "i8"),  # latest local stamp
        ("first_at", "i8"),  # when both bounds were first known since the last step; 0: not yet
        ("anchor_low", "i8"),  # the bounds as they were within ANCHOR_NS of it
        ("anchor_high", "i8"),
        ("anchor_at", "i8"),
        ("window_at", "i8"),  # when the window of messages began
        ("window_late", "i8"),  # the least of what its messages were beyond the upper bound
        ("in_doubt", "i8"),
        ("steps", "i8"),  # contradictions of STEP_NS and more …
        ("slips", "i8"),  # … and of less
        ("last_step", "i8"),  # ns, estimate
        ("before", "i8"),  # ns, the estimate before it
        ("round_trips", "i8"),
        ("shortest", "i8"),  # ns, of the round trips
    ],
    align=True,
)

_END = int(EventFlag.END)


@kernel
def known(offset):
    """(estimate, low, high) of OFFSET[1] at the latest stamp, ns."""
    s = offset[0]
    low, high = _bounds(s, s.now)
    return _estimate(s, s.now), low, high


@kernel
def _bounds(s, now):
    """(low, high) of an OFFSET record, widened up to `now`."""
    return s.low - _slack(s, now - s.low_at), s.high + _slack(s, now - s.high_at)


@kernel
def _estimate(s, now):
    """Midway between the bounds; without a lower one as far below the upper one as it last was; 0 if there never was one."""
    if s.round_trips == 0:
        return 0
    low, high = _bounds(s, now)
    if s.low == -UNKNOWN:
        return high - s.half
    return low + (high - low) // 2


@kernel
def hear(offset, events):
    """Take in messages.

    Parameters
    ----------
    offset : OFFSET[1]
    events : EVENT[n]       a message ends with flag END; without send_ts it says nothing
    """
    s = offset[0]
    for i in range(events.shape[0]):
        e = events[i]
        if e.send_ts != 0 and e.flags & _END:
            _notice(s, e.local_ts, e.local_ts - e.send_ts)
            _take(s, e.local_ts, -UNKNOWN, e.local_ts - e.send_ts + s.spread_ns)


@kernel
def ask(offset, sent, took, server):
    """Take in a round trip: asked at `sent`, answered after `took`, by local clocks; the exchange's was at `server`."""
    s = offset[0]
    s.round_trips += 1
    s.shortest = took if s.round_trips == 1 else min(s.shortest, took)
    low = sent - server - s.spread_ns - _slack(s, took)  # it held when the question was sent
    _take(s, sent + took, low, sent + took - server + s.spread_ns)
    s.in_doubt = 0
    s.window_at = 0


@kernel
def _slack(s, elapsed):
    # stamps of a round trip may be earlier than what came before; rounded up
    return (abs(elapsed) // 1000 + 1) * s.drift_ppm // 1000 + 1


@kernel
def _take(s, now, low, high):
    """Cut what is known with an interval that holds at `now`."""
    s.now = now
    known_low, known_high = _bounds(s, now)
    if low > known_high or high < known_low:
        _contradicted(
            s, now, high - known_high if low == -UNKNOWN else low + (high - low) // 2 - _estimate(s, now)
        )
        if low == -UNKNOWN and s.first_at != 0:
            low = high - 2 * s.half
        s.low, s.low_at, s.high, s.high_at = low, now, high, now
    else:
        if low >= known_low:
            s.low, s.low_at = low, now
        if high <= known_high:
            s.high, s.high_at = high, now
    if s.low == -UNKNOWN:
        return
    known_low, known_high = _bounds(s, now)
    s.half = (known_high - known_low) // 2
    if s.first_at == 0:
        s.first_at = now
        if s.steps > 0:  # of a message the size could only be guessed
            s.last_step = _estimate(s, now) - s.before
    if now - s.first_at <= ANCHOR_NS:
        s.anchor_low, s.anchor_high, s.anchor_at = known_low, known_high, now


@kernel
def _contradicted(s, now, size):
    """What is said now cannot be, if what was known is true: one of the clocks was stepped, or runs wild."""
    if abs(size) < STEP_NS:
        s.slips += 1
        return
    s.steps += 1
    s.last_step = size
    s.before = _estimate(s, now)
    s.first_at = 0


@kernel
def _notice(s, now, late):
    """Whether all messages of a window came so late that a clock may have been stepped."""
    if s.high == UNKNOWN:
        return
    beyond = late - _bounds(s, now)[1]
    if beyond <= s.late_ns:
        s.in_doubt = 0
    if s.window_at == 0:
        s.window_at, s.window_late = now, beyond
    elif now - s.window_at >= WINDOW_NS:
        s.in_doubt = s.window_late > s.late_ns and beyond > s.late_ns
        s.window_at, s.window_late = now, beyond
    else:
        s.window_late = min(s.window_late, beyond)
