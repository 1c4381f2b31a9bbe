"""Figures of what predictions are worth: where, when, how long, how far to be believed, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from btcframe.models.members import Inside
from btcframe.report.cells import estimate
from btcframe.report.figures_prediction import line_of_truth, points
from btcframe.report.metrics import Estimate
from btcframe.report.plots import SERIES, Figure, axis, layout, plain
from btcframe.report.words import number, span_text
from btcframe.types import duration_name

Worth = Sequence[Mapping[str, Any]]
"""What `Worth.plain` gives, a horizon each."""

_POINTS = "With 95 % intervals; a point without one has too few independent blocks."

_WIDTH = 0.5
"""How far the horizons are spread over a place of the axis."""

_LABELS = 8
"""Days that are named on the axis."""


def by_part(worth: Worth, what: str) -> Figure:
    """Correlation of prediction and outcome in each regime, or on each day.

    Parameters
    ----------
    worth : sequence of mapping
    what : str       regimes or days
    """
    names = [part["name"] for part in worth[0][what]]
    data = []
    for k, (told, shift) in enumerate(zip(worth, _shifts(len(worth)), strict=True)):
        ic = [estimate(part["scores"]["ic"]) for part in told[what]]
        data.append(
            _horizon(told, k, np.arange(len(ic)) + shift, ic, [escape(n, quote=False) for n in names])
        )
    step = -(-len(names) // _LABELS)
    at = list(range(0, len(names), step))
    title, of = {
        "regimes": ("IC by regime", "regime"),
        "days": ("IC by day, UTC", "day"),
    }[what]
    return Figure(
        f"ic-by-{of}",
        title,
        data,
        layout(
            xaxis=axis(
                "", tickvals=at, ticktext=[escape(names[k].split(" ")[0] if what == "days" else names[k], quote=False) for k in at],
                showgrid=False, zeroline=False, range=[-0.6, len(names) - 0.4],
            ),
            yaxis=axis("IC", tickformat=".2f", rangemode="tozero"),
            showlegend=len(worth) > 1,
        ),
        f"Information coefficient in {len(names)} {what}: {_extremes(worth[0], what)}.",
        f"{_POINTS} The regime is the one that the labeler found likeliest at the row."
        if what == "regimes"
        else f"{_POINTS} Of many days, some look good by chance.",
        height=280,
    )  # fmt: skip


def decay(worth: Worth) -> Figure:
    """Correlation of prediction and outcome by the age of the model."""
    told = [w for w in worth if w["ages"]]
    unit, length = _unit(max(aged["until_ns"] for w in told for aged in w["ages"]))
    width = max(aged["mean_ns"] for w in told for aged in w["ages"]) / length / 60
    data = []
    for k, (w, shift) in enumerate(zip(told, _shifts(len(told)), strict=True)):
        ic = [estimate(aged["ic"]) for aged in w["ages"]]
        x = np.array([aged["mean_ns"] for aged in w["ages"]]) / length + shift * width
        ranges = [f"{span_text(a['since_ns'])} to {span_text(a['until_ns'])}" for a in w["ages"]]
        trace = _horizon(w, k, x, ic, ranges)
        data.append(
            trace | {"mode": "lines+markers", "line": {"color": SERIES[k % len(SERIES)], "width": 1.2}}
        )
    first = [estimate(aged["ic"]).value for aged in told[0]["ages"]]
    return Figure(
        "ic-by-age",
        "IC by the model's age",
        data,
        layout(
            xaxis=axis(f"{unit} since the end of the training window", rangemode="tozero", zeroline=False),
            yaxis=axis("IC", tickformat=".2f", rangemode="tozero"),
            showlegend=len(told) > 1,
        ),
        f"Information coefficient by age: from {number(first[0], 3, sign=True)} of the youngest to "
        f"{number(first[-1], 3, sign=True)} of the oldest, over {duration_name(told[0]['horizon_ns'])}.",
        f"Five bins of equally many rows, over all folds. {_POINTS} Where it falls with age, train more often.",
        height=280,
    )


def calibration(worth: Worth) -> Figure:
    """How often the price rose, by how probable the model called it."""
    told = [(k, w) for k, w in enumerate(worth) if w["reliability"]]
    data = [line_of_truth([b["p"] for _, w in told for b in w["reliability"]])]
    for k, w in told:
        rose = [estimate(b["rose"]) for b in w["reliability"]]
        name = duration_name(w["horizon_ns"])
        data.append(
            points(
                [b["p"] for b in w["reliability"]], rose, SERIES[k % len(SERIES)], name, "circle",
                hovertemplate=f"said %{{x:.1%}}, rose %{{y:.1%}}<extra>{name}</extra>",
            )
        )  # fmt: skip
    return Figure(
        "calibration",
        "How often it rose, by the probability given",
        data,
        layout(
            xaxis=axis("predicted probability of a rise", tickformat=".0%"),
            yaxis=axis("share that rose", tickformat=".0%"),
            showlegend=len(told) > 1,
        ),
        "Share of rises in bins of the predicted probability; a calibrated model lies on the diagonal.",
        "Moves of exactly 0 are left out. A calibrated model lies on the dashed line.",
        height=300,
    )


def weights(members: Sequence[Inside], horizons_ns: Sequence[int], h: int) -> Figure:
    """How much each member of the model counts, fold by fold, over one horizon.

    Parameters
    ----------
    members : sequence of Inside     a fold each
    horizons_ns : sequence of int
    h : int                          which horizon
    """
    name = duration_name(horizons_ns[h])
    folds = [str(k + 1) for k in range(len(members))]
    data = [
        {
            "type": "bar",
            "name": escape(member, quote=False),
            "x": folds,
            "y": plain([fold.weights[member][h] for fold in members]),
            "marker": {"color": SERIES[k % len(SERIES)]},
            "hovertemplate": f"fold %{{x}}: %{{y:.3f}}<extra>{escape(member, quote=False)}</extra>",
        }
        for k, member in enumerate(members[0].weights)
    ]
    means = {
        member: float(np.mean([fold.weights[member][h] for fold in members])) for member in members[0].weights
    }
    said = ", ".join(f"{member} {number(mean)}" for member, mean in means.items())
    return Figure(
        f"weights-{name}",
        f"Over {name}: weights of the members",
        data,
        layout(
            barmode="stack",
            legend=layout()["legend"] | {"traceorder": "normal"},
            xaxis=axis("fold", type="category", showgrid=False),
            yaxis=axis("weight", rangemode="tozero"),
            showlegend=True,
        ),
        f"Mean weights over {len(members)} folds: {said}.",
        height=260,
    )


def _horizon(
    told: Mapping[str, Any], k: int, x: Any, ic: Sequence[Estimate], where: Sequence[str]
) -> dict[str, Any]:
    """The points of one horizon, in its colour."""
    name = duration_name(told["horizon_ns"])
    return points(
        x, ic, SERIES[k % len(SERIES)], name, "circle",
        text=list(where), hovertemplate=f"%{{text}}: %{{y:+.3f}}<extra>{name}</extra>",
    )  # fmt: skip


def _shifts(n: int) -> list[float]:
    """Places of n points about 0, so that their intervals do not lie over each other."""
    return [_WIDTH * (k - (n - 1) / 2) / n for k in range(n)]


def _unit(longest_ns: int) -> tuple[str, int]:
    """The unit of a time axis up to here, and its length in ns."""
    units = (("days", 86_400), ("hours", 3600), ("minutes", 60), ("seconds", 1))
    name, seconds = next((u for u in units if longest_ns >= 2e9 * u[1]), units[-1])
    return name, seconds * 1_000_000_000


def _extremes(told: Mapping[str, Any], what: str) -> str:
    """The best and the worst of them, in words."""
    ics = {part["name"]: part["scores"]["ic"]["value"] for part in told[what]}
    known = {name: ic for name, ic in ics.items() if ic is not None}
    if not known:
        return "none is known"
    ends = (min(known, key=known.__getitem__), max(known, key=known.__getitem__))
    low, high = (f"{number(known[name], 3, sign=True)} ({name})" for name in ends)
    return f"over {duration_name(told['horizon_ns'])} from {low} to {high}"
