"""ccxt, unchanged, pointed at the local exchange: REST and pro."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import ccxt
import ccxt.pro
import pytest
from local_exchange import SYMBOLS, market

from btcframe.exchange.core import Exchange
from btcframe.exchange.server import Served, served

PATIENCE = 60.0


@pytest.fixture(scope="module")
def at() -> Iterator[Served]:
    markets = [market(symbol, seed, seconds=3600.0) for seed, symbol in enumerate(SYMBOLS)]
    exchange = Exchange(markets, start_ns=time.time_ns(), speed=10.0)
    exchange.step(20_000_000_000)
    with served(exchange) as local:
        yield local


def pointed(client: Any, at: Served) -> Any:
    client.urls["api"] = {
        **dict.fromkeys(("public", "private", "spot", "futures", "v2"), at.http),
        "ws": {"public": {name: f"{at.ws}/v5/public/{name}" for name in ("spot", "linear", "inverse")}},
    }
    client.enableRateLimit = False
    return client


@pytest.fixture(scope="module")
def rest(at: Served) -> Iterator[Any]:
    client = pointed(ccxt.bybit(), at)
    client.load_markets()
    yield client
    client.session.close()


def test_markets(rest: Any) -> None:
    assert set(rest.markets) == set(SYMBOLS)
    for symbol, instrument in SYMBOLS.items():
        found = rest.market(symbol)
        assert (found["precision"]["price"], found["precision"]["amount"]) == (
            float(instrument.tick),
            float(instrument.lot),
        )
        assert (found["spot"], found["linear"], found["inverse"]) == (
            instrument.contract == "spot",
            (instrument.contract == "linear") or None,
            (instrument.contract == "inverse") or None,
        ) or found["type"] == ("spot" if instrument.contract == "spot" else "swap")


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_rest(rest: Any, at: Served, symbol: str) -> None:
    book = rest.fetch_order_book(symbol, 50)
    assert len(book["bids"]) == 50 and book["bids"][0][0] < book["asks"][0][0]
    bars = rest.fetch_ohlcv(symbol, "1m")
    assert bars and all(low <= min(o, c) <= max(o, c) <= high for _, o, high, low, c, _ in bars)
    trades = rest.fetch_trades(symbol)
    assert len(trades) >= 30 and {t["side"] for t in trades} == {"buy", "sell"}
    assert abs(rest.fetch_time() - at.call(lambda: at.exchange.now_ms)) < PATIENCE * 1000
    assert rest.fetch_ticker(symbol)["last"] == pytest.approx(book["bids"][0][0], rel=0.01)


def test_errors_have_ccxts_classes(rest: Any) -> None:
    with pytest.raises(ccxt.BadSymbol):
        rest.fetch_order_book("XRP/USDT")
    with pytest.raises(ccxt.ExchangeError):
        rest.public_get_v5_market_kline({"category": "linear", "symbol": "BTCUSDT", "interval": "7"})


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_pro(at: Served, symbol: str) -> None:
    async def watched() -> None:
        client = pointed(ccxt.pro.bybit(), at)
        try:
            async with asyncio.timeout(PATIENCE):
                for _ in range(20):
                    book = await client.watch_order_book(symbol, 50)
                assert len(book["bids"]) == 50 and book["bids"][0][0] < book["asks"][0][0]
                assert (await client.watch_trades(symbol))[-1]["price"] > 0
                ticker = await client.watch_ticker(symbol)
                assert ticker["last"] == pytest.approx(book["bids"][0][0], rel=0.01)
                assert (await client.watch_ohlcv(symbol))[-1][4] > 0
        finally:
            await client.close()

    asyncio.run(watched())
