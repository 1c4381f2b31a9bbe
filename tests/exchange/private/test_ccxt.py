"""ccxt, unchanged, trades at the local exchange: what it sends is checked by hand, what it understands against the truth."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import ccxt
import ccxt.pro
import pytest
from local_exchange import SYMBOLS, market
from private_client import KEY, SECRET

from btcframe.exchange.core import Exchange
from btcframe.exchange.faults import parse
from btcframe.exchange.server import Served, served

PATIENCE = 60.0
SYMBOL = "BTC/USDT:USDT"
LOW = 59_000.0
"""A price at which nobody sells."""


@pytest.fixture(scope="module")
def at() -> Iterator[Served]:
    markets = [market(symbol, seed, seconds=3600.0) for seed, symbol in enumerate(SYMBOLS)]
    with served(Exchange(markets, start_ns=time.time_ns(), limited=False)) as local:
        yield local


def pointed(client: Any, at: Served) -> Any:
    private = f"{at.ws}/v5/private"
    client.urls["api"] = {
        **dict.fromkeys(("public", "private", "spot", "futures", "v2"), at.http),
        "ws": {
            "public": {name: f"{at.ws}/v5/public/{name}" for name in ("spot", "linear", "inverse")},
            "private": {
                "spot": {"unified": private}, "contract": private, "usdc": private, "trade": f"{at.ws}/v5/trade",
            },
        },
    }  # fmt: skip
    client.apiKey, client.secret, client.enableRateLimit = KEY, SECRET, False
    return client


@pytest.fixture(scope="module")
def rest(at: Served) -> Iterator[Any]:
    client = pointed(ccxt.bybit(), at)
    client.load_markets()
    yield client
    client.session.close()


@pytest.fixture
def sent(rest: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, str], str | None]]:
    """What ccxt sends: method, URL, headers, body."""
    found: list[tuple[str, str, dict[str, str], str | None]] = []
    fetch = rest.fetch

    def kept(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        found.append((method, url, headers, body))
        return fetch(url, method, headers, body)

    monkeypatch.setattr(rest, "fetch", kept)
    return found


def truth(at: Served, order_id: str) -> Any:
    private = at.exchange.private
    everything = at.call(lambda: private.service.truth(private.account()))  # type: ignore[arg-type]
    return next(row for row in everything["orders"] if row["orderId"] == order_id)


def test_signatures_and_bodies(
    rest: Any, at: Served, sent: list[tuple[str, str, dict[str, str], str | None]]
) -> None:
    made = rest.create_order(
        SYMBOL, "limit", "buy", 0.0014, LOW + 0.03, {"postOnly": True, "clientOrderId": "abc-1"}
    )
    rest.edit_order(made["id"], SYMBOL, "limit", "buy", 0.002, LOW - 10)
    rest.fetch_open_orders(SYMBOL, params={"orderLinkId": "abc-1"})
    rest.cancel_order(None, SYMBOL, {"orderLinkId": "abc-1"})
    rest.fetch_my_trades(SYMBOL)
    bodies = {url.removeprefix(at.http): json.loads(body) for _, url, _, body in sent if body}
    assert bodies == {
        "/v5/order/create": {
            "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "timeInForce": "PostOnly", "category": "linear",
            "orderLinkId": "abc-1", "qty": "0.001", "price": "59000",
        },
        "/v5/order/amend": {
            "symbol": "BTCUSDT", "category": "linear", "orderId": made["id"], "qty": "0.002",
            "price": "58990",
        },
        "/v5/order/cancel": {"symbol": "BTCUSDT", "category": "linear", "orderLinkId": "abc-1"},
    }  # fmt: skip
    private = [
        (method, url, headers, body)
        for method, url, headers, body in sent
        if headers and "X-BAPI-SIGN" in headers
    ]
    assert len(private) == 7  # two more ask what kind of account it is
    for method, url, headers, body in private:
        payload = body if method == "POST" else url.partition("?")[2]
        text = f"{headers['X-BAPI-TIMESTAMP']}{KEY}{headers['X-BAPI-RECV-WINDOW']}{payload}"
        by_hand = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        assert (headers["X-BAPI-SIGN"], headers["X-BAPI-API-KEY"]) == (by_hand, KEY)


@pytest.mark.parametrize("symbol", [SYMBOL, "BTC/USDT"])
def test_the_life_of_an_order(rest: Any, at: Served, symbol: str) -> None:
    link = f"life-{symbol.count(':')}"
    made = rest.create_order(symbol, "limit", "buy", 0.002, LOW, {"clientOrderId": link})
    (working,) = rest.fetch_open_orders(symbol)
    assert (working["id"], working["clientOrderId"], working["status"]) == (made["id"], link, "open")
    rest.edit_order(made["id"], symbol, "limit", "buy", 0.003, LOW)
    assert rest.fetch_open_orders(symbol)[0]["amount"] == 0.003
    rest.cancel_order(made["id"], symbol)
    assert rest.fetch_open_orders(symbol) == []
    (canceled,) = [order for order in rest.fetch_canceled_orders(symbol) if order["id"] == made["id"]]
    assert (canceled["status"], canceled["filled"], canceled["info"]) == (
        "canceled",
        0.0,
        truth(at, made["id"]),
    )
    taken = rest.create_order(symbol, "market", "buy", 0.004)
    (done,) = [order for order in rest.fetch_closed_orders(symbol) if order["id"] == taken["id"]]
    trades = [trade for trade in rest.fetch_my_trades(symbol) if trade["order"] == taken["id"]]
    assert done["filled"] == pytest.approx(sum(trade["amount"] for trade in trades)) == 0.004
    assert done["cost"] == pytest.approx(sum(trade["cost"] for trade in trades))
    assert done["fee"]["cost"] == pytest.approx(sum(trade["fee"]["cost"] for trade in trades))
    assert {trade["fee"]["currency"] for trade in trades} == {"USDT" if ":" in symbol else "BTC"}


def test_position_balance_and_fees(rest: Any) -> None:
    before = rest.fetch_positions([SYMBOL])[0]["contracts"] or 0.0
    rest.create_order(SYMBOL, "market", "buy", 0.005)
    (position,) = rest.fetch_positions([SYMBOL])
    assert position["contracts"] == pytest.approx(before + 0.005)
    assert (position["side"], position["leverage"], position["hedged"]) == ("long", 10.0, False)
    balance = rest.fetch_balance()
    assert 0 < balance["USDT"]["free"] < balance["USDT"]["total"] < 100_000
    fee = rest.fetch_trading_fee(SYMBOL)
    assert (fee["maker"], fee["taker"]) == (0.0002, 0.00055)
    rest.set_leverage(7, SYMBOL)
    with pytest.raises(ccxt.BadRequest, match="110043"):
        rest.set_leverage(7, SYMBOL)
    assert rest.fetch_leverage(SYMBOL)["longLeverage"] == 7
    rest.set_leverage(10, SYMBOL)
    rest.create_order(SYMBOL, "market", "sell", position["contracts"], None, {"reduceOnly": True})
    assert rest.fetch_positions([SYMBOL])[0]["contracts"] == 0


def test_batches(rest: Any) -> None:
    orders = [
        {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.001, "price": LOW - n, "params": {}}
        for n in range(3)
    ]
    made = rest.create_orders(orders)
    assert len(rest.fetch_open_orders(SYMBOL)) == 3
    rest.cancel_orders([order["id"] for order in made[:2]], SYMBOL)
    assert len(rest.cancel_all_orders(SYMBOL)) == 1 and rest.fetch_open_orders(SYMBOL) == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("error_10000", ccxt.ExchangeError),
        ("error_10016_before", ccxt.ExchangeError),
        ("error_170007", ccxt.RequestTimeout),
        ("error_170146", ccxt.InvalidOrder),
        ("reply_lost", ccxt.NetworkError),
        ("request_lost", ccxt.NetworkError),
        ("accepted_twice", ccxt.InvalidOrder),
        ("ban", ccxt.RateLimitExceeded),
        ("skew*9000", ccxt.InvalidNonce),
    ],
)
def test_faults_have_ccxts_classes(rest: Any, at: Served, fault: str, error: type[Exception]) -> None:
    at.call(at.exchange.inject, parse(fault))
    with pytest.raises(error) as raised:
        rest.create_order(SYMBOL, "limit", "buy", 0.001, LOW, {"clientOrderId": fault[:30].replace("*", "-")})
    assert SECRET not in str(raised.value)
    at.call(at.exchange.heal)
    rest.cancel_all_orders(SYMBOL)


def test_refusals_have_ccxts_classes(rest: Any) -> None:
    with pytest.raises(ccxt.InvalidOrder, match="110094"):
        rest.create_order(SYMBOL, "limit", "buy", 0.001, 1000)
    with pytest.raises(ccxt.InsufficientFunds):
        rest.create_order(SYMBOL, "limit", "buy", 100, LOW)
    with pytest.raises(ccxt.OrderNotFound):
        rest.cancel_order("nothing", SYMBOL)
    with pytest.raises(ccxt.InvalidOrder, match="110017"):
        rest.create_order(SYMBOL, "market", "buy", 0.001, None, {"reduceOnly": True})
    stranger = pointed(ccxt.bybit(), rest_of(rest))
    stranger.secret = "wrong"
    with contextlib.closing(stranger.session), pytest.raises(ccxt.AuthenticationError):
        stranger.fetch_balance()


def rest_of(rest: Any) -> Any:
    """The addresses of a client, as those of a served exchange."""
    http = rest.urls["api"]["private"]

    class Place:
        ws = http.replace("http", "ws", 1)

    Place.http = http  # type: ignore[attr-defined]
    return Place


def test_pro(at: Served) -> None:
    async def traded() -> None:
        client = pointed(ccxt.pro.bybit(), at)
        try:
            async with asyncio.timeout(PATIENCE):
                await client.load_markets()
                await client.watch_positions([SYMBOL])  # the first is asked for by REST
                watched = {
                    name: asyncio.create_task(watch)
                    for name, watch in (
                        ("orders", client.watch_orders(SYMBOL)), ("trades", client.watch_my_trades(SYMBOL)),
                        ("positions", client.watch_positions([SYMBOL])), ("balance", client.watch_balance()),
                    )
                }  # fmt: skip
                while at.call(topics) != {"order", "execution", "position", "wallet"}:
                    await asyncio.sleep(0)
                made = await client.create_order_ws(SYMBOL, "market", "sell", 0.003)
                heard = {name: await task for name, task in watched.items()}
                assert heard["orders"][-1]["id"] == heard["trades"][-1]["order"] == made["id"]
                assert heard["orders"][-1]["status"] == "closed"
                assert (heard["positions"][0]["side"], heard["positions"][0]["contracts"]) in (
                    ("short", 0.003),
                    (None, 0.0),
                )
                assert heard["balance"]["USDT"]["total"] > 0
                rests = await client.create_order_ws(SYMBOL, "limit", "sell", 0.001, 61_000)
                await client.edit_order_ws(rests["id"], SYMBOL, "limit", "sell", 0.002, 61_001)
                await client.cancel_order_ws(rests["id"], SYMBOL)
                while client.orders.hashmap[SYMBOL][rests["id"]]["status"] != "canceled":
                    await asyncio.sleep(0)
                assert client.orders.hashmap[SYMBOL][rests["id"]]["amount"] == 0.002
                with pytest.raises(ccxt.InvalidOrder, match="110094"):
                    await client.create_order_ws(SYMBOL, "limit", "buy", 0.001, 1000)
        finally:
            await client.close()

    def topics() -> set[str]:
        return {topic for s in at.exchange.sessions if s.category == "private" for topic in s.topics}

    asyncio.run(traded())
