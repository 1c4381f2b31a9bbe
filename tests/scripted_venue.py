"""An exchange in memory, behind the line of a real venue: it fails as it is told to, and its clock is the test's."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from btcframe.api import Host
from btcframe.types import NS, Instrument, OrderReason, OrderState, TimeInForce
from btcframe.venues.real.dialects import BYBIT
from btcframe.venues.real.line import Clock, Heard, LineError
from btcframe.venues.real.outcomes import Answer, Outcome
from btcframe.venues.real.records import Asked, Execution, Holding, Payment, Stand
from btcframe.venues.real.units import Units

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"), "linear", 5.0)
UNITS = Units(INSTRUMENT, BYBIT, least=Decimal("0.001"), most=Decimal(100), settle="USDT")
START_NS = 1_800_000_000 * NS


class Time:
    """A clock that goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.ns = START_NS

    def now(self) -> int:
        return self.ns

    async def sleep(self, seconds: float) -> None:
        self.ns += round(seconds * NS)
        for _ in range(5):
            await asyncio.sleep(0)


class Watched:
    """What a venue told its session."""

    def __init__(self, time: Time) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.logged: list[Mapping[str, Any]] = []
        self.stops: list[tuple[str, str]] = []
        self.host = Host(
            "a-b-0123456789ab",
            time.now,
            lambda: None,
            lambda kind, **data: self.told.append((kind, data)),
            self.logged.append,
            lambda code, why: self.stops.append((code, why)),
        )


