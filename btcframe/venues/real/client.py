"""The line to an exchange by ccxt: one client for requests and streams, and every error told by its outcome.

What ccxt would do silently is done before, or prevented: it would cut sizes and round prices, but is given whole lots
and ticks of the steps that it knows (`checks` compares them); its throttle is off, ours knows the exchange's limits; keys
are in no text that leaves here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from btcframe.types import NS, OrderReason, TimeInForce
from btcframe.venues.real.dialects import AMEND, ASK, CANCEL, CREATE
from btcframe.venues.real.keys import Keys
from btcframe.venues.real.limits import Limits
from btcframe.venues.real.line import Clock, Heard, LineError
from btcframe.venues.real.outcomes import Answer, Outcome, classify
from btcframe.venues.real.records import Asked, Execution, Holding, Payment, Stand
from btcframe.venues.real.units import Units

PAGE = 100
"""Fills asked for at once."""

WEEK_NS = 7 * 86_400 * NS
"""The longest span that may be asked for at once."""

_MS = 1_000_000
_WAIT_NS = 2 * NS
_TIFS = {TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK"}
_PAST = ("fetchCanceledAndClosedOrders", "fetchOrders", "fetchClosedOrders")
"""How orders that are over are asked for, the best first."""

T = TypeVar("T")


class Client:
    """A line to one market of one account; see `line.Line`.

    Parameters
    ----------
    exchange : ccxt.pro exchange      with its markets loaded
    units : Units
    keys : Keys
    limits : Limits
    """

    def __init__(self, exchange: Any, units: Units, keys: Keys, limits: Limits) -> None:
        self.units = units
        self._exchange, self._keys, self._limits = exchange, keys, limits
        self._symbol = units.instrument.symbol
        self._offset_ns = 0
        exchange.on_rest_response = self._answered

    # ------------------------------------------------------------------------------------------------- requests

    async def create(self, order: Asked) -> str:
        """See Line."""
        units, market = self.units, not order.ticks
        size = units.size(order.lots)
        price = None if market else units.price(order.ticks)
        params: dict[str, Any] = {"clientOrderId": order.link}
        if order.tif is TimeInForce.POST_ONLY:
            params["postOnly"] = True
        elif not market:
            params["timeInForce"] = _TIFS[order.tif]
        if order.reduce_only:
            params["reduceOnly"] = True
        side, kind = "buy" if order.side > 0 else "sell", "market" if market else "limit"
        told = await self._request(
            CREATE,
            lambda: self._exchange.create_order(self._symbol, kind, side, size, price, params),
        )
        return str(told.get("id") or "")

    async def amend(self, order: Asked, venue_id: str, ticks: int, lots: int) -> None:
        """See Line."""
        size, price = self.units.size(lots), self.units.price(ticks)
        side = "buy" if order.side > 0 else "sell"
        params = self._named(order.link)
        number = None if params else venue_id
        await self._request(
            AMEND,
            lambda: self._exchange.edit_order(number, self._symbol, "limit", side, size, price, params),
        )

    async def cancel(self, order: Asked, venue_id: str) -> None:
        """See Line."""
        params = self._named(order.link)
        number = None if params else venue_id
        await self._request(CANCEL, lambda: self._exchange.cancel_order(number, self._symbol, params))

    def _named(self, link: str) -> dict[str, str]:
        """The parameter that names an order by our id; none where the exchange's own has to do."""
        name = self.units.dialect.link
        return {name: link} if name and link else {}

    # ------------------------------------------------------------------------------------------------ questions

    async def find(self, link: str, venue_id: str, since_ns: int) -> Stand | None:
        """See Line."""
        named, past = self._named(link), self._past()
        since = max(self._theirs(since_ns) // _MS - 60_000, 0)
        places: list[tuple[str, int | None]] = [("fetchOpenOrders", None), (past, None if named else since)]
        if named and since and self._now() - since * _MS > WEEK_NS:
            places.append((past, since))  # otherwise only what ended within the last week is told
        for name, begin in places:
            for order in await self._ask(name, self._symbol, begin, None, named):
                stand = self._read(self.units.stand, order)
                if (link and stand.link == link) or (not link and stand.venue_id == venue_id):
                    return stand
        return None

    async def open_orders(self) -> tuple[Stand, ...]:
        """See Line."""
        found = await self._paged("fetchOpenOrders", 50, {})
        return tuple(self._read(self.units.stand, order) for order in found)

    async def executions(self, since_ns: int, link: str = "") -> tuple[Execution, ...]:
        """See Line."""
        found: dict[str, Execution] = {}
        now_ns = self._now()
        begin_ns = min(self._theirs(since_ns), now_ns)
        while begin_ns <= now_ns:
            end_ns = begin_ns + WEEK_NS
            # the last span has no end: the exchange's clock may be ahead of what we know of it
            span = {"until": end_ns // _MS} if end_ns < now_ns else {}
            trades = await self._paged("fetchMyTrades", PAGE, {**span, **self._named(link)}, begin_ns // _MS)
            for trade in trades:
                execution = self._read(self.units.execution, trade)
                found[execution.exec_id] = execution
            begin_ns = end_ns
        return tuple(sorted(found.values(), key=lambda e: e.venue_ns))

    async def holding(self) -> Holding:
        """See Line."""
        return self._read(self.units.holding, await self.position())

    async def position(self) -> Mapping[str, Any]:
        """The position, in ccxt's words; nothing where there is none."""
        if self._exchange.has.get("fetchPosition"):
            position: Mapping[str, Any] = await self._ask("fetchPosition", self._symbol)
            return position
        told = await self._ask("fetchPositions", [self._symbol])
        return told[0] if told else {}

    async def payments(self, since_ns: int) -> tuple[Payment, ...]:
        """See Line."""
        if not self.units.dialect.funding:
            return ()
        told = await self._ask("fetchFundingHistory", self._symbol, self._theirs(since_ns) // _MS, PAGE)
        return tuple(self._read(self.units.payment, payment) for payment in told)

    async def wallet(self) -> float:
        """See Line."""
        told = await self._ask("fetchBalance")
        return float((told.get(self.units.settle) or {}).get("total") or 0.0)

    async def clock(self) -> Clock:
        """See Line. The fastest of three round trips tells."""
        best: tuple[int, int] | None = None
        for _ in range(3):
            sent_ns, began_ns = time.time_ns(), time.monotonic_ns()
            theirs = await self._ask("fetchTime")
            took_ns = time.monotonic_ns() - began_ns
            offset_ns = sent_ns + took_ns // 2 - int(theirs) * _MS
            if best is None or took_ns < best[0]:
                best = took_ns, offset_ns
        assert best is not None
        self._offset_ns = best[1]
        self._exchange.options["timeDifference"] = best[1] // _MS
        return Clock(best[1], best[0] // 2)

    async def raw(self, method: str) -> Mapping[str, Any]:
        """What a method that only this exchange has answers."""
        told: Mapping[str, Any] = await self._request(ASK, lambda: getattr(self._exchange, method)({}))
        return told

    def _past(self) -> str:
        return next(name for name in _PAST if self._exchange.has.get(name))

    async def _ask(self, name: str, *args: Any) -> Any:
        method = getattr(self._exchange, name)
        return await self._request(ASK, lambda: method(*args))

    async def _paged(
        self, name: str, most: int, params: Mapping[str, Any], since: int | None = None
    ) -> list[dict[str, Any]]:
        """All pages of a list, by the cursor that ccxt leaves in the first record of each."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            more = {**params, **({"cursor": cursor} if cursor else {})}
            page = await self._ask(name, self._symbol, since, most, more)
            found += page
            cursors = [c for entry in page if (c := (entry.get("info") or {}).get("nextPageCursor"))]
            if not page or not cursors or cursors[0] == cursor:
                return found
            cursor = cursors[0]

    # -------------------------------------------------------------------------------------------------- streams

    @property
    def streaming(self) -> bool:
        """See Line."""
        clients = list(self._exchange.clients.values())
        return bool(clients) and all(client.isConnected and not client.closed() for client in clients)

    async def orders_told(self) -> Heard:
        """The next orders that the exchange tells of by itself."""
        told = await self._watched(self._exchange.watch_orders(self._symbol))
        stands = tuple(self._read(self.units.stand, o) for o in told)
        return Heard("order", stands, raw=tuple(o["info"] for o in told))

    async def fills_told(self) -> Heard:
        """The next fills."""
        told = await self._watched(self._exchange.watch_my_trades(self._symbol))
        executions = tuple(self._read(self.units.execution, t) for t in told)
        return Heard("execution", executions=executions, raw=tuple(t["info"] for t in told))

    async def position_told(self) -> Heard:
        """The position, when it is told next."""
        told = await self._watched(self._exchange.watch_positions([self._symbol]))
        mine = [p for p in told if p.get("symbol") == self._symbol]
        holding = self._read(self.units.holding, mine[-1]) if mine else None
        return Heard("position", holding=holding, raw=tuple(p["info"] for p in mine))

    async def wallet_told(self) -> Heard:
        """The wallet, when it is told next."""
        told = await self._watched(self._exchange.watch_balance())
        total = (told.get(self.units.settle) or {}).get("total")
        return Heard("wallet", raw=({"coin": self.units.settle, "total": total},))

    async def close(self) -> None:
        """See Line."""
        await self._exchange.close()

    # --------------------------------------------------------------------------------------------------- beneath

    async def _request(self, kind: str, send: Callable[[], Awaitable[T]]) -> T:
        """Send one request, if its limit has room. Raises LineError, LIMITED where it would have to wait."""
        if kind == ASK and (wait_ns := self.due_ns(kind)) < _WAIT_NS:
            await asyncio.sleep(wait_ns / NS)  # a question may wait; an order's price is of now
        now_ns = time.monotonic_ns()
        if self._limits.due_ns(kind, now_ns) > now_ns:
            raise LineError(
                Answer(Outcome.LIMITED, OrderReason.RATE, "", "our own limit of requests is reached")
            )
        self._limits.take(kind, now_ns)
        try:
            return await send()
        except Exception as error:  # noqa: BLE001 - whatever it was, the exchange may have done what was asked
            answer = self._outcome(error)
        if answer.outcome is Outcome.LIMITED:
            self._limits.refused(kind, time.monotonic_ns())
        raise LineError(answer)  # outside of the handler: the error beneath may have the keys in its text

    async def _watched(self, told: Awaitable[T]) -> T:
        try:
            return await told
        except Exception as error:  # noqa: BLE001 - the stream is made again, whatever it was
            answer = self._outcome(error)
        raise LineError(answer)

    def _outcome(self, error: Exception) -> Answer:
        text, dialect = str(error), self.units.dialect
        answer = classify(error, dialect.code_of(text), dialect.codes)
        said = self._keys.scrubbed(f"{type(error).__name__}: {text}")[:500]
        return answer._replace(said=said)

    def _read(self, read: Callable[[Any], T], told: Any) -> T:
        try:
            return read(told)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            said = self._keys.scrubbed(f"it cannot be read: {type(error).__name__}: {error}")[:500]
        raise LineError(Answer(Outcome.UNKNOWN, OrderReason.VENUE, "", said))

    def _answered(
        self,
        code: int,
        reason: str,
        url: str,
        method: str,
        headers: Mapping[str, str],
        body: str,
        *_: Any,
    ) -> str:
        """Called by ccxt with every answer."""
        now_ns = time.monotonic_ns()
        self._limits.heard(self._limits.kind(url, ASK), headers, now_ns, self._now())
        if code == 403:
            self._limits.banned(now_ns)
        return body.strip()

    def due_ns(self, kind: str) -> int:
        """How long until the next request of this kind may go out, ns; 0 for at once."""
        now_ns = time.monotonic_ns()
        return max(0, self._limits.due_ns(kind, now_ns) - now_ns)

    def _now(self) -> int:
        """The exchange's time."""
        return time.time_ns() - self._offset_ns

    def _theirs(self, since_ns: int) -> int:
        """A beginning on the exchange's clock, whether it was read from theirs or from ours: rather too early."""
        return max(0, since_ns - max(0, self._offset_ns))


def quiet_logger() -> logging.Logger:
    """A logger that is nobody's: ccxt would write headers, and the key in them, where somebody asks for debugging."""
    return logging.Logger("ccxt", logging.CRITICAL + 1)
