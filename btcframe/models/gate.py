"""The gate: which model may be promoted.

It judges what a run's walk-forward found out of sample (`report/worth.py`), horizon by horizon, against the two
baselines that every run has: to predict nothing (zero), and that what was goes on (persistence).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from btcframe.types import duration_name

RULE = (
    "A model is promoted that on one horizon at least beats zero (its IC's 95 % interval lies above 0, and its R² is "
    "above 0) and persistence (its error is smaller, and its IC larger where persistence has one), and that on no horizon is worse than either "
    "beyond chance (the interval of IC, of R², or of its lead over persistence lies below 0)."
)
"""In plain words."""

_AGAINST = {
    "ic": "its IC",
    "r2": "its R² against zero",
    "r2_persistence": "its R² against persistence",
    "ic_gap": "its lead in IC over persistence",
}
"""Scores that are looked at, in words."""


@dataclass(frozen=True)
class Refusal:
    """Why a model may not be promoted.

    Parameters
    ----------
    reasons : tuple of str    a sentence each
    """

    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.reasons)


def may_promote(worth: Sequence[Mapping[str, Any]]) -> Refusal | None:
    """None where a model may be promoted, else why not.

    Parameters
    ----------
    worth : sequence of mapping    a horizon each, plain values as `Worth.plain` gives them: "horizon_ns" and "scores",
                                   whose "ic", "r2", "r2_persistence" and "ic_gap" are {"value", "low", "high"} with
                                   None for what is not known
    """
    if not worth:
        return Refusal(("Its run does not tell what it is worth.",))
    worse = list(itertools.chain.from_iterable(_worse(one) for one in worth))
    lacking = [_lacking(one) for one in worth]
    none = [f"It beats the baselines on no horizon: {'; '.join(lacking)}."] if all(lacking) else []
    reasons = tuple(none + worse)
    return Refusal(reasons) if reasons else None


def _worse(one: Mapping[str, Any]) -> list[str]:
    """What is worse than a baseline beyond chance, a sentence each."""
    found = []
    for score, name in _AGAINST.items():
        estimate = one["scores"][score]
        if estimate["high"] is not None and estimate["high"] < 0:
            found.append(f"At {_ahead(one)} {name} is below 0 beyond chance: {_interval(estimate)}.")
    return found


def _lacking(one: Mapping[str, Any]) -> str:
    """The first thing that keeps a horizon from beating the baselines, "" where it does."""
    scores = one["scores"]
    ahead = f"at {_ahead(one)}"
    if scores["ic"]["low"] is None:
        return f"{ahead} its IC has no interval"
    if scores["ic"]["low"] <= 0:
        return f"{ahead} its IC cannot be told from 0, {_interval(scores['ic'])}"
    for score in ("r2", "r2_persistence", "ic_gap"):
        value = scores[score]["value"]
        if value is None and score == "ic_gap":
            continue  # persistence has no IC where it predicts 0 throughout: its error is what is left to compare
        if value is None:
            return f"{ahead} {_AGAINST[score]} is not known"
        if value <= 0:
            return f"{ahead} {_AGAINST[score]} is {value:.4f}"
    return ""


def _ahead(one: Mapping[str, Any]) -> str:
    return duration_name(one["horizon_ns"])


def _interval(estimate: Mapping[str, float]) -> str:
    return f"{estimate['value']:.4f} [{estimate['low']:.4f}, {estimate['high']:.4f}]"
