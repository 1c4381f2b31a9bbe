"""The socket's thread: one connection after the other, and what runs beside them, until it is stopped.

A connection that was lost is made again at once if it had lasted, else after a pause that grows and is drawn at
random (tenacity). After so many failures in a row there is a longer pause without any attempt (purgatory's breaker).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import msgspec
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from btcframe.control import FAILED, HEARTBEAT, LOST, STEPPED
from btcframe.errors import DataError
from btcframe.sources.live.adapter import Adapter
from btcframe.sources.live.counters import Tally
from btcframe.sources.live.handover import Clocks, Handover
from btcframe.sources.live.link import Limits, Link, until_one_ends
from btcframe.sources.live.losses import Lost
from btcframe.types import NS

STEP_NS = NS // 10
"""What the wall clock gains or loses on the monotonic one between two looks at them is a step from here on."""


@dataclass(frozen=True)
class Patience:
    """How a session goes on when there is no connection, and when there is nothing to say. All times in seconds.

    Parameters
    ----------
    duration : float        of the session; 0 for until it is stopped
    heartbeat : float       after which silence is told
    backoff : float         shortest pause after a failed attempt; each is drawn from a range twice as long …
    backoff_max : float     … up to this
    tries : int             attempts at the first connection; later ones are without end
    failures : int          in a row, after which no attempt is made …
    rest : float            … for so long
    """

    duration: float = 0.0
    heartbeat: float = 0.1
    backoff: float = 0.25
    backoff_max: float = 30.0
    tries: int = 5
    failures: int = 10
    rest: float = 60.0


class Session:
    """A thread that keeps a connection, and puts what comes into the hand-over.

    Parameters
    ----------
    adapter : Adapter
    handover : Handover
    tally : Tally
    limits : Limits
    patience : Patience
    clocks : Clocks
    sleep : callable        s → awaitable; the pauses between attempts
    """

    def __init__(
        self,
        adapter: Adapter,
        handover: Handover,
        tally: Tally,
        limits: Limits,
        patience: Patience,
        clocks: Clocks,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._adapter, self._handover, self._tally = adapter, handover, tally
        self._limits, self._patience, self._clocks = limits, patience, clocks
        self._sleep = sleep
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"socket {adapter.url}", daemon=True)
        self._stopping = asyncio.Event()
        self._link: Link | None = None
        self._proven = False  # there has been a connection on which something came
        self._backoff = wait_random_exponential(
            2 * patience.backoff, patience.backoff_max, min=patience.backoff
        )
        self._tls = ssl.create_default_context() if adapter.url.startswith("wss:") else None
        self._thread.start()

    def ask(self, topics: AbstractSet[str]) -> None:
        """Have topics subscribed anew; from any thread."""
        self._call(lambda: self._link.ask(topics) if self._link is not None and self._link.opened else None)

    def beat(self) -> None:
        """Tell at once that time has passed; from any thread."""
        self._call(lambda: self._handover.put(HEARTBEAT, b""))

    def stop(self) -> None:
        """End the connection and wait for the thread; from any other thread, and harmless when done twice."""
        self._call(self._stopping.set)
        self._thread.join()

    def _call(self, what: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended by itself
            self._loop.call_soon_threadsafe(what)

    def _run(self) -> None:
        error: Exception | None = None
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._main())
        except Lost as lost:
            error = self._hopeless(lost)
        except Exception as bug:  # noqa: BLE001 - raised again in the consumer's thread
            error = bug
        self._handover.end(error)

    async def _main(self) -> None:
        for stream, data in self._adapter.opening:
            self._handover.put(stream, data)
        if self._patience.duration:
            self._loop.call_later(self._patience.duration, self._stopping.set)
        await until_one_ends(self._stop(), self._connect(), self._beat(), self._beside())

    async def _stop(self) -> None:
        await self._stopping.wait()

    # ---------------------------------------------------------------------------------------------- connections

    async def _connect(self) -> None:
        """One connection after the other."""
        patience = self._patience
        breaker = await AsyncCircuitBreakerFactory(patience.failures, patience.rest).get_breaker(
            self._adapter.url
        )
        retrying = AsyncRetrying(
            sleep=self._sleep,
            retry=retry_if_exception_type((Lost, OpenedState)),
            stop=self._is_hopeless,
            wait=self._pause,
            reraise=True,
        )

        async def attempt() -> None:
            async with breaker:
                await self._attempt()

        while True:
            await retrying(attempt)

    async def _attempt(self) -> None:
        """One connection; it raises Lost unless it had lasted."""
        link = self._link = Link(self._adapter, self._handover, self._tally, self._limits, self._tls)
        try:
            await link.run()
        except Lost as lost:
            self._tally.add("lost" if link.opened else "failed")
            if lost.count:
                self._tally.add(lost.count)
            self._handover.put(LOST if link.opened else FAILED, lost.why.encode())
            if not link.settled:
                raise
        finally:
            self._link = None
            self._proven = self._proven or link.proven

    def _is_hopeless(self, state: RetryCallState) -> bool:
        error = _error(state)
        if self._proven or not isinstance(error, Lost):
            return False
        return error.final or state.attempt_number >= self._patience.tries

    def _pause(self, state: RetryCallState) -> float:
        error = _error(state)
        if isinstance(error, OpenedState):
            self._tally.add("breaks")
            return max(error.opened_at + self._patience.rest - time.time(), 0.0) + self._patience.backoff
        backoff = float(self._backoff(state))
        return max(error.pause, backoff) if isinstance(error, Lost) else backoff

    def _hopeless(self, lost: Lost) -> DataError:
        return DataError(
            f"no data from {self._adapter.url}: {lost.why}", where="source", hint=self._adapter.hint
        )

    # ---------------------------------------------------------------------------------------------- beside them

    async def _beat(self) -> None:
        """Tell when nothing comes, so that rows close on time; and when the wall clock is stepped."""
        every = round(self._patience.heartbeat * NS)
        wall, mono = self._clocks
        ahead = wall() - mono()
        while True:
            quiet = mono() - self._handover.last_mono
            await asyncio.sleep(max(every - quiet, every // 10) / NS)
            before, ahead = ahead, wall() - mono()
            if abs(ahead - before) >= STEP_NS:
                self._tally.add("clock_steps")
                self._handover.put(STEPPED, msgspec.json.encode({"step_ns": ahead - before}))
            elif mono() - self._handover.last_mono >= every and self._handover.has_room:
                self._tally.add("heartbeats")
                self._handover.put(HEARTBEAT, b"")

    async def _beside(self) -> None:
        async for stream, data in self._adapter.beside(self._handover.now):
            self._handover.put(stream, data)
        await self._stopping.wait()  # there is nothing more beside


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
