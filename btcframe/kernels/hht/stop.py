"""When a sift may stop."""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel
from btcframe.kernels.hht.extrema import count_crossings
from btcframe.kernels.hht.simd import (
    fma,
    get,
    greatest,
    highest,
    least,
    less,
    load,
    lowest,
    magnitude,
    ones,
    splat,
    total,
)
from btcframe.kernels.hht.workspace import KNOTS

FIXED, PYEMD, RILLING = 0, 1, 2

_LEAST_ENERGY, _VARIANCE, _DEVIATION, _ENERGY = 1e-10, 0.001, 0.2, 0.2  # PyEMD's defaults
_RARELY, _NEVER, _SHARE = 0.05, 0.5, 0.05  # θ1, θ2 and α of Rilling, Flandrin & Gonçalves 2003


@kernel
def right_signs(w, at, knots):
    """Whether no maximum is negative and no minimum positive, mirrored ones included."""
    maxima = 0x55 if get(w, at.y + KNOTS) > get(w, at.y + KNOTS + 1) else 0xAA
    for k in range(0, knots, 8):
        heights = load(w, at.y + k)
        inside = (1 << min(knots - k, 8)) - 1
        below, above = less(heights, splat(0.0)), less(splat(0.0), heights)
        if (below & maxima | above & ~maxima) & inside:
            return False
    return True


@kernel
def pyemd(w, new, old, n, count):
    """PyEMD's default: extrema and crossings differ by one at most, and the sift has changed little.

    Little is any of Σ(new − old)²/(max old − min old) < 0.001, Σ((new − old)/new)² < 0.2 and
    Σ(new − old)²/Σ old² < 0.2, where Σ new² is 10⁻¹⁰ or more (EMD.check_imf).
    """
    if abs(count - count_crossings(w, new, n)) >= 2:
        return False
    whole = n // 8 * 8
    energy, change, before = splat(0.0), splat(0.0), splat(0.0)
    low, high = splat(np.inf), splat(-np.inf)
    for i in range(0, whole, 8):
        a, b = load(w, new + i), load(w, old + i)
        step = a - b
        energy, change, before = fma(a, a, energy), fma(step, step, change), fma(b, b, before)
        low, high = least(b, low), greatest(b, high)
    energy_, change_, before_, low_, high_ = (
        total(energy),
        total(change),
        total(before),
        lowest(low),
        highest(high),
    )
    for i in range(whole, n):
        a_, b_ = get(w, new + i), get(w, old + i)
        energy_ += a_ * a_
        change_ += (a_ - b_) * (a_ - b_)
        before_ += b_ * b_
        low_, high_ = min(low_, b_), max(high_, b_)
    if energy_ < _LEAST_ENERGY:
        return False
    if change_ / (high_ - low_) < _VARIANCE or change_ / before_ < _ENERGY:
        return True
    return _little_deviation(w, new, old, n)


@kernel
def _little_deviation(w, new, old, n):
    """Whether Σ((new − old)/new)² < 0.2. One sample above is found without a division, and soon."""
    for i in range(0, n // 8 * 8, 8):
        a = load(w, new + i)
        step = a - load(w, old + i)
        if less(splat(_DEVIATION) * (a * a), step * step):
            return False
    deviation = 0.0
    for i in range(n):
        a_ = get(w, new + i)
        ratio = (a_ - get(w, old + i)) / a_
        deviation += ratio * ratio
    return deviation < _DEVIATION


@kernel
def rilling(w, h, mean, amplitude, n, count):
    """Rilling, Flandrin & Gonçalves 2003: |mean/amplitude| is hardly ever above 0.05, and nowhere above 0.5."""
    if abs(count - count_crossings(w, h, n)) >= 2:
        return False
    rarely = 0
    for i in range(0, n, 8):
        size, reach = magnitude(load(w, mean + i)), magnitude(load(w, amplitude + i))
        inside = (1 << min(n - i, 8)) - 1
        if less(splat(_NEVER) * reach, size) & inside:
            return False
        rarely += ones(less(splat(_RARELY) * reach, size) & inside)
    return rarely <= _SHARE * n
