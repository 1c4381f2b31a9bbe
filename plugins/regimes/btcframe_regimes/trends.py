"""Four regimes by two numbers, how strongly the market swings and where it goes: with hysteresis, and a least dwell."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from btcframe.kernels import kernel
from btcframe.types import Floats, StateArray

LABELS = ("trend_up", "trend_down", "range", "turbulent")
UP, DOWN, RANGE, TURBULENT = range(4)
UNKNOWN = -1

FITTED_ON = 1_000_000
"""Training rows, evenly spaced, that tell the thresholds: more would not tell them better."""

LEAST = 20
"""Training rows there must be."""


def thresholds(
    both: Floats, turbulent: tuple[float, float], trend: tuple[float, float]
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Where a regime is entered and where it is left, for the swing and for |trend|.

    Parameters
    ----------
    both : float64[n, 2]               swing and trend of the training rows
    turbulent, trend : (float, float)  quantiles: entered above the first, left below the second

    Returns
    -------
    two pairs of float, None if fewer than LEAST rows have both
    """
    spaced = both[:: max(1, -(-len(both) // FITTED_ON))]
    known = spaced[np.isfinite(spaced).all(axis=1)]
    if len(known) < LEAST:
        return None
    swing = np.quantile(known[:, 0], turbulent)
    size = np.quantile(np.abs(known[:, 1]), trend)
    return (float(swing[0]), float(swing[1])), (float(size[0]), float(size[1]))


@dataclass(frozen=True)
class TrendLabeler:
    """Fitted thresholds.

    Parameters
    ----------
    swing, trend : int                columns of the descriptors
    turbulent : (float, float)        swing above which a row is turbulent, and at or below which it no longer is
    directed : (float, float)         |trend| above which it is a trend, and at or below which it no longer is
    dwell : int                       rows a regime lasts at least
    """

    swing: int
    trend: int
    turbulent: tuple[float, float]
    directed: tuple[float, float]
    dwell: int

    @property
    def labels(self) -> tuple[str, ...]:
        """The regimes."""
        return LABELS

    def state(self) -> StateArray:
        """The regime, UNKNOWN before the first row, and how many rows it has lasted."""
        state = np.zeros(1, [("regime", "i8"), ("rows", "i8")])
        state["regime"] = UNKNOWN
        return state

    def update(self, descriptors: Floats, state: StateArray, out: Floats) -> None:
        """descriptors float64[n, d] → out float64[n, 4], one 1 per row."""
        _classify(descriptors, self.swing, self.trend, self.turbulent, self.directed, self.dwell, state, out)

    def save(self, directory: Path) -> None:
        """Write trends.json."""
        (directory / "trends.json").write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> TrendLabeler:
        """Read what `save` wrote."""
        saved = json.loads((directory / "trends.json").read_text(encoding="utf-8"))
        pairs = {name: tuple(saved[name]) for name in ("turbulent", "directed")}
        return cls(**{**saved, **pairs})


@kernel
def _classify(
    descriptors: Floats, swing: int, trend: int, turbulent: tuple[float, float], directed: tuple[float, float],
    dwell: int, state: StateArray, out: Floats,
) -> None:  # fmt: skip
    s = state[0]
    for t in range(len(descriptors)):
        s.rows += 1
        v, d = descriptors[t, swing], descriptors[t, trend]
        if v != v or d != d:
            out[t, :] = np.nan
            continue
        if s.regime == UNKNOWN or s.rows > dwell:
            if v > turbulent[1 if s.regime == TURBULENT else 0]:
                new = TURBULENT
            elif d > directed[1 if s.regime == UP else 0]:
                new = UP
            elif -d > directed[1 if s.regime == DOWN else 0]:
                new = DOWN
            else:
                new = RANGE
            if new != s.regime:
                s.regime = new
                s.rows = 1
        out[t, :] = 0.0
        out[t, s.regime] = 1.0
