"""Knots beyond the ends: the extrema nearest an end, mirrored (Rilling, Flandrin & Gonçalves 2003; PyEMD, nbsym = 2).

Numbered from the end inwards the extrema are e_0, e_1 …. If the end sample lies between e_0 and e_1, or beyond e_0,
the mirror stands at e_0. If it lies beyond e_1, it counts as an extremum itself, and the mirror stands at the end.
Each envelope gets two knots more on each side.
"""

from __future__ import annotations

from btcframe.kernels import kernel
from btcframe.kernels.hht.simd import get, put
from btcframe.kernels.hht.workspace import KNOTS


@kernel
def mirror(w, at, h, n, count):
    """Write KNOTS mirrored knots on both sides of `count` extrema; whether the list could be made so.

    It cannot where extrema are fewer than five, nor where two mirrored knots of an envelope do not reach the end (a
    long first swing before short ones): then maxima and minima do not alternate. See `few.py`.
    """
    if count < 5:
        return False
    left = _mirror_end(w, at, KNOTS, 1, 0.0, get(w, h))
    right = _mirror_end(w, at, KNOTS + count - 1, -1, float(n - 1), get(w, h + n - 1))
    return left and right


@kernel
def _mirror_end(w, at, nearest, inwards, end, value):
    """Knots outside of `nearest`, in the direction against `inwards`; whether they reach the end."""
    x, y = at.x + nearest, at.y + nearest
    high, low = get(w, y), get(w, y + inwards)
    if (high > low and value > low) or (high < low and value < low):
        twice = 2.0 * get(w, x)
        for k in range(1, KNOTS + 1):
            put(w, x - inwards * k, twice - get(w, x + inwards * k))
            put(w, y - inwards * k, get(w, y + inwards * k))
        far, next_far = get(w, x - inwards * KNOTS), get(w, x - inwards * (KNOTS - 1))
        return (far - end) * inwards <= 0.0 and (next_far - end) * inwards <= 0.0
    put(w, x - inwards, end)
    put(w, y - inwards, value)
    for k in range(KNOTS - 1):
        put(w, x - inwards * (k + 2), 2.0 * end - get(w, x + inwards * k))
        put(w, y - inwards * (k + 2), get(w, y + inwards * k))
    return True
