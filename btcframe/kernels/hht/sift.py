"""From what is left of a signal to its next mode, and from a signal to all of them."""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel
from btcframe.kernels.hht import few, stop
from btcframe.kernels.hht.boundary import mirror
from btcframe.kernels.hht.envelope import take_off_mean
from btcframe.kernels.hht.extrema import find_extrema
from btcframe.kernels.hht.simd import (
    get,
    greatest,
    highest,
    least,
    load,
    lowest,
    magnitude,
    put,
    splat,
    store,
    total,
)
from btcframe.kernels.hht.spline import fit
from btcframe.kernels.hht.workspace import KNOTS

NO_MODE = -1
_MOST_SIFTS = 999  # PyEMD's MAX_ITERATION, which counts the look before the first sift
_LEAST_RANGE, _LEAST_POWER = 0.001, 0.005  # PyEMD's range_thr and total_power_thr


@kernel
def _sift_once(w, at, h, to, n, count, judged):
    """One sift of w[h…] to w[to…]; where it is judged, whether maxima are positive and minima negative."""
    if mirror(w, at, h, n, count):
        knots = count + 2 * KNOTS
        fit(w, at, knots)
        take_off_mean(w, at, h, to, n, count)
        return judged and stop.right_signs(w, at, knots)
    first, second = few.both_envelopes(w, at, h, n, count)
    few.mean_and_amplitude(w, first, second, at.curve, at.back, h, to, n)
    return judged and few.right_signs(w, at, first, second)


@kernel
def next_mode(w, at, n, rule, sifts):
    """Sift w[residue…] until `rule` is content.

    Returns
    -------
    mode : int      offset of the mode
    count : int     extrema the rule has last seen; NO_MODE where there is none, because two extrema are left or less
    """
    h, to = at.first, at.second
    for i in range(0, n, 8):
        store(w, h + i, load(w, at.residue + i))
    count = find_extrema(w, at, h, n, 0)
    for done in range(1, _MOST_SIFTS + 1):
        if count <= 2:
            return h, NO_MODE
        if rule == stop.RILLING:
            first, second = few.both_envelopes(w, at, h, n, count)
            few.mean_and_amplitude(w, first, second, at.curve, at.back, h, to, n)
            if stop.rilling(w, h, at.curve, at.back, n, count):
                return h, count
        else:
            signs = _sift_once(w, at, h, to, n, count, rule == stop.PYEMD)
        if rule == stop.FIXED and done == sifts:
            return to, count
        count = find_extrema(w, at, to, n, count)
        if rule == stop.PYEMD and signs and stop.pyemd(w, to, h, n, count):
            return to, count
        h, to = to, h
    return h, count


@kernel
def take_off(w, residue, mode, n):
    """Take a mode off the residue; whether next to nothing is left of it."""
    whole = n // 8 * 8
    low, high, power = splat(np.inf), splat(-np.inf), splat(0.0)
    for i in range(0, whole, 8):
        left = load(w, residue + i) - load(w, mode + i)
        store(w, residue + i, left)
        low, high, power = least(left, low), greatest(left, high), power + magnitude(left)
    low_, high_, power_ = lowest(low), highest(high), total(power)
    for i in range(whole, n):
        left_ = get(w, residue + i) - get(w, mode + i)
        put(w, residue + i, left_)
        low_, high_, power_ = min(low_, left_), max(high_, left_), power_ + abs(left_)
    return high_ - low_ < _LEAST_RANGE or power_ < _LEAST_POWER


@kernel
def give_back(w, residue, mode, n):
    """Undo `take_off`."""
    for i in range(0, n, 8):
        store(w, residue + i, load(w, residue + i) + load(w, mode + i))


@kernel
def copy(source, start, out, to, n):
    """out[to : to + n] = source[start : start + n]."""
    whole = n // 8 * 8
    for i in range(0, whole, 8):
        store(out, to + i, load(source, start + i))
    for i in range(whole, n):
        put(out, to + i, get(source, start + i))


@kernel
def decompose(w, at, signal, start, n, most, more, rule, sifts, out, to):
    """Modes of signal[start : start + n], one after the other in `out` from `to` on, and behind them the residue.

    `most` modes at the most. The last one goes back to the residue where it had two extrema or less and none may follow
    it, as in PyEMD; after `most` modes some may if `more`.

    Returns
    -------
    modes : int
    ended : bool    whether the residue is next to nothing, or has no mode
    """
    copy(signal, start, w, at.residue, n)
    for k in range(most):
        mode, count = next_mode(w, at, n, rule, sifts)
        if count == NO_MODE:
            copy(w, at.residue, out, to + k * n, n)
            return k, True
        copy(w, mode, out, to + k * n, n)
        spent = take_off(w, at.residue, mode, n)
        if spent or k == most - 1:
            if count <= 2 and (spent or not more):
                give_back(w, at.residue, mode, n)
                k -= 1
            copy(w, at.residue, out, to + (k + 1) * n, n)
            return k + 1, spent
    return 0, True
