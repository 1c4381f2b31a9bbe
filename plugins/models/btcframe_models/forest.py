"""A fitted forest: how it predicts and how it is kept. What grew it, `boosting` and `extra_trees`, is not needed."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from btcframe.errors import ModelError
from btcframe.kernels import kernel
from btcframe.kernels.trees import Forest, add_forest
from btcframe.types import Floats, Ints, StateArray


class Grown(NamedTuple):
    """A forest and what its sums mean, for h horizons.

    Parameters
    ----------
    forest : Forest        an output is a horizon
    start : float64[h]     what the sum of the trees begins with
    trees : float64[h]     what it is divided by
    scale : float64[h]     what that is multiplied by, bps
    sigma : float64[h]     standard deviation of what is left, bps; NaN where it is not known
    used : bool[k]         columns that say anything
    max_missing : int      of them, how many may be missing in a row
    width : float          half width of the interval in units of sigma
    """

    forest: Forest
    start: Floats
    trees: Floats
    scale: Floats
    sigma: Floats
    used: npt.NDArray[np.bool_]
    max_missing: int
    width: float


@kernel
def predict_forest(x: Floats, grown: Grown, out: StateArray) -> None:
    """Fill mean, p_up, low, high of out PREDICTION[n, h] from x float64[n, k]; NaN where too much is missing.

    mean = (start + Σ trees)/trees · scale; p_up = Φ(mean/σ); low, high = mean ∓ width·σ.
    """
    n, k = x.shape
    sums = np.empty((n, len(grown.start)))
    sums[:] = grown.start
    add_forest(x, grown.forest, sums)
    for i in range(n):
        missing = 0
        for j in range(k):
            missing += grown.used[j] and not math.isfinite(x[i, j])
        for h in range(len(grown.start)):
            mean = sums[i, h] / grown.trees[h] * grown.scale[h]
            if missing > grown.max_missing:
                mean = np.nan
            sigma = grown.sigma[h]
            out[i, h].mean = mean
            out[i, h].p_up = 0.5 * math.erfc(-mean / (sigma * math.sqrt(2.0))) if sigma > 0.0 else np.nan
            out[i, h].low = mean - grown.width * sigma
            out[i, h].high = mean + grown.width * sigma


@dataclass(frozen=True)
class ForestPredictor:
    """A fitted forest.

    Parameters
    ----------
    columns : tuple of str
    horizons_ns : tuple of int
    grown : Grown
    """

    columns: tuple[str, ...]
    horizons_ns: tuple[int, ...]
    grown: Grown

    @cached_property
    def _horizons(self) -> Ints:
        return np.array(self.horizons_ns, np.int64)  # once: of a tuple numpy makes an array at every row

    def predict(self, x: Floats, regime: Floats, out: StateArray) -> None:
        """Fill out PREDICTION[n, h]; see `predict_forest`. The regime is not used."""
        if x.shape[1] != len(self.columns):
            raise ModelError(f"the model was fitted on {len(self.columns)} columns, but got {x.shape[1]}")
        out["horizon_ns"] = self._horizons
        predict_forest(x, self.grown, out)

    def save(self, directory: Path) -> None:
        """Write forest.json (names and settings) and forest.npz (arrays)."""
        fields = self.grown._asdict() | {f"forest_{k}": v for k, v in self.grown.forest._asdict().items()}
        del fields["forest"]
        arrays: dict[str, Any] = {k: v for k, v in fields.items() if isinstance(v, np.ndarray)}
        settings = {k: v for k, v in fields.items() if k not in arrays}
        head = {"columns": self.columns, "horizons_ns": self.horizons_ns, "settings": settings}
        (directory / "forest.json").write_text(json.dumps(head, indent=1) + "\n", encoding="utf-8")
        np.savez_compressed(directory / "forest.npz", **arrays)


def load_forest(directory: Path) -> ForestPredictor:
    """Read what `ForestPredictor.save` wrote."""
    head = json.loads((directory / "forest.json").read_text(encoding="utf-8"))
    with np.load(directory / "forest.npz", allow_pickle=False) as arrays:
        fields = {name: arrays[name] for name in arrays.files} | head["settings"]
    prefix = "forest_"
    forest = Forest(
        **{name[len(prefix) :]: fields.pop(name) for name in list(fields) if name.startswith(prefix)}
    )
    return ForestPredictor(tuple(head["columns"]), tuple(head["horizons_ns"]), Grown(forest, **fields))
