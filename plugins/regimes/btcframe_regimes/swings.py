"""Kernels of the regime `hht`: rows → windows of bars, and decomposed windows → columns."""

from __future__ import annotations

import math
from typing import Any

from btcframe.kernels import kernel
from btcframe.kernels.logs import log_ratio
from btcframe.kernels.windows import enough
from btcframe.types import Floats, Ints, RowArray, StateArray

QUIET = 0.01
"""bps added to the swing in its logarithm: less than a tick."""


@kernel
def collect(
    rows: RowArray, state: StateArray, bar: int, every: int, windows: Floats, bases: Floats, due: Ints
) -> int:
    """Take in rows; write the window of each step.

    Parameters
    ----------
    rows, state : ROW[n], structured    see `Hht.state`
    bar, every : int                    rows to a bar, bars to a step
    windows : float64[m, w]             of step i the bars in bps above the first of them; NaN where too few have a mid
    bases : float64[m]                  the first bar's mid
    due : int64[m]                      the row of the step

    Returns
    -------
    int    number of steps
    """
    s = state[0]
    n = len(s.mids)
    count = 0
    for t in range(len(rows)):
        mid = rows[t].mid
        if mid > 0.0:  # False for NaN
            s.last = mid
            s.seen += 1
        if not s.last > 0.0:
            continue  # nothing has begun
        s.rows += 1
        if s.rows % bar:
            continue
        bars = s.rows // bar
        at = (bars - 1) % n
        had = 1 if s.seen > 0 else 0
        s.valid += had - s.had[at]
        s.mids[at], s.had[at] = s.last, had
        s.seen = 0
        if bars < n or (bars - n) % every:
            continue
        first = s.mids[(at + 1) % n]
        known = enough(s.valid, n)
        for i in range(n):
            at = at + 1 if at + 1 < n else 0
            windows[count, i] = 1e4 * log_ratio(s.mids[at], first) if known else math.nan
        bases[count], due[count] = first, t
        count += 1
    return count


@kernel
def describe(
    rows: RowArray, due: Ints, bases: Floats, bands: Floats, edges: Ints, slow: int, over: int,
    state: StateArray, out: Floats,
) -> None:  # fmt: skip
    """The columns of `Hht`: a step's on its row and on those after it.

    Parameters
    ----------
    rows : ROW[n]
    due, bases : int64[>= m], float64[>= m]    from `collect`
    bands : float64[m, 4b + 1]                 energies, amplitudes, frequencies, phases, residue; NaN where not known
    edges : int64[b + 1]                       least and greatest period of each band, bars
    slow, over : int                           first slow band; bars of slope and drift
    state : structured
    out : float64[n, b + 8]
    """
    s = state[0]
    step = 0
    for t in range(len(rows)):
        if step < len(bands) and due[step] == t:
            _step(bands[step], bases[step], edges, slow, over, s)
            step += 1
        if rows[t].mid > 0.0:
            out[t, :] = s.values


@kernel
def _step(bands: Floats, base: float, edges: Ints, slow: int, over: int, s: Any) -> None:
    kept = len(s.motion)
    at, before = s.steps % kept, (s.steps - 1) % kept
    base_then, motion_then, period_then = s.base[at], s.motion[at], s.log_period[at]
    s.steps += 1
    b = len(edges) - 1
    if bands[4 * b] != bands[4 * b]:  # not known: what came before stands for it where later steps look back
        s.values[:] = math.nan
        s.base[at], s.motion[at], s.log_period[at] = s.base[before], s.motion[before], s.log_period[before]
        return
    fast = _shares(bands, b, slow, s.values)
    log_period = _log_period(bands, b, edges)
    motion = bands[4 * b] + _phase(bands, b, slow, s.values)
    s.base[at], s.motion[at], s.log_period[at] = base, motion, log_period
    move = motion - motion_then + 1e4 * log_ratio(base, base_then) if motion_then == motion_then else math.nan
    scale = abs(move) + math.sqrt(fast)
    s.values[b + 1] = math.log(math.sqrt(fast) + QUIET)
    s.values[b + 2] = min(max(math.exp(log_period), float(edges[0])), float(edges[b]))
    s.values[b + 3] = period_then - log_period if motion_then == motion_then else math.nan
    s.values[b + 4] = move / over
    s.values[b + 5] = 0.0 if scale == 0.0 else move / scale


@kernel
def _shares(bands: Floats, b: int, slow: int, values: Floats) -> float:
    """Shares and their entropy; returns the energy of the fast bands."""
    total, fast = 0.0, 0.0
    for j in range(b):
        total += bands[j]
        if j < slow:
            fast += bands[j]
    entropy = 0.0
    for j in range(b):
        share = 0.0 if total == 0.0 else bands[j] / total
        values[j] = share
        if share > 0.0:
            entropy -= share * math.log(share)
    values[b] = min(entropy / math.log(b), 1.0)
    return fast


@kernel
def _log_period(bands: Floats, b: int, edges: Ints) -> float:
    """Σ A² ln P / ΣA², each period held within its band: an instantaneous frequency may be anything, or negative."""
    total, weighted = 0.0, 0.0
    for j in range(b):
        power = bands[b + j] * bands[b + j]
        if power == 0.0:
            continue
        frequency = bands[2 * b + j]
        period = 1.0 / frequency if frequency * edges[j + 1] > 1.0 else float(edges[j + 1])
        total += power
        weighted += power * math.log(max(period, float(edges[j])))
    return math.log(edges[b]) if total == 0.0 else weighted / total


@kernel
def _phase(bands: Floats, b: int, slow: int, values: Floats) -> float:
    """Phase of the slow bands together; returns their sum, Σ A cos φ."""
    total, along, across = 0.0, 0.0, 0.0
    for j in range(slow, b):
        amplitude = bands[b + j]
        if amplitude == 0.0:
            continue
        total += amplitude
        along += amplitude * math.cos(bands[3 * b + j])
        across += amplitude * math.sin(bands[3 * b + j])
    values[b + 6] = 0.0 if total == 0.0 else min(max(along / total, -1.0), 1.0)
    values[b + 7] = 0.0 if total == 0.0 else min(max(across / total, -1.0), 1.0)
    return along
