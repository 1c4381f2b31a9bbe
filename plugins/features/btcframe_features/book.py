"""What the visible book looks like at the end of a row: spread, imbalance, depth, walls."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from btcframe.api import Column
from btcframe.kernels import kernel
from btcframe.kernels.logs import log_one_plus
from btcframe.kernels.windows import ratio
from btcframe.types import LEVELS, Floats, Instrument, Ints, RowArray, StateArray

SUMS = np.dtype(
    [
        ("bids", "f8"),  # Σ size of this stretch alone
        ("asks", "f8"),
        ("bid_size", "f8"),  # Σ size of all levels up to its end
        ("ask_size", "f8"),
        ("bid_value", "f8"),  # Σ price·size
        ("ask_value", "f8"),
        ("bid_moment", "f8"),  # Σ (price − m)·size
        ("ask_moment", "f8"),
        ("bid_largest", "f8"),  # max size
        ("ask_largest", "f8"),
    ]
)
"""Sums of the row at hand over a stretch of levels between which no column begins or ends: scratch, anew for each row."""

BOTH = ("bid_px", "bid_sz", "ask_px", "ask_sz")


_WHOLE = ("microprice_levels", "depths", "vwap_levels", "wall_levels")
"""Settings that name numbers of levels from the best one on."""


@dataclass(frozen=True)
class Book:
    """The book at the row's edge, from its levels alone; nothing is remembered.

    With b_i, a_i the prices and B_i, A_i the sizes (base coin) of level i, m = (b_1 + a_1)/2,
    bps(x) = 1e4·x/m and sums over the levels that the column's name gives::

        spread_bps               bps(a_1 − b_1)
        microprice_K_gap_bps     bps((VWAPask_K·ΣB + VWAPbid_K·ΣA)/(ΣB + ΣA) − m), levels 1…K
        imbalance_I_J            (ΣB − ΣA)/(ΣB + ΣA), levels I…J
        depth_bid_K, _ask_K      ln(1 + Σ price·size), levels 1…K
        depth_ratio_K_L          notional of K levels over that of L, both sides together
        vwap_gap_bid_K_bps       bps(m − VWAPbid_K); vwap_gap_ask_K_bps is bps(VWAPask_K − m); both positive
        wall_imbalance           max B/ΣB − max A/ΣA, 20 levels

    Causal: row t reads row t only. A column is NaN when a level it reads is missing, or m where the formula has
    it; no column is ever NaN for another reason, so all are valid from the first row with a good book. Levels
    that hold nothing make an empty denominator: the column is then 0.

    Parameters
    ----------
    spread : bool                      write spread_bps
    microprice_levels : tuple of int   K of each microprice_K_gap_bps; level 1 alone would be spread/2·imbalance_1
    bands : tuple of str               levels of each imbalance, "1" or "6-10"; bands, as cumulative ones repeat each other
    depths : tuple of int              K of each depth, rising; neighbours K, L also give depth_ratio_K_L
    vwap_levels : tuple of int         K of each pair of vwap gaps
    wall_levels : tuple of int         levels of each wall imbalance; other than 20 are called wall_imbalance_K

    An empty list writes none of its columns, so a second instance adds only what it names.

    Outputs: 15 columns at the defaults, float64 (n,). Unit and range per column: `columns()`.
    Source: common practice; the microprice over several levels extends Gatheral & Oomen 2010.
    """

    spread: bool = True
    microprice_levels: tuple[int, ...] = (5,)
    bands: tuple[str, ...] = ("1", "2-3", "4-5", "6-10", "11-20")
    depths: tuple[int, ...] = (5, 20)
    vwap_levels: tuple[int, ...] = (10,)
    wall_levels: tuple[int, ...] = (20,)

    def __post_init__(self) -> None:
        for name in _WHOLE:
            for k in getattr(self, name):
                if not 1 <= k <= LEVELS:
                    raise ValueError(f"{name}: {k} is not a number of levels: a row holds 1 to {LEVELS}")
        for band in self.bands:
            levels_of(band)
        if list(self.depths) != sorted(set(self.depths)):
            raise ValueError(f"depths: {list(self.depths)} must rise")
        if not self.columns():
            raise ValueError("no columns: every list is empty, and spread is false")
        ends = [levels_of(band) for band in self.bands]
        for name, given in (("bands", ends), *((n, getattr(self, n)) for n in _WHOLE)):
            if len(set(given)) < len(given):
                raise ValueError(f"{name}: {list(getattr(self, name))} has one twice")

    @cached_property
    def _columns(self) -> tuple[Column, ...]:
        depths = [_depth(side, k) for k in self.depths for side in ("bid", "ask")]
        ratios = [_depth_ratio(k, wide) for k, wide in zip(self.depths, self.depths[1:], strict=False)]
        return (
            *((SPREAD_COLUMN,) if self.spread else ()),
            *(_microprice(k) for k in self.microprice_levels),
            *(_imbalance(*levels_of(band)) for band in self.bands),
            *(*depths, *ratios),
            *(_vwap(side, k) for k in self.vwap_levels for side in ("bid", "ask")),
            *(_wall(k) for k in self.wall_levels),
        )

    def columns(self) -> tuple[Column, ...]:
        return self._columns

    def state(self, instrument: Instrument) -> StateArray:
        bands = [levels_of(band) for band in self.bands]
        whole = (*self.microprice_levels, *self.depths, *self.vwap_levels, *self.wall_levels)
        ends = sorted({*whole, *(low - 1 for low, _ in bands), *(high for _, high in bands)} - {0})
        counts = [
            len(x)
            for x in (ends, self.microprice_levels, bands, self.depths, self.vwap_levels, self.wall_levels)
        ]
        memory = np.zeros(1, _memory(*counts))
        memory["spread"], memory["ends"] = self.spread, ends
        for name, levels in (
            ("microprices", self.microprice_levels), ("depths", self.depths), ("vwaps", self.vwap_levels),
            ("walls", self.wall_levels), ("last", [high for _, high in bands]),
        ):  # fmt: skip
            memory[name] = np.searchsorted(ends, levels)
        memory["first"] = np.searchsorted(ends, [low for low, _ in bands])
        return memory

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        book(rows, state, out)


@cache  # one dtype for equal settings: a kernel finds its compiled form by the object, several µs faster
def _memory(
    stretches: int, microprices: int, bands: int, depths: int, vwaps: int, walls: int
) -> np.dtype[Any]:
    """State of a component with so many columns of each kind; all but `ends` and `sums` are numbers of stretches."""
    return np.dtype(
        [
            ("spread", "i8"),
            ("ends", "i8", (stretches,)),  # last level of each stretch
            ("microprices", "i8", (microprices,)),
            ("first", "i8", (bands,)),
            ("last", "i8", (bands,)),
            ("depths", "i8", (depths,)),
            ("vwaps", "i8", (vwaps,)),
            ("walls", "i8", (walls,)),
            ("sums", SUMS, (stretches,)),
        ],
        align=True,
    )


def levels_of(band: str) -> tuple[int, int]:
    """First and last level of a band: "1" → (1, 1), "6-10" → (6, 10)."""
    first, dash, last = band.partition("-")
    if first.isdecimal() and (last.isdecimal() if dash else True):
        low, high = int(first), int(last or first)
        if 1 <= low <= high <= LEVELS:
            return low, high
    raise ValueError(f"bands: {band!r} is not a band of levels: write 1 or 6-10, within 1 to {LEVELS}")


SPREAD_COLUMN = Column(
    "spread_bps", "bps", 0.0, 2e4,
    inputs=("bid_px", "ask_px", "mid"), formula="bps(a_1 − b_1)", source="definition", family="book",
)  # fmt: skip


def _microprice(k: int) -> Column:
    return Column(
        f"microprice_{k}_gap_bps", "bps", -1e4,
        inputs=(*BOTH, "mid"), formula=f"bps((VWAPask_{k}·ΣB_{k} + VWAPbid_{k}·ΣA_{k})/(ΣB_{k} + ΣA_{k}) − m)",
        source="Gatheral & Oomen 2010, over several levels", family="book",
    )  # fmt: skip


def _imbalance(low: int, high: int) -> Column:
    name, levels = f"imbalance_{low}_{high}", f"levels {low}…{high}"
    if low == high:
        name, levels = f"imbalance_{low}", f"level {low}"
    return Column(
        name, "1", -1.0, 1.0,
        inputs=("bid_sz", "ask_sz"), formula=f"(ΣB − ΣA)/(ΣB + ΣA), {levels}",
        source="Cao, Hansch & Wang 2009, by bands", family="book",
    )  # fmt: skip


def _depth(side: str, k: int) -> Column:
    return Column(
        f"depth_{side}_{k}", "ln quote", 0.0,
        inputs=(f"{side}_px", f"{side}_sz"), formula=f"ln(1 + Σ price·size), {side} levels 1…{k}",
        source="definition", family="book",
    )  # fmt: skip


def _depth_ratio(k: int, wide: int) -> Column:
    return Column(
        f"depth_ratio_{k}_{wide}", "1", 0.0, 1.0,
        inputs=BOTH, formula=f"notional of levels 1…{k} over levels 1…{wide}, both sides",
        source="definition", family="book",
    )  # fmt: skip


def _vwap(side: str, k: int) -> Column:
    bid = side == "bid"
    return Column(
        f"vwap_gap_{side}_{k}_bps", "bps", 0.0, 1e4 if bid else math.inf,
        inputs=(f"{side}_px", f"{side}_sz", "mid"),
        formula=f"bps(m − VWAPbid_{k})" if bid else f"bps(VWAPask_{k} − m)", source="definition", family="book",
    )  # fmt: skip


def _wall(k: int) -> Column:
    return Column(
        "wall_imbalance" if k == LEVELS else f"wall_imbalance_{k}", "1", -1.0, 1.0,
        inputs=("bid_sz", "ask_sz"), formula=f"max B/ΣB_{k} − max A/ΣA_{k}", source="definition", family="book",
    )  # fmt: skip


@kernel
def size(sizes: Floats, low: int, high: int) -> float:
    """Σ size of levels low…high. Summed, not subtracted: 1e12 on level 1 must not drown the others."""
    total = 0.0
    for i in range(low - 1, high):
        total += sizes[i]
    return total


@kernel
def sum_up(row: Any, mid: float, ends: Ints, sums: Any) -> None:
    """Fill the SUMS of every stretch; a missing level is NaN and reaches every sum over it."""
    bid_size, ask_size, bid_value, ask_value, bid_moment, ask_moment = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    bid_largest, ask_largest, low = 0.0, 0.0, 0
    for i in range(len(ends)):
        bids, asks = 0.0, 0.0
        for k in range(low, ends[i]):
            bid, ask, bid_px, ask_px = row.bid_sz[k], row.ask_sz[k], row.bid_px[k], row.ask_px[k]
            bids += bid
            asks += ask
            bid_value += bid_px * bid
            ask_value += ask_px * ask
            bid_moment += (bid_px - mid) * bid  # subtracted first: Σ p·size / Σ size − m would lose digits
            ask_moment += (ask_px - mid) * ask
            bid_largest = max(bid_largest, bid)
            ask_largest = max(ask_largest, ask)
        low = ends[i]
        bid_size += bids
        ask_size += asks
        s = sums[i]
        s.bids, s.asks, s.bid_size, s.ask_size = bids, asks, bid_size, ask_size
        s.bid_value, s.ask_value, s.bid_moment, s.ask_moment = bid_value, ask_value, bid_moment, ask_moment
        s.bid_largest, s.ask_largest = bid_largest, ask_largest


@kernel
def book(rows: RowArray, state: StateArray, out: Floats) -> None:
    """Columns of `Book`: every level is read once, what columns share is summed once."""
    s = state[0]
    sums = s.sums
    for t in range(len(rows)):
        row = rows[t]
        mid = row.mid if row.mid > 0.0 else np.nan
        bps = 1e4 / mid
        sum_up(row, mid, s.ends, sums)
        j = 0
        if s.spread:
            out[t, j] = bps * (row.ask_px[0] - row.bid_px[0])
            j += 1
        for i in range(len(s.microprices)):
            x = sums[s.microprices[i]]
            above, below = ratio(x.ask_moment, x.ask_size), ratio(x.bid_moment, x.bid_size)
            out[t, j] = bps * ratio(above * x.bid_size + below * x.ask_size, x.bid_size + x.ask_size)
            j += 1
        for i in range(len(s.first)):
            bids, asks = 0.0, 0.0
            for x in sums[s.first[i] : s.last[i] + 1]:
                bids += x.bids
                asks += x.asks
            out[t, j] = ratio(bids - asks, bids + asks)
            j += 1
        for i in range(len(s.depths)):
            x = sums[s.depths[i]]
            out[t, j], out[t, j + 1] = log_one_plus(x.bid_value), log_one_plus(x.ask_value)
            j += 2
        for i in range(len(s.depths) - 1):
            x, wide = sums[s.depths[i]], sums[s.depths[i + 1]]
            out[t, j] = ratio(x.bid_value + x.ask_value, wide.bid_value + wide.ask_value)
            j += 1
        for i in range(len(s.vwaps)):
            x = sums[s.vwaps[i]]
            out[t, j] = -bps * ratio(x.bid_moment, x.bid_size)
            out[t, j + 1] = bps * ratio(x.ask_moment, x.ask_size)
            j += 2
        for i in range(len(s.walls)):
            x = sums[s.walls[i]]
            out[t, j] = ratio(x.bid_largest, x.bid_size) - ratio(x.ask_largest, x.ask_size)
            j += 1
