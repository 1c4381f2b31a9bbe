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
from btcframe.testing.surroundings import undisturbed
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
    spread: int = 2,
    levels: int = LEVELS,
) -> Market:
    """What is known at a decision, just after a row closed on this book: two horizons, with the same mean.

    Parameters
    ----------
    mean : float     predicted return, bps; NaN for no prediction
    seed : int       of the sizes
    usable : bool    whether the book may be traded on
    p_up : float
    width : float    half-width of the interval, bps
    model : int      which model predicted, -1 where there is none yet
    spread : int     ticks
    levels : int     of each side
    """
    rng = np.random.default_rng([seed, 0x3A])
    rows = markets.clean_rows(3, seed)
    rows["mid"][2] = markets.INSTRUMENT.price(2 * 600_000 + spread) / 2
    row = rows[2]
    prediction = np.zeros(2, PREDICTION)
    prediction["row_ns"], prediction["horizon_ns"] = row["row_ns"], (5 * NS, 30 * NS)
    prediction["mean"], prediction["p_up"] = mean, p_up if np.isfinite(mean) else np.nan
    prediction["low"], prediction["high"] = mean - width, mean + width
    prediction["model"] = model
    steps = np.arange(levels if usable else 0, dtype=np.int64)
    return Market(
        now_ns=int(row["row_ns"]) + NS // 100,
        instrument=markets.INSTRUMENT,
        usable=usable,
        bid_ticks=600_000 - steps,
        bid_lots=rng.integers(1, 5000, len(steps)),
        ask_ticks=600_000 + spread + steps,
        ask_lots=rng.integers(1, 5000, len(steps)),
        row=row,
        x=rng.normal(size=len(COLUMNS)),
        columns=COLUMNS,
        regime=np.array([0.2, 0.5, 0.3]),
        prediction=prediction,
    )


def positions() -> tuple[Position, ...]:
    """Flat, long and short, small and large, with and without working orders, and after one that ended."""
    now = markets.START_NS

    def working(
        order_id: int,
        side: int,
        ticks: int,
        reduce_only: bool = False,
        state: OrderState = OrderState.PARTIALLY_FILLED,
        tif: TimeInForce = TimeInForce.GTC,
    ) -> Working:
        filled = 40 if state == OrderState.PARTIALLY_FILLED else 0
        return Working(order_id, side, ticks, 100, filled, int(state), now, reduce_only, tif)

    post_only, ioc = TimeInForce.POST_ONLY, TimeInForce.IOC
    ended = now + 3 * NS  # the rows of `market` have closed by then: what ended has just ended
    denied = working(1, 1, 600_000, False, OrderState.DENIED, post_only)._replace(ended_ns=ended)
    left = working(2, -1, 600_000, True, OrderState.CANCELED, ioc)._replace(ended_ns=ended)
    return (
        Position(),
        Position(500, 59_990.0),
        Position(-500, 60_010.0),
        Position(10_000_000, 60_000.0),
        Position(-10_000_000, 60_000.0),
        Position(0, 0.0, (working(1, 1, 599_995), working(2, -1, 600_020))),
        Position(500, 60_000.0, (working(3, -1, 600_002, True),)),
        Position(40, 60_000.0, (working(4, 1, 599_999, tif=post_only),)),
        Position(-40, 60_000.0, (working(5, -1, 600_002, tif=post_only),)),
        Position(500, 60_000.0, (working(6, -1, 600_010, True, OrderState.ACCEPTED, post_only),)),
        Position(0, 0.0, (working(7, 1, 600_000, state=OrderState.PENDING_CANCEL, tif=post_only),)),
        Position(0, 0.0, (working(8, 1, 600_010, state=OrderState.SUBMITTED, tif=ioc),)),
        Position(0, 0.0, (), denied),
        Position(500, 60_000.0, (), left),
    )


def markets_of_interest() -> tuple[Market, ...]:
    """Strong and weak predictions either way, none at all, books wide, thin, and such as cannot be traded on."""
    means = (0.0, 0.4, -0.4, 25.0, -25.0, 1e6, float("nan"))
    usable = [market(mean, seed=i, p_up=float(mean > 0)) for i, mean in enumerate(means)]
    none = float("nan")
    return (
        *usable,
        market(none, model=-1),
        market(25.0, usable=False),
        market(none, usable=False, model=-1),
        market(25.0, spread=1),
        market(-25.0, spread=500),
        market(25.0, levels=1),
        _unpriced(market(25.0)),
    )


def _unpriced(view: Market) -> Market:
    """A whole book after a row that closed without a mid."""
    row = np.array(view.row)
    row["mid"] = np.nan
    return view._replace(row=row[()])


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
    """Intents are well-formed, and none is sure to be refused: see `_problem`."""
    for view, position in _situations():
        touched: set[int] = set()
        for intent in _decided(policy, view, position):
            problem, cure = _problem(intent, view, position)
            if not problem and intent.order_id in touched:
                problem, cure = "it is changed twice in one decision", "Amend an order or cancel it, once."
            if problem:
                raise ContractError(
                    f"{name_of(policy)} makes an order that cannot be sent: {problem}: {intent}", cure
                )
            if intent.action != Action.SUBMIT:
                touched.add(intent.order_id)


