"""A comparison of regimes for the terminal: a line per regime, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from btcframe.report.cells import estimate
from btcframe.report.words import number, percent, rounded
from btcframe.types import duration_name

Found = Mapping[str, Any]


def regimes_table(found: Found) -> Any:
    """A rich table and what may be said, 80 columns wide."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    h = found["longest"]
    name = duration_name(found["horizons_ns"][h])
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    for head in ("rows", "visits", "dwell", f"bps {name}", "95 %", "return", "95 %"):
        table.add_column(head, justify="right", no_wrap=True, style="dim" if head == "95 %" else "")
    for method in found["methods"]:
        table.add_section()
        table.add_row(Text(method["name"], style="bold"))
        for regime in method["regimes"]:
            table.add_row(f" {regime['label']}", *_cells(regime, h))
    worth = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    worth.add_column("", no_wrap=True)
    for head in ("variance told", "95 %", "changes in 1,000", f"revised {found['later']} later"):
        worth.add_column(head, justify="right", style="dim" if head == "95 %" else "")
    for method in found["methods"]:
        told, revised = estimate(method["explained"]), method["revised"]
        worth.add_row(
            method["name"],
            _percent(told.value),
            f"{number(100 * told.low, 1)}…{number(100 * told.high, 1)}" if told.low == told.low else "",
            _number(method["flicker"], 2),
            revised["why"] or _percent(revised["value"]),
        )
    verdict = found["verdict"]
    return Group(table, worth, Text(f"{verdict['answer']}.", style="bold"), *map(Text, verdict["sentences"]))


def _cells(regime: Found, h: int) -> list[str]:
    told, mean = regime["followed"][h], regime["dwell"]["mean"]
    cells = [_percent(regime["share"]), f"{regime['visits']:,}", _number(mean, 0)]
    for what, sign in (("volatility", False), ("mean", True)):
        value, low, high = rounded(estimate(told[what]), sign=sign)
        cells += ["–" if value == "unknown" else value, f"{low}…{high}" if low else ""]
    return cells


def _percent(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else percent(value, 1)


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else number(value, digits)
