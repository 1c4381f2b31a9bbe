"""The market REST: replies that agree with the sockets, pages, and errors."""

from __future__ import annotations

from typing import Any

import pytest
from local_exchange import MS, START_NS, SYMBOLS, Client, exchange

from btcframe.errors import ConfigError
from btcframe.exchange import control, rest
from btcframe.exchange.core import Exchange
from btcframe.types import NS


@pytest.fixture(scope="module")
def local() -> Exchange:
    made = exchange(*SYMBOLS)
    client = Client(made, "linear")
    client.subscribe("orderbook.1000.BTCUSDT")
    made.step(59 * NS)
    return made


def ask(local: Exchange, path: str, **query: str) -> Any:
    reply = rest.answer(local, f"/v5/market/{path}", query)
    assert (reply["retCode"], reply["retMsg"]) == (0, "OK") and reply["time"] == START_NS // MS + 59_000
    return reply["result"]


def test_time(local: Exchange) -> None:
    assert ask(local, "time") == {"timeSecond": str(START_NS // NS + 59), "timeNano": str(START_NS + 59 * NS)}


def test_instruments_come_in_pages() -> None:
    many = exchange("BTC/USDT:USDT")
    one = next(iter(many.markets.values()))
    from btcframe.exchange.listing import Listing
    from btcframe.exchange.market import Market

    for base in ("ETH", "SOL", "XRP"):
        instrument = one.listing.instrument._replace(symbol=f"{base}/USDT:USDT")
        many.markets["linear", f"{base}USDT"] = Market(Listing(instrument), iter(()), 1)
    found, cursor = [], ""
    for _ in range(2):
        page = rest.answer(
            many, "/v5/market/instruments-info", {"category": "linear", "limit": "2", "cursor": cursor}
        )
        found += [entry["symbol"] for entry in page["result"]["list"]]
        cursor = page["result"]["nextPageCursor"]
    assert found == ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"] and cursor == ""


def test_instruments_are_chosen(local: Exchange) -> None:
    assert [e["symbol"] for e in ask(local, "instruments-info", category="inverse")["list"]] == ["BTCUSD"]
    assert ask(local, "instruments-info", category="option", baseCoin="BTC")["list"] == []
    assert ask(local, "instruments-info", category="linear", status="PreLaunch")["list"] == []
    assert (
        len(ask(local, "instruments-info", category="spot", symbol="BTCUSDT", status="Trading")["list"]) == 1
    )


def test_the_book_is_that_of_the_stream_of_1000(local: Exchange) -> None:
    (client,) = local.sessions
    reply = ask(local, "orderbook", category="linear", symbol="BTCUSDT", limit="1000")
    stream = local.book_stream("linear", "BTCUSDT", 1000)
    assert reply["u"] == stream.u and reply["seq"] == stream.seq and client.topics
    view = local.book("BTC/USDT:USDT", 1000, reply["u"])
    assert view is not None and [len(reply["b"]), len(reply["a"])] == [len(side) for side in view]
    assert float(reply["b"][0][0]) < float(reply["a"][0][0])
    assert len(ask(local, "orderbook", category="linear", symbol="BTCUSDT")["b"]) == 25
    assert len(ask(local, "orderbook", category="spot", symbol="BTCUSDT")["b"]) == 1


def test_klines_are_newest_first_and_add_up(local: Exchange) -> None:
    rows = ask(local, "kline", category="linear", symbol="BTCUSDT", interval="1")["list"]
    lots = sum(t.lots for t in local.markets["linear", "BTCUSDT"].tape.trades)
    assert [int(r[0]) for r in rows] == sorted((int(r[0]) for r in rows), reverse=True)
    assert len(rows) == 2 and sum(float(r[5]) for r in rows) == pytest.approx(lots / 1000)
    (hour,) = ask(local, "kline", category="linear", symbol="BTCUSDT", interval="60")["list"]
    assert float(hour[5]) == pytest.approx(sum(float(r[5]) for r in rows))
    assert (
        float(hour[2]) == max(float(r[2]) for r in rows) and hour[4] == rows[0][4] and hour[1] == rows[1][1]
    )
    later = ask(local, "kline", category="linear", symbol="BTCUSDT", interval="1", start=rows[0][0])["list"]
    assert later == rows[:1]


def test_trades_are_newest_first_and_limited(local: Exchange) -> None:
    trades = ask(local, "recent-trade", category="linear", symbol="BTCUSDT")["list"]
    assert [int(t["seq"]) for t in trades] == sorted((int(t["seq"]) for t in trades), reverse=True)
    assert len(ask(local, "recent-trade", category="spot", symbol="BTCUSDT", limit="1000")["list"]) == 60


def test_tickers(local: Exchange) -> None:
    for category in ("spot", "linear", "inverse"):
        (ticker,) = ask(local, "tickers", category=category)["list"]
        book = ask(local, "orderbook", category=category, symbol=ticker["symbol"])
        assert (ticker["bid1Price"], ticker["bid1Size"]) == book["b"][0]
        assert (ticker["ask1Price"], ticker["ask1Size"]) == book["a"][0]
    assert ask(local, "tickers", category="linear", symbol="BTCUSDT")["list"][0]["fundingRate"]


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        ("instruments-info", {}, "Category is invalid"),
        ("instruments-info", {"category": "linear", "symbol": "XRPUSDT"}, "symbol invalid"),
        ("orderbook", {"category": "linear"}, "symbol invalid"),
        ("orderbook", {"category": "lineer", "symbol": "BTCUSDT"}, "Category is invalid"),
        ("kline", {"category": "linear", "symbol": "BTCUSDT", "interval": "2"}, "interval invalid"),
        ("recent-trade", {"category": "linear", "symbol": "BTCUSDT", "limit": "many"}, "limit invalid"),
        ("tickers", {"category": "spot", "symbol": "BTCUSD"}, "symbol invalid"),
    ],
)
def test_bad_parameters_have_the_exchanges_code(
    local: Exchange, path: str, query: dict[str, str], said: str
) -> None:
    reply = rest.answer(local, f"/v5/market/{path}", query)
    assert (reply["retCode"], reply["retMsg"], reply["result"]) == (10001, f"params error: {said}", {})


