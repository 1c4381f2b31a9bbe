"""Where the mid stands among its last values, and what shape its returns have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from btcframe.api import Column
from btcframe.kernels import kernel
from btcframe.kernels.logs import log_ratio
from btcframe.kernels.powers import begin, pairs, powers, slide_pairs, slide_powers, spread
from btcframe.kernels.windows import enough
from btcframe.types import Floats, Instrument, RowArray, StateArray
from btcframe_features.lengths import check_lengths


@dataclass(frozen=True)
class Moments:
    """Standardised moments of ln m and of the returns r_t = ln m_t − ln m_{t−1}, m the mid.

    ::

        zscore_N      (ln m_t − mean)/std of ln m, last N rows (ddof 1)
        skew_N        m3/m2^1.5 of r, last N rows
        kurt_N        m4/m2² − 3 of r, last N rows
        autocorr_N    correlation of the pairs (r_s, r_{s−1}), s = t−N+1…t

    m2, m3, m4 are the population's. Where all values of the window are equal (for autocorr those of either side), the
    value is 0. NaN where the row's own entry is, where fewer than ⌈0.8·N⌉ of the window's are valid, and before row
    N − 1 (zscore), N (skew, kurt), N + 1 (autocorr), counted from the first row with a mid. Causal.

    Parameters
    ----------
    zscore_windows : tuple of int     N of each zscore, rows
    shape_windows : tuple of int      N of each skew and kurt
    autocorr_windows : tuple of int   N of each autocorr

    An empty list writes none of its columns, so a second instance adds only what it names.

    Outputs: 5 columns at the defaults, float64 (n,), unit 1. Source: definitions.
    """

    zscore_windows: tuple[int, ...] = (60, 300)
    shape_windows: tuple[int, ...] = (300,)
    autocorr_windows: tuple[int, ...] = (60,)

    def __post_init__(self) -> None:
        for name in ("zscore_windows", "shape_windows", "autocorr_windows"):
            check_lengths(name, getattr(self, name), 2)
        if not self.columns():
            raise ValueError("zscore_windows: no columns; give a window")

    @cached_property
    def _columns(self) -> tuple[Column, ...]:
        zscores = [_zscore(n) for n in self.zscore_windows]
        shapes = [column for n in self.shape_windows for column in (_skew(n), _kurt(n))]
        return (*zscores, *shapes, *(_autocorr(n) for n in self.autocorr_windows))

    def columns(self) -> tuple[Column, ...]:
        return self._columns

    def state(self, instrument: Instrument) -> StateArray:
        memory = np.zeros(1, _memory(self.zscore_windows, self.shape_windows, self.autocorr_windows))
        memory["before"] = memory["r"] = np.nan
        lists = {"zscores": self.zscore_windows, "shapes": self.shape_windows, "lags": self.autocorr_windows}
        for name, windows in lists.items():
            for i, n in enumerate(windows):
                begin(memory[name][0, i], n)
        return memory

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        moments(rows, state, out)


def _zscore(n: int) -> Column:
    most = math.sqrt(n)  # of n values none is further than (n − 1)/√n standard deviations from their mean
    return Column(
        f"zscore_{n}", "1", -most, most, warmup=n - 1, inputs=("mid",),
        formula=f"(ln m − mean)/std of ln m, {n} rows", source="definition", family="moments",
    )  # fmt: skip


def _skew(n: int) -> Column:
    most = math.sqrt(n)
    return Column(
        f"skew_{n}", "1", -most, most, warmup=n, inputs=("mid",), formula=f"m3/m2^1.5 of r, {n} rows",
        source="definition", family="moments",
    )  # fmt: skip


def _kurt(n: int) -> Column:
    return Column(
        f"kurt_{n}", "1", -2.0, float(n), warmup=n, inputs=("mid",), formula=f"m4/m2² − 3 of r, {n} rows",
        source="definition", family="moments",
    )  # fmt: skip


def _autocorr(n: int) -> Column:
    return Column(
        f"autocorr_{n}", "1", -1.0, 1.0, warmup=n + 1, inputs=("mid",),
        formula=f"correlation of r_s and r_{{s−1}}, {n} pairs", source="definition", family="moments",
    )  # fmt: skip


@cache  # one dtype for equal settings: a kernel finds its compiled form by the object, several µs faster
def _memory(zscores: tuple[int, ...], shapes: tuple[int, ...], lags: tuple[int, ...]) -> np.dtype[Any]:
    """State of a component with these windows."""
    return np.dtype(
        [
            ("position", "i8"),  # rows since the first mid
            ("first_mid", "f8"),  # logarithms are relative to it, or they would lose the digits that move
            ("mid", "f8"),  # newest valid mid
            ("log", "f8"),  # ln(mid/first_mid)
            ("before", "f8"),  # the same of the row before, NaN where it had no mid
            ("r", "f8"),  # return of the row before, NaN where it had none
            ("zscores", powers(max(zscores, default=1), 2), (len(zscores),)),
            ("shapes", powers(max(shapes, default=1), 4), (len(shapes),)),
            ("lags", pairs(max(lags, default=1)), (len(lags),)),
        ]
    )


@kernel
def _zscore_of(w: Any, x: float) -> Any:
    """Standard deviations by which x, the newest value, lies above the window's mean."""
    count, first = w.total[0], w.total[1]
    squares = spread(count, first, w.total[2])
    if not squares > 0.0:
        return 0.0
    return (x - w.centre - first / count) / math.sqrt(squares / (count - 1.0))


