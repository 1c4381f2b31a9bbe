"""Return over fixed horizons after a row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np

from btcframe.api import Column
from btcframe.labels.durations import check_horizons, duration
from btcframe.types import Floats, Ints, RowArray, duration_ns


class Price(Enum):
    """Which price of a row a return is measured on."""

    mid = "mid"
    microprice = "microprice"


@dataclass(frozen=True)
class ForwardReturn:
    """Log return over each horizon, in basis points.

    y_h(t) = 1e4 · ln(p(t + h) / p(t)), where p(t + h) is the price as known then: that of the last row with
    row_ns ≤ t + h. It is NaN where either price is NaN, where the rows do not reach t + h, and where that last row is
    older than `max_age` (the rows stop for a while). t_end = t + h exactly; nothing later is looked at.

    Parameters
    ----------
    horizons : tuple[str, ...]   durations; each is one column, named as it is written: y_5s, y_15s, y_60s
    price : Price                mid or microprice
    max_age : str                oldest price that still counts as known at t + h
    cost_bps : float             what a round trip costs: y becomes sign(y)·max(|y| − cost, 0), so that a move which
                                 does not pay counts as none; 0 leaves it as it is

    Outputs: y_<horizon> float64 (n,), bps. Looks ahead by the horizon.
    """

    horizons: tuple[str, ...] = ("5s", "15s", "60s")
    price: Price = Price.mid
    max_age: str = "2s"
    cost_bps: float = 0.0

    def __post_init__(self) -> None:
        check_horizons(self.horizons)
        duration("max_age", self.max_age)
        if not 0 <= self.cost_bps < math.inf:
            raise ValueError(f"cost_bps: {self.cost_bps} is not a cost: it is 0 or greater")

    @property
    def horizons_ns(self) -> tuple[int, ...]:
        """Horizons in the order they were given, ns."""
        return tuple(duration_ns(h) for h in self.horizons)

    @property
    def max_horizon_ns(self) -> int:
        """The longest horizon, ns."""
        return max(self.horizons_ns)

    @property
    def lookback_ns(self) -> int:
        """Nothing of the past is needed."""
        return 0

    def columns(self) -> tuple[Column, ...]:
        """One per horizon, named after the duration as it was written."""
        return tuple(
            Column(
                f"y_{text.strip()}",
                unit="bps",
                inputs=("row_ns", self.price.value),
                formula=f"1e4·ln({self.price.value}(t+{text.strip()})/{self.price.value}(t))"
                + (f", {self.cost_bps:g} bps nearer to 0" if self.cost_bps else ""),
                family="label",
            )
            for text in self.horizons
        )

    def label(self, rows: RowArray) -> tuple[Floats, Ints]:
        """ROW[n] in order of time → (y float64[n, h], t_end int64[n, h])."""
        from btcframe.kernels.forward import forward_returns  # listing plugins needs no numba

        horizons = np.array(self.horizons_ns, dtype=np.int64)
        y = np.full((len(rows), len(horizons)), np.nan)
        t_end = np.empty(y.shape, dtype=np.int64)
        row_ns = np.ascontiguousarray(rows["row_ns"])
        price = np.ascontiguousarray(rows[self.price.value])
        forward_returns(row_ns, price, horizons, duration_ns(self.max_age), y, t_end)
        if self.cost_bps:
            y = np.sign(y) * np.maximum(np.abs(y) - self.cost_bps, 0.0)
        return y, t_end
