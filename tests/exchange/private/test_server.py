"""The private side on a real port: bytes as they are signed, connections that break, slow replies."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from local_exchange import market
from private_client import LINEAR, auth, signed
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from btcframe.exchange.core import Exchange
from btcframe.exchange.faults import parse
from btcframe.exchange.server import Served, served

PATIENCE = 60.0
LIMIT = {**LINEAR, "side": "Buy", "orderType": "Limit", "qty": "0.001", "price": "59000"}


@pytest.fixture
def at() -> Iterator[Served]:
    with served(Exchange([market(seconds=600.0)], start_ns=time.time_ns())) as local:
        yield local


def ask(at: Served, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any, Any]:
    """Status, headers and reply of a signed request: a GET with its query in the path, or a POST."""
    data = None if body is None else json.dumps(body)
    payload = path.partition("?")[2] if data is None else data
    headers = signed(payload, at.call(lambda: at.exchange.now_ms))
    request = urllib.request.Request(
        f"{at.http}/v5/{path}", data=None if data is None else data.encode(), headers=headers
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            return reply.status, reply.headers, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.loads(error.read())


def test_a_query_is_signed_as_it_is_sent(at: Served) -> None:
    status, headers, reply = ask(at, "order/realtime?category=linear&symbol=BTCUSDT&orderLinkId=a%2Fb")
    assert (status, reply["retCode"], reply["retMsg"]) == (
        200,
        10001,
        "params error: orderLinkId invalid",
    ) or reply["result"]["list"] == []
    assert headers["X-Bapi-Limit"] == "50" and headers["X-Bapi-Limit-Status"] == "49"
    assert sorted(reply) == ["result", "retCode", "retExtInfo", "retMsg", "time"]


def test_the_control_endpoint_tells_the_truth(at: Served) -> None:
    ask(at, "order/create", {**LIMIT, "orderLinkId": "x"})
    told = json.loads(urllib.request.urlopen(f"{at.http}/control/account", timeout=PATIENCE).read())
    assert [order["orderLinkId"] for order in told["orders"]] == ["x"] and told["wallet"] == {
        "USDT": "100000"
    }
    assert told["open"] == [told["orders"][0]["orderId"]]
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(f"{at.http}/control/account?key=nobody", timeout=PATIENCE)


@pytest.mark.parametrize(("fault", "there"), [("reply_lost", 1), ("request_lost", 0)])
def test_the_connection_is_cut_in_place_of_the_reply(at: Served, fault: str, there: int) -> None:
    at.call(at.exchange.inject, parse(fault))
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(at, "order/create", LIMIT)
    assert len(ask(at, "order/realtime?category=linear&symbol=BTCUSDT")[2]["result"]["list"]) == there


def test_a_ban_is_of_the_private_side_alone(at: Served) -> None:
    at.call(at.exchange.inject, parse("ban+60s"))
    status, _, reply = ask(at, "account/info")
    assert (status, reply["retCode"], reply["retMsg"]) == (403, 10006, "access too frequent")
    with urllib.request.urlopen(f"{at.http}/v5/market/time", timeout=PATIENCE) as public:
        assert public.status == 200


def test_a_slow_reply_is_to_what_was_done_at_once(at: Served) -> None:
    at.call(at.exchange.inject, parse("reply_slow*300+60s"))
    before = at.call(lambda: at.exchange.ns)
    created = ask(at, "order/create", LIMIT)[2]["time"]
    assert at.call(lambda: at.exchange.ns) - before >= 250_000_000
    assert at.call(lambda: at.exchange.now_ms) - created >= 250


def test_private_streams(at: Served) -> None:
    async def main() -> None:
        async with asyncio.timeout(PATIENCE), connect(f"{at.ws}/v5/private") as stream:
            await stream.send(json.dumps(auth(at.call(lambda: at.exchange.now_ms) + 1000)))
            assert json.loads(await stream.recv())["success"]
            await stream.send('{"op":"subscribe","args":["order","wallet"],"req_id":"9"}')
            assert json.loads(await stream.recv())["req_id"] == "9"
            await asyncio.to_thread(ask, at, "order/create", LIMIT)
            told = json.loads(await stream.recv())
            assert (told["topic"], told["data"][0]["orderStatus"]) == ("order", "New")
            at.call(at.exchange.inject, parse("stream_down+60s"))
            with pytest.raises(ConnectionClosedError):
                await stream.recv()
            with pytest.raises(InvalidStatus, match="503"):
                await connect(f"{at.ws}/v5/private")

    asyncio.run(main())


def test_a_burst_leaves_private_streams_alone(at: Served) -> None:
    async def main() -> int:
        async with asyncio.timeout(PATIENCE), connect(f"{at.ws}/v5/private") as stream:
            await stream.send(json.dumps(auth(at.call(lambda: at.exchange.now_ms) + 1000)))
            await stream.recv()
            await stream.send('{"op":"subscribe","args":["order"]}')
            await stream.recv()
            body = json.dumps({"messages": 10, "prepared": 2}).encode()
            request = urllib.request.Request(f"{at.http}/control/burst", data=body)
            reply = await asyncio.to_thread(urllib.request.urlopen, request, timeout=PATIENCE)
            return int(json.loads(reply.read())["messages"])

    assert asyncio.run(main()) == 0
