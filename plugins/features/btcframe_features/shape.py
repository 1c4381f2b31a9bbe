"""How the size of the visible book is spread over its levels: slope, convexity, gaps, entropy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from btcframe.api import Column
from btcframe.kernels import kernel
from btcframe.kernels.windows import ratio
from btcframe.types import LEVELS, Floats, Instrument, RowArray, StateArray
from btcframe_features.lengths import check_lengths

LN2 = math.log(2.0)

EXPONENT = np.uint64(52)
"""Bits below a float64's exponent."""

BIAS = np.uint64(1024 << 52)
"""Exponents are counted from here while they are split off, so that none is negative."""

ABOVE_ROOT = np.uint64((1024 << 52) - 0x3FE6A09E667F3BCD)
"""BIAS less the bits of √½: added to a number's, it leaves an exponent that rises at √½ instead of at 1."""

COUNTER = np.uint64(0x4330000000000000)
"""The bits of 2^52: with a small whole number in its low bits, the float64 2^52 + that number."""

LOGS = np.dtype([(name, "f8", (2 * LEVELS,)) for name in ("size", "log", "power", "product")])
"""Sizes of the row at hand, and x·ln x of each: scratch, made anew for each row."""


@dataclass(frozen=True)
class Shape:
    """The form of the book at the row's edge, from its levels alone; nothing is remembered.

    With B_i, A_i the size (base coin) of level i, d_i its distance from the mid m in ticks and C_i the size of levels
    1…i of the side::

        slope_bid, slope_ask          slope of the least-squares line, with intercept, of C_i on d_i, i ≤ 10
        slope_asymmetry               (slope_bid − slope_ask)/(slope_bid + slope_ask)
        convexity_bid, convexity_ask  2·C(d_10/2)/C_10 − 1, C(d) the line through (0, 0), (d_1, C_1) … (d_10, C_10)
        gap_bid, gap_ask              distance between levels 1 and 2 in whole ticks; neighbours have 1
        book_entropy                  −Σ p·ln p / ln 40, p the shares of the 40 sizes

    Convexity is above 0 where more than half of the size lies in the nearer half of the distance. Causal: row t reads
    row t only. A column is NaN when a level it reads is missing, or m where the formula has it. Levels that hold nothing
    make an empty denominator: the column is then 0; a share of 0 adds nothing to the entropy.

    The logarithms of the sizes come from one loop without branches (exponent split off, then the series of
    2·artanh((x − 1)/(x + 1)) to its 11th power, x from √½ to √2), right to 2e-11: forty calls of a library's logarithm
    cost more than all other columns of this component together.

    Parameters
    ----------
    slope_levels : tuple of int       levels of each slope and slope asymmetry; other than 10 are called slope_bid_K …
    convexity_levels : tuple of int   levels of each convexity; other than 10 are called convexity_bid_K …
    gaps : bool                       write gap_bid and gap_ask
    entropy_levels : tuple of int     levels of each side in each entropy; other than 20 are called book_entropy_K

    An empty list writes none of its columns, so a second instance adds only what it names.

    Outputs: 8 columns at the defaults, float64 (n,). Unit and range per column: `columns()`.
    Source: Næs & Skjeltorp 2006 (slope); Shannon 1948 (entropy); definitions.
    """

    slope_levels: tuple[int, ...] = (10,)
    convexity_levels: tuple[int, ...] = (10,)
    gaps: bool = True
    entropy_levels: tuple[int, ...] = (LEVELS,)

    def __post_init__(self) -> None:
        for name, least in (("slope_levels", 2), ("convexity_levels", 1), ("entropy_levels", 1)):
            values = getattr(self, name)
            check_lengths(name, values, least, "levels")
            if any(k > LEVELS for k in values):
                raise ValueError(f"{name}: {max(values)} levels: a row holds {LEVELS}")
        if not self.columns():
            raise ValueError("slope_levels: no columns; give a number of levels, or another column")

    def columns(self) -> tuple[Column, ...]:
        return (
            *(column for k in self.slope_levels for column in _slopes(k)),
            *(_convexity(side, k) for k in self.convexity_levels for side in ("bid", "ask")),
            *(_gap(side) for side in ("bid", "ask") if self.gaps),
            *(_entropy(k) for k in self.entropy_levels),
        )

    def state(self, instrument: Instrument) -> StateArray:
        memory = np.zeros(
            1,
            np.dtype(
                [
                    ("tick", "f8"),  # quote
                    ("slope_levels", "i8", (len(self.slope_levels),)),
                    ("convexity_levels", "i8", (len(self.convexity_levels),)),
                    ("gaps", "i8"),
                    ("entropy_levels", "i8", (len(self.entropy_levels),)),
                    ("largest_entropy", "f8", (len(self.entropy_levels),)),  # ln of the number of sizes
                    ("logs", LOGS),
                ],
                align=True,
            ),
        )
        memory["tick"], memory["gaps"] = float(instrument.tick), self.gaps
        memory["slope_levels"], memory["convexity_levels"] = self.slope_levels, self.convexity_levels
        memory["entropy_levels"] = self.entropy_levels
        memory["largest_entropy"] = [math.log(2 * k) for k in self.entropy_levels]
        return memory

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        shape(rows, state, out)


