"""Ridge regression on robustly scaled features, one set of coefficients per horizon."""

from __future__ import annotations

import json
import logging
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from btcframe.api import TrainingSet
from btcframe.errors import ModelError
from btcframe.kernels.linear import Linear, predict, ridge, standardise
from btcframe.types import Floats, StateArray, duration_name

log = logging.getLogger(__name__)

STRONGEST = 1e12
"""The strongest penalty: beyond it every coefficient is 0 anyway."""


@dataclass(frozen=True)
class Ridge:
    """Linear ridge regression: min Σ w (y − b − zβ)²/Σ w + α‖β‖², per horizon.

    The squared error is a mean, so one `alpha` means the same for an hour of rows and for a year: at 1 the
    coefficient of a lone column is halved. scikit-learn sums it: its alpha is ours times Σ w.

    z = (x − median) / (IQR/1.349), cut at ±clip: order-flow columns have tails of hundreds of interquartile ranges. A
    column whose IQR is 0 is scaled by 1.2533 · mean |x − median|; one that is constant or never there gets the
    coefficient 0. A missing value counts as the median; a row missing more than `max_missing` of the columns is not
    trained on, and its prediction is NaN. Rows without a label at a horizon are left out for that horizon.

    p_up and the interval come from a normal distribution with the training residuals' standard deviation: a rough
    guide, not calibrated. Regime probabilities are not used.

    Parameters
    ----------
    alpha : float         strength of the penalty, > 0
    clip : float          cut of the scaled values, in robust standard deviations
    max_missing : float   share of the columns that may be missing in a row, 0 to 1
    coverage : float      of the interval low … high, between 0 and 1

    References
    ----------
    Hoerl & Kennard, Ridge regression, Technometrics 12, 1970.
    """

    alpha: float = 1.0
    clip: float = 5.0
    max_missing: float = 0.2
    coverage: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= STRONGEST:
            raise ValueError(f"alpha: {self.alpha} is not greater than 0, up to {STRONGEST:g}")
        if not self.clip > 0:
            raise ValueError(f"clip: {self.clip} is not greater than 0")
        if not 0 <= self.max_missing <= 1:
            raise ValueError(f"max_missing: {self.max_missing} is not between 0 and 1")
        if not 0 < self.coverage < 1:
            raise ValueError(f"coverage: {self.coverage} is not between 0 and 1")

    def fit(self, data: TrainingSet) -> RidgePredictor:
        """Fit every horizon.

        Raises
        ------
        ModelError
            If no column varies, a horizon has fewer labelled rows than twice the columns (at least 20), or its
            label never changes.
        """
        center, scale = _robust_scale(data.x)
        used = int(np.count_nonzero(scale))
        if used == 0:
            raise ModelError(
                f"ridge: none of the {len(data.columns)} columns varies on the {len(data.x):,} training rows",
                hint="The training window may be too short for the features to warm up.",
            )
        if used < len(data.columns):
            idle = [name for name, s in zip(data.columns, scale, strict=True) if s == 0]
            log.warning("ridge: constant or missing in training, coefficient 0: %s", ", ".join(idle))
        k, horizons = len(data.columns), len(data.horizons_ns)
        linear = Linear(
            center=center,
            scale=scale,
            coef=np.zeros((horizons, k)),
            intercept=np.zeros(horizons),
            sigma=np.zeros(horizons),
            clip=self.clip,
            max_missing=int(self.max_missing * used),
            width=statistics.NormalDist().inv_cdf((1 + self.coverage) / 2),
        )
        z = np.empty((len(data.x), k + 1))
        usable = standardise(data.x, linear, z) & (data.weight > 0)
        for h, horizon in enumerate(data.horizons_ns):
            rows = usable & np.isfinite(data.y[:, h])
            _check_label(data.y[rows, h], duration_name(horizon), len(data.y), used)
            linear.coef[h], linear.intercept[h], linear.sigma[h] = _fit_one(
                z[rows], data.y[rows, h], data.weight[rows], self.alpha * data.weight[rows].sum(), used
            )
        return RidgePredictor(data.columns, data.horizons_ns, linear)

    def load(self, directory: Path) -> RidgePredictor:
        """Read what `RidgePredictor.save` wrote."""
        head = json.loads((directory / "ridge.json").read_text(encoding="utf-8"))
        with np.load(directory / "ridge.npz", allow_pickle=False) as arrays:
            linear = Linear(**{name: arrays[name] for name in arrays.files}, **head["settings"])
        return RidgePredictor(tuple(head["columns"]), tuple(head["horizons_ns"]), linear)


@dataclass(frozen=True)
class RidgePredictor:
    """A fitted `Ridge`.

    Parameters
    ----------
    columns : tuple of str
    horizons_ns : tuple of int
    linear : Linear
    """

    columns: tuple[str, ...]
    horizons_ns: tuple[int, ...]
    linear: Linear

    def predict(self, x: Floats, regime: Floats, out: StateArray) -> None:
        """Fill out PREDICTION[n, h]; see `btcframe.kernels.linear.predict`."""
        if x.shape[1] != len(self.columns):
            raise ModelError(f"the model was fitted on {len(self.columns)} columns, but got {x.shape[1]}")
        out["horizon_ns"] = self.horizons_ns
        predict(x, self.linear, out)

    def save(self, directory: Path) -> None:
        """Write ridge.json (names and settings) and ridge.npz (arrays)."""
        fields = self.linear._asdict()
        arrays: dict[str, Any] = {
            name: value for name, value in fields.items() if isinstance(value, np.ndarray)
        }
        settings = {name: value for name, value in fields.items() if name not in arrays}
        head = {"columns": self.columns, "horizons_ns": self.horizons_ns, "settings": settings}
        (directory / "ridge.json").write_text(json.dumps(head, indent=1) + "\n", encoding="utf-8")
        np.savez(directory / "ridge.npz", **arrays)


def _robust_scale(x: Floats) -> tuple[Floats, Floats]:
    """Median and robust standard deviation of the finite values of each column; scale 0 where it is constant."""
    center, scale = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for j in range(x.shape[1]):
        values = x[np.isfinite(x[:, j]), j]
        if len(values) == 0:
            continue
        low, center[j], high = np.percentile(values, (25, 50, 75))
        # 1.349 and 1.2533 make both equal the standard deviation of a normal distribution
        scale[j] = (high - low) / 1.349 or 1.2533 * np.abs(values - center[j]).mean()
        if not scale[j] > 1e-12 * abs(center[j]):  # a constant column, but for rounding
            scale[j] = 0.0
    return center, scale


def _check_label(y: Floats, horizon: str, rows: int, used: int) -> None:
    need = max(20, 2 * used)
    if len(y) < need:
        raise ModelError(
            f"ridge: horizon {horizon} has {len(y):,} labelled rows with features, of {rows:,} training rows; "
            f"{used} columns need {need:,}",
            hint="Use more data, fewer folds, or features that warm up sooner.",
        )
    if y.min() == y.max():
        raise ModelError(
            f"ridge: the label at horizon {horizon} is {y[0]:g} bps on all {len(y):,} training rows",
            hint="Nothing can be learned from a price that does not move: use a longer horizon or another window.",
        )


def _fit_one(z: Floats, y: Floats, weight: Floats, alpha: float, used: int) -> tuple[Floats, float, float]:
    beta = ridge(z, y, weight, alpha)
    residual = y - np.einsum("ij,j->i", z, beta)  # einsum without optimize never calls a threaded BLAS
    variance = (weight * residual**2).sum() / weight.sum() * len(y) / (len(y) - used)
    return beta[:-1], float(beta[-1]), float(np.sqrt(variance))
