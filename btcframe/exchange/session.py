"""One client's connection to a public socket, without the socket: subscriptions, limits, pings, and what it is sent."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from btcframe.exchange import messages
from btcframe.exchange.faults import TEXT, Frame

if TYPE_CHECKING:
    from btcframe.exchange.core import Exchange

MOST_CHARACTERS = 21_000
"""Of the args of a connection's subscriptions."""

MOST_SPOT_ARGS = 10
"""Of one request to subscribe, on spot."""


class Sink(Protocol):
    """What is behind a session: a socket, or a list in a test."""

    def send(self, frame: Frame) -> None:
        """Send a WebSocket frame."""

    def cut(self) -> None:
        """End the connection without a word."""

    def end(self, code: int, reason: str) -> None:
        """End the connection as the protocol wants it."""


class Session:
    """A connection.

    Parameters
    ----------
    exchange : Exchange
    category : str          of its socket
    conn_id : str
    sink : Sink
    ns : int                market time of its beginning
    """

    def __init__(self, exchange: Exchange, category: str, conn_id: str, sink: Sink, ns: int) -> None:
        self.category, self.conn_id = category, conn_id
        self.topics: set[str] = set()
        self.sent = self.received = 0  # messages
        self.heard_ns = ns  # when the client spoke last, market time
        self.silent_until = -1  # half-open: as if nobody were here
        self._exchange, self._sink = exchange, sink
        self._waiting: deque[tuple[int, Frame]] = deque()
        self._last = 0  # when the last frame of a topic is due

    def receive(self, data: str | bytes, ns: int) -> None:
        """Take in a message of the client and answer it."""
        self.heard_ns = ns
        self.received += 1
        if ns < self.silent_until:
            return
        try:
            request = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._answer("", ns, success=False, said="error:invalid json")
            return
        if not isinstance(request, dict):
            self._answer("", ns, success=False, said="error:invalid request")
            return
        op = str(request.get("op", ""))
        req_id = None if request.get("req_id") is None else str(request["req_id"])
        if op == "ping":
            self._answer("ping", ns, said="pong", req_id=req_id)
        elif op in ("subscribe", "unsubscribe"):
            self._ask(op, request.get("args"), req_id, ns)
        elif op == "auth":
            self._answer("auth", ns, success=False, said="error:this is a public socket", req_id=req_id)
        else:
            self._answer(op, ns, success=False, said="error:invalid op", req_id=req_id)

    def deliver(self, frame: Frame, ns: int) -> None:
        """Send a frame, later where the line is slow."""
        if ns < self.silent_until:
            return
        self._last = max(self._last, self._exchange.arrival(ns))  # what was sent later does not overtake
        if self._last > ns or self._waiting:
            self._put(self._last, frame)
        else:
            self._send(frame)

    def flush(self, ns: int) -> None:
        """Send what was late and is due now."""
        while self._waiting and self._waiting[0][0] <= ns:
            frame = self._waiting.popleft()[1]
            if ns >= self.silent_until:
                self._send(frame)

    @contextlib.contextmanager
    def diverted(self, sink: Sink) -> Iterator[None]:
        """Send to another sink meanwhile."""
        before, self._sink = self._sink, sink
        try:
            yield
        finally:
            self._sink = before

    def cut(self) -> None:
        """End it without a word."""
        self._sink.cut()

    def end(self, code: int, reason: str) -> None:
        """End it as the protocol wants it."""
        self._sink.end(code, reason)

    def _put(self, due: int, frame: Frame) -> None:
        """Hold a frame back; what is held back stays in order of when it is due."""
        at = len(self._waiting)
        while at and self._waiting[at - 1][0] > due:
            at -= 1
        self._waiting.insert(at, (due, frame))

    def _send(self, frame: Frame) -> None:
        self.sent += 1
        self._sink.send(frame)

    def _ask(self, op: str, args: Any, req_id: str | None, ns: int) -> None:
        if not isinstance(args, list) or not args or not all(isinstance(arg, str) for arg in args):
            self._answer(op, ns, success=False, said="error:invalid args", req_id=req_id)
            return
        if op == "unsubscribe":
            for topic in args:
                self.topics.discard(topic)
            self._answer(op, ns, req_id=req_id)
            return
        if said := self._refusal(args):
            self._exchange.note("refused", conn=self.conn_id, said=said)
            self._answer(op, ns, success=False, said=said, req_id=req_id)
            return
        self.topics.update(args)
        self._answer(op, ns, req_id=req_id)
        self._exchange.note("subscribed", conn=self.conn_id, topics=args)
        for topic in args:
            self._exchange.welcome(self, topic)

    def _refusal(self, args: list[str]) -> str:
        """Why a subscription fails; "" where it does not."""
        if self._exchange.refuses():
            return "error:request failed"
        if self.category == "spot" and len(args) > MOST_SPOT_ARGS:
            return "args size >10"
        if sum(map(len, {*self.topics, *args})) > MOST_CHARACTERS:
            return f"error:args length exceeds {MOST_CHARACTERS}"
        unknown = [topic for topic in args if not self._exchange.has(self.category, topic)]
        return f"Invalid topic: {', '.join(unknown)}" if unknown else ""

    def _answer(
        self, op: str, ns: int, *, success: bool = True, said: str = "", req_id: str | None = None
    ) -> None:
        data = messages.ack(self.category, self.conn_id, op, success=success, said=said, req_id=req_id)
        due = self._exchange.arrival(ns, ack=op in ("subscribe", "unsubscribe"))
        if due > ns:
            self._put(due, Frame(TEXT, data))
        else:
            self._send(Frame(TEXT, data))
