"""Columns of the training table: features, regime descriptors and labels."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from btcframe.types import Floats, Instrument, Ints, RowArray, StateArray


class Column(NamedTuple):
    """One column a component writes."""

    name: str
    unit: str = ""  # bps, base coin, quote, rows, 1 for a ratio
    low: float = -np.inf  # range the value cannot leave
    high: float = np.inf
    warmup: int = 0  # first row that can be valid, 0-based from the first row with a good book
    inputs: tuple[str, ...] = ()  # ROW fields read
    formula: str = ""  # one line
    source: str = ""  # paper or origin
    family: str = ""
    awaits: str = ""  # what its first value waits for beside the rows: "a trade", "50 full buckets"


@runtime_checkable
class Feature(Protocol):
    """Columns of X, causal: row t is computed from rows <= t."""

    def columns(self) -> tuple[Column, ...]:
        """What `update` writes, in order."""

    def state(self, instrument: Instrument) -> StateArray:
        """All memory the feature will ever have: a structured array of shape (1,), so it can be saved."""

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        """Advance over rows. Called from any thread, for one state never twice at a time.

        What it raises ends a build. In a session that trades it is switched off for good (docs/quality.md).

        Parameters
        ----------
        rows : ROW[n]         read only; n is what arrived: 1 live, thousands in a build
        state : structured    updated in place
        out : float64[n, k]   C-contiguous; NaN on entry; column j is `columns()[j]`
        """


@runtime_checkable
class Labeler(Protocol):
    """A regime fitted on training rows: descriptors in, probabilities out."""

    labels: tuple[str, ...]

    def state(self) -> StateArray:
        """Memory (hysteresis, filter) before the first row, shape (1,)."""

    def update(self, descriptors: Floats, state: StateArray, out: Floats) -> None:
        """descriptors float64[n, d] → out float64[n, len(labels)], rows summing to 1, NaN where unknown."""

    def save(self, directory: Path) -> None:
        """Write everything `Regime.load` needs into a directory that exists and is empty."""


@runtime_checkable
class Regime(Protocol):
    """Market state. Its descriptors are columns exactly like a feature's (names start with ``regime_``)."""

    def columns(self) -> tuple[Column, ...]: ...

    def state(self, instrument: Instrument) -> StateArray: ...

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None: ...

    def fit(self, descriptors: Floats, *, seed: int) -> Labeler:
        """Fit on the descriptors of training rows only, float64[n, d]."""

    def load(self, directory: Path) -> Labeler: ...


@runtime_checkable
class Hindsight(Protocol):
    """What a regime may have beside its slot, for judging alone: what it would have said had it known more.

    How often a label is revised once later rows are known tells how far it can be trusted at the time. Nothing that
    fits, predicts or trades asks for it.
    """

    def hindsight(self, rows_later: int) -> Regime | None:
        """The same recipe, answering late: its label at row t and the regime's own at row t − rows_later are about the
        same bar, and it knew all rows up to t.

        It is causal like any regime, and fitted on the same training rows. None where nothing is ever revised: the
        regime measures the past, and later rows do not change that.

        Raises
        ------
        ValueError
            If it cannot be told so many rows later; it names the setting.
        """


@runtime_checkable
class Label(Protocol):
    """Targets: the only component that looks ahead, and it says how far."""

    @property
    def horizons_ns(self) -> tuple[int, ...]: ...

    @property
    def max_horizon_ns(self) -> int: ...

    @property
    def lookback_ns(self) -> int:
        """How much of the past a label needs (a volatility to scale by); 0 for none."""

    def columns(self) -> tuple[Column, ...]:
        """One per horizon."""

    def label(self, rows: RowArray) -> tuple[Floats, Ints]:
        """ROW[n] → (y float64[n, h], t_end int64[n, h]).

        y[t] uses nothing after t_end[t] <= row_ns[t] + max_horizon_ns; NaN where it cannot be known.
        """
