"""Rows at fixed intervals of local time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from btcframe.types import EventArray, StateArray, duration_ns


@dataclass(frozen=True)
class TimeClock:
    """Closes a row at every multiple of a period since the epoch.

    A row holds what was consumed in (edge - every, edge] by local time and is labelled `edge`; an item exactly on
    the edge belongs to the row that ends there. An interval in which nothing happened is a row.

    Parameters
    ----------
    every : str     length of a row, e.g. 100ms, 1s, 1m
    """

    every: str = "1s"

    def __post_init__(self) -> None:
        try:
            duration_ns(self.every)
        except ValueError as error:
            raise ValueError(f"every: {error}") from None

    @property
    def period_ns(self) -> int:
        return duration_ns(self.every)

    def state(self) -> StateArray:
        from btcframe.kernels.edges import EDGES  # not at import time: listing plugins needs no numba

        state = np.zeros(1, EDGES)
        state["period"] = self.period_ns
        return state

    def cuts(self, events: EventArray, start: int, state: StateArray, out: StateArray) -> tuple[int, int]:
        found, seen = self._time_cuts(events, start, state, out)
        return found, seen

    @cached_property
    def _time_cuts(self) -> Any:
        from btcframe.kernels.edges import time_cuts  # once, not at every wake

        return time_cuts
