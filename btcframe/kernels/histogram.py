"""Histograms of durations with a relative error of a thousandth from 1 ns to 73 minutes.

The layout is that of HdrHistogram (Gil Tene) for 3 significant digits and a unit of 1: values below 2,048 have a bucket
each, and every power of two above is divided into 1,024 equal ones. To record is a few shifts, whatever the value; two
histograms are merged by adding their counts.
"""

from __future__ import annotations

import math

import numpy as np

from btcframe.kernels import kernel
from btcframe.types import EventFlag, StateArray

HIGHEST = (1 << 42) - 1
"""The longest duration that has a bucket, ns: 73 minutes; longer ones are counted there."""

_HALF_BITS = 10
_HALF = 1 << _HALF_BITS
_LINEAR = 2 * _HALF
"""Values below have buckets of width 1."""

BUCKETS = (42 - _HALF_BITS + 1) * _HALF
"""Number of buckets: 33,792."""

HISTOGRAM = np.dtype(
    [
        ("n", "i8"),  # durations recorded
        ("sum", "i8"),  # ns, exact
        ("max", "i8"),  # ns, exact up to HIGHEST
        ("negative", "i8"),  # of those, below 0: clocks disagree; counted as 0
        ("counts", "i8", (BUCKETS,)),
    ],
    align=True,
)

_END = int(EventFlag.END)


def new_histograms(n: int) -> StateArray:
    """HISTOGRAM[n], empty."""
    return np.zeros(n, HISTOGRAM)


@kernel
def bucket(value):
    """Bucket of 0 <= value <= HIGHEST."""
    if value < _LINEAR:
        return value
    shift = math.frexp(float(value))[1] - 1 - _HALF_BITS
    return (shift << _HALF_BITS) + (value >> shift)


@kernel
def lowest(index):
    """Smallest value of a bucket; that of the next is one more than its greatest."""
    if index < _LINEAR:
        return index
    shift = (index >> _HALF_BITS) - 1
    return (index - (shift << _HALF_BITS)) << shift


@kernel
def record(histogram, value, times):
    """Count a duration, ns, so many times in a HISTOGRAM record."""
    if value < 0:
        histogram.negative += times
        value = 0
    value = min(value, HIGHEST)
    histogram.n += times
    histogram.sum += value * times
    histogram.max = max(histogram.max, value)
    histogram.counts[bucket(value)] += times


@kernel
def record_one(histograms, stage, value, times):
    """`record` into histograms[stage]."""
    record(histograms[stage], value, times)


@kernel
def record_arrivals(histograms, venue, wire, decode, events, offset_ns, now_ns):
    """Record how long each message of a batch took to get here.

    Parameters
    ----------
    histograms : HISTOGRAM[]
    venue, wire, decode : int   places of the three
    events : EVENT[n]           a message ends with flag END; what has no stamp is not recorded
    offset_ns : int             local clock less the exchange's
    now_ns : int                monotonic

    Returns
    -------
    int     when the first of them was received, monotonic; 0 where it is not known
    """
    for i in range(events.shape[0]):
        e = events[i]
        if not e.flags & _END:
            continue
        if e.send_ts != 0:
            if e.exch_ts != 0:
                record(histograms[venue], e.send_ts - e.exch_ts, 1)
            record(histograms[wire], e.local_ts - e.send_ts - offset_ns, 1)
        if e.mono_ts != 0:
            record(histograms[decode], now_ns - e.mono_ts, 1)
    return events[0].mono_ts if events.shape[0] > 0 else 0


@kernel
def messages(events, start, stop):
    """How many messages end in events[start:stop]."""
    n = 0
    for i in range(start, stop):
        n += (events[i].flags & _END) != 0
    return n


@kernel
def percentiles(histogram, percents, out):
    """The durations that so many per cent of all do not exceed, rounded up to the end of their bucket; 0 for none.

    Parameters
    ----------
    histogram : HISTOGRAM
    percents : float64[k]   ascending, 0 < percent <= 100
    out : int64[k]          ns
    """
    index = -1
    seen = 0
    for k in range(percents.shape[0]):
        out[k] = 0
        if histogram.n > 0:
            wanted = max(int(percents[k] * histogram.n / 100.0 + 0.5), 1)
            while seen < wanted:
                index += 1
                seen += histogram.counts[index]
            out[k] = lowest(index + 1) - 1


@kernel
def at_most(histogram, bounds, out):
    """How many durations lie at or below each bound, a bucket counted where it begins.

    Parameters
    ----------
    histogram : HISTOGRAM
    bounds : int64[k]       ns, ascending
    out : int64[k]
    """
    index = 0
    seen = 0
    for k in range(bounds.shape[0]):
        while index < BUCKETS and lowest(index) <= bounds[k]:
            seen += histogram.counts[index]
            index += 1
        out[k] = seen
