"""Estimates of a manifest, and as cells of a table: the value, and its interval in small print under it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from btcframe.report.elements import Html, stacked
from btcframe.report.metrics import Estimate, Found, Metrics
from btcframe.report.words import number, percent

Plain = Mapping[str, float | None]
"""An estimate as a manifest has it: NaN is null."""


def estimate(told: Plain) -> Estimate:
    """An estimate from a manifest."""
    return Estimate(*(math.nan if (value := told[k]) is None else value for k in Estimate._fields))


def metrics_from(told: Mapping[str, Any]) -> Metrics:
    """Metrics from a manifest."""
    prediction, label = (
        math.nan if (size := told[f"mean_abs_{name}"]) is None else float(size)
        for name in ("prediction", "label")
    )
    return Metrics(
        told["horizon_ns"], told["rows"], told["blocks"], estimate(told["ic"]), estimate(told["rank_ic"]),
        estimate(told["hit_rate"]), estimate(told["r2"]), prediction, label,
    )  # fmt: skip


def found_from(told: Mapping[str, Any]) -> Found:
    """What was found of the oracle's, from a manifest."""
    return Found(metrics_from(told), estimate(told["found"]), estimate(told["gap"]))


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
