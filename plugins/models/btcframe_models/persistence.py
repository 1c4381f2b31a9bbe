"""The other honest baseline: it goes on as it went."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from btcframe.api import TrainingSet
from btcframe.errors import ModelError
from btcframe.types import Floats, StateArray

_RETURN = re.compile(r"log_return_(\d+)")


@dataclass(frozen=True)
class Persistence:
    """Predicts that the price goes on at the speed of its last move: what momentum alone is worth.

    mean = 1e4 · x · H/N, x the log return over the last N rows and H the horizon in rows, N the window nearest to H of
    the columns log_return_N that there are. A missing return is a missing prediction. No probability and no interval:
    both are NaN.
    """

    def fit(self, data: TrainingSet) -> PersistencePredictor:
        """Choose the columns; learn nothing but how long a row is.

        Raises
        ------
        ModelError
            If there is no column log_return_N, or fewer than two rows.
        """
        windows = {int(m[1]): j for j, name in enumerate(data.columns) if (m := _RETURN.fullmatch(name))}
        if not windows:
            raise ModelError(
                "persistence: there is no column log_return_N among the features",
                hint="It predicts from past returns: keep the feature returns, and choose its columns in select.",
            )
        if len(data.row_ns) < 2:
            raise ModelError(f"persistence: {len(data.row_ns)} training rows do not tell how long a row is")
        period = float(np.median(np.diff(data.row_ns)))
        places, scales = [], []
        for horizon in data.horizons_ns:
            rows = horizon / period
            nearest = min(windows, key=lambda n: abs(math.log(n / rows)))
            places.append(windows[nearest])
            scales.append(1e4 * rows / nearest)
        return PersistencePredictor(data.columns, data.horizons_ns, tuple(places), tuple(scales))

    def load(self, directory: Path) -> PersistencePredictor:
        """Read what `PersistencePredictor.save` wrote."""
        head = json.loads((directory / "persistence.json").read_text(encoding="utf-8"))
        return PersistencePredictor(**{name: tuple(values) for name, values in head.items()})


@dataclass(frozen=True)
class PersistencePredictor:
    """A fitted `Persistence`.

    Parameters
    ----------
    columns : tuple of str
    horizons_ns : tuple of int
    places : tuple of int       the column of each horizon
    scales : tuple of float     bps per unit of it
    """

    columns: tuple[str, ...]
    horizons_ns: tuple[int, ...]
    places: tuple[int, ...]
    scales: tuple[float, ...]

    def predict(self, x: Floats, regime: Floats, out: StateArray) -> None:
        """The past return of each row, at the same speed."""
        if x.shape[1] != len(self.columns):
            raise ModelError(f"the model was fitted on {len(self.columns)} columns, but got {x.shape[1]}")
        out["horizon_ns"] = self.horizons_ns
        for h, (place, scale) in enumerate(zip(self.places, self.scales, strict=True)):
            mean = x[:, place] * scale
            out["mean"][:, h] = np.where(np.isfinite(mean), mean, np.nan)
        for field in ("p_up", "low", "high"):
            out[field] = np.nan

    def save(self, directory: Path) -> None:
        """Write persistence.json."""
        (directory / "persistence.json").write_text(json.dumps(vars(self)) + "\n", encoding="utf-8")
