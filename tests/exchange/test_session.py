"""What a client may say, and what it is answered: acks, pongs, limits."""

from __future__ import annotations

import pytest
from local_exchange import Client, exchange

from btcframe.types import NS


def test_answers_of_futures_and_of_spot() -> None:
    local = exchange("BTC/USDT:USDT", "BTC/USDT")
    linear, spot = Client(local, "linear"), Client(local, "spot")
    conn = linear.session.conn_id
    assert linear.subscribe("publicTrade.BTCUSDT") == [
        {"success": True, "ret_msg": "", "conn_id": conn, "req_id": "", "op": "subscribe"}
    ]
    assert linear.say({"op": "ping", "req_id": "7"}) == [
        {"success": True, "ret_msg": "pong", "conn_id": conn, "req_id": "7", "op": "ping"}
    ]
    conn = spot.session.conn_id
    assert spot.subscribe("publicTrade.BTCUSDT") == [
        {"success": True, "ret_msg": "subscribe", "conn_id": conn, "op": "subscribe"}
    ]
    assert spot.say({"op": "unsubscribe", "args": ["publicTrade.BTCUSDT"], "req_id": "a"}) == [
        {"success": True, "ret_msg": "unsubscribe", "conn_id": conn, "req_id": "a", "op": "unsubscribe"}
    ]
    assert spot.say({"op": "ping"}) == [{"success": True, "ret_msg": "pong", "conn_id": conn, "op": "ping"}]


@pytest.mark.parametrize(
    "topic",
    [
        "orderbook.500.BTCUSDT",
        "orderbook.50.ETHUSDT",
        "orderbook.BTCUSDT",
        "kline.2.BTCUSDT",
        "",
        "tickers",
        "x.y.z.w",
    ],
)
def test_a_topic_that_does_not_exist_fails_and_nothing_of_the_request_is_subscribed(topic: str) -> None:
    client = Client(exchange())
    answer = client.subscribe("publicTrade.BTCUSDT", topic)
    assert answer[0]["success"] is False and answer[0]["ret_msg"] == f"Invalid topic: {topic}"
    assert not client.session.topics


def test_a_symbol_is_subscribed_where_it_is_traded() -> None:
    local = exchange("BTC/USDT")
    assert Client(local, "linear").subscribe("orderbook.50.BTCUSDT")[0]["success"] is False
    assert Client(local, "spot").subscribe("orderbook.50.BTCUSDT")[0]["success"] is True


def test_spot_takes_ten_args_a_request_and_futures_any_number() -> None:
    local = exchange("BTC/USDT:USDT", "BTC/USDT")
    topics = [f"kline.{n}.BTCUSDT" for n in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720, "D")]
    assert Client(local, "spot").subscribe(*topics)[0]["ret_msg"] == "args size >10"
    assert Client(local, "spot").subscribe(*topics[:10])[0]["success"] is True
    assert Client(local, "linear").subscribe(*topics)[0]["success"] is True


def test_a_connection_takes_21000_characters_of_args() -> None:
    client = Client(exchange())
    answer = client.subscribe(*(f"orderbook.50.{n:08}" for n in range(1001)))
    assert "21000" in answer[0]["ret_msg"] and answer[0]["success"] is False


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        ("{", "invalid json"),
        (b"\xff\xfe", "invalid json"),
        ("[1]", "invalid request"),
        ({"op": "dance"}, "invalid op"),
        ({}, "invalid op"),
        ({"op": "subscribe"}, "invalid args"),
        ({"op": "subscribe", "args": []}, "invalid args"),
        ({"op": "subscribe", "args": [7]}, "invalid args"),
        ({"op": "auth", "args": ["k", 1, "s"]}, "public socket"),
    ],
)
def test_nonsense_is_answered_and_the_connection_lives(said: object, answered: str) -> None:
    client = Client(exchange())
    (answer,) = client.say(said)
    assert answer["success"] is False and answered in answer["ret_msg"]
    assert client.say({"op": "ping"})[0]["ret_msg"] == "pong"


def test_who_says_nothing_is_disconnected() -> None:
    local = exchange(idle_ns=20 * NS)
    quiet, alive = Client(local), Client(local)
    for second in range(0, 40, 5):
        local.step(second * NS)
        alive.say({"op": "ping"})
    assert quiet.gone == "1000 no ping" and not alive.gone
    assert [s.conn_id for s in local.sessions] == [alive.session.conn_id]


def test_new_connections_requests_and_connections_at_a_time_are_limited() -> None:
    local = exchange()
    assert [local.admission("linear") for _ in range(501)] == [200] * 500 + [403]
    assert [local.admission() for _ in range(601)] == [200] * 600 + [403]
    local.step(6 * NS)
    assert local.admission() == 200 and local.admission("spot") == 403
    local = exchange(limited=False)
    clients = [Client(local) for _ in range(999)]
    assert local.admission("linear") == 200
    clients.append(Client(local))
    assert local.admission("linear") == 403 and local.admission("spot") == 200


def test_what_happened_is_written_down() -> None:
    local = exchange()
    client = Client(local)
    client.subscribe("tickers.BTCUSDT")
    client.subscribe("tickers.BTC")
    local.disconnect(client.session)
    assert [entry["what"] for entry in local.log] == ["connected", "subscribed", "refused", "disconnected"]
    assert all(entry["conn"] == client.session.conn_id for entry in local.log)
