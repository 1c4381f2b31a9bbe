"""Estimates of a manifest as cells of a table: the value, and its interval in small print under it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from btcframe.report.elements import Html, stacked
from btcframe.report.metrics import Estimate
from btcframe.report.words import number, percent

Plain = Mapping[str, float | None]
"""An estimate as a manifest has it: NaN is null."""


def estimate(told: Plain) -> Estimate:
    """An estimate from a manifest."""
    return Estimate(*(math.nan if (value := told[k]) is None else value for k in Estimate._fields))


def signed(of: Plain, digits: int) -> Html:
    """With its sign."""
    return _cell(of, lambda v: number(v, digits, sign=True))


def unsigned(of: Plain, digits: int) -> Html:
    """Without."""
    return _cell(of, lambda v: number(v, digits))


def percentage(of: Plain) -> Html:
    """A share in percent."""
    return _cell(of, lambda v: percent(v, 1))


def _cell(of: Plain, text: Callable[[float], str]) -> Html:
    e = estimate(of)
    value = "none" if math.isnan(e.value) else text(e.value)
    return stacked(value, "" if math.isnan(e.low) else f"{text(e.low)} to {text(e.high)}")
