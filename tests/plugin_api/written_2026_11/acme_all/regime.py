"""The regime: calm or wild, by how far the mid ranged lately."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from btcframe.api import Column
from btcframe.kernels import kernel

LONGEST = 1_000_000
"""Rows the window may have: its memory is a float for each."""


@kernel
def ranged(rows, state, out):
    """out_t = 1e4·(max m − min m)/m_t over the mids of the last N rows; NaN where there is no mid."""
    s = state[0]
    n = len(s.mids)
    for t in range(len(rows)):
        mid = rows[t].mid
        if s.seen == 0 and np.isnan(mid):
            continue  # rows count from the first one with a book
        s.mids[s.seen % n] = mid
        s.seen += 1
        if s.seen < n or np.isnan(mid):
            continue
        low = high = mid
        for k in range(n):
            if s.mids[k] < low:  # False for NaN
                low = s.mids[k]
            if s.mids[k] > high:
                high = s.mids[k]
        out[t, 0] = 1e4 * (high - low) / mid


@dataclass(frozen=True)
class Level:
    """What `fit` returns and `load` restores: wild above a level, calm below."""

    level: float
    labels = ("calm", "wild")

    def state(self):
        """No memory: the label follows from the row's own descriptor."""
        return np.zeros(1, [("none", "u1")])

    def update(self, descriptors, state, out):
        """Probabilities, here 0 or 1; NaN where the descriptor is."""
        wild = np.where(np.isnan(descriptors[:, 0]), np.nan, descriptors[:, 0] > self.level)
        out[:, 0], out[:, 1] = 1 - wild, wild

    def save(self, directory):
        """JSON keeps a float64 exactly."""
        (Path(directory) / "level.json").write_text(json.dumps(self.level))


@dataclass(frozen=True)
class AcmeAll:
    """Calm or wild by the range of the mid, (max m − min m)/m_t over a window, against a fitted quantile.

    Parameters
    ----------
    window : int        rows of the range
    quantile : float    share of the training rows that are calm, between 0 and 1
    """

    window: int = 60
    quantile: float = 0.8

    def __post_init__(self):
        """Refuse what has no meaning, before any work; the message begins with the field."""
        if not 1 <= self.window <= LONGEST:
            raise ValueError(f"window: {self.window} is not between 1 and {LONGEST:,} rows")
        if not 0 < self.quantile < 1:
            raise ValueError(f"quantile: {self.quantile} is not between 0 and 1")

    def columns(self):
        """The descriptor; descriptors start with regime_."""
        return (
            Column(
                f"regime_acme_all_{self.window}",
                unit="bps",
                low=0.0,
                warmup=self.window - 1,
                inputs=("mid",),
                formula=f"1e4·(max_{self.window} m − min_{self.window} m)/m_t",
                source="definition",
                family="regime",
            ),
        )

    def state(self, instrument):
        """All memory there will ever be: a ring of mids, and how many rows were seen."""
        memory = np.zeros(1, [("seen", "i8"), ("mids", "f8", (self.window,))])
        memory["mids"] = np.nan
        return memory

    def update(self, rows, state, out):
        """Advance over n rows: 1 live, thousands in a build."""
        ranged(rows, state, out)

    def fit(self, descriptors, *, seed):
        """The level that the given share of the training rows stays below."""
        known = descriptors[np.isfinite(descriptors[:, 0]), 0]
        return Level(float(np.quantile(known, self.quantile)) if len(known) else float("inf"))

    def load(self, directory):
        """What `Level.save` wrote."""
        return Level(json.loads((Path(directory) / "level.json").read_text()))
