"""What time it is: the hour of the day and the phase of the funding interval, as points on a circle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from btcframe.api import Column
from btcframe.kernels import kernel
from btcframe.types import NS, Floats, Instrument, RowArray, StateArray

DAY_NS = 86_400 * NS


@dataclass(frozen=True)
class Calendar:
    """Phases of the row's edge, UTC, as sine and cosine: the end of a cycle is next to its beginning.

    ::

        hour_sin, hour_cos          of 2π·(time of day)/24 h
        funding_sin, funding_cos    of 2π·(time since the last funding)/(funding interval)

    Funding falls on the full multiples of the instrument's interval since the epoch, for 8 h on 00:00, 08:00 and
    16:00 UTC. Causal: row t reads row t only. Valid in every row, for a row has an edge whatever its book is like.

    Parameters
    ----------
    hour : bool      write hour_sin and hour_cos
    funding : bool   write funding_sin and funding_cos

    Outputs: 4 columns at the defaults, float64 (n,), unit 1. Source: definitions.
    """

    hour: bool = True
    funding: bool = True

    def __post_init__(self) -> None:
        if not self.columns():
            raise ValueError("hour, funding: no columns; choose one")

    def columns(self) -> tuple[Column, ...]:
        chosen = []
        if self.hour:
            chosen.append(("hour", "(time of day)/24 h"))
        if self.funding:
            chosen.append(("funding", "(time since funding)/(funding interval)"))
        return tuple(_phase(*cycle, wave) for cycle in chosen for wave in ("sin", "cos"))

    def state(self, instrument: Instrument) -> StateArray:
        periods = [DAY_NS] * self.hour + [instrument.funding_ns] * self.funding
        memory = np.zeros(1, _memory(len(periods)))
        memory["periods"] = periods
        return memory

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        calendar(rows, state, out)


def _phase(name: str, share: str, wave: str) -> Column:
    return Column(
        f"{name}_{wave}", "1", -1.0, 1.0, inputs=("row_ns",), formula=f"{wave} 2π·{share}",
        source="definition", family="calendar",
    )  # fmt: skip


@cache  # one dtype for equal settings: a kernel finds its compiled form by the object
def _memory(cycles: int) -> np.dtype[Any]:
    """State of a component with so many cycles."""
    return np.dtype([("periods", "i8", (cycles,))])  # ns


@kernel
def calendar(rows: RowArray, state: StateArray, out: Floats) -> None:
    """Columns of `Calendar`."""
    periods = state[0].periods
    for t in range(len(rows)):
        for i in range(len(periods)):
            angle = 2.0 * math.pi * ((rows[t].row_ns % periods[i]) / periods[i])
            out[t, 2 * i] = math.sin(angle)
            out[t, 2 * i + 1] = math.cos(angle)
