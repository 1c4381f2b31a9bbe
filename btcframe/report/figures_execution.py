"""Figures of execution: markouts, results by hour, two runs overlaid, and the result at other venues."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from btcframe.report.beside import Beside
from btcframe.report.findings import Findings, Session
from btcframe.report.measures import Measures
from btcframe.report.plots import Figure, axis, layout, line, marked, moments, packed, plain, time_axis
from btcframe.report.thin import drawn_as
from btcframe.report.words import counted, number, significant
from btcframe.types import NS, duration_name


def markouts(session: Session) -> Figure:
    """Mean markout of takers and makers by horizon, with its interval."""
    data, said = [], []
    told = session.execution.markouts
    # a little apart where there are both, or the error bars of one would lie over those of the other
    apart = 1.02 if len({m.maker for m in told if m.known}) == 2 else 1.0
    for maker, name, colour in ((False, "taker", "var(--s2)"), (True, "maker", "var(--s1)")):
        mine = [m for m in told if m.maker == maker and np.isfinite(m.mean.value)]
        shift = apart if maker else 1 / apart
        if not mine:
            continue
        value, low, high = (np.array([m.mean[k] for m in mine]) for k in range(3))
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": packed(np.array([m.horizon_ns / NS * shift for m in mine])),
                "y": packed(value),
                "error_y": marked(value, low, high),
                "line": {"color": colour, "width": 1.4},
                "marker": {"color": colour, "size": 7},
                "hovertemplate": f"{name} %{{y:+.3f}} bps<extra></extra>",
            }
        )
        told_of = (f"{significant(m.mean.value)} after {duration_name(m.horizon_ns)}" for m in mine)
        said.append(f"{name} {', '.join(told_of)}")
    ticks = [m.horizon_ns for m in told if m.maker]
    return Figure(
        "markouts",
        "Markouts, bps",
        data,
        layout(
            xaxis=axis(
                "after the fill", type="log", tickvals=[h / NS for h in ticks],
                ticktext=[duration_name(h) for h in ticks], range=np.log10([0.8, 38]).tolist(), zeroline=False,
            ),
            yaxis=axis("bps; positive is good", rangemode="tozero"),
            showlegend=len(data) > 1,
        ),
        f"Mean markouts in bps: {'; '.join(said)}.",
        "How far the mid had gone our way since the price of the fill, before fees; with 95 % intervals where there is "
        "enough for one. A maker who is run over falls with time.",
        height=280,
    )  # fmt: skip


def by_hour(found: Findings, session: Session) -> Figure:
    """The result of each hour of the day."""
    b, money = session.execution.by_hour, found.market.money
    hours = np.flatnonzero(b.rows)
    net = b.net[hours]
    best, worst = hours[int(net.argmax())], hours[int(net.argmin())]
    return Figure(
        "by-hour",
        "Net result by hour of the day, UTC",
        [
            {
                "type": "bar",
                "x": packed(hours.astype(np.int32)),
                "y": packed(net),
                "width": 0.8,  # otherwise as wide as the hours lie apart
                "marker": {"color": ["var(--buy)" if v >= 0 else "var(--sell)" for v in net.tolist()]},
                "hovertemplate": f"%{{x}}:00 %{{y:+,.4~g}} {money}<extra></extra>",
            }
        ],
        layout(
            xaxis=axis(
                "hour, UTC", showgrid=False, zeroline=False, dtick=1 if len(hours) < 13 else 3,
                range=[int(hours[0]) - 0.6, int(hours[-1]) + 0.6],
            ),
            yaxis=axis(money),
        ),
        f"Best at {best:02d}:00 with {number(float(b.net[best]), found.market.digits, sign=True)} {money}, worst at "
        f"{worst:02d}:00 with {number(float(b.net[worst]), found.market.digits, sign=True)} {money}.",
        "Change of equity after costs; hours of several days are added up.",
        height=240,
    )  # fmt: skip


def overlaid(found: Findings, b: Beside) -> Figure:
    """The equity of two runs over the rows they share, and what lies between them."""
    money, name = found.market.money, escape(b.name, quote=False)
    x = moments(b.row_ns)
    hover = f"%{{y:+,.4~g}} {money}"
    data = [
        line(x, packed(b.result), "var(--s1)", "this run", hovertemplate=f"{hover}<extra>this run</extra>"),
        line(
            x, packed(b.other), "var(--s2)", name, line={"dash": "dash"}, hovertemplate=f"{hover}<extra>{name}</extra>"
        ),
        line(
            x, packed(b.other - b.result), "var(--s4)", "difference", yaxis="y2", fill="tozeroy",
            fillcolor="var(--area)", line={"width": 1}, hovertemplate=f"{hover}<extra>difference</extra>",
        ),
    ]  # fmt: skip
    ends = [number(float(one[-1]), found.market.digits, sign=True) for one in (b.result, b.other)]
    return Figure(
        "overlaid",
        "Equity of both",
        data,
        layout(
            xaxis=time_axis(anchor="y2", domain=[0, 1]),
            yaxis=axis(f"result, {money}", domain=[0.36, 1]),
            yaxis2=axis(f"difference, {money}", domain=[0, 0.28]),
            hovermode="x",
            showlegend=True,
        ),
        f"This run ends at {ends[0]} {money}, {b.name} at {ends[1]} {money}.",
        f"Since the first row they share. Below: {b.name} less this run. {drawn_as(b.rows, len(b.row_ns))}",
        height=400,
    )


def varied(found: Findings, every: Sequence[tuple[str, Measures]]) -> Figure:
    """The net result at each venue; the first is the session's own."""
    money = found.market.money
    net = np.array([m.net for _, m in every])
    names = [escape(name, quote=False) for name, _ in every]
    best, worst = int(net.argmax()), int(net.argmin())
    colours = ["var(--mark)", *("var(--buy)" if v >= 0 else "var(--sell)" for v in net[1:].tolist())]
    data: list[dict[str, Any]] = [
        {
            "type": "bar",
            "orientation": "h",
            "x": plain(net),
            "y": names,
            "marker": {"color": colours},
            "hovertemplate": f"%{{y}}: %{{x:+,.4~g}} {money}<extra></extra>",
        }
    ]
    return Figure(
        "varied",
        f"Net result at {counted(len(every), 'venue')}",
        data,
        layout(
            xaxis=axis(f"net, {money}"),
            yaxis=axis("", autorange="reversed", showgrid=False, ticks="", automargin=True),
            shapes=[
                {
                    "type": "line", "xref": "x", "yref": "paper", "x0": float(net[0]), "x1": float(net[0]), "y0": 0,
                    "y1": 1, "layer": "below", "line": {"color": "var(--zero)", "width": 1, "dash": "dot"},
                }
            ],
        ),
        f"Best {names[best]} with {number(float(net[best]), found.market.digits, sign=True)} {money}, worst "
        f"{names[worst]} with {number(float(net[worst]), found.market.digits, sign=True)} {money}.",
        "Dotted: as the venue was set.",
        height=90 + 22 * len(every),
    )  # fmt: skip
