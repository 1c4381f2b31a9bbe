"""Whether to wait or to act: chance of a fill, what fills have cost, how old the price is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from btcframe.api import Column
from btcframe.kernels import kernel
from btcframe.kernels.logs import log_ratio
from btcframe.kernels.rolling import decays, ewm, fade
from btcframe.kernels.windows import enough, ratio, slide_sums, sums
from btcframe.types import LEVELS, Floats, Instrument, RowArray, StateArray
from btcframe_features.lengths import check_lengths
from btcframe_features.pressure import weighted_sizes


@dataclass(frozen=True)
class Urgency:
    """What waiting costs an order, over a horizon of T rows.

    With m the mid, B_1, A_1 the sizes (base coin) of level 1, V± the traded volume by aggressor, SV = V⁺ − V⁻,
    bps(x) = 1e4·x/m and r = ln m_t − ln m_{t−1}::

        fill_probability_bid    1 − exp(−T·ewm_30(V⁻)/B_1): an order that joins the back of level 1 fills within T rows,
        fill_probability_ask    with V⁺ and A_1; cancels ahead of it not counted
        adverse_selection_T_bps ewm_60 of sign(SV_{t−T})·bps(m_t − m_{t−T}): how far the mid has followed the trades
        mid_age                 ln(1 + rows since m last changed)
        execution_urgency       1/(1 + exp(−x)),
                                x = w_1·|p|·1e4·rv_30·sqrt(T/30) + w_2·adverse_selection_T_bps − w_3·effective_spread/2

    p is the price pressure over levels 1…5, (Σw_i·B_i − Σw_i·A_i)/(Σw_i·B_i + Σw_i·A_i) with w_i = 1/(1 + ticks from m);
    rv_30 = sqrt(30·mean r²) over the valid returns of the last 30 rows; effective_spread = 2e4·ES/(V·m), bps, the value
    of the last row that traded. ewm_H: num ← w·num + x, den ← w·den + 1, w = 0.5^(1/H), value num/den; a row without x
    decays both and is NaN. Causal.

    Decided where the formulas are silent: a row whose SV_{t−T} is 0 adds nothing to adverse selection and has the value
    carried; before any signed row that is 0 (an empty denominator). With nothing ahead, a level 1 that holds
    nothing and that no venue sends, any trade fills the order: the probability is the formula's limit, 1, or 0 where
    nothing was ever traded. (The 0 of empty denominators is for ratios in which nothing happened.) mid_age counts all rows from the last change on, those without a mid too,
    and compares with the last mid there was; before the first change it counts from the first mid. Until there was a
    trade, and in a row whose trades or their cost are unknown, execution_urgency is NaN.

    Parameters
    ----------
    fills : bool                  write fill_probability_bid and fill_probability_ask
    adverse : bool                write adverse_selection_T_bps
    age : bool                    write mid_age
    urgency : bool                write execution_urgency
    horizon : int                 T, rows
    fill_half_life : int          of V±, rows
    adverse_half_life : int       of adverse selection, rows
    window : int                  of rv, rows
    levels : int                  of p
    weights : tuple of float      w_1, w_2, w_3, 1 each; the unit of the last two is 1/bps

    Columns made with other values have these in their names: fill_probability_bid_T_H, adverse_selection_T_H_bps,
    execution_urgency_T_H_window_levels and, if they are not 1, the weights.

    Outputs: 5 columns at the defaults, float64 (n,). Unit, range and warm-up per column: `columns()`.
    Source: Poisson arrivals against the queue, as in Cont & de Larrard 2013; markouts; definitions.
    """

    fills: bool = True
    adverse: bool = True
    age: bool = True
    urgency: bool = True
    horizon: int = 10
    fill_half_life: int = 30
    adverse_half_life: int = 60
    window: int = 30
    levels: int = 5
    weights: tuple[float, ...] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        for name in ("horizon", "fill_half_life", "adverse_half_life", "window"):
            check_lengths(name, (getattr(self, name),))
        if not 1 <= self.levels <= LEVELS:
            raise ValueError(f"levels: {self.levels} is not a number of levels: a row holds 1 to {LEVELS}")
        if len(self.weights) != 3 or not all(math.isfinite(w) for w in self.weights):
            raise ValueError(f"weights: {list(self.weights)} are not three numbers")
        if not self.columns():
            raise ValueError("fills: no columns; write fills, adverse, age or urgency")

    def columns(self) -> tuple[Column, ...]:
        return (
            *(self._fill(side) for side in ("bid", "ask") if self.fills),
            *((self._adverse(),) if self.adverse else ()),
            *((MID_AGE,) if self.age else ()),
            *((self._urgency(),) if self.urgency else ()),
        )

    def _fill(self, side: str) -> Column:
        volume, queue = ("sell_volume", "bid_sz") if side == "bid" else ("buy_volume", "ask_sz")
        horizon, h = self.horizon, self.fill_half_life
        taken, size = ("V⁻", "B_1") if side == "bid" else ("V⁺", "A_1")
        return Column(
            f"fill_probability_{side}" if (horizon, h) == (10, 30) else f"fill_probability_{side}_{horizon}_{h}",
            "1", 0.0, 1.0, warmup=h, inputs=(volume, queue), formula=f"1 − exp(−{horizon}·ewm_{h}({taken})/{size})",
            source="Poisson arrivals, as in Cont & de Larrard 2013", family="urgency",
        )  # fmt: skip

    def _adverse(self) -> Column:
        horizon, h = self.horizon, self.adverse_half_life
        return Column(
            f"adverse_selection_{horizon}_bps" if h == 60 else f"adverse_selection_{horizon}_{h}_bps", "bps",
            warmup=horizon + h, inputs=("mid", "buy_volume", "sell_volume"),
            formula=f"ewm_{h} of sign(SV_{{t−{horizon}}})·bps(m_t − m_{{t−{horizon}}})", source="markouts",
            family="urgency",
        )  # fmt: skip

    def _urgency(self) -> Column:
        made = (self.horizon, self.adverse_half_life, self.window, self.levels)
        name = "execution_urgency"
        if made != (10, 60, 30, 5) or self.weights != (1.0, 1.0, 1.0):
            name += "".join(f"_{value}" for value in made)
        if self.weights != (1.0, 1.0, 1.0):
            name += "".join(f"_{_in_name(weight)}" for weight in self.weights)
        return Column(
            name, "1", 0.0, 1.0, warmup=max(self.horizon + self.adverse_half_life, self.window),
            inputs=("bid_px", "bid_sz", "ask_px", "ask_sz", "mid", "buy_volume", "sell_volume", "signed_cost"),
            formula=f"1/(1 + exp(−x)), x = w_1·|p|·1e4·rv_{self.window}·sqrt({self.horizon}/{self.window}) "
            f"+ w_2·adverse_selection_{self.horizon}_bps − w_3·effective_spread_bps/2",
            source="definition", family="urgency",
        )  # fmt: skip

    def state(self, instrument: Instrument) -> StateArray:
        memory = np.zeros(
            1,
            np.dtype(
                [
                    # what is asked for
                    ("tick", "f8"),  # quote
                    ("fills", "i8"),
                    ("adverse", "i8"),
                    ("age", "i8"),
                    ("urgency", "i8"),
                    ("horizon", "i8"),
                    ("fill_half_life", "i8"),
                    ("adverse_half_life", "i8"),
                    ("window", "i8"),
                    ("levels", "i8"),
                    ("fill_decay", "f8"),
                    ("adverse_decay", "f8"),
                    ("weights", "f8", (3,)),
                    # what is remembered
                    ("position", "i8"),  # rows since the first mid
                    ("sold", "f8"),  # ewm of V⁻, base coin a row
                    ("bought", "f8"),  # ewm of V⁺
                    ("sold_weight", "f8"),
                    ("bought_weight", "f8"),
                    ("last_mid", "f8"),  # newest valid mid
                    ("unchanged", "f8"),  # rows since it last changed
                    ("at", "i8"),  # where in the rings the row T before stands
                    ("mids", "f8", (self.horizon,)),
                    ("signed", "f8", (self.horizon,)),  # SV
                    ("followed", "f8"),  # adverse selection, bps
                    ("followed_weight", "f8"),
                    ("mid_before", "f8"),  # of the row before
                    ("squares", sums(self.window, 2)),  # Σ r², rows that have it
                    ("effective_spread", "f8"),  # of the last row that traded, bps
                ],
                align=True,
            ),
        )
        for name in ("last_mid", "mids", "signed", "mid_before", "effective_spread"):
            memory[name] = np.nan
        memory["tick"], memory["weights"] = float(instrument.tick), self.weights
        memory["fill_decay"], memory["adverse_decay"] = decays((self.fill_half_life, self.adverse_half_life))
        for name in (
            "fills", "adverse", "age", "urgency", "horizon", "fill_half_life", "adverse_half_life", "window", "levels",
        ):  # fmt: skip
            memory[name] = getattr(self, name)
        return memory

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        urgency(rows, state, out)


MID_AGE = Column(
    "mid_age", "ln rows", 0.0, warmup=1, inputs=("mid",), formula="ln(1 + rows since m last changed)",
    source="definition", family="urgency",
)  # fmt: skip


def _in_name(weight: float) -> str:
    """A number as part of a column's name: 0.5 → 0p5, −2 → m2."""
    return f"{weight:.12g}".replace("-", "m").replace(".", "p").replace("+", "")


