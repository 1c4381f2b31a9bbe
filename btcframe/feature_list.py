"""`btcframe features`: every column that can be computed, as a table, JSON or a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from rich import box
from rich.table import Table

from btcframe.api import Column
from btcframe.console import Unread
from btcframe.plugins import Catalog, Component
from btcframe.schema import REQUIRED
from btcframe.selection import ALL, chosen

_WIDE = 130


class Listed(NamedTuple):
    """A column and where it comes from."""

    component: Component
    column: Column


def listed(catalog: Catalog, select: Sequence[str] = ALL) -> list[Listed]:
    """Columns of every feature component at its defaults that a selection asks for, see `btcframe.selection`.

    A component with a required setting is left out: its columns depend on the user.

    Raises
    ------
    ConfigError
        If the selection fits nothing.
    """
    ready = [
        component
        for component in catalog.components["features"].values()
        if all(field.default is not REQUIRED for field in component.fields)
    ]
    recipes = {component.name: component.cls() for component in ready}
    names = chosen(recipes, select)
    return [
        Listed(component, column)
        for component in ready
        for column in recipes[component.name].columns()
        if column.name in names
    ]


def as_json(columns: Sequence[Listed]) -> str:
    """A list of objects, one a column."""
    values = [
        {k: _finite(v) for k, v in column._asdict().items()}
        | {"component": component.name, "distribution": component.distribution}
        for component, column in columns
    ]
    return json.dumps(values, indent=2, ensure_ascii=False)


def show(columns: Sequence[Listed]) -> None:
    """Print a table for each component; what it reads and its source only where there is room."""
    console = Unread(highlight=False)
    wide = console.width >= _WIDE
    for component in dict.fromkeys(component.name for component, _ in columns):
        console.print(_table([each for each in columns if each.component.name == component], wide))
    console.print(
        f"{len(columns)} columns; what they read and where they are from: --json, or a wider window.\n"
        "Components: btcframe run 'features=[book,returns]'\n"
        "Columns of them: btcframe run 'select=[imbalance_*,returns]'",
        style="dim",
        markup=False,
    )


def as_markdown(columns: Sequence[Listed]) -> str:
    """The page docs/features.md."""
    lines = [
        "# Features",
        "",
        f"{len(columns)} columns at the components' defaults. `btcframe features --markdown` makes this page, "
        "`btcframe features 'ofi_*' toxicity` shows some of them, `btcframe plugins` the settings that give others.",
        "",
        "Warm-up is the first row that can have a value, counted from the first row with a book. Every column is causal.",
    ]
    for component in dict.fromkeys(component for component, _ in columns):
        lines += [
            "",
            f"## {component.name}",
            "",
            f"{component.summary} ({component.distribution})",
            "",
            "| column | unit | range | warm-up | formula | reads | source |",
            "|---|---|---|---|---|---|---|",
        ]
        for each in columns:
            if each.component is component:
                c = each.column
                cells = (
                    f"`{c.name}`",
                    c.unit,
                    _range(c),
                    _warmup(c),
                    c.formula,
                    ", ".join(c.inputs),
                    c.source,
                )
                lines.append(f"| {' | '.join(cell.replace('|', '∣') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _table(columns: Sequence[Listed], wide: bool) -> Table:
    component = columns[0].component
    title = f"{component.name}, of {component.distribution} {component.version}: {component.summary}"
    table = Table(title=title, title_justify="left", header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("range", no_wrap=True)
    table.add_column("warm-up", justify="right", min_width=7)
    table.add_column("formula")
    if wide:
        table.add_column("reads")
        table.add_column("source")
    for _, c in columns:
        more = (", ".join(c.inputs), c.source) if wide else ()
        table.add_row(c.name, c.unit, _range(c), _warmup(c), c.formula, *more)
    return table


def _warmup(column: Column) -> str:
    return f"{column.warmup}, {column.awaits}" if column.awaits else str(column.warmup)


def _finite(value: Any) -> Any:
    return None if value in (float("inf"), float("-inf")) else value


def _range(column: Column) -> str:
    low, high = column.low, column.high
    if low == float("-inf") and high == float("inf"):
        return ""
    left = "(-∞" if low == float("-inf") else f"[{low:.5g}"
    return f"{left}, {'∞)' if high == float('inf') else f'{high:.5g}]'}"
