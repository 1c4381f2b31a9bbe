"""A pipeline driven by events: to rows at once, or wake by wake."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from event_streams import (
    INSTRUMENT,
    PERIOD,
    to_events,
)
from hypothesis import settings

from btcframe.api import Column, Wakes
from btcframe.clocks.time import TimeClock
from btcframe.pipeline import Pipeline
from btcframe.types import ROW, EventArray, RowArray

CLOCK = TimeClock(f"{PERIOD}ns")
property_test = settings(max_examples=80, deadline=None, derandomize=True)


class Running:
    """A feature with memory: the number of rows and the sum of valid mids so far."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix

    def columns(self) -> tuple[Column, ...]:
        return Column(f"{self.prefix}count"), Column(f"{self.prefix}mid_sum")

    def state(self, instrument: object) -> np.ndarray:
        return np.zeros(1, [("count", "f8"), ("sum", "f8")])

    def update(self, rows: RowArray, state: np.ndarray, out: np.ndarray) -> None:
        assert np.isnan(out).all()
        assert out.flags.c_contiguous
        for i, row in enumerate(rows):
            state["count"] += 1
            if not np.isnan(row["mid"]):
                state["sum"] += row["mid"]
                out[i, 1] = state["sum"][0]
            out[i, 0] = state["count"][0]


def pipeline(wakes: Wakes | None = None, clock: TimeClock = CLOCK, **kwargs: int) -> Pipeline:
    return Pipeline(INSTRUMENT, clock, {"running": Running()}, Running("regime_"), wakes=wakes, **kwargs)


class Collected:
    """Everything a pipeline put out."""

    def __init__(self) -> None:
        self.rows, self.x, self.descriptors = [], [], []

    def take(self, p: Pipeline) -> None:
        self.rows.append(p.rows.copy())
        self.x.append(p.x.copy())
        self.descriptors.append(p.descriptors.copy())

    def bits(self) -> tuple[bytes, ...]:
        return tuple(b"".join(a.tobytes() for a in part) for part in (self.rows, self.x, self.descriptors))

    @property
    def all_rows(self) -> RowArray:
        return np.concatenate([np.empty(0, ROW), *self.rows])


def drive(p: Pipeline, events: EventArray, into: Collected, gate: Callable | None = None) -> list[tuple]:
    """Push until everything is consumed; returns the wakes as (consumed, wake, now, rows)."""
    wakes = []
    at = 0
    while True:
        at, wake = p.push(events, at, gate)
        into.take(p)
        if wake:
            wakes.append((at, wake, p.now_ns, [int(ns) for ns in p.rows["row_ns"]]))
        elif at == len(events):
            return wakes


def rows_of(*messages: list[tuple]) -> RowArray:
    out = Collected()
    drive(pipeline(), to_events(*messages), out)
    return out.all_rows
