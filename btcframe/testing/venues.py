"""The contract of a venue that can be simulated, and `VenueSuite` for third parties."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from btcframe.api import Action, Gateway, Intent
from btcframe.testing import markets
from btcframe.testing.checks import (
    ContractError,
    check_config_roundtrip,
    check_docstring,
    check_light_import,
    name_of,
)
from btcframe.types import FILL, LEVELS, NS, ORDER, EventArray, OrderState, StateArray, TimeInForce

AFTER_SNAPSHOT = 2 * LEVELS + 1
Actions = Mapping[int, Callable[[Gateway, int], None]]


class Told(NamedTuple):
    """Everything a venue reported."""

    orders: StateArray  # ORDER[a]
    fills: StateArray  # FILL[b]
    position: int  # the venue's own view at the end
    busy: bool


def drive(venue: Any, events: EventArray, actions: Actions, *, chunk: int = 1000) -> Told:
    """Let the market run, doing ``actions[i](gateway, now_ns)`` before event i, then a minute of silence."""
    gateway = venue.open(markets.INSTRUMENT, seed=0)
    orders, fills = [np.empty(0, ORDER)], [np.empty(0, FILL)]
    stops = sorted({*actions, *range(0, len(events), chunk), len(events)})
    for start, stop in itertools.pairwise(stops):
        if start in actions:
            actions[start](gateway, int(events["local_ts"][start - 1]) if start else markets.START_NS)
        at = start
        while at < stop:
            taken, reports = gateway.advance(events[at:stop], int(events["local_ts"][stop - 1]))
            orders.append(reports.orders.copy())
            fills.append(reports.fills.copy())
            if not taken and not len(reports.orders):
                raise ContractError(
                    f"{name_of(venue)}.advance stands still at event {at}: nothing taken, nothing reported",
                    "Take all events unless a report is due.",
                )
            at += taken
    end = int(events["local_ts"][-1])
    for second in range(60):
        _, reports = gateway.advance(events[:0], end + second * NS)
        orders.append(reports.orders.copy())
        fills.append(reports.fills.copy())
    told = Told(np.concatenate(orders), np.concatenate(fills), gateway.reconcile().lots, gateway.busy)
    gateway.close()
    gateway.close()  # harmless when done twice
    return told


def _market_order(side: int, lots: int, order_id: int = 1) -> Callable[[Gateway, int], None]:
    intent = Intent(Action.SUBMIT, side, lots, 0, TimeInForce.IOC)
    return lambda gateway, now: gateway.submit(order_id, intent, now)


def _limit_order(side: int, lots: int, ticks: int, order_id: int) -> Callable[[Gateway, int], None]:
    intent = Intent(Action.SUBMIT, side, lots, ticks, TimeInForce.GTC)
    return lambda gateway, now: gateway.submit(order_id, intent, now)


def _busy_day(venue: Any, chunk: int = 1000) -> Told:
    """Market orders either way, limit orders near and far, cancels of all kinds."""
    events = markets.events(4000)
    actions = {
        100: _market_order(1, 300, 1),
        400: _limit_order(1, 200, 600_000, 2),
        700: _limit_order(-1, 200, 600_400, 3),
        1000: lambda gateway, now: gateway.amend(3, 600_300, 250, now),
        1500: _market_order(-1, 500, 4),
        2000: lambda gateway, now: gateway.cancel(3, now),
        2500: lambda gateway, now: gateway.cancel(2, now),
        2600: lambda gateway, now: gateway.cancel(1, now),  # final long ago
    }
    return drive(venue, events, actions, chunk=chunk)


def check_market_order(venue: Any) -> None:
    """A market order on a deep book is filled in whole, and comes to an end."""
    told = drive(venue, markets.events(1000), {AFTER_SNAPSHOT + 50: _market_order(1, 100)})
    states = told.orders["state"].tolist()
    filled = int(told.fills["lots"].sum())
    if not states or states[-1] != OrderState.FILLED or filled != 100 or told.position != 100:
        raise ContractError(
            f"{name_of(venue)}: a market order for 100 lots on a deep book ends with states {states}, {filled} lots "
            f"filled, position {told.position}",
            "Report ACCEPTED, fills, and FILLED; reconcile() gives the position.",
        )


def check_resting_order(venue: Any) -> None:
    """A limit order far from the market rests, and goes when it is canceled."""
    actions = {
        AFTER_SNAPSHOT + 50: _limit_order(-1, 100, 600_500, 1),
        1500: lambda gateway, now: gateway.cancel(1, now),
    }
    told = drive(venue, markets.events(2000), actions)
    states = told.orders["state"].tolist()
    if OrderState.ACCEPTED not in states or states[-1] != OrderState.CANCELED or len(told.fills) or told.busy:
        raise ContractError(
            f"{name_of(venue)}: an order far from the market, canceled later, has states {states}, "
            f"{len(told.fills)} fills, busy {told.busy}",
            "Report ACCEPTED and CANCELED; nothing trades at its price.",
        )


def check_reports(venue: Any) -> None:
    """Reports are in order of time, sums agree, nothing comes after a final state."""
    told = _busy_day(venue)
    problem = _problem(told)
    if problem:
        raise ContractError(
            f"{name_of(venue)}: {problem}", "Reports are what the session's audit is made of."
        )


def _problem(told: Told) -> str:
    for reports in (told.orders, told.fills):
        if (np.diff(reports["ns"]) < 0).any():
            return "reports go back in time"
        if (reports["venue_ns"] > reports["ns"]).any():
            return "a report was known before it happened"
    position = 0
    for order_id in np.unique(told.orders["order_id"]):
        mine = told.orders[told.orders["order_id"] == order_id]
        fills = told.fills[told.fills["order_id"] == order_id]
        ends = [OrderState(s).final for s in mine["state"].tolist()]
        if any(ends[:-1]):
            return f"order {order_id} goes on after it was final: {mine['state'].tolist()}"
        if not ends[-1]:
            return f"order {order_id} never comes to an end: {mine['state'].tolist()}"
        if (np.diff(mine["filled_lots"]) < 0).any() or mine["filled_lots"][-1] != fills["lots"].sum():
            return f"order {order_id}: filled_lots {mine['filled_lots'].tolist()}, fills {fills['lots'].tolist()}"
        if (mine["filled_lots"] > mine["lots"]).any() or (fills["lots"] <= 0).any():
            return f"order {order_id} is filled beyond its size, or by nothing"
        position += int((fills["lots"] * fills["side"].astype(np.int64)).sum())
    if position != told.position:
        return f"the fills make {position} lots, reconcile() says {told.position}"
    return ""


def check_chunk_invariant(venue: Any) -> None:
    """However the events arrive, and again: the same reports."""
    one = _busy_day(venue)
    for how, other in (("run twice", _busy_day(venue)), ("with events in chunks of 7", _busy_day(venue, 7))):
        if one.orders.tobytes() != other.orders.tobytes() or one.fills.tobytes() != other.fills.tobytes():
            raise ContractError(
                f"{name_of(venue)} {how} gives other reports",
                "Match event by event; draw from a generator made of the seed.",
            )


CHECKS = (
    check_market_order,
    check_resting_order,
    check_reports,
    check_chunk_invariant,
    check_docstring,
    check_config_roundtrip,
    check_light_import,
)


class VenueSuite:
    """Behaviour of a venue: subclass it in your tests as ``class TestMine(VenueSuite)`` and give `make`."""

    def make(self) -> Any:
        """A venue that can be opened and matches against events."""
        raise NotImplementedError("return your venue")

    def test_market_order(self) -> None:
        check_market_order(self.make())

    def test_resting_order(self) -> None:
        check_resting_order(self.make())

    def test_reports(self) -> None:
        check_reports(self.make())

    def test_chunk_invariant(self) -> None:
        check_chunk_invariant(self.make())
