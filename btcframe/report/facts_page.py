"""Stylised facts of one market or of several side by side, as a page of its own: one colour per market."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from btcframe.facts.definitions import Fact
from btcframe.facts.definitions import Figure as Definition
from btcframe.facts.definitions import Section as Topic
from btcframe.facts.measure import SECTIONS, Facts
from btcframe.facts.statistics import Line, Measured
from btcframe.report import plots
from btcframe.report.elements import Html, join, listed, paragraphs, stacked, table, tag
from btcframe.report.facts_table import interval, length, number
from btcframe.report.page import Section, document, empty, folded
from btcframe.types import Floats

PAGE = "facts.html"
"""The page's name in its run's directory."""

DASHES = ("solid", "dot")
MARKS = (
    ("●", "circle"),
    ("■", "square"),
    ("◆", "diamond"),
    ("▲", "triangle-up"),
    ("▼", "triangle-down"),
    ("★", "star"),
)
"""A market's mark, as text and as plotly names it: colours alone do not tell them apart for everyone."""

MOST_MARKS = 14
"""Marks that are drawn on a line at most."""

_GRID = "display:grid;grid-template-columns:repeat(auto-fit,minmax(min(24rem,100%),1fr));gap:0 2.5rem"


def facts_page(markets: Sequence[Facts]) -> str:
    """The whole page.

    Parameters
    ----------
    markets : sequence of Facts     with names that differ
    """
    names = ", ".join(m.name for m in markets)
    head = join(tag("h1", "Stylised facts"), *_lead(markets))
    topics = (_topic(n, topic, markets) for n, topic in enumerate(SECTIONS))
    return document(f"Stylised facts: {names}", head, [_markets(markets), *topics, _method()])


def _lead(markets: Sequence[Facts]) -> Iterable[Html]:
    """What is compared, and how far a comparison goes."""
    yield tag("p", "What a market looks like, whatever it does next.", class_="lead")
    if len(markets) > 1:
        shortest = min(markets, key=lambda m: float(m.market["seconds"]))
        yield tag(
            "p",
            f"The shortest sample is {shortest.name}, {length(shortest)}. Where intervals are missing a sample is too "
            "short to have one; an interval covers the noise of one sample, not how one day differs from another.",
        )


def _legend(markets: Sequence[Facts]) -> Html:
    """The markets with their colours and marks: one legend for the figures below."""
    named = (tag("span", _chip(n), _whole(m.name), style="white-space:nowrap") for n, m in enumerate(markets))
    return tag("p", *(join(each, "   ") for each in named))


def _whole(name: str) -> str:
    """A name whose dates are not broken at their hyphens."""
    return name.replace("-", "\N{NON-BREAKING HYPHEN}")


def _chip(n: int) -> Html:
    return tag("span", f"{MARKS[n % len(MARKS)][0]} ", style=f"color:{_colour(n)}", aria_hidden="true")


def _colour(n: int) -> str:
    return plots.SERIES[n % len(plots.SERIES)]


def _markets(markets: Sequence[Facts]) -> Section:
    head = ("market", "from (UTC)", "length", "rows", "tick", "lot", "mean price")
    rows = [
        (
            stacked(join(_chip(n), _whole(m.name)), str(m.market["symbol"])),
            str(m.market["begin"])[:16].replace("T", " "),
            length(m),
            stacked(
                f"{m.market['rows']:,}", f"{m.market['row']} each, {m.market['unusable']:,} without a mid"
            ),
            str(m.market["tick"]),
            str(m.market["lot"]),
            f"{m.market['price']:,.0f}",
        )
        for n, m in enumerate(markets)
    ]
    return Section(
        "markets", "Markets", table(head, rows, "Prices in quote currency, sizes in base coin.", text=2)
    )


def _topic(n: int, topic: Topic, markets: Sequence[Facts]) -> Section:
    figures = [_figure(definition, markets) for definition in topic.figures]
    body = join(
        _legend(markets) if len(markets) > 1 else None,
        tag("div", *figures, style=_GRID),
        _table(topic, markets),
        folded("How each is computed", listed(_defined(fact) for fact in topic.facts)),
    )
    return Section(f"topic-{n}", topic.title, body)


def _table(topic: Topic, markets: Sequence[Facts]) -> Html:
    rows = [(_named(fact), *(_cell(m.values[fact.key]) for m in markets)) for fact in topic.facts]
    caption = "Value, with its 95 % interval in small print where the sample gives one; empty where it is too short."
    return table(("", *(_whole(m.name) for m in markets)), rows, caption)


def _named(fact: Fact) -> Html:
    return stacked(fact.title, "" if fact.unit == "1" else fact.unit)


def _cell(measured: Measured) -> Html:
    return stacked(number(measured.value) or "–", interval(measured))


def _defined(fact: Fact) -> Html:
    unit = "" if fact.unit == "1" else f" ({fact.unit})"
    return join(tag("strong", fact.title), f"{unit}: {fact.formula}")


