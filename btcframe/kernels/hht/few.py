"""The envelopes apart: for the few extrema, or the rare boundary, where one interleaved list cannot be made.

Slower by some factor and rare, or short: the last modes of a signal. Rilling's rule, which asks for the amplitude
between the envelopes, comes this way always.
"""

from __future__ import annotations

from typing import NamedTuple

from btcframe.kernels import kernel
from btcframe.kernels.hht.simd import count_up, fma, get, load, put, splat, store
from btcframe.kernels.hht.workspace import KNOTS

_INNER = 2  # knots mirrored on each side of an envelope, at most


class Envelope(NamedTuple):
    """Offsets of an envelope's knots, and how many there are."""

    x: int
    y: int
    curve: int
    knots: int


@kernel
def both_envelopes(w, at, h, n, count):
    """Knots and half second derivatives of the two envelopes: the one through extremum 0, the other."""
    even, odd = (count + 1) // 2, count // 2
    x0, y0, x1, y1 = at.inverse + _INNER, at.lower + _INNER, at.upper + _INNER, at.right + _INNER
    for q in range(even):
        put(w, x0 + q, get(w, at.x + KNOTS + 2 * q))
        put(w, y0 + q, get(w, at.y + KNOTS + 2 * q))
    for q in range(odd):
        put(w, x1 + q, get(w, at.x + KNOTS + 2 * q + 1))
        put(w, y1 + q, get(w, at.y + KNOTS + 2 * q + 1))
    left0, left1 = _mirror_end(w, at, KNOTS, 1, count, 0.0, get(w, h), x0, y0, x1, y1)
    xe, ye, xo, yo = x0 + even - 1, y0 + even - 1, x1 + odd - 1, y1 + odd - 1
    end, value = float(n - 1), get(w, h + n - 1)
    if count % 2:
        right0, right1 = _mirror_end(w, at, KNOTS + count - 1, -1, count, end, value, xe, ye, xo, yo)
    else:
        right1, right0 = _mirror_end(w, at, KNOTS + count - 1, -1, count, end, value, xo, yo, xe, ye)
    first = Envelope(x0 - left0, y0 - left0, at.pivot, left0 + even + right0)
    second = Envelope(x1 - left1, y1 - left1, at.spare, left1 + odd + right1)
    _fit(w, first, at.back)
    _fit(w, second, at.back)
    return first, second