@kernel
def fill_probability(taken: float, queue: float, horizon: int) -> float:
    """1 − exp(−horizon·taken/queue), with an empty queue its limit."""
    if queue == 0.0:
        return 1.0 if taken > 0.0 else 0.0
    return 1.0 - math.exp(-horizon * taken / queue)


@kernel
def urgency(rows: RowArray, state: StateArray, out: Floats) -> None:
    """Columns of `Urgency`."""
    s = state[0]
    adverse_warm, urgency_warm = s.horizon + s.adverse_half_life, s.window
    to_horizon = math.sqrt(s.horizon / s.window)
    for t in range(len(rows)):
        row = rows[t]
        position = s.position
        if position == 0 and not row.mid > 0.0:
            continue  # nothing has started: out keeps the caller's NaN
        s.position = position + 1
        mid = row.mid if row.mid > 0.0 else np.nan
        good = mid > 0.0
        bought, sold = row.buy_volume, row.sell_volume
        j = 0

        if s.fills:
            if math.isnan(sold):
                s.sold_weight = fade(s.sold_weight, s.fill_decay)
            else:
                s.sold, s.sold_weight = ewm(s.sold, s.sold_weight, s.fill_decay, sold)
            if math.isnan(bought):
                s.bought_weight = fade(s.bought_weight, s.fill_decay)
            else:
                s.bought, s.bought_weight = ewm(s.bought, s.bought_weight, s.fill_decay, bought)
            warm = position >= s.fill_half_life
            known = warm and not math.isnan(sold)
            out[t, j] = fill_probability(s.sold, row.bid_sz[0], s.horizon) if known else np.nan
            known = warm and not math.isnan(bought)
            out[t, j + 1] = fill_probability(s.bought, row.ask_sz[0], s.horizon) if known else np.nan
            j += 2

        followed = np.nan
        if s.adverse or s.urgency:
            was, signed = s.mids[s.at], s.signed[s.at]
            s.mids[s.at], s.signed[s.at] = mid, bought - sold
            s.at = s.at + 1 if s.at + 1 < s.horizon else 0
            known = not math.isnan(mid + was + signed)
            if known and signed != 0.0:
                move = 1e4 * (mid - was) / mid
                x = move if signed > 0.0 else -move
                s.followed, s.followed_weight = ewm(s.followed, s.followed_weight, s.adverse_decay, x)
            else:
                s.followed_weight = fade(s.followed_weight, s.adverse_decay)
            if known and position >= adverse_warm:
                followed = s.followed
        if s.adverse:
            out[t, j] = followed
            j += 1

        if s.age:
            s.unchanged += 1.0
            if good and mid != s.last_mid:  # in the first row there is none: not equal
                s.unchanged, s.last_mid = 0.0, mid
            out[t, j] = math.log(1.0 + s.unchanged) if good and position >= 1 else np.nan
            j += 1

        if s.urgency:
            r = log_ratio(mid, s.mid_before)
            s.mid_before = mid
            known = not math.isnan(r)
            s.squares.new[0] = r * r if known else 0.0
            s.squares.new[1] = 1.0 if known else 0.0
            slide_sums(s.squares)
            count = s.squares.total[1]

            volume = bought + sold
            if volume > 0.0 and good and not math.isnan(row.signed_cost):
                s.effective_spread = 2e4 * row.signed_cost / (volume * mid)
            priced = not math.isnan(volume + row.signed_cost)

            value = np.nan
            if known and priced and enough(count, s.window) and position >= urgency_warm:
                bids, asks = weighted_sizes(row, mid, s.tick, 1, s.levels)
                p = ratio(bids - asks, bids + asks)
                rv = math.sqrt(s.squares.total[0] / count * s.window)
                x = s.weights[0] * abs(p) * 1e4 * rv * to_horizon
                x += s.weights[1] * followed - s.weights[2] * s.effective_spread / 2.0
                value = 1.0 / (1.0 + math.exp(-x))
            out[t, j] = value
