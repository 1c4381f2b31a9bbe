"""Claim: a live source takes messages from a socket to EVENTs at twice the CPU of a client that looks at nothing.

Ours: `LiveFeed` as `source=bybit` opens it: socket thread, stamps, hand-over, decoder with its verified book, in one process.
Peers: a plain `websockets` client that looks at nothing, the most that any client on that library can do; and one that reads
each message with orjson into two SortedDicts. The exchange is a process of its own that writes encoded frames of a
depth-200 book, synthetic, as fast as they are read, or 1,000 a second. All on loopback, without TLS.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import multiprocessing
import socket
import struct
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import orjson
from sortedcontainers import SortedDict
from websockets.asyncio.client import connect

from benchmarks.bybit import DEPTH, made
from benchmarks.frame import Timing, first, ratio, table, take_turns
from benchmarks.inputs import Market as RowMarket
from btcframe.kernels.book import top
from btcframe.sources.bybit.market import Market
from btcframe.sources.bybit.protocol import BybitAdapter
from btcframe.sources.live.adapter import Topic
from btcframe.sources.live.feed import LiveFeed, Settings

PACE, PACED = 1_000, 10_000
"""Messages a second, and messages, of the second measurement."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
STREAM = made(spot=False)


# -------------------------------------------------------------------------------------------------- the exchange


def encoded(data: bytes) -> bytes:
    """One WebSocket text frame of a server."""
    size = len(data)
    head = struct.pack("!BB", 0x81, size) if size < 126 else struct.pack("!BBH", 0x81, 126, size)
    return (head if size < 65536 else struct.pack("!BBQ", 0x81, 127, size)) + data


def serve(control: Connection, frames: list[bytes]) -> None:
    """For each connection, once it has sent something: all frames at once, or a number of them at a pace."""
    everything = b"".join(frames)
    with socket.create_server(("127.0.0.1", 0)) as server:
        control.send(server.getsockname()[1])
        while (pace := control.recv()) is not None:
            there, _ = server.accept()
            there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with there, contextlib.suppress(ConnectionError):
                request = b""
                while b"\r\n\r\n" not in request:
                    request += there.recv(65536)
                key = next(
                    h.split(b": ")[1]
                    for h in request.split(b"\r\n")
                    if h.lower().startswith(b"sec-websocket-key")
                )
                accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
                there.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
                )
                there.recv(65536)  # the subscription
                there.sendall(
                    encoded(b'{"success":true,"ret_msg":"","conn_id":"1","req_id":"1","op":"subscribe"}')
                )
                if pace:
                    control.send(paced(there, frames, pace))
                else:
                    there.sendall(everything)
                there.recv(65536)  # the closing frame


