"""An office and its keeper at work on an exchange in memory, for tests of a real venue."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from scripted_venue import Exchange, Time, Watched

from btcframe.api import Action
from btcframe.types import OrderReason, OrderState
from btcframe.venues.real.journal import Journal, journal_of
from btcframe.venues.real.keeper import Keeper
from btcframe.venues.real.office import Office, Request
from btcframe.venues.real.orders import Orders
from btcframe.venues.real.records import Asked
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
