"""Figures of a trading session: money, position, trades on the price, slippage."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from btcframe.report.conclusion import HOUR_NS
from btcframe.report.findings import Findings, Session, View
from btcframe.report.plots import Figure, axis, layout, line, moments, packed, plain, time_axis
from btcframe.report.thin import drawn_as, extremes
from btcframe.report.words import counted, number, rounded, significant, span_text
from btcframe.types import Floats, Ints, StateArray

MARKED = 300
"""Fills that are marked one by one; more would be a smear, and are counted in buckets of time instead."""

BUCKETS = 120

REGIMES = ("var(--s3)", "var(--s6)", "var(--s4)", "var(--s5)", "var(--s2)", "var(--s1)")
UNKNOWN = "var(--quiet)"


def blocks(found: Findings, session: Session) -> Figure:
    """The result of each independent block of time: what the verdict rests on."""
    e, quote = session.evidence, found.market.money
    results = np.array(e.results) * (HOUR_NS / e.block_ns)
    hourly = found.verdict.hourly
    value, low, high = rounded(hourly)
    interval = f", 95 % interval [{low}, {high}]" if low else ""
    ends = np.array([0.4, len(results) + 0.6])
    data: list[dict[str, Any]] = [
        {
            "type": "bar",
            "x": packed(np.arange(1, len(results) + 1, dtype=np.int32)),
            "y": packed(results),
            "marker": {"color": ["var(--buy)" if r >= 0 else "var(--sell)" for r in results]},
            "hovertemplate": f"block %{{x}}: %{{y:+,.2f}} {quote} an hour<extra></extra>",
        },
        *([_band(ends, hourly.low, hourly.high)] if low else []),
        line(packed(ends), packed(np.full(2, hourly.value)), "var(--mark)", "mean", hoverinfo="skip"),
    ]
    return Figure(
        "blocks",
        f"Net per hour in each block of {span_text(e.block_ns)}",
        data,
        layout(
            xaxis=axis("block of time", showgrid=False, zeroline=False, range=ends.tolist()),
            yaxis=axis(f"{quote} per hour"),
        ),
        f"{counted(len(results), 'block')}, {int((results > 0).sum())} of them above 0; mean {value} {quote}{interval}.",
        f"Change of equity after costs. The line is the mean, {value} {quote}{interval}{' (shaded)' if low else ''}.",
        height=260,
    )


def _band(x: Floats, low: float, high: float) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": packed(np.concatenate((x, x[::-1]))),
        "y": packed(np.array([low, low, high, high])),
        "fill": "toself",
        "fillcolor": "var(--area)",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "name": "95 % interval",
    }


def money(found: Findings, session: Session) -> Figure:
    """Equity, drawdown and position under each other, on one time axis."""
    equity, quote = session.tables["equity"], found.market.money
    values = equity["equity"]
    rows = np.union1d(extremes(values), extremes(equity["position_lots"]))
    x = moments(equity["row_ns"][rows])
    gain = np.asarray(values[rows]) - session.cash
    fall = gain - np.maximum.accumulate(np.maximum(gain, 0.0))
    data = [
        line(x, packed(gain), "var(--s1)", "result", hovertemplate=f"%{{y:+,.2f}} {quote}<extra></extra>"),
        line(
            x, packed(fall), "var(--loss)", "drawdown", yaxis="y2", fill="tozeroy", fillcolor="var(--loss-area)",
            line={"width": 1}, hovertemplate=f"%{{y:,.2f}} {quote}<extra></extra>",
        ),
    ]  # fmt: skip
    often = len(session.tables["fills"]) > MARKED
    if often:
        data += _mean_position(session, found.market.base)
    else:
        held = equity["position_lots"][rows] * float(session.instrument.lot)
        hover = f"%{{y:+g}} {found.market.base}<extra></extra>"
        step = {"shape": "hv", "width": 1.2}
        data.append(
            line(x, packed(held), "var(--s3)", "position", yaxis="y3", line=step, hovertemplate=hover)
        )
    m = session.metrics
    alt = (
        f"The result ends at {number(m.net, sign=True)} {quote}; the deepest drawdown is {number(m.max_drawdown)} "
        f"{quote}; a position was held in {100 * m.exposure:.0f} % of the traded rows."
    )
    averaged = (
        "The position changes too often to be drawn: shown is its mean while long and while short. "
        if often
        else ""
    )
    said = drawn_as(len(values), len(rows))
    return Figure(
        "money",
        "Equity, drawdown and position",
        data,
        layout(
            xaxis=time_axis(anchor="y3", domain=[0, 1]),
            yaxis=axis(f"result, {quote}", domain=[0.5, 1]),
            yaxis2=axis(f"drawdown, {quote}", domain=[0.26, 0.45]),
            yaxis3=axis(f"position, {found.market.base}", domain=[0, 0.21]),
            shapes=_windows(found),
            hovermode="x",
            barmode="relative",
            bargap=0,
        ),
        alt,
        f"Equity less the cash at the start, {number(session.cash, 0)} {quote}; an open position is valued at the last "
        f"mid. Dotted lines: a newly trained model takes over. Times are UTC. {averaged}{said}",
        height=500,
    )


def _mean_position(session: Session, base: str) -> list[dict[str, Any]]:
    """Long and short position, each as its mean over the rows of equal stretches."""
    equity = session.tables["equity"]
    lots, n = equity["position_lots"], len(equity)
    edges = np.linspace(0, n, BUCKETS + 1).astype(np.int64)
    middle = equity["row_ns"][(edges[:-1] + edges[1:]) // 2]
    data = []
    for name, colour, side in (("long", "var(--buy)", 1), ("short", "var(--sell)", -1)):
        mean = [
            side * float(np.maximum(side * lots[start:stop], 0).mean())
            for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        ]
        data.append(
            {
                "type": "bar",
                "name": name,
                "x": moments(middle),
                "y": packed(np.array(mean) * float(session.instrument.lot)),
                "yaxis": "y3",
                "marker": {"color": colour},
                "hovertemplate": f"{name} %{{y:+.3~g}} {base} on average<extra></extra>",
            }
        )
    return data


def _windows(found: Findings) -> list[dict[str, Any]]:
    """A dotted line where each fold's test window begins."""
    folds = (found.training or {}).get("folds", ())
    return [
        {
            "type": "line",
            "xref": "x",
            "yref": "paper",
            "x0": fold["test_start_ns"] / 1e6,
            "x1": fold["test_start_ns"] / 1e6,
            "y0": 0,
            "y1": 1,
            "layer": "below",
            "line": {"color": "var(--zero)", "width": 1, "dash": "dot"},
        }
        for fold in folds
    ]


