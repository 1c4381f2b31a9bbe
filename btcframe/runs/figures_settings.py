"""Figures of what the settings of a sweep do."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from btcframe.report.plots import Figure, axis, layout, line, plain
from btcframe.report.words import counted, number, significant
from btcframe.runs.comparison import Comparison
from btcframe.runs.kinds import OTHER, called, escaped, kinds
from btcframe.runs.ranking import FORMATS, measures_of
from btcframe.runs.settings import short, written
from btcframe.types import duration_ns

AXES = 5
"""Settings that a figure of parallel coordinates shows: those that divide the runs best."""

SLANTED, LONG = 7, 9
"""Axes from which their names are slanted, and letters from which a name is broken, so that they have room on a phone."""

MANY = 60
"""Runs from which their lines are fainter."""

FEW, RANGES = 10, 6
"""Numbers of a setting of which each is shown; of more, ranges."""

MAPS = 3
"""Heat maps at most: a setting against another."""

LOW, HIGH = "var(--loss)", "var(--s3)"
RATIO = "Sharpe ratio of a period"

FADED = 1.8
"""The colours of a heat map stop short of their full strength, so that the numbers on them can be read."""


def told_apart(found: Comparison) -> list[str]:
    """The settings with at least two values, those with fewest values first: they divide the runs best."""
    values = {name: _values(found, name) for name in found.settings}
    return sorted((name for name in values if len(values[name]) > 1), key=lambda name: len(values[name]))


def _values(found: Comparison, name: str) -> list[Any]:
    """The values that a setting has, in order: numbers and durations by size, the rest by name."""
    known = {written(v): v for v in (row.settings[name] for row in found.rows) if v is not None}
    return sorted(known.values(), key=_size)


def _size(value: Any) -> tuple[int, float, str]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return 0, float(value), ""
    try:
        return 1, float(duration_ns(value, zero=True)), ""
    except (AttributeError, ValueError):  # no text, or no duration
        return 2, 0.0, written(value)


class _Steps(NamedTuple):
    """The values of a setting for a figure: each of a few, or ranges of many.

    Parameters
    ----------
    labels : list of str
    where : list of (int or None)    which of them each run has
    """

    labels: list[str]
    where: list[int | None]


def _steps(found: Comparison, name: str | None) -> _Steps:
    """Every value, or, of more than `FEW` numbers, ranges of equally many values; one step for no setting."""
    if name is None:
        return _Steps([""], [0] * len(found.rows))
    values = _values(found, name)
    parts = [[value] for value in values]
    if len(values) > FEW and _size(values[-1])[0] == 0:
        edges = [len(values) * k // RANGES for k in range(RANGES + 1)]
        parts = [values[start:stop] for start, stop in itertools.pairwise(edges)]
    labels = [
        escaped(written(part[0]) if len(part) == 1 else f"{part[0]:.3g} to {part[-1]:.3g}") for part in parts
    ]
    at = {written(value): k for k, part in enumerate(parts) for value in part}
    return _Steps(
        labels, [None if (v := row.settings[name]) is None else at[written(v)] for row in found.rows]
    )


def parallel(found: Comparison) -> Figure:
    """Every run as a line through its settings to what it came to."""
    chosen = told_apart(found)[:AXES]
    words = short(found.settings)
    measures = [*measures_of(found), "ratio"]
    titles = [
        *(words[name] for name in chosen),
        *(FORMATS[m][0] if m in FORMATS else "Sharpe" for m in measures),
    ]
    heights = [_places(found, name) for name in chosen] + [_scaled(_column(found, m)) for m in measures]
    hover = called(found)
    faint = 0.55 if len(found.rows) <= MANY else 0.2
    data = []
    for name, colour, width, which in kinds(found):
        x: list[float | None] = []
        y: list[float | None] = []
        text: list[str] = []
        for k in which:
            x += [*map(float, range(len(titles))), None]
            y += [*(height[k] for height in heights), None]
            text += [hover[k]] * (len(titles) + 1)
        data.append(
            line(
                x, y, colour, name, mode="lines+markers", line={"width": width}, text=text, opacity=faint if colour == OTHER else 1,
                marker={"size": 5, "color": colour}, connectgaps=False, hovertemplate="%{text}<extra></extra>",
            )
        )  # fmt: skip
    rules = [
        {"type": "line", "x0": k, "x1": k, "y0": 0, "y1": 1, "line": {"color": "var(--rule)", "width": 1}, "layer": "below"}
        for k in range(len(titles))
    ]  # fmt: skip
    slanted = len(titles) > SLANTED
    notes = [_title(k, title, slanted) for k, title in enumerate(titles)]
    for k, name in enumerate(chosen):
        ticks = _ticks(_values(found, name))
        shown = ticks if len(ticks) <= FEW else [ticks[0], ticks[len(ticks) // 2], ticks[-1]]
        notes += [_value(k, place, escaped(_brief_value(value))) for place, value in shown]
    for k, measure in enumerate(measures, len(chosen)):
        notes += [_end(k, place, text) for place, text in _ends(found, measure)]
    left = len(found.settings) - len(chosen)
    more = f" {counted(left, 'setting')} more could not be shown." if left else ""
    return Figure(
        "parallel",
        "Settings, and what came of them",
        data,
        layout(
            xaxis=axis("", visible=False, range=[-0.4, len(titles) - 0.55], fixedrange=True),
            yaxis=axis("", visible=False, range=[-0.02, 1.02], fixedrange=True),
            shapes=rules, annotations=notes, margin={"l": 8, "r": 8, "t": 92 if slanted else 60, "b": 64, "pad": 0}, showlegend=len(data) > 1,
            legend=layout()["legend"] | {"y": -0.1, "yanchor": "top"},
        ),
        f"{counted(len(found.rows), 'run')} through {counted(len(chosen), 'setting')}; the best is {hover[0]}.",
        f"A line is a run; point at it for its name.{more}",
        height=380,
    )  # fmt: skip


def _title(x: float, text: str, slanted: bool) -> dict[str, Any]:
    """The name of an axis, over it; a long one in two lines, or slanted where there are many."""
    cut = text.find("_", len(text) // 3) + 1 if len(text) > LONG and not slanted else 0
    title = f"{escaped(text[:cut])}<br>{escaped(text[cut:])}" if cut else escaped(text)
    place = {"textangle": -35, "xanchor": "left", "xshift": -6} if slanted else {"xanchor": "center"}
    return (
        _note(x, 1, title)
        | place
        | {"yanchor": "bottom", "yshift": 22, "font": {"size": 11, "color": "var(--ink)"}}
    )


def _value(x: float, y: float, text: str) -> dict[str, Any]:
    """A value of a setting, to the left of its place."""
    return _note(x, y, text) | {"xanchor": "right", "xshift": -7}


def _brief_value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else written(value)


def _end(x: float, y: float, text: str) -> dict[str, Any]:
    """The end of a measure's axis, below or above it."""
    return _note(x, y, text) | {"xanchor": "center", "yshift": 12 if y else -12}


