"""How hard the visible book leans on the mid, and how fast it is refilled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from btcframe.api import Column
from btcframe.kernels import kernel
from btcframe.kernels.rolling import decays, ewm, fade
from btcframe.kernels.windows import enough, ratio, slide_sums, sums
from btcframe.types import LEVELS, Floats, Instrument, RowArray, StateArray
from btcframe_features.book import size
from btcframe_features.lengths import check_lengths

NEAR = 5
"""Levels of the imbalance whose velocity is measured."""


@dataclass(frozen=True)
class Pressure:
    """Weight of the book on either side of the mid m, and its changes.

    With b_i, a_i the prices and B_i, A_i the sizes (base coin) of level i, bps(x) = 1e4·x/m, mp the microprice
    (a_1·B_1 + b_1·A_1)/(B_1 + A_1), and add, rem what was added and removed at the ten best prices::

        price_pressure_2_K         (Σw_i·B_i − Σw_i·A_i)/(Σw_i·B_i + Σw_i·A_i), levels 2…K,
                                   w_i = 1/(1 + distance from m in ticks); with level 1 it would be imbalance_1 again
        microprice_gap_change_bps  bps(mp − m) less that of the row before
        imbalance_velocity         x − ewm_H x, x = (ΣB − ΣA)/(ΣB + ΣA) over levels 1…5
        replenishment_bid, _ask    (Σadd − Σrem)/(Σadd + Σrem) of the side over N rows

    mp − m is computed as ((a_1 − m)·B_1 + (b_1 − m)·A_1)/(B_1 + A_1), because a difference of two such prices has
    few digits. The distance stays in quote and a tick is added to it: the factor cancels. ewm_H: num ← w·num + x,
    den ← w·den + 1, w = 0.5^(1/H), value num/den; a row without x decays both and is NaN. A window holds the valid
    entries of its N rows; it is NaN where the row's own entry is, or where fewer than 0.8 N are valid. An empty
    denominator gives 0. Causal.

    Parameters
    ----------
    levels : tuple of int       K of each price_pressure_2_K, rising, from 2
    microprice_change : bool    write microprice_gap_change_bps
    half_lives : tuple of int   H of each imbalance velocity, rows; other than 10 is called imbalance_velocity_H
    replenishment : bool        write replenishment_bid and replenishment_ask
    window : int                N of these, rows; other than 10 they are called replenishment_bid_N, replenishment_ask_N

    An empty list writes none of its columns, so a second instance adds only what it names.

    Outputs: 6 columns at the defaults, float64 (n,). Unit, range and warm-up per column: `columns()`.
    Source: Stoikov 2018 (microprice); Cao, Hansch & Wang 2009 (weighted sizes of many levels); definitions.
    """

    levels: tuple[int, ...] = (5, 10)
    microprice_change: bool = True
    half_lives: tuple[int, ...] = (10,)
    replenishment: bool = True
    window: int = 10

    def __post_init__(self) -> None:
        check_lengths("levels", self.levels, least=2, unit="levels")
        if any(k > LEVELS for k in self.levels):
            raise ValueError(f"levels: {max(self.levels)} levels: a row holds {LEVELS}")
        check_lengths("half_lives", self.half_lives)
        check_lengths("window", (self.window,))
        if not self.columns():
            raise ValueError("levels: no columns; give a level, or another column")

    def columns(self) -> tuple[Column, ...]:
        sides = ("bid", "ask") if self.replenishment else ()
        return (
            *(_price_pressure(k) for k in self.levels),
            *((MICROPRICE_CHANGE,) if self.microprice_change else ()),
            *(_velocity(h) for h in self.half_lives),
            *(_replenishment(side, self.window) for side in sides),
        )

    def state(self, instrument: Instrument) -> StateArray:
        means = len(self.half_lives)
        refill = sums(self.window if self.replenishment else 1, 3)
        memory = np.zeros(
            1,
            np.dtype(
                [
                    # what is asked for
                    ("tick", "f8"),  # quote
                    ("levels", "i8", (len(self.levels),)),
                    ("microprice_change", "i8"),
                    ("half_life", "i8", (means,)),
                    ("decay", "f8", (means,)),
                    ("replenishment", "i8"),
                    ("window", "i8"),
                    # what is remembered
                    ("position", "i8"),  # rows since the first mid
                    ("gap", "f8"),  # bps(mp − m) of the row before
                    ("mean", "f8", (means,)),
                    ("weight", "f8", (means,)),
                    ("bid", refill),  # Σadd, Σrem, rows that have them
                    ("ask", refill),
                ],
                align=True,
            ),
        )
        memory["gap"] = np.nan
        memory["tick"] = float(instrument.tick)
        memory["levels"], memory["window"] = self.levels, self.window
        memory["half_life"], memory["decay"] = self.half_lives, decays(self.half_lives)
        memory["microprice_change"], memory["replenishment"] = self.microprice_change, self.replenishment
        return memory

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        pressure(rows, state, out)


def _price_pressure(k: int) -> Column:
    return Column(
        f"price_pressure_2_{k}", "1", -1.0, 1.0, inputs=("bid_px", "bid_sz", "ask_px", "ask_sz", "mid"),
        formula=f"(ΣwB − ΣwA)/(ΣwB + ΣwA), w = 1/(1 + ticks from m), levels 2…{k}",
        source="Cao, Hansch & Wang 2009, weighted by distance", family="pressure",
    )  # fmt: skip


MICROPRICE_CHANGE = Column(
    "microprice_gap_change_bps", "bps", warmup=1, inputs=("bid_px", "bid_sz", "ask_px", "ask_sz", "mid"),
    formula="bps(mp − m) less that of the row before", source="Stoikov 2018, of the plain microprice", family="pressure",
)  # fmt: skip


def _velocity(h: int) -> Column:
    return Column(
        "imbalance_velocity" if h == 10 else f"imbalance_velocity_{h}", "1", -2.0, 2.0, warmup=h - 1,
        inputs=("bid_sz", "ask_sz"), formula=f"x − ewm_{h} x, x = (ΣB − ΣA)/(ΣB + ΣA), levels 1…{NEAR}",
        source="definition", family="pressure",
    )  # fmt: skip


def _replenishment(side: str, window: int) -> Column:
    return Column(
        f"replenishment_{side}" if window == 10 else f"replenishment_{side}_{window}", "1", -1.0, 1.0, warmup=window,
        inputs=(f"add_{side}", f"rem_{side}"), formula=f"roll_{window} (Σadd − Σrem)/(Σadd + Σrem), {side} side",
        source="definition", family="pressure",
    )  # fmt: skip


@kernel
def weighted_sizes(row: Any, mid: float, tick: float, low: int, high: int) -> tuple[float, float]:
    """Σ size/(tick + distance from mid) of the bids and asks of levels low…high: w_i·size, but for the factor 1/tick.

    Base coin per quote.
    """
    bids, asks = 0.0, 0.0
    for i in range(low - 1, high):
        bids += row.bid_sz[i] / (tick + abs(row.bid_px[i] - mid))
        asks += row.ask_sz[i] / (tick + abs(row.ask_px[i] - mid))
    return bids, asks


@kernel
def refilled(window: Any, added: float, removed: float, n: int, warm: bool) -> float:
    """Slide a side's window of Σadd, Σrem by one row; (Σadd − Σrem)/(Σadd + Σrem)."""
    known = not math.isnan(added + removed)
    window.new[0] = added if known else 0.0
    window.new[1] = removed if known else 0.0
    window.new[2] = 1.0 if known else 0.0
    slide_sums(window)
    added, removed, count = window.total[0], window.total[1], window.total[2]
    return ratio(added - removed, added + removed) if warm and known and enough(count, n) else np.nan


