"""Figures of predictions: against what happened, against persistence and the oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from btcframe.report.binned import Binned
from btcframe.report.cells import estimate
from btcframe.report.metrics import Estimate
from btcframe.report.outcomes import Outcome
from btcframe.report.plots import SERIES, Figure, axis, layout, line, marked, plain
from btcframe.report.words import number
from btcframe.types import duration_name


def ics(
    metrics: Sequence[Mapping[str, Any]],
    oracle: Sequence[Mapping[str, Any]],
    persistence: Sequence[Mapping[str, Any]] = (),
) -> Figure:
    """Correlation of prediction and outcome per horizon, persistence's and the oracle's beside it."""
    names = [duration_name(m["horizon_ns"]) for m in metrics]
    told = [
        each
        for each in (
            ("persistence", persistence, "var(--s3)", "square"),
            ("model", metrics, "var(--s1)", "circle"),
            ("oracle", oracle, "var(--s2)", "diamond"),
        )
        if each[1]
    ]
    data = []
    for k, (name, of, colour, symbol) in enumerate(told):
        ic = [estimate(m["ic"]) for m in of]
        shift = 0.12 * (2 * k - len(told) + 1)
        data.append(
            points(
                np.arange(len(ic)) + shift, ic, colour, name, symbol,
                hovertemplate=f"{name}: %{{y:+.3f}}<extra></extra>",
            )
        )  # fmt: skip
    said = "; ".join(
        f"{name}: {number(m['ic']['value'], 3, sign=True)}"
        if m["ic"]["value"] is not None
        else f"{name}: none"
        for name, m in zip(names, metrics, strict=True)
    )
    return Figure(
        "ic",
        "Information coefficient per horizon",
        data,
        layout(
            xaxis=axis(
                "horizon", tickvals=list(range(len(names))), ticktext=names, showgrid=False, zeroline=False,
                range=[-0.6, len(names) - 0.4],
            ),
            yaxis=axis("IC", tickformat=".2f", rangemode="tozero"),
            showlegend=len(told) > 1,
        ),
        f"Information coefficient of the model: {said}.",
        "Correlation of prediction and outcome about zero, out of sample, with 95 % block-bootstrap intervals; a point "
        "without one has too few independent blocks"
        + (
            ". The oracle knows the market's hidden state: nobody can do better, but for chance."
            if oracle
            else "."
        ),
        height=280,
    )  # fmt: skip


def outcome(o: Outcome) -> Figure:
    """What happened, by what was predicted; the oracle's expectation beside it."""
    name = duration_name(o.horizon_ns)
    data = [line_of_truth(o.outcome.x)]
    data.append(
        _binned(o.outcome, "var(--s1)", "outcome", "circle", "predicted %{x:+.2f}, outcome %{y:+.2f} bps")
    )
    if o.expected:
        data.append(
            _binned(o.expected, "var(--s2)", "oracle", "diamond", "predicted %{x:+.2f}, oracle %{y:+.2f} bps")
        )
    ends = o.outcome.y[0], o.outcome.y[-1]
    return Figure(
        f"outcome-{name}",
        f"Over {name}: outcome by prediction",
        data,
        layout(
            xaxis=axis("predicted return, bps"),
            yaxis=axis("mean return, bps"),
            showlegend=o.expected is not None,
        ),
        f"Mean outcome in {len(o.outcome.x)} bins of the prediction, from {_bps(ends[0])} in the lowest to "
        f"{_bps(ends[1])} in the highest.",
        None,
        height=300,
    )


def oracle(outcomes: Sequence[Outcome]) -> Figure:
    """Whether the oracle is right on average: outcome by its expectation."""
    known = [(k, o.oracle, duration_name(o.horizon_ns)) for k, o in enumerate(outcomes) if o.oracle]
    data = [line_of_truth(np.concatenate([binned.x for _, binned, _ in known]))]
    for k, binned, name in known:
        colour = SERIES[k % len(SERIES)]
        data.append(_binned(binned, colour, name, "circle", "expected %{x:+.2f}, outcome %{y:+.2f} bps"))
    return Figure(
        "oracle",
        "The oracle: outcome by its expectation",
        data,
        layout(
            xaxis=axis("expected return given the hidden state, bps"),
            yaxis=axis("mean return, bps"),
            showlegend=True,
        ),
        "Mean outcome in bins of the oracle's expectation: on the diagonal where the oracle is right on average.",
        "A check of the market, not of the model: the points lie on the dashed line where the oracle is right.",
        height=300,
    )


def line_of_truth(x: Any) -> dict[str, Any]:
    """The line on which all is as predicted."""
    ends = plain([np.min(x), np.max(x)])
    dash = {"dash": "dash", "width": 1}
    return line(ends, ends, "var(--quiet)", "as predicted", line=dash, hoverinfo="skip", showlegend=False)


def _binned(binned: Binned, colour: str, name: str, symbol: str, hover: str) -> dict[str, Any]:
    return points(binned.x, binned.y, colour, name, symbol, hovertemplate=f"{hover}<extra>{name}</extra>")


def points(x: Any, y: Sequence[Estimate], colour: str, name: str, symbol: str, **more: Any) -> dict[str, Any]:
    """Estimates with their intervals."""
    values, low, high = (np.array(each, np.float64) for each in zip(*y, strict=True))
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": plain(x),
        "y": plain(values),
        "error_y": marked(values, low, high) | {"color": colour},
        "marker": {"color": colour, "size": 8, "symbol": symbol},
    } | more


def _bps(e: Estimate) -> str:
    return f"{number(e.value, 2, sign=True)} bps"
