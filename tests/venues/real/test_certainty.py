"""When an answer is believed, and what goes on although something went wrong that nobody thought of."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from office_at_work import Venue, amend, run, submit, venue
from scripted_venue import INSTRUMENT, Exchange, Time, asked

from btcframe.types import NS, TimeInForce
from btcframe.venues.real.journal import journal_of
from btcframe.venues.real.keeper import Keeper
from btcframe.venues.real.line import Heard, LineError
from btcframe.venues.real.outcomes import Answer, Outcome
from btcframe.venues.real.records import Execution


def test_an_order_that_ends_while_it_is_asked_for_is_not_lost(tmp_path: Path) -> None:
    """It left the list of those that work, and is not yet in that of those that are over; nor are its fills told."""
    exchange, order = Exchange(Time()), asked(1)
    exchange.time.ns += 3600 * NS
    exchange.rest(order.link, 10)
    exchange.fill(order.link, 10)
    told_ns = exchange.time.ns + NS
    with journal_of(tmp_path / "account.sqlite", "BTC/USDT:USDT") as journal:
        journal.asked("earlier", order)  # and the process was killed
        journal.commit()
    find, executions = exchange.find, exchange.executions

    async def found(*args: Any) -> Any:
        return await find(*args) if exchange.time.ns >= told_ns else None

    async def filled(*args: Any) -> Any:
        return await executions(*args) if exchange.time.ns >= told_ns else ()

    exchange.find, exchange.executions = found, filled  # type: ignore[method-assign]

    async def test() -> None:
        async with venue(tmp_path, exchange) as v:
            recovered = v.found  # type: ignore[attr-defined]
            assert [(e.link, e.lots) for e in recovered.fills] == [(order.link, 10)]
            assert recovered.holding.lots == v.journal.position == 10
            assert not any("never arrived" in note for note in recovered.notes)

    run(test)


def late(v: Venue, seconds: float) -> None:
    """Fills are told so much later than the position."""
    executions = v.exchange.executions

    async def told(*args: Any) -> tuple[Execution, ...]:
        return tuple(e for e in await executions(*args) if e.venue_ns + seconds * NS <= v.time.ns)

    v.exchange.executions = told  # type: ignore[method-assign]


def test_a_fill_that_is_told_a_moment_after_the_position_alarms_nobody(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            await v.do(submit(asked(1)))
            v.exchange.fill(asked(1).link, 10, heard=False)
            late(v, 1.5)
            await v.keeper.check("a test")
            assert v.fills == [(1, 10)] and v.journal.position == 10
            assert v.watched.stops == []
            v.exchange.lots += 5  # but what stays is believed
            await v.keeper.check("a test")
            assert [code for code, _ in v.watched.stops] == ["reconcile"]

    run(test)


def test_an_order_that_is_seen_to_work_a_moment_after_its_end_is_over(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            await v.do(submit(asked(1)))
            before = v.exchange.orders[asked(1).link]
            v.exchange.fill(asked(1).link, 10)
            find, until_ns = v.exchange.find, v.time.ns + NS

            async def works() -> Any:
                return (before,)

            async def found(*args: Any) -> Any:
                return before if v.time.ns < until_ns else await find(*args)

            v.exchange.open_orders, v.exchange.find = works, found  # type: ignore[method-assign]
            await v.keeper.check("a test")
            await v.quiet()
            assert v.watched.stops == [] and v.last == (1, "FILLED", "NONE")

    run(test)


def test_an_order_of_ours_that_is_not_written_down_is_ours_all_the_same(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            await v.do(submit(asked(1)))
            v.exchange.fill(asked(1).link, 10)
            v.journal._db.execute("PRAGMA query_only = ON")  # as a disk that is full
            out = asked(2, -1, 601_000, reduce_only=True)
            await v.do(submit(out))
            order = v.orders.get(out.link)
            assert order is not None
            async with order.turn:  # a request about it is under way
                await v.keeper.check("a test")
            assert [code for code, _ in v.watched.stops] == ["journal"]
            v.journal._db.execute("PRAGMA query_only = OFF")

    run(test)


def test_a_refused_amendment_tells_no_more_fills_than_the_size_allows(tmp_path: Path) -> None:
    """22 lots are filled of 30, of which only the stream of fills has told."""

    async def test() -> None:
        async with venue(tmp_path) as v:
            order = asked(1, lots=14)
            await v.do(submit(order))
            hear, heard = v.exchange.hear, list[Heard]()
            v.exchange.hear = heard.append
            await v.do(amend(order, 600_000, 30))
            v.exchange.fill(order.link, 22)
            hear(heard[-1])
            v.exchange.faults.append((Outcome.REFUSED, False))
            await v.do(amend(order, 600_000, 40))
            assert v.fills == [(1, 22)]
            assert all(record["filled_lots"] <= record["lots"] for record in v.records)

    run(test)


def place(v: Venue) -> tuple[int, int]:
    """Price and size of the order as the trader was told last."""
    return int(v.records[-1]["ticks"]), int(v.records[-1]["lots"])


def test_an_amendment_is_answered_though_a_fill_comes_between(tmp_path: Path) -> None:
    """The trader counts answers: one that is never told leaves it with a price that no order has."""

    async def test() -> None:
        async with venue(tmp_path) as v:
            order, refuse = asked(1), v.exchange.amend
            await v.do(submit(order))

            async def fills(*args: Any) -> None:
                v.exchange.fill(order.link, 3)
                await refuse(*args)

            v.exchange.amend = fills  # type: ignore[method-assign]
            v.exchange.faults.append((Outcome.UNKNOWN, False))  # and it was not done
            await v.do(amend(order, 599_000, 20))
            assert v.states[1:] == [(1, "PARTIALLY_FILLED", "NONE")] * 2  # the fill, and the answer
            assert place(v) == (600_000, 10)

    run(test)


def test_a_yes_to_an_amendment_holds_against_what_is_told_of_before(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            order = asked(1)
            await v.do(submit(order))
            hear, told = v.exchange.hear, list[Heard]()
            v.exchange.hear = told.append
            v.exchange.fill(order.link, 3)
            await v.do(amend(order, 599_000, 20))
            assert place(v) == (599_000, 20)  # though no stream has told of it
            for heard in told[:2]:
                hear(heard)
            assert v.last == (1, "PARTIALLY_FILLED", "NONE") and place(v) == (599_000, 20)
            stand = v.exchange.orders[order.link]
            v.exchange.orders[order.link] = stand._replace(
                lots=15
            )  # it cut the order meanwhile, and no stream tells
            v.time.ns += 3 * NS
            await v.keeper.tick()
            await v.quiet()
            assert place(v) == (599_000, 15)

    run(test)


# --------------------------------------------------------------------------------------------------- what goes on


@pytest.mark.parametrize("arrived", [True, False])
def test_a_request_that_fails_in_a_way_nobody_thought_of_is_asked_for(tmp_path: Path, arrived: bool) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            create = v.exchange.create

            async def breaks(order: Any) -> str:
                if arrived:
                    v.exchange.hear = lambda heard: None
                    await create(order)
                raise RuntimeError("a bug")

            v.exchange.create = breaks  # type: ignore[method-assign]
            await v.do(submit(asked(1, ns=v.time.ns)))
            assert v.watched.stops == [("venue", "RuntimeError: a bug")] and v.states == []
            v.time.ns += 3 * NS
            await v.keeper.tick()
            await v.quiet()
            assert v.states == [(1, "ACCEPTED", "NONE") if arrived else (1, "REJECTED", "LOST")]

    run(test)


def test_a_stream_that_tells_nonsense_is_heard_on_and_made_up_for(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            told: asyncio.Queue[Heard | Exception] = asyncio.Queue()

            async def watch() -> Heard:
                heard = await told.get()
                if isinstance(heard, Exception):
                    raise heard
                return heard

            keeper = Keeper(v.office, {"orders": watch})
            keeper.began()
            v.office.start(keeper.follow("orders"))
            await v.do(submit(asked(1)))
            execution = v.exchange.fill(asked(1).link, 4, heard=False)
            nonsense = execution._replace(exec_id="e99", lots=None)  # type: ignore[arg-type]
            told.put_nowait(Heard(executions=(nonsense,)))
            told.put_nowait(ZeroDivisionError("a bug in what is beneath"))
            told.put_nowait(Heard(executions=(execution,)))
            await v.quiet()
            assert v.fills == [(1, 4)] and v.office.counts["dropped"] == 2
            assert [code for code, _ in v.watched.stops] == ["venue", "venue"]
            await keeper.tick()
            assert keeper.down and v.watched.told[-1][0] == "venue_down"

    run(test)


def test_who_looks_after_the_rest_goes_on(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            looks = list[int]()

            async def tick() -> None:
                looks.append(v.time.ns)
                if len(looks) == 1:
                    raise ZeroDivisionError("a bug")
                if len(looks) == 3:
                    raise asyncio.CancelledError

            v.keeper.tick = tick  # type: ignore[method-assign]
            with pytest.raises(asyncio.CancelledError):
                await v.keeper.look_after()
            assert len(looks) == 3 and v.watched.stops == [("venue", "ZeroDivisionError: a bug")]

    run(test)


def test_a_stream_is_back_when_everything_was_compared_and_not_before(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            falls = [True]

            async def watch() -> Heard:
                if falls:
                    falls.clear()
                    raise LineError(Answer(Outcome.UNKNOWN, said="it broke"))
                await asyncio.Event().wait()
                return Heard()

            keeper = Keeper(v.office, {"fills": watch})
            keeper.began()
            v.office.start(keeper.follow("fills"))
            await v.do(submit(asked(1)))
            v.exchange.fill(asked(1).link, 10, heard=False)
            v.exchange.away = True
            for _ in range(40):
                await v.quiet(20)
                v.time.ns += NS // 5
                await keeper.tick()
            assert keeper.down and [kind for kind, _ in v.watched.told] == ["venue_down"] and v.fills == []
            v.exchange.away = False
            for _ in range(20):
                v.time.ns += NS // 5
                await keeper.tick()
            assert not keeper.down and v.fills == [(1, 10)]
            assert [kind for kind, _ in v.watched.told] == ["venue_down", "reconciled", "venue_up"]

    run(test)


def test_a_market_order_that_must_be_filled_whole_is_not_sent(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path) as v:
            await v.do(submit(asked(1, ticks=0)._replace(tif=TimeInForce.FOK)))
            assert v.states == [(1, "REJECTED", "LIMITS")] and v.exchange.sent == []
            await v.do(submit(asked(2)._replace(tif=TimeInForce.FOK)))
            assert v.exchange.sent == [("create", asked(2).link)]

    run(test)


def test_a_market_without_funding_is_looked_after(tmp_path: Path) -> None:
    async def test() -> None:
        async with venue(tmp_path, exchange) as v:
            await v.keeper.tick()
            assert v.watched.stops == [] and v.funding == []

    exchange = Exchange(Time())
    exchange.units = replace(exchange.units, instrument=INSTRUMENT._replace(funding_ns=0))
    run(test)