@kernel
def _shape_of(w: Any) -> Any:
    """Skewness and excess kurtosis of a window."""
    each = 1.0 / w.total[0]
    mean, second, third, fourth = (
        w.total[1] * each,
        w.total[2] * each,
        w.total[3] * each,
        w.total[4] * each,
    )
    m2 = second - mean * mean
    if not m2 > 0.0:
        return 0.0, 0.0
    m3 = third - mean * (3.0 * second - 2.0 * mean * mean)
    m4 = fourth - mean * (4.0 * third - mean * (6.0 * second - 3.0 * mean * mean))
    inverse = 1.0 / m2
    return m3 * inverse * math.sqrt(inverse), max(-2.0, m4 * inverse * inverse - 3.0)


@kernel
def _correlation_of(w: Any) -> Any:
    """Correlation of a window of pairs."""
    count, a, b = w.total[0], w.total[1], w.total[2]
    squares = spread(count, a, w.total[3]) * spread(count, b, w.total[4])
    if not squares > 0.0:
        return 0.0
    return min(1.0, max(-1.0, (w.total[5] - a * b / count) / math.sqrt(squares)))


@kernel
def moments(rows: RowArray, state: StateArray, out: Floats) -> None:
    """Columns of `Moments`."""
    s = state[0]
    shapes_out = len(s.zscores)
    lags_out = shapes_out + 2 * len(s.shapes)
    for t in range(len(rows)):
        mid = rows[t].mid
        good = mid > 0.0  # false for NaN
        if s.position == 0:
            if not good:
                continue  # nothing has started: out keeps the caller's NaN
            s.first_mid = s.mid = mid
        if good and mid != s.mid:
            s.mid = mid
            s.log = log_ratio(mid, s.first_mid)
        x = s.log if good else np.nan
        r = x - s.before
        for i in range(len(s.zscores)):
            w = s.zscores[i]
            slide_powers(w, x)
            known = x == x and enough(w.total[0], w.n) and s.position >= w.n - 1
            out[t, i] = _zscore_of(w, x) if known else np.nan
        for i in range(len(s.shapes)):
            w, j = s.shapes[i], shapes_out + 2 * i
            slide_powers(w, r)
            out[t, j] = out[t, j + 1] = np.nan
            if r == r and enough(w.total[0], w.n) and s.position >= w.n:
                out[t, j], out[t, j + 1] = _shape_of(w)
        for i in range(len(s.lags)):
            w = s.lags[i]
            slide_pairs(w, r, s.r)
            known = r == r and s.r == s.r and enough(w.total[0], w.n) and s.position > w.n
            out[t, lags_out + i] = _correlation_of(w) if known else np.nan
        s.before = x
        s.r = r
        s.position += 1
