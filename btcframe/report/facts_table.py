"""Stylised facts side by side, for the terminal."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

from btcframe.facts.measure import SECTIONS, Facts
from btcframe.facts.statistics import Measured


def facts_table(markets: Sequence[Facts]) -> Any:
    """A rich table: a line per fact and a column per market; the 95 % interval too where there is only one."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    alone = len(markets) == 1
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("", overflow="fold")
    table.add_column("unit", no_wrap=True, style="dim")
    letters = string.ascii_uppercase if not alone else ("value",)
    for letter in letters[: len(markets)]:
        table.add_column(letter, justify="right", no_wrap=True)
    if alone:
        table.add_column("95 %", justify="right", no_wrap=True, style="dim")
        table.add_column("n", justify="right", no_wrap=True, style="dim")
    for section in SECTIONS:
        table.add_section()
        table.add_row(Text(section.title, style="bold"))
        for fact in section.facts:
            values = [m.values[fact.key] for m in markets]
            cells = [number(v.value) for v in values]
            more = [interval(values[0]), f"{values[0].n:,.0f}"] if alone else []
            table.add_row(fact.title, "" if fact.unit == "1" else fact.unit, *cells, *more)
    names = [f"{'' if alone else letters[n] + '  '}{m.name}, {length(m)}" for n, m in enumerate(markets)]
    return Group(Text("Stylised facts", style="italic"), *map(Text, names), table)


def length(facts: Facts) -> str:
    """How long a market was measured: 8.0 min, 54 h."""
    seconds = facts.market["seconds"]
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def number(value: float) -> str:
    """Three significant digits; nothing where it is not known."""
    if math.isnan(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def interval(measured: Measured) -> str:
    """low … high, or nothing."""
    return "" if math.isnan(measured.low) else f"{number(measured.low)} … {number(measured.high)}"
