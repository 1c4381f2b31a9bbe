"""The mean of both envelopes, taken off the signal.

Between two neighbouring knots of the interleaved list both splines are one cubic each, so their mean is one cubic:
half of each, the earlier one shifted to the later knot. It is evaluated once.
"""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel
from btcframe.kernels.hht.simd import (
    count_up,
    fma,
    fnma,
    follow,
    get,
    get_bits,
    load,
    ones,
    pick,
    splat,
    store,
)
from btcframe.kernels.hht.workspace import KNOTS

_DENSE = 50  # samples per extremum; below, blocks of samples cost less than segments


def _turns_so_far() -> np.ndarray:
    """For each mask of eight samples, as eight bytes: how many bits are set up to each sample, without the first."""
    masks = np.arange(256)[:, None]
    set_bits = (masks >> np.arange(8)) & 1
    set_bits[:, 0] = 0
    return np.cumsum(set_bits, axis=1).astype(np.uint8).view(np.uint64).ravel()


_SO_FAR = _turns_so_far()


@kernel
def take_off_mean(w, at, h, to, n, count):
    """w[to : to + n] = w[h : h + n] less the mean envelope, from the knots and `curve`."""
    _mean_cubics(w, at, count + 2 * KNOTS)
    if _DENSE * count > n:
        _by_samples(w, at, h, to, n)
    else:
        _by_segments(w, at, h, to, n, count)


@kernel
def _mean_cubics(w, at, knots):
    """The mean's cubic on [x_k, x_{k+1}]: a + z(b + z(c + z·d)), z from x_k, for k = 3 … knots − 5.

    Half of each envelope is y/2 + z(slope + z(curve/2 + z·cubic)) on [x_k, x_{k+2}]; knot k's own, and knot k−1's
    shifted to x_k, make the mean.
    """
    x, y, curve = at.x, at.y, at.curve
    half, third, two, three = splat(0.5), splat(1.0 / 3.0), splat(2.0), splat(3.0)
    slope, cubic = (
        half,
        half,
    )  # of the knots before; there are none before the first, which has no use for them
    for k in range(2, knots - 4, 8):
        place, height, bend = load(w, x + k), load(w, y + k), half * load(w, curve + k)
        inverse, bend_after = load(w, at.inverse + k), half * load(w, curve + k + 2)
        slope_before, cubic_before = slope, cubic
        rise = half * (load(w, y + k + 2) - height) * inverse
        slope = fnma((load(w, x + k + 2) - place) * third, fma(two, bend, bend_after), rise)
        cubic = (bend_after - bend) * third * inverse
        p, q = follow(slope_before, slope), follow(cubic_before, cubic)
        bend_before, z = half * load(w, curve + k - 1), place - load(w, x + k - 1)
        zq = z * q
        a = fma(z, fma(z, zq + bend_before, p), half * (height + load(w, y + k - 1)))
        store(w, at.lower + k, a)
        store(w, at.upper + k, slope + fma(z, fma(three, zq, two * bend_before), p))
        store(w, at.pivot + k, fma(three, zq, bend + bend_before))
        store(w, at.right + k, cubic + q)


@kernel
def _by_samples(w, at, h, to, n):
    """Eight samples at a time, each picking its segment: the cost does not depend on how many segments there are."""
    a, b, c, d = at.lower, at.upper, at.pivot, at.right
    segment = KNOTS - 1
    for block in range((n + 7) // 8):
        i = 8 * block
        turns = get_bits(w, at.marks + block)
        places = _SO_FAR[np.uint64(turns)]
        k = segment + (turns & 1)
        z = count_up(float(i)) - pick(load(w, at.x + k), places)
        value = fma(z, pick(load(w, d + k), places), pick(load(w, c + k), places))
        value = fma(z, fma(z, value, pick(load(w, b + k), places)), pick(load(w, a + k), places))
        store(w, to + i, load(w, h + i) - value)
        segment += ones(turns)


@kernel
def _by_segments(w, at, h, to, n, count):
    """Each segment in whole blocks from its first sample; the next one writes over what ran past its end."""
    a, b, c, d = at.lower, at.upper, at.pivot, at.right
    start = 0
    z = -get(w, at.x + KNOTS - 1)
    for k in range(KNOTS - 1, KNOTS + count):
        end = int(get(w, at.x + k + 1)) if k < KNOTS + count - 1 else n
        a8, b8, c8, d8 = (
            splat(get(w, a + k)),
            splat(get(w, b + k)),
            splat(get(w, c + k)),
            splat(get(w, d + k)),
        )
        for i in range(start, end, 8):
            zs = count_up(z + (i - start))
            value = fma(zs, fma(zs, fma(zs, d8, c8), b8), a8)
            store(w, to + i, load(w, h + i) - value)
        start, z = end, 0.0
