"""What a session does between two connections, and beside them."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scripted_exchange import EAGER, QUICK, TINY, TOPICS, Exchange, Peer, good, listening

from btcframe.sources.live.adapter import Answer
from btcframe.sources.live.counters import Tally
from btcframe.sources.live.feed import LiveFeed, Settings
from btcframe.sources.live.handover import Clocks, Handover
from btcframe.sources.live.session import Patience, Session


async def dropped(peer: Peer) -> None:
    await peer.welcome()
    peer.socket.transport.abort()


class Driven:
    """A session whose pauses are noted instead of waited for; it is stopped after so many of them."""

    def __init__(
        self, url: str, pauses: int, patience: Patience, settled: float = 60.0, pause: float = 0.0
    ) -> None:
        class Adapter(TINY.TinyAdapter):
            def pause(self, status: int) -> float:
                return pause

        self.pauses: list[float] = []
        self._enough, self._over = pauses, threading.Event()
        self.tally = Tally()
        self.handover = Handover(1 << 20, self.tally, Clocks())
        limits = replace(QUICK, settled=settled)
        session = Session(
            Adapter(url, TOPICS), self.handover, self.tally, limits, patience, Clocks(), self._pause
        )
        self._over.wait(60)
        session.stop()
        self.counters = self.tally.read()

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if len(self.pauses) == self._enough:
            self._over.set()
            await asyncio.Event().wait()


def test_pauses_double_at_random_up_to_the_longest() -> None:
    patience = Patience(backoff=0.25, backoff_max=30.0, failures=1000)
    with Exchange(dropped) as exchange:
        pauses = [Driven(exchange.url, 12, patience).pauses for _ in range(5)]
    longest = [min(0.5 * 2**n, 30.0) for n in range(12)]
    for drawn in pauses:
        assert all(0.25 <= pause <= most for pause, most in zip(drawn, longest, strict=True))
    assert len({round(pause, 6) for drawn in pauses for pause in drawn}) > 50  # no two clients in step


def test_no_attempt_after_many_failures() -> None:
    patience = Patience(backoff=0.25, backoff_max=30.0, failures=3, rest=60.0)
    with Exchange(dropped) as exchange:
        driven = Driven(exchange.url, 4, patience)
        assert exchange.connections == 3
    assert driven.counters.breaks == 1
    assert 59.0 < driven.pauses[3] < 61.0


def test_a_connection_that_had_lasted_is_made_again_at_once() -> None:
    with Exchange(dropped, dropped, dropped, good) as exchange, listening(exchange.url) as listener:
        listener.until(lambda _: listener.streams.count("~connected") == 4)
    assert listener.streams.count("~lost") == 3
    assert "~failed" not in listener.streams


@pytest.mark.parametrize("status", [403, 429])
def test_who_asked_too_often_stays_away(status: int) -> None:
    async def then_refused(peer: Peer) -> None:
        exchange.refuse.append(status)
        await dropped(peer)

    with Exchange(then_refused) as exchange:
        driven = Driven(exchange.url, 2, EAGER, pause=600.0)
    assert driven.pauses[0] < 1.0
    assert driven.pauses[1] == 600.0
    assert driven.counters.forbidden == 1


def test_a_step_of_the_wall_clock_is_told_and_touches_no_stamp() -> None:
    steps = iter([0, 0, 0, 0, 0, 2_000_000_000, 2_000_000_000, 2_000_000_000, -2_000_000_000])
    offsets = itertools.chain(steps, itertools.repeat(-2_000_000_000))
    mono = itertools.count(10**18, 30_000_000)  # each look at it is 30 ms later
    latest = [0]

    def now() -> int:
        latest[0] = next(mono)
        return latest[0]

    clocks = Clocks(wall=lambda: 7 * 10**17 + latest[0] + next(offsets), mono=now)
    with Exchange(good) as exchange, listening(exchange.url, clocks=clocks) as listener:
        listener.until(lambda _: listener.feed.counters.clock_steps == 2)
    steps_told = [json.loads(said)["step_ns"] for said in listener.said("~stepped")]
    assert np.allclose(steps_told, [2e9, -4e9], atol=1e8)
    stamps = [frame.local_ts for frame in listener.frames]
    assert (np.diff(stamps) > 0).all()
    assert np.max(np.diff(stamps)) < 2e9


def beside_of(beside: Any, **settings: Any) -> LiveFeed:
    """A feed of an adapter that has something to tell beside a socket that never opens."""
    adapter = type("Adapter", (TINY.TinyAdapter,), {"beside": beside})
    return LiveFeed(
        adapter("ws://127.0.0.1:9", TOPICS, **settings), Settings(QUICK, replace(EAGER, tries=10**9))
    )


def test_what_comes_beside_the_socket_is_a_frame() -> None:
    async def beside(self: Any, now: Callable[[], int]) -> AsyncIterator[tuple[str, bytes]]:
        yield "~time", str(now()).encode()

    feed = beside_of(beside, opening=(("~market", b"BTC"),))
    frames = []
    for batch in feed:
        frames += batch.frames
        if any(frame.stream == "~time" for frame in frames):
            feed.close()
    assert frames[0][1:] == ("~market", b"BTC")
    (told,) = (frame for frame in frames if frame.stream == "~time")
    assert 0 <= told.local_ts - int(told.data) < 10**9


def test_a_bug_of_an_adapter_reaches_the_consumer() -> None:
    async def beside(self: Any, now: Callable[[], int]) -> AsyncIterator[tuple[str, bytes]]:
        yield "~time", b"1"
        raise ZeroDivisionError("of the adapter")

    before = set(threading.enumerate())
    feed = beside_of(beside)
    with pytest.raises(ZeroDivisionError, match="of the adapter"):
        for _ in feed:
            pass
    assert list(feed) == []
    feed.close()
    assert set(threading.enumerate()) == before


def test_pings_are_sent_in_time() -> None:
    with Exchange(good) as exchange:
        feed = LiveFeed(TINY.TinyAdapter(exchange.url, TOPICS, ping_every=0.0), Settings(QUICK, EAGER))
        for _ in feed:
            if feed.counters.pongs >= 3:
                feed.close()
    assert feed.counters.pings >= 3
    assert feed.counters.connections == 1


def test_the_documented_adapter_reads_what_its_page_says() -> None:
    adapter = TINY.TinyAdapter("ws://127.0.0.1:9")
    assert adapter.topic_of(b"book 7 full 100 5 101 3") == b"book"
    assert adapter.reply(b"pong").answer is Answer.pong
    with pytest.raises(ValueError, match="is no reply"):
        adapter.reply(b"hello")
