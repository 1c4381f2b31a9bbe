"""What a real venue needs of an exchange: requests, questions, and what it tells by itself. `client` does it by ccxt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from btcframe.venues.real.outcomes import Answer
from btcframe.venues.real.records import Asked, Execution, Holding, Payment, Stand
from btcframe.venues.real.units import Units


class LineError(Exception):
    """A request that was not answered as it should be.

    Parameters
    ----------
    answer : Answer
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.said)
        self.answer = answer


class Heard(NamedTuple):
    """What a stream told at once, and its raw words: of stands and executions, those of each in its place."""

    what: str = ""  # order, execution, position, wallet
    stands: tuple[Stand, ...] = ()
    executions: tuple[Execution, ...] = ()
    holding: Holding | None = None
    raw: tuple[Mapping[str, Any], ...] = ()


class Clock(NamedTuple):
    """Our clock against the exchange's.

    Parameters
    ----------
    offset_ns : int     ours less theirs: what is taken off every stamp
    error_ns : int      by how much that may be wrong: half the fastest round trip
    """

    offset_ns: int
    error_ns: int


class Line(Protocol):
    """A line to one market of one account. Every method but `close` raises LineError."""

    units: Units

    def due_ns(self, kind: str) -> int:
        """How long until the next request of this kind may go out, ns; 0 for at once."""

    async def create(self, order: Asked) -> str:
        """Send an order, once. Returns the exchange's id."""

    async def amend(self, order: Asked, venue_id: str, ticks: int, lots: int) -> None:
        """Ask for another price and total size."""

    async def cancel(self, order: Asked, venue_id: str) -> None:
        """Ask for the end of an order."""

    async def find(self, link: str, venue_id: str, since_ns: int) -> Stand | None:
        """How an order stands, asked for among those that work and those that are over; None: it is not there."""

    async def open_orders(self) -> tuple[Stand, ...]:
        """All that work in the market, whoever's."""

    async def executions(self, since_ns: int, link: str = "") -> tuple[Execution, ...]:
        """All fills of the market since then, or those of one order."""

    async def holding(self) -> Holding:
        """The position."""

    async def payments(self, since_ns: int) -> tuple[Payment, ...]:
        """Funding of the market since then; none where that cannot be told."""

    async def wallet(self) -> float:
        """Balance of the settle coin, unrealised profit left out."""

    async def clock(self) -> Clock:
        """Ask for the exchange's clock, and keep to it from here on."""

    @property
    def streaming(self) -> bool:
        """Whether the streams are connected, as far as our end can tell."""

    async def orders_told(self) -> Heard: ...

    async def fills_told(self) -> Heard: ...

    async def position_told(self) -> Heard: ...

    async def wallet_told(self) -> Heard: ...

    async def close(self) -> None: ...
