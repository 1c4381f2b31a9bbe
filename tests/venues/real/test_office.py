"""Requests and what becomes of them: against an exchange in memory that fails as it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from scripted_venue import INSTRUMENT, START_NS, Exchange, Time, Watched, asked

from btcframe.api import Action
from btcframe.errors import ConfigError
from btcframe.types import NS, OrderReason, OrderState
from btcframe.venues.real.journal import Journal, journal_of
from btcframe.venues.real.keeper import Keeper
from btcframe.venues.real.line import Heard
from btcframe.venues.real.office import Office, Request
from btcframe.venues.real.orders import Orders
from btcframe.venues.real.outcomes import Outcome
from btcframe.venues.real.records import Asked, Holding, Payment
from btcframe.venues.real.recovery import recover
from btcframe.venues.real.times import Times


class Venue:
    """An office and its keeper at work on an exchange in memory."""

    def __init__(self, exchange: Exchange, journal: Journal, time: Time, step: Callable[[str], None]) -> None:
        self.exchange, self.journal, self.time = exchange, journal, time
        self.watched = Watched(time)
        self.states: list[tuple[int, str, str]] = []
        self.records: list[Any] = []
        self.fills: list[tuple[int, int]] = []
        self.funding: list[tuple[float, ...]] = []
        self.orders = Orders(self._report)
        times = Times(in_flight=2, sleep=time.sleep)
        self.office = Office(exchange, journal, self.orders, self.watched.host, times, step)
        self.keeper = Keeper(self.office, {})
        exchange.hear = self.keeper.heard

    def _report(self, orders: Any, fills: Any, funding: Any) -> None:
        if funding is not None:
            self.funding += [tuple(map(float, p)) for p in funding[["rate", "position_lots", "amount"]]]
        if orders is not None:
            self.records.append(orders[0])
            state, why = OrderState(orders["state"][0]), OrderReason(orders["why"][0])
            self.states.append((int(orders["order_id"][0]), state.name, why.name))
        if fills is not None:
            self.fills.append((int(fills["order_id"][0]), int(fills["side"][0] * fills["lots"][0])))

    def steps(self, order: Asked) -> set[str]:
        """What the journal says was done about an order."""
        return {what for (what,) in self.journal._all("SELECT what FROM steps WHERE link = ?", order.link)}

    async def do(self, *requests: Request) -> None:
        """Have requests done, and everything that follows from them."""
        for request in requests:
            self.office.take(request)
        self.office.drain()
        await self.quiet()

    async def quiet(self, rounds: int = 400) -> None:
        for _ in range(rounds):
            await asyncio.sleep(0)

    @property
    def last(self) -> tuple[int, str, str]:
        return self.states[-1]


def submit(order: Asked) -> Request:
    return Request(Action.SUBMIT, order, order.ticks, order.lots)


def cancel(order: Asked) -> Request:
    return Request(Action.CANCEL, order)


def amend(order: Asked, ticks: int, lots: int) -> Request:
    return Request(Action.AMEND, order, ticks, lots)


@contextlib.asynccontextmanager
async def venue(
    path: Path,
    exchange: Exchange | None = None,
    *,
    opening: bool = True,
    step: Callable[[str], None] = lambda name: None,
) -> AsyncIterator[Venue]:
    time = exchange.time if exchange else Time()
    with journal_of(path / "account.sqlite", "BTC/USDT:USDT") as journal:
        made = Venue(exchange or Exchange(time), journal, time, step)
        made.found = await recover(made.keeper, opening)  # type: ignore[attr-defined]
        try:
            yield made
        finally:
            await made.office.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def test_an_order_lives_and_is_filled(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            order = asked(1)
            await v.do(submit(order))
            assert v.states == [(1, "ACCEPTED", "NONE")]
            v.exchange.fill(order.link, 4)
            v.exchange.fill(order.link, 6)
            assert v.fills == [(1, 4), (1, 6)]
            assert [state for _, state, _ in v.states] == ["ACCEPTED", "PARTIALLY_FILLED", "FILLED"]
            await v.quiet()
            assert v.journal.position == 10 and not v.journal.working() and not len(v.orders)
            assert v.steps(order) == {"submit.answer", "stands"}

    run(test)


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.EXISTS, Outcome.GONE])
def test_an_order_whose_answer_is_lost_is_asked_for_and_not_sent_again(
    tmp_path: Path, outcome: Outcome
) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            v.exchange.faults.append((outcome, True))
            await v.do(submit(asked(1)))
            assert v.exchange.sent == [("create", asked(1).link)]
            assert v.states == [(1, "ACCEPTED", "NONE")]
            assert [kind for kind, _ in v.watched.told] == ["order_unknown", "order_resolved"]

    run(test)


def test_an_order_that_never_arrived_is_rejected_when_that_is_certain_and_not_before(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            v.exchange.faults.append((Outcome.UNKNOWN, False))
            began_ns = v.time.ns
            await v.do(submit(asked(1, ns=began_ns)))
            assert v.states == [(1, "REJECTED", "LOST")]
            assert v.time.ns - began_ns > 7 * NS  # window and settling time
            assert not v.journal.working()
            assert v.exchange.sent == [("create", asked(1).link)]

    run(test)


def test_an_order_that_arrives_late_is_not_lost(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            v.exchange.faults.append((Outcome.UNKNOWN, False))
            late = asked(1, ns=v.time.ns)
            sleep = v.time.sleep

            async def and_then(seconds: float) -> None:
                await sleep(seconds)
                if v.time.ns > START_NS + 4 * NS and late.link not in v.exchange.orders:
                    v.exchange.rest(late.link, 10)

            object.__setattr__(v.office.times, "sleep", and_then)
            await v.do(submit(late))
            assert v.states == [(1, "ACCEPTED", "NONE")]

    run(test)


def test_an_order_is_unknown_as_long_as_the_exchange_is_away(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            v.exchange.faults.append((Outcome.UNKNOWN, True))
            create = v.exchange.create

            async def and_gone(order: Asked) -> str:
                v.exchange.hear = lambda heard: None
                try:
                    return await create(order)
                finally:
                    v.exchange.away = True

            v.exchange.create = and_gone  # type: ignore[method-assign]
            await v.do(submit(asked(1)))
            assert v.states == [] and v.time.ns > START_NS + 60 * NS
            v.exchange.away = False
            await v.quiet()
            assert v.states == [(1, "ACCEPTED", "NONE")]

    run(test)


@pytest.mark.parametrize(
    ("outcome", "why"), [(Outcome.REFUSED, "FUNDS"), (Outcome.UNSENT, "VENUE"), (Outcome.FATAL, "VENUE")]
)
def test_a_refused_order_is_rejected(tmp_path: Path, outcome: Outcome, why: str) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            v.exchange.faults.append((outcome, False))
            await v.do(submit(asked(1)))
            assert v.states == [(1, "REJECTED", why)]
            assert v.watched.stops == ([("keys", "told so")] if outcome is Outcome.FATAL else [])
            assert not v.journal.working()

    run(test)


def test_a_limit_is_waited_for_a_while_and_a_clock_is_asked_for_once(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            v.exchange.limit_ns = NS // 2
            v.exchange.faults += [(Outcome.LIMITED, False), (Outcome.CLOCK, False)]
            await v.do(submit(asked(1)))
            assert v.states == [(1, "ACCEPTED", "NONE")] and v.exchange.clocks == 2  # and at the start
            v.exchange.limit_ns = 600 * NS  # shut out
            v.exchange.faults.append((Outcome.LIMITED, False))
            await v.do(submit(asked(2)))
            assert v.last == (2, "REJECTED", "RATE")
            v.time.ns += 600 * NS
            v.exchange.faults += [(Outcome.CLOCK, False), (Outcome.CLOCK, False)]
            await v.do(submit(asked(3)))
            assert v.last == (3, "REJECTED", "VENUE")

    run(test)


def test_an_amendment_is_told_when_it_is_done_and_when_it_is_not(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            order = asked(1)
            await v.do(submit(order), amend(order, 599_000, 20))
            assert (v.records[-1]["ticks"], v.records[-1]["lots"]) == (599_000, 20)
            before = len(v.states)
            for outcome in (Outcome.REFUSED, Outcome.UNKNOWN):
                v.exchange.faults.append((outcome, False))
                await v.do(amend(order, 598_000, 30))
                assert (v.records[-1]["ticks"], v.records[-1]["lots"]) == (599_000, 20)
            assert len(v.states) == before + 2  # once each, so that the trader knows
            v.exchange.faults.append((Outcome.UNKNOWN, True))
            await v.do(amend(order, 597_000, 5))
            assert (v.records[-1]["ticks"], v.records[-1]["lots"]) == (597_000, 5)

    run(test)


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.LIMITED, Outcome.UNSENT, Outcome.REFUSED])
def test_a_cancel_is_asked_for_until_the_order_is_over(tmp_path: Path, outcome: Outcome) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            order = asked(1)
            await v.do(submit(order))
            v.exchange.faults += [(outcome, False), (outcome, False)]
            await v.do(cancel(order))
            assert v.last == (1, "CANCELED", "ASKED")
            assert [what for what, _ in v.exchange.sent] == ["create", "cancel", "cancel", "cancel"]
            await v.do(cancel(order))  # it is over: nothing goes out
            assert len(v.exchange.sent) == 4

    run(test)


def test_a_cancel_that_loses_the_race_ends_with_the_fill(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            order = asked(1)
            await v.do(submit(order))
            v.exchange.fill(order.link, 10, heard=False)
            await v.do(cancel(order))
            assert v.last == (1, "FILLED", "NONE")
            v.time.ns += 3 * NS
            await v.keeper.tick()
            await v.quiet()
            assert v.fills == [(1, 10)]  # it was asked for

    run(test)


class Stuck(Exchange):
    """An exchange that answers no order until it is let."""

    def __init__(self, time: Time) -> None:
        super().__init__(time)
        self.let = asyncio.Event()

    async def create(self, order: Asked) -> str:
        if order.order_id > 1:
            await self.let.wait()
        return await super().create(order)


def test_an_order_that_waited_too_long_does_not_leave_and_a_cancel_waits_for_none(tmp_path: Path) -> None:
    exchange = Stuck(Time())

    async def test() -> None:
        async with venue(tmp_path, exchange) as v:
            first, *others = (asked(n) for n in range(1, 6))
            await v.do(submit(first))
            await v.do(*map(submit, others))  # two are under way, and two wait for room
            await v.do(cancel(first))
            assert v.last == (1, "CANCELED", "ASKED")
            v.time.ns += 3 * NS
            exchange.let.set()
            await v.quiet()
            assert [link for what, link in exchange.sent if what == "create"] == [
                o.link for o in (first, *others[:2])
            ]
            assert {(4, "REJECTED", "RATE"), (5, "REJECTED", "RATE")} <= set(v.states)

    run(test)


def test_two_that_reduce_apart_open_together(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            await v.do(submit(asked(1)))
            v.exchange.fill(asked(1).link, 10)
            await v.quiet()
            v.journal._db.execute("PRAGMA query_only = ON")  # as a disk that is full
            await v.do(*(submit(asked(n, -1, 601_000, 7)) for n in (2, 3)))
            assert len(v.exchange.orders) == 2  # one of them left
            assert [(state, why) for n, state, why in v.states if n > 1 and state == "REJECTED"] == [
                ("REJECTED", "JOURNAL")
            ]
            v.journal._db.execute("PRAGMA query_only = OFF")

    run(test)


def test_nothing_that_opens_is_sent_unless_it_is_written_down(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            await v.do(submit(asked(1)))
            v.exchange.fill(asked(1).link, 10)
            await v.quiet()
            v.journal._db.execute("PRAGMA query_only = ON")  # as a disk that is full
            out = asked(3, -1, 601_000, reduce_only=True)
            await v.do(submit(asked(2)), submit(out))
            assert (2, "REJECTED", "JOURNAL") in v.states
            assert ("create", out.link) in v.exchange.sent and (
                "create",
                asked(2).link,
            ) not in v.exchange.sent
            await v.do(amend(out, 602_000, 10), cancel(out))
            assert v.last == (3, "CANCELED", "ASKED")
            assert [code for code, _ in v.watched.stops] == ["journal"]
            v.journal._db.execute("PRAGMA query_only = OFF")
            v.time.ns += NS
            await v.keeper.tick()
            assert [kind for kind, _ in v.watched.told] == ["journal_down", "journal_up"]
            assert v.journal.owed == 0
            assert "submit.answer" in v.steps(out)
            assert v.steps(asked(2)) == set()

    run(test)


def test_what_the_exchange_would_not_take_is_not_sent(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            await v.do(submit(asked(1, ticks=1000, lots=1)), submit(asked(2, lots=200_000)))
            assert v.states == [(1, "REJECTED", "LIMITS"), (2, "REJECTED", "LIMITS")]
            assert v.exchange.sent == [] and v.journal.working() == []
            assert "least value" in str(v.watched.logged[0]["why"])

    run(test)


def test_a_silent_stream_is_made_up_for_by_questions(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            hear, v.exchange.hear = v.exchange.hear, lambda heard: None
            order = asked(1)
            await v.do(submit(order))
            v.exchange.fill(order.link, 10, heard=False)
            v.time.ns += 3 * NS
            await v.keeper.tick()
            await v.quiet()
            v.time.ns += 3 * NS
            await v.keeper.tick()
            await v.quiet()
            assert v.fills == [(1, 10)] and v.last == (1, "FILLED", "NONE")
            hear(Heard(stands=(v.exchange.orders[order.link],), executions=tuple(v.exchange.fills)))
            assert v.fills == [(1, 10)]  # twice is once

    run(test)


def test_a_fill_by_somebody_else_stops_the_trader(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            execution = v.exchange.by_hand(-1, 7)
            v.keeper.heard(Heard(executions=(execution,)))
            assert [code for code, _ in v.watched.stops] == ["reconcile"]
            v.exchange.lots += 5  # and what no fill tells of, a liquidation for example
            v.keeper.heard(Heard(holding=Holding(v.exchange.lots, 60_000.0)))
            v.time.ns += 3 * NS
            await v.keeper.tick()
            assert len(v.watched.stops) == 2 and "+5 lots" in v.watched.stops[1][1]
            assert v.journal.position == v.exchange.lots
            v.time.ns += 40 * NS
            await v.keeper.tick()
            assert len(v.watched.stops) == 2  # said once

    run(test)


def test_an_order_that_works_after_it_was_given_up_is_canceled(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            v.exchange.faults.append((Outcome.UNKNOWN, False))
            await v.do(submit(asked(1, ns=v.time.ns)))
            assert v.states == [(1, "REJECTED", "LOST")]
            v.exchange.rest(asked(1).link, 10)
            await v.keeper.check("a test")
            await v.quiet()
            assert v.exchange.orders[asked(1).link].state is OrderState.CANCELED
            assert [code for code, _ in v.watched.stops] == ["reconcile"]
            assert v.states == [(1, "REJECTED", "LOST")]

    run(test)


def test_an_order_that_ended_while_it_was_asked_for_is_nobodys(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            await v.do(submit(asked(1)))
            works = await v.exchange.open_orders()
            v.exchange.fill(asked(1).link, 10)

            async def as_before() -> Any:
                return works

            v.exchange.open_orders = as_before  # type: ignore[method-assign]
            await v.keeper.check("a test")
            await v.quiet()
            assert v.watched.stops == []
            v.exchange.rest("bffedcba987654-1")
            del v.exchange.open_orders
            await v.keeper.check("a test")
            assert "another btcframe" in v.watched.stops[0][1]

    run(test)


def test_a_position_that_moves_all_the_while_is_not_judged(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            holding, lots = v.exchange.holding, itertools.count(1)

            async def another() -> Holding:
                return Holding(next(lots), 60_000.0)

            v.exchange.holding = another  # type: ignore[method-assign]
            await v.keeper.check("a test")
            assert v.watched.stops == []
            v.exchange.holding = holding  # type: ignore[method-assign]
            v.exchange.lots = 7
            await v.keeper.check("a test")
            assert [code for code, _ in v.watched.stops] == ["reconcile"]

    run(test)


def test_funding_is_asked_for_when_it_is_due_and_booked_once(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            await v.do(submit(asked(1)))
            v.exchange.fill(asked(1).link, 10)
            await v.keeper.tick()
            every_ns = INSTRUMENT.funding_ns
            due_ns = (v.time.ns // every_ns + 1) * every_ns
            v.time.ns = due_ns + NS
            await v.keeper.tick()
            v.time.ns = due_ns + 3 * NS
            await v.keeper.tick()
            assert v.funding == []  # not told yet
            v.exchange.paid.append(Payment("p1", 0.06, 0.0001, due_ns))
            for seconds in (6, 9, 3600):
                v.time.ns = due_ns + seconds * NS
                await v.keeper.tick()
            assert v.funding == [(0.0001, 10.0, 0.06)]
            v.exchange.paid.append(Payment("p2", -0.03, -0.00005, due_ns + every_ns))
            v.time.ns = due_ns + every_ns + 5 * NS
            await v.keeper.tick()
            assert v.funding[1:] == [(-0.00005, 10.0, -0.03)]

    run(test)


# ------------------------------------------------------------------------------------------------------ the restart


def test_a_restart_cancels_what_works_and_takes_in_what_was_missed(tmp_path: Path) -> None:
    exchange = Exchange(Time())

    async def first() -> None:
        async with venue(tmp_path, exchange) as v:
            await v.do(submit(asked(1)), submit(asked(2)))
            exchange.hear = lambda heard: None
            exchange.fill(asked(1).link, 10)
            exchange.fill(asked(2).link, 3)

    async def second() -> None:
        async with venue(tmp_path, exchange) as v:
            found = v.found  # type: ignore[attr-defined]
            assert exchange.orders[asked(2).link].state is OrderState.CANCELED
            assert [(e.link, e.lots) for e in found.fills] == [(asked(1).link, 10), (asked(2).link, 3)]
            assert found.numbers == {asked(1).link: 1, asked(2).link: 2}
            assert found.holding.lots == v.journal.position == 13
            assert v.states == [] and v.fills == []  # the trader never heard of these orders
            assert not v.journal.working() and not len(v.orders) and v.watched.stops == []
            assert any("was canceled" in note for note in found.notes)

    run(first)
    run(second)


def test_a_restart_settles_an_order_that_never_arrived(tmp_path: Path) -> None:
    exchange = Exchange(Time())
    with journal_of(tmp_path / "account.sqlite", "BTC/USDT:USDT") as journal:
        journal.asked("earlier", asked(1))  # and the process was killed
        journal.commit()

    async def test() -> None:
        async with venue(tmp_path, exchange) as v:
            assert v.found.notes == (f"order {asked(1).link} never arrived",)  # type: ignore[attr-defined]
            assert not v.journal.working() and exchange.sent == []

    run(test)


def test_a_position_from_before_the_journal_is_taken_as_it_is(tmp_path: Path) -> None:
    exchange = Exchange(Time())
    exchange.by_hand(1, 25)
    exchange.rest("by-hand-1")

    async def test() -> None:
        async with venue(tmp_path, exchange) as v:
            found = v.found  # type: ignore[attr-defined]
            assert v.journal.position == 25 == found.holding.lots and v.watched.stops == []
            assert not exchange.orders["by-hand-1"].state.final
            assert any("somebody else" in note for note in found.notes)

    run(test)


def test_orders_of_another_btcframe_are_refused_and_canceled_only_by_a_flatten(tmp_path: Path) -> None:
    exchange = Exchange(Time())
    exchange.rest("bffedcba987654-3")

    async def refused() -> None:
        with pytest.raises(ConfigError, match="bffedcba987654-3"):
            async with venue(tmp_path, exchange):
                pass

    async def flattened() -> None:
        async with venue(tmp_path, exchange, opening=False):
            assert exchange.orders["bffedcba987654-3"].state is OrderState.CANCELED

    run(refused)
    run(flattened)