def price(found: Findings, session: Session, view: View) -> Figure:
    """The mid over the session, coloured by the regime found, with the fills."""
    fills = session.tables["fills"]
    data = _coloured(found, session, view)
    few = len(fills) <= MARKED
    more: dict[str, Any] = {}
    if few:
        data += _marks(session, fills)
        said = ""
    else:
        data += _counts(session, fills)
        more = {"yaxis2": axis("fills", domain=[0, 0.2]), "barmode": "relative", "bargap": 0}
        span = int(session.tables["equity"]["row_ns"][-1] - session.tables["equity"]["row_ns"][0])
        said = f"Below, buys (up) and sells (down) counted over {span_text(span // BUCKETS)} each. "
    strip = _strip(session, view)
    if strip:
        bottom = 0.0 if few else 0.25
        more["yaxis3"] = axis(
            "", domain=[bottom, bottom + 0.04], showticklabels=False, showgrid=False, zeroline=False, ticks=""
        )
        data.append(strip)
    thinned = drawn_as(view.total, len(view.rows))
    return Figure(
        "price",
        "Trades on the price, by regime",
        data,
        layout(
            xaxis=time_axis(anchor=("y3" if strip else "y") if few else "y2"),
            yaxis=axis(f"mid, {found.market.quote}", domain=[0.08 if few else 0.34, 1], tickformat=",.6~g"),
            showlegend=True,
            **more,
        ),
        f"{counted(len(fills), 'fill')} on the price of {found.market.symbol} over {span_text(_span(session, view))}.",
        f"Regimes (line and strip) are those that the labeler found at the time; before the first model there are none. "
        f"{said}{thinned}",
        height=420,
    )


def close_up(found: Findings, session: Session, view: View) -> Figure:
    """A short stretch with every row and every fill."""
    row_ns = session.tables["equity"]["row_ns"]
    first, last = int(row_ns[view.rows[0]]), int(row_ns[view.rows[-1]])
    fills = session.tables["fills"]
    fills = fills[(fills["venue_ns"] >= first) & (fills["venue_ns"] <= last)]
    return Figure(
        "close-up",
        f"A closer look: {span_text(last - first)}",
        _coloured(found, session, view) + _marks(session, fills),
        layout(
            xaxis=time_axis(), yaxis=axis(f"mid, {found.market.quote}", tickformat=",.7~g"), showlegend=True
        ),
        f"{counted(len(fills), 'fill')} on the price over {span_text(last - first)}.",
        "The stretch around the fill in the middle of all fills, not a chosen one: every row and every fill. Markers "
        "lie at the price of the fill.",
        height=400,
    )


def _span(session: Session, view: View) -> int:
    row_ns = session.tables["equity"]["row_ns"]
    return int(row_ns[view.rows[-1]] - row_ns[view.rows[0]])


