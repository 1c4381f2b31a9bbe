"""Rows with a known answer, and regimes that say what they are told to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from btcframe.api import Batch, Column
from btcframe.errors import ModelError
from btcframe.regime_study.rows import Rows
from btcframe.sources.random_walk import RandomWalk
from btcframe.types import NS, ROW, Floats, Instrument, RowArray, StateArray

HORIZONS = (5 * NS, 20 * NS)
INSTRUMENT = RandomWalk("1m").open(seed=0).instrument


def made(
    mid: Floats, directory: Path, descriptors: dict[str, Floats] | None = None, truth: Floats | None = None
) -> Rows:
    """Rows of a second with a given mid, labels by the obvious definition."""
    n = len(mid)
    row_ns = (np.arange(n) + 1) * NS
    y = np.full((n, len(HORIZONS)), np.nan)
    for h, horizon in enumerate(HORIZONS):
        steps = horizon // NS
        y[: n - steps, h] = 1e4 * np.log(mid[steps:] / mid[:-steps])
    t_end = row_ns[:, None] + np.array(HORIZONS)
    return Rows("BTC/USDT", NS, HORIZONS, row_ns, mid, y, t_end, descriptors or {}, truth, directory)


def two_states(n: int, seed: int, length: int = 200) -> tuple[Floats, Floats]:
    """A mid that is calm and wild by turns, and which it is: float64[n], int8[n]."""
    rng = np.random.default_rng(seed)
    state = (np.arange(n) // length % 2).astype(np.int8)
    r = rng.normal(size=n) * np.where(state == 1, 5e-4, 1e-4)
    return 30_000 * np.exp(np.cumsum(r)), state


@dataclass(frozen=True)
class Bars:
    """A feed of closed rows, some at a time."""

    mid: Floats
    size: int = 1000
    instrument: Instrument = INSTRUMENT

    def __iter__(self) -> Iterator[Batch]:
        rows = np.zeros(len(self.mid), ROW)
        rows["row_ns"] = (np.arange(len(self.mid)) + 1) * NS
        for name in ("mid", "bid_px", "ask_px", "microprice"):
            rows[name] = self.mid if rows[name].ndim == 1 else self.mid[:, None]
        for start in range(0, len(rows), self.size):
            yield Batch(rows=rows[start : start + self.size])

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class ByDescriptor:
    """The regime is the descriptor itself: the mid's row number, or what a test puts there."""

    labels: tuple[str, ...] = ("calm", "wild")
    least: int = 0
    cut: float = 0.5

    def columns(self) -> tuple[Column, ...]:
        return (Column("regime_told"),)

    def state(self, instrument: Instrument) -> StateArray:
        return np.zeros(1, [("last", "f8")])

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        out[:, 0] = rows["mid"]

    def fit(self, descriptors: Floats, *, seed: int) -> Fixed:
        if len(descriptors) < self.least:
            raise ModelError(
                f"{len(descriptors)} rows are too few, {self.least} are needed", hint="More data."
            )
        return Fixed(self.labels, self.cut)

    def load(self, directory: Path) -> Fixed:
        raise NotImplementedError


@dataclass(frozen=True)
class Fixed:
    """0 below the cut, 1 above, unknown where the descriptor is NaN."""

    labels: tuple[str, ...]
    cut: float

    def state(self) -> StateArray:
        return np.zeros(1, [("rows", "i8")])

    def update(self, descriptors: Floats, state: StateArray, out: Floats) -> None:
        at = (descriptors[:, 0] > self.cut).astype(int)
        out[:] = 0.0
        out[np.arange(len(out)), at] = 1.0
        out[np.isnan(descriptors[:, 0])] = np.nan

    def save(self, directory: Path) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Seer(ByDescriptor):
    """Says with hindsight what stands in the column `late` of a test's descriptors."""

    def hindsight(self, rows_later: int) -> ByDescriptor:
        return ByDescriptor(self.labels)
