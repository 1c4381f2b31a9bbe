"""`btcframe features`: every column that can be computed, as a table, JSON or a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from btcframe.api import Column
from btcframe.cli.console import Unread
from btcframe.pipeline.selection import ALL, chosen
from btcframe.plugins import Catalog, Component
from btcframe.schema import REQUIRED

_WIDE = 150
"""From here on there is room for a table; in a narrower window each column has its lines."""


class Listed(NamedTuple):
    """A column and where it comes from."""

    component: Component
    column: Column


def listed(catalog: Catalog, select: Sequence[str] = ALL) -> list[Listed]:
    """Columns of every feature component at its defaults that a selection asks for, see `btcframe.pipeline.selection`.

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


def measured(columns: Sequence[Listed]) -> tuple[dict[str, float], str]:
    """What a row of each component listed costs on this machine, ns, and how that was measured.

    Components that fail, and kernels that must be compiled first, are told of on standard error.
    """
    from btcframe.cli import feature_cost  # numba and the kernels: only where a cost is asked for

    console = Unread(stderr=True, highlight=False)
    recipes = {component.name: component.cls() for component, _ in columns}
    costs, failures = feature_cost.measured(
        recipes, lambda: console.print("Compiling kernels, once; --no-cost goes without …", style="dim")
    )
    for name, error in failures.items():
        distribution = next(c.distribution for c, _ in columns if c.name == name)
        console.print(
            f"{name}: no cost, for it fails on ordinary rows: {type(error).__name__}: {error}\n"
            f"See what is wrong with it: btcframe plugins check {distribution}",
            markup=False,
        )
    how = f"measured here, one thread, {feature_cost.ROWS:,} rows of the synthetic market in turn"
    return costs, how


def as_json(columns: Sequence[Listed], costs: Mapping[str, float]) -> str:
    """A list of objects, one a column; `cost_ns` is that of its whole component, null where it was not measured."""
    values = [
        {k: _finite(v) for k, v in column._asdict().items()}
        | {
            "component": component.name,
            "distribution": component.distribution,
            "cost_ns": _rounded(costs.get(component.name)),
            "component_columns": len(component.cls().columns()),
        }
        for component, column in columns
    ]
    return json.dumps(values, indent=2, ensure_ascii=False)


def show(columns: Sequence[Listed], costs: Mapping[str, float], how: str) -> None:
    """Print what each component writes: a table, or in a narrow window a few lines for each column.

    Parameters
    ----------
    columns : sequence of Listed
    costs : mapping of component to ns a row; empty where they are not wanted
    how : str    how they were measured
    """
    console = Unread(highlight=False)
    for component in dict.fromkeys(component for component, _ in columns):
        own = [column for each, column in columns if each is component]
        console.print(_heading(component, costs), soft_wrap=True)
        console.print(component.summary, style="dim", markup=False)
        if console.width >= _WIDE:
            console.print(_table(own, component.name))
        else:
            _lines(console, own, component.name)
    lines = [
        f"{len(columns)} columns. Warm-up: the first row that can have a value, from the first with a book."
    ]
    if costs:
        lines.append(f"Cost together: {sum(costs.values()):,.0f} ns a row, {how}.")
    lines += [
        "Components: btcframe run 'features=[book,returns]'",
        "Columns of them: btcframe run 'select=[imbalance_*,returns]'",
    ]
    console.print("\n".join(lines), style="dim", markup=False)


def _heading(component: Component, costs: Mapping[str, float]) -> Text:
    text = Text(component.name, style="bold")
    text.append(f"  {component.distribution} {component.version}", style="not bold")
    columns = component.cls().columns()
    if component.name in costs:
        text.append(f"  {costs[component.name]:,.0f} ns a row for {len(columns)} columns", style="not bold")
    return text


def as_markdown(columns: Sequence[Listed]) -> str:
    """The page docs/features.md."""
    lines = [
        "# Features",
        "",
        f"{len(columns)} columns at the components' defaults. `btcframe features --markdown` makes this page, "
        "`btcframe features 'ofi_*' toxicity` shows some of them, `btcframe plugins` the settings that give others.",
        "",
        "Warm-up is the first row that can have a value, counted from the first row with a book. Every column is causal, "
        "and of the family its component is called by. What a row costs is measured by `btcframe features` on your "
        "machine; [benchmarks.md](benchmarks.md) has ours.",
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


def _table(columns: Sequence[Column], component: str) -> Table:
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("name", "unit", "range"):
        table.add_column(name, no_wrap=True)
    table.add_column("warm-up", justify="right", no_wrap=True)
    for name in ("formula", "reads", "source"):
        table.add_column(name, overflow="fold")
    for c in columns:
        cells = (c.name, c.unit, _range(c), _warmup(c), c.formula, ", ".join(c.inputs), _origin(c, component))
        table.add_row(*map(Text, cells))
    return table


def _lines(console: Unread, columns: Sequence[Column], component: str) -> None:
    firsts = [
        ("name", "unit", "range", "warm-up"),
        *((c.name, c.unit, _range(c), _warmup(c)) for c in columns),
    ]
    widths = [max(len(cells[i]) for cells in firsts) for i in range(3)]
    for cells, c in zip(firsts, (None, *columns), strict=True):
        first = "  ".join(
            [*(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)), cells[3]]
        )
        console.print(Padding(Text(first, style="" if c else "bold"), (0, 0, 0, 2)))
        if c is not None:
            console.print(Padding(Text(f"= {c.formula}"), (0, 0, 0, 6)))
            reads = f"reads {', '.join(c.inputs)}; " if c.inputs else ""
            console.print(Padding(Text(f"{reads}{_origin(c, component)}", style="dim"), (0, 0, 0, 6)))
    console.print()


def _origin(column: Column, component: str) -> str:
    """Source; the family where it is not called like its component."""
    return (
        column.source if column.family == component else f"{column.source}; family {column.family or 'none'}"
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


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
