"""Bybit's socket, as a connection has to know it."""

from __future__ import annotations

import json

import pytest

from btcframe.errors import ConfigError
from btcframe.sources.bybit.market import Market
from btcframe.sources.bybit.protocol import BybitAdapter
from btcframe.sources.live.adapter import Answer, Topic
from btcframe.types import Frame

from bybit_market import LINEAR, SPOT  # isort: skip

ADDRESS = "ws://127.0.0.1:1"


def adapter(instrument: object = LINEAR, *topics: str) -> BybitAdapter:
    return BybitAdapter(
        Market(instrument, "BTCUSDT", 50), ADDRESS, "http://127.0.0.1:1", tuple(Topic(t, 0.0) for t in topics)
    )


def test_subscriptions_and_their_ends() -> None:
    bybit = adapter()
    (request,) = bybit.subscribe(("orderbook.50.BTCUSDT", "publicTrade.BTCUSDT"))
    assert json.loads(request.text) == {
        "op": "subscribe",
        "req_id": "1",
        "args": ["orderbook.50.BTCUSDT", "publicTrade.BTCUSDT"],
    }
    assert request.id == "1"
    (end,) = bybit.unsubscribe(("publicTrade.BTCUSDT",))
    assert json.loads(end.text) == {"op": "unsubscribe", "req_id": "2", "args": ["publicTrade.BTCUSDT"]}
    assert json.loads(bybit.ping().text) == {"op": "ping", "req_id": "3"}


def test_spot_takes_ten_topics_a_request() -> None:
    topics = [f"tickers.{n}" for n in range(23)]
    requests = adapter(SPOT).subscribe(topics)
    assert [len(json.loads(request.text)["args"]) for request in requests] == [10, 10, 3]
    assert [topic for request in requests for topic in request.topics] == topics
    assert len({request.id for request in requests}) == 3
    assert len(adapter(LINEAR).subscribe(topics)) == 1


def test_more_topics_than_a_connection_takes() -> None:
    with pytest.raises(
        ConfigError, match=r"1000 topics are 22,000 characters, and a connection takes 21,000"
    ):
        adapter(LINEAR, *(f"tickers.{n:014}" for n in range(1000)))


@pytest.mark.parametrize(
    ("data", "topic"),
    [
        (b'{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1,"data":{}}', b"orderbook.50.BTCUSDT"),
        (b'{"type":"delta","data":{"s":"BTCUSDT"},"topic":"publicTrade.BTCUSDT"}', b"publicTrade.BTCUSDT"),
        (b'{"success":true,"op":"subscribe"}', b""),
        (b'{"topic":"cut', b"cu"),  # of no topic of ours, so it is judged as a reply, and cannot be read
        (b"", b""),
    ],
)
def test_the_topic_of_a_message(data: bytes, topic: bytes) -> None:
    assert adapter().topic_of(data) == topic


@pytest.mark.parametrize(
    ("data", "answer", "id_", "text"),
    [
        (b'{"success":true,"ret_msg":"","conn_id":"c","req_id":"7","op":"subscribe"}', Answer.accepted, "7", ""),
        (b'{"success":true,"ret_msg":"subscribe","conn_id":"c","op":"subscribe"}', Answer.accepted, "", "subscribe"),
        (b'{"success":false,"ret_msg":"Invalid topic: x","req_id":"7","op":"subscribe"}', Answer.refused, "7",
         "Invalid topic: x"),
        (b'{"success":true,"ret_msg":"pong","conn_id":"c","req_id":"8","op":"ping"}', Answer.pong, "8", ""),
        (b'{"op":"pong","args":["1700000000000"],"conn_id":"c"}', Answer.pong, "", ""),
        (b'{"success":true,"op":"unsubscribe","req_id":"9"}', Answer.other, "9", ""),
        (b'{"topic":"tickers.ETHUSDT","data":{}}', Answer.other, "", ""),
    ],
)  # fmt: skip
def test_replies(data: bytes, answer: Answer, id_: str, text: str) -> None:
    assert adapter().reply(data) == (answer, id_, text)


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"[]", b'{"op":1}', b"\xff", b'{"op":"ping","req_id":"' + b"9" * 200 + b'"}']
)
def test_what_is_no_reply(data: bytes) -> None:
    with pytest.raises(ValueError):
        adapter().reply(data)


def test_the_session_begins_with_its_market() -> None:
    bybit = adapter()
    ((stream, data),) = bybit.opening
    assert Market.of_frame(Frame(5, stream, data), "here") == bybit.market


def test_how_long_it_stays_away() -> None:
    assert adapter().pause(403) == 600.0
    assert adapter().pause(429) == 60.0
