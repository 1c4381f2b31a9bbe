"""What the worth of predictions allows to be said, in sentences: for the page and the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from btcframe.report.cells import Plain, estimate
from btcframe.report.sharpe import MIN_ACTED
from btcframe.report.trials import trials_text
from btcframe.report.words import counted, number, percent, significant
from btcframe.types import duration_name

SURE = 0.95
"""Probability from which a Sharpe ratio counts as more than luck."""

Told = Mapping[str, Any]
"""What `Worth.plain` gives."""


def judged(worth: Sequence[Told]) -> str:
    """What can be said of the predictions after costs, a line per horizon, and how many were tried; for the terminal."""
    if not worth:
        return ""
    lines = [f"{duration_name(w['horizon_ns'])}: {after_costs(w)} {luck(w)}".strip() for w in worth]
    return "\n".join([*lines, trials_text(worth[0]["sharpe"]["trials"])])


def after_costs(told: Told) -> str:
    """Whether predictions that are larger than the cost of a round trip pay for it."""
    cost = f"{number(told['cost_bps'], 1)} bps"
    scores = told["scores"]
    beyond, net = estimate(scores["beyond"]), estimate(scores["net_bps"])
    if not scores["rows"]:
        return "No row has both a prediction and a label."
    if not beyond.value > 0:
        return f"No prediction is larger than the {cost} that a round trip costs: none would be acted on."
    paid = percent(estimate(scores["paid"]).value, 1)
    who = (
        f"{percent(beyond.value, 1)} of the predictions are larger than the {cost} of a round trip; {paid} of those pay"
        if told["cost_bps"]
        else f"Nothing is taken to be paid for a round trip; {paid} of the predictions pay"
    )
    said = f"{who}, {significant(net.value)} bps each"
    if not _known(scores["net_bps"]):
        return f"{said}: too few stretches of time to say more."
    said += f" [{significant(net.low)}, {significant(net.high)}]"
    if net.low > 0:
        return f"{said}: evidence that they pay."
    return f"{said}: they lose." if net.high < 0 else f"{said}: no evidence that they pay."


def luck(told: Told) -> str:
    """Whether acting on them once a horizon is more than the luck of the best of those that were tried."""
    s = told["sharpe"]
    if not s["acted"]:
        return ""
    if s["deflated"] is None:
        few = s["acted"] < MIN_ACTED
        why = f"fewer than {MIN_ACTED}" if few else "all with the same result"
        return f"Acted on once a horizon: {counted(s['acted'], 'position')}, {why}, so no Sharpe ratio."
    said = (
        f"Acted on once a horizon: {counted(s['acted'], 'position')}, Sharpe ratio of a decision {number(s['sharpe'], 3, sign=True)}, "
        f"above 0 with {percent(s['probabilistic'], 1)} probability"
    )
    if s["trials"] == 1:
        return f"{said}; one configuration was tried, so nothing is deflated."
    verdict = "more than luck" if s["deflated"] >= SURE else "not more than luck"
    return f"{said}, above what the best of {s['trials']:,} reaches by luck with {percent(s['deflated'], 1)}: {verdict}."


def _known(told: Plain) -> bool:
    return told["low"] is not None
