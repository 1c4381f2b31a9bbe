"""The exchange on a port: its public sockets, its REST and its control endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from aiohttp import WSCloseCode, WSMsgType, web

from btcframe.errors import BtcframeError, ConfigError
from btcframe.exchange import control, rest
from btcframe.exchange.burst import asked, header, prepared
from btcframe.exchange.core import Exchange
from btcframe.exchange.faults import Frame
from btcframe.exchange.listing import CATEGORIES
from btcframe.exchange.messages import encode
from btcframe.exchange.private.service import PATHS, Answer, Request
from btcframe.exchange.private.side import STREAM, TRADE
from btcframe.exchange.session import Session
from btcframe.exchange.streams import GRID_NS
from btcframe.types import NS

_PONG = 0xA
_MOST_BEHIND = 64_000_000  # bytes that a client may leave unread before it is disconnected
_READY = 1_000_000  # bytes that a client may have unread while the market waits for it
_PIECE_NS = 20 * GRID_NS  # market time between two looks at the sockets
_MOST_RECEIVED = 1_000_000
_MOST_LATE_NS = NS
_LOOK = 0.001  # seconds between two looks at whether those who listen have read

T = TypeVar("T")


class Socket:
    """A `Sink` on a connection: frames of one turn of the loop leave in one write.

    Parameters
    ----------
    transport : asyncio.Transport
    socket : WebSocketResponse      to close it as the protocol wants
    """

    def __init__(self, transport: asyncio.Transport, socket: web.WebSocketResponse) -> None:
        self._transport, self._socket = transport, socket
        self._loop = asyncio.get_running_loop()
        self._frames: list[bytes] = []
        self._closing: set[asyncio.Task[bool]] = set()

    @property
    def ready(self) -> bool:
        """Whether the client has read most of what it was sent."""
        return self._transport.get_write_buffer_size() < _READY

    async def pour(self, data: bytes) -> None:
        """Send whole frames, as many as they are, as fast as the client reads."""
        self._write()  # what was sent before comes before
        self._transport.write(data)
        while not self.ready and not self._transport.is_closing():
            await asyncio.sleep(_LOOK)

    def send(self, frame: Frame) -> None:
        if not self._frames:
            self._loop.call_soon(self._write)
        self._frames += (header(frame), frame.data)

    def cut(self) -> None:
        self._frames.clear()
        self._transport.abort()

    def end(self, code: int, reason: str) -> None:
        self._write()
        task = self._loop.create_task(self._socket.close(code=code, message=reason.encode()))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _write(self) -> None:
        frames, self._frames = self._frames, []
        if not frames or self._transport.is_closing():
            return
        self._transport.write(b"".join(frames))
        if self._transport.get_write_buffer_size() > _MOST_BEHIND:
            self._transport.abort()


class Server:
    """An exchange that is served.

    Parameters
    ----------
    exchange : Exchange
    host : str
    port : int                  0 takes a free one
    """

    def __init__(self, exchange: Exchange, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.exchange, self.host, self.port = exchange, host, port
        self._sockets: dict[Session, Socket] = {}
        self._turn = asyncio.Lock()  # held by what lets the market go on
        self._ahead_ns = 0  # market time that bursts took, which did not pass
        self._begun_ns = 0  # monotonic clock at market time 0, once it goes on
        self._app = web.Application(client_max_size=_MOST_RECEIVED)
        self._app.add_routes(
            [
                web.get("/v5/public/{category}", self._public),
                *(web.get(path, self._market) for path in rest.ROUTES),
                *(web.route("*", path, self._private) for path in PATHS),
                web.get("/v5/private", self._stream),
                web.get("/v5/trade", self._trade),
                web.get("/control/status", self._control(lambda r, _: control.status(self.exchange))),
                web.get("/control/log", self._control(lambda r, _: control.log(self.exchange, r.query))),
                web.get("/control/book", self._control(lambda r, _: control.book(self.exchange, r.query))),
                web.get(
                    "/control/account", self._control(lambda r, _: control.account(self.exchange, r.query))
                ),
                web.get("/control/faults", self._control(lambda r, _: control.listed_faults(self.exchange))),
                web.post(
                    "/control/faults", self._control(lambda r, body: control.inject(self.exchange, body))
                ),
                web.post("/control/burst", self._control(self._burst)),
                web.delete("/control/faults", self._control(lambda r, _: self._healed())),
            ]
        )

    async def run(self, ready: Callable[[], None], stop: asyncio.Event) -> None:
        """Serve until told to stop.

        Parameters
        ----------
        ready : callable        called when the port is open; `port` is then the one it is
        stop : asyncio.Event

        Raises
        ------
        ConfigError
            If the port cannot be had.
        """
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await self._listen(runner)
            ready()
            pump = asyncio.create_task(self._pump())
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait((pump, stopped), return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            pump.cancel()
            for session in tuple(self._sockets):
                session.end(WSCloseCode.GOING_AWAY, "the exchange ends")
            with contextlib.suppress(asyncio.CancelledError):
                await pump
        finally:
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        site = web.TCPSite(runner, self.host, self.port)
        try:
            await site.start()
        except OSError as error:
            number = error.errno or 0
            taken = number == errno.EADDRINUSE
            reason = os.strerror(number) if number > 0 else str(error.strerror)  # a resolver's are negative
            why = "it is taken" if taken else reason
            setting = "port" if number in (errno.EADDRINUSE, errno.EACCES) else "host"
            raise ConfigError(
                f"exchange.{setting}: {self.host}:{self.port} cannot be opened: {why}",
                hint="exchange.port=0 takes a free one and says which." if taken else "",
            ) from error
        self.port = runner.addresses[0][1]

    async def _pump(self) -> None:
        """Let the market go on: with the time, or as fast as everybody reads."""
        exchange, speed = self.exchange, self.exchange.speed
        # what passed since the exchange was made is made up for, so that its clock is this machine's
        late = min(max(time.time_ns() - exchange.start_ns, 0), _MOST_LATE_NS)
        self._begun_ns = time.monotonic_ns() - late - exchange.ns
        while True:
            if speed is not None:
                now = self._now_ns(speed)
                async with self._turn:
                    exchange.step(min(now, exchange.ns + _PIECE_NS))
                behind = now - exchange.ns
                await asyncio.sleep(0 if behind >= GRID_NS else (GRID_NS - behind) / NS / speed)
            elif self._sockets and all(socket.ready for socket in self._sockets.values()):
                async with self._turn:
                    exchange.step(exchange.ns + _PIECE_NS)
                await asyncio.sleep(0)
            else:
                await asyncio.sleep(_LOOK)

    def _now_ns(self, speed: float) -> int:
        """Market time as it should be by now."""
        return int((time.monotonic_ns() - self._begun_ns) * speed) + self._ahead_ns

    def _catch_up(self) -> None:
        """Go on to now before a signed request is looked at: a machine that was busy must not make its stamp wrong."""
        speed = self.exchange.speed
        if speed is not None and self._begun_ns and not self._turn.locked():
            self.exchange.step(self._now_ns(speed))

    # ------------------------------------------------------------------------------------------------------ sockets

    async def _public(self, request: web.Request) -> web.StreamResponse:
        category = request.match_info["category"]
        if category not in CATEGORIES:
            return _text(404, f"no public socket: {category}")
        return await self._socket(request, category)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        return await self._socket(request, STREAM)

    async def _trade(self, request: web.Request) -> web.StreamResponse:
        return await self._socket(request, TRADE)

    async def _socket(self, request: web.Request, category: str) -> web.StreamResponse:
        status = self.exchange.admission(category)
        if status != 200:
            return _text(status, _WHY[status])
        socket = web.WebSocketResponse(compress=False, autoping=False, max_msg_size=_MOST_RECEIVED)
        await socket.prepare(request)
        transport = request.transport
        if not isinstance(transport, asyncio.Transport):  # it has gone already
            return socket
        sink = Socket(transport, socket)
        session = self.exchange.connect(category, sink)
        self._sockets[session] = sink
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    if category not in CATEGORIES:
                        self._catch_up()
                    session.receive(message.data, self.exchange.ns)
                elif message.type is WSMsgType.PING and self.exchange.ns >= session.silent_until:
                    sink.send(Frame(_PONG, bytes(message.data)))
        finally:
            del self._sockets[session]
            self.exchange.disconnect(session)
        return socket

    # --------------------------------------------------------------------------------------------------------- REST

    async def _market(self, request: web.Request) -> web.Response:
        return self._admitted(lambda: rest.answer(self.exchange, request.path, request.query))

    async def _private(self, request: web.Request) -> web.Response:
        """A request that is signed: over the bytes of its body, or its query as it came."""
        private, query = self.exchange.private, request.raw_path.partition("?")[2]
        asked = Request(request.method, request.path, query, await request.read(), request.headers)
        if private.banned():
            return _json(rest.said(self.exchange, {}, rest.TOO_OFTEN, _WHY[403]), 403)
        self._catch_up()
        answers: list[Answer] = []

        def answer() -> rest.Reply:
            answers.append(private.answer(asked))
            code, said, result, extra, *_ = answers[0]
            return {**rest.said(self.exchange, result, code, said), "retExtInfo": extra or {}}

        response = self._admitted(answer)
        for done in answers:
            response.headers.update(done.headers)
            if done.cut and request.transport is not None:
                request.transport.abort()
        if late := private.slow_ms():
            await asyncio.sleep(late / 1000 / (self.exchange.speed or 1))
        return response

    def _admitted(self, answer: Callable[[], rest.Reply]) -> web.Response:
        status = self.exchange.admission()
        self.exchange.counts["requests"] += 1
        if status == 200:
            return _json(answer())
        if status == 503:  # nobody of the exchange answers: it is a proxy's word, and no JSON
            return _text(status, _WHY[status])
        return _json(rest.said(self.exchange, {}, rest.TOO_OFTEN, _WHY[status]), status)

    # ------------------------------------------------------------------------------------------------------ control

    def _control(
        self, work: Callable[[web.Request, bytes], control.Value | Awaitable[control.Value]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handler(request: web.Request) -> web.Response:
            if not ipaddress.ip_address(request.remote or "0.0.0.0").is_loopback:
                return _json({"error": "the control endpoint answers this machine only"}, 403)
            try:
                done = work(request, await request.read())
                return _json(await done if isinstance(done, Awaitable) else done)
            except BtcframeError as error:
                return _json({"error": str(error)}, 400)

        return handler

    async def _burst(self, request: web.Request, body: bytes) -> control.Value:
        """Send everybody many messages at once: what a little of the market gives, again and again."""
        burst, sent = asked(body), 0
        async with self._turn:
            before = self.exchange.ns
            listening = [pair for pair in self._sockets.items() if pair[0].category in CATEGORIES]
            for session, socket in listening:
                frames = prepared(self.exchange, session, burst.prepared)
                data = b"".join(part for frame in frames for part in (header(frame), frame.data))
                for _ in range(0, burst.messages, len(frames)):
                    await socket.pour(data)
                    sent += len(frames)
            self._ahead_ns += self.exchange.ns - before
        self.exchange.note("burst", messages=sent)
        return {"messages": sent}

    def _healed(self) -> control.Value:
        self.exchange.heal()
        return {"done": "nothing is wrong any more"}


_WHY = {
    403: "access too frequent",
    429: "Too many visits. Exceeded the API Rate Limit.",
    503: "service unavailable",
}


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=encode(value), status=status, content_type="application/json")


def _text(status: int, text: str) -> web.Response:
    return web.Response(text=text, status=status)


class Served:
    """An exchange in a thread of its own."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.exchange = server.exchange
        self.port = server.port
        self.http = f"http://{server.host}:{server.port}"
        self.ws = f"ws://{server.host}:{server.port}"
        self._loop = loop

    def call(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run something in the exchange's thread, between two steps, and wait for what it gives."""

        async def run() -> T:
            return work(*arguments)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()


@contextlib.contextmanager
def served(exchange: Exchange, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[Served]:
    """Serve an exchange beside what the caller does, in a thread: for tests, drills and notebooks.

    Parameters
    ----------
    exchange, host, port : see Server

    Raises
    ------
    ConfigError
        If the port cannot be had.
    """
    server = Server(exchange, host=host, port=port)
    ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def main() -> None:
        stop = asyncio.Event()
        await server.run(lambda: ready.set_result((asyncio.get_running_loop(), stop)), stop)

    with ThreadPoolExecutor(1, thread_name_prefix="exchange") as threads:
        running = threads.submit(asyncio.run, main())
        either: list[Future[Any]] = [ready, running]
        wait(either, return_when=FIRST_COMPLETED)
        if not ready.done():
            running.result()  # raises what it ended with
        loop, stop = ready.result()
        try:
            yield Served(server, loop)
        finally:
            if not running.done():
                loop.call_soon_threadsafe(stop.set)
            running.result()
