"""Market regime by the Hilbert-Huang transform: trend up, trend down, range, turbulent."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from btcframe.api import Column
from btcframe.errors import ModelError
from btcframe.kernels.hht import rolling_push, rolling_state
from btcframe.types import Floats, Instrument, Ints, RowArray, StateArray
from btcframe_regimes.swings import QUIET, collect, describe
from btcframe_regimes.trends import TrendLabeler, thresholds

LONGEST = 100_000
"""Bars a window may have."""

DWELL = 1_000_000
"""Rows a label may have to last."""

PIECE = 4096
"""Rows whose windows are decomposed in one go: their bars stand in memory side by side."""


@dataclass(frozen=True)
class Hht:
    """What the mid's swings of each period do over the last bars, and which of four regimes that is.

    Every `every` bars the last `window` bars of 1e4·ln(m/first m of the window), bps, are decomposed into modes, and
    these gathered in bands by their period in the window (`btcframe.kernels.hht.rolling_hht`): the number of a mode
    changes from bar to bar, the band of a period hardly. Band b has the mean square E_b over the window, and at the
    bar `lag` bars before the last the amplitude A_b, phase φ_b and period P_b (1/frequency, held within the band).
    Bands from the period `slow` on, and what no mode holds, are the slow motion S = residue + Σ_slow A_b cos φ_b; σ is
    the size of the others, sqrt(Σ_fast E_b).

    ::

        regime_hht_share_<band>   E_b / ΣE
        regime_hht_entropy        −Σ s ln s / ln(bands), s = the shares: 0 one band has it all, 1 all have the same
        regime_hht_swing          ln(σ + 0.01)
        regime_hht_period         exp(Σ A_b² ln P_b / ΣA_b²), bars
        regime_hht_drift          ln(period `over` bars ago / period): above 0 it swings faster now
        regime_hht_slope          (S − S `over` bars ago) / over, bps per bar
        regime_hht_trend          x/(|x| + σ), x = slope · over: above 0 the slow motion rises, near ±1 it dwarfs the rest
        regime_hht_cos, _sin      Σ A_b cos φ_b / ΣA_b over the slow bands: near 1 at a crest; sin: below 0 it rises

    Rows between keep the last values. NaN until the window has passed, where the row has no mid, and where fewer than
    ⌈0.8·window⌉ bars have one; otherwise the last mid is carried over such bars. Where nothing swings, shares, entropy
    and phases are 0 and the period is the window.

    The slope is a difference over many bars and not the slow motion's own at the edge, which is what the transform tells
    worst: the sine of the phase there has nothing in common with what is known of it 256 bars later, while slope, trend
    and swing have most (docs/regimes.md). So those make the regime, and the rest describes.

    A row is turbulent where the swing is above its quantile `turbulent` of the training rows, else a trend where
    |trend| is above its quantile `trend`, else a range. A regime is left at the quantile lower by `hysteresis`, and not
    before `dwell` rows. Probabilities are 0 or 1, NaN where the descriptors are (the regime is kept over such rows).

    Parameters
    ----------
    window : int              bars that are decomposed, at least 16
    bar : int                 rows to a bar; its price is the last mid in it
    every : int               bars from one decomposition to the next
    lag : int                 bars before the last at which bands are read; the mean squares are of the whole window
    bands : tuple of int      edges between periods, bars, rising
    slow : int                the edge from which on motion is slow
    over : int                bars over which slope and drift are taken, a multiple of every
    stop : str                when a mode is done: fixed (after `sifts` sifts), pyemd or rilling
    sifts : int               sifts per mode
    edge : str                how the window goes on beyond its last bar: mirror, or ar for a linear forecast
    turbulent : float         quantile of the swing above which a row is turbulent
    trend : float             quantile of |trend| above which a row is a trend
    hysteresis : float        how much lower the quantile is at which a regime is left
    dwell : int               rows a regime lasts at least

    References
    ----------
    Huang et al., Proceedings of the Royal Society A 454, 1998 (modes, instantaneous frequency).

    Outputs: 13 columns at the defaults, float64 (n,). Causal.
    """

    window: int = 512
    bar: int = 1
    every: int = 16
    lag: int = 4
    bands: tuple[int, ...] = (5, 15, 60, 240)
    slow: int = 15
    over: int = 480
    stop: str = "fixed"
    sifts: int = 10
    edge: str = "mirror"
    turbulent: float = 0.8
    trend: float = 0.6
    hysteresis: float = 0.3
    dwell: int = 60

    def __post_init__(self) -> None:
        if not 16 <= self.window <= LONGEST:
            raise ValueError(f"window: {self.window} is not a number of bars from 16 to {LONGEST:,}")
        for name in ("bar", "every", "sifts"):
            if not 1 <= getattr(self, name) <= LONGEST:
                raise ValueError(f"{name}: {getattr(self, name)} is not a number from 1 to {LONGEST:,}")
        if not 0 <= self.lag <= self.window - 2:
            raise ValueError(
                f"lag: {self.lag} is not a number of bars from 0 to window − 2, {self.window - 2}"
            )
        edges = list(self.bands)
        if not edges or edges[0] < 3 or edges != sorted(set(edges)):
            raise ValueError(f"bands: {edges} are not edges between periods that rise from 3 bars on")
        if edges[-1] >= self.window:
            raise ValueError(f"bands: a period of {edges[-1]} bars does not fit a window of {self.window}")
        if self.slow not in self.bands:
            raise ValueError(f"slow: {self.slow} is not an edge of the bands {edges}")
        if not 1 <= self.over <= LONGEST or self.over % self.every:
            raise ValueError(f"over: {self.over} is not a multiple of every, {self.every}, up to {LONGEST:,}")
        if self.stop not in ("fixed", "pyemd", "rilling"):
            raise ValueError(f"stop: {self.stop!r} is not fixed, pyemd or rilling")
        if self.edge not in ("mirror", "ar"):
            raise ValueError(f"edge: {self.edge!r} is not mirror or ar")
        if not 0 < self.turbulent < 1 or not 0 < self.trend < 1:
            raise ValueError(
                f"turbulent, trend: {self.turbulent} and {self.trend} are not quantiles in (0, 1)"
            )
        if not 0 <= self.hysteresis < min(self.turbulent, self.trend):
            raise ValueError(
                f"hysteresis: {self.hysteresis} is not from 0 to below the quantiles {self.turbulent} and {self.trend}"
            )
        if not 0 <= self.dwell <= DWELL:
            raise ValueError(f"dwell: {self.dwell} is not a number of rows from 0 to {DWELL:,}")

    @cached_property
    def _windows(self) -> StateArray:
        """Windows that lie end to end: what `rolling_push` is given holds whole ones, so nothing stays in it."""
        return rolling_state(
            window=self.window, stride=self.window, bands=self.bands, lag=self.lag, stop=self.stop, sifts=self.sifts,
            edge=self.edge, order=min(32, self.window // 2),
        )  # fmt: skip

    @cached_property
    def _edges(self) -> Ints:
        return np.array([2, *self.bands, self.window], np.int64)

    @cached_property
    def _slow(self) -> int:
        """The first of the slow bands."""
        return self.bands.index(self.slow) + 1

    @cached_property
    def _names(self) -> list[str]:
        pairs = zip(self.bands, self.bands[1:], strict=False)
        return [f"below_{self.bands[0]}", *(f"{a}_{b}" for a, b in pairs), f"from_{self.bands[-1]}"]

    def columns(self) -> tuple[Column, ...]:
        first, second = self.window * self.bar - 1, (self.window + self.over) * self.bar - 1
        unit = "1"
        told = [(f"share_{name}", unit, 0.0, 1.0, first, "E_b/ΣE") for name in self._names]
        told += [
            ("entropy", unit, 0.0, 1.0, first, "−Σ s ln s / ln(bands)"),
            ("swing", "ln bps", math.log(QUIET), np.inf, first, "ln(σ + 0.01)"),
            ("period", "bars", 2.0, float(self.window), first, "exp(Σ A² ln P / ΣA²)"),
            ("drift", unit, -np.inf, np.inf, second, f"ln(period_{{t−{self.over}}}/period_t)"),
            ("slope", "bps per bar", -np.inf, np.inf, second, f"(S_t − S_{{t−{self.over}}})/{self.over}"),
            ("trend", unit, -1.0, 1.0, second, "x/(|x| + σ), x = slope·over"),
            ("cos", unit, -1.0, 1.0, first, "Σ A cos φ / ΣA, slow bands"),
            ("sin", unit, -1.0, 1.0, first, "Σ A sin φ / ΣA, slow bands"),
        ]
        return tuple(
            Column(f"regime_hht_{name}", unit, low, high, warmup, ("mid",), formula, "Huang et al. 1998", "regime")
            for name, unit, low, high, warmup, formula in told
        )  # fmt: skip

    def state(self, instrument: Instrument) -> StateArray:
        """Rings of the bars' mids, and of what the slope and the drift look back on; the last values."""
        kept, width = self.over // self.every, len(self.columns())
        state = np.zeros(
            1,
            [
                ("rows", "i8"),  # since the first mid
                ("steps", "i8"),
                ("last", "f8"),  # newest mid, NaN before the first
                ("seen", "i8"),  # rows of this bar that had one
                ("valid", "i8"),  # bars of the window that had one
                ("mids", "f8", (self.window,)),  # ring: carried over bars without
                ("had", "u1", (self.window,)),
                ("base", "f8", (kept,)),  # rings: first mid of the window, slow motion above it, ln period
                ("motion", "f8", (kept,)),
                ("log_period", "f8", (kept,)),
                ("values", "f8", (width,)),  # of the last step
            ],
        )
        for name in ("last", "motion", "values"):
            state[name] = np.nan
        return state

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        """Advance over rows."""
        most = min(len(rows), PIECE) // (self.bar * self.every) + 1
        windows, bases, due = np.empty((most, self.window)), np.empty(most), np.empty(most, np.int64)
        for at in range(0, len(rows), PIECE):
            part = slice(at, at + PIECE)
            count = collect(rows[part], state, self.bar, self.every, windows, bases, due)
            bands = self._decomposed(windows[:count])
            describe(rows[part], due, bases, bands, self._edges, self._slow, self.over, state, out[part])

    def _decomposed(self, windows: Floats) -> Floats:
        """float64[m, window] → float64[m, 4b + 1]: b energies, amplitudes, frequencies and phases, and the residue."""
        if not len(windows):
            return np.empty((0, 4 * len(self.bands) + 5))
        bands = rolling_push(windows.ravel(), self._windows.copy())
        parts = (bands.energy, bands.amplitude, bands.frequency, bands.phase, bands.residue[:, None])
        return np.concatenate(parts, axis=1)

    def fit(self, descriptors: Floats, *, seed: int) -> TrendLabeler:
        """Thresholds from the training rows' swing and trend.

        Raises
        ------
        ModelError
            If fewer than 20 rows have both.
        """
        names = [c.name for c in self.columns()]
        swing, trend = names.index("regime_hht_swing"), names.index("regime_hht_trend")
        quantiles = (
            (self.turbulent, self.turbulent - self.hysteresis),
            (self.trend, self.trend - self.hysteresis),
        )
        found = thresholds(descriptors[:, [swing, trend]], *quantiles)
        if found is None:
            known = int(np.isfinite(descriptors[:, trend]).sum())
            raise ModelError(
                f"regime hht: {known} of {len(descriptors):,} training rows have a trend, 20 are needed",
                where="regime.window, regime.over",
                hint=f"It takes {(self.window + self.over) * self.bar:,} rows to warm up: shorten regime.window or regime.over, or use more data.",
            )
        return TrendLabeler(swing, trend, *found, self.dwell)

    def load(self, directory: Path) -> TrendLabeler:
        """Read what `TrendLabeler.save` wrote."""
        return TrendLabeler.read(directory)

    def hindsight(self, rows_later: int) -> Hht:
        """The same, read `rows_later` rows before the window's end; fit it on the same training rows.

        Raises
        ------
        ValueError
            If that is no whole number of bars, or not in the window.
        """
        if rows_later % self.bar:
            raise ValueError(f"rows_later: {rows_later} rows are no whole number of bars of {self.bar}")
        return replace(self, lag=self.lag + rows_later // self.bar)
