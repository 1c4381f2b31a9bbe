"""What nobody asked for: silent streams, fills of somebody else, funding, and what an earlier session left."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from office_at_work import run, submit, venue
from scripted_venue import INSTRUMENT, Exchange, Time, asked

from btcframe.errors import ConfigError
from btcframe.types import NS, OrderState
from btcframe.venues.real.journal import journal_of
from btcframe.venues.real.line import Heard, LineError
from btcframe.venues.real.outcomes import Answer, Outcome
from btcframe.venues.real.records import Holding, Payment


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


def test_funding_that_was_paid_while_the_exchange_was_away_is_booked_when_it_is_back(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            await v.do(submit(asked(1)))
            v.exchange.fill(asked(1).link, 10)
            await v.keeper.tick()
            due_ns = (v.time.ns // INSTRUMENT.funding_ns + 1) * INSTRUMENT.funding_ns
            payments = v.exchange.payments

            async def away(since_ns: int) -> tuple[Payment, ...]:
                raise LineError(Answer(Outcome.UNKNOWN, said="it is away"))

            v.exchange.payments = away  # type: ignore[method-assign]
            v.exchange.paid.append(Payment("p1", 0.06, 0.0001, due_ns))
            for seconds in range(3, 303, 10):
                v.time.ns = due_ns + seconds * NS
                await v.keeper.tick()
            v.exchange.payments = payments  # type: ignore[method-assign]
            for seconds in (303, 313, 323):
                v.time.ns = due_ns + seconds * NS
                await v.keeper.tick()
            assert v.funding == [(0.0001, 10.0, 0.06)]

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
