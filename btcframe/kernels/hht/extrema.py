"""Extrema and zero crossings, as PyEMD finds them (`extrema_detection="simple"`).

Maxima and minima alternate, so one list holds both, and its first two heights say which is which.
"""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel
from btcframe.kernels.hht.simd import (
    compress,
    count_up,
    equal,
    get,
    get_bits,
    less,
    load,
    ones,
    put,
    put_bits,
    splat,
    store,
)
from btcframe.kernels.hht.workspace import KNOTS

_ALL = 255


@kernel
def find_extrema(w, at, h, n, expected):
    """Write the extrema of w[h : h + n] to the knots and marks; their number, of which `expected` is a guess.

    A sample is an extremum where the slopes on its two sides differ in sign. Where neighbours are equal, see
    `find_plateaus`.
    """
    count = KNOTS
    ties = 0
    rose = 1 if n > 1 and get(w, h) < get(w, h + 1) else 0  # so the first sample is no extremum
    dense = 1 if expected * 60 > n else 0
    place, eight = count_up(0.0), splat(8.0)
    for i in range(0, n, 8):
        here, right = load(w, h + i), load(w, h + i + 1)
        pairs = (1 << min(n - 1 - i, 8)) - 1  # samples with a right neighbour
        rises = less(here, right)
        turns = (rises ^ (rises << 1 | rose)) & pairs
        rose = rises >> 7
        ties |= equal(here, right) & pairs
        put_bits(w, at.marks + i // 8, turns)
        if turns | dense:  # where most blocks have some, looking first costs more than it saves
            store(w, at.x + count, compress(place, turns))
            store(w, at.y + count, compress(here, turns))
            count += ones(turns)
        place = place + eight
    if ties:
        return find_plateaus(w, at, h, n)
    return count - KNOTS


@kernel
def find_plateaus(w, at, h, n):
    """`find_extrema`, one sample after the other, where neighbours may be equal.

    A plateau between slopes of different sign is an extremum in its middle (halves to even). As in PyEMD, one that
    begins at the second sample or reaches the last is none, and one that begins at the first sample takes the signal's
    last slope for the one before it: odd, but kept, so that results are equal.
    """
    for block in range((n + 7) // 8):
        put_bits(w, at.marks + block, 0)
    count = 0
    i = 0
    while i < n - 1:
        start = i
        while i < n - 1 and get(w, h + i) == get(w, h + i + 1):
            i += 1
        level = i > start
        if i == n - 1:
            break
        after = get(w, h + i + 1) - get(w, h + i)
        if start > 0:
            before = get(w, h + start) - get(w, h + start - 1)
        elif level:
            before = get(w, h + n - 1) - get(w, h + n - 2)
        else:
            before = 0.0
        opposite = (before < 0.0 < after) or (after < 0.0 < before)
        if opposite and not (level and start == 1):
            place = int(np.rint(0.5 * (start + i)))
            put(w, at.x + KNOTS + count, float(place))
            put(w, at.y + KNOTS + count, get(w, h + place))
            block = at.marks + place // 8
            put_bits(w, block, get_bits(w, block) | (1 << place % 8))
            count += 1
        i += 1
    return count


@kernel
def count_crossings(w, h, n):
    """Sign changes between neighbours of w[h : h + n], and runs of zeros."""
    count = 0
    zeros = 0
    for i in range(0, n, 8):
        here = load(w, h + i)
        inside = (1 << min(n - i, 8)) - 1
        rightmost = (1 << min(n - 1 - i, 8)) - 1
        count += ones(less(here * load(w, h + i + 1), splat(0.0)) & rightmost)
        zeros |= equal(here, splat(0.0)) & inside
    if zeros:
        for i in range(n):
            if get(w, h + i) == 0.0 and (i == n - 1 or get(w, h + i + 1) != 0.0):
                count += 1
    return count
