"""Predictions against what happened, for the terminal: the figures in a table, and what they allow to be said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from btcframe.report.metrics import Estimate, Metrics, verdict
from btcframe.types import duration_name


def metrics_table(metrics: Sequence[Metrics]) -> Any:
    """A rich table, one line per horizon; with the 95 % block-bootstrap interval of the IC where there is one."""
    from rich import box
    from rich.table import Table

    table = Table(title="Out of sample", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("horizon", no_wrap=True)
    for name in ("rows", "IC", "95 %", "rank IC", "hits", "R²", "|y| bps"):
        table.add_column(name, justify="right", no_wrap=True)
    for m in metrics:
        table.add_row(
            duration_name(m.horizon_ns),
            f"{m.rows:,}",
            _number(m.ic.value),
            _interval(m.ic),
            _number(m.rank_ic.value),
            "" if math.isnan(m.hit_rate.value) else f"{m.hit_rate.value:.1%}",
            _number(m.r2.value, 4),
            f"{m.mean_abs_label:.2f}",
        )
    return table


def verdicts(metrics: Sequence[Metrics]) -> str:
    """One sentence per horizon."""
    return "\n".join(verdict(m) for m in metrics)


def _interval(e: Estimate) -> str:
    return "" if math.isnan(e.low) else f"{e.low:+.3f} … {e.high:+.3f}"


def _number(value: float, digits: int = 3) -> str:
    return "" if math.isnan(value) else f"{value:+.{digits}f}"
