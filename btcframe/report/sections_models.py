"""The parts of a report about models: what their predictions are worth, after costs too, where, and for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from btcframe.models.gate import RULE, may_promote
from btcframe.models.members import Inside
from btcframe.report import figures_models as figures
from btcframe.report.cells import found_from, metrics_from, percentage, signed, unsigned
from btcframe.report.elements import Child, Html, join, listed, paragraphs, stacked, table, tag
from btcframe.report.findings import Findings
from btcframe.report.judgement import SURE, after_costs, luck
from btcframe.report.metrics import verdict
from btcframe.report.page import Section, empty, folded
from btcframe.report.plots import drawn
from btcframe.report.sections_prediction import ELSEWHERE
from btcframe.report.sharpe import MIN_ACTED
from btcframe.report.trials import trials_text
from btcframe.report.words import counted, number, percent, share, significant, span_text
from btcframe.types import duration_name

Told = Sequence[Mapping[str, Any]]
"""What `Worth.plain` gives, a horizon each."""

_RULE = (
    "Each horizon is judged for itself, out of sample. Its prediction knows the direction if the whole 95 % interval of its IC "
    "lies above 0, and the size if that of its R² does. It pays if, where it is larger than the cost of a round trip, the "
    "whole interval of the mean result after that cost lies above 0. And it is more than luck if its deflated Sharpe ratio, "
    f"which allows for everything that was tried, is above 0 with {percent(SURE)} probability."
)


def sections(found: Findings) -> list[Section]:
    """All of them; nothing where nothing was trained."""
    if found.training is None:
        return []
    worth: Told = found.training.get("worth", ())
    if not worth:
        why = "An older version trained this, which did not measure it. To know: train again."
        return [Section("worth", "What they are worth", empty(why))]
    return [
        Section("worth", "What they are worth", _worth(found, found.training, worth)),
        Section("where", "Where and how long", _where(worth)),
        Section("probability", "How sure", _sure(found, worth)),
        *([Section("members", "Who says it", _members(found, worth))] if found.members else []),
    ]


def _name(told: Mapping[str, Any]) -> str:
    return duration_name(told["horizon_ns"])


# ---------------------------------------------------------------------------------------------- after costs


def _worth(found: Findings, training: Mapping[str, Any], worth: Told) -> Html:
    oracle = [found_from(told) for told in training.get("oracle", ())]
    said = (
        join(
            verdict(metrics_from(training["metrics"][h]), oracle[h] if oracle else None),
            " ",
            after_costs(told),
            " ",
            luck(told),
        )
        for h, told in enumerate(worth)
    )
    refusal = may_promote(worth)
    gate = (
        "These models would pass the gate to promotion."
        if refusal is None
        else f"The gate to promotion would refuse these models. {refusal}"
    )
    return join(
        empty(ELSEWHERE) if found.manifest["verb"] == "trade" else None,
        *(_suspicion(told) for told in training.get("suspicions", ())),
        listed(said),
        paragraphs(trials_text(worth[0]["sharpe"]["trials"]), gate),
        folded("How this is judged", paragraphs(_RULE, RULE)),
        _against(worth),
        _costs(worth),
        _sharpe(worth),
    )


def _suspicion(told: Mapping[str, Any]) -> Html:
    """That the model looks as if it had been told what it should find out."""
    return empty(join(tag("strong", "Looks like a leak."), f" {told['words']}"))


def _against(worth: Told) -> Html | None:
    if not any(told["persistence"] for told in worth):
        return None
    rows = [
        (_name(told), signed(told["scores"]["ic_gap"], 3), signed(told["scores"]["r2_persistence"], 4))
        for told in worth
    ]
    return table(
        ("horizon", "IC above persistence's", "R² against persistence"),
        rows,
        "Against the baseline that says the price goes on as it went; drawn together, on the same rows.",
    )


def _costs(worth: Told) -> Html:
    rows: list[tuple[Child, ...]] = []
    for told in worth:
        scores, turnover = told["scores"], told["turnover"]
        rows.append(
            (
                _name(told), percentage(scores["beyond"]), percentage(scores["paid"]), signed(scores["net_bps"], 2),
                _share(turnover["held"]), _number(turnover["per_hour"], 1), _number(turnover["cost_bps"], 1),
            )
        )  # fmt: skip
    head = (
        "horizon", "beyond the cost", "of those pay", "net of each, bps", "time in a position", "turned over per hour",
        "which costs, bps",
    )  # fmt: skip
    return table(
        head,
        rows,
        f"A round trip is taken to cost {number(worth[0]['cost_bps'], 1)} bps, the venue's taker fee twice, without the spread. Predictions "
        "beyond it, and what they bring after it; and the turnover of a position that follows the prediction at every row, where from "
        "one side to the other is 2.",
    )


def _sharpe(worth: Told) -> Html:
    rows: list[tuple[Child, ...]] = []
    for told in worth:
        s = told["sharpe"]
        moments = f"skewness {_number(s['skew'], 1)}, kurtosis {_number(s['kurtosis'], 1)}"
        rows.append(
            (
                _name(told), stacked(f"{s['acted']:,}", f"of {s['decisions']:,}"), _significant(s["mean_bps"]),
                stacked(_number(s["sharpe"], 3, sign=True), moments if s["sharpe"] is not None else ""),
                _share(s["probabilistic"]), _number(s["hurdle"], 3, sign=True), _share(s["deflated"]),
            )
        )  # fmt: skip
    head = (
        "horizon", "positions, of decisions", "mean result, bps", "Sharpe ratio of one", "above 0 with", "luck reaches",
        "above that with",
    )  # fmt: skip
    return table(
        head,
        rows,
        "Acting on the prediction once a horizon, after costs, where it is larger than them: one position after the other. The "
        f"probabilistic and the deflated Sharpe ratio; none below {MIN_ACTED} positions.",
    )


# ---------------------------------------------------------------------------------------------- where, when


def _where(worth: Told) -> Html:
    first = worth[0]
    days = first["days"]
    return join(
        _by_part(worth, "regimes", "regime", "By regime, in numbers") if first["regimes"] else None,
        _by_part(worth, "days", "day", "By day, in numbers")
        if len(days) > 1
        else tag("p", f"All of it lies on one day, {days[0]['name']} UTC.", class_="empty")
        if days
        else None,
        _ages(worth),
    )


def _by_part(worth: Told, what: str, name: str, title: str) -> Html:
    head = ("horizon", name, "rows", "IC", "rank IC", "right signs", "R² against 0", "beyond cost that pay")
    rows: list[tuple[Child, ...]] = [
        (
            _name(told), part["name"], f"{part['scores']['rows']:,}", signed(part["scores"]["ic"], 3),
            signed(part["scores"]["rank_ic"], 3), percentage(part["scores"]["hit_rate"]),
            signed(part["scores"]["r2"], 4), percentage(part["scores"]["paid"]),
        )
        for told in worth
        for part in told[what]
    ]  # fmt: skip
    numbers = table(
        head, rows, "Out of sample, with 95 % intervals where there are enough blocks of time.", text=2
    )
    return join(drawn(figures.by_part(worth, what)), folded(title, numbers))


def _ages(worth: Told) -> Html:
    if not any(told["ages"] for told in worth):
        return tag("p", "How old the models were at each row was not told.", class_="empty")
    rows: list[tuple[Child, ...]] = [
        (
            _name(told), f"{span_text(aged['since_ns'])} to {span_text(aged['until_ns'])}", f"{aged['rows']:,}",
            signed(aged["ic"], 3), signed(aged["rank_ic"], 3),
        )
        for told in worth
        for aged in told["ages"]
    ]  # fmt: skip
    caption = "Time from the end of the training window to the row."
    numbers = table(("horizon", "age", "rows", "IC", "rank IC"), rows, caption, text=2)
    return join(drawn(figures.decay(worth)), folded("By age, in numbers", numbers))


# ------------------------------------------------------------------------------------------------- how sure


def _sure(found: Findings, worth: Told) -> Html:
    probable = [told for told in worth if told["reliability"]]
    bounded = [told for told in worth if told["scores"]["inside"]["value"] is not None]
    if not probable and not bounded:
        return empty("The model gives no probabilities and no intervals.")
    return join(
        _probability(worth) if probable else empty("The model gives no probabilities."),
        _coverage(found, worth) if bounded else empty("The model gives no intervals."),
    )


def _probability(worth: Told) -> Html:
    rows: list[tuple[Child, ...]] = [
        (
            _name(told), unsigned(told["scores"]["log_loss"], 4), unsigned(told["scores"]["log_loss_base"], 4),
            signed(told["scores"]["log_loss_gain"], 4), _share(told["calibration_error"]),
        )
        for told in worth
    ]  # fmt: skip
    bins: list[tuple[Child, ...]] = [
        (_name(told), percent(b["p"], 1), f"{b['rows']:,}", percentage(b["rose"]))
        for told in worth
        for b in told["reliability"]
    ]
    return join(
        table(
            ("horizon", "log-loss", "of the share of rises", "better by", "mean distance"),
            rows,
            "How well the probability of a rise told what happened, in nats, less is better; beside it, what the plain share of rises "
            "known at the row would have told, and how far probability and share lie apart on average in the bins below.",
        ),
        drawn(figures.calibration(worth)),
        folded(
            "The probabilities, in numbers",
            table(("horizon", "said", "rows", "rose"), bins, "Bins of equally many rows.", text=1),
        ),
    )


def _coverage(found: Findings, worth: Told) -> Html:
    meant = found.manifest["config"]["model"].get("coverage")
    said = f" The model means {percent(meant)} inside." if isinstance(meant, float) else ""
    names = [part["name"] for part in worth[0]["regimes"]]
    rows: list[tuple[Child, ...]] = [
        (
            _name(told),
            *(percentage(told["scores"][where]) for where in ("inside", "below", "above")),
            *(percentage(part["scores"]["inside"]) for part in told["regimes"]),
        )
        for told in worth
    ]
    return table(
        ("horizon", "inside", "below", "above", *(f"inside, {name}" for name in names)),
        rows,
        f"Outcomes within the model's own interval, and on either side of it.{said}",
    )


# ------------------------------------------------------------------------------------------------- members


def _members(found: Findings, worth: Told) -> Html:
    first = found.members[0]
    return join(
        _weights(found.members, [told["horizon_ns"] for told in worth]) if first.weights else None,
        _chosen(found.members) if first.chosen else None,
    )


def _weights(members: Sequence[Inside], horizons: Sequence[int]) -> Html:
    names = list(members[0].weights)
    rows: list[tuple[Child, ...]] = [
        (duration_name(ns), str(k + 1), *(number(fold.weights[name][h]) for name in names))
        for h, ns in enumerate(horizons)
        for k, fold in enumerate(members)
    ]
    return join(
        tag(
            "p",
            "The prediction is the weighted sum of what the members say. The weights were learned in each fold's training window, from "
            "predictions of rows that the members had not seen; a member that learned noise by heart gets none, and together they need "
            "not make 1: what is too loud is turned down.",
        ),
        tag(
            "div",
            *(drawn(figures.weights(members, horizons, h)) for h in range(len(horizons))),
            class_="pair",
        ),
        folded(
            "The weights, in numbers",
            table(("horizon", "fold", *names), rows, "Weights of the members.", text=2),
        ),
    )


def _chosen(members: Sequence[Inside]) -> Html:
    """The columns that the model chose, the most often chosen first."""
    folds = {
        name: [m.chosen[name] for m in members if name in m.chosen] for m in members for name in m.chosen
    }

    def importance(name: str) -> float | None:
        known = [value for value in folds[name] if value is not None]
        return sum(known) / len(known) if known else None

    order = sorted(folds, key=lambda name: (-len(folds[name]), -(importance(name) or 0.0), name))
    rows: list[tuple[Child, ...]] = [
        (tag("code", name), f"{len(folds[name])} of {len(members)}", _percent_of(importance(name)))
        for name in order
    ]
    caption = (
        "Columns that the model chose in the folds' training windows, and how much its squared error there grew without each, as a share "
        "of the label's mean square."
    )
    return folded(
        f"{counted(len(order), 'column')} chosen", table(("column", "folds", "importance"), rows, caption)
    )


def _percent_of(value: float | None) -> str:
    return "none" if value is None else share(value)


def _share(value: float | None) -> str:
    return "none" if value is None else percent(value, 1)


def _number(value: float | None, digits: int, *, sign: bool = False) -> str:
    return "none" if value is None else number(value, digits, sign=sign)


def _significant(value: float | None) -> str:
    return "none" if value is None else significant(value)
