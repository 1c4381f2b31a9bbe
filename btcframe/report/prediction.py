"""Predictions against what happened, for the terminal: the figures in a table, and what they allow to be said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from btcframe.report.metrics import Estimate, Found, Metrics, verdict
from btcframe.types import duration_name


def metrics_table(metrics: Sequence[Metrics], oracle: Sequence[Found] = ()) -> Any:
    """A rich table, one line per horizon; fits 80 columns. ± is half the IC's 95 % interval.

    Parameters
    ----------
    metrics : sequence of Metrics
    oracle : sequence of Found      of the same horizons; empty where the market's truth is not known
    """
    from rich import box
    from rich.table import Table

    title = "Out of sample; ± is 95 %, |y| the label's mean size in bps"
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False
    )
    table.add_column("ahead", no_wrap=True)
    names = ["rows", "IC", "±", *(["oracle IC", "found"] if oracle else []), "rank IC", "hits", "R²", "|y|"]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for h, m in enumerate(metrics):
        against = (_number(oracle[h].oracle.ic.value), _share(oracle[h].found)) if oracle else ()
        table.add_row(
            duration_name(m.horizon_ns),
            f"{m.rows:,}",
            _number(m.ic.value),
            "" if math.isnan(m.ic.low) else f"{max(m.ic.high - m.ic.value, m.ic.value - m.ic.low):.3f}",
            *against,
            _number(m.rank_ic.value),
            "" if math.isnan(m.hit_rate.value) else f"{m.hit_rate.value:.1%}",
            _number(m.r2.value),
            f"{m.mean_abs_label:.3g}",
        )
    return table


def verdicts(metrics: Sequence[Metrics], oracle: Sequence[Found] = ()) -> str:
    """What can be said of each horizon, a line each."""
    return "\n".join(verdict(m, oracle[h] if oracle else None) for h, m in enumerate(metrics))


def _share(e: Estimate) -> str:
    return "" if math.isnan(e.value) else f"{e.value:.0%}"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:+.3f}"
