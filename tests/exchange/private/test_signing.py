"""Who may ask: signatures over the exact bytes, and how old they may be."""

from __future__ import annotations

import json

import pytest
from local_exchange import START_NS, Client, exchange
from private_client import KEY, SECRET, Trader, auth, signed

from btcframe.errors import ConfigError
from btcframe.exchange.core import Exchange
from btcframe.exchange.faults import parse
from btcframe.exchange.private.account import Holder
from btcframe.exchange.private.service import Request
from btcframe.types import NS

NOW_MS = START_NS // 1_000_000


@pytest.fixture(scope="module")
def local() -> Exchange:
    return exchange()


def asked(local: Exchange, query: str, headers: dict[str, str]) -> int:
    return local.private.answer(Request("GET", "/v5/account/info", query, b"", headers)).code


def test_a_signature_made_elsewhere() -> None:
    """printf '1658384314791XXXXXXXXXX5000category=option' | openssl dgst -sha256 -hmac s"""
    made = signed("category=option", 1658384314791, key="XXXXXXXXXX", secret="s")
    assert made["X-BAPI-SIGN"] == "444f7e1cf033011d78f616cd657e23e6d1e77b39c39370573e2671331c60fbb3"


@pytest.mark.parametrize(
    ("early", "code"), [(0, 0), (5000, 0), (5001, 10002), (-999, 0), (-1000, 10002), (-3000, 10002)]
)
def test_a_stamp_is_taken_from_recv_window_before_to_a_second_after(
    local: Exchange, early: int, code: int
) -> None:
    assert asked(local, "", signed("", NOW_MS - early)) == code


def test_the_window_is_the_requests_own(local: Exchange) -> None:
    assert asked(local, "", signed("", NOW_MS - 100, window="50")) == 10002
    assert asked(local, "", signed("", NOW_MS - 7000, window="8000")) == 0


def test_every_byte_is_signed(local: Exchange) -> None:
    headers = signed("a=1&b=%2F", NOW_MS)
    assert asked(local, "a=1&b=%2F", headers) == 0
    for other in ("a=1&b=/", "b=%2F&a=1", "a=1&b=%2f", ""):
        assert asked(local, other, headers) == 10004
    body = b'{"category": "linear", "symbol":"BTCUSDT","orderId":"x"}'
    headers = signed(body.decode(), NOW_MS)
    answer = local.private.answer(Request("POST", "/v5/order/cancel", "", body, headers))
    assert answer.code == 110001
    body = json.dumps(json.loads(body)).encode()  # the same values, other bytes
    assert local.private.answer(Request("POST", "/v5/order/cancel", "", body, headers)).code == 10004


def test_keys(local: Exchange) -> None:
    assert asked(local, "", signed("", NOW_MS, key="nobody's")) == 10003
    assert asked(local, "", signed("", NOW_MS, secret="wrong")) == 10004
    assert asked(local, "", {}) == 10001
    assert asked(local, "", signed("", NOW_MS) | {"X-BAPI-TIMESTAMP": "soon"}) == 10002


def test_what_is_no_text_is_no_signature(local: Exchange) -> None:
    for name in ("X-BAPI-SIGN", "X-BAPI-RECV-WINDOW", "X-BAPI-API-KEY"):
        assert asked(local, "", signed("", NOW_MS) | {name: "\udcff\u00e9"}) in (10003, 10004)
    assert asked(local, "a=\udcff", signed("", NOW_MS)) == 10004
    (reply,) = Client(local, "private").say({"op": "auth", "args": [KEY, NOW_MS + 1000, "\u00e9"]})
    assert reply["ret_msg"] == "Invalid sign"
    nested = b'{"a":' + b"[" * 100_000
    headers = signed(nested.decode(), NOW_MS)
    assert local.private.answer(Request("POST", "/v5/order/cancel", "", nested, headers)).code == 10001


def test_a_clock_that_is_off_is_refused_and_said() -> None:
    local = exchange()
    ahead = signed("", local.now_ms)
    local.inject(parse("skew*9000"))
    answer = local.private.answer(Request("GET", "/v5/account/info", "", b"", ahead))
    assert answer.code == 10002 and f"server_timestamp[{local.now_ms}]" in answer.said


