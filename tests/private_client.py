"""A client of the private side that signs by hand, as the exchange's documentation says; no library is in between."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from local_exchange import Client

from btcframe.exchange.core import Exchange
from btcframe.exchange.private.service import Answer, Request

KEY, SECRET = "local-key", "local-secret"
LINEAR = {"category": "linear", "symbol": "BTCUSDT"}
SPOT = {"category": "spot", "symbol": "BTCUSDT"}
INVERSE = {"category": "inverse", "symbol": "BTCUSD"}


def signed(
    payload: str, ms: int, *, key: str = KEY, secret: str = SECRET, window: str = "5000"
) -> dict[str, str]:
    """The headers of a request: hex(HMAC_SHA256(secret, timestamp + key + recv_window + query or body))."""
    text = f"{ms}{key}{window}{payload}"
    return {
        "X-BAPI-API-KEY": key,
        "X-BAPI-TIMESTAMP": str(ms),
        "X-BAPI-RECV-WINDOW": window,
        "X-BAPI-SIGN": hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest(),
    }


def auth(expires: int, *, key: str = KEY, secret: str = SECRET) -> dict[str, Any]:
    """What a private socket is told first."""
    sign = hmac.new(secret.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()
    return {"op": "auth", "args": [key, expires, sign]}


class Trader:
    """A client with a key: REST without HTTP, and a private stream without a socket.

    Parameters
    ----------
    exchange : Exchange
    market : dict           category and symbol, of every request
    """

    def __init__(
        self, exchange: Exchange, market: dict[str, str] = LINEAR, *, key: str = KEY, secret: str = SECRET
    ) -> None:
        self.exchange, self.market, self._key, self._secret = exchange, market, key, secret
        self._links = itertools.count(1)
        self.stream = Client(exchange, "private")

    def listen(self, *topics: str) -> None:
        """Hear private streams."""
        said = self.stream.say(auth(self.exchange.now_ms + 1000, key=self._key, secret=self._secret))
        assert said[0]["success"], said
        said = self.stream.subscribe(*(topics or ("order", "execution", "position", "wallet")))
        assert said[0]["success"], said

    def heard(self, topic: str) -> list[Any]:
        """Everything that a stream has said of its subjects."""
        return [row for message in self.stream.of(topic) for row in message["data"]]

    def get(self, path: str, **query: Any) -> Answer:
        """Ask."""
        text = urlencode(query)
        headers = signed(text, self.exchange.now_ms, key=self._key, secret=self._secret)
        return self.exchange.private.answer(Request("GET", f"/v5/{path}", text, b"", headers))

    def post(self, path: str, **body: Any) -> Answer:
        """Ask for something to be done."""
        text = json.dumps(body)
        headers = signed(text, self.exchange.now_ms, key=self._key, secret=self._secret)
        return self.exchange.private.answer(Request("POST", f"/v5/{path}", "", text.encode(), headers))

    def order(self, side: str, qty: str, price: str = "", **more: Any) -> Answer:
        """A limit order, or without a price one at the market."""
        kind = {"orderType": "Limit", "price": price} if price else {"orderType": "Market"}
        link = {"orderLinkId": f"t-{next(self._links)}"}
        return self.post("order/create", **self.market, side=side, qty=qty, **kind, **{**link, **more})

    def of(self, link: str) -> Any:
        """An order as the exchange knows it, by its link id."""
        found = [row for row in self.truth()["orders"] if row["orderLinkId"] == link]
        assert len(found) == 1, link
        return found[0]

    def truth(self) -> Any:
        """Everything of the account."""
        side = self.exchange.private
        account = side.account(self._key)
        assert account is not None
        return side.service.truth(account)

    def best(self, symbol: str = "BTC/USDT:USDT") -> tuple[int, int]:
        """Best bid and ask of the flow, ticks."""
        book = self.exchange.market(symbol).book
        return max(book.bids), min(book.asks)

    def price(self, ticks: int, symbol: str = "BTC/USDT:USDT") -> str:
        """A price as text."""
        return str(ticks * self.exchange.market(symbol).listing.instrument.tick)

    def money(self, coin: str = "USDT") -> Decimal:
        """The balance of a coin."""
        return Decimal(self.truth()["wallet"].get(coin, "0"))
