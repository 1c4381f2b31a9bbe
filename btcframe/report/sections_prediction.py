"""The part of a report about predictions: what they were worth, out of sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from btcframe.report import figures_prediction as figures
from btcframe.report.cells import percentage, signed
from btcframe.report.elements import Child, Html, join, table, tag
from btcframe.report.findings import Findings, Regimes
from btcframe.report.page import Section, empty
from btcframe.report.plots import drawn
from btcframe.report.words import counted, number, percent
from btcframe.types import duration_name

ELSEWHERE = (
    "Of the training whose model the session had, on that training's own test windows: not of the session."
)
"""What is said of a session's predictions."""


def section(found: Findings) -> Section:
    """Predictions against outcomes, and against the oracle where there is one."""
    return Section("predictions", "Predictions", _body(found))


def _body(found: Findings) -> Html:
    if not found.outcomes or found.training is None:
        return empty(found.missing.get("outcomes", "This run made no predictions."))
    metrics: Sequence[Mapping[str, Any]] = found.training["metrics"]
    oracle: Sequence[Mapping[str, Any]] = found.training.get("oracle", ())
    persistence = [w["persistence"] for w in found.training.get("worth", ()) if w["persistence"]]
    known = [m for m in metrics if m["ic"]["value"] is not None]
    if not known:
        return join(
            empty(
                "No horizon has a prediction that varies and a label to compare it with: there is nothing to draw."
            ),
            _table(metrics, oracle, persistence),
        )
    per_horizon = [drawn(figures.outcome(o)) for o in found.outcomes if len(o.outcome.x)]
    return join(
        empty(ELSEWHERE) if found.manifest["verb"] == "trade" else None,
        _table(metrics, oracle, persistence),
        drawn(figures.ics(metrics, oracle, persistence)),
        tag("div", *per_horizon, class_="pair"),
        tag(
            "p",
            "Ten bins of equally many rows; means with 95 % intervals from blocks of time of five horizons or more, none "
            "where there are too few blocks. On the dashed line the outcome is what was predicted",
            "; diamonds are what the oracle expects of the same rows." if _with_oracle(found) else ".",
        ),
        drawn(figures.oracle(found.outcomes)) if any(o.oracle for o in found.outcomes) else None,
        _regimes(found.regimes),
    )


def _with_oracle(found: Findings) -> bool:
    return any(o.expected for o in found.outcomes)


def _table(
    metrics: Sequence[Mapping[str, Any]],
    oracle: Sequence[Mapping[str, Any]],
    persistence: Sequence[Mapping[str, Any]],
) -> Html:
    """The model per horizon, and beside it the baselines that it has to beat."""
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
    blank: list[Child] = ["none"] * (2 if oracle else 0)
    rows: list[list[Child]] = []
    for h, m in enumerate(metrics):
        name = duration_name(m["horizon_ns"])
        more: list[Child] = [signed(oracle[h]["ic"], 3), percentage(oracle[h]["found"])] if oracle else []
        rows.append([name, *_measured(m), *more])
        if persistence:
            rows.append([f"{name}, persistence", *_measured(persistence[h]), *blank])
    rows.append(["any, zero", "all", "none", "none", "none", "0", "the same", *blank])
    return table(
        head,
        rows,
        "Out of sample, with 95 % block-bootstrap intervals. Beside the model the baselines: persistence says that the price goes "
        "on as it went, zero that it stays where it is.",
    )


def _measured(m: Mapping[str, Any]) -> list[Child]:
    return [
        f"{m['rows']:,}", signed(m["ic"], 3), signed(m["rank_ic"], 3), percentage(m["hit_rate"]),
        signed(m["r2"], 4), _plain(m["mean_abs_label"]),
    ]  # fmt: skip


def _plain(value: float | None) -> str:
    return "none" if value is None else number(value)


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
