"""A line of our own to an exchange, beside a session's: it asks what is so, whatever that one was told."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from btcframe.errors import DataError
from btcframe.types import Instrument, TimeInForce

if TYPE_CHECKING:
    from btcframe.venues.real.client import Client
    from btcframe.venues.real.gateway import Settings

_LEVELS = 50
"""Of the book, as many as every market of the exchange gives."""

T = TypeVar("T")


class Seen(NamedTuple):
    """An order as the exchange answers, asked for by our id."""

    ticks: int
    lots: int
    filled: int
    working: bool


class Asking(Protocol):
    """What is asked. All but `refusal` raise DataError where there is no answer."""

    async def best_bid(self) -> float:
        """The market's best bid, quote; NaN where there is none."""

    async def find(self, link: str) -> Seen | None:
        """The order of ours; None where the exchange has none."""

    async def working(self, prefix: str) -> tuple[str, ...]:
        """Our ids of the orders that work, of those that begin so."""

    async def held(self) -> int:
        """Position, lots."""

    async def cancel(self, link: str) -> None:
        """Cancel an order of ours, whatever else is wrong."""

    def refusal(self, ticks: int, lots: int) -> str:
        """Why the exchange would not take an order; "" where it would."""


@contextlib.asynccontextmanager
async def beside(settings: Settings, instrument: Instrument) -> AsyncIterator[Asking]:
    """Open one, for as long as the block lasts.

    Raises
    ------
    ConfigError, DataError
        If the exchange does not answer, or has no such market.
    """
    from btcframe.venues.real.dial import dialled, exchange_of

    exchange = exchange_of(settings.address, settings.keys, instrument)
    try:
        yield _Line(await dialled(exchange, settings.address, settings.keys, instrument), exchange, settings)
    finally:
        await exchange.close()


class _Line:
    def __init__(self, client: Client, exchange: Any, settings: Settings) -> None:
        self._client, self._exchange, self._settings = client, exchange, settings

    async def best_bid(self) -> float:
        symbol = self._client.units.instrument.symbol
        book = await self._answered(self._exchange.fetch_order_book(symbol, _LEVELS))
        return float(book["bids"][0][0]) if book["bids"] else math.nan

    async def find(self, link: str) -> Seen | None:
        stand = await self._answered(self._client.find(link, "", 0))
        return None if stand is None else Seen(stand.ticks, stand.lots, stand.filled, not stand.state.final)

    async def working(self, prefix: str) -> tuple[str, ...]:
        stands = await self._answered(self._client.open_orders())
        return tuple(stand.link for stand in stands if stand.link.startswith(prefix))

    async def held(self) -> int:
        return (await self._answered(self._client.holding())).lots

    async def cancel(self, link: str) -> None:
        from btcframe.venues.real.records import Asked

        await self._answered(self._client.cancel(Asked(link, 0, 0, 0, 0, TimeInForce.GTC, False, 0), ""))

    def refusal(self, ticks: int, lots: int) -> str:
        return self._client.units.refusal(ticks, lots, reduce_only=False)

    async def _answered(self, question: Awaitable[T]) -> T:
        """An answer, or what was said in its place, without keys."""
        import ccxt

        from btcframe.venues.real.line import LineError

        try:
            return await question
        except (LineError, ccxt.BaseError) as error:
            said = self._settings.keys.scrubbed(f"{error}")[:300]
        raise DataError(f"the exchange does not answer as it should: {said}", where="venue")
