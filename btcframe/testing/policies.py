"""The contract of a policy: pure, and what it asks for can be sent."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from btcframe.api import Action, Intent, Market, Position, Wakes, Working
from btcframe.testing import markets
from btcframe.testing.checks import (
    ContractError,
    check_config_roundtrip,
    check_docstring,
    check_light_import,
    differing,
    name_of,
)
from btcframe.types import LEVELS, NS, PREDICTION, OrderState, TimeInForce

COLUMNS = ("f0", "f1")


def market(
    mean: float = 0.0,
    *,
    seed: int = 0,
    usable: bool = True,
    p_up: float = 0.5,
    width: float = 5.0,
    model: int = 0,
) -> Market:
    """What is known at a decision: a book of 20 levels with a spread of two ticks, two horizons, one mean each.

    Parameters
    ----------
    mean : float     predicted return, bps; NaN for no prediction
    seed : int       of the sizes
    usable : bool    whether the book may be traded on
    p_up : float
    width : float    half-width of the interval, bps
    model : int      which model predicted, -1 where there is none yet
    """
    rng = np.random.default_rng([seed, 0x3A])
    row = markets.clean_rows(3, seed)[2]
    prediction = np.zeros(2, PREDICTION)
    prediction["row_ns"], prediction["horizon_ns"] = row["row_ns"], (5 * NS, 30 * NS)
    prediction["mean"], prediction["p_up"] = mean, p_up if np.isfinite(mean) else np.nan
    prediction["low"], prediction["high"] = mean - width, mean + width
    prediction["model"] = model
    steps = np.arange(LEVELS if usable else 0, dtype=np.int64)
    return Market(
        now_ns=int(row["row_ns"]) + NS // 100,
        instrument=markets.INSTRUMENT,
        usable=usable,
        bid_ticks=600_000 - steps,
        bid_lots=rng.integers(1, 5000, len(steps)),
        ask_ticks=600_002 + steps,
        ask_lots=rng.integers(1, 5000, len(steps)),
        row=row,
        x=rng.normal(size=len(COLUMNS)),
        columns=COLUMNS,
        regime=np.array([0.2, 0.5, 0.3]),
        prediction=prediction,
    )


def positions() -> tuple[Position, ...]:
    """Flat, long and short, small and large, with and without working orders."""
    now = markets.START_NS

    def working(order_id: int, side: int, ticks: int, reduce_only: bool = False) -> Working:
        return Working(order_id, side, ticks, 100, 40, int(OrderState.PARTIALLY_FILLED), now, reduce_only)

    return (
        Position(),
        Position(500, 59_990.0),
        Position(-500, 60_010.0),
        Position(10_000_000, 60_000.0),
        Position(-10_000_000, 60_000.0),
        Position(0, 0.0, (working(1, 1, 599_995), working(2, -1, 600_020))),
        Position(500, 60_000.0, (working(3, -1, 600_002, True),)),
    )


def markets_of_interest() -> tuple[Market, ...]:
    """Strong and weak predictions either way, none at all, and a book that cannot be traded on."""
    means = (0.0, 0.4, -0.4, 25.0, -25.0, 1e6, float("nan"))
    usable = [market(mean, seed=i, p_up=float(mean > 0)) for i, mean in enumerate(means)]
    none = float("nan")
    return (*usable, market(none, model=-1), market(25.0, usable=False), market(none, usable=False, model=-1))


def reduces(intent: Intent, position: Position) -> bool:
    """Whether an intent can only make the position smaller, even if everything that works fills first."""
    working = sum(w.lots - w.filled_lots for w in position.working if w.side == intent.side)
    return intent.reduce_only or intent.lots + working <= -intent.side * position.lots


def _situations() -> Iterator[tuple[Market, Position]]:
    return itertools.product(markets_of_interest(), positions())


def arrays_of(view: Market) -> dict[str, Any]:
    """Copies of everything in a Market that could be written to."""
    names = ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots", "row", "x", "regime", "prediction")
    return {name: np.atleast_1d(np.array(getattr(view, name))) for name in names}


def changed_in(view: Market, before: dict[str, Any]) -> str:
    """Name of the first array that is not what it was, "" without."""
    for name, array in arrays_of(view).items():
        if differing(before[name], array).any():
            return f"market.{name}"
    return ""


def _decided(policy: Any, view: Market, position: Position) -> Sequence[Intent]:
    intents: Sequence[Intent] = policy.decide(view, position)
    return intents


def check_pure(policy: Any) -> None:
    """The same situation gives the same intents, whatever was decided before, and nothing is changed."""
    situations = list(_situations())
    first = []
    for view, position in situations:
        before = arrays_of(view)
        first.append(list(_decided(policy, view, position)))
        where = changed_in(view, before)
        if where:
            raise ContractError(
                f"{name_of(policy)} changes its input: {where}",
                "A policy reads the market and answers with intents; copy what you change.",
            )
    for instance in (policy, dataclasses.replace(policy)):
        for i in reversed(range(len(situations))):
            again = list(_decided(instance, *situations[i]))
            if again != first[i]:
                raise ContractError(
                    f"{name_of(policy)} is not pure: it keeps hidden state or draws at random: in one situation it "
                    f"answered {first[i]}, then {again}",
                    "Decide from `market` and `position` only: working orders and the time stand in them.",
                )


def check_intents(policy: Any) -> None:
    """Intents are well-formed: known action, side and order, positive lots, integer ticks."""
    cure = "lots > 0 and ticks >= 0 (0 for a market order) are ints, side is +1 or -1; AMEND and CANCEL name a working order."
    for view, position in _situations():
        for intent in _decided(policy, view, position):
            problem = _problem(intent, position)
            if problem:
                raise ContractError(
                    f"{name_of(policy)} makes an order that cannot be sent: {problem}: {intent}", cure
                )


def _problem(intent: Intent, position: Position) -> str:
    if not isinstance(intent, Intent) or intent.action not in tuple(Action):
        return "not an Intent with a known action"
    if intent.action != Action.SUBMIT and intent.order_id not in [w.order_id for w in position.working]:
        return f"order {intent.order_id} is not working"
    if intent.action == Action.CANCEL:
        return ""
    if not all(isinstance(v, (int, np.integer)) for v in (intent.lots, intent.ticks)):
        return "lots and ticks must be whole numbers"
    if intent.lots <= 0 or intent.ticks < 0:
        return "lots must be positive, ticks not negative"
    if intent.action == Action.SUBMIT and intent.side not in (1, -1):
        return f"side {intent.side!r}"
    if intent.action == Action.SUBMIT and intent.tif not in tuple(TimeInForce):
        return f"time in force {intent.tif!r}"
    return ""


def check_opens_nothing_blind(policy: Any) -> None:
    """With an unusable book, or without a prediction, it opens nothing new."""
    for view, position in _situations():
        if view.usable and np.isfinite(view.prediction["mean"]).any():
            continue
        for intent in _decided(policy, view, position):
            if intent.action == Action.SUBMIT and not reduces(intent, position):
                why = "on an unusable book" if not view.usable else "without a prediction"
                raise ContractError(
                    f"{name_of(policy)} opens a position {why}: {intent} at position {position.lots}",
                    "Where market.usable is false or the prediction is NaN, cancel or reduce, but open nothing.",
                )


def check_wakes(policy: Any) -> None:
    """`wakes` is a Wakes with a period that is not negative."""
    wakes = policy.wakes
    if not isinstance(wakes, Wakes) or wakes.timer_ns < 0:
        raise ContractError(
            f"{name_of(policy)}.wakes is {wakes!r}",
            "A property that gives btcframe.api.Wakes(best=…, timer_ns=…).",
        )


CHECKS = (
    check_pure,
    check_intents,
    check_opens_nothing_blind,
    check_wakes,
    check_docstring,
    check_config_roundtrip,
    check_light_import,
)
