"""A small market for trees: what two columns say together, which no line tells."""

from __future__ import annotations

from typing import Any

import numpy as np

from btcframe.api import TrainingSet
from btcframe.split import WalkForward
from btcframe.types import NS, PREDICTION
from btcframe_models.boosting import Boosting
from btcframe_models.extra_trees import ExtraTrees

FAST = Boosting(trees=30, leaves=7, min_leaf=20, learning_rate=0.2)
FOREST = ExtraTrees(trees=7, max_features=0.5, min_leaf=20)


def training_set(n: int = 900, seed: int = 0) -> TrainingSet:
    """What two columns say together, which no line tells; the third says nothing, the last never moves."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 4))
    x[:, 3] = 7.0
    y = np.stack([2 * np.sign(x[:, 0] * x[:, 1]), 5 * np.sign(x[:, 0])], axis=1) + rng.standard_normal((n, 2))
    x[rng.random(x.shape) < 0.03] = np.nan
    row_ns = NS * np.arange(1, n + 1)
    horizons = (NS, 5 * NS)
    y[-5:, 1] = np.nan
    return TrainingSet(
        x, ("a", "b", "c", "d"), row_ns, y, row_ns[:, None] + np.array(horizons), horizons,
        rng.random(n) + 0.5, np.zeros((n, 0)), (), WalkForward(), 7,
    )  # fmt: skip


def predict(predictor: Any, x: np.ndarray) -> np.ndarray:
    out = np.zeros((len(x), len(predictor.horizons_ns)), PREDICTION)
    predictor.predict(x, np.zeros((len(x), 0)), out)
    return out