@kernel
def pressure(rows: RowArray, state: StateArray, out: Floats) -> None:
    """Columns of `Pressure`."""
    s = state[0]
    for t in range(len(rows)):
        row = rows[t]
        position = s.position
        if position == 0 and not row.mid > 0.0:
            continue  # nothing has started: out keeps the caller's NaN
        s.position = position + 1
        mid = row.mid if row.mid > 0.0 else np.nan
        j = 0

        bids, asks, low = 0.0, 0.0, 2
        for i in range(len(s.levels)):
            more_bids, more_asks = weighted_sizes(row, mid, s.tick, low, s.levels[i])
            bids += more_bids
            asks += more_asks
            low = s.levels[i] + 1
            out[t, j] = ratio(bids - asks, bids + asks)
            j += 1

        if s.microprice_change:
            bid, ask = row.bid_sz[0], row.ask_sz[0]
            leaning = (row.ask_px[0] - mid) * bid + (row.bid_px[0] - mid) * ask
            gap = 1e4 * ratio(leaning, bid + ask) / mid
            out[t, j] = gap - s.gap
            s.gap = gap
            j += 1

        if len(s.mean) > 0:
            bids, asks = size(row.bid_sz, 1, NEAR), size(row.ask_sz, 1, NEAR)
            x = ratio(bids - asks, bids + asks)
            known = not math.isnan(x)
            for i in range(len(s.mean)):
                if known:
                    s.mean[i], s.weight[i] = ewm(s.mean[i], s.weight[i], s.decay[i], x)
                else:
                    s.weight[i] = fade(s.weight[i], s.decay[i])
                warm = known and position >= s.half_life[i] - 1
                out[t, j] = x - s.mean[i] if warm else np.nan
                j += 1

        if s.replenishment:
            warm = position >= s.window
            out[t, j] = refilled(s.bid, row.add_bid, row.rem_bid, s.window, warm)
            out[t, j + 1] = refilled(s.ask, row.add_ask, row.rem_ask, s.window, warm)
