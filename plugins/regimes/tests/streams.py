"""Mids and rows that the tests of all regimes share."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from btcframe.types import ROW, Instrument

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))


def rows_of(mid: np.ndarray) -> np.ndarray:
    rows = np.zeros(len(mid), ROW)
    rows["mid"] = mid
    return rows


def describe(regime: Any, mid: np.ndarray, sizes: list[int] | None = None) -> np.ndarray:
    """Descriptors of all rows, given in pieces of these sizes and then the rest."""
    rows, state = rows_of(mid), regime.state(INSTRUMENT)
    out = np.full((len(mid), len(regime.columns())), np.nan)
    at = 0
    for size in [*(sizes or []), len(mid)]:
        regime.update(rows[at : at + size], state, out[at : at + size])
        at += size
    return out


def answers(labeler: Any, descriptors: np.ndarray, sizes: list[int] | None = None) -> np.ndarray:
    """Probabilities of all rows."""
    state = labeler.state()
    out = np.full((len(descriptors), len(labeler.labels)), np.nan)
    at = 0
    for size in [*(sizes or []), len(descriptors)]:
        labeler.update(descriptors[at : at + size], state, out[at : at + size])
        at += size
    return out


def walk(n: int, seed: int, bad: float = 0.0) -> np.ndarray:
    """A random walk whose volatility is fourfold in its second half; a share of the rows has no mid."""
    rng = np.random.default_rng(seed)
    mid = 60_000 * np.exp(np.cumsum(1e-4 * rng.standard_normal(n) * (1 + 3 * (np.arange(n) > n // 2))))
    mid[rng.random(n) < bad] = np.nan
    return mid
