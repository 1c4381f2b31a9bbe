"""Bybit's REST as a session needs it, against a server that answers what a test tells it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from btcframe.errors import DataError
from btcframe.sources.bybit.market import Category
from btcframe.sources.bybit.rest import PAGES, RoundTrip, clock_of, instruments

Answer = Callable[[str], tuple[int, bytes]]


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """A server that gives status and contents for each path; its base address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in one piece

        def do_GET(self) -> None:
            status, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # who has heard enough goes
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def page(*bases: str, cursor: str = "") -> bytes:
    entries = [
        {"symbol": f"{base}USDT", "baseCoin": base, "quoteCoin": "USDT", "settleCoin": "USDT",
         "contractType": "LinearPerpetual", "fundingInterval": 480, "priceFilter": {"tickSize": "0.10"},
         "lotSizeFilter": {"qtyStep": "0.001", "minNotionalValue": "5"}}
        for base in bases
    ]  # fmt: skip
    result = {"category": "linear", "list": entries, "nextPageCursor": cursor}
    return json.dumps({"retCode": 0, "retMsg": "OK", "result": result}).encode()


def test_all_pages_are_read() -> None:
    asked = []

    def answer(path: str) -> tuple[int, bytes]:
        asked.append(path)
        return 200, page("ETH") if "cursor=next%3D1" in path else page("BTC", "SOL", cursor="next=1")

    with answering(answer) as base:
        found = instruments(base, Category.linear, 5.0)
    assert sorted(found) == ["BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"]
    assert found["BTC/USDT:USDT"][0] == "BTCUSDT"
    assert str(found["BTC/USDT:USDT"][1].tick) == "0.1"
    assert asked[0] == "/v5/market/instruments-info?category=linear&limit=1000"
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("status", "body", "what"),
    [
        (403, b"", "the exchange refused the request with HTTP 403"),
        (500, b"", "the exchange answered with HTTP 500"),
        (200, b"<html>", "no reply of instruments-info: "),
        (200, b'{"retCode":10001,"retMsg":"params error","result":{}}', "instruments-info failed: 10001 params error"),
        (200, page("BTC", cursor="again"), f"the list of instruments does not end after {PAGES} pages"),
        (200, b" " * (16 << 20) + b"{}", "the exchange answered with more than 16,777,216 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_list(status: int, body: bytes, what: str) -> None:
    with answering(lambda _: (status, body)) as base, pytest.raises(DataError) as error:
        instruments(base, Category.linear, 20.0)
    assert error.value.what.startswith(what)
    assert error.value.where.startswith(base)


def test_nobody_there() -> None:
    with pytest.raises(
        DataError, match=r"^the exchange cannot be reached: nothing listens there \(http://127"
    ):
        instruments("http://127.0.0.1:1", Category.linear, 5.0)


def test_no_answer() -> None:
    release = threading.Event()

    def answer(_: str) -> tuple[int, bytes]:
        release.wait(30)
        return 200, b""

    with answering(answer) as base:
        with pytest.raises(DataError, match=r"^no answer within 0\.05 s"):
            instruments(base, Category.linear, 0.05)
        release.set()


async def trips(base: str, count: int, timeout: float = 5.0) -> list[RoundTrip]:
    """So many round trips, by a clock that goes on by a second with each look at it."""
    looks = iter(range(10**9, 10**12, 10**9))
    found = []
    clock = clock_of(base, 0.001, looks.__next__, timeout)
    async for stream, data in clock:
        assert stream == "~time"
        found.append(json.loads(data))
        if len(found) == count:
            await clock.aclose()
    return found


def test_round_trips() -> None:
    body = b'{"retCode":0,"retMsg":"OK","result":{"timeSecond":"7","timeNano":"7000000123"},"time":7000}'
    with answering(lambda _: (200, body)) as base:
        found = asyncio.run(trips(base, 5))
    assert found == [
        {"sent_ns": (2 * i + 1) * 10**9, "took_ns": 10**9, "server_ns": 7000000123} for i in range(5)
    ]


@pytest.mark.parametrize(
    ("body", "error"),
    [(b"no", "truncated"), (b'{"retCode":0,"retMsg":"","result":{"timeNano":"x"}}', "invalid")],
)
def test_a_clock_that_cannot_be_read_is_said_and_asked_again(body: bytes, error: str) -> None:
    with answering(lambda _: (200, body)) as base:
        found = asyncio.run(trips(base, 2))
    assert all(error in trip["error"] and "server_ns" not in trip for trip in found)


def test_no_clock() -> None:
    (one, two) = asyncio.run(trips("http://127.0.0.1:1", 2))
    assert one["error"] == (
        "the exchange cannot be reached: nothing listens there (http://127.0.0.1:1/v5/market/time)."
    )
    assert two["sent_ns"] > one["sent_ns"]


def test_no_round_trips_where_none_are_wanted() -> None:
    async def none() -> list[object]:
        return [frame async for frame in clock_of("http://127.0.0.1:1", 0.0, lambda: 0)]

    assert asyncio.run(none()) == []
