"""Predictions against what happened, for the terminal: the figures in a table, and what they allow to be said."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from btcframe.report.metrics import Estimate, Found, Metrics, verdict
from btcframe.report.words import percent, significant
from btcframe.types import duration_name


def metrics_table(
    metrics: Sequence[Metrics],
    oracle: Sequence[Found] = (),
    baselines: Mapping[str, Sequence[Metrics]] | None = None,
) -> Any:
    """A rich table, a line per horizon, and below it one of each baseline and of the oracle; fits 80 columns.

    ± is half the IC's 95 % interval, `found` the share that was found of what the oracle knows.

    Parameters
    ----------
    metrics : sequence of Metrics
    oracle : sequence of Found      of the same horizons; empty where the market's truth is not known
    baselines : mapping             by name, metrics of the same horizons; zero is in R², which is against it
    """
    from rich import box
    from rich.table import Table

    title = "Out of sample; ± is 95 %, R² against zero, |y| the label's mean size in bps"
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False
    )
    table.add_column("ahead", no_wrap=True)
    names = ["rows", "IC", "±", *(["found"] if oracle else []), "rank IC", "hits", "R²", "|y|"]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for h, m in enumerate(metrics):
        share = (_share(oracle[h].found),) if oracle else ()
        table.add_row(
            duration_name(m.horizon_ns), *_cells(m, share), significant(m.mean_abs_label, sign=False)
        )
        beside = {name: others[h] for name, others in (baselines or {}).items()}
        if oracle:
            beside["oracle"] = oracle[h].oracle
        for name, other in beside.items():
            table.add_row(f" {name}", *_cells(other, ("",) if oracle else ()), "", style="dim")
    return table


def paths_table(paths: Sequence[Sequence[Metrics]]) -> Any:
    """A rich table of the paths of a combinatorial training: the IC of each horizon over all of them.

    Parameters
    ----------
    paths : sequence of sequence of Metrics    of each path, one per horizon
    """
    from rich import box
    from rich.table import Table

    table = Table(
        title=f"IC of {len(paths)} paths", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False
    )  # fmt: skip
    table.add_column("ahead", no_wrap=True)
    for name in ("lowest", "median", "highest", "above 0"):
        table.add_column(name, justify="right", no_wrap=True)
    for of_horizon in zip(*paths, strict=True):
        values = sorted(m.ic.value for m in of_horizon if not math.isnan(m.ic.value))
        cells = [_number(f(values)) for f in (min, statistics.median, max)] if values else [""] * 3
        table.add_row(
            duration_name(of_horizon[0].horizon_ns), *cells, str(sum(value > 0 for value in values))
        )
    return table


def _cells(m: Metrics, share: tuple[str, ...]) -> tuple[str, ...]:
    return (
        f"{m.rows:,}",
        _number(m.ic.value),
        "" if math.isnan(m.ic.low) else f"{max(m.ic.high - m.ic.value, m.ic.value - m.ic.low):.3f}",
        *share,
        _number(m.rank_ic.value),
        "" if math.isnan(m.hit_rate.value) else percent(m.hit_rate.value, 1),
        _number(m.r2.value),
    )


def verdicts(metrics: Sequence[Metrics], oracle: Sequence[Found] = ()) -> str:
    """What can be said of each horizon, a line each."""
    return "\n".join(verdict(m, oracle[h] if oracle else None) for h, m in enumerate(metrics))


def _share(e: Estimate) -> str:
    return "" if math.isnan(e.value) else percent(e.value)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:+.3f}"
