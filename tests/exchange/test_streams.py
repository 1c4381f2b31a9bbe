"""What the topics say, judged by a client that does what the documentation says, and by real messages."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from local_exchange import MS, START_NS, SYMBOLS, Client, Levels, applied, exchange, truth

from btcframe.exchange.streams import DEPTHS, GRID_NS
from btcframe.types import NS

LINEAR = "BTC/USDT:USDT"


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_client_that_follows_has_the_exchanges_book_at_every_update(symbol: str, depth: int) -> None:
    local = exchange(symbol)
    listing = next(iter(local.markets.values())).listing
    client = Client(local, listing.category)
    topic = f"orderbook.{depth}.{listing.pair}"
    client.subscribe(topic)
    local.step(8 * NS)
    messages = client.of(topic)
    bids: Levels = {}
    asks: Levels = {}
    assert messages[0]["type"] == "snapshot"
    for before, message in zip([None, *messages], messages, strict=False):
        if before is not None:
            assert message["data"]["u"] == before["data"]["u"] + 1
            assert message["data"]["seq"] > before["data"]["seq"]
            assert message["type"] == ("snapshot" if depth == 1 else "delta")
        assert message["cts"] <= message["ts"] <= message["cts"] + DEPTHS[depth] // MS + 10
        assert (message["ts"] * MS - START_NS) % DEPTHS[depth] == 0
        applied(bids, asks, message)
        assert (bids, asks) == truth(local, symbol, depth, message["data"]["u"])
        assert max(bids) < min(asks) and len(bids) <= depth and len(asks) <= depth
    assert len(messages) > 30


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=12))
def test_how_it_is_stepped_makes_no_difference(steps: list[int]) -> None:
    ways = []
    for pieces in (steps, [sum(steps)]):
        local = exchange()
        client = Client(local)
        client.subscribe("orderbook.50.BTCUSDT", "publicTrade.BTCUSDT", "tickers.BTCUSDT", "kline.1.BTCUSDT")
        for piece in pieces:
            local.step(local.ns + piece * GRID_NS)
        ways.append(client.frames)
    assert ways[0] == ways[1]


def test_a_late_subscriber_and_one_who_comes_back_go_on_from_a_snapshot() -> None:
    local = exchange()
    first = Client(local)
    first.subscribe("orderbook.50.BTCUSDT")
    local.step(NS)
    second = Client(local)
    second.subscribe("orderbook.50.BTCUSDT")
    local.step(2 * NS)
    for client in (first, second):
        client.say({"op": "unsubscribe", "args": ["orderbook.50.BTCUSDT"]})
    had = len(first.of("orderbook.50.BTCUSDT"))
    local.step(3 * NS)
    assert len(first.of("orderbook.50.BTCUSDT")) == had
    first.subscribe("orderbook.50.BTCUSDT")
    local.step(4 * NS)
    for messages in (second.of("orderbook.50.BTCUSDT"), first.of("orderbook.50.BTCUSDT")[had:]):
        bids: Levels = {}
        asks: Levels = {}
        for message in messages:
            applied(bids, asks, message)
            assert (bids, asks) == truth(local, LINEAR, 50, message["data"]["u"])
        numbers = [m["data"]["u"] for m in messages]
        assert messages[0]["type"] == "snapshot" and numbers == list(
            range(numbers[0], numbers[0] + len(numbers))
        )


def test_depth_1_repeats_itself_after_three_quiet_seconds() -> None:
    local = exchange()
    for one in local.markets.values():
        one._next = None  # nothing happens any more
    client = Client(local)
    client.subscribe("orderbook.1.BTCUSDT", "orderbook.50.BTCUSDT")
    local.step(10 * NS)
    repeated = client.of("orderbook.1.BTCUSDT")
    assert [m["ts"] - START_NS // MS for m in repeated] == [0, 3000, 6000, 9000]
    assert len({m["data"]["u"] for m in repeated}) == 1
    assert len(client.of("orderbook.50.BTCUSDT")) == 1


def test_every_print_comes_once_and_says_what_was_traded() -> None:
    local = exchange(LINEAR, "BTC/USDT")
    clients = {category: Client(local, category) for category in ("linear", "spot")}
    for client in clients.values():
        client.subscribe("publicTrade.BTCUSDT")
    local.step(20 * NS)
    for category, client in clients.items():
        market = local.markets[category, "BTCUSDT"]
        prints = [trade for message in client.of("publicTrade.BTCUSDT") for trade in message["data"]]
        assert len(prints) == market.traded > 100
        assert [(p["p"], p["v"], p["i"], p["T"]) for p in prints] == [
            (market.listing.price(t.ticks), market.listing.size(t.lots), t.ident, t.ms)
            for t in market.tape.trades
        ]
        assert len({p["i"] for p in prints}) == len(prints)
    assert re.fullmatch(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        clients["linear"].of("publicTrade.BTCUSDT")[0]["data"][0]["i"],
    )
    assert clients["spot"].of("publicTrade.BTCUSDT")[0]["data"][0]["i"].isdecimal()


def test_a_tickers_deltas_hold_what_changed_and_add_up() -> None:
    local = exchange()
    client = Client(local)
    client.subscribe("tickers.BTCUSDT")
    local.step(20 * NS)
    first, *later = client.of("tickers.BTCUSDT")
    assert first["type"] == "snapshot" and {m["type"] for m in later} == {"delta"}
    merged = dict(first["data"])
    for message in later:
        assert len(message["data"]) < len(merged)
        merged |= message["data"]
    market = local.markets["linear", "BTCUSDT"]
    assert merged == {"symbol": "BTCUSDT", **market.ticker(later[-1]["ts"])}
    trades = list(market.tape.trades)
    assert Decimal(merged["volume24h"]) == sum(t.lots for t in trades) * Decimal("0.001")
    assert Decimal(merged["turnover24h"]) == sum(t.lots * t.ticks for t in trades) * Decimal("0.0001")
    assert Decimal(merged["lastPrice"]) == trades[-1].ticks * Decimal("0.1")


def test_klines_are_told_while_they_are_open_and_once_when_they_are_final() -> None:
    local = exchange("BTC/USDT")
    client = Client(local, "spot")
    client.subscribe("kline.1.BTCUSDT")
    local.step(59 * NS)
    bars = [bar for message in client.of("kline.1.BTCUSDT") for bar in message["data"]]
    final = [bar for bar in bars if bar["confirm"]]
    assert len(final) == 1 and final[0]["start"] == START_NS // MS // 60_000 * 60_000
    prints = [t for t in local.markets["spot", "BTCUSDT"].tape.trades if t.ms < final[0]["start"] + 60_000]
    assert final[0]["end"] == final[0]["start"] + 59_999
    assert Decimal(final[0]["volume"]) == sum(t.lots for t in prints) * Decimal("0.000001")
    assert Decimal(final[0]["high"]) == max(t.ticks for t in prints) * Decimal("0.1")


def test_messages_are_written_as_the_exchange_writes_them() -> None:
    local = exchange(LINEAR, "BTC/USDT")
    seen = {}
    for category in ("linear", "spot"):
        client = Client(local, category)
        client.subscribe("orderbook.50.BTCUSDT", "publicTrade.BTCUSDT", "tickers.BTCUSDT", "kline.1.BTCUSDT")
        local.step(local.ns + 5 * NS)
        seen[category] = {
            name: list(client.of(f"{name}.BTCUSDT")[0])
            for name in ("orderbook.50", "publicTrade", "tickers", "kline.1")
        }
        prices = [level[0] for m in client.of("orderbook.50.BTCUSDT") for level in m["data"]["b"]]
        assert all(re.fullmatch(r"\d+\.\d0" if category == "linear" else r"\d+(\.[1-9])?", p) for p in prices)
        sizes = {level[1] for m in client.of("orderbook.50.BTCUSDT") for level in m["data"]["b"]}
        assert all(
            re.fullmatch(r"0|\d+\.\d{3}" if category == "linear" else r"\d+(\.\d*[1-9])?", s) for s in sizes
        )
        assert "0" in sizes
        assert all(b" " not in frame.data for frame in client.frames)
    assert seen == {
        "linear": {
            "orderbook.50": ["topic", "type", "ts", "data", "cts"],
            "publicTrade": ["topic", "type", "ts", "data"],
            "tickers": ["topic", "type", "data", "cs", "ts"],
            "kline.1": ["topic", "data", "ts", "type"],
        },
        "spot": {
            "orderbook.50": ["topic", "ts", "type", "data", "cts"],
            "publicTrade": ["topic", "type", "ts", "data"],
            "tickers": ["topic", "ts", "type", "cs", "data"],
            "kline.1": ["type", "topic", "data", "ts"],
        },
    }


def test_speed_is_in_the_stamps() -> None:
    stamps = {}
    for speed in (1.0, 10.0, None):
        local = exchange(speed=speed)
        client = Client(local)
        client.subscribe("orderbook.50.BTCUSDT")
        local.step(10 * NS)
        stamps[speed] = [m["ts"] - START_NS // MS for m in client.of("orderbook.50.BTCUSDT")]
    assert stamps[1.0] == stamps[None] and stamps[1.0][-1] == 10_000
    assert stamps[10.0] == [ms // 10 for ms in stamps[1.0]]


def test_a_gap_in_the_order_flow_leaves_the_book_as_it_was_until_there_is_another() -> None:
    from btcframe.exchange.flow import Arrived, Change
    from btcframe.exchange.listing import Listing
    from btcframe.exchange.market import Market
    from btcframe.types import Kind

    def book(*levels: tuple[int, int, int]) -> list[Change]:
        return [Change(Kind.CLEAR, 0, 0, 0), *(Change(Kind.DEPTH, *level) for level in levels)]

    happened = [
        Arrived(0, book((1, 100, 5), (-1, 101, 5))),
        Arrived(NS, [Change(Kind.GAP, 0, 0, 0)]),
        Arrived(NS, [Change(Kind.DEPTH, 1, 120, 5)]),  # what comes after a gap fits no book
        Arrived(2 * NS, book((1, 200, 5), (-1, 201, 5))),
    ]
    from btcframe.exchange.core import Exchange

    local = Exchange([Market(Listing(SYMBOLS[LINEAR]), iter(happened), 1)], start_ns=START_NS)
    client = Client(local)
    client.subscribe("orderbook.50.BTCUSDT")
    local.step(3 * NS)
    snapshot, delta = client.of("orderbook.50.BTCUSDT")
    assert snapshot["data"]["b"] == [["10.00", "0.005"]]
    assert delta["data"]["b"] == [["20.00", "0.005"], ["10.00", "0"]]
    assert json.dumps(delta["data"]["a"]) == '[["10.10", "0"], ["20.10", "0.005"]]'
