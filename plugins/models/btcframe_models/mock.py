"""Noise, to try the plumbing with: never a model, and labelled so wherever it speaks."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from btcframe.api import TrainingSet
from btcframe.errors import ModelError
from btcframe.kernels import kernel
from btcframe.types import Floats, Ints, StateArray


@dataclass(frozen=True)
class Mock:
    """Predicts normal noise: for trying sessions, policies and venues before there is a model. It knows nothing.

    The noise of a row is drawn from the seed and the row's own columns: the same row gets the same prediction, live, in
    a batch, and in a replay. mean is N(0, bps) at each horizon, p_up the normal probability of mean/bps, and the
    interval mean ± 1.2816·bps.

    It says of itself that it is a mock: the log, the signals and the reason of every intent name it, and a venue that
    trades real money refuses it.

    Parameters
    ----------
    bps : float     standard deviation of the predictions, > 0
    seed : int      of the noise, beside the training's own
    """

    mock: ClassVar[bool] = True

    bps: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.bps < math.inf:
            raise ValueError(f"bps: {self.bps} is not greater than 0")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed: {self.seed} is not a whole number from 0 to 2^63 - 1")

    def fit(self, data: TrainingSet) -> MockPredictor:
        """Remember the columns; learn nothing."""
        return MockPredictor(data.columns, data.horizons_ns, self.bps, (self.seed + data.seed) % 2**63)

    def load(self, directory: Path) -> MockPredictor:
        """Read what `MockPredictor.save` wrote."""
        head = json.loads((directory / "mock.json").read_text(encoding="utf-8"))
        return MockPredictor(
            tuple(head["columns"]), tuple(head["horizons_ns"]), float(head["bps"]), int(head["seed"])
        )


@dataclass(frozen=True)
class MockPredictor:
    """A fitted `Mock`.

    Parameters
    ----------
    columns : tuple of str
    horizons_ns : tuple of int
    bps : float
    seed : int
    """

    columns: tuple[str, ...]
    horizons_ns: tuple[int, ...]
    bps: float
    seed: int

    @cached_property
    def _horizons(self) -> Ints:
        return np.array(self.horizons_ns, np.int64)

    def predict(self, x: Floats, regime: Floats, out: StateArray) -> None:
        """Noise for every row, missing columns or not."""
        if x.shape[1] != len(self.columns):
            raise ModelError(f"the model was fitted on {len(self.columns)} columns, but got {x.shape[1]}")
        out["horizon_ns"] = self._horizons
        bits = np.ascontiguousarray(x).view(np.uint64)
        noise(bits, np.uint64(self.seed), self.bps, out)

    def save(self, directory: Path) -> None:
        """Write mock.json."""
        head = {
            "columns": self.columns,
            "horizons_ns": self.horizons_ns,
            "bps": self.bps,
            "seed": self.seed,
        }
        (directory / "mock.json").write_text(json.dumps(head) + "\n", encoding="utf-8")


@kernel
def mixed(z: Any) -> Any:
    """The finalizer of splitmix64 (Steele, Lea & Flood 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def noise(bits: Any, seed: Any, bps: float, out: Any) -> None:
    """PREDICTION[n, h] from the bits of the columns, uint64[n, k]: Box & Muller 1958 on two hashes of row and horizon."""
    for t in range(out.shape[0]):
        row = seed
        for j in range(bits.shape[1]):
            row = mixed((row ^ bits[t, j]) + np.uint64(0x9E3779B97F4A7C15))
        for h in range(out.shape[1]):
            first = mixed(row + np.uint64(2 * h + 1))
            second = mixed(row + np.uint64(2 * h + 2))
            u = (np.float64(first >> np.uint64(11)) + 0.5) / 9007199254740992.0
            v = (np.float64(second >> np.uint64(11)) + 0.5) / 9007199254740992.0
            z = np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * v)
            at = out[t, h]
            at.mean = bps * z
            at.p_up = 0.5 * (1.0 + math.erf(z / math.sqrt(2.0)))
            at.low = bps * (z - 1.2816)
            at.high = bps * (z + 1.2816)
