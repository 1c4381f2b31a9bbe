"""Figures of a comparison of regimes: the price in their colours, a spectrum, what followed, how long, and where to."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from btcframe.report.cells import estimate
from btcframe.report.figures_trading import REGIMES, UNKNOWN
from btcframe.report.plots import (
    SERIES,
    Figure,
    axis,
    layout,
    line,
    marked,
    moments,
    packed,
    plain,
    time_axis,
)
from btcframe.report.thin import drawn_as
from btcframe.report.words import number, percent, span_text
from btcframe.types import Floats, Ints, duration_name

Found = Mapping[str, Any]
"""What `regimes.json` holds."""

_STRIP = 0.045  # of a figure's height
_LINE = 21  # pixels of a regime's line


def price(found: Found) -> Figure:
    """The price over all test rows in the first method's colours, and each method's regimes as a strip."""
    view, first = found["price"], found["methods"][0]
    data, axes, bottom = _coloured(found, view, 0.0)
    ns = np.array(view["ns"])
    return Figure(
        "price",
        f"The price, by the regime that {first['name']} found",
        data,
        layout(
            xaxis=time_axis(anchor=f"y{len(axes) + 1}"), yaxis=_mid_axis(found, [bottom, 1]), showlegend=True, **axes
        ),
        f"Price of {found['symbol']} over {span_text(int(ns[-1] - ns[0]))}, coloured by regime.",
        f"Out of sample, as each method said it at the time. Strips from the top down: {_names(found)}; a method's colours "
        f"stand for its own regimes, in the order of the table. {drawn_as(view['total'], len(ns))}",
        height=400,
    )  # fmt: skip


def stretch(found: Found) -> Figure:
    """A stretch of the price in full, the strips, and its Hilbert spectrum."""
    view = found["stretch"]
    spectrum = view["spectrum"]
    low = 0.46 if spectrum else 0.0
    data, axes, bottom = _coloured(found, view, low)
    ns = np.array(view["ns"])
    note = (
        "The transform sees the whole stretch, so the picture knows what came later; no method does. Strong swings stand out, "
        "down to 40 dB below the strongest."
        if spectrum
        else "There are too few prices here for a spectrum, or the price stands still."
    )
    if spectrum:
        axes[f"yaxis{len(axes) + 2}"] = axis(
            "period, rows",
            domain=[0, low - 0.06],
            type="log",
            showgrid=False,
            zeroline=False,
            exponentformat="none",
            dtick=1,
        )
        data.append(_spectrum(spectrum, ns) | {"yaxis": f"y{len(axes) + 1}"})
    return Figure(
        "stretch",
        f"A closer look: {span_text(int(ns[-1] - ns[0]))}, and its swings by period",
        data,
        layout(
            xaxis=time_axis(anchor=f"y{len(axes) + 1}"), yaxis=_mid_axis(found, [bottom, 1]),
            showlegend=True, **axes,
        ),
        f"Price over {len(ns):,} rows, coloured by regime, above the energy of its swings by period and time.",
        f"The stretch in the middle of the test rows, not a chosen one. {note}",
        height=560 if spectrum else 380,
    )  # fmt: skip


def _coloured(found: Found, view: Found, floor: float) -> tuple[list[dict[str, Any]], dict[str, Any], float]:
    """Traces of the line and the strips, the strips' axes, and where the line's own begins."""
    methods = found["methods"]
    first = methods[0]
    ns = np.array(view["ns"], np.int64)
    mid = np.array([np.nan if v is None else v for v in view["mid"]])
    label = np.array(view["labels"][first["name"]], np.int64)
    data = []
    for index in (*range(len(first["labels"])), -1):
        mine = label == index
        if not mine.any():
            continue
        shown = mine | np.concatenate(
            ([False], mine[:-1])
        )  # on to the next row, so that the line is not broken
        at = np.flatnonzero(shown | np.concatenate(([False], shown[:-1])))
        name = escape(first["labels"][index], quote=False) if index >= 0 else "unknown"
        values = packed(np.where(shown[at], mid[at], np.nan))
        data.append(
            line(
                moments(ns[at]),
                values,
                _colour(index),
                name,
                hovertemplate=f"%{{y:,.2f}}<extra>{name}</extra>",
            )
        )
    axes = {}
    for n, method in enumerate(methods):
        bottom = floor + _STRIP * 1.15 * (len(methods) - 1 - n)
        key = n + 2
        axes[f"yaxis{key}"] = axis(
            "", domain=[bottom, bottom + _STRIP], type="category", showgrid=False, zeroline=False, ticks="",
            tickfont={"size": 9},
        )  # fmt: skip
        data.append(_strip(method, ns, view["labels"][method["name"]], f"y{key}"))
    return data, axes, floor + _STRIP * 1.15 * len(methods) + 0.03


def _strip(method: Found, ns: Ints, labels: Sequence[int], key: str) -> dict[str, Any]:
    names = ["unknown", *method["labels"]]
    colours = [_colour(k) for k in range(-1, len(names) - 1)]
    steps = np.linspace(0, 1, len(colours) + 1).tolist()
    return {
        "type": "heatmap",
        "x": moments(ns),
        "y": [escape(method["name"], quote=False)],
        "z": [[k + 1 for k in labels]],
        "zmin": -0.5,
        "zmax": len(colours) - 0.5,
        "colorscale": [
            [edge, colour] for k, colour in enumerate(colours) for edge in (steps[k], steps[k + 1])
        ],
        "showscale": False,
        "name": escape(method["name"], quote=False),
        "hovertemplate": f"{escape(method['name'], quote=False)}<extra></extra>",
        "yaxis": key,
    }


def _spectrum(spectrum: Found, ns: Ints) -> dict[str, Any]:
    edges = spectrum["periods"]
    return {
        "type": "heatmap",
        "x": moments(ns[spectrum["columns"]]),
        "y": [(a * b) ** 0.5 for a, b in itertools.pairwise(edges)],
        "z": spectrum["db"],
        "zmin": -40,
        "zmax": 0,
        "colorscale": [[0, "var(--panel)"], [0.5, "var(--area)"], [0.75, "var(--s1)"], [1, "var(--ink)"]],
        "showscale": False,
        "hoverongaps": False,
        "hovertemplate": "period %{y:.3~g} rows: %{z} dB<extra></extra>",
    }


def _mid_axis(found: Found, domain: list[float]) -> dict[str, Any]:
    quote = found["symbol"].partition("/")[2].partition(":")[0]
    return axis(f"mid, {quote}" if quote else "mid", domain=domain, tickformat=",.6~g")


def _colour(index: int) -> str:
    return REGIMES[index % len(REGIMES)] if index >= 0 else UNKNOWN


def _names(found: Found) -> str:
    return ", ".join(m["name"] for m in found["methods"])


# ---------------------------------------------------------------------------------------------- by regime


def followed(found: Found, what: str) -> Figure:
    """Volatility, or the mean return, over the longest horizon after each regime, with intervals.

    Parameters
    ----------
    found : mapping
    what : str        volatility or mean
    """
    h = found["longest"]
    name = duration_name(found["horizons_ns"][h])
    data = []
    for n, method in enumerate(found["methods"]):
        told = [estimate(r["followed"][h][what]) for r in method["regimes"]]
        value, low, high = (np.array(each, np.float64) for each in zip(*told, strict=True))
        data.append(
            _marks(method, value, n)
            | {
                "error_x": marked(value, low, high) | {"color": _series(n)},
                "hovertemplate": "%{y}: %{x:.3~g} bps<extra></extra>",
            }
        )
    title = {"volatility": "Volatility", "mean": "Mean return"}[what]
    return Figure(
        f"followed-{what}",
        f"{title} over the {name} after a row",
        data,
        layout(
            xaxis=axis("bps", rangemode="tozero" if what == "volatility" else "normal"), yaxis=_lines(found)
        ),
        f"{title} over {name} after each regime of {_names(found)}.",
        "Realised over the horizon, √(mean of Σ r²)." if what == "volatility" else "Mean of the return; the line is 0.",
        height=_height(found),
    )  # fmt: skip


def dwell(found: Found) -> Figure:
    """How long a visit to each regime lasts: half of them within the thick line, eight of ten within the thin one."""
    data: list[dict[str, Any]] = []
    for n, method in enumerate(found["methods"]):
        known = [r for r in method["regimes"] if r["visits"]]
        lines = [_line_name(method, r["label"]) for r in known]
        for first, last, width in ((0, 4, 1.2), (1, 3, 5)):
            x: list[float | None] = []
            y: list[str | None] = []
            for r, text in zip(known, lines, strict=True):
                x += [r["dwell"]["quantiles"][first], r["dwell"]["quantiles"][last], None]
                y += [text, text, None]
            data.append(line(x, y, _series(n), "", line={"width": width}, hoverinfo="skip"))
        median = np.array([r["dwell"]["quantiles"][2] for r in known])
        data.append(
            _marks(method, median, n)
            | {"y": lines, "hovertemplate": "%{y}: median %{x:,.4~g} rows<extra></extra>"}
        )
    period = duration_name(found["period_ns"])
    return Figure(
        "dwell",
        "How long a visit lasts",
        data,
        layout(xaxis=axis(f"rows of {period}", type="log", exponentformat="none", dtick=1), yaxis=_lines(found)),
        f"Rows that visits to each regime of {_names(found)} last.",
        "Dot: the median. Thick: half of the visits. Thin: eight of ten.",
        height=_height(found),
    )  # fmt: skip


def transitions(found: Found, method: Found) -> Figure:
    """Where a method goes when it leaves a regime."""
    counts = np.array(method["transitions"], np.float64)
    left = counts.sum(axis=1, keepdims=True)
    shares = np.where(left > 0, counts / np.maximum(left, 1), np.nan)
    np.fill_diagonal(shares, np.nan)
    labels = [escape(name, quote=False) for name in method["labels"]]
    text = [[percent(v) if np.isfinite(v) else "" for v in row] for row in shares.tolist()]
    return Figure(
        f"transitions-{method['name']}",
        f"{method['name']}: where it goes",
        [
            {
                "type": "heatmap",
                "x": labels,
                "y": labels,
                "z": [plain(row) for row in shares],
                "text": text,
                "texttemplate": "%{text}",
                "zmin": 0,
                "zmax": 1,
                "colorscale": [[0, "var(--panel)"], [1, "var(--s1)"]],
                "showscale": False,
                "hoverongaps": False,
                "xgap": 1,
                "ygap": 1,
                "hovertemplate": "from %{y} to %{x}: %{text}<extra></extra>",
            }
        ],
        layout(
            xaxis=axis("to", showgrid=False, zeroline=False, side="bottom", type="category"),
            yaxis=axis("from", showgrid=False, zeroline=False, autorange="reversed", type="category"),
        ),
        f"Share of the departures from each regime of {method['name']} that go to each other one.",
        f"{int(counts.sum()):,} changes; it stays with {_stays(method)} from row to row.",
        height=130 + 40 * len(labels),
    )


def _stays(method: Found) -> str:
    rows = sum(r["rows"] for r in method["regimes"])
    changes = max(method["visits"] - 1, 0)
    return f"{number(100 * (1 - changes / max(rows - 1, 1)), 2)} %" if rows else "unknown"


def _marks(method: Found, x: Floats, n: int) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": escape(method["name"], quote=False),
        "x": plain(x),
        "y": [_line_name(method, label) for label in method["labels"]],
        "marker": {"color": _series(n), "size": 8},
    }


def _line_name(method: Found, label: str) -> str:
    return escape(f"{method['name']}: {label}", quote=False)


def _lines(found: Found) -> dict[str, Any]:
    """A line per method and regime, in the order of the table."""
    names = [_line_name(m, label) for m in found["methods"] for label in m["labels"]]
    return axis(
        "",
        type="category",
        categoryorder="array",
        categoryarray=names,
        autorange="reversed",
        dtick=1,
        zeroline=False,
    )


def _series(n: int) -> str:
    return SERIES[n % len(SERIES)]


def _height(found: Found) -> int:
    return 90 + _LINE * sum(len(m["labels"]) for m in found["methods"])
