"""Regimes that break the contract, each in one way, beside an honest one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .features import CHANGE, Honest


@dataclass(frozen=True)
class HonestLabeler:
    """Up or down against a fitted level."""

    level: float
    labels = ("down", "up")

    def state(self):
        return np.zeros(1, [("none", "u1")])

    def update(self, descriptors, state, out):
        up = np.where(np.isnan(descriptors[:, 0]), np.nan, descriptors[:, 0] > self.level)
        out[:, 0], out[:, 1] = 1 - up, up

    def save(self, directory):
        (directory / "level.json").write_text(json.dumps(self.level))


@dataclass(frozen=True)
class HonestRegime(Honest):
    """Up or down against the median change of the training rows."""

    def columns(self):
        return (CHANGE._replace(name="regime_change"),)

    def fit(self, descriptors, *, seed):
        return HonestLabeler(float(np.nanmedian(descriptors)))

    def load(self, directory):
        return HonestLabeler(json.loads((Path(directory) / "level.json").read_text()))


@dataclass(frozen=True)
class PeekingRegime(HonestRegime):
    """Fitted on all rows it ever saw."""

    def update(self, rows, state, out):
        super().update(rows, state, out)
        object.__setattr__(self, "seen", out.copy())

    def fit(self, descriptors, *, seed):
        return HonestLabeler(float(np.nanmax(getattr(self, "seen", descriptors)) / 2))


@dataclass(frozen=True)
class BatchLabeler(HonestLabeler):
    """How far up against the mean of the rows at hand."""

    def update(self, descriptors, state, out):
        mean = np.nanmean(descriptors) if np.isfinite(descriptors).any() else 0.0
        up = 0.5 + np.arctan(descriptors[:, 0] - mean) / np.pi
        out[:, 0], out[:, 1] = 1 - up, up


@dataclass(frozen=True)
class BatchRegime(HonestRegime):
    """Its labeler looks at the whole batch."""

    def fit(self, descriptors, *, seed):
        return BatchLabeler(0.0)

    def load(self, directory):
        return BatchLabeler(0.0)


@dataclass(frozen=True)
class ForgetfulRegime(HonestRegime):
    """Saves its level with two digits."""

    def load(self, directory):
        return HonestLabeler(super().load(directory).level + 1.0)
