"""Requests and what becomes of them: against an exchange in memory that fails as it is told to."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from office_at_work import amend, cancel, run, submit, venue
from scripted_venue import START_NS, Exchange, Time, asked

from btcframe.types import NS
from btcframe.venues.real.office import DENIED_NS
from btcframe.venues.real.outcomes import Outcome
from btcframe.venues.real.records import Asked


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


def test_a_key_that_was_refused_is_not_sent_with_again_at_once(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            v.exchange.faults.append((Outcome.FATAL, False))
            await v.do(submit(asked(1)))
            await v.do(submit(asked(2)))
            assert [state for _, state, _ in v.states] == ["REJECTED", "REJECTED"]
            assert v.office.counts["requests"] == 1 and len(v.watched.stops) == 1
            v.time.ns += DENIED_NS
            await v.do(submit(asked(3)))
            assert v.last == (3, "ACCEPTED", "NONE")

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
            assert [code for code, _ in v.watched.stops] == (["keys"] if outcome is Outcome.FATAL else [])
            assert all("told so" in why and "session resume" in why for _, why in v.watched.stops)
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