def paced(there: socket.socket, frames: list[bytes], pace: int) -> list[int]:
    """When each frame was sent, by the clock that all processes of a machine share, ns."""
    sent, begin = [], time.monotonic_ns()
    for i, frame in enumerate(frames[: PACED + 1]):
        while (ahead := begin + i * 1_000_000_000 // pace - time.monotonic_ns()) > 0:
            time.sleep(ahead / 1e9)
        sent.append(time.monotonic_ns())
        there.sendall(frame)
    return sent


# --------------------------------------------------------------------------------------------------- the clients


def ours(url: str, last: int) -> LiveFeed:
    """Until the book is in the state of the last message."""
    feed = LiveFeed(adapter(url), Settings())
    with contextlib.closing(feed):
        for _ in feed:
            if feed.decoder.update_id == last:
                return feed
    raise AssertionError("it ended early")


def adapter(url: str) -> BybitAdapter:
    topics = (Topic(f"orderbook.{DEPTH}.BTCUSDT", 5.0, book=True),)
    return BybitAdapter(Market(STREAM.instrument, "BTCUSDT", DEPTH), url, "", topics, clock_every=0.0)


async def plain(url: str, count: int, take: Callable[[bytes], object] = len) -> None:
    async with connect(url, compression=None, max_size=None) as ws:
        await ws.send("{}")
        for _ in range(count + 1):
            take(await ws.recv(decode=False))


class Books:
    """Two SortedDicts of floats."""

    def __init__(self) -> None:
        self.sides: tuple[Any, Any] = SortedDict(), SortedDict()

    def take(self, message: bytes) -> None:
        said = orjson.loads(message)
        if "topic" not in said:
            return
        if said["type"] == "snapshot":
            for side in self.sides:
                side.clear()
        for side, levels in zip(self.sides, (said["data"]["b"], said["data"]["a"]), strict=True):
            for price, size in levels:
                lots = float(size)
                if lots:
                    side[float(price)] = lots
                else:
                    side.pop(float(price), None)


# ----------------------------------------------------------------------------------------------------------- main


@contextlib.contextmanager
def exchange() -> Iterator[tuple[str, Connection]]:
    here, there = multiprocessing.Pipe()
    frames = [encoded(frame.data) for frame in STREAM.frames]
    process = multiprocessing.get_context("fork").Process(target=serve, args=(there, frames))
    process.start()
    try:
        yield f"ws://127.0.0.1:{here.recv()}", here
    finally:
        here.send(None)
        process.join()


def wire_to_row(url: str, control: Connection) -> tuple[float, np.ndarray[Any, Any], LiveFeed]:
    """CPU µs per message of the whole client, and ns from each message's sending to the end of the push that took it in."""
    feed = LiveFeed(adapter(url), Settings())
    pipeline = RowMarket("", np.empty(0), feed.instrument, "100ms").pipeline()
    control.send(PACE)
    done: list[int] = []
    last = int(orjson.loads(STREAM.frames[PACED].data)["data"]["u"])
    cpu = 0.0
    with contextlib.closing(feed):
        for batch in feed:
            at, end = 0, len(batch.events)
            while at < end:
                at, _ = pipeline.push(batch.events, at)
            now = time.monotonic_ns()
            messages = sum(frame.stream[:9] == "orderbook" for frame in batch.frames)
            if messages and not done:
                cpu = time.process_time()
            elif not messages and feed.counters.lost:  # the exchange would not send the rest again
                raise AssertionError(f"the connection was lost: {feed.counters}")
            done += [now] * messages
            if feed.decoder.update_id == last:
                break
        cpu = time.process_time() - cpu
    sent = np.array(control.recv())
    return 1e6 * cpu / PACED, np.array(done)[1:] - sent[1:], feed


def check(feed: LiveFeed, books: Books) -> None:
    """Raise if the two do not end with the same book."""
    levels = [np.zeros(DEPTH, np.int64) for _ in range(4)]
    sound, *counts = top(feed.decoder.book, *levels)
    price, size = feed.instrument.price, feed.instrument.size
    for side, count, (ticks, lots), order in zip(
        books.sides, counts, (levels[:2], levels[2:]), (-1, 1), strict=True
    ):
        theirs = sorted(side.items(), key=lambda level, order=order: order * level[0])[:count]
        mine = [(price(int(t)), size(int(n))) for t, n in zip(ticks[:count], lots[:count], strict=True)]
        if not sound or mine != theirs:
            raise AssertionError("our book is not theirs")
    counters = feed.decoder.counters
    if counters.gaps or counters.malformed or feed.counters.lost:
        raise AssertionError(f"there was a fault: {counters}, {feed.counters}")


def with_cpu(call: Callable[[], object], spent: list[float]) -> Callable[[], None]:
    """The same call, and what CPU of this process it takes."""

    def measured() -> None:
        before = time.process_time()
        call()
        spent.append(time.process_time() - before)

    return measured


def main() -> None:
    count = len(STREAM.frames)
    size = sum(len(frame.data) for frame in STREAM.frames) / count
    last = int(orjson.loads(STREAM.frames[-1].data)["data"]["u"])
    with exchange() as (url, control):

        def feed() -> LiveFeed:
            control.send(0)
            return ours(url, last)

        def bare() -> None:
            control.send(0)
            asyncio.run(plain(url, count))

        def sorted_dicts() -> Books:
            control.send(0)
            books = Books()
            asyncio.run(plain(url, count, books.take))
            return books

        note, live = first(feed)
        check(live, sorted_dicts())
        cpu: list[list[float]] = [[], [], []]
        calls = [with_cpu(call, spent) for call, spent in zip((feed, bare, sorted_dicts), cpu, strict=True)]
        timings = take_turns(*calls)
        spent = [Timing(tuple(times[1:])) for times in cpu]
        names = ("btcframe: EVENTs, book verified", "websockets, nothing looked at", "… orjson, SortedDict")
        table(
            f"From the socket, {count:,} messages of a depth-{DEPTH} book, {size:,.0f} bytes each, as fast as they are read",
            "client", "messages", "CPU a message", "CPU, × ours",
            rows=[
                (name, wall.rate(count), used.each(count), ratio(spent[0], used))
                for name, wall, used in zip(names, timings, spent, strict=True)
            ],
            note=f"{note} The connection is part of each.",
        )  # fmt: skip
        mine, took, _ = wire_to_row(url, control)
        control.send(PACE)
        before = time.process_time()
        asyncio.run(plain(url, PACED + 1))
        theirs = 1e6 * (time.process_time() - before) / PACED
        control.recv()
        p50, p99 = np.percentile(took, [50, 99]) / 1e3
        table(
            f"From the wire to the pipeline, {PACED:,} messages, {PACE:,} a second, 100 ms rows",
            "", "CPU a message", "p50", "p99", "worst",
            rows=[
                ("btcframe: rows", f"{mine:.0f} µs", f"{p50:,.0f} µs", f"{p99:,.0f} µs", f"{took.max() / 1e3:,.0f} µs"),
                (names[1], f"{theirs:.0f} µs", "", "", ""),
            ],
            note="From the exchange's send to the end of the push that took it in. CPU of all threads of the client; most of it "
            "is waking up for each message, as the other client shows, which does nothing else.",
        )  # fmt: skip


if __name__ == "__main__":
    main()
