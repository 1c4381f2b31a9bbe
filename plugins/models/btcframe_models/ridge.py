"""Ridge regression on robustly scaled features, one set of coefficients per horizon."""

from __future__ import annotations

import json
import logging
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from btcframe.api import TrainingSet
from btcframe.errors import ModelError
from btcframe.kernels.linear import Linear, Sums, add_rows, add_squares, no_rows, predict, ridge, standardise
from btcframe.types import Floats, Ints, StateArray, duration_name

log = logging.getLogger(__name__)

STRONGEST = 1e12
"""The strongest penalty: beyond it every coefficient is 0 anyway."""

SCALED_ON = 200_000
"""Training rows, evenly spaced, that tell the scale of a column: more would not tell it better than to a few tenths of
a per cent, and would have to be in memory at once."""


@dataclass(frozen=True)
class Ridge:
    """Linear ridge regression: min Σ w (y − b − zβ)²/Σ w + α‖β‖², per horizon.

    The squared error is a mean, so one `alpha` means the same for an hour of rows and for a year: at 1 the
    coefficient of a lone column is halved. scikit-learn sums it: its alpha is ours times Σ w.

    z = (x − median) / (IQR/1.349), cut at ±clip: order-flow columns have tails of hundreds of interquartile ranges. A
    column whose IQR is 0 is scaled by 1.2533 · mean |x − median|; one that is constant or never there gets the
    coefficient 0. Beyond 200,000 training rows median and IQR are those of as many, evenly spaced; the regression
    itself is on all of them. A missing value counts as the median; a row missing more than `max_missing` of the columns is not
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
        center, scale = _robust_scale(_spaced(data))
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
        sums = no_rows(horizons, k + 1)
        for z, usable, part in _standardised(data, linear):
            add_rows(z, usable, data.y[part], data.weight[part], sums)
        for h, horizon in enumerate(data.horizons_ns):
            _check_label(sums, h, duration_name(horizon), len(data.y), used)
        beta = np.array(
            [ridge(sums.gram[h], sums.moment[h], self.alpha * sums.weight[h]) for h in range(horizons)]
        )
        squares = np.zeros(horizons)
        for z, usable, part in _standardised(data, linear):
            add_squares(z, usable, data.y[part], data.weight[part], beta, squares)
        linear.coef[:], linear.intercept[:] = beta[:, :-1], beta[:, -1]
        linear.sigma[:] = np.sqrt(squares / sums.weight * sums.rows / (sums.rows - used))
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

    @cached_property
    def _horizons(self) -> Ints:
        return np.array(self.horizons_ns, np.int64)  # once: of a tuple numpy makes an array at every row

    def predict(self, x: Floats, regime: Floats, out: StateArray) -> None:
        """Fill out PREDICTION[n, h]; see `btcframe.kernels.linear.predict`."""
        if x.shape[1] != len(self.columns):
            raise ModelError(f"the model was fitted on {len(self.columns)} columns, but got {x.shape[1]}")
        out["horizon_ns"] = self._horizons
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


def _spaced(data: TrainingSet) -> Floats:
    """At most SCALED_ON rows of x, evenly spaced."""
    step = max(1, -(-len(data.x) // SCALED_ON))
    out = np.empty((-(-len(data.x) // step), data.x.shape[1]))
    for part in data.pieces():
        first = -part.start % step
        rows = data.x[part][first::step]
        at = (part.start + first) // step
        out[at : at + len(rows)] = rows
    return out


def _standardised(data: TrainingSet, linear: Linear) -> Iterator[tuple[Floats, npt.NDArray[np.bool_], slice]]:
    """The training rows in order, some at a time: scaled, which of them can be used, and where they stand."""
    z = np.empty((0, 0))
    for part in data.pieces():
        x = data.x[part]
        if len(z) < len(x):
            z = np.empty((len(x), x.shape[1] + 1))
        yield z, standardise(x, linear, z), part


def _check_label(sums: Sums, h: int, horizon: str, rows: int, used: int) -> None:
    need = max(20, 2 * used)
    if sums.rows[h] < need:
        raise ModelError(
            f"ridge: horizon {horizon} has {sums.rows[h]:,} labelled rows with features, of {rows:,} training rows; "
            f"{used} columns need {need:,}",
            hint="Use more data, fewer folds, or features that warm up sooner.",
        )
    if sums.low[h] == sums.high[h]:
        raise ModelError(
            f"ridge: the label at horizon {horizon} is {sums.low[h]:g} bps on all {sums.rows[h]:,} training rows",
            hint="Nothing can be learned from a price that does not move: use a longer horizon or another window.",
        )
