"""Return at the first of three barriers: as good as it gets, as bad as it gets, or as long as it may take."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from btcframe.api import Column
from btcframe.labels.durations import check_horizons, duration
from btcframe.labels.forward_return import Price
from btcframe.types import Floats, Ints, RowArray, duration_ns


@dataclass(frozen=True)
class TripleBarrier:
    """Log return at the first barrier that the price touches, in basis points.

    The barriers of a row lie `up`·σ√h above its price, `down`·σ√h below it, and h later, for each horizon h; σ is the
    volatility of the rows of the last `lookback`, √(Σ r²/Σ Δ). So they are as far away as the market has moved of
    late, and what is learned is how a position would have ended that is closed there. y is the return to the price
    that touched (beyond the barrier where the price jumped over it), t_end is when it did: t + h at the latest. It is
    NaN where the row has no price or too little past, where neither a touch nor t + h is known, and where no price is
    known for longer than `max_age` on the way.

    Parameters
    ----------
    horizons : tuple[str, ...]   durations; each is one column, named as it is written: y_5s, y_15s, y_60s
    up : float                   distance of the upper barrier, standard deviations over the horizon; 0: there is none
    down : float                 of the lower one
    lookback : str               of the volatility
    price : Price                mid or microprice
    max_age : str                longest time without a price

    Outputs: y_<horizon> float64 (n,), bps. Looks ahead by the horizon, back by `lookback`.

    References
    ----------
    López de Prado, Advances in Financial Machine Learning, 2018, ch. 3.
    """

    horizons: tuple[str, ...] = ("5s", "15s", "60s")
    up: float = 1.5
    down: float = 1.5
    lookback: str = "60s"
    price: Price = Price.mid
    max_age: str = "2s"

    def __post_init__(self) -> None:
        check_horizons(self.horizons)
        for name in ("up", "down"):
            if not 0 <= (width := getattr(self, name)) < math.inf:
                raise ValueError(f"{name}: {width} is not a distance: it is 0 (no barrier) or greater")
        duration("lookback", self.lookback)
        duration("max_age", self.max_age)

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
        """What the volatility is measured on, ns."""
        return duration_ns(self.lookback)

    def columns(self) -> tuple[Column, ...]:
        """One per horizon, named after the duration as it was written."""
        return tuple(
            Column(
                f"y_{text.strip()}",
                unit="bps",
                inputs=("row_ns", self.price.value),
                formula=f"1e4·ln({self.price.value} at the first barrier/{self.price.value}(t)), at t+{text.strip()} at the latest",
                source="López de Prado 2018",
                family="label",
            )
            for text in self.horizons
        )

    def label(self, rows: RowArray) -> tuple[Floats, Ints]:
        """ROW[n] in order of time → (y float64[n, h], t_end int64[n, h])."""
        from btcframe.kernels.barriers import first_touch, past_volatility  # listing plugins needs no numba

        horizons = np.array(self.horizons_ns, dtype=np.int64)
        y = np.full((len(rows), len(horizons)), np.nan)
        t_end = np.empty(y.shape, dtype=np.int64)
        row_ns = np.ascontiguousarray(rows["row_ns"])
        price = np.ascontiguousarray(rows[self.price.value])
        sigma = np.empty(len(rows))
        past_volatility(row_ns, price, self.lookback_ns, sigma)
        first_touch(row_ns, price, sigma, horizons, self.up, self.down, duration_ns(self.max_age), y, t_end)
        return y, t_end
