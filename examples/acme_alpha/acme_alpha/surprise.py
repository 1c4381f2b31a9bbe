"""The feature: how far the queue imbalance is from what it usually is."""

from dataclasses import dataclass

import numpy as np

from btcframe.api import Column
from btcframe.kernels import kernel

STATE = np.dtype([("mean", "f8"), ("weight", "f8"), ("rows", "i8")])


@kernel
def surprise(rows, decay, warmup, state, out):
    """out_t = x_t - ewm(x)_t, x = (B_1 - A_1)/(B_1 + A_1); a row without a book decays the mean and gives NaN."""
    s = state[0]
    for t in range(len(rows)):
        bid, ask = rows[t].bid_sz[0], rows[t].ask_sz[0]
        s.mean *= decay
        s.weight *= decay
        s.rows += 1
        if bid + ask > 0.0:  # False for NaN
            x = (bid - ask) / (bid + ask)
            s.mean += x
            s.weight += 1.0
            if s.rows > warmup:
                out[t, 0] = x - s.mean / s.weight


@dataclass(frozen=True)
class QueueSurprise:
    """Queue imbalance against its exponentially weighted mean.

    out_t = x_t − ewm_h(x)_t with x = (B_1 − A_1)/(B_1 + A_1). Causal: rows ≤ t only.

    Parameters
    ----------
    half_life : float    half-life of the mean, rows
    """

    half_life: float = 30.0

    def __post_init__(self):
        """Refuse what has no meaning, before any work."""
        if not self.half_life > 0:
            raise ValueError(f"half_life: {self.half_life} is not positive")

    def columns(self):
        """One column; its name carries the parameter, so that two instances never collide."""
        name = f"queue_surprise_{self.half_life:g}"
        inputs = ("bid_sz", "ask_sz")
        formula = "x − ewm(x), x = (B_1 − A_1)/(B_1 + A_1)"
        return (Column(name, "1", -2, 2, self._warmup, inputs, formula, "Acme", "acme"),)

    @property
    def _warmup(self):
        return int(np.ceil(self.half_life))

    def state(self, instrument):
        """Sum, weight and number of rows."""
        return np.zeros(1, STATE)

    def update(self, rows, state, out):
        """Advance over n rows: 1 live, thousands in a build."""
        surprise(rows, 0.5 ** (1.0 / self.half_life), self._warmup, state, out)
