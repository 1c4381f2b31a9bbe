"""Models that break the contract, each in one way, beside an honest one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from btcframe.api import Part


@dataclass(frozen=True)
class HonestPredictor:
    """A weight per column and horizon."""

    columns: tuple[str, ...]
    horizons_ns: tuple[int, ...]
    weights: np.ndarray

    def predict(self, x, regime, out):
        if x.shape[1] != len(self.columns):
            raise ValueError(f"{x.shape[1]} columns")
        for t in range(len(x)):
            for h in range(len(self.horizons_ns)):
                out["mean"][t, h] = sum((x[t] * self.weights[h]).tolist())
        for name in ("p_up", "low", "high"):
            out[name] = np.nan

    def save(self, directory):
        what = {"columns": self.columns, "horizons": self.horizons_ns, "weights": self.weights.tolist()}
        (directory / "model.json").write_text(json.dumps(what))


@dataclass(frozen=True)
class HonestModel:
    """Mean of y times the sign of x."""

    predictor = HonestPredictor

    def weights(self, data):
        z, y = np.nan_to_num(np.sign(data.x)), np.nan_to_num(data.y)
        return y.T @ z / max(len(z), 1)

    def fit(self, data):
        return self.predictor(data.columns, data.horizons_ns, self.weights(data))

    def load(self, directory):
        what = json.loads((Path(directory) / "model.json").read_text())
        return self.predictor(tuple(what["columns"]), tuple(what["horizons"]), np.array(what["weights"]))


@dataclass(frozen=True)
class UnseededModel(HonestModel):
    """Starts from random weights."""

    def weights(self, data):
        return super().weights(data) + np.random.random() * 1e-9  # noqa: NPY002


class BatchPredictor(HonestPredictor):
    """Subtracts the mean of what it predicts."""

    def predict(self, x, regime, out):
        super().predict(x, regime, out)
        out["mean"] -= np.nanmean(np.nan_to_num(out["mean"]))


@dataclass(frozen=True)
class BatchModel(HonestModel):
    """Centres its predictions on the batch."""

    predictor = BatchPredictor


@dataclass(frozen=True)
class ForgetfulModel(HonestModel):
    """Saves its weights with five digits."""

    def load(self, directory):
        whole = super().load(directory)
        return self.predictor(whole.columns, whole.horizons_ns, whole.weights.round(5))


@dataclass(frozen=True)
class SortingModel(HonestModel):
    """Sorts the columns it was fitted on."""

    def fit(self, data):
        return self.predictor(tuple(sorted(data.columns)), data.horizons_ns, self.weights(data))


@dataclass(frozen=True)
class MutatingModel(HonestModel):
    """Fills missing values in the training set."""

    def weights(self, data):
        data.x[np.isnan(data.x)] = 0.0
        return super().weights(data)


def half(data, index):
    return np.nan_to_num(data.y[:, index]) @ np.nan_to_num(np.sign(data.x)) / max(len(data.x), 1)


@dataclass(frozen=True)
class ForgetfulParts(HonestModel):
    """Fits a horizon in each part, and puts them together in the wrong order."""

    def fitting(self, data):
        found = yield [Part(half, (h,)) for h in range(len(data.horizons_ns))]
        return self.predictor(data.columns, data.horizons_ns, np.array(found[::-1]))


@dataclass(frozen=True)
class ClosedParts(HonestModel):
    """Has a part that nobody else can do."""

    def fitting(self, data):
        (found,) = yield [Part(lambda seen: self.weights(seen))]
        return self.predictor(data.columns, data.horizons_ns, found)
