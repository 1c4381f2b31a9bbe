"""How much the mid moves: realised and bipower volatility, jumps, the range, and how restless all that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from btcframe.api import Column
from btcframe.kernels import kernel
from btcframe.kernels.logs import log_ratio
from btcframe.kernels.powers import begin, powers, slide_powers, spread
from btcframe.kernels.windows import enough, extremes, no_maxima, slide_maxima, slide_sums, sums
from btcframe.types import Floats, Instrument, RowArray, StateArray
from btcframe_features.lengths import check_lengths, distinct

RV, RATIO, BIPOWER, JUMP, PARKINSON, VOL_OF_VOL = range(6)
"""What a column is."""

PER_RANGE = 1.0 / math.sqrt(4.0 * math.log(2.0))
"""Standard deviation of a driftless random walk per expected range of it."""

PLAN = np.dtype(
    [
        ("what", "i8"),
        ("i", "i8"),  # its window: one of the state's spans, ranges or vols
        ("wide", "i8"),  # the longer span of RATIO
        ("warmup", "i8"),
    ]
)
"""One column, for the kernel."""

SUMS = np.dtype(
    [
        ("count", "f8"),  # valid returns
        ("squares", "f8"),  # Σ r²
        ("moves", "f8"),  # returns that are not 0
        ("products", "f8"),  # Σ |r_i||r_{i−1}| of neighbours among them
    ]
)
"""Sums over some returns in order."""


@dataclass(frozen=True)
class Volatility:
    """Moves of the mid m by size, r_t = ln m_t − ln m_{t−1}.

    ::

        rv_N             sqrt(Σ r²), last N rows
        vol_ratio_A_B    (rv_A/√A)/(rv_B/√B); 1 when rv_B = 0
        bipower_N        sqrt(π/2·k/(k−1)·Σ|r_i||r_{i−1}|) over the k returns of the window that are not 0, in
                         order; rv_N when k < 2
        jump_share_N     max(0, 1 − bipower_N²/rv_N²); 0 when rv_N = 0
        parkinson_N      ln(max mh/min ml)/sqrt(4 ln 2), last N rows; mh, ml the row's highest and lowest mid
        vol_of_vol_N     standard deviation of rv_10, last N rows (ddof 1)

    Sums are N·mean over the valid rows of the window. NaN where the row's own r (mh or ml) is, where fewer than
    ⌈0.8·N⌉ of the window's are valid, and before row N (vol_of_vol_N: N + 9), counted from the first row with a mid.
    Most returns are exactly 0, which breaks the plain bipower: neighbours are therefore those that moved, with a
    row without a value between them or not. Causal.

    Parameters
    ----------
    windows : tuple of int              N of each rv, rows
    ratio_windows : tuple of int        rows, rising; each pair of neighbours gives a vol_ratio
    bipower_windows : tuple of int      N of each bipower
    jump_windows : tuple of int         N of each jump_share
    range_windows : tuple of int        N of each parkinson
    vol_of_vol_windows : tuple of int   N of each vol_of_vol
    vol_of : int                        rows of the rv in vol_of_vol; other than 10 are called vol_of_vol_N_of_M

    An empty list writes none of its columns, so a second instance adds only what it names.

    Outputs: 9 columns at the defaults, float64 (n,), unit 1 (1e-4 is a basis point).

    References
    ----------
    Andersen, Bollerslev, Diebold & Labys, Econometrica 71, 2003; Barndorff-Nielsen & Shephard, Journal of Financial
    Econometrics 2, 2004; Parkinson, Journal of Business 53, 1980.
    """

    windows: tuple[int, ...] = (10, 30, 60, 300)
    ratio_windows: tuple[int, ...] = (30, 300)
    bipower_windows: tuple[int, ...] = (60,)
    jump_windows: tuple[int, ...] = (60,)
    range_windows: tuple[int, ...] = (60,)
    vol_of_vol_windows: tuple[int, ...] = (60,)
    vol_of: int = 10

    def __post_init__(self) -> None:
        for name in ("windows", "ratio_windows", "bipower_windows", "jump_windows", "range_windows"):
            check_lengths(name, getattr(self, name))
        check_lengths("vol_of_vol_windows", self.vol_of_vol_windows, 2)
        check_lengths("vol_of", (self.vol_of,))
        if not self.columns():
            raise ValueError("windows: no columns; give a window")

    @cached_property
    def _lengths(self) -> list[int]:
        """Rows of every window of returns, rising."""
        of = (self.vol_of,) if self.vol_of_vol_windows else ()
        return distinct(self.windows, self.ratio_windows, self.bipower_windows, self.jump_windows, of)

    @cached_property
    def _entries(self) -> tuple[tuple[int, int, int, Column], ...]:
        """What, window, longer window and description of every column, in order."""
        at = self._lengths.index
        entries: list[tuple[int, int, int, Column]] = [(RV, at(n), 0, _rv(n)) for n in self.windows]
        for n, wide in zip(self.ratio_windows, self.ratio_windows[1:], strict=False):
            entries.append((RATIO, at(n), at(wide), _ratio(n, wide)))
        entries += [(BIPOWER, at(n), 0, _bipower(n)) for n in self.bipower_windows]
        entries += [(JUMP, at(n), 0, _jump(n)) for n in self.jump_windows]
        entries += [(PARKINSON, i, 0, _parkinson(n)) for i, n in enumerate(self.range_windows)]
        entries += [(VOL_OF_VOL, i, 0, _vol(n, self.vol_of)) for i, n in enumerate(self.vol_of_vol_windows)]
        return tuple(entries)

    def columns(self) -> tuple[Column, ...]:
        return tuple(entry[3] for entry in self._entries)

    def state(self, instrument: Instrument) -> StateArray:
        memory = np.zeros(
            1, _memory(tuple(self._lengths), self.range_windows, self.vol_of_vol_windows, len(self._entries))
        )
        state = memory[0]
        state["last_mid"] = np.nan
        state["spans"]["n"] = self._lengths
        state["ranges"]["n"] = self.range_windows
        no_maxima(state["ranges"]["most"])
        for i, n in enumerate(self.vol_of_vol_windows):
            begin(state["vols"][i], n)
        if self.vol_of_vol_windows:
            state["vol_of"] = self._lengths.index(self.vol_of)
        state["plan"] = [(what, i, wide, column.warmup) for what, i, wide, column in self._entries]
        return memory

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        volatility(rows, state, out)


def _rv(n: int) -> Column:
    return Column(
        f"rv_{n}", "1", 0.0, warmup=n, inputs=("mid",), formula=f"sqrt(Σ r²), {n} rows",
        source="Andersen, Bollerslev, Diebold & Labys 2003", family="volatility",
    )  # fmt: skip


def _ratio(n: int, wide: int) -> Column:
    return Column(
        f"vol_ratio_{n}_{wide}", "1", 0.0, warmup=wide, inputs=("mid",),
        formula=f"(rv_{n}/√{n})/(rv_{wide}/√{wide}), 1 when rv_{wide} = 0", source="definition",
        family="volatility",
    )  # fmt: skip


def _bipower(n: int) -> Column:
    return Column(
        f"bipower_{n}", "1", 0.0, warmup=n, inputs=("mid",),
        formula=f"sqrt(π/2·k/(k−1)·Σ|r_i||r_{{i−1}}|) over the k non-zero returns of {n} rows",
        source="Barndorff-Nielsen & Shephard 2004, without the zeros", family="volatility",
    )  # fmt: skip


def _jump(n: int) -> Column:
    return Column(
        f"jump_share_{n}", "1", 0.0, 1.0, warmup=n, inputs=("mid",),
        formula=f"max(0, 1 − bipower_{n}²/rv_{n}²), 0 when rv_{n} = 0",
        source="Barndorff-Nielsen & Shephard 2004", family="volatility",
    )  # fmt: skip


def _parkinson(n: int) -> Column:
    return Column(
        f"parkinson_{n}", "1", 0.0, warmup=n, inputs=("mid_high", "mid_low"),
        formula=f"ln(max mh/min ml)/sqrt(4 ln 2), {n} rows", source="Parkinson 1980, one range",
        family="volatility",
    )  # fmt: skip


def _vol(n: int, of: int) -> Column:
    return Column(
        f"vol_of_vol_{n}" if of == 10 else f"vol_of_vol_{n}_of_{of}", "1", 0.0, warmup=of + n - 1,
        inputs=("mid",), formula=f"std of rv_{of}, {n} rows", source="definition", family="volatility",
    )  # fmt: skip


def span(longest: int) -> np.dtype[Any]:
    """Memory of the returns of up to `longest` rows: call `slide_returns`, read `variance`, `scale` and `total`."""
    return np.dtype(
        [
            ("n", "i8"),  # rows of the window
            ("at", "i8"),  # rows of this block
            ("variance", "f8"),  # n·mean r² of the window, NaN where it is not known
            ("scale", "f8"),  # n/count
            ("first", "f8"),  # |r| of the first move of this block, 0 without
            ("last", "f8"),  # of its newest
            ("behind", "f8"),  # of the newest of the block before
            ("total", SUMS),  # of the window
            ("prefix", SUMS),  # of this block so far
            ("ring", "f8", (longest,)),  # |r|
            ("suffix", SUMS, (longest + 1,)),  # of the block before from i on; nothing from n on
        ],
        align=True,
    )


@cache  # one dtype for equal settings: a kernel finds its compiled form by the object, several µs faster
def _memory(
    lengths: tuple[int, ...], ranges: tuple[int, ...], vols: tuple[int, ...], columns: int
) -> np.dtype[Any]:
    """State of a component with these windows."""
    longest = max(ranges, default=1)
    extent = [("n", "i8"), ("count", sums(longest, 1)), ("most", extremes(longest, 2))]
    return np.dtype(
        [
            ("position", "i8"),  # rows since the first mid
            ("last_mid", "f8"),  # of the row before, NaN where it had none
            ("spans", span(max(lengths, default=1)), (len(lengths),)),
            ("ranges", np.dtype(extent, align=True), (len(ranges),)),
            ("vols", powers(max(vols, default=1), 2), (len(vols),)),
            ("vol_of", "i8"),  # the span that they are of
            ("plan", PLAN, (columns,)),
        ]
    )


@kernel
def _turn(w: Any) -> None:
    """Begin a block of a span: sum up what is left of the one before, from each of its rows on."""
    first = 0.0
    for i in range(w.n - 1, 0, -1):
        later, here = w.suffix[i + 1], w.suffix[i]
        known = w.ring[i] == w.ring[i]
        size = w.ring[i] if known else 0.0
        here.count = later.count + (1.0 if known else 0.0)
        here.squares = later.squares + size * size
        here.moves = later.moves + (1.0 if size > 0.0 else 0.0)
        here.products = later.products + size * first
        first = size if size > 0.0 else first
    w.behind = w.last
    w.first = w.last = 0.0
    w.prefix.count = w.prefix.squares = w.prefix.moves = w.prefix.products = 0.0
    w.at = 0


@kernel
def slide_returns(w: Any, size: float) -> None:
    """One row on, of a return's absolute value. As `windows.slide_sums`, for sums that need the rows' order."""
    if w.at == w.n:
        _turn(w)
    w.ring[w.at] = size
    w.at += 1
    w.variance = np.nan
    if size != size:
        return
    sums, total, rest = w.prefix, w.total, w.suffix[w.at]
    sums.count += 1.0
    sums.squares += size * size
    # without a branch: which rows move cannot be predicted
    sums.moves += 1.0 if size > 0.0 else 0.0
    sums.products += size * w.last
    w.first = w.first if w.first > 0.0 else size
    w.last = size if size > 0.0 else w.last
    total.count = sums.count + rest.count
    total.squares = sums.squares + rest.squares
    total.moves = sums.moves + rest.moves
    # the newest move of the block before is in the window if any of that block is
    total.products = sums.products + rest.products + (w.behind * w.first if rest.moves > 0.0 else 0.0)
    if total.count == w.n:
        w.scale = 1.0
        w.variance = total.squares
    elif enough(total.count, w.n):
        w.scale = w.n / total.count
        w.variance = total.squares * w.scale


@kernel
def bipower(w: Any) -> Any:
    """bipower² of a span, NaN where its variance is."""
    k = w.total.moves
    if k < 2.0 or w.variance != w.variance:
        return w.variance
    return 0.5 * math.pi * k / (k - 1.0) * w.total.products * w.scale


@kernel
def parkinson(w: Any, high: float, low: float) -> Any:
    """One row on, and the range of the window; NaN where the row has none."""
    known = high > 0.0 and low > 0.0  # false for NaN
    w.count.new[0] = 1.0 if known else 0.0
    w.most.new[0] = high if known else -np.inf
    w.most.new[1] = -low if known else -np.inf
    slide_sums(w.count, w.n)
    slide_maxima(w.most, w.n)
    if not (known and enough(w.count.total[0], w.n)):
        return np.nan
    return log_ratio(w.most.total[0], -w.most.total[1]) * PER_RANGE


@kernel
def deviation(w: Any, x: float) -> Any:
    """One row on, and the standard deviation of the window; NaN where the row has no x."""
    slide_powers(w, x)
    count = w.total[0]
    if x != x or not enough(count, w.n):
        return np.nan
    return math.sqrt(max(0.0, spread(count, w.total[1], w.total[2])) / (count - 1.0))


@kernel
def volatility(rows: RowArray, state: StateArray, out: Floats) -> None:
    """Columns of `Volatility`."""
    s = state[0]
    for t in range(len(rows)):
        row = rows[t]
        mid, last = row.mid, s.last_mid
        if s.position == 0 and not mid > 0.0:
            continue  # nothing has started: out keeps the caller's NaN
        size = abs(log_ratio(mid, last)) if mid > 0.0 and last > 0.0 else np.nan
        for i in range(len(s.spans)):
            slide_returns(s.spans[i], size)
        for j in range(len(s.plan)):
            what, i = s.plan[j].what, s.plan[j].i
            value = np.nan
            if what == RV:
                value = math.sqrt(s.spans[i].variance)
            elif what == RATIO:
                near, wide = s.spans[i], s.spans[s.plan[j].wide]
                if wide.variance != 0.0:
                    value = math.sqrt(near.variance * wide.n / (wide.variance * near.n))
                elif near.variance == 0.0:  # not NaN
                    value = 1.0
            elif what == BIPOWER:
                value = math.sqrt(bipower(s.spans[i]))
            elif what == JUMP:
                variance = s.spans[i].variance
                share = 1.0 - bipower(s.spans[i]) / variance if variance != 0.0 else 0.0
                value = 0.0 if share < 0.0 else share  # keeps NaN, as max would not
            elif what == PARKINSON:
                value = parkinson(s.ranges[i], row.mid_high, row.mid_low)
            elif what == VOL_OF_VOL:
                value = deviation(s.vols[i], math.sqrt(s.spans[s.vol_of].variance))
            out[t, j] = value if s.position >= s.plan[j].warmup else np.nan
        s.last_mid = mid if mid > 0.0 else np.nan
        s.position += 1