class Exchange:
    """A `Line` to an exchange in memory: orders rest until `fill` or `cancel` say otherwise.

    `faults` befall one request each, in their order: an Outcome is what the client hears; whether the request was done
    is told by the second of the pair.
    """

    def __init__(self, time: Time) -> None:
        self.units, self.time = UNITS, time
        self.orders: dict[str, Stand] = {}
        self.fills: list[Execution] = []
        self.sent: list[tuple[str, str]] = []
        self.faults: deque[tuple[Outcome, bool]] = deque()
        self.away = False
        self.limit_ns = self._room_ns = 0
        self.clocks = 0
        self.paid: list[Payment] = []
        self.lots = 0
        self.hear: Callable[[Heard], None] = lambda heard: None
        self._ids = itertools.count(1)
        self.streaming = True

    def due_ns(self, kind: str) -> int:
        return max(0, self._room_ns - self.time.ns)

    def _fault(self) -> tuple[Outcome, bool]:
        if self.away:
            return Outcome.UNSENT, False
        return self.faults.popleft() if self.faults else (Outcome.ACCEPTED, True)

    def _answer(self, outcome: Outcome) -> None:
        if outcome is Outcome.LIMITED:
            self._room_ns = self.time.ns + self.limit_ns
            raise LineError(Answer(outcome, OrderReason.RATE, "2", "too many"))
        if outcome is not Outcome.ACCEPTED:
            raise LineError(
                Answer(
                    outcome,
                    OrderReason.FUNDS if outcome is Outcome.REFUSED else OrderReason.NONE,
                    "1",
                    "told so",
                )
            )

    async def create(self, order: Asked) -> str:
        self.sent.append(("create", order.link))
        outcome, done = self._fault()
        if done:
            if order.link in self.orders:
                outcome = Outcome.EXISTS
            else:
                stand = Stand(
                    order.link, f"v{next(self._ids)}", order.side, order.ticks, order.lots, 0, OrderState.ACCEPTED,
                    OrderReason.NONE, self.time.ns,
                )  # fmt: skip
                self.orders[order.link] = stand
                self.hear(Heard(stands=(stand,)))
        self._answer(outcome)
        return self.orders[order.link].venue_id

    async def amend(self, order: Asked, venue_id: str, ticks: int, lots: int) -> None:
        self.sent.append(("amend", order.link))
        outcome, done = self._fault()
        stand = self.orders.get(order.link)
        if stand is None or stand.state.final:
            outcome = Outcome.GONE if outcome is Outcome.ACCEPTED else outcome
        elif done:
            self._now(stand._replace(ticks=ticks, lots=lots))
        self._answer(outcome)

    async def cancel(self, order: Asked, venue_id: str) -> None:
        self.sent.append(("cancel", order.link))
        outcome, done = self._fault()
        stand = self.orders.get(order.link)
        if stand is None or stand.state.final:
            outcome = Outcome.GONE if outcome is Outcome.ACCEPTED else outcome
        elif done:
            self._now(stand._replace(state=OrderState.CANCELED, why=OrderReason.ASKED))
        self._answer(outcome)

    def _now(self, stand: Stand) -> None:
        stand = stand._replace(venue_ns=self.time.ns)
        self.orders[stand.link] = stand
        self.hear(Heard(stands=(stand,)))

    def fill(self, link: str, lots: int, *, heard: bool = True) -> Execution:
        """Fill some of an order; the fill and its state are told, or not."""
        stand = self.orders[link]
        filled = stand.filled + lots
        state = OrderState.FILLED if filled == stand.lots else OrderState.PARTIALLY_FILLED
        execution = Execution(
            f"e{next(self._ids)}",
            link,
            stand.venue_id,
            stand.side,
            stand.ticks,
            lots,
            0.1,
            True,
            self.time.ns,
        )
        self.fills.append(execution)
        self.lots += stand.side * lots
        self.orders[link] = stand._replace(filled=filled, state=state, venue_ns=self.time.ns)
        if heard:
            self.hear(Heard(stands=(self.orders[link],)))
            self.hear(Heard(executions=(execution,)))
        return execution

    def by_hand(self, side: int, lots: int, *, link: str = "") -> Execution:
        """A person trades on the account."""
        execution = Execution(
            f"e{next(self._ids)}", link, "vx", side, 600_000, lots, 0.1, False, self.time.ns
        )
        self.fills.append(execution)
        self.lots += side * lots
        return execution

    def rest(self, link: str, lots: int = 1) -> None:
        """An order that somebody else has placed."""
        self.orders[link] = Stand(
            link,
            f"v{next(self._ids)}",
            1,
            500_000,
            lots,
            0,
            OrderState.ACCEPTED,
            OrderReason.NONE,
            self.time.ns,
        )

    def _asked(self) -> None:
        if self.away:
            raise LineError(Answer(Outcome.UNSENT, OrderReason.LOST, "", "nobody is there"))

    async def find(self, link: str, venue_id: str, since_ns: int) -> Stand | None:
        self._asked()
        return self.orders.get(link)

    async def open_orders(self) -> tuple[Stand, ...]:
        self._asked()
        return tuple(stand for stand in self.orders.values() if not stand.state.final)

    async def executions(self, since_ns: int, link: str = "") -> tuple[Execution, ...]:
        self._asked()
        return tuple(e for e in self.fills if e.venue_ns >= since_ns and (not link or e.link == link))

    async def holding(self) -> Holding:
        self._asked()
        return Holding(self.lots, 60_000.0 if self.lots else 0.0)

    async def payments(self, since_ns: int) -> tuple[Payment, ...]:
        self._asked()
        return tuple(p for p in self.paid if p.venue_ns >= since_ns)

    async def wallet(self) -> float:
        self._asked()
        return 1000.0

    async def clock(self) -> Clock:
        self._asked()
        self.clocks += 1
        return Clock(0, 0)

    async def orders_told(self) -> Heard:
        return await self._never()

    fills_told = position_told = wallet_told = orders_told

    async def _never(self) -> Heard:
        await asyncio.Event().wait()
        return Heard()

    async def close(self) -> None: ...


def asked(
    order_id: int,
    side: int = 1,
    ticks: int = 600_000,
    lots: int = 10,
    *,
    reduce_only: bool = False,
    ns: int = START_NS,
) -> Asked:
    """An order of the test's session."""
    link = f"bf0123456789ab-{order_id}"
    return Asked(link, order_id, side, ticks, lots, TimeInForce.GTC, reduce_only, ns)
