"""When things happen: at the venue, and until we know.

There are two clocks that run alike: local, and the venue's, on which an event of the market happened before we had
it. A draw depends on the seed and the moment alone, so it is the same however the events arrive.
"""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel
from btcframe.kernels.matching.records import NEVER
from btcframe.types import NS, Kind, LatencyModel

LATEST_NS = NS
"""The most by which a recorded message counts as later than the fastest one: more is a stall or a stepped clock."""

WIDEST = 3.0
"""Standard deviations to which draws are held, so that there is a longest latency."""

_HEARTBEAT = int(Kind.HEARTBEAT)
_SAMPLED, _RECORDED = LatencyModel.sampled.value, LatencyModel.recorded.value
_TO_VENUE, _TO_US, _FEED = 1, 2, 3


@kernel
def _mixed(x):
    """The output function of splitmix64 (Steele, Lea & Flood 2014), as a float in (0, 1)."""
    z = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (np.float64(z >> np.uint64(11)) + 0.5) / 9007199254740992.0


@kernel
def _drawn(s, ns, path, moment_ns):
    """A latency of median `ns`: lognormal, its logarithm `spread` wide, drawn for a path and a moment."""
    x = s.seed + np.uint64(moment_ns) * np.uint64(4) + np.uint64(path)
    first = _mixed(x * np.uint64(0x9E3779B97F4A7C15))
    second = _mixed(x * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15))
    normal = np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second)
    return int(ns * np.exp(s.spread * min(max(normal, -WIDEST), WIDEST)))


@kernel
def observe(s, event):
    """Remember how late a stamped event came."""
    if s.latencies == _RECORDED and event.exch_ts > 0:
        took = event.local_ts - event.exch_ts
        s.fastest_ns = min(s.fastest_ns, took)
        s.late_ns = min(took - s.fastest_ns, LATEST_NS)


@kernel
def happened(s, event):
    """Venue time of an event, on the local timeline: how long it was on its way is taken off `local_ts`.

    Of recorded stamps only differences count, so the clocks may be apart: the fastest message so far took
    `feed_latency_ns`, every other one longer by what it took longer. A heartbeat without a stamp happened here: it
    says only what no later event can be earlier than.
    """
    if s.latencies == _SAMPLED:
        return event.local_ts - _drawn(s, s.feed_latency_ns, _FEED, event.local_ts)
    if s.latencies == _RECORDED:
        if event.exch_ts > 0:
            took = event.local_ts - event.exch_ts
            return event.local_ts - s.feed_latency_ns - min(took - min(s.fastest_ns, took), LATEST_NS)
        if event.kind == _HEARTBEAT:
            return certain(s, event.local_ts)
        return event.local_ts - s.feed_latency_ns - s.late_ns
    return event.local_ts - s.feed_latency_ns


@kernel
def certain(s, local_ns):
    """The venue time up to which everything is known at a local time: nothing can be later than the slowest."""
    if s.latencies == _SAMPLED:
        return local_ns - int(s.feed_latency_ns * np.exp(s.spread * WIDEST))
    if s.latencies == _RECORDED and s.fastest_ns < NEVER:
        return local_ns - s.feed_latency_ns - LATEST_NS
    return local_ns - s.feed_latency_ns


@kernel
def arrival(sim, now_ns):
    """When a request sent now reaches the venue, if nothing is before it. SIM[1], for the gateway."""
    return now_ns + _took(sim[0], sim[0].latency_ns, _TO_VENUE, now_ns)


@kernel
def known(s, venue_ns):
    """When we hear of what happened at `venue_ns`.

    Later than the market data consumed so far, whatever the latency: what happened is known from it. And nothing
    overtakes.
    """
    arrives = venue_ns + _took(s, s.report_latency_ns, _TO_US, venue_ns)
    s.known_ns = max(arrives, s.now_ns + 1, s.known_ns)
    return s.known_ns


@kernel
def _took(s, ns, path, moment_ns):
    if s.latencies == _SAMPLED:
        return _drawn(s, ns, path, moment_ns)
    if s.latencies == _RECORDED:
        return ns + s.late_ns  # a line that is slow one way is slow the other way
    return ns
