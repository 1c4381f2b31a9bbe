"""An exchange that does what a test tells it, connection by connection, and the adapter of docs/live.md for it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from btcframe.sources.live.adapter import Topic
from btcframe.sources.live.feed import LiveFeed, Settings
from btcframe.sources.live.link import Limits
from btcframe.sources.live.session import Patience
from btcframe.types import Frame

PAGE = Path(__file__).parent.parent / "docs" / "live.md"
QUICK = Limits(connect=5.0, answer=5.0, probe=0.2, resync=0.05, tries=3, settled=0.0)
EAGER = Patience(heartbeat=0.02, backoff=0.001, backoff_max=0.01, failures=1000)
ENOUGH = 3000
"""Heartbeats, a minute of them, after which what a test waits for does not come any more."""

Script = Callable[["Peer"], Awaitable[None]]


def documented() -> SimpleNamespace:
    """What the adapter's page defines."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {"__name__": "documented"}
    exec(compile(code, str(PAGE), "exec", dont_inherit=True), names)
    return SimpleNamespace(**names)


TINY = documented()
TOPICS = (Topic("book", silence=0.0, book=True), Topic("trade", silence=0.0))


class Peer:
    """One connection, as the exchange has it."""

    def __init__(self, socket: ServerConnection, heard: list[str]) -> None:
        self.socket, self.heard = socket, heard
        self.u = 0

    async def say(self, *lines: str | bytes) -> None:
        for line in lines:
            await self.socket.send(line)

    async def book(self) -> None:
        """A whole book."""
        self.u += 1
        await self.say(f"book {self.u} full 100 5 101 3")

    async def change(self, by: int = 1) -> None:
        """A change that follows, or does not."""
        self.u += by
        await self.say(f"book {self.u} bid 100 {1 + self.u % 7}")

    async def hear(self) -> str:
        """The next message of the client, pings answered on the way."""
        while (said := str(await self.socket.recv())) == "ping":
            await self.say("pong")
        self.heard.append(said)
        return said

    async def welcome(self) -> None:
        """Accept the subscriptions, and send a book."""
        for _ in TOPICS:
            await self.say(f"ok {await self.hear()}")
        await self.book()

    async def serve(self) -> None:
        """Accept whatever is asked for, with a book for the book, until the client goes."""
        while True:
            said = await self.hear()
            if said[0] == "+":
                await self.say(f"ok {said}")
            if said == "+book":
                await self.book()


async def good(peer: Peer) -> None:
    """A connection without a fault."""
    await peer.welcome()
    await peer.serve()


class Exchange:
    """A server in a thread of its own: the first connection gets the first script, those after the last get the last.

    Parameters
    ----------
    scripts : callables     what to do with a connection
    refuse : tuple of int   HTTP status with which the first handshakes are refused
    port : int              0 for any
    tls : SSLContext        to speak ``wss``
    """

    def __init__(
        self, *scripts: Script, refuse: tuple[int, ...] = (), port: int = 0, tls: Any = None
    ) -> None:
        self._scripts, self.refuse = list(scripts), list(refuse)
        self._want, self._tls = port, tls
        self.connections = 0
        self.handshakes = 0
        self.heard: list[list[str]] = []
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._main(),), daemon=True
        )

    def __enter__(self) -> Exchange:
        self._thread.start()
        self._up.wait()
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(60)
        assert not self._thread.is_alive(), "the exchange waits for a connection that is not given up"
        self._loop.close()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def _main(self) -> None:
        self._over = asyncio.Event()
        async with serve(
            self._handle, "127.0.0.1", self._want, process_request=self._shake, compression=None, close_timeout=0.1,
            ping_interval=None, ssl=self._tls,
        ) as server:  # fmt: skip
            self.port = server.sockets[0].getsockname()[1]
            self._up.set()
            await self._over.wait()

    def _shake(self, socket: ServerConnection, request: Any) -> Any:
        self.handshakes += 1
        if self.refuse:
            return socket.respond(HTTPStatus(self.refuse.pop(0)), "no\n")
        return None

    async def _handle(self, socket: ServerConnection) -> None:
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        heard: list[str] = []
        self.heard.append(heard)
        with contextlib.suppress(ConnectionClosed):
            await script(Peer(socket, heard))


class Listener:
    """A feed, and all that came of it."""

    def __init__(self, feed: LiveFeed) -> None:
        self.feed = feed
        self.frames: list[Frame] = []
        self.events: list[Any] = []
        self._batches = iter(feed)

    def until(self, met: Callable[[Listener], bool]) -> Listener:
        """Consume until something is so."""
        beats = 0
        while not met(self):
            batch = next(self._batches)
            self.frames += batch.frames
            self.events += batch.events.tolist()
            beats += sum(frame.stream == "~heartbeat" for frame in batch.frames)
            assert beats < ENOUGH, f"it does not come: {self.streams[-20:]}, {self.feed.counters}"
        return self

    @property
    def streams(self) -> list[str]:
        """Of all frames but heartbeats."""
        return [frame.stream for frame in self.frames if frame.stream != "~heartbeat"]

    def said(self, stream: str) -> list[str]:
        """What the frames of a stream hold."""
        return [frame.data.decode(errors="replace") for frame in self.frames if frame.stream == stream]

    def usable(self, u: int = 1) -> Callable[[Listener], bool]:
        """Whether the book is whole, at an update or a later one."""
        return lambda _: not self.feed.decoder.wants and self.feed.decoder._u >= u


@contextlib.contextmanager
def listening(
    url: str, *, topics: tuple[Topic, ...] = TOPICS, limits: Limits = QUICK, patience: Patience = EAGER,
    pause: float = 0.0, **settings: Any,
) -> Iterator[Listener]:  # fmt: skip
    """A feed of the documented adapter, closed at the end."""

    class Adapter(TINY.TinyAdapter):
        def pause(self, status: int) -> float:
            return pause

    adapter = Adapter(url, topics)
    with contextlib.closing(LiveFeed(adapter, Settings(limits, patience, **settings))) as feed:
        yield Listener(feed)
