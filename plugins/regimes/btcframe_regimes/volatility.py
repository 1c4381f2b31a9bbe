"""Market regime by rolling realised volatility: low, normal, high."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from btcframe.api import Column
from btcframe.errors import ModelError
from btcframe.kernels import kernel, windows
from btcframe.types import Floats, Instrument, Ints, RowArray, StateArray

LABELS = ("low", "normal", "high")
UNKNOWN = -1
FITTED_ON = 1_000_000
"""Training rows, evenly spaced, that tell the thresholds: more would not tell them better."""

LONGEST = 10_000_000
"""Rows a window may have: its memory is a float for each."""


@dataclass(frozen=True)
class Volatility:
    """Realised volatility of the mid over a rolling window, cut into three regimes.

    v_t = 1e4 · sqrt(mean of r² over the valid returns of the last `window` rows), r_t = ln m_t − ln m_{t−1}, in bps
    per row. NaN until the window has passed, where the row's own return is NaN, and where fewer than ⌈0.8·window⌉
    returns are valid. The window's sum is made of two, never by subtracting, so nothing drifts.

    Fitting takes the quantiles `low` and `high` of v over the training rows (beyond a million, as many, evenly spaced)
    as thresholds. A row is then low,
    normal or high; a regime is left only when v passes its threshold by the share `hysteresis`. Probabilities are 0 or 1,
    NaN where v is NaN (the regime is kept over such rows).

    Parameters
    ----------
    window : int         rows, at least 2
    low : float          quantile below which volatility is low
    high : float         quantile above which it is high
    hysteresis : float   share of a threshold by which it must be passed to change the regime

    References
    ----------
    Andersen, Bollerslev, Diebold & Labys, Modeling and forecasting realized volatility, Econometrica 71, 2003.

    Outputs: regime_vol_<window> float64 (n,), bps per row. Causal.
    """

    window: int = 300
    low: float = 1 / 3
    high: float = 2 / 3
    hysteresis: float = 0.05

    def __post_init__(self) -> None:
        if self.window < 2:
            raise ValueError(f"window: {self.window} is less than 2 rows")
        if self.window > LONGEST:
            raise ValueError(f"window: {self.window} rows are more than {LONGEST:,}")
        if not 0 < self.low < self.high < 1:
            raise ValueError(
                f"low, high: {self.low} and {self.high} are not two quantiles, 0 < low < high < 1"
            )
        if not 0 <= self.hysteresis < 1:
            raise ValueError(f"hysteresis: {self.hysteresis} is not a share, 0 <= hysteresis < 1")

    def columns(self) -> tuple[Column, ...]:
        """The volatility."""
        return (
            Column(
                f"regime_vol_{self.window}",
                unit="bps per row",
                low=0.0,
                warmup=self.window,
                inputs=("mid",),
                formula="1e4·sqrt(mean r²), r = Δ ln m",
                source="Andersen et al. 2003",
                family="regime",
            ),
        )

    def state(self, instrument: Instrument) -> StateArray:
        """The last mid's logarithm, the rows seen, and the window of squared returns."""
        state = np.zeros(1, _memory(self.window))
        state["log"] = np.nan
        return state

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        """Advance over rows."""
        _volatility(rows, state, out)

    def fit(self, descriptors: Floats, *, seed: int) -> VolatilityLabeler:
        """Thresholds from the training rows' volatility.

        Raises
        ------
        ModelError
            If fewer than 20 rows have one.
        """
        spaced = descriptors[:: max(1, -(-len(descriptors) // FITTED_ON)), 0]
        values = spaced[np.isfinite(spaced)]
        if len(values) < 20:
            raise ModelError(
                f"regime volatility: {len(values)} of {len(descriptors):,} training rows have a volatility, 20 are needed",
                where="regime.window",
                hint=f"It takes {self.window} rows to warm up: use a shorter window or more data.",
            )
        low, high = np.quantile(values, (self.low, self.high))
        return VolatilityLabeler(float(low), float(high), self.hysteresis)

    def load(self, directory: Path) -> VolatilityLabeler:
        """Read what `VolatilityLabeler.save` wrote."""
        return VolatilityLabeler(**json.loads((directory / "volatility.json").read_text(encoding="utf-8")))

    def hindsight(self, rows_later: int) -> None:
        """None: the volatility of past rows is what it was, whatever comes later."""


@dataclass(frozen=True)
class VolatilityLabeler:
    """Fitted thresholds.

    Parameters
    ----------
    low, high : float     bps per row
    hysteresis : float    share of a threshold
    """

    low: float
    high: float
    hysteresis: float

    @property
    def labels(self) -> tuple[str, ...]:
        """The regimes."""
        return LABELS

    def state(self) -> StateArray:
        """The regime of the last row, UNKNOWN before the first."""
        return np.full(1, UNKNOWN, dtype=[("regime", "i8")])

    def update(self, descriptors: Floats, state: StateArray, out: Floats) -> None:
        """descriptors float64[n, 1] → out float64[n, 3], one 1 per row."""
        _classify(descriptors[:, 0], state["regime"], self.low, self.high, self.hysteresis, out)

    def save(self, directory: Path) -> None:
        """Write volatility.json."""
        text = json.dumps({"low": self.low, "high": self.high, "hysteresis": self.hysteresis})
        (directory / "volatility.json").write_text(text + "\n", encoding="utf-8")


@functools.cache
def _memory(window: int) -> np.dtype[Any]:
    return np.dtype(
        [("log", "f8"), ("rows", "i8"), ("squares", windows.sums(window, 2))],  # Σ r², and how many
        align=True,
    )


@kernel
def _volatility(rows: RowArray, state: StateArray, out: Floats) -> None:
    s = state[0]
    window = s.squares
    n = len(window.block) - 1
    for i in range(len(rows)):
        log = math.log(rows[i].mid)
        r = log - s.log
        s.log = log
        known = not math.isnan(r)
        window.new[0] = r * r if known else 0.0
        window.new[1] = 1.0 if known else 0.0
        windows.slide_sums(window)
        s.rows += 1
        # the first row has no return, so the window is full of returns with row `n`, counted from 0
        if s.rows > n and known and windows.enough(window.total[1], n):
            out[i, 0] = 1e4 * math.sqrt(window.total[0] / window.total[1])
        else:
            out[i, 0] = np.nan


@kernel
def _classify(v: Floats, regime: Ints, low: float, high: float, hysteresis: float, out: Floats) -> None:
    for i in range(len(v)):
        if math.isnan(v[i]):
            out[i, :] = np.nan
            continue
        below = v[i] <= low
        above = v[i] > high
        if regime[0] == 0:
            below = v[i] <= low * (1.0 + hysteresis)
        elif regime[0] == 2:
            above = v[i] > high * (1.0 - hysteresis)
        elif regime[0] == 1:
            below = v[i] <= low * (1.0 - hysteresis)
            above = v[i] > high * (1.0 + hysteresis)
        regime[0] = 2 if above else (0 if below else 1)
        out[i, :] = 0.0
        out[i, regime[0]] = 1.0
