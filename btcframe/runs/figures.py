"""Figures of a comparison: what return costs, and how much of it is luck."""

from __future__ import annotations

from typing import Any

import numpy as np

from btcframe.report.plots import Figure, axis, layout, line, moments, packed, plain, time_axis
from btcframe.report.words import counted, number, percent, share
from btcframe.runs.comparison import NET, Comparison
from btcframe.runs.kinds import OTHER, called, kinds

CURVES = 40
"""Curves that are drawn beside the best and the median one."""

SHARE, NUMBER = ".4~p", ".3~r"
"""How an axis writes shares and numbers: to so many digits that count, for a tick of 0.0001 % is not 0.000 %."""

MIDDLE_OR_BELOW, ABOVE = "var(--loss)", "var(--s3)"


def pareto(found: Comparison, against: str) -> Figure:
    """Return against drawdown, or against turnover, with the front of those that nothing beats."""
    x = np.array([row.measures[against] for row in found.rows])
    y = np.array([row.measures["return"] for row in found.rows])
    front = _front(x, y)
    times = against == "turnover"
    hover, price = called(found), f"%{{x:{NUMBER}}}×" if times else f"%{{x:{SHARE}}}"
    order = sorted(front, key=lambda k: (x[k], y[k]))
    data = [
        line(
            plain(x[order]), plain(y[order]), "var(--s3)", "Pareto front", line={"shape": "hv", "width": 1.4}, hoverinfo="skip",
        )
    ]  # fmt: skip
    for name, colour, _, which in kinds(found):
        data.append(
            {
                "type": "scatter", "mode": "markers", "name": name, "x": plain(x[which]), "y": plain(y[which]),
                "text": [hover[k] for k in which],
                "marker": {
                    "color": colour, "size": [11 if k in (0, found.median) else 8 for k in which],
                    "symbol": ["circle" if k in front else "circle-open" for k in which], "line": {"width": 1.5, "color": colour},
                },
                "hovertemplate": f"%{{text}}<br>%{{y:+{SHARE}}} at {price}<extra></extra>",
            }
        )  # fmt: skip
    return Figure(
        f"return-{against}",
        f"Return against {against}",
        data,
        layout(
            xaxis=axis(
                "turnover, times the cash" if times else "deepest drawdown, share of the cash",
                rangemode="tozero", **({} if times else {"tickformat": SHARE}),
            ),
            yaxis=axis("return after costs", tickformat=f"+{SHARE}"),
            showlegend=True,
        ),
        f"{counted(len(front), 'run')} of {len(found.rows)} on the front: no other has more return for as little {against}.",
        "Filled: on the front of these two. Up and to the left is better.",
        height=320,
    )  # fmt: skip


def _front(cost: Any, gain: Any) -> set[int]:
    """Which points no other one beats: at least as much gain for at most the cost, and better in one of them."""
    return {
        k
        for k in range(len(cost))
        if not ((cost <= cost[k]) & (gain >= gain[k]) & ((cost < cost[k]) | (gain > gain[k]))).any()
    }


def curves(found: Comparison) -> Figure:
    """What each run had earned, or predicted, by each moment."""
    at = moments(found.edges)
    hover, data = called(found), []
    step = -(-max(len(found.rows) - 2, 1) // CURVES)  # of all ranks: the best of many alone would deceive
    scale, written = (1.0, SHARE) if found.by == NET else (1 / max(found.periods, 1), NUMBER)
    for name, colour, width, which in kinds(found):
        for n, k in enumerate(which[::step]):
            data.append(
                line(
                    at, packed(found.rows[k].curve * scale), colour, name, line={"width": width}, showlegend=n == 0,
                    opacity=0.5 if colour == OTHER else 1, text=hover[k],
                    hovertemplate=f"%{{text}}<br>%{{y:+{written}}}<extra></extra>",
                )
            )  # fmt: skip
    end = float(found.rows[0].curve[-1]) * scale
    return Figure(
        "curves",
        "Return after costs" if found.by == NET else "IC, as it came together",
        data,
        layout(
            xaxis=time_axis(),
            yaxis=axis("", tickformat=f"+{written}"),
            showlegend=True,
        ),
        f"The best ends at {share(end) if found.by == NET else number(end, 4, sign=True)}.",
        f"Of the others one of {step} is drawn, evenly over the ranking." if step > 1 else None,
        height=320,
    )


def logits(found: Comparison) -> Figure:
    """Where the best of one half of the time stood in the other."""
    over = found.overfitting
    if over is None:
        raise ValueError("a comparison whose overfitting is not known has no logits to draw")
    ranks = (over.strategies + 1) / (1 + np.exp(-over.logits))
    places = np.clip(np.round(over.strategies + 1 - ranks), 1, over.strategies).astype(int)
    count = np.bincount(places, minlength=over.strategies + 1)[1:] / over.splits
    half = (over.strategies + 1) / 2
    colour = [MIDDLE_OR_BELOW if k + 1 >= half else ABOVE for k in range(over.strategies)]
    return Figure(
        "cscv",
        "Place out of sample of the best in sample",
        [
            {
                "type": "bar", "x": list(range(1, over.strategies + 1)), "y": plain(count), "marker": {"color": colour},
                "hovertemplate": "place %{x}: %{y:.1%} of the splits<extra></extra>",
            }
        ],
        layout(
            xaxis=axis("place among the runs in the other half, 1 is the best", showgrid=False, rangemode="tozero"),
            yaxis=axis("share of the splits", tickformat=SHARE),
        ),
        f"In {percent(over.probability, 1)} of {over.splits:,} splits it is in the middle or below.",
        "Red: in the middle or below, which is what the probability of overfitting counts.",
        height=260,
    )  # fmt: skip
