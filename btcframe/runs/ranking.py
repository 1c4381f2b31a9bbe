"""A comparison for a terminal, and as plain values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from btcframe.report.words import counted, number, percent, share, significant, span_text
from btcframe.runs.comparison import NET, Compared, Comparison, Row
from btcframe.runs.settings import short, varied, written
from btcframe.runs.told import wrapped
from btcframe.runs.tracks import LeftOut
from btcframe.runs.verdict import Verdict, judged, likely
from btcframe.types import duration_name

SHOWN = 20
"""Runs that are shown on a terminal, the best first."""

FORMATS: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "return": ("return", share),
    "drawdown": ("drawdown", lambda v: share(v, sign=False)),
    "turnover": ("turnover", lambda v: f"{significant(v, sign=False)}×"),
    "ic": ("IC", lambda v: number(v, 4, sign=True)),
    "r2": ("R²", lambda v: number(v, 4, sign=True)),
    "hit_rate": ("hits", lambda v: percent(v, 1)),
}
"""How a measure is called and written."""


def names(rows: Sequence[Row]) -> list[str]:
    """What runs are called among themselves: jobs of one sweep by their number."""
    alone = len({row.run.directory.resolve().parent for row in rows}) == 1
    return [row.run.directory.name if alone else row.run.name for row in rows]


def measures_of(found: Comparison) -> list[str]:
    """The measures that a ranking shows."""
    return [name for name in FORMATS if name in found.rows[0].measures]


def about(found: Comparison) -> str:
    """What is ranked, on what, by what, in a line."""
    market = f"{found.market.symbol}, source {found.market.source}"
    span = span_text(int(found.edges[-1] - found.edges[0]))
    by = "after costs" if found.by == NET else f"of predictions {duration_name(found.horizon_ns)} ahead"
    differ = f" They differ in {', '.join(found.settings)}." if found.settings else ""
    return (
        f"{counted(len(found.rows), 'run')} on {market}: {span} out of sample, {counted(found.periods, 'period')} of "
        f"{span_text(found.period_ns)}; ranked by the Sharpe ratio of a period, {by}.{differ}"
    )


def settings_of(found: Comparison, row: Row) -> str:
    """The settings of a run in which it differs from the others, by the last words of their names."""
    called = short(found.settings)
    return " ".join(
        f"{called[name]}={written(value)}" for name, value in row.settings.items() if value is not None
    )


def told(name: str, value: float) -> str:
    """A measure as it is written."""
    return FORMATS[name][1](value)


def markets(compared: Compared) -> list[str]:
    """What each market is called beside the others: its symbol, and the settings that make it another one."""
    differ = varied(
        [
            {k: found.rows[0].run.manifest["config"][k] for k in ("source", "seed")}
            for found in compared.markets
        ]
    )
    return [
        " ".join(
            [
                found.market.symbol,
                *(f"{name}={written(v[k])}" for name, v in differ.items() if v[k] is not None),
            ]
        )
        for k, found in enumerate(compared.markets)
    ]


def table(found: Comparison) -> Table:
    """The best runs, with the settings in which they differ."""
    made = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    made.add_column("", justify="right", no_wrap=True)
    made.add_column("run", overflow="fold")
    if found.settings:
        made.add_column("settings", overflow="fold")
    measures = measures_of(found)
    for name in (*(FORMATS[name][0] for name in measures), "Sharpe"):
        made.add_column(name, justify="right", no_wrap=True)
    called = names(found.rows)
    shown = [k for k in range(len(found.rows)) if k < SHOWN or k == found.median]
    for k in shown:
        row = found.rows[k]
        made.add_row(
            str(k + 1),
            called[k],
            *([settings_of(found, row)] if found.settings else []),
            *(told(name, row.measures[name]) for name in measures),
            number(row.ratio, 3, sign=True),
            style="bold" if k == 0 else "dim" if k == found.median else None,
        )
    return made


def luck_lines(found: Comparison) -> list[str]:
    """The numbers behind the verdict, a line each."""
    t, luck, over, lead = found.trials, found.luck, found.overfitting, found.ahead
    others = t.known - t.compared
    return [
        f"Trials: {counted(t.known, 'configuration')} on this market"
        + (
            f", {t.compared} of them here and {others} more that the store knows of."
            if others
            else ", all of them here."
        ),
        "Deflated Sharpe ratio: not told."
        if math.isnan(luck.deflated)
        else f"Deflated Sharpe ratio: {likely(luck.deflated)} probability that the best is above the luck of the best of {luck.trials} "
        f"({significant(luck.ratio)} against {significant(luck.hurdle)} a period).",
        "Probability of backtest overfitting (CSCV): not told."
        if over is None
        else f"Probability of backtest overfitting (CSCV): {percent(over.probability, 1)} of {over.splits:,} splits of {over.groups} groups; "
        f"the best on one half lost on the other in {percent(over.loss, 1)}.",
        "Lead over the median run: not told."
        if lead is None
        else f"Lead over the median run: {number(lead.difference, 3, sign=True)} (± {number(1.96 * lead.error, 3)}) in the Sharpe ratio of a period; "
        f"as clear a lead comes by chance with {likely(lead.p)}.",
    ]


def said(found: Comparison) -> list[str]:
    """What stands below the table."""
    verdict = judged(found)
    hidden = len(found.rows) - SHOWN
    lines = [f"{counted(hidden, 'more run')} not shown: --json, --html FILE."] if hidden > 0 else []
    if len(found.rows) > 2:
        lines.append(f"The median run is {names(found.rows)[found.median]}.")
    for line in luck_lines(found):
        lines += wrapped(line)
    lines += ["", f"What this has found: {verdict.answer}.", *wrapped(verdict.sentence)]
    for warning in verdict.warnings:
        lines += ["", *wrapped(warning)]
    return lines


def left_out(left: Sequence[LeftOut]) -> list[str]:
    """The runs that are not compared, by name."""
    lines = [f"Left out: {counted(len(left), 'run')}"] if left else []
    for one in left:
        lines += wrapped(f"{one.run.directory}: {one.why}", "  ")
    return lines


# ---------------------------------------------------------------------------------------------------------- JSON


def plain(compared: Compared) -> dict[str, Any]:
    """Everything but the curves, for a script; what is not known is null."""
    return {
        "markets": [_plain(found, judged(found)) for found in compared.markets],
        "left_out": [{"directory": str(one.run.directory), "why": one.why} for one in compared.left_out],
    }


def _plain(found: Comparison, verdict: Verdict) -> dict[str, Any]:
    over, lead = found.overfitting, found.ahead
    return {
        "symbol": found.market.symbol,
        "source": found.market.source,
        "by": found.by,
        "horizon_ns": found.horizon_ns or None,
        "since_ns": int(found.edges[0]),
        "until_ns": int(found.edges[-1]),
        "periods": found.periods,
        "verdict": verdict._asdict(),
        "trials": found.trials._asdict(),
        "deflated_sharpe": _known(found.luck._asdict()),
        "overfitting": None
        if over is None
        else {
            "probability": over.probability,
            "loss": over.loss,
            "groups": over.groups,
            "splits": over.splits,
            "strategies": over.strategies,
        },
        "ahead_of_median": None if lead is None else lead._asdict(),
        "median": str(found.rows[found.median].run.directory),
        "settings": list(found.settings),
        "runs": [
            {
                "directory": str(row.run.directory),
                "id": row.run.manifest.get("id"),
                "settings": dict(row.settings),
                "sharpe": row.ratio if math.isfinite(row.ratio) else None,
                "pareto": row.front,
                **_known(row.measures),
            }
            for row in found.rows
        ],
    }


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
