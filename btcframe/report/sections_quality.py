"""The part of a report about the quality of a build's rows: how good they were, when, and what lowered it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from btcframe.checkup import judge
from btcframe.checkup.history import History
from btcframe.checkup.numbers import Checkup
from btcframe.errors import DataError
from btcframe.report.elements import Child, Html, join, table, tag
from btcframe.report.page import Section, empty
from btcframe.report.plots import Figure, axis, drawn, layout, line, moments, packed, time_axis
from btcframe.report.words import NARROW, counted

COLOURS = {
    "bookless": "var(--loss)",
    "quiet": "var(--quiet)",
    "stale": "var(--s2)",
    "late": "var(--s4)",
    "snapshot": "var(--s5)",
}
"""Of the causes, in the order in which they are stacked."""

WHY = {
    "bookless": "a gap, a crossed book or an empty side: quality 0, never trained on",
    "quiet": "the price is that of an earlier trade: ½",
    "stale": "the age of the last book message, against how far apart they usually are",
    "late": "the latency, against what it usually is",
    "snapshot": "the flow before it is unknown: ½, ¾, … over six rows",
}


def section(build: Mapping[str, Any] | None) -> Section:
    """How good the rows of a build are.

    Parameters
    ----------
    build : mapping or None    its manifest; None where it cannot be read
    """
    return Section("quality", "Quality", _body(build))


def _body(build: Mapping[str, Any] | None) -> Html:
    if build is None:
        return empty("The training table cannot be read, so the quality of its rows cannot be told.")
    try:
        found = judge.of_build(build)
    except DataError as error:
        return empty(str(error))
    if found is None or not found.rows:
        return empty("The quality of its rows was not kept: the table was made before builds did that.")
    said = judge.quality(found.history)
    text = tag("p", f"{said[0].upper()}{said[1:]}. A row weighs in training what its quality is.")
    if not found.history.causes():
        return text
    return join(text, _worst(found), drawn(figure(found)), _causes(found))


def _worst(found: Checkup) -> Html:
    """Where it was lowest, and why."""
    history = found.history
    at = int(np.argmin(history.quality))
    rows = history.rows[at]
    lowered = {cause: n[at] for cause, n in history.lowered.items() if n[at]}
    why = ", ".join(
        f"{n:,} {judge.LOWERED[cause]}" for cause, n in sorted(lowered.items(), key=lambda item: -item[1])
    )
    when = datetime.fromtimestamp(found.first_ns // 10**9 + history.ms[at] // 1000, UTC)
    return tag(
        "p",
        f"Lowest around {when:%Y-%m-%d %H:%M:%S} UTC: {history.quality[at]:.3g} on average over {counted(rows, 'row')}, "
        f"{why}.",
    )


def figure(found: Checkup) -> Figure:
    """Mean quality over time, and the share of rows that each cause lowered."""
    history = found.history
    rows = np.array(history.rows)
    x = moments(found.first_ns + 1_000_000 * np.array(history.ms))
    data = [_bars(history, cause, x, rows) for cause in COLOURS if any(history.lowered[cause])]
    hover = "%{x}: %{y:.4f}<extra></extra>"
    data.append(line(x, packed(np.array(history.quality)), "var(--ink)", "mean quality", hovertemplate=hover))
    return Figure(
        "quality-history",
        "Quality over time",
        data,
        layout(
            xaxis=time_axis(),
            yaxis=axis("", range=[0, 1.02]),
            barmode="stack",
            bargap=0,
            showlegend=True,
        ),
        f"Mean quality over time, of {rows[0]:,} rows at a time: from {min(history.quality):.3g} to "
        f"{max(history.quality):.3g}.",
        f"The line is the mean of {rows[0]:,} rows each; the bars are the share of them whose quality is below 1, by cause.",
        height=260,
    )


def _bars(history: History, cause: str, x: Any, rows: Any) -> dict[str, Any]:
    return {
        "type": "bar",
        "x": x,
        "y": packed(np.array(history.lowered[cause]) / rows),
        "name": judge.LOWERED[cause],
        "marker": {"color": COLOURS[cause]},
        "hovertemplate": f"%{{x}}: %{{y:.1%}} {judge.LOWERED[cause]}<extra></extra>",
    }


def _causes(found: Checkup) -> Html:
    rows: list[tuple[Child, ...]] = [
        (judge.LOWERED[cause], f"{n:,}", judge.share(n, found.rows).replace(" ", NARROW), WHY[cause])
        for cause, n in found.history.causes().items()
    ]
    return table(("rows", "how many", "of all", "why"), rows, "What lowered the quality.", words=3)
