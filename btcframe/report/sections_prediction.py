"""The part of a report about predictions: what they were worth, out of sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from btcframe.report import figures_prediction as figures
from btcframe.report.elements import Child, Html, join, stacked, table, tag
from btcframe.report.figures_prediction import estimate
from btcframe.report.findings import Findings, Regimes
from btcframe.report.metrics import Estimate
from btcframe.report.page import Section, empty
from btcframe.report.plots import drawn
from btcframe.report.words import counted, number, percent
from btcframe.types import duration_name

_ELSEWHERE = (
    "Of the training whose model the session had, on that training's own test windows: not of the session."
)


def section(found: Findings) -> Section:
    """Predictions against outcomes, and against the oracle where there is one."""
    return Section("predictions", "Predictions", _body(found))


def _body(found: Findings) -> Html:
    if not found.outcomes or found.training is None:
        return empty(found.missing.get("outcomes", "This run made no predictions."))
    metrics: Sequence[Mapping[str, Any]] = found.training["metrics"]
    oracle: Sequence[Mapping[str, Any]] = found.training.get("oracle", ())
    known = [m for m in metrics if m["ic"]["value"] is not None]
    if not known:
        return join(
            empty(
                "No horizon has a prediction that varies and a label to compare it with: there is nothing to draw."
            ),
            _table(metrics, oracle),
        )
    per_horizon = [drawn(figures.outcome(o)) for o in found.outcomes if len(o.outcome.x)]
    return join(
        empty(_ELSEWHERE) if found.manifest["verb"] == "trade" else None,
        _table(metrics, oracle),
        drawn(figures.ics(metrics, oracle)),
        tag("div", *per_horizon, class_="pair"),
        tag(
            "p",
            "Ten bins of equally many rows; means with 95 % intervals from blocks of time of five horizons or more, none "
            "where there are too few blocks. On the dashed line the outcome is what was predicted",
            "; diamonds are what the oracle expects of the same rows." if _with_oracle(found) else ".",
        ),
        tag("div", *_pair(found), class_="pair"),
        _inside(found),
        _regimes(found.regimes),
    )


def _with_oracle(found: Findings) -> bool:
    return any(o.expected for o in found.outcomes)


def _pair(found: Findings) -> list[Html]:
    made = []
    if any(o.up for o in found.outcomes):
        made.append(drawn(figures.calibration(found.outcomes)))
    if any(o.oracle for o in found.outcomes):
        made.append(drawn(figures.oracle(found.outcomes)))
    return made


def _table(metrics: Sequence[Mapping[str, Any]], oracle: Sequence[Mapping[str, Any]]) -> Html:
    head: list[Child] = [
        "horizon",
        "rows",
        "IC",
        "rank IC",
        "right signs",
        "R² against 0",
        "mean |move|, bps",
    ]
    head += ["oracle's IC", "share of it found"] if oracle else []
    rows = []
    for h, m in enumerate(metrics):
        row: list[Child] = [
            duration_name(m["horizon_ns"]),
            f"{m['rows']:,}",
            _signed(m["ic"], 3),
            _signed(m["rank_ic"], 3),
            _percent(m["hit_rate"]),
            _signed(m["r2"], 4),
            _plain(m["mean_abs_label"]),
        ]
        if oracle:
            row += [_signed(oracle[h]["ic"], 3), _percent(oracle[h]["found"])]
        rows.append(row)
    return table(head, rows, "Out of sample, with 95 % block-bootstrap intervals.")


def _signed(of: Mapping[str, float | None], digits: int) -> Html:
    e = estimate(of)
    return stacked(
        _or_none(e, number(e.value, digits, sign=True)), _between(e, lambda v: number(v, digits, sign=True))
    )


def _percent(of: Mapping[str, float | None]) -> Html:
    e = estimate(of)
    return stacked(_or_none(e, percent(e.value, 1)), _between(e, lambda v: percent(v, 1)))


def _or_none(e: Estimate, text: str) -> str:
    return "none" if math.isnan(e.value) else text


def _between(e: Estimate, text: Any) -> str:
    return "" if math.isnan(e.low) else f"{text(e.low)} to {text(e.high)}"


def _plain(value: float | None) -> str:
    return "none" if value is None else number(value)


def _inside(found: Findings) -> Html | None:
    known = [o for o in found.outcomes if math.isfinite(o.inside.value)]
    if not known:
        return None
    rows = [
        (
            duration_name(o.horizon_ns),
            stacked(percent(o.inside.value, 1), _between(o.inside, lambda v: percent(v, 1))),
        )
        for o in known
    ]
    coverage = found.manifest["config"]["model"].get("coverage")
    meant = f" The model means {percent(coverage)}." if isinstance(coverage, float) else ""
    return table(("horizon", "outcomes inside"), rows, f"Outcomes within the model's own interval.{meant}")


def _regimes(regimes: Regimes | None) -> Html | None:
    if regimes is None or not regimes.rows.sum():
        return None
    total = int(regimes.rows.sum())
    unknown = f" {counted(regimes.unknown, 'row')} had none yet." if regimes.unknown else ""
    if regimes.truth is None:
        rows = [
            (name, percent(n / total, 1))
            for name, n in zip(regimes.names, regimes.rows.tolist(), strict=True)
        ]
        return table(("regime", "of the test rows"), rows, f"Regimes that the labeler found.{unknown}")
    pairs = [
        (f"state {state}", f"{row.sum():,}", *(percent(n / row.sum()) for n in row.tolist()))
        for state, row in enumerate(regimes.truth)
        if row.any()
    ]
    return table(
        ("true state", "rows", *(f"found: {name}" for name in regimes.names)),
        pairs,
        f"The market's true state against the regime found, share of each state's rows. A labeler names regimes in its "
        f"own way; one that tells the states apart has its shares in different columns.{unknown}",
    )
