"""One connection, from its handshake until it is lost: subscribing, receiving, telling what is dead."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from btcframe.control import CONNECTED, RESUBSCRIBE, RESYNC
from btcframe.sources.live.adapter import Adapter, Answer, Request, Topic
from btcframe.sources.live.counters import Tally
from btcframe.sources.live.handover import Handover
from btcframe.sources.live.losses import NETWORK, Lost, lost

ASKING = 1.0
"""Seconds without being asked for a topic after which the next one is a new need: who still has one asks all the time."""

READ_AHEAD = 1024
"""WebSocket frames that the library may hold before it stops reading."""


@dataclass(frozen=True)
class Limits:
    """How patient a connection is. All times in seconds.

    Parameters
    ----------
    connect : float     for the handshake
    answer : float      for the answer to a subscription, and for any sign of life after a ping
    probe : float       for any sign of life after the ping that is sent because a topic is silent
    resync : float      between two times that one topic is subscribed anew
    tries : int         times in a row that a topic is subscribed anew; then the connection is given up
    settled : float     after which a connection is not one more failed attempt
    message : int       bytes of the largest message that is taken
    """

    connect: float = 10.0
    answer: float = 10.0
    probe: float = 2.0
    resync: float = 2.0
    tries: int = 3
    settled: float = 5.0
    message: int = 4 << 20


class Link:
    """One connection. Everything in here runs in the socket's thread.

    Parameters
    ----------
    adapter : Adapter
    handover : Handover
    tally : Tally
    limits : Limits
    tls : SSLContext, optional      of a ``wss://`` address
    """

    def __init__(
        self, adapter: Adapter, handover: Handover, tally: Tally, limits: Limits, tls: SSLContext | None
    ) -> None:
        self._adapter, self._handover, self._tally, self._limits = adapter, handover, tally, limits
        self._tls = tls
        self._topics = {topic.name: topic for topic in adapter.topics}
        self._names = {topic.name.encode(): topic.name for topic in adapter.topics}
        self._pending: dict[str, tuple[Request, float]] = {}  # and until when it is to be answered
        self._seen = dict.fromkeys(self._topics, 0.0)  # when a topic last sent something
        self._subscribed = dict.fromkeys(self._topics, 0.0)  # when it was last subscribed
        self._tries = dict.fromkeys(self._topics, 0)  # how often it was subscribed anew and that did not help
        self._asked = dict.fromkeys(self._topics, 0.0)  # when the decoder last wanted it
        self._wanted: set[str] = set()
        self._wake = asyncio.Event()
        self._reading = True  # or waiting for the consumer
        self._last = self._pinged = self._probed = self._opened = 0.0
        self.proven = False  # a topic has sent something
        self.opened = False

    @property
    def settled(self) -> bool:
        """Whether it has lasted."""
        return self.proven and _now() - self._opened >= self._limits.settled

    def ask(self, topics: AbstractSet[str]) -> None:
        """Subscribe topics anew, as soon as that is not too often."""
        now = _now()
        for name in self._topics.keys() & topics:
            if now - self._asked[name] > ASKING:
                self._tries[name] = 0
            self._asked[name] = now
            self._wanted.add(name)
        self._wake.set()

    async def run(self) -> None:
        """Connect, subscribe, and receive until it ends.

        Raises
        ------
        Lost
        """
        adapter, limits = self._adapter, self._limits
        try:
            async with connect(
                adapter.url,
                compression=None,  # costs more than it saves next to a socket of 1 MB/s, and Bybit has none
                open_timeout=limits.connect,
                close_timeout=1,
                ping_interval=None,  # exchanges have pings of their own
                max_size=limits.message,
                max_queue=READ_AHEAD,
                ssl=self._tls,
            ) as socket:
                self.opened = True
                self._opened = self._last = self._pinged = _now()
                self._tally.add("connections")
                self._handover.put(CONNECTED, adapter.url.encode())
                try:
                    for request in adapter.subscribe(tuple(self._topics)):
                        await self._subscribe(socket, request)
                    await until_one_ends(self._receive(socket), self._tend(socket))
                except asyncio.CancelledError:
                    try:
                        await socket.close()
                    finally:
                        socket.transport.abort()  # what is unread would keep it open
                    raise
                except Lost:
                    socket.transport.abort()  # nobody would answer a closing handshake
                    raise
        except NETWORK as error:
            raise lost(error, adapter.pause, limits.connect) from error

    async def _receive(self, socket: ClientConnection) -> None:
        put, topic_of, names, seen = self._handover.put, self._adapter.topic_of, self._names, self._seen
        receive, tally, loop = socket.recv, self._tally, asyncio.get_running_loop()
        while True:
            data = await receive(decode=False)
            name = names.get(topic_of(data), "")
            self._last = loop.time()
            room = put(name, data)
            tally.add("messages")
            tally.add("bytes", len(data))
            if name:
                seen[name] = self._last
                self.proven = True
            else:
                self._read(data)
            if not room:
                self._reading = False
                await self._handover.room()
                self._start_over()
                self._reading = True

    def _read(self, data: bytes) -> None:
        """Take notice of a message that is of none of our topics."""
        try:
            reply = self._adapter.reply(data)
        except ValueError:
            self._tally.add("unread")
            return
        if reply.answer is Answer.pong:
            self._tally.add("pongs")
        elif reply.answer is Answer.accepted and reply.id in self._pending:
            del self._pending[reply.id]
            self._tally.add("subscribed")
        elif reply.answer is Answer.refused and (reply.id in self._pending or not reply.id):
            raise Lost(f"the exchange refused the subscription: {reply.text}", count="refused")

    async def _tend(self, socket: ClientConnection) -> None:
        """See to it that it lives, and that what is silent or wanted is subscribed anew."""
        patience = [topic.silence for topic in self._topics.values() if topic.silence]
        tick = min([0.5, *(silence / 4 for silence in patience), self._limits.probe / 2])
        before = _now()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(tick):
                    await self._wake.wait()
            self._wake.clear()
            now = _now()
            if now - before > tick + self._limits.probe:  # it was us who slept, not the exchange
                self._start_over()
            before = now
            await self._ping(socket, now)
            self._check_answers(now)
            if self._reading:
                await self._check_silence(socket, now)
            for name in tuple(self._wanted):
                if now - self._subscribed[name] >= self._limits.resync:
                    await self._subscribe_anew(socket, self._topics[name], "resubscribed")
            self._wanted.clear()  # who still wants it asks again

    async def _ping(self, socket: ClientConnection, now: float, *, probe: bool = False) -> None:
        if probe or now - self._pinged >= self._adapter.ping_every:
            self._pinged = now
            self._tally.add("pings")
            await socket.send(self._adapter.ping().text)

    def _check_answers(self, now: float) -> None:
        if self._reading and self._last < self._pinged < now - self._limits.answer:
            self._die(f"nothing came for {now - self._last:.1f} s, not even an answer to a ping")
        for id_, (request, until) in tuple(self._pending.items()):
            if now > until:
                if any(self._seen[name] <= self._subscribed[name] for name in request.topics):
                    raise Lost(f"no answer to the subscription of {', '.join(request.topics)}")
                del self._pending[id_]
                self._tally.add("late")

    async def _check_silence(self, socket: ClientConnection, now: float) -> None:
        """A topic is silent: ask for a sign of life; where one comes, subscribe it anew, else all is dead."""
        silent = [
            topic
            for topic in self._topics.values()
            if topic.silence and now - self._seen[topic.name] > topic.silence
        ]
        if not silent:
            self._probed = 0.0
        elif not self._probed:
            self._probed = now
            await self._ping(socket, now, probe=True)
        elif self._last > self._probed:
            self._probed = 0.0
            for topic in silent:
                if self._seen[topic.name] > self._subscribed[topic.name]:
                    self._tries[topic.name] = 0
                await self._subscribe_anew(socket, topic, "silent")
        elif now - self._probed > self._limits.probe:
            names = ", ".join(topic.name for topic in silent)
            self._die(f"nothing came for {now - self._last:.1f} s: {names} silent, a ping unanswered")

    def _die(self, why: str) -> None:
        raise Lost(why, count="dead")

    async def _subscribe_anew(self, socket: ClientConnection, topic: Topic, count: str) -> None:
        if self._tries[topic.name] == self._limits.tries:
            raise Lost(f"{topic.name} was subscribed anew {self._limits.tries} times, and it did not help")
        self._tries[topic.name] += 1
        self._tally.add(count)
        for request in self._adapter.unsubscribe((topic.name,)):
            await socket.send(request.text)
        self._handover.put(RESYNC if topic.book else RESUBSCRIBE, topic.name.encode())
        for request in self._adapter.subscribe((topic.name,)):
            await self._subscribe(socket, request)

    async def _subscribe(self, socket: ClientConnection, request: Request) -> None:
        now = _now()
        for name in request.topics:
            self._seen[name] = self._subscribed[name] = now
        self._pending[request.id] = request, now + self._limits.answer
        await socket.send(request.text)

    def _start_over(self) -> None:
        """Nothing is known of the time in which nothing was read."""
        now = _now()
        self._last = now
        self._seen.update(dict.fromkeys(self._seen, now))
        self._probed = 0.0


async def until_one_ends(*work: Coroutine[Any, Any, None]) -> None:
    """Run several things side by side until one ends, end the others, and raise what it raised."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended = [task for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        task.result()


def _now() -> float:
    """Monotonic time of the loop, s."""
    return asyncio.get_running_loop().time()