def test_rights_are_those_of_the_key() -> None:
    holders = (
        Holder("reads", "s", read_only=True, uid=1),
        Holder("spot", "s", rights=("SpotTrade",), uid=2),
        Holder("both", "s", uid=3),
    )
    local = exchange("BTC/USDT:USDT", "BTC/USDT", holders=holders)
    spot = {"category": "spot", "symbol": "BTCUSDT"}
    codes = {}
    for holder in holders:
        trader = Trader(local, key=holder.key, secret="s")
        codes[holder.key] = (
            trader.get("account/info").code,
            trader.order("Buy", "0.001", "59990").code,
            trader.post("order/create", **spot, side="Buy", orderType="Limit", qty="0.001", price="59990").code,
            trader.post("position/set-leverage", category="linear", symbol="BTCUSDT", buyLeverage="3", sellLeverage="3").code,
        )  # fmt: skip
    assert codes == {
        "reads": (0, 10005, 10005, 10005),
        "spot": (0, 10005, 0, 10005),
        "both": (0, 0, 0, 0),
    }
    said = Trader(local, key="spot", secret="s").get("user/query-api").result
    assert (said["readOnly"], said["permissions"]["Spot"], said["permissions"]["ContractTrade"]) == (
        0,
        ["SpotTrade"],
        [],
    )
    assert (
        said["secret"] == ""
        and Trader(local, key="reads", secret="s").get("user/query-api").result["readOnly"] == 1
    )


def test_accounts_have_keys_of_their_own() -> None:
    with pytest.raises(ConfigError, match="two accounts of the exchange have one key, or one uid"):
        exchange(holders=(Holder("a", "1", uid=1), Holder("a", "2", uid=2)))
    with pytest.raises(ConfigError, match="one uid"):
        exchange(holders=(Holder("a", "1", uid=7), Holder("b", "2", uid=7)))
    assert [
        a.uid
        for a in exchange(holders=(Holder("a", "1"), Holder("b", "2"))).private.service.accounts.values()
    ] == [100_001, 100_002]
    assert exchange(holders=()).private.account() is None


def test_accounts_do_not_see_each_other() -> None:
    local = exchange(holders=(Holder("a", "1", uid=1), Holder("b", "2", uid=2)))
    one, other = Trader(local, key="a", secret="1"), Trader(local, key="b", secret="2")
    other.listen()
    assert one.order("Buy", "0.001", "59990").code == 0
    assert len(one.truth()["orders"]) == 1 and other.truth()["orders"] == [] and other.heard("order") == []
    assert other.post("order/cancel", category="linear", symbol="BTCUSDT", orderLinkId="t-1").code == 110001


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (auth(NOW_MS + 1000), ""),
        (auth(NOW_MS + 1000, key="x"), "Your api key is invalid."),
        (auth(NOW_MS + 1000, secret="x"), "Invalid sign"),
        (auth(NOW_MS), "Params Error: expires is in the past"),
        ({"op": "auth", "args": [KEY]}, "Params Error"),
        ({"op": "subscribe", "args": ["order"]}, "Request not authorized"),
    ],
)
def test_a_socket_says_who_it_is(local: Exchange, request_: object, said: str) -> None:
    client = Client(local, "private")
    (reply,) = client.say(request_)
    assert (reply["success"], reply["ret_msg"]) == (not said, said)
    assert SECRET not in json.dumps(reply)


def test_a_stream_after_its_auth() -> None:
    local = exchange()
    client = Client(local, "private")
    client.say(auth(local.now_ms + 1000))
    assert client.say({"op": "ping", "req_id": "7"}) == [
        {"req_id": "7", "op": "pong", "args": [str(local.now_ms)], "conn_id": client.session.conn_id}
    ]
    assert client.subscribe("order", "wallet")[0]["success"]
    assert "cannot be in one request" in client.subscribe("order", "execution.linear")[0]["ret_msg"]
    assert "handler not found" in client.subscribe("orders")[0]["ret_msg"]
    assert "invalid op" in client.say({"op": "order"})[0]["ret_msg"]
    assert client.say("{")[0]["ret_msg"] == "error:invalid json"
    local.step(NS)
    assert client.subscribe("wallet.linear")[0]["success"] is False
