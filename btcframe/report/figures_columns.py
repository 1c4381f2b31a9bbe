"""Figures of a table's columns: where they lack values, where tenths differ from the whole, which are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from btcframe.checkup.clusters import Grouped
from btcframe.checkup.judge import farthest, names
from btcframe.checkup.numbers import TENTHS, Checked, Checkup
from btcframe.report.plots import Figure, axis, layout
from btcframe.report.words import counted
from btcframe.types import Ints

DRAWN = 40
"""Columns that a figure of some columns shows at most."""

WHOLE = 99
"""Percent of a block from which on its column counts as known there."""

_ROW = 13  # pixels of a line of text
_CELL = 9  # pixels of a column among all columns
_SIDES = (
    (0, "var(--sell)"),
    (0.5, "var(--panel)"),
    (1, "var(--buy)"),
)


def coverage(found: Checkup) -> Figure | None:
    """Share of known values over time, of the columns that lack some; None where none does."""
    holed = [c for c in found.columns if min(c.coverage, default=100) < WHOLE]
    if not holed:
        return None
    shown = sorted(holed, key=lambda c: c.known)[:DRAWN]
    left = f" {len(holed) - DRAWN} more columns lack fewer." if len(holed) > DRAWN else ""
    blocks = len(shown[0].coverage)
    middle = [(n + 0.5) * found.block + 0.5 for n in range(blocks)]
    scale = ((0, "var(--loss)"), (0.9, "var(--open)"), (1, "var(--grid)"))
    return Figure(
        "coverage",
        "Where values are missing",
        [_heat([c.coverage for c in shown], middle, shown, scale, (0, 100), "about row %{x:,.0f}: %{z} % known")],
        layout(xaxis=axis("row", showgrid=False, zeroline=False, nticks=6, range=[0.5, found.rows + 0.5]), yaxis=_column_axis(shown)),
        f"Share of known values over time; lacking most: {names(c.name for c in shown)}.",
        f"Share of rows with a value, in stretches of {found.block:,} rows: grey is all, red is none. "
        f"{counted(len(found.columns) - len(holed), 'column')} not shown, known in {WHOLE} % of every stretch or more.{left}",
        height=_height(shown),
    )  # fmt: skip


def stability(found: Checkup) -> Figure | None:
    """How far each tenth of the rows lies from the whole, of the columns that move most."""
    able = [(abs(c.moved[k] or 0.0), c) for c in found.columns if (k := farthest(c)) is not None]
    if not able:
        return None
    shown = [c for _, c in sorted(able, key=lambda each: -each[0])[:DRAWN]]
    left = f" The {DRAWN} columns that move most, of {len(found.columns)}." if len(able) > DRAWN else ""
    hover = "tenth %{x}: %{z:+.2f}"
    return Figure(
        "stability",
        "Tenths of the table against the whole",
        [_heat([c.moved for c in shown], list(range(1, TENTHS + 1)), shown, _SIDES, (-1, 1), hover)],
        layout(xaxis=axis("tenth of the rows", showgrid=False, zeroline=False, dtick=1), yaxis=_column_axis(shown)),
        f"Distance of each tenth of the rows from the whole; most for {names(c.name for c in shown)}.",
        "Distance of Kolmogorov and Smirnov between the values of a tenth and all values: blue where the tenth lies higher, "
        f"orange where it lies lower, full colour at 1. A slow column moves by nature.{left}",
        height=_height(shown),
    )  # fmt: skip


def likeness(found: Checkup, rho: Ints, groups: Grouped) -> Figure | None:
    """Rank correlations of all columns, the like ones beside each other."""
    if len(found.columns) < 2:
        return None
    order = list(groups.order)
    shown = [found.columns[j] for j in order]
    labels = [c.name for c in shown]
    data = _heat(
        rho[order][:, order].tolist(), labels, shown, _SIDES, (-100, 100), "%{x}: %{z} %", close=True
    )
    return Figure(
        "likeness",
        "Which columns are alike",
        [data],
        layout(
            xaxis=axis("", showgrid=False, zeroline=False, showticklabels=False, ticks=""),
            yaxis=_column_axis(shown, _CELL),
        ),
        f"Rank correlations of {len(shown)} columns, ordered by likeness; "
        f"{counted(len(groups.clusters), 'group')} of columns that say nearly the same.",
        "Rank correlation of every two columns: blue of one sign, orange of the other, full colour at 1. Columns that are "
        "alike stand beside each other, from the top down as from left to right; point at a cell for its two names.",
        height=len(shown) * (_CELL + 1) + 40,
    )


def _heat(
    z: Sequence[Sequence[Any]], x: Sequence[Any], columns: Sequence[Checked], scale: Sequence[tuple[float, str]],
    ends: tuple[float, float], hover: str, close: bool = False,
) -> dict[str, Any]:  # fmt: skip
    return {
        "type": "heatmap",
        "z": [list(row) for row in z],
        "x": list(x),
        "y": [c.name for c in columns],
        "zmin": ends[0],
        "zmax": ends[1],
        "colorscale": [list(step) for step in scale],
        "showscale": False,
        "xgap": 0 if close else 1,
        "ygap": 0 if close else 1,
        "hoverongaps": False,
        "hovertemplate": f"%{{y}}<br>{hover}<extra></extra>",
    }


def _column_axis(columns: Sequence[Checked], size: int = 11) -> dict[str, Any]:
    """One line per column, the first on top, every name shown."""
    return axis(
        "", type="category", autorange="reversed", showgrid=False, zeroline=False, dtick=1,
        tickfont={"size": size}, ticks="",
    )  # fmt: skip


def _height(columns: Sequence[Checked]) -> int:
    return _ROW * len(columns) + 60
