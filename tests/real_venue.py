"""A session at the local exchange: what the trader would be told, and the exchange's own truth."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from local_exchange import SYMBOLS, market

from btcframe.api import Action, Host, Intent, Recovered
from btcframe.exchange.core import Exchange
from btcframe.exchange.faults import parse
from btcframe.exchange.private.account import Holder
from btcframe.exchange.server import served
from btcframe.types import EVENT, NS, OrderReason, OrderState, TimeInForce
from btcframe.venues.ccxt import Ccxt

SYMBOL = "BTC/USDT:USDT"
INSTRUMENT = SYMBOLS[SYMBOL]
FAR = 590_000
"""Ticks at which an order rests: the made market is at 600,000."""

QUICK = {"timeout": "1s", "recv_window": "1s", "settle": "300ms", "check": "1m"}


class Local:
    """A local exchange that is served, with one holder."""

    def __init__(self, at: Any, exchange: Exchange) -> None:
        self.at, self.exchange = at, exchange

    def inject(self, *faults: str) -> None:
        for fault in faults:
            self.at.call(lambda text=fault: self.exchange.inject(parse(text)))

    def truth(self) -> Mapping[str, Any]:
        """Everything of the account, as GET /control/account tells it."""
        told: Mapping[str, Any] = self.at.call(
            lambda: self.exchange.private.service.truth(self.exchange.private.account())
        )
        return told

    @property
    def lots(self) -> int:
        """Lots held."""
        return sum(
            (1 if p["side"] == "Buy" else -1) * round(float(p["size"]) * 1000)
            for p in self.truth()["positions"]
            if p["side"]
        )


@contextlib.contextmanager
def local(*holders: Holder, symbol: str = SYMBOL) -> Iterator[Local]:
    """An exchange with one quiet market."""
    options = {"holders": holders} if holders else {}
    exchange = Exchange([market(symbol, 1, seconds=3600.0)], start_ns=time.time_ns(), **options)
    with served(exchange) as at:
        yield Local(at, exchange)


class Session:
    """A gateway, and everything that it has told."""

    def __init__(self, venue: Ccxt, name: str, symbol: str, opening: bool) -> None:
        self.told: list[tuple[str, Mapping[str, Any]]] = []
        self.logged: list[Mapping[str, Any]] = []
        self.stops: list[tuple[str, str]] = []
        self.states: dict[int, list[tuple[str, str]]] = {}
        self.filled: dict[int, int] = {}
        self.count = 0
        host = Host(
            name,
            time.time_ns,
            lambda: None,
            lambda kind, **data: self.told.append((kind, data)),
            self.logged.append,
            lambda code, why: self.stops.append((code, why)),
        )
        self.gateway: Any
        self.recovered: Recovered
        self.gateway, self.recovered = venue.connect(SYMBOLS[symbol], host, opening=opening)

    def hear(self) -> None:
        """Take in what has arrived."""
        _, reports = self.gateway.advance(np.empty(0, EVENT), time.time_ns())
        for fill in reports.fills:
            n = int(fill["order_id"])
            self.filled[n] = self.filled.get(n, 0) + int(fill["lots"]) * int(fill["side"])
        for order in reports.orders:
            said = OrderState(order["state"]).name, OrderReason(order["why"]).name
            self.states.setdefault(int(order["order_id"]), []).append(said)

    def until(self, done: Callable[[], bool], seconds: float = 60.0) -> None:
        """Hear until something is so."""
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, (self.states, self.filled, self.told, self.stops)
            time.sleep(0.002)
            self.hear()

    def submit(
        self, side: int = 1, lots: int = 10, ticks: int = FAR, tif: TimeInForce = TimeInForce.GTC, **more: Any
    ) -> int:
        """Send an order; its number."""
        self.count += 1
        intent = Intent(Action.SUBMIT, side, lots, ticks, tif, **more)
        self.gateway.submit(self.count, intent, time.time_ns())
        return self.count

    def market(self, side: int = 1, lots: int = 10) -> int:
        """Send a market order; its number."""
        return self.submit(side, lots, 0, TimeInForce.IOC)

    def last(self, n: int) -> tuple[str, str]:
        """State and reason of an order as told last."""
        return self.states.get(n, [("", "")])[-1]

    def comes_to(self, n: int, state: str, seconds: float = 60.0) -> None:
        """Hear until an order is in a state."""
        self.until(lambda: self.last(n)[0] == state, seconds)


@contextlib.contextmanager
def session(
    port: int,
    journal: Path,
    name: str = "a-b-0123456789ab",
    *,
    symbol: str = SYMBOL,
    opening: bool = True,
    **settings: Any,
) -> Iterator[Session]:
    """A session at a local exchange."""
    made = Session(Ccxt(port=port, journal=str(journal), **{**QUICK, **settings}), name, symbol, opening)
    try:
        yield made
    finally:
        made.gateway.close()


__all__ = ["FAR", "INSTRUMENT", "NS", "QUICK", "SYMBOL", "Local", "Session", "local", "session"]
