"""What the visible book looks like at the end of a row: spread, imbalance, depth, walls."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from btcframe.api import Column
from btcframe.kernels import kernel
from btcframe.kernels.windows import ratio
from btcframe.types import LEVELS, Floats, Instrument, Ints, RowArray, StateArray

SPREAD, MICROPRICE, IMBALANCE, DEPTH_BID, DEPTH_ASK, DEPTH_RATIO, VWAP_BID, VWAP_ASK, WALL = range(9)
"""What a column is; with a first and a last level it is one row of the kernel's plan."""

SUMS = np.dtype(
    [
        ("size", "f8", (LEVELS,)),  # Σ size
        ("value", "f8", (LEVELS,)),  # Σ price·size
        ("moment", "f8", (LEVELS,)),  # Σ (price − m)·size
        ("largest", "f8", (LEVELS,)),  # max size
    ]
)
"""Sums of one side of the row at hand, entry k − 1 over levels 1…k: scratch, made anew for each row."""

BOTH = ("bid_px", "bid_sz", "ask_px", "ask_sz")


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
        for name in ("microprice_levels", "depths", "vwap_levels", "wall_levels"):
            for k in getattr(self, name):
                if not 1 <= k <= LEVELS:
                    raise ValueError(f"{name}: {k} is not a number of levels: a row holds 1 to {LEVELS}")
        for band in self.bands:
            levels_of(band)
        if list(self.depths) != sorted(set(self.depths)):
            raise ValueError(f"depths: {list(self.depths)} must rise")
        names = [c.name for c in self.columns()]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"bands: no columns, or one twice: {names}")

    @cached_property
    def _entries(self) -> tuple[tuple[int, int, int, Column], ...]:
        """What, first level, last level and description of every column, in order."""
        entries: list[tuple[int, int, int, Column]] = []
        if self.spread:
            entries.append((SPREAD, 1, 1, SPREAD_COLUMN))
        entries += [(MICROPRICE, 1, k, _microprice(k)) for k in self.microprice_levels]
        entries += [(IMBALANCE, *levels_of(band), _imbalance(*levels_of(band))) for band in self.bands]
        for k in self.depths:
            entries += [(DEPTH_BID, 1, k, _depth("bid", k)), (DEPTH_ASK, 1, k, _depth("ask", k))]
        for k, wide in zip(self.depths, self.depths[1:], strict=False):
            entries.append((DEPTH_RATIO, k, wide, _depth_ratio(k, wide)))
        for k in self.vwap_levels:
            entries += [(VWAP_BID, 1, k, _vwap("bid", k)), (VWAP_ASK, 1, k, _vwap("ask", k))]
        entries += [(WALL, 1, k, _wall(k)) for k in self.wall_levels]
        return tuple(entries)

    @cached_property
    def _plan(self) -> Ints:
        return np.array([entry[:3] for entry in self._entries], np.int64)

    def columns(self) -> tuple[Column, ...]:
        return tuple(entry[3] for entry in self._entries)

    def state(self, instrument: Instrument) -> StateArray:
        return np.zeros(1, [("bid", SUMS), ("ask", SUMS)])

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        book(rows, self._plan, state, out)


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
def sum_up(prices: Floats, sizes: Floats, mid: float, sums: Any) -> None:
    """Fill SUMS of one side; a missing level is NaN and reaches every sum over it."""
    total, value, moment, largest = 0.0, 0.0, 0.0, 0.0
    for i in range(LEVELS):
        total += sizes[i]
        value += prices[i] * sizes[i]
        moment += (prices[i] - mid) * sizes[i]  # subtracted first: Σ p·size / Σ size − m would lose digits
        largest = max(largest, sizes[i])
        sums.size[i], sums.value[i], sums.moment[i], sums.largest[i] = total, value, moment, largest


@kernel
def book(rows: RowArray, plan: Ints, state: StateArray, out: Floats) -> None:
    """Columns of `Book`: plan int64[k, 3] holds what each column is, its first and its last level."""
    bid, ask = state[0].bid, state[0].ask
    for t in range(len(rows)):
        row = rows[t]
        mid = row.mid if row.mid > 0.0 else np.nan
        sum_up(row.bid_px, row.bid_sz, mid, bid)
        sum_up(row.ask_px, row.ask_sz, mid, ask)
        for j in range(len(plan)):
            what, low, high = plan[j, 0], plan[j, 1], plan[j, 2]
            k = high - 1  # where sums over levels 1…high stand
            value = np.nan
            if what == SPREAD:
                value = 1e4 * (row.ask_px[0] - row.bid_px[0]) / mid
            elif what == MICROPRICE:
                above, below = ratio(ask.moment[k], ask.size[k]), ratio(bid.moment[k], bid.size[k])
                value = above * bid.size[k] + below * ask.size[k]
                value = 1e4 * ratio(value, bid.size[k] + ask.size[k]) / mid
            elif what == IMBALANCE:
                bids, asks = size(row.bid_sz, low, high), size(row.ask_sz, low, high)
                value = ratio(bids - asks, bids + asks)
            elif what == DEPTH_BID:
                value = math.log1p(bid.value[k])
            elif what == DEPTH_ASK:
                value = math.log1p(ask.value[k])
            elif what == DEPTH_RATIO:
                value = ratio(bid.value[low - 1] + ask.value[low - 1], bid.value[k] + ask.value[k])
            elif what == VWAP_BID:
                value = -1e4 * ratio(bid.moment[k], bid.size[k]) / mid
            elif what == VWAP_ASK:
                value = 1e4 * ratio(ask.moment[k], ask.size[k]) / mid
            elif what == WALL:
                value = ratio(bid.largest[k], bid.size[k]) - ratio(ask.largest[k], ask.size[k])
            out[t, j] = value
