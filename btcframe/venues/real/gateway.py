"""A real venue, met: how it is opened, and the trader's side of it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from btcframe.api import Action, Host, Intent, Position, Recovered, Reports
from btcframe.endpoints import Endpoint
from btcframe.errors import ConfigError, DataError
from btcframe.types import FILL, EventArray, Instrument
from btcframe.venues.real.checks import Check, Wanted, checked
from btcframe.venues.real.client import Client
from btcframe.venues.real.dial import Address, dialled, exchange_of
from btcframe.venues.real.journal import Journal, journal_of
from btcframe.venues.real.keeper import Keeper
from btcframe.venues.real.keys import Keys
from btcframe.venues.real.line import Line, LineError
from btcframe.venues.real.lock import account_lock, locks_of
from btcframe.venues.real.office import Office, Request
from btcframe.venues.real.orders import Orders
from btcframe.venues.real.outcomes import Outcome
from btcframe.venues.real.records import Asked, Holding, link_of
from btcframe.venues.real.recovery import Found, recover
from btcframe.venues.real.steps import Step, step_of_environment
from btcframe.venues.real.thread import LoopThread
from btcframe.venues.real.times import Times
from btcframe.venues.timed import TimedReports

STREAMS_S = 15.0
"""Seconds that the streams may take to be connected at the start."""

SETTLED_S = 60.0
"""Seconds that settling what an earlier session left may take: an exchange that is away must not be waited for in silence."""


@dataclass(frozen=True)
class Settings:
    """What a real venue is told.

    Parameters
    ----------
    address : Address
    keys : Keys
    journal : Path        directory of the accounts' journals
    wanted : Wanted
    times : Times
    """

    address: Address
    keys: Keys
    journal: Path
    wanted: Wanted
    times: Times

    @property
    def file(self) -> Path:
        """The account's journal. On this machine there may be one exchange at each port, with accounts of its own."""
        address = self.address
        port = urlsplit(address.rest).port if address.endpoint is Endpoint.local else None
        where = f"{address.endpoint.value}{port or ''}"
        return self.journal / f"{address.exchange}-{where}-{self.keys.mark}.sqlite"


class RealGateway:
    """The trader's side of a real venue: it hands over and goes on. See `Gateway`.

    Parameters
    ----------
    host : Host
    thread : LoopThread
    keeper : Keeper
    reports : TimedReports
    ends : ExitStack        what is undone when it is closed
    """

    def __init__(
        self,
        host: Host,
        thread: LoopThread,
        keeper: Keeper,
        reports: TimedReports,
        ends: contextlib.ExitStack,
    ) -> None:
        self._host, self._thread, self._keeper, self._office = host, thread, keeper, keeper.office
        self._reports, self._ends = reports, ends

    def submit(self, order_id: int, intent: Intent, now_ns: int) -> None:
        """Hand over an order."""
        asked = Asked(
            link_of(self._host.session, order_id),
            order_id,
            intent.side,
            intent.ticks,
            intent.lots,
            intent.tif,
            bool(intent.reduce_only),
            self._host.now(),
        )
        self._office.take(Request(Action.SUBMIT, asked, intent.ticks, intent.lots))

    def amend(self, order_id: int, ticks: int, lots: int, now_ns: int) -> None:
        """Hand over an amendment."""
        self._office.take(Request(Action.AMEND, self._named(order_id), ticks, lots))

    def cancel(self, order_id: int, now_ns: int) -> None:
        """Hand over a cancel; of an order that is final already it has no effect."""
        self._office.take(Request(Action.CANCEL, self._named(order_id)))

    def _named(self, order_id: int) -> Asked:
        return _UNKNOWN._replace(link=link_of(self._host.session, order_id), order_id=order_id)

    @property
    def busy(self) -> bool:
        """See TimedReports."""
        return self._reports.busy

    def advance(self, events: EventArray, until_ns: int) -> tuple[int, Reports]:
        """See TimedReports."""
        return self._reports.advance(events, until_ns)

    def counters(self) -> dict[str, int]:
        """How it stands, and what it has counted, see `counts`; for any thread."""
        office = self._office
        return {
            "up": int(not self._keeper.down),
            "orders": len(office.orders),
            "journal_waiting": office.journal.owed,
            **office.counts,
        }

    def reconcile(self) -> Position:
        """Ask the exchange what it holds.

        Raises
        ------
        DataError
            If it does not answer.
        """
        try:
            holding = self._thread.run(_asked_again(self._office.line), _ANSWER_S)
        except (LineError, TimeoutError) as error:
            raise DataError(
                f"the exchange does not tell what it holds: {str(error) or f'no answer within {_ANSWER_S:.0f} s'}",
                where="venue",
                next="The next session asks before it trades.",
            ) from None
        return Position(holding.lots, holding.average_price)

    def close(self) -> None:
        """Let go of the account. What still works goes on to work, and the journal knows of it."""
        self._ends.close()


_UNKNOWN = Asked("", 0, 0, 0, 0, Intent(Action.CANCEL).tif, False, 0)
_ANSWER_S = 20.0


async def _asked_again(line: Line) -> Holding:
    """The position, as soon as there is room for the question."""
    while True:
        try:
            return await line.holding()
        except LineError as error:
            if error.answer.outcome is not Outcome.LIMITED:
                raise
        await asyncio.sleep(_AGAIN_S)


_AGAIN_S = 0.25


