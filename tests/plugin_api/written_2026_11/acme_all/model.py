"""The model: weighted least squares with a little shrinkage."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from btcframe.errors import ModelError
from btcframe.kernels import kernel


@kernel
def line(x, fill, weights, bias, out):
    """mean_h = bias_h + Σ_k w_hk·x_k, a missing x_k taken as its mean in training."""
    for t in range(len(x)):
        for h in range(len(bias)):
            total = bias[h]
            for k in range(x.shape[1]):
                total += weights[h, k] * (fill[k] if np.isnan(x[t, k]) else x[t, k])
            out[t, h].mean = total
            out[t, h].p_up = out[t, h].low = out[t, h].high = np.nan  # it has no view on these


@dataclass(frozen=True)
class Line:
    """What `fit` returns and `load` restores."""

    columns: tuple
    horizons_ns: tuple
    fill: tuple
    weights: tuple
    bias: tuple

    def predict(self, x, regime, out):
        """Fill in PREDICTION[n, h]; n rows at once give the bits of n calls with one."""
        line(x, np.array(self.fill), np.array(self.weights), np.array(self.bias), out)

    def save(self, directory):
        """JSON keeps a float64 exactly."""
        (Path(directory) / "line.json").write_text(json.dumps(vars(self)))


@dataclass(frozen=True)
class AcmeAll:
    """Weighted least squares on standardised columns: (ZᵀWZ/ΣW + αI)·w = ZᵀW(y − mean y)/ΣW.

    Parameters
    ----------
    alpha : float    shrinkage; the larger, the smaller the weights
    """

    alpha: float = 0.01

    def __post_init__(self):
        """Refuse what has no meaning, before any work; the message begins with the field."""
        if not self.alpha > 0:
            raise ValueError(f"alpha: {self.alpha} is not positive")

    def fit(self, data):
        """Fit each horizon on the rows whose label is known."""
        fits = [self._one(data, data.y[:, h]) for h in range(data.y.shape[1])]
        fill = fits[0][0] if fits else ()
        weights, bias = tuple(w for _, w, _ in fits), tuple(b for _, _, b in fits)
        return Line(data.columns, data.horizons_ns, fill, weights, bias)

    def _one(self, data, y):
        known = np.isfinite(y)
        if known.sum() < 2:
            raise ModelError("acme_all: fewer than two labels are known in its window")
        fill = [float(c[np.isfinite(c)].mean()) if np.isfinite(c).any() else 0.0 for c in data.x.T]
        x = np.where(np.isfinite(data.x), data.x, fill)
        share = data.weight[known] / data.weight[known].sum()
        centre, middle = share @ x[known], float(share @ y[known])
        z = x[known] - centre
        scale = np.sqrt(share @ z**2)
        scale[scale == 0] = 1.0  # a constant column tells nothing: its weight is 0
        z /= scale
        gram = np.einsum("t,ti,tj->ij", share, z, z)  # sums in one order, whatever the number of threads
        moment = np.einsum("t,ti,t->i", share, z, y[known] - middle)
        slopes = np.linalg.solve(gram + self.alpha * np.eye(len(gram)), moment) / scale
        return tuple(fill), tuple(slopes.tolist()), middle - float(slopes @ centre)

    def load(self, directory):
        """What `Line.save` wrote."""

        def tuples(value):
            return tuple(map(tuples, value)) if isinstance(value, list) else value

        saved = json.loads((Path(directory) / "line.json").read_text())
        return Line(**{name: tuples(value) for name, value in saved.items()})