def _slopes(k: int) -> tuple[Column, Column, Column]:
    end, source = "" if k == 10 else f"_{k}", "Næs & Skjeltorp 2006"
    bid, ask = ("bid_px", "bid_sz", "mid"), ("ask_px", "ask_sz", "mid")
    formula = f"least-squares slope, with intercept, of Σ size on ticks from m, {k} levels"
    return (
        Column(f"slope_bid{end}", "base coin per tick", 0.0, inputs=bid, formula=formula, source=source, family="shape"),
        Column(f"slope_ask{end}", "base coin per tick", 0.0, inputs=ask, formula=formula, source=source, family="shape"),
        Column(
            f"slope_asymmetry{end}", "1", -1.0, 1.0, inputs=("bid_px", "bid_sz", "ask_px", "ask_sz", "mid"),
            formula="(slope_bid − slope_ask)/(slope_bid + slope_ask)", source=source, family="shape",
        ),
    )  # fmt: skip


def _convexity(side: str, k: int) -> Column:
    return Column(
        f"convexity_{side}" if k == 10 else f"convexity_{side}_{k}", "1", -1.0, 1.0,
        inputs=(f"{side}_px", f"{side}_sz", "mid"),
        formula=f"2·C(d_{k}/2)/C_{k} − 1, C piecewise linear through (0, 0), (d_i, C_i), i ≤ {k}",
        source="definition", family="shape",
    )  # fmt: skip


def _gap(side: str) -> Column:
    return Column(
        f"gap_{side}", "ticks", 0.0, inputs=(f"{side}_px",), formula="whole ticks from level 1 to level 2",
        source="definition", family="shape",
    )  # fmt: skip


def _entropy(k: int) -> Column:
    return Column(
        "book_entropy" if k == LEVELS else f"book_entropy_{k}", "1", 0.0, 1.0, inputs=("bid_sz", "ask_sz"),
        formula=f"−Σ p·ln p / ln {2 * k}, p the shares of the sizes of {k} levels a side", source="Shannon 1948",
        family="shape",
    )  # fmt: skip


@kernel
def slopes(row: Any, mid: float, k: int) -> Any:
    """Least-squares slopes of the cumulative size on the distance from mid, bids and asks; base coin per quote.

    Σ(d − d̄)·C = Σ B_i·W_i with W_i the sum of d − d̄ over levels i…k: all terms are positive, so nothing cancels, and
    what level 1 holds, which only lifts the line, drops out.
    """
    bid_mean, ask_mean = 0.0, 0.0
    for i in range(k):  # the sides in one loop: each waits for its own sums, not for the other's
        bid_mean += abs(row.bid_px[i] - mid)
        ask_mean += abs(row.ask_px[i] - mid)
    bid_mean, ask_mean = bid_mean / k, ask_mean / k
    bid_x, ask_x = abs(row.bid_px[0] - mid) - bid_mean, abs(row.ask_px[0] - mid) - ask_mean
    bid_xx, ask_xx, bid_beyond, ask_beyond = bid_x * bid_x, ask_x * ask_x, 0.0, 0.0
    bid_xy, ask_xy = 0.0 * row.bid_sz[0], 0.0 * row.ask_sz[0]  # level 1 counts, and may be missing
    for i in range(k - 1, 0, -1):
        bid_x, ask_x = abs(row.bid_px[i] - mid) - bid_mean, abs(row.ask_px[i] - mid) - ask_mean
        bid_beyond += bid_x
        ask_beyond += ask_x
        bid_xx += bid_x * bid_x
        ask_xx += ask_x * ask_x
        bid_xy += row.bid_sz[i] * bid_beyond
        ask_xy += row.ask_sz[i] * ask_beyond
    return ratio(bid_xy, bid_xx), ratio(ask_xy, ask_xx)


