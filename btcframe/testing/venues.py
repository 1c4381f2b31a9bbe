"""The contract of a venue that can be simulated, and `VenueSuite` for third parties.

Much of it is about generosity: a backtest is worth no more than the fills its venue refuses.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from btcframe.api import Action, Gateway, Intent, RealVenue, Reports
from btcframe.testing import markets
from btcframe.testing.checks import (
    ContractError,
    NotApplicable,
    check_config_roundtrip,
    check_docstring,
    check_light_import,
    name_of,
)
from btcframe.testing.surroundings import undisturbed
from btcframe.types import FILL, LEVELS, NS, ORDER, EventArray, Kind, OrderState, StateArray, TimeInForce

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
    if isinstance(venue, RealVenue):
        raise NotApplicable("it sends orders to an exchange: a test sends none")
    gateway = venue.open(markets.INSTRUMENT, seed=0)
    orders, fills = [np.empty(0, ORDER)], [np.empty(0, FILL)]

    def hear(reports: Reports, until_ns: int) -> None:
        for table in reports:
            if len(table) and int(table["ns"].max()) > until_ns:
                raise ContractError(
                    f"{name_of(venue)}.advance tells at {until_ns} of what is known at {int(table['ns'].max())}",
                    "A report is kept until it is due: `ns` is the time it is then.",
                )
        orders.append(reports.orders.copy())
        fills.append(reports.fills.copy())

    stops = sorted({*actions, *range(0, len(events), chunk), len(events)})
    for start, stop in itertools.pairwise(stops):
        if start in actions:
            actions[start](gateway, int(events["local_ts"][start - 1]) if start else markets.START_NS)
        at = start
        while at < stop:
            taken, reports = gateway.advance(events[at:stop], int(events["local_ts"][stop - 1]))
            hear(reports, int(events["local_ts"][min(at + taken, stop - 1)]))
            if not taken and not len(reports.orders):
                raise ContractError(
                    f"{name_of(venue)}.advance stands still at event {at}: nothing taken, nothing reported",
                    "Take all events unless a report is due.",
                )
            at += taken
    end = int(events["local_ts"][-1])
    for second in range(60):
        _, reports = gateway.advance(events[:0], end + second * NS)
        hear(reports, end + second * NS)
    told = Told(np.concatenate(orders), np.concatenate(fills), gateway.reconcile().lots, gateway.busy)
    gateway.close()
    gateway.close()  # harmless when done twice
    return told


def _market_order(side: int, lots: int, order_id: int = 1) -> Callable[[Gateway, int], None]:
    intent = Intent(Action.SUBMIT, side, lots, 0, TimeInForce.IOC)
    return lambda gateway, now: gateway.submit(order_id, intent, now)


def _limit_order(
    side: int,
    lots: int,
    ticks: int,
    order_id: int = 1,
    tif: TimeInForce = TimeInForce.GTC,
    *,
    reduce_only: bool = False,
) -> Callable[[Gateway, int], None]:
    intent = Intent(Action.SUBMIT, side, lots, ticks, tif, reduce_only)
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


BID, ASK = 600_000, 600_001
"""The best prices of `markets.events`: they never move."""

SOON = AFTER_SNAPSHOT + 50


def check_limits(venue: Any) -> None:
    """A limit is never passed, IOC leaves nothing at work, FOK takes all or nothing."""
    actions = {
        SOON: _limit_order(1, 5_000, ASK + 1, 1, TimeInForce.IOC),
        400: _limit_order(-1, 100_000, BID - 3, 2, TimeInForce.FOK),
        700: _limit_order(1, 5_000, ASK, 3),
        900: lambda gateway, now: gateway.cancel(3, now),
    }
    told = drive(venue, markets.events(1500), actions)
    name = name_of(venue)
    for order_id, worst in ((1, ASK + 1), (3, ASK)):
        fills = told.fills[told.fills["order_id"] == order_id]
        if not len(fills) or (fills["ticks"] > worst).any():
            raise ContractError(
                f"{name}: an order to buy at {worst} at most is filled at {fills['ticks'].tolist()}",
                "It takes what is offered up to its limit, each level at its price, and nothing beyond.",
            )
    ends = {i: told.orders["state"][told.orders["order_id"] == i].tolist() for i in (1, 2)}
    whole = told.orders["filled_lots"][told.orders["order_id"] == 2].tolist()
    if OrderState.ACCEPTED in ends[1] or ends[1][-1] != OrderState.CANCELED:
        raise ContractError(
            f"{name}: an IOC order that is not filled in whole has states {ends[1]}", "Cancel it."
        )
    if ends[2][-1] != OrderState.CANCELED or any(whole):
        raise ContractError(
            f"{name}: a FOK order larger than the book has states {ends[2]}, {whole} lots filled",
            "All or nothing: cancel it.",
        )


def check_post_only(venue: Any) -> None:
    """A post-only order never takes: it is refused where it would, and is a maker where it is filled."""
    actions = {
        SOON: _limit_order(1, 100, ASK, 1, TimeInForce.POST_ONLY),
        300: _limit_order(-1, 20, ASK, 2, TimeInForce.POST_ONLY),
        2500: lambda gateway, now: gateway.cancel(2, now),
    }
    told = drive(venue, markets.events(3000), actions)
    states = told.orders["state"][told.orders["order_id"] == 1].tolist()
    refused = len(states) == 1 and states[0] in (OrderState.REJECTED, OrderState.CANCELED)
    if not refused or not told.fills["maker"].all():
        raise ContractError(
            f"{name_of(venue)}: a post-only order that crosses has states {states}; fills of post-only orders are "
            f"maker {told.fills['maker'].tolist()}",
            "Reject what would take.",
        )


def check_reduce_only(venue: Any) -> None:
    """A reduce-only order never opens a position, nor turns one round."""
    actions = {
        SOON: _limit_order(1, 100, ASK + 5, 1, TimeInForce.IOC, reduce_only=True),
        200: _market_order(1, 100, 2),
        400: _limit_order(-1, 300, BID - 5, 3, TimeInForce.IOC, reduce_only=True),
    }
    told = drive(venue, markets.events(1000), actions)
    sides = {i: int(told.fills["lots"][told.fills["order_id"] == i].sum()) for i in (1, 2, 3)}
    if sides != {1: 0, 2: 100, 3: 100}:
        raise ContractError(
            f"{name_of(venue)}: reduce-only orders filled {sides[1]} lots with nothing held and {sides[3]} with "
            f"{sides[2]} held",
            "Cut it to what there is to reduce.",
        )


def check_amend(venue: Any) -> None:
    """An amendment is answered with the order as it is then."""
    actions = {
        SOON: _limit_order(-1, 100, ASK + 400, 1),
        400: lambda gateway, now: gateway.amend(1, ASK + 300, 150, now),
        800: lambda gateway, now: gateway.cancel(1, now),
    }
    told = drive(venue, markets.events(1000), actions)
    seen = [(int(o["ticks"]), int(o["lots"])) for o in told.orders]
    if (
        (ASK + 400, 100) not in seen
        or (ASK + 300, 150) not in seen
        or told.orders["state"][-1] != OrderState.CANCELED
    ):
        raise ContractError(
            f"{name_of(venue)}: an order of 100 lots at {ASK + 400}, amended to 150 at {ASK + 300}, is reported as {seen}",
            "Report it with its new price and total.",
        )


def check_queue(venue: Any) -> None:
    """Who joins a queue is behind it: prints smaller than what stood there do not reach him."""
    events = markets.events(300)
    quiet = events[AFTER_SNAPSHOT:]
    quiet["kind"], quiet["side"], quiet["ticks"], quiet["lots"] = Kind.TRADE, -1, BID, 4
    quiet[:50]["kind"], quiet[:50]["side"] = Kind.DEPTH, 1  # far away, while the order is on its way
    quiet[:50]["ticks"], quiet[:50]["lots"] = BID - 600, 1
    told = drive(venue, events, {AFTER_SNAPSHOT + 5: _limit_order(1, 50, BID)})
    if got := int(told.fills["lots"].sum()):
        raise ContractError(
            f"{name_of(venue)}: 1000 lots were bid where ours joined, {4 * (len(quiet) - 50)} were sold there, and "
            f"ours got {got}",
            "What is shown at a price when an order joins is served before it.",
        )


def check_gap(venue: Any) -> None:
    """While the feed has lost the book, nothing is filled."""
    events = markets.events(1000)
    events["kind"][300], events["lots"][300] = Kind.GAP, 0
    actions = {
        SOON: _limit_order(1, 100, BID),
        500: _market_order(1, 50, 2),
    }
    told = drive(venue, events, actions)
    lost = int(events["local_ts"][300])
    made = told.fills["ns"][told.fills["venue_ns"] > lost]
    if len(made):
        raise ContractError(
            f"{name_of(venue)}: {len(made)} fills after the book was lost",
            "Nothing is known of the market between a GAP and the next snapshot: reject what arrives.",
        )


def check_goes_on(venue: Any) -> None:
    """A venue that takes `held` opens with that position."""
    if "held" not in inspect.signature(venue.open).parameters:
        return
    gateway = venue.open(markets.INSTRUMENT, seed=0, held=-7)
    lots = gateway.reconcile().lots
    gateway.close()
    if lots != -7:
        raise ContractError(
            f"{name_of(venue)}.open(held=-7) holds {lots} lots",
            "A session that is restarted goes on with it.",
        )


def check_global_state(venue: Any) -> None:
    """Nothing outside it is changed: no generator, environment, warnings filter, thread count, …: see `surroundings`."""
    undisturbed(name_of(venue), lambda: _busy_day(venue))


CHECKS = (
    check_market_order,
    check_resting_order,
    check_reports,
    check_limits,
    check_post_only,
    check_reduce_only,
    check_amend,
    check_queue,
    check_gap,
    check_goes_on,
    check_chunk_invariant,
    check_global_state,
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

    def test_limits(self) -> None:
        check_limits(self.make())

    def test_post_only(self) -> None:
        check_post_only(self.make())

    def test_reduce_only(self) -> None:
        check_reduce_only(self.make())

    def test_amend(self) -> None:
        check_amend(self.make())

    def test_queue(self) -> None:
        check_queue(self.make())

    def test_gap(self) -> None:
        check_gap(self.make())

    def test_goes_on(self) -> None:
        check_goes_on(self.make())

    def test_global_state(self) -> None:
        check_global_state(self.make())