def connected(
    settings: Settings, instrument: Instrument, host: Host, *, opening: bool
) -> tuple[RealGateway, Recovered]:
    """Take an account for one session: lock, journal, checks, streams, and what an earlier session left.

    Raises
    ------
    ConfigError
        If a check fails, or orders of another btcframe work there.
    StoreError
        If another session holds the account, or its journal cannot be used.
    DataError
        If the exchange does not answer.
    """
    step, file = step_of_environment(), settings.file
    link_of(host.session, 1)
    with contextlib.ExitStack() as ends:
        for lock in locks_of(file):
            ends.enter_context(account_lock(lock, host.session))
        journal = ends.enter_context(journal_of(file, instrument.symbol))
        exchange = exchange_of(settings.address, settings.keys, instrument)
        thread = LoopThread("venue")
        ends.callback(thread.close)
        ends.callback(lambda: thread.run(exchange.close()))
        reports = TimedReports(host.now, host.wake)
        thread.loop.set_exception_handler(_said_of(host, settings.keys))
        client = thread.run(_dialled(settings, exchange, instrument))
        _spare_the_collector()
        keeper, found = thread.run(
            _opened(settings, client, journal, Orders(reports.put), host, step, opening)
        )
        ends.callback(lambda: thread.run(keeper.office.close()))
        return (
            RealGateway(host, thread, keeper, reports, ends.pop_all()),
            recovered(found, client, settings),
        )


def _spare_the_collector() -> None:
    """Have it leave alone what is there by now: to look through ccxt's 200,000 objects holds up every thread for 0.1 s.
    Once in a process.
    """
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()


def _said_of(host: Host, keys: Keys) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """What is done about an error that nobody waits for."""

    def said(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        text = keys.scrubbed(f"{context.get('message', '')}: {type(error).__name__}: {error}")
        host.log({"what": "thread", "failed": text})
        if "handle" in context:  # a call of ours: what it was about was not done
            host.stop("venue", text)

    return said


async def _dialled(settings: Settings, exchange: Any, instrument: Instrument) -> Client:
    """A line whose account is as it must be."""
    client = await dialled(exchange, settings.address, settings.keys, instrument)
    for check in await checked(client, exchange.market(instrument.symbol), settings.wanted):
        if check.ok or not settings.wanted.opening:
            continue
        kind = DataError if check.name == "clock" else ConfigError
        raise kind(f"{check.name}: {check.said}", where="venue", next=check.do)
    return client


async def _opened(
    settings: Settings,
    client: Client,
    journal: Journal,
    orders: Orders,
    host: Host,
    step: Step,
    opening: bool,
) -> tuple[Keeper, Found]:
    """Listen first, and settle then: what happens meanwhile is heard."""
    office = Office(client, journal, orders, host, settings.times, step)
    streams = {
        "orders": client.orders_told,
        "fills": client.fills_told,
        "position": client.position_told,
        "wallet": client.wallet_told,
    }
    keeper = Keeper(office, streams)
    for name in streams:
        office.start(keeper.follow(name))
    try:
        found = await _settled(settings, client, keeper, opening)
    except BaseException:
        await office.close()  # nobody else could: the streams go on otherwise
        raise
    office.start(keeper.look_after())
    return keeper, found


async def _settled(settings: Settings, client: Client, keeper: Keeper, opening: bool) -> Found:
    """Wait for the streams, and settle what an earlier session left."""
    for _ in range(round(STREAMS_S / _LOOK_S)):
        if client.streaming:
            break
        await settings.times.sleep(_LOOK_S)
    else:
        raise DataError(
            "the exchange's private streams cannot be reached", where="venue", next="btcframe doctor"
        )
    try:
        return await asyncio.wait_for(recover(keeper, opening), SETTLED_S)
    except TimeoutError:
        left = ", ".join(order.asked.link for order in keeper.office.orders) or "none"
        raise DataError(
            f"the exchange has not told within {SETTLED_S:.0f} s what became of an earlier session's orders",
            where="venue",
            hint=f"The journal still has them: {left}.",
            next="btcframe doctor says whether it can be reached; then start again",
        ) from None
    except LineError as error:
        raise DataError(
            f"the exchange does not tell how the account stands: {error}",
            where="venue",
            next="btcframe doctor",
        ) from None


_LOOK_S = 0.01


def recovered(found: Found, client: Client, settings: Settings) -> Recovered:
    """What was found, in the trader's words."""
    instrument, holding = client.units.instrument, found.holding
    fills = np.zeros(len(found.fills), FILL)
    for n, e in enumerate(found.fills):
        fills[n] = (
            found.numbers.get(e.link, 0),
            0,
            e.venue_ns,
            e.ticks,
            e.lots,
            e.fee,
            e.side,
            e.maker,
            0,
            0,
        )
    cash = found.wallet - _value(holding, instrument)
    notes = (f"Keys: {settings.keys.where}; journal: {settings.file}", *found.notes)
    return Recovered(Position(holding.lots, holding.average_price), cash, fills, notes)


def _value(holding: Holding, instrument: Instrument) -> float:
    """What a position is worth at its average price, settle coin."""
    if not holding.lots:
        return 0.0
    size = instrument.size(holding.lots)
    return -size / holding.average_price if instrument.contract == "inverse" else size * holding.average_price


def looked_at(settings: Settings, instrument: Instrument) -> tuple[Check, ...]:
    """Every check of an account, whatever the others say; nothing is taken and nothing changed.

    Raises
    ------
    ConfigError, DataError
        If the exchange cannot be asked at all.
    """
    exchange = exchange_of(settings.address, settings.keys, instrument)

    async def look() -> list[Check]:
        client = await dialled(exchange, settings.address, settings.keys, instrument)
        return await checked(client, exchange.market(instrument.symbol), settings.wanted)

    with contextlib.ExitStack() as ends:
        thread = LoopThread("venue")
        ends.callback(thread.close)
        ends.callback(lambda: thread.run(exchange.close()))
        keys = Check("keys", True, f"from {settings.keys.where}")
        return (keys, *thread.run(look()))