# ------------------------------------------------------------------------------------------------- figures


def _figure(definition: Definition, markets: Sequence[Facts]) -> Html:
    name = definition.keys[0].replace("_", "-")
    lines = [
        (n, m, dash, m.lines[key])
        for n, m in enumerate(markets)
        for dash, key in zip(DASHES, definition.keys, strict=False)
        if len(m.lines[key].x)
    ]
    if not lines:
        return tag(
            "figure",
            tag("h3", definition.title),
            empty(f"Nothing to draw: it needs {definition.needs}."),
            id=name,
        )
    drawn = [_drawable(line, definition.log) for *_, line in lines]
    hidden = sum(len(line.x) for *_, line in lines) - sum(len(line.x) for line in drawn)
    traces = [_trace(line, n, m.name, dash) for (n, m, dash, _), line in zip(lines, drawn, strict=True)]
    reference = _REFERENCE.get(definition.keys[0])
    if reference:
        traces.append(_reference(*reference, drawn))
    axes = {
        f"{a}axis": plots.axis(
            title, type="log" if a in definition.log else "linear", **_powers(a in definition.log)
        )
        for a, title in (("x", definition.x), ("y", definition.y))
    }
    notes = [
        f"{definition.formula[:1].upper()}{definition.formula[1:]}." if definition.formula else "",
        f"Grey dashes: {reference[0]}." if reference else "",
        f"{hidden} points that are not above 0 have no place on a logarithmic axis." if hidden else "",
    ]
    alt = (
        f"{definition.y} against {definition.x} for {', '.join(dict.fromkeys(m.name for _, m, *_ in lines))}"
    )
    note = " ".join(n for n in notes if n)
    return plots.drawn(
        plots.Figure(name, definition.title, traces, plots.layout(**axes), alt, note, height=280)
    )


def _powers(log: bool) -> dict[str, Any]:
    return {"exponentformat": "power", "dtick": 1} if log else {}


def _drawable(line: Line, log: str) -> Line:
    """Without what has no place: unknown points, and on a logarithmic axis what is not above 0."""
    keep = np.isfinite(line.x) & np.isfinite(line.y)
    for axis, values in (("x", line.x), ("y", line.y)):
        keep &= (values > 0) if axis in log else True
    return Line(*(values[keep] for values in line))


def _trace(line: Line, n: int, name: str, dash: str) -> dict[str, Any]:
    colour, first = _colour(n), dash == DASHES[0]
    more: dict[str, Any] = {"mode": "lines+markers" if first else "lines"}
    if first:
        more["marker"] = {
            "size": 6,
            "color": colour,
            "symbol": MARKS[n % len(MARKS)][1],
            "maxdisplayed": MOST_MARKS,
        }
        if np.isfinite(line.low).any():
            more["error_y"] = plots.marked(line.y, line.low, line.high) | {"color": colour, "width": 0}
    return plots.line(plots.plain(line.x), plots.plain(line.y), colour, name, line={"dash": dash}, **more)


def _reference(name: str, of: Callable[[Floats], Floats], lines: Sequence[Line]) -> dict[str, Any]:
    """What the same figure shows for the simplest market, where the others are drawn."""
    lines = [line for line in lines if len(line.x)]  # a price that never moved has nothing to draw
    if not lines:
        return plots.line([], [], "var(--quiet)", name)
    x = np.geomspace(min(line.x.min() for line in lines), max(line.x.max() for line in lines), 80)
    y = of(x)
    keep = y >= 0.5 * min(float(line.y.min()) for line in lines)
    return plots.line(
        plots.plain(x[keep]), plots.plain(y[keep]), "var(--quiet)", name, line={"dash": "dash", "width": 1}
    )


def _gaussian_tail(x: Floats) -> Floats:
    return np.array([math.erfc(v / math.sqrt(2)) for v in x])


_REFERENCE: Mapping[str, tuple[str, Callable[[Floats], Floats]]] = {
    "tail_1s": ("Gaussian", _gaussian_tail),
    "kurtosis": ("Gaussian", lambda x: np.full(len(x), 3.0)),
    "fano": ("Poisson", lambda x: np.ones(len(x))),
    "wait": ("Poisson", lambda x: np.exp(-x)),
}


def _method() -> Section:
    body = join(
        paragraphs(
            "Rows come from the pipeline that training and trading use; trades from the events. Returns and windows "
            "that overlap are all used, and counted once where a number of observations is given.",
            "Intervals are 95 %: sums are kept by stretch of time (at least 30 s, and five times the horizon), and a "
            "function of the sums gets its error from leaving out one stretch at a time (the jackknife of Künsch 1989, "
            "with disjoint blocks). Fewer than 8 stretches give none. In the figures of order flow and imbalance they "
            "are ±1.96 standard errors of a bin's mean.",
            "Sizes and tails are counted in bins 1 % wide; the depth is looked at once a second. Latency is sampled: every k-th event, at most 65,536.",
        )
    )
    return Section("method", "Method", body)
