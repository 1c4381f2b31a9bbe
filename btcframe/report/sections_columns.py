"""The part of a report about the training table's columns: what stands out, when, and every column's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from btcframe.checkup import judge
from btcframe.checkup.clusters import ALIKE, Grouped, square
from btcframe.checkup.numbers import Checked, Checkup
from btcframe.errors import DataError
from btcframe.report import figures_columns
from btcframe.report.elements import Child, Html, join, stacked, table, tag
from btcframe.report.page import Section, empty, folded
from btcframe.report.plots import drawn
from btcframe.report.words import MINUS, NARROW, counted, number, percent

UNCHECKED = "Its columns were not checked: the table was made before builds did that."


def section(build: Mapping[str, Any] | None, *, opened: bool = False) -> Section:
    """What the checkup of a build says.

    Parameters
    ----------
    build : mapping or None    its manifest; None where it cannot be read
    opened : bool              whether the table of all columns is unfolded
    """
    return Section("columns", "Columns", _body(build, opened))


def _body(build: Mapping[str, Any] | None, opened: bool) -> Html:
    if build is None:
        return empty("The training table cannot be read, so its columns cannot be told.")
    try:
        found = judge.of_build(build)
    except DataError as error:
        return empty(str(error))
    if found is None:
        return empty(UNCHECKED)
    if not found.columns:
        return empty("The table has no column to check.")
    groups = judge.likeness(found)
    figures = (
        figures_columns.coverage(found),
        figures_columns.stability(found),
        figures_columns.likeness(found, square(found.rho), groups),
    )
    return join(
        _remarks(found),
        _alike(found, groups),
        *(drawn(figure) for figure in figures if figure),
        folded(f"All {counted(len(found.columns), 'column')}", _table(found, groups), opened=opened),
        _method(found),
    )


def _remarks(found: Checkup) -> Html:
    told = judge.remarks(found)
    if not told:
        return tag(
            "p",
            f"{counted(len(found.columns), 'column')} of {found.rows:,} rows checked: nothing stands out.",
        )
    rows: list[tuple[Child, ...]] = [
        (judge.TITLES[kind], join(*_named(same)), why or "–")
        for (kind, why), same in judge.joined(told).items()
    ]
    return table(("remark", "columns", "why, where a cause is known"), rows, "What stands out.", text=3)


def _named(same: Sequence[judge.Remark]) -> list[Child]:
    return [tag("div", tag("code", remark.column), " ", tag("small", remark.words)) for remark in same]


def _alike(found: Checkup, groups: Grouped) -> Html | None:
    if not groups.clusters:
        return None
    rows: list[tuple[Child, ...]] = [
        (str(n), join(*_codes(found.columns[j] for j in group)))
        for n, group in enumerate(groups.clusters, start=1)
    ]
    caption = f"Columns that say nearly the same: any two of a group have a rank correlation of {ALIKE / 100} or more, of either sign."
    return table(("group", "columns"), rows, caption, text=2)


def _codes(columns: Any) -> list[Child]:
    parts: list[Child] = []
    for column in columns:
        parts += [", ", tag("code", column.name)] if parts else [tag("code", column.name)]
    return parts


def _table(found: Checkup, groups: Grouped) -> Html:
    group = {j: str(n) for n, members in enumerate(groups.clusters, start=1) for j in members}
    head = (
        "column", "known", "from row", "lowest", "median", "highest", "most frequent", "moved", "group",
    )  # fmt: skip
    rows = [_row(c, found, group.get(j, "")) for j, c in enumerate(found.columns)]
    return table(
        head,
        rows,
        "Known: share of the rows with a value. With a book: of the rows whose book can be used, where that is another share. Most frequent: share of the "
        "value that repeats most. Moved: the tenth farthest from the whole, and how far.",
    )


def _row(c: Checked, found: Checkup, group: str) -> Sequence[Child]:
    known, usable = _share(c.known, found.rows), _share(c.usable, found.usable)
    tenth = judge.farthest(c)
    moved: Child = "–"
    if tenth is not None:
        moved = stacked(number(c.moved[tenth] or 0.0, 2, sign=True), f"in {tenth + 1}")
    unit = "" if c.unit == "1" else c.unit
    return (
        stacked(tag("code", c.name), unit),
        stacked(known, "" if known == usable else f"{usable} with a book"),
        f"{c.first + 1:,}" if c.first is not None else "–",
        _short(c.low),
        _short(c.median),
        _short(c.high),
        percent(c.most, 1) if c.most is not None else "–",
        moved,
        group or "–",
    )


def _share(n: int, rows: int) -> str:
    return judge.share(n, rows).replace(" ", NARROW)


def _short(value: float | None) -> str:
    """Three significant digits, as short as can be."""
    return "–" if value is None else f"{value:.3g}".replace("-", MINUS)


def _method(found: Checkup) -> Html:
    each = "every row" if found.stride == 1 else f"one row in {found.stride:,}"
    return tag(
        "p",
        tag(
            "small",
            f"Coverage, the lowest and the highest value and infinities are of all {found.rows:,} rows; medians, tenths, "
            f"frequencies and correlations of {found.sampled:,}: {each}.",
        ),
    )
