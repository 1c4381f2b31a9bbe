"""How far the mid has moved: log returns over fixed windows, gaps between its exponential means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from btcframe.api import Column
from btcframe.kernels import kernel
from btcframe.kernels.logs import log_one_plus
from btcframe.kernels.rolling import decays, ewm_gap, lagged, push
from btcframe.types import Floats, Instrument, RowArray, StateArray

LONGEST = 10_000_000
"""Rows a window or a half-life may have: its memory is a float for each."""

NAMED_GAPS = {(10, 60): "ema_gap_fast", (60, 600): "ema_gap_slow"}


@dataclass(frozen=True)
class Returns:
    """Moves of the mid m, as logarithms.

    ::

        log_return_N     ln m_t − ln m_{t−N}
        ema_gap_fast     ln(ewm_10 m / ewm_60 m)
        ema_gap_slow     ln(ewm_60 m / ewm_600 m); other half-lives a, b: ema_gap_a_b

    ewm_h: num ← w·num + x, den ← w·den + 1, w = 0.5^(1/h), value num/den; a row without m decays both and adds
    nothing. Causal. NaN where m_t is, where m_{t−N} is (log_return_N), and before row N, for an ema gap before
    row b − 1, counted from the first row with a mid. An ema gap is valid again in the first good row after a bad
    one: its mean lost that row's weight only.

    Parameters
    ----------
    windows : tuple of int      N of each log return, rows
    half_lives : tuple of int   half-lives in rows, rising; each pair of neighbours gives a gap

    An empty list writes none of its columns, so a second instance adds only what it names.

    Outputs: 8 columns at the defaults, float64 (n,), unit 1 (1e-4 is a basis point). Source: definitions.
    """

    windows: tuple[int, ...] = (1, 5, 10, 30, 60, 300)
    half_lives: tuple[int, ...] = (10, 60, 600)

    def __post_init__(self) -> None:
        for name in ("windows", "half_lives"):
            values = getattr(self, name)
            if any(v < 1 for v in values):
                raise ValueError(f"{name}: {min(values)} is not a number of rows: they start at 1")
            if any(v > LONGEST for v in values):
                raise ValueError(f"{name}: {max(values)} rows are more than {LONGEST:,}")
            if list(values) != sorted(set(values)):
                raise ValueError(f"{name}: {list(values)} must rise")
        if not self.columns():
            raise ValueError("windows: no columns; give a window, or two half_lives")

    @cached_property
    def _columns(self) -> tuple[Column, ...]:
        pairs = zip(self.half_lives, self.half_lives[1:], strict=False)
        return (*(_log_return(n) for n in self.windows), *(_ema_gap(fast, slow) for fast, slow in pairs))

    def columns(self) -> tuple[Column, ...]:
        return self._columns

    def state(self, instrument: Instrument) -> StateArray:
        memory = np.zeros(1, _memory(self.windows, len(self.half_lives)))
        memory["windows"], memory["half_lives"], memory["decay"] = (
            self.windows,
            self.half_lives,
            decays(self.half_lives),
        )
        memory["last_mid"] = np.nan
        memory["logs"] = np.nan
        return memory

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        returns(rows, state, out)


def _log_return(n: int) -> Column:
    return Column(
        f"log_return_{n}", "1", warmup=n, inputs=("mid",), formula=f"ln m_t − ln m_{{t−{n}}}",
        source="definition", family="returns",
    )  # fmt: skip


def _ema_gap(fast: int, slow: int) -> Column:
    return Column(
        NAMED_GAPS.get((fast, slow), f"ema_gap_{fast}_{slow}"), "1", warmup=slow - 1, inputs=("mid",),
        formula=f"ln(ewm_{fast} m / ewm_{slow} m)", source="Appel's MACD, as a ratio", family="returns",
    )  # fmt: skip


@cache  # one dtype for equal settings: a kernel finds its compiled form by the object, several µs faster
def _memory(windows: tuple[int, ...], means: int) -> np.dtype[Any]:
    """State of a component with these windows and so many half-lives."""
    return np.dtype(
        [
            # what is asked for
            ("windows", "i8", (len(windows),)),
            ("half_lives", "i8", (means,)),
            ("decay", "f8", (means,)),
            # what is remembered
            ("position", "i8"),  # rows since the first mid
            ("last_mid", "f8"),  # newest valid mid, NaN before the first
            ("logs", "f8", (max(windows, default=1),)),  # ring of ln m, NaN where there was none
            ("gap", "f8", (means,)),  # each mean's distance from the last valid mid, quote
            ("weight", "f8", (means,)),  # each mean's denominator
        ]
    )


@kernel
def returns(rows: RowArray, state: StateArray, out: Floats) -> None:
    """Columns of `Returns`: log returns from a ring of ln m, ema gaps from distances to the newest mid."""
    s = state[0]
    returns_out = len(s.windows)
    for t in range(len(rows)):
        mid = rows[t].mid
        good = mid > 0.0  # false for NaN
        if s.position == 0 and not good:
            continue  # nothing has started: out keeps the caller's NaN
        position = s.position
        log = math.log(mid) if good else np.nan
        for j in range(len(s.windows)):
            out[t, j] = log - lagged(s.logs, position, s.windows[j])
        push(s.logs, position, log)
        step = 0.0 if position == 0 else mid - s.last_mid
        for j in range(len(s.gap)):
            if good:
                s.gap[j], s.weight[j] = ewm_gap(s.gap[j], s.weight[j], s.decay[j], step)
            else:
                s.weight[j] *= s.decay[j]
        for j in range(len(s.gap) - 1):
            warm = good and position >= s.half_lives[j + 1] - 1
            slow = s.gap[j + 1]
            out[t, returns_out + j] = log_one_plus((s.gap[j] - slow) / (mid + slow)) if warm else np.nan
        if good:
            s.last_mid = mid
        s.position = position + 1
