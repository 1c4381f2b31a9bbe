"""The honest baseline: no opinion."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from btcframe.api import TrainingSet
from btcframe.errors import ModelError
from btcframe.types import Floats, StateArray


@dataclass(frozen=True)
class Zero:
    """Predicts a return of 0 for every row and horizon: what any model has to beat.

    No probability and no interval: both are NaN.
    """

    def fit(self, data: TrainingSet) -> ZeroPredictor:
        """Remember the columns; learn nothing."""
        return ZeroPredictor(data.columns, data.horizons_ns)

    def load(self, directory: Path) -> ZeroPredictor:
        """Read what `ZeroPredictor.save` wrote."""
        head = json.loads((directory / "zero.json").read_text(encoding="utf-8"))
        return ZeroPredictor(tuple(head["columns"]), tuple(head["horizons_ns"]))


@dataclass(frozen=True)
class ZeroPredictor:
    """A fitted `Zero`."""

    columns: tuple[str, ...]
    horizons_ns: tuple[int, ...]

    def predict(self, x: Floats, regime: Floats, out: StateArray) -> None:
        """Mean 0 everywhere."""
        if x.shape[1] != len(self.columns):
            raise ModelError(f"the model was fitted on {len(self.columns)} columns, but got {x.shape[1]}")
        out["horizon_ns"] = self.horizons_ns
        out["mean"] = 0.0
        for field in ("p_up", "low", "high"):
            out[field] = np.nan

    def save(self, directory: Path) -> None:
        """Write zero.json."""
        head = {"columns": self.columns, "horizons_ns": self.horizons_ns}
        (directory / "zero.json").write_text(json.dumps(head) + "\n", encoding="utf-8")
