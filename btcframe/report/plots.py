"""Figures as plain values that plotly.js draws: no plotly is imported to make one.

Colours are written as the page's own CSS variables ("var(--buy)"): the page resolves them when it draws, so a figure
follows the window from light to dark and onto paper.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from btcframe.report.elements import Child, Html, tag, trusted
from btcframe.types import Floats, Ints

SERIES = ("var(--s1)", "var(--s2)", "var(--s3)", "var(--s4)", "var(--s5)", "var(--s6)")
"""Colours of things that are merely different: horizons, regimes, markets."""

ALT = 400
"""Characters of a figure's description at most: it is read aloud."""


class Figure(NamedTuple):
    """One figure.

    Parameters
    ----------
    name : str          its id on the page
    title : str
    data : list         plotly traces
    layout : dict       as `layout` makes it
    alt : str           what a person sees who cannot see it
    note : Child        how to read it, and what was left out to draw it
    height : int        pixels
    """

    name: str
    title: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    alt: str
    note: Child = None
    height: int = 320


def packed(values: Any) -> dict[str, str]:
    """An array as plotly.js takes it without parsing numbers: its bytes, little-endian."""
    array = np.ascontiguousarray(values)
    kind = {"f": "f8", "i": "i4", "u": "u4"}[array.dtype.kind]
    data = array.astype(f"<{kind}").tobytes()
    return {"dtype": kind, "bdata": base64.b64encode(data).decode()}


def moments(ns: Ints) -> dict[str, str]:
    """Nanoseconds as the milliseconds of a time axis."""
    return packed(np.asarray(ns, np.float64) / 1e6)


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """A calm axis: thin grid, no box, labels that make their own room."""
    return {
        "title": {"text": title, "standoff": 8, "font": {"size": 12}},
        "color": "var(--muted)",
        "gridcolor": "var(--grid)",
        "zerolinecolor": "var(--zero)",
        "zerolinewidth": 1,
        "linecolor": "var(--rule)",
        "automargin": "left+bottom",  # on all sides, a label at an edge may push itself to and fro for ever
        "tickfont": {"size": 11},
    } | more


def time_axis(**more: Any) -> dict[str, Any]:
    """A time axis, UTC."""
    return (
        axis("", type="date", showgrid=False, showline=True, ticks="outside", tickcolor="var(--rule)") | more
    )


def layout(**more: Any) -> dict[str, Any]:
    """What all figures share; `more` replaces whole entries."""
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {
            "family": "system-ui, -apple-system, Segoe UI, sans-serif",
            "size": 12,
            "color": "var(--ink)",
        },
        "margin": {"l": 8, "r": 18, "t": 8, "b": 8, "pad": 0},
        "showlegend": False,
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "xanchor": "left",
            "yanchor": "bottom",
            "font": {"size": 12},
        },
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": "var(--panel)",
            "bordercolor": "var(--rule)",
            "font": {"color": "var(--ink)", "size": 12},
        },
        "dragmode": "zoom",
        "bargap": 0.15,
    } | more


def line(x: Any, y: Any, color: str, name: str = "", **more: Any) -> dict[str, Any]:
    """A line."""
    shape = {"color": color, "width": 1.4} | more.pop("line", {})
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": name, "line": shape} | more


def marked(value: Floats, low: Floats, high: Floats) -> dict[str, Any]:
    """Error bars from intervals; none where an interval is NaN."""
    up, down = np.asarray(high) - value, value - np.asarray(low)
    return {
        "type": "data",
        "symmetric": False,
        "array": plain(up),
        "arrayminus": plain(down),
        "thickness": 1.2,
        "width": 3,
    }


def plain(values: Any) -> list[float | None]:
    """Numbers for JSON: what is not finite becomes nothing."""
    return [float(v) if np.isfinite(v) else None for v in np.asarray(values, np.float64)]


def drawn(figure: Figure, *, level: int = 3) -> Html:
    """A figure's markup: title, place to draw in, description, and its values as data."""
    spec = {"data": figure.data, "layout": figure.layout}
    # a closing tag inside the values would end the script: < is written as an escape of JSON
    values = json.dumps(spec, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return tag(
        "figure",
        tag(f"h{level}", figure.title),
        tag(
            "div",
            class_="plot",
            role="img",
            aria_label=f"{figure.title}. {figure.alt}"[:ALT],
            style=f"height:{figure.height}px",
        ),
        tag("figcaption", figure.note) if figure.note else None,
        trusted(f'<script type="application/json">{values}</script>'),
        id=figure.name,
    )


def resolved(spec: Any, colours: Mapping[str, str]) -> Any:
    """A spec with the page's variables replaced by colours, as the page does it when it draws."""
    if isinstance(spec, str):
        return colours.get(spec[4:-1], spec) if spec.startswith("var(--") else spec
    if isinstance(spec, Mapping):
        return {key: resolved(value, colours) for key, value in spec.items()}
    if isinstance(spec, Sequence):
        return [resolved(value, colours) for value in spec]
    return spec