@kernel
def convexity(prices: Floats, sizes: Floats, mid: float, k: int) -> float:
    """2·C(d_k/2)/C_k − 1 of one side."""
    half = 0.5 * abs(prices[k - 1] - mid)
    nearer, below, total = 0, 0.0, 0.0
    for i in range(k):  # no jump: where the middle lies is different in every row
        near = abs(prices[i] - mid) < half
        nearer += near
        below += sizes[i] if near else 0.0
        total += sizes[i]
    start = abs(prices[nearer - 1] - mid) if nearer > 0 else 0.0
    gap = abs(prices[nearer] - mid) - start
    return (
        2.0 * ratio(below * gap + sizes[nearer] * (half - start), total * gap) - 1.0 if total != 0.0 else 0.0
    )


@kernel
def logarithms(logs: Any) -> None:
    """product = size·ln size, of all sizes at once; 0 of a size of 0, some number of NaN.

    size = power of two · x with x from √½ to √2, then ln x = 2·artanh z, z = (x − 1)/(x + 1).
    """
    sizes, bits, powers = logs.size.view(np.uint64), logs.log.view(np.uint64), logs.power.view(np.uint64)
    for i in range(2 * LEVELS):
        power = (sizes[i] + ABOVE_ROOT) >> EXPONENT
        bits[i] = sizes[i] + BIAS - (power << EXPONENT)
        powers[i] = power | COUNTER
    for i in range(2 * LEVELS):
        z = (logs.log[i] - 1.0) / (logs.log[i] + 1.0)
        zz = z * z
        series = 1.0 + zz * (1 / 3 + zz * (1 / 5 + zz * (1 / 7 + zz * (1 / 9 + zz * (1 / 11)))))
        log = (logs.power[i] - (4503599627370496.0 + 1024.0)) * LN2 + 2.0 * z * series
        logs.product[i] = logs.size[i] * log


@kernel
def entropy(row: Any, k: int, largest: float, logs: Any) -> float:
    """−Σ p·ln p / largest of the sizes of levels 1…k of both sides."""
    # not as slices: numba would compile its message about unequal shapes, for seconds
    for i in range(LEVELS):
        logs.size[i] = row.bid_sz[i]
        logs.size[LEVELS + i] = row.ask_sz[i]
    for i in range(k, LEVELS):
        logs.size[i] = logs.size[LEVELS + i] = 0.0
    logarithms(logs)
    total, products = 0.0, 0.0
    for i in range(LEVELS // 2):  # four at a time: a long chain of additions takes longer than the logarithms
        a, b, c, d = i, i + LEVELS // 2, i + LEVELS, i + LEVELS + LEVELS // 2
        total += (logs.size[a] + logs.size[b]) + (logs.size[c] + logs.size[d])
        products += (logs.product[a] + logs.product[b]) + (logs.product[c] + logs.product[d])
    if total == 0.0:
        return 0.0
    # −Σ p·ln p = ln Σx − Σ x·ln x / Σx
    value = (math.log(total) - products / total) / largest
    if value < 0.0:  # rounding, where one level holds everything
        return 0.0
    return 1.0 if value > 1.0 else value


@kernel
def shape(rows: RowArray, state: StateArray, out: Floats) -> None:
    """Columns of `Shape`."""
    s = state[0]
    for t in range(len(rows)):
        row = rows[t]
        mid = row.mid if row.mid > 0.0 else np.nan
        j = 0

        for i in range(len(s.slope_levels)):
            bid, ask = slopes(row, mid, s.slope_levels[i])
            out[t, j], out[t, j + 1] = bid * s.tick, ask * s.tick
            out[t, j + 2] = ratio(bid - ask, bid + ask)
            j += 3

        for i in range(len(s.convexity_levels)):
            k = s.convexity_levels[i]
            out[t, j] = convexity(row.bid_px, row.bid_sz, mid, k)
            out[t, j + 1] = convexity(row.ask_px, row.ask_sz, mid, k)
            j += 2

        if s.gaps:
            out[t, j] = np.rint((row.bid_px[0] - row.bid_px[1]) / s.tick)
            out[t, j + 1] = np.rint((row.ask_px[1] - row.ask_px[0]) / s.tick)
            j += 2

        for i in range(len(s.entropy_levels)):
            out[t, j] = entropy(row, s.entropy_levels[i], s.largest_entropy[i], s.logs)
            j += 1
