"""The exchange on a real port: sockets, REST, control, faults of the wire, and that it ends cleanly."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from local_exchange import SYMBOLS, Levels, applied, market, truth
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from btcframe.errors import ConfigError
from btcframe.exchange.core import Exchange
from btcframe.exchange.faults import Fault
from btcframe.exchange.server import Served, served
from btcframe.types import NS

TOPIC = "orderbook.50.BTCUSDT"
SYMBOL = "BTC/USDT:USDT"
QUIET: dict[str, Any] = {"max_size": None, "ping_interval": None, "close_timeout": 0.1, "max_queue": None}
PATIENCE = 20.0  # seconds after which a test is wrong, however slow the machine


def made(**options: Any) -> Exchange:
    import time

    options = {"start_ns": time.time_ns(), "speed": 20.0, "history": 20_000, **options}
    return Exchange([market(symbol, seed) for seed, symbol in enumerate(SYMBOLS)], **options)


@pytest.fixture
def at() -> Iterator[Served]:
    with served(made()) as local:
        yield local


def with_socket(url: str, work: Callable[[ClientConnection], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with asyncio.timeout(PATIENCE), connect(url, **QUIET) as client:
            return await work(client)

    return asyncio.run(main())


async def subscribed(client: ClientConnection, *topics: str) -> None:
    await client.send(json.dumps({"op": "subscribe", "args": list(topics)}))
    assert json.loads(await client.recv())["success"]


def fetch(url: str, body: object = None, method: str | None = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_a_book_over_the_socket_is_the_exchanges(at: Served, symbol: str) -> None:
    listing = at.exchange.market(symbol).listing
    topic = f"orderbook.50.{listing.pair}"

    async def work(client: ClientConnection) -> list[Any]:
        await subscribed(client, topic)
        return [json.loads(await client.recv()) for _ in range(100)]

    bids: Levels = {}
    asks: Levels = {}
    for message in with_socket(f"{at.ws}/v5/public/{listing.category}", work):
        applied(bids, asks, message)
        assert (bids, asks) == at.call(truth, at.exchange, symbol, 50, message["data"]["u"])


def test_pings_of_both_kinds_are_answered(at: Served) -> None:
    async def work(client: ClientConnection) -> Any:
        await (await client.ping(b"hello"))
        await client.send('{"op":"ping","req_id":"1"}')
        return json.loads(await client.recv())

    assert with_socket(f"{at.ws}/v5/public/linear", work)["ret_msg"] == "pong"


def test_connections_are_dropped_without_a_word(at: Served) -> None:
    async def work(client: ClientConnection) -> None:
        await subscribed(client, TOPIC)
        at.call(at.exchange.inject, Fault("drop"))
        while True:
            await client.recv()

    with pytest.raises(ConnectionClosedError):
        with_socket(f"{at.ws}/v5/public/linear", work)
    assert not at.call(lambda: list(at.exchange.sessions))


def test_half_open_says_nothing_and_answers_nothing(at: Served) -> None:
    async def work(client: ClientConnection) -> list[Any]:
        await subscribed(client, TOPIC)
        at.call(at.exchange.inject, Fault("half_open"))
        await client.send('{"op":"ping","req_id":"into the void"}')
        while at.call(lambda: at.exchange.sessions[0].received) < 2:
            await asyncio.sleep(0)
        while at.call(lambda: at.exchange.ns) < 10 * NS:
            await asyncio.sleep(0)
        at.call(at.exchange.heal)
        await client.send('{"op":"ping","req_id":"after"}')
        heard = [json.loads(await client.recv())]
        while heard[-1].get("req_id") != "after":
            heard.append(json.loads(await client.recv()))
        return [*heard, json.loads(await client.recv())]

    heard = with_socket(f"{at.ws}/v5/public/linear", work)
    assert not [m for m in heard if m.get("req_id") == "into the void"]
    numbers = [m["data"]["u"] for m in heard if "topic" in m]
    assert [b - a for a, b in pairwise(numbers) if b > a + 1], "what was not sent is lost"


@pytest.mark.parametrize(("fault", "status"), [("outage", 503), ("forbidden", 403), ("too_many", 429)])
def test_new_connections_and_requests_are_turned_away(at: Served, fault: str, status: int) -> None:
    at.call(at.exchange.inject, Fault(fault, lasting="1d"))

    async def work(client: ClientConnection) -> None: ...

    with pytest.raises(InvalidStatus) as refused:
        with_socket(f"{at.ws}/v5/public/linear", work)
    assert refused.value.response.status_code == status
    with pytest.raises(urllib.error.HTTPError) as failed:
        urllib.request.urlopen(f"{at.http}/v5/market/time")
    said = failed.value.read().decode()
    assert failed.value.code == status
    assert said == "service unavailable" if status == 503 else json.loads(said)["retCode"] == 10006


def test_frames_of_every_length_arrive_whole(at: Served) -> None:
    async def work(client: ClientConnection) -> list[int]:
        sizes = []
        for amount in (100, 125, 126, 127, 65_535, 65_536, 3_000_000):
            at.call(at.exchange.inject, Fault("oversized", amount=amount))
            sizes.append(len(await client.recv()))
        at.call(at.exchange.inject, Fault("binary"))
        assert isinstance(await client.recv(), bytes)
        return sizes

    assert with_socket(f"{at.ws}/v5/public/linear", work) == [100, 125, 126, 127, 65_535, 65_536, 3_000_000]


def test_who_is_idle_is_told_goodbye() -> None:
    with served(made(idle_ns=NS)) as at:

        async def work(client: ClientConnection) -> None:
            while True:
                await client.recv()

        with pytest.raises(ConnectionClosed) as closed:
            with_socket(f"{at.ws}/v5/public/linear", work)
        assert closed.value.rcvd is not None and closed.value.rcvd.reason == "no ping"


def test_the_end_of_the_exchange_closes_every_socket() -> None:
    threads = threading.active_count()

    async def main() -> None:
        with served(made()) as at:
            client = await connect(f"{at.ws}/v5/public/linear")
            await subscribed(client, TOPIC)
        with pytest.raises(ConnectionClosed):
            async with asyncio.timeout(PATIENCE):
                while True:
                    await client.recv()
        assert client.close_code == 1001

    asyncio.run(main())
    assert threading.active_count() == threads


def test_as_fast_as_the_client_reads() -> None:
    with served(made(speed=None)) as at:

        async def work(client: ClientConnection) -> None:
            await subscribed(client, TOPIC)
            messages = [json.loads(await client.recv()) for _ in range(500)]
            assert messages[-1]["ts"] - messages[0]["ts"] > 9000
            numbers = [m["data"]["u"] for m in messages]
            assert numbers == list(range(numbers[0], numbers[0] + 500))

        with_socket(f"{at.ws}/v5/public/linear", work)


def test_a_burst_can_be_followed_and_the_market_goes_on_behind_it(at: Served) -> None:
    async def work(client: ClientConnection) -> None:
        await subscribed(client, TOPIC)
        first = json.loads(await client.recv())
        done = asyncio.create_task(
            asyncio.to_thread(fetch, f"{at.http}/control/burst", {"messages": 350, "prepared": 100})
        )
        bids: Levels = {}
        asks: Levels = {}
        applied(bids, asks, first)
        last, snapshots, behind = first["data"]["u"], 0, 0
        while behind < 130:  # the last repetition, and some more
            message = json.loads(await client.recv())
            snapshots += message["type"] == "snapshot"
            behind = behind + 1 if snapshots == 4 else 0
            if message["type"] == "delta":
                assert message["data"]["u"] == last + 1
            last = message["data"]["u"]
            applied(bids, asks, message)
            assert (bids, asks) == at.call(truth, at.exchange, SYMBOL, 50, last)
        assert await done == (200, {"messages": 400})

    with_socket(f"{at.ws}/v5/public/linear", work)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"messages": "x"}, "no burst"),
        ({"message": 1}, "no burst"),
        ({"messages": 0}, "at least one message"),
    ],
)
def test_what_is_no_burst_is_refused(at: Served, body: object, said: str) -> None:
    code, reply = fetch(f"{at.http}/control/burst", body)
    assert code == 400 and said in reply["error"]


def test_control_over_http(at: Served) -> None:
    assert fetch(f"{at.http}/control/faults", {"fault": "gap", "amount": 2})[1]["done"] == ["gap*2"]
    code, reply = fetch(f"{at.http}/control/faults", {"fault": "gpa"})
    assert code == 400 and "Did you mean gap?" in reply["error"]
    assert fetch(f"{at.http}/control/faults", ["drop@1d"])[0] == 200
    assert [p["fault"] for p in fetch(f"{at.http}/control/faults")[1]["planned"]] == ["drop@1d"]
    assert fetch(f"{at.http}/control/faults", method="DELETE")[0] == 200
    assert fetch(f"{at.http}/control/faults")[1]["planned"] == []
    assert fetch(f"{at.http}/control/book?symbol=BTC/USDT&depth=1")[1]["topic"] == "orderbook.1.BTCUSDT"
    assert fetch(f"{at.http}/control/status")[1]["counts"]["fault gap"] == 1
    assert fetch(f"{at.http}/control/log?what=fault")[1]["log"][0]["fault"] == "gap"


def test_unknown_routes_are_404(at: Served) -> None:
    async def work(client: ClientConnection) -> None: ...

    for path in ("/v5/public/option", "/v5/order/everything", "/v5/asset/withdraw/create"):
        with pytest.raises(InvalidStatus, match="404"):
            with_socket(f"{at.ws}{path}", work)


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(
                ConfigError, match=rf"exchange\.port: 127\.0\.0\.1:{port} cannot be opened: it is taken"
            ),
            served(made(), port=port),
        ):
            raise AssertionError


def test_an_address_that_is_not_ours_is_said() -> None:
    with (
        pytest.raises(ConfigError, match=r"exchange\.host: 192\.0\.2\.1:0 cannot be opened: Cannot assign"),
        served(made(), host="192.0.2.1"),
    ):
        raise AssertionError
