"""One client's connection, without the socket: what it says is read, and what it is sent is slow or silent by faults."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from btcframe.exchange.faults import TEXT, Frame

if TYPE_CHECKING:
    from btcframe.exchange.core import Exchange


class Sink(Protocol):
    """What is behind a session: a socket, or a list in a test."""

    def send(self, frame: Frame) -> None:
        """Send a WebSocket frame."""

    def cut(self) -> None:
        """End the connection without a word."""

    def end(self, code: int, reason: str) -> None:
        """End the connection as the protocol wants it."""


class Talk(Protocol):
    """The protocol that is spoken on a connection."""

    def heard(self, session: Session, request: dict[str, Any], ns: int) -> None:
        """Answer a request."""

    def unreadable(self, session: Session, said: str, ns: int) -> None:
        """Answer what is no request."""


class Session:
    """A connection.

    Parameters
    ----------
    exchange : Exchange
    category : str          of its socket: spot, linear, inverse; private or trade
    conn_id : str
    sink : Sink
    ns : int                market time of its beginning
    talk : Talk
    """

    def __init__(
        self, exchange: Exchange, category: str, conn_id: str, sink: Sink, ns: int, talk: Talk
    ) -> None:
        self.category, self.conn_id, self.talk = category, conn_id, talk
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
            self.talk.unreadable(self, "error:invalid json", ns)
            return
        if isinstance(request, dict):
            self.talk.heard(self, request, ns)
        else:
            self.talk.unreadable(self, "error:invalid request", ns)

    def say(self, data: bytes, ns: int, *, ack: bool = False) -> None:
        """Answer, later where the line is slow; answers to subscriptions may be late by themselves."""
        due = self._exchange.arrival(ns, ack=ack)
        if due > ns:
            self._put(due, Frame(TEXT, data))
        else:
            self._send(Frame(TEXT, data))

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
