"""Which method tells more: one fixed rule.

Methods are ranked by the share of the variance of ln forward volatility over the longest horizon that their regimes
explain out of sample (`worth.explained`). Of two, one beats the other if the 95 % interval of the difference, drawn
together over the same blocks of time, lies on one side of 0; otherwise no difference can be told. The method that
stands first in the config is judged against the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from btcframe.regime_study.worth import Compared
from btcframe.report.metrics import MIN_BLOCKS, Estimate
from btcframe.report.words import number, percent
from btcframe.types import duration_name


class Verdict(NamedTuple):
    """What may be said.

    Parameters
    ----------
    answer : str              a line
    sentences : list of str   one for each other method, and what of the direction
    """

    answer: str
    sentences: list[str]


def verdict(
    first: str, worth: Compared, added: Mapping[str, Estimate], direction: Sequence[Compared], horizons_ns: Sequence[int], left_out: Mapping[str, str]
) -> Verdict:  # fmt: skip
    """Judge the method `first` against the others.

    Parameters
    ----------
    first : str
    worth : Compared                    variance explained over the longest horizon
    added : mapping                     what the first tells beside each other
    direction : sequence of Compared    IC over each horizon
    horizons_ns : sequence of int
    left_out : mapping                  methods that could not be fitted, and why
    """
    said = [f"{name} is left out: {why}." for name, why in left_out.items()]
    direction_said = _direction(direction, horizons_ns)
    others = [name for name in worth.value if name != first]
    if first in left_out:
        best = max(others, key=lambda name: _or_least(worth.value[name]))
        return Verdict(
            f"{first} cannot be judged: it could not be fitted",
            [*said, f"Best of the others is {best}.", direction_said],
        )
    if not others:
        return Verdict(f"{first} is alone: there is nothing to compare it with", [*said, direction_said])
    if math.isnan(worth.value[first].value):
        return Verdict(
            "Forward volatility never changes: there is nothing to explain", [*said, direction_said]
        )
    apart = {name: _apart(worth, first, name) for name in others}
    told = [
        s
        for name in others
        for s in (_pair(first, name, worth, apart[name]), _beside(first, name, added[name]))
    ]
    said = [*filter(None, told), *said, direction_said]
    better = [name for name in others if apart[name].high < 0]
    worse = [name for name in others if apart[name].low > 0]
    if all(math.isnan(e.low) for e in apart.values()):
        answer = f"Too little data to tell {first} from {_and(others)}"
    elif better:
        answer = f"{_and(better)} {'beats' if len(better) == 1 else 'beat'} {first}"
    elif len(worse) == len(others):
        answer = f"{first} beats {_and(worse)}"
    elif worse:
        even = [name for name in others if name not in worse]
        answer = f"{first} beats {_and(worse)}; from {_and(even)} it cannot be told apart"
    else:
        answer = f"{first} cannot be told apart from {_and(others)}"
    return Verdict(answer, said)


def _apart(worth: Compared, first: str, other: str) -> Estimate:
    """First − other."""
    if (first, other) in worth.difference:
        return worth.difference[first, other]
    value, low, high = worth.difference[other, first]
    return Estimate(-value, -high, -low)


def _pair(first: str, other: str, worth: Compared, apart: Estimate) -> str:
    a, b = worth.value[first].value, worth.value[other].value
    shares = f"{percent(a, 1)} against {percent(b, 1)} of the variance"
    if math.isnan(apart.low):
        return f"{first} and {other}: {shares}; too little data for an interval (at least {MIN_BLOCKS} blocks of time are needed)."
    if apart.high < 0:
        return f"{other} beats {first}: {percent(b, 1)} against {percent(a, 1)} of the variance, {_points(-apart.value, -apart.high, -apart.low)} more."
    if apart.low > 0:
        return f"{first} beats {other}: {shares}, {_points(*apart)} more."
    return f"No difference between {first} and {other} can be told: {shares}, difference {_points(*apart)}."


def _beside(first: str, other: str, more: Estimate) -> str:
    """What the first tells that the other does not; nothing without an interval."""
    if math.isnan(more.low):
        return ""
    if more.low > 0:
        return f"{first} adds {_points(*more)} to what {other} tells."
    if more.high < 0:
        return f"{first} takes {_points(-more.value, -more.high, -more.low)} from what {other} tells alone."
    return f"It cannot be told that {first} adds anything to {other}: {_points(*more)}."


def _points(value: float, low: float, high: float) -> str:
    v, a, b = (number(100 * x, 1) for x in (value, low, high))
    return f"{v} points [{a}, {b}]"


def _direction(direction: Sequence[Compared], horizons_ns: Sequence[int]) -> str:
    """Whether any regime tells which way the price goes."""
    found, unknown = [], True
    for horizon, compared in zip(horizons_ns, direction, strict=True):
        for name, ic in compared.value.items():
            unknown = unknown and math.isnan(ic.low)
            if ic.low > 0 or ic.high < 0:
                way = "" if ic.low > 0 else ", the wrong way round"
                interval = f"[{number(ic.low, 3, sign=True)}, {number(ic.high, 3, sign=True)}]"
                found.append(
                    f"{name} over {duration_name(horizon)} (IC {number(ic.value, 3, sign=True)} {interval}{way})"
                )
    if found:
        tried = len(direction) * len(direction[0].value)
        return f"Direction is told by {_and(found)}; of {tried} intervals one in twenty errs by chance."
    if unknown:
        return "Direction: too little data to say anything."
    return "Direction: no method's regime tells which way the price goes."


def _or_least(e: Estimate) -> float:
    return -math.inf if math.isnan(e.value) else e.value


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
