"""A labeler and a predictor that need no plugin, and worths that the gate lets through, or does not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from btcframe.models.artefacts import FittedModel, save_model


@dataclass(frozen=True)
class RunningMax:
    """A labeler with memory: 1 in column 0 while the descriptor is at its highest so far."""

    offset: float
    labels: tuple[str, ...] = ("top", "below")

    def state(self) -> np.ndarray:
        return np.full(1, -np.inf, dtype=[("high", "f8")])

    def update(self, descriptors: np.ndarray, state: np.ndarray, out: np.ndarray) -> None:
        for i, value in enumerate(descriptors[:, 0] + self.offset):
            state["high"] = max(state["high"][0], value)
            out[i] = (1, 0) if value == state["high"][0] else (0, 1)

    def save(self, directory: Path) -> None:
        (directory / "l.json").write_text(json.dumps(self.offset))


@dataclass(frozen=True)
class Sum:
    """Predicts the sum of the features plus the chance of being at the top."""

    columns: tuple[str, ...] = ("a", "b")
    horizons_ns: tuple[int, ...] = (5, 9)

    def predict(self, x: np.ndarray, regime: np.ndarray, out: np.ndarray) -> None:
        out["horizon_ns"] = self.horizons_ns
        out["mean"] = (x[:, 0] + x[:, 1] + regime[:, 0])[:, None]

    def save(self, directory: Path) -> None:
        (directory / "p.json").write_text(json.dumps([self.columns, self.horizons_ns]))


class Catalog:
    """Builds recipes that load the two above."""

    def build(self, slot: str, node: Any) -> Any:
        assert node == {"plugin": f"my_{slot}"}
        return self

    def load(self, directory: Path) -> Any:
        if directory.name == "labeler":
            return RunningMax(json.loads((directory / "l.json").read_text()))
        columns, horizons = json.loads((directory / "p.json").read_text())
        return Sum(tuple(columns), tuple(horizons))


MANIFEST = {"regime": {"plugin": "my_regime"}, "model": {"plugin": "my_model"}, "build": "abc"}


def artefact(directory: Path, offset: float = 0.5, **more: Any) -> Path:
    """A saved model; another offset makes another one."""
    save_model(FittedModel(RunningMax(offset), Sum(), ("regime_v",)), directory, MANIFEST | more)
    return directory


def estimate(value: float | None, half: float | None = None) -> dict[str, float | None]:
    """A value and its interval, as plain values."""
    known = value is not None and half is not None
    return {"value": value, "low": value - half if known else None, "high": value + half if known else None}


def worth(
    horizon_ns: int = 60_000_000_000,
    ic: float | None = 0.1,
    half: float | None = 0.02,
    **scores: float | None,
) -> dict[str, Any]:
    """What a horizon is worth, good unless it is told otherwise; all intervals are as wide as the IC's."""
    values = {
        "ic": ic, "rank_ic": ic, "hit_rate": 0.55, "r2": 0.01, "r2_persistence": 0.02, "ic_gap": 0.05, "paid": 0.4,
    } | scores  # fmt: skip
    return {
        "horizon_ns": horizon_ns,
        "scores": {name: estimate(value, half) for name, value in values.items()},
        "persistence": {"ic": estimate(0.01, 0.02)},
    }


def finished_run(directory: Path, *worths: dict[str, Any], offset: float = 0.5, **more: Any) -> Path:
    """The directory of a training that has ended: its manifest, a fold's model, and a final one.

    Parameters
    ----------
    directory : Path
    worths : what it tells of each horizon
    offset : another one makes other models
    more : of the models' manifests
    """
    window = {
        "index": 0, "test_start_ns": 50, "test_end_ns": 90, "train_rows": 40, "test_rows": 40, "train_start_ns": 1,
        "train_end_ns": 40,
    }  # fmt: skip
    about = {
        "symbol": "BTC/USDT:USDT", "seed": 7, "clock": {"plugin": "time", "every": "1s"}, "select": ["*"],
        "features": {"book": {"plugin": "book"}}, "label": {"plugin": "forward_return", "horizons": ["1m"]},
        "run": {"id": f"20261122T000000Z-train-00000000{directory.name}", "btcframe": "0.1.0", "python": "3.11",
                "packages": {"numpy": "2.0", "scikit-learn": "1.5"}, "code": {"btcframe": "ab" * 32}},
    } | more  # fmt: skip
    artefact(directory / "models" / "fold-0", offset, fold=window, **about)
    until = {"train_start_ns": 1_000_000_000, "train_end_ns": 86_400_000_000_000, "metrics": []}
    artefact(directory / "models" / "final", offset, fold=None, final=True, **until, **about)
    manifest = {
        "id": about["run"]["id"], "btcframe": "0.1.0", "verb": "train", "seed": 7, "config": {}, "machine": {},
        "packages": {}, "plugins": {}, "command": [], "status": "complete", "started": directory.name,
        "results": {"train": {"folds": [window | {"artefact": "models/fold-0"}], "worth": list(worths)}},
    }  # fmt: skip
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return directory
