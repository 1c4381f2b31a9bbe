"""What trading costs and how far it moves the price: slopes, spreads paid, cost of a given size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from btcframe.api import Column
from btcframe.kernels import kernel
from btcframe.kernels.logs import log_ratio
from btcframe.kernels.powers import begin, pairs, slide_pairs, spread
from btcframe.kernels.windows import enough, ratio, slide_sums, sums
from btcframe.types import LEVELS, Floats, Instrument, RowArray, StateArray
from btcframe_features.lengths import check_lengths

REALIZED_WINDOW = 60
"""Rows of the realized spreads that have no window in their name."""

NOTIONAL = 250_000
"""Quote: the cost that has no notional in its name."""

TRADED = np.dtype(
    [
        ("net", "f8"),  # SV
        ("net_notional", "f8"),  # Q⁺ − Q⁻
        ("volume", "f8"),  # V
    ]
)
"""What was traded in a row, NaN where not known."""

VOLUMES = ("buy_volume", "sell_volume")
NOTIONALS = ("buy_notional", "sell_notional")


@dataclass(frozen=True)
class Impact:
    """Price impact and cost of trading.

    With r = ln m_t − ln m_{t−1}, V⁺, V⁻ (base coin) and Q⁺, Q⁻ (quote) the row's volume and notional of buyer- and
    seller-initiated trades, V = V⁺ + V⁻, Q likewise, SV = V⁺ − V⁻, ES = Σ s·q·(p − m before the trade), s = ±1 the
    aggressor's side, and sums over the last N rows::

        kyle_lambda_N             OLS slope, with intercept, of 1e4·r on SV
        amihud_N                  1e9·Σ|r|/ΣQ
        effective_spread_bps      2e4·ES/(V·m) of the last row with trades
        realized_spread_H_bps     2e4·Σ_s[(Q⁺_s − V⁺_s·m_{s+H}) − (Q⁻_s − V⁻_s·m_{s+H})]/(m_t·ΣV_s), the 60 rows s up to t − H
        cost_to_buy_bps           (mean fill price − m)/m·1e4 of buying a notional from the asks, walking up
        cost_to_sell_bps          (m − mean fill price)/m·1e4 of selling it to the bids, walking down

    Causal. Where nothing was traded amihud and the realized spread are 0; where SV, or r, did not vary at all, lambda
    is 0. An entry of a window is valid where all that the formula reads of its rows is known; a column is NaN where the
    row's own entry is not, where fewer than ⌈0.8 N⌉ of N are, and before row N (realized spread: N + H) counted from the
    first row with a mid. The effective spread is carried over rows without trades (V = 0), and is NaN in a row whose V,
    ES or m is not known; it may be negative.

    The notional is counted at the fill prices, so a cost does not depend on m; what 20 levels do not hold is priced at
    level 20, so a cost is a lower bound. It is NaN where its side has fewer than 20 levels, needed or not: whether a
    value is there must not depend on the value.

    Parameters
    ----------
    kyle_windows : tuple of int        N of each kyle_lambda, rows, from 2 on
    amihud_windows : tuple of int      N of each amihud
    effective_spread : bool            write effective_spread_bps
    realized_horizons : tuple of int   H of each realized_spread, rows
    realized_window : int              N of all of them; other than 60 they are called realized_spread_H_N_bps
    notionals : tuple of int           quote, of each pair of costs; other than 250000 they are called cost_to_buy_X_bps

    An empty list writes none of its columns, so a second instance adds only what it names.

    Outputs: 6 columns at the defaults, float64 (n,). Unit and range per column: `columns()`.
    Source: Kyle 1985; Amihud 2002 (as a ratio of sums); Huang & Stoll 1996 (effective and realized spread).
    """

    kyle_windows: tuple[int, ...] = (60,)
    amihud_windows: tuple[int, ...] = (60,)
    effective_spread: bool = True
    realized_horizons: tuple[int, ...] = (10,)
    realized_window: int = REALIZED_WINDOW
    notionals: tuple[int, ...] = (NOTIONAL,)

    def __post_init__(self) -> None:
        check_lengths("kyle_windows", self.kyle_windows, least=2)
        check_lengths("amihud_windows", self.amihud_windows)
        check_lengths("realized_horizons", self.realized_horizons)
        check_lengths("realized_window", (self.realized_window,))
        for notional in self.notionals:
            if not 1 <= notional <= 10**15:
                raise ValueError(f"notionals: {notional} is not an amount of quote from 1 to 1e15")
        if list(self.notionals) != sorted(set(self.notionals)):
            raise ValueError(f"notionals: {list(self.notionals)} must rise")
        if not self.columns():
            raise ValueError(
                "kyle_windows: no columns; give a window, a horizon, a notional, or effective_spread"
            )

    @cached_property
    def _columns(self) -> tuple[Column, ...]:
        columns = [_kyle(n) for n in self.kyle_windows]
        columns += [_amihud(n) for n in self.amihud_windows]
        if self.effective_spread:
            columns.append(EFFECTIVE_COLUMN)
        columns += [_realized(h, self.realized_window) for h in self.realized_horizons]
        for notional in self.notionals:
            columns += [_cost("buy", notional), _cost("sell", notional)]
        return tuple(columns)

    def columns(self) -> tuple[Column, ...]:
        return self._columns

    def state(self, instrument: Instrument) -> StateArray:
        amihud, horizons = self.amihud_windows or (0,), self.realized_horizons or (0,)
        notionals = self.notionals or (0,)
        memory = np.zeros(
            1,
            [
                # what it is set to; a length or a notional of 0 is a column that is not written
                ("amihud_lengths", "i8", (len(amihud),)),
                ("effective", "u1"),
                ("horizons", "i8", (len(horizons),)),
                ("realized_length", "i8"),
                ("notionals", "f8", (len(notionals),)),
                # what it remembers
                ("position", "i8"),  # rows since the first mid
                ("last_mid", "f8"),  # of the row before, NaN where it had none
                ("spread", "f8"),  # newest effective spread, bps, NaN before the first
                (
                    "traded",
                    TRADED,
                    (max(*horizons, 1),),
                ),  # ring of the rows before, back to the furthest horizon
                ("kyle", pairs(max(self.kyle_windows, default=1)), (len(self.kyle_windows),)),  # SV and 1e4·r
                ("amihud", sums(max(*amihud, 1), 3), (len(amihud),)),  # valid rows, |r|, Q
                ("realized", sums(self.realized_window, 3), (len(horizons),)),  # valid rows, quote, V
            ],
        )
        s = memory[0]
        for i, n in enumerate(self.kyle_windows):
            begin(s["kyle"][i], n)
        s["amihud_lengths"], s["horizons"], s["notionals"] = amihud, horizons, notionals
        s["effective"], s["realized_length"] = self.effective_spread, self.realized_window
        s["last_mid"] = s["spread"] = np.nan
        s["traded"][:] = np.nan
        return memory

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        impact(rows, state, out)


def _kyle(n: int) -> Column:
    return Column(
        f"kyle_lambda_{n}", "bps per base coin", warmup=n,
        inputs=("mid", *VOLUMES), formula=f"OLS slope with intercept of 1e4·r on SV, {n} rows", source="Kyle 1985",
        family="impact",
    )  # fmt: skip


def _amihud(n: int) -> Column:
    return Column(
        f"amihud_{n}", "1e-9 per quote", 0.0, warmup=n,
        inputs=("mid", *NOTIONALS), formula=f"1e9·Σ|r|/ΣQ, {n} rows", source="Amihud 2002, ratio of sums",
        family="impact",
    )  # fmt: skip


EFFECTIVE_COLUMN = Column(
    "effective_spread_bps", "bps", warmup=1,
    inputs=("signed_cost", *VOLUMES, "mid"), formula="2e4·ES/(V·m), last value carried",
    source="Huang & Stoll 1996", family="impact", awaits="a trade",
)  # fmt: skip


def _realized(horizon: int, n: int) -> Column:
    name = f"realized_spread_{horizon}_bps" if n == REALIZED_WINDOW else f"realized_spread_{horizon}_{n}_bps"
    return Column(
        name, "bps", warmup=n + horizon, inputs=(*NOTIONALS, *VOLUMES, "mid"),
        formula=f"2e4·Σ[(Q⁺_s − V⁺_s·m_{{s+{horizon}}}) − (Q⁻_s − V⁻_s·m_{{s+{horizon}}})]/(m_t·ΣV_s), "
        f"{n} rows s ≤ t − {horizon}",
        source="Huang & Stoll 1996", family="impact",
    )  # fmt: skip


def _cost(way: str, notional: int) -> Column:
    side = "ask" if way == "buy" else "bid"
    return Column(
        f"cost_to_{way}_bps" if notional == NOTIONAL else f"cost_to_{way}_{notional}_bps",
        "bps", 0.0, math.inf if way == "buy" else 1e4, inputs=(f"{side}_px", f"{side}_sz", "mid"),
        formula=f"mean fill price of {notional} quote against m, {side} levels 1…{LEVELS}", source="definition",
        family="impact",
    )  # fmt: skip


@kernel
def impact(rows: RowArray, state: StateArray, out: Floats) -> None:
    """Columns of `Impact`: slopes and sums over windows, the spread carried, the book walked."""
    s = state[0]
    for t in range(len(rows)):
        row = rows[t]
        mid = row.mid if row.mid > 0.0 else np.nan
        if s.position == 0 and np.isnan(mid):
            continue  # nothing has started: out keeps the caller's NaN
        net, volume = row.buy_volume - row.sell_volume, row.buy_volume + row.sell_volume
        move = log_ratio(mid, s.last_mid)
        j = 0
        for i in range(len(s.kyle)):
            out[t, j] = slope(s.kyle[i], net, 1e4 * move, s.position)
            j += 1
        for i in range(len(s.amihud_lengths)):
            if s.amihud_lengths[i] > 0:
                notional = row.buy_notional + row.sell_notional
                out[t, j] = 1e9 * ratio_of_sums(
                    s.amihud[i], abs(move), notional, s.amihud_lengths[i], s.position
                )
                j += 1
        if s.effective:
            if volume > 0.0 and not np.isnan(row.signed_cost + mid):
                s.spread = 2e4 * row.signed_cost / (volume * mid)
            known = s.position >= 1 and not np.isnan(volume + row.signed_cost + mid)
            out[t, j] = s.spread if known else np.nan
            j += 1
        for i in range(len(s.horizons)):
            if s.horizons[i] > 0:
                h, n = s.horizons[i], s.realized_length
                # SQ − SV·m is what the aggressors of row s paid above m, h rows later
                then = s.traded[(s.position - h) % len(s.traded)]
                paid = then.net_notional - then.net * mid
                out[t, j] = 2e4 / mid * ratio_of_sums(s.realized[i], paid, then.volume, n, s.position - h)
                j += 1
        for i in range(len(s.notionals)):
            if s.notionals[i] > 0.0:
                out[t, j] = cost(row.ask_px, row.ask_sz, mid, s.notionals[i])
                out[t, j + 1] = -cost(row.bid_px, row.bid_sz, mid, s.notionals[i])
                j += 2
        now = s.traded[s.position % len(s.traded)]
        now.net, now.net_notional, now.volume = net, row.buy_notional - row.sell_notional, volume
        s.last_mid = mid
        s.position += 1


@kernel
def slope(w: Any, x: float, y: float, position: int) -> Any:
    """Slide a pair into its window; the slope of y on x there, 0 where x does not vary."""
    slide_pairs(w, x, y)
    count, a, b = w.total[0], w.total[1], w.total[2]
    if np.isnan(x + y) or position < w.n or not enough(count, w.n):
        return np.nan
    return ratio(w.total[5] - a * b / count, spread(count, a, w.total[3]))


@kernel
def ratio_of_sums(window: Any, over: float, under: float, n: int, position: int) -> Any:
    """Slide two values into the sums of n rows; Σover/Σunder, 0 where the denominator is empty."""
    known = not np.isnan(over + under)
    window.new[0] = 1.0 if known else 0.0
    window.new[1] = over if known else 0.0
    window.new[2] = under if known else 0.0
    slide_sums(window, n)
    total = window.total
    if not known or position < n or not enough(total[0], n):
        return np.nan
    return ratio(total[1], total[2])


@kernel
def cost(prices: Floats, sizes: Floats, mid: float, notional: float) -> float:
    """Mean fill price of a notional over m, less 1, bps; negative where the prices are below m."""
    left, filled, above = notional, 0.0, 0.0  # quote, base coin, Σ size·(price − m)
    for i in range(LEVELS):
        value = prices[i] * sizes[i]
        if value >= left:
            break
        left -= value
        filled += sizes[i]
        above += sizes[i] * (prices[i] - mid)
    else:
        i = LEVELS - 1  # a lower bound: the rest at the last level
    rest = left / prices[i]
    filled += rest
    above += rest * (prices[i] - mid)  # subtracted first: the mean price itself would lose the digits
    return np.nan if np.isnan(sizes[LEVELS - 1]) else 1e4 * above / (filled * mid)
