"""Labels that break the contract, each in one way, beside an honest one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from btcframe.api import Column
from btcframe.types import NS


@dataclass(frozen=True)
class HonestLabel:
    """Change of the mid until the last row within 5 s."""

    beyond = 0  # rows further than it says
    horizons_ns = (5 * NS,)
    max_horizon_ns = 5 * NS
    lookback_ns = 0

    def columns(self):
        return (Column("y_5s", "quote", formula="m_{t+5s} − m_t"),)

    def label(self, rows):
        end = rows["row_ns"] + 5 * NS
        last = np.searchsorted(rows["row_ns"], end, side="right") - 1 + self.beyond
        known = (end <= rows["row_ns"].max(initial=0)) & (last < len(rows))
        y = np.where(known, rows["mid"][np.minimum(last, len(rows) - 1)] - rows["mid"], np.nan)
        return y[:, None], end[:, None]


@dataclass(frozen=True)
class PastEnd(HonestLabel):
    """Reads the row after its end."""

    beyond = 1


@dataclass(frozen=True)
class CountsRows(HonestLabel):
    """Takes five rows for five seconds: where rows are missing, it reads later ones."""

    def label(self, rows):
        y, end = super().label(rows)
        y[:] = np.nan
        y[:-5, 0] = rows["mid"][5:] - rows["mid"][:-5]
        return y, end


@dataclass(frozen=True)
class NextRow(HonestLabel):
    """Takes the price of the first row at or after the end: the next one where rows are missing."""

    def label(self, rows):
        y, end = super().label(rows)
        at = np.searchsorted(rows["row_ns"], end[:, 0])
        there = at < len(rows)
        y[there, 0] = np.log(rows["mid"][at[there]] / rows["mid"][there])
        return y, end


@dataclass(frozen=True)
class TooFar(HonestLabel):
    """Says 5 s and ends after 9."""

    def label(self, rows):
        y, end = super().label(rows)
        return y, end + 4 * NS


@dataclass(frozen=True)
class LongMemory(HonestLabel):
    """Scales by the first mid there is."""

    def label(self, rows):
        y, end = super().label(rows)
        return y / (rows["mid"][0] if len(rows) else 1.0), end