_FORM = (
    "lots > 0 and ticks >= 0 are ints, 0 ticks for an IOC or FOK order at any price; side is +1 or -1; AMEND and CANCEL "
    "name a working order."
)


def _problem(intent: Intent, view: Market, position: Position) -> tuple[str, str]:
    """What is wrong with an intent, and the cure; "" where nothing is."""
    if not isinstance(intent, Intent) or intent.action not in tuple(Action):
        return "not an Intent with a known action", _FORM
    order = next((w for w in position.working if w.order_id == intent.order_id), None)
    if intent.action != Action.SUBMIT:
        if order is None:
            return f"order {intent.order_id} is not working", _FORM
        if order.state == OrderState.PENDING_CANCEL:
            return (
                f"order {intent.order_id} is being canceled",
                "Wait until an order is final, it may still fill.",
            )
        if intent.action == Action.CANCEL:
            return "", ""
    if not all(isinstance(v, (int, np.integer)) for v in (intent.lots, intent.ticks)):
        return "lots and ticks must be whole numbers", _FORM
    if intent.lots <= 0 or intent.ticks < 0:
        return "lots must be positive, ticks not negative", _FORM
    if order is not None:
        if (intent.lots, intent.ticks) == (order.lots, order.ticks):
            return "the amendment changes nothing", "Leave an order alone whose price and size are right."
        return _misplaced(intent, order.side, order.tif, view)
    if intent.side not in (1, -1):
        return f"side {intent.side!r}", _FORM
    if intent.tif not in tuple(TimeInForce):
        return f"time in force {intent.tif!r}", _FORM
    if intent.reduce_only and intent.side * position.lots >= 0:
        return (
            f"reduce-only, and {position.lots} are held",
            "Reduce against the position, -1 where it is long.",
        )
    return _misplaced(intent, intent.side, intent.tif, view)


def _misplaced(intent: Intent, side: int, tif: int, view: Market) -> tuple[str, str]:
    """What is wrong with the price of an order of this side and time in force."""
    if intent.ticks == 0 and tif not in (TimeInForce.IOC, TimeInForce.FOK):
        return "a resting order without a price", _FORM
    if tif == TimeInForce.POST_ONLY and view.usable:
        opposite = int((view.ask_ticks if side > 0 else view.bid_ticks)[0])
        if side * intent.ticks >= side * opposite:
            return (
                f"post-only at {intent.ticks}, and the book offers {opposite}",
                "A price that takes is refused: stay inside the opposite best.",
            )
    return "", ""


def check_bears_every_market(policy: Any) -> None:
    """It decides on every market and position: books of one level and of none, rows without a mid or a prediction."""
    for view, position in _situations():
        try:
            _decided(policy, view, position)
        except Exception as error:
            levels = f"{len(view.bid_ticks)} bids and {len(view.ask_ticks)} asks"
            mid, means = float(view.row["mid"]), view.prediction["mean"].tolist()
            raise ContractError(
                f"{name_of(policy)} raises {type(error).__name__}: {error}, on a book of {levels}, a row with mid "
                f"{mid}, predictions {means}, and {position}",
                "Books may be one-sided or have a single level, and mids and predictions may be NaN.",
            ) from error


def check_settles(policy: Any) -> None:
    """Asked again in the same moment, with what it asked for on its way, it falls quiet."""
    for view, asked in _situations():
        position, intents = asked, _decided(policy, view, asked)
        for _ in range(20):
            if not intents:
                break
            position = _sent(position, intents, view.now_ns)
            intents = _decided(policy, view, position)
        if intents:
            raise ContractError(
                f"{name_of(policy)} never settles: at one moment, from {asked}, it still asks for {list(intents)} "
                f"when {len(position.working)} orders are on their way",
                "What is asked for stands in position.working until the venue has answered: count it in.",
            )


def _sent(position: Position, intents: Sequence[Intent], now_ns: int) -> Position:
    """The position once these have been sent and nothing was answered."""
    working = {order.order_id: order for order in position.working}
    for intent in intents:
        if intent.action == Action.SUBMIT:
            order_id = 1 + max(working, default=100)
            state = int(OrderState.SUBMITTED)
            working[order_id] = Working(
                order_id,
                intent.side,
                intent.ticks,
                intent.lots,
                0,
                state,
                now_ns,
                intent.reduce_only,
                intent.tif,
            )
        elif intent.action == Action.AMEND:
            working[intent.order_id] = working[intent.order_id]._replace(ticks=intent.ticks, lots=intent.lots)
        else:
            state = int(OrderState.PENDING_CANCEL)
            working[intent.order_id] = working[intent.order_id]._replace(state=state)
    return position._replace(working=tuple(working.values()))


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


def check_global_state(policy: Any) -> None:
    """Nothing outside it is changed: no generator, environment, warnings filter, thread count, …: see `surroundings`."""

    def work() -> None:
        for view, position in _situations():
            _decided(policy, view, position)

    undisturbed(name_of(policy), work)


CHECKS = (
    check_bears_every_market,
    check_pure,
    check_intents,
    check_settles,
    check_opens_nothing_blind,
    check_wakes,
    check_global_state,
    check_docstring,
    check_config_roundtrip,
    check_light_import,
)