def _coloured(found: Findings, session: Session, view: View) -> list[dict[str, Any]]:
    """The price, one trace a regime; each runs on to the next row so that the line is not broken."""
    equity = session.tables["equity"]
    mid, ns = np.asarray(equity["mid"][view.rows]), equity["row_ns"][view.rows]
    names = session.execution.regimes
    data = []
    for index in np.unique(view.regime).tolist():
        mine = view.regime == index
        shown = mine | np.concatenate(([False], mine[:-1]))
        name = escape(names[index], quote=False) if 0 <= index < len(names) else "no regime yet"
        colour = REGIMES[index % len(REGIMES)] if index >= 0 else UNKNOWN
        at = _runs(shown)
        data.append(
            line(
                moments(ns[at]), packed(np.where(shown[at], mid[at], np.nan)), colour, name,
                hovertemplate=f"%{{y:,.2f}} {found.market.quote}<extra>{name}</extra>", connectgaps=False,
            )
        )  # fmt: skip
    return data


def _strip(session: Session, view: View) -> dict[str, Any] | None:
    """The regimes as a coloured strip, for where the line is too thin to show them; None without regimes."""
    names = session.execution.regimes
    if not names:
        return None
    colours = [UNKNOWN, *(REGIMES[k % len(REGIMES)] for k in range(len(names)))]
    steps = np.linspace(0, 1, len(colours) + 1).tolist()
    scale = [[edge, colour] for k, colour in enumerate(colours) for edge in (steps[k], steps[k + 1])]
    return {
        "type": "heatmap",
        "x": moments(session.tables["equity"]["row_ns"][view.rows]),
        "y": [0],
        "z": [(view.regime + 1).tolist()],
        "zmin": -0.5,
        "zmax": len(colours) - 0.5,
        "colorscale": scale,
        "showscale": False,
        "hoverinfo": "skip",
        "yaxis": "y3",
    }


def _runs(shown: Any) -> Ints:
    """Where something is shown, and one place behind each run: what is not shown need not be drawn."""
    return np.flatnonzero(shown | np.concatenate(([False], shown[:-1])))


def _marks(session: Session, fills: StateArray) -> list[dict[str, Any]]:
    data = []
    for side, name, symbol, colour in (
        (1, "buy", "triangle-up", "var(--buy)"),
        (-1, "sell", "triangle-down", "var(--sell)"),
    ):
        mine = fills[fills["side"] == side]
        size = mine["lots"] * float(session.instrument.lot)
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": moments(mine["venue_ns"]),
                "y": packed(mine["ticks"] * float(session.instrument.tick)),
                "customdata": plain(size),
                "marker": {
                    "symbol": symbol,
                    "size": 8,
                    "color": colour,
                    "line": {"color": "var(--halo)", "width": 1},
                },
                "hovertemplate": f"{name} %{{customdata:g}} at %{{y:,.2f}}<extra></extra>",
            }
        )
    return data


def _counts(session: Session, fills: StateArray) -> list[dict[str, Any]]:
    row_ns = session.tables["equity"]["row_ns"]
    edges = np.linspace(float(row_ns[0]), float(row_ns[-1]), BUCKETS + 1)
    middle = ((edges[:-1] + edges[1:]) / 2).astype(np.int64)
    data = []
    for side, name, colour in ((1, "buys", "var(--buy)"), (-1, "sells", "var(--sell)")):
        n, _ = np.histogram(fills["venue_ns"][fills["side"] == side].astype(np.float64), edges)
        data.append(
            {
                "type": "bar",
                "name": name,
                "x": moments(middle),
                "y": packed((side * n).astype(np.int32)),
                "yaxis": "y2",
                "marker": {"color": colour},
                "hovertemplate": f"%{{y}} {name}<extra></extra>",
            }
        )
    return data


def slippage(session: Session) -> Figure:
    """How far from the decision's mid the fills were, maker and taker apart."""
    maker = session.tables["fills"]["maker"] == 1
    known = np.isfinite(session.slippage)
    low, high = np.quantile(session.slippage[known], (0.005, 0.995))
    edges = np.linspace(low, high if high > low else low + 1, 41)
    data = []
    for mine, name, colour in ((~maker, "taker", "var(--s2)"), (maker, "maker", "var(--s1)")):
        values = np.clip(session.slippage[mine & known], edges[0], edges[-1])
        if len(values):
            n, _ = np.histogram(values, edges)
            data.append(
                {
                    "type": "bar",
                    "name": name,
                    "x": packed((edges[:-1] + edges[1:]) / 2),
                    "y": packed(n.astype(np.int32)),
                    "marker": {"color": colour},
                    "hovertemplate": f"%{{y}} {name} fills at about %{{x:+.2f}} bps<extra></extra>",
                }
            )
    return Figure(
        "slippage",
        "Slippage of each fill, bps",
        data,
        layout(
            xaxis=axis("bps of the mid decided on; positive is a cost"),
            yaxis=axis("fills (logarithmic)", type="log", dtick=1),
            barmode="stack",
            showlegend=len(data) > 1,
            bargap=0.05,
        ),
        f"{counted(int(known.sum()), 'fill')}; half of them between "
        f"{' and '.join(significant(q) for q in np.quantile(session.slippage[known], (0.25, 0.75)))} bps.",
        "The outermost half per cent on either side is counted in the first and the last bar.",
        height=260,
    )