def _note(x: float, y: float, text: str) -> dict[str, Any]:
    return {"x": x, "y": y, "text": text, "showarrow": False, "font": {"size": 10, "color": "var(--muted)"}}


def _places(found: Comparison, name: str) -> list[float | None]:
    """How high each run stands on a setting's axis: values evenly, in their order."""
    places = {written(value): place for place, value in _ticks(_values(found, name))}
    return [None if (v := row.settings[name]) is None else places[written(v)] for row in found.rows]


def _ticks(values: Sequence[Any]) -> list[tuple[float, Any]]:
    return [(k / max(len(values) - 1, 1), value) for k, value in enumerate(values)]


def _column(found: Comparison, measure: str) -> list[float]:
    return [row.ratio if measure == "ratio" else row.measures[measure] for row in found.rows]


def _ends(found: Comparison, measure: str) -> list[tuple[float, str]]:
    known = [v for v in _column(found, measure) if math.isfinite(v)]
    if not known:
        return []
    low, high = (_brief(measure, v) for v in (min(known), max(known)))
    return [(0.0, low)] if low == high else [(0.0, low), (1.0, high)]


def _brief(measure: str, value: float) -> str:
    """A measure in two digits."""
    if measure in ("return", "drawdown", "hit_rate"):
        return f"{significant(100 * value, sign=False, places=2)}%"
    return significant(value, sign=False, places=2)


def _scaled(values: Sequence[float]) -> list[float | None]:
    """From 0 for the lowest to 1 for the highest; in the middle where all are the same."""
    known = [v for v in values if math.isfinite(v)]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    return [
        None if not math.isfinite(v) else 0.5 if high == low else (v - low) / (high - low) for v in values
    ]


def heat_maps(found: Comparison) -> list[Figure]:
    """The ratio by two settings at a time; by one, where only one varies."""
    chosen = told_apart(found)
    if len(chosen) == 1:
        return [_heat(found, None, chosen[0])]
    return [_heat(found, a, b) for a, b in itertools.islice(itertools.combinations(chosen, 2), MAPS)]


def _heat(found: Comparison, down: str | None, across: str) -> Figure:
    rows, columns = _steps(found, down), _steps(found, across)
    cells: dict[tuple[int | None, int | None], list[float]] = {}
    for place, row in zip(zip(rows.where, columns.where, strict=True), found.rows, strict=True):
        if math.isfinite(row.ratio):
            cells.setdefault(place, []).append(row.ratio)
    table = np.array(
        [
            [float(np.median(cells.get((r, c), [math.nan]))) for c in range(len(columns.labels))]
            for r in range(len(rows.labels))
        ]
    )
    known = table[np.isfinite(table)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (math.nan, math.nan)
    end = max(abs(low), abs(high)) or 1.0
    several = any(len(mine) > 1 for mine in cells.values())
    words = {name: escaped(word) for name, word in short(found.settings).items()}
    by = [words[name] for name in (down, across) if name]
    return Figure(
        f"heat-{down or 'one'}-{across}".replace(".", "-"),
        f"{RATIO[0].upper()}{RATIO[1:]}, by {' and '.join(short(found.settings)[name] for name in (down, across) if name)}",
        [
            {
                "type": "heatmap", "z": [plain(line_) for line_ in table], "x": columns.labels, "y": rows.labels,
                "zmin": -FADED * end, "zmax": FADED * end, "colorscale": [[0, LOW], [0.5, "var(--panel)"], [1, HIGH]], "showscale": False,
                "xgap": 2, "ygap": 2, "hoverongaps": False,
                "text": [[number(v, 2, sign=True) if math.isfinite(v) else "" for v in line_] for line_ in table.tolist()],
                "texttemplate": "%{text}", "textfont": {"color": "var(--ink)", "size": 12},
                "hovertemplate": f"{by[-1]} %{{x}}{', ' + by[0] + ' %{y}' if down else ''}: %{{z:+.3f}}<extra></extra>",
            }
        ],
        layout(
            xaxis=axis(by[-1], type="category", showgrid=False),
            yaxis=axis(by[0] if down else "", type="category", showgrid=False, autorange="reversed"),
        ),
        f"Median of the ratio from {number(low, 2, sign=True)} to {number(high, 2, sign=True)}.",
        f"{'The median of the runs in each cell' if several else 'A cell is a run'}: red below 0, green above.",
        height=max(90 + 44 * len(rows.labels), 150),
    )  # fmt: skip