@kernel
def _mirror_end(w, at, nearest, inwards, count, end, value, xa, ya, xb, yb):
    """Mirror as `boundary.py` tells; knots added outside of xa (the envelope of the nearest extremum) and of xb."""
    x, y = at.x + nearest, at.y + nearest
    high, low = get(w, y), get(w, y + inwards)
    axis, a, b_added = end, 0, 0  # the mirror; the first extremum to mirror, of the nearest one's kind
    if (high > low and value > low) or (high < low and value < low):
        far_a, far_b = min(4, (count - 1) // 2 * 2), min(3, count // 2 * 2 - 1)
        extremum = get(w, x)
        reach_a = 2.0 * extremum - get(w, x + inwards * far_a) - end
        reach_b = 2.0 * extremum - get(w, x + inwards * far_b) - end
        if reach_a * inwards <= 0.0 and reach_b * inwards <= 0.0:
            axis, a = extremum, 2
    else:
        put(w, xb - inwards, end)
        put(w, yb - inwards, value)
        b_added = 1
    return (
        _outside(w, x, y, inwards, a, count, axis, xa, ya, 0),
        _outside(w, x, y, inwards, 1, count, axis, xb, yb, b_added),
    )


@kernel
def _outside(w, x, y, inwards, first, count, axis, to_x, to_y, added):
    """Mirror extrema first, first + 2 … until the envelope has two knots more on this side; how many it has."""
    e = first
    while added < _INNER and e < count:
        added += 1
        put(w, to_x - inwards * added, 2.0 * axis - get(w, x + inwards * e))
        put(w, to_y - inwards * added, get(w, y + inwards * e))
        e += 2
    return added


@kernel
def _fit(w, line, scratch):
    """Half second derivatives: not-a-knot from four knots on, natural for three, a line for two."""
    x, y, c, last = line.x, line.y, line.curve, line.knots - 1
    put(w, c, 0.0)
    put(w, c + last, 0.0)
    if last < 2:
        return
    for k in range(1, last):
        before, after = get(w, x + k) - get(w, x + k - 1), get(w, x + k + 1) - get(w, x + k)
        rise = (get(w, y + k + 1) - get(w, y + k)) / after - (get(w, y + k) - get(w, y + k - 1)) / before
        lower, diagonal, upper, right = before, 2.0 * (before + after), after, 3.0 * rise
        if last > 2 and k == 1:  # c_0 = c_1 + (c_1 − c_2) before/after, put into the row
            diagonal += before + before * before / after
            upper -= before * before / after
            lower = 0.0
        if last > 2 and k == last - 1:
            diagonal += after + after * after / before
            lower -= after * after / before
            upper = 0.0
        if k > 1:
            diagonal -= lower * get(w, scratch + k - 1)
            right -= lower * get(w, c + k - 1)
        put(w, scratch + k, upper / diagonal)
        put(w, c + k, right / diagonal)
    for k in range(last - 2, 0, -1):
        put(w, c + k, get(w, c + k) - get(w, scratch + k) * get(w, c + k + 1))
    if last > 2:
        near, far = get(w, x + 1) - get(w, x), get(w, x + 2) - get(w, x + 1)
        put(w, c, get(w, c + 1) + near / far * (get(w, c + 1) - get(w, c + 2)))
        near, far = get(w, x + last) - get(w, x + last - 1), get(w, x + last - 1) - get(w, x + last - 2)
        put(w, c + last, get(w, c + last - 1) + near / far * (get(w, c + last - 1) - get(w, c + last - 2)))


@kernel
def evaluate(w, line, to, n):
    """w[to : to + n] = the spline at 0 … n − 1, its end pieces going on where it does not reach."""
    start = 0
    for k in range(line.knots - 1):
        x = get(w, line.x + k)
        end = n if k == line.knots - 2 else min(n, int(get(w, line.x + k + 1)))
        if end <= start:
            continue
        width = get(w, line.x + k + 1) - x
        here, there = get(w, line.curve + k), get(w, line.curve + k + 1)
        a = splat(get(w, line.y + k))
        b = splat((get(w, line.y + k + 1) - get(w, line.y + k)) / width - width * (2.0 * here + there) / 3.0)
        c, d = splat(here), splat((there - here) / (3.0 * width))
        for i in range(start, end, 8):
            z = count_up(i - x)
            store(w, to + i, fma(z, fma(z, fma(z, d, c), b), a))
        start = end


@kernel
def mean_and_amplitude(w, first, second, upper, lower, h, to, n):
    """Evaluate both, w[to…] = w[h…] − mean, and leave mean and signed half distance in `upper` and `lower`."""
    evaluate(w, first, upper, n)
    evaluate(w, second, lower, n)
    half = splat(0.5)
    for i in range(0, n, 8):
        one, other = load(w, upper + i), load(w, lower + i)
        mean = half * (one + other)
        store(w, to + i, load(w, h + i) - mean)
        store(w, upper + i, mean)
        store(w, lower + i, half * (one - other))


@kernel
def right_signs(w, at, first, second):
    """Whether no maximum is negative and no minimum positive, mirrored ones included."""
    sign = 1.0 if get(w, at.y + KNOTS) > get(w, at.y + KNOTS + 1) else -1.0
    for k in range(first.knots):
        if sign * get(w, first.y + k) < 0.0:
            return False
    for k in range(second.knots):  # noqa: SIM110 - kernels have no generators
        if sign * get(w, second.y + k) > 0.0:
            return False
    return True