def test_the_control_endpoints_book(local: Exchange) -> None:
    value = control.book(local, {"symbol": "BTC/USDT:USDT", "depth": "1000"})
    reply = ask(local, "orderbook", category="linear", symbol="BTCUSDT", limit="1000")
    assert (value["u"], value["b"], value["a"]) == (reply["u"], reply["b"], reply["a"]) and len(
        value["sha256"]
    ) == 64
    before = control.book(local, {"symbol": "BTC/USDT:USDT", "depth": "1000", "u": str(value["u"] - 1)})
    assert before["sha256"] != value["sha256"] and value["oldest"] < before["u"] < value["last"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"symbol": "BTCUSDT"}, "'BTCUSDT' is not listed here"),
        ({"symbol": "BTC/USDT", "depth": "20"}, "depth: '20' is none of 1, 50, 200, 1000"),
        ({"symbol": "BTC/USDT", "u": "x"}, "u: 'x' is not an update id"),
        ({"symbol": "BTC/USDT", "u": "7"}, "u: 7 is not known"),
    ],
)
def test_a_book_that_is_not_known(local: Exchange, query: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        control.book(local, query)
    assert said in str(refused.value)


def test_status_log_and_faults(local: Exchange) -> None:
    status = control.status(local)
    assert [m["pair"] for m in status["markets"]] == ["BTCUSDT", "BTCUSDT", "BTCUSD"]
    assert status["clients"][0]["topics"] == ["orderbook.1000.BTCUSDT"] and status["clients"][0]["sent"] > 100
    assert {e["what"] for e in control.log(local, {"what": "subscribed"})["log"]} == {"subscribed"}
    again = exchange(faults=("gap@5s",))
    assert control.listed_faults(again)["planned"] == [{"market_s": 5.0, "fault": "gap@5s"}]
    assert control.inject(again, b'["drop", {"fault": "gap", "at": "9s"}]')["done"] == ["drop", "gap@9s"]
    assert again.counts["fault drop"] == 1 and len(again.planned) == 2
    with pytest.raises(ConfigError, match="no JSON"):
        control.inject(again, b"{")
