"""An exchange in virtual time, behind the line of a real venue, that does what networks and exchanges do on a bad day.

Requests are lost on the way, or done late, or done and not answered; streams are late, tell twice, break, and are deaf for
a while after they are made again; questions are answered from a moment ago, each from another one. All of it is drawn from
a seed. What it keeps to is what docs/ccxt.md takes for granted: a request is done within the window or never, and what was
done can be asked for within the settling time.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import selectors
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from scripted_venue import START_NS, UNITS

from btcframe.types import NS, OrderReason, OrderState, TimeInForce
from btcframe.venues.real.line import Clock, Heard, LineError
from btcframe.venues.real.outcomes import Answer, Outcome
from btcframe.venues.real.records import Asked, Execution, Holding, Payment, Stand

WINDOW, SETTLE = 5.0, 2.0
"""Seconds for which a request is taken, and within which what was done can be asked for: those of `Times`."""

_MS = 1_000_000


class Time:
    """A clock that goes on when nobody has anything to do."""

    def __init__(self) -> None:
        self.ns = START_NS

    def now(self) -> int:
        return self.ns

    def loop(self) -> asyncio.AbstractEventLoop:
        """An event loop by this clock: nothing is waited for."""
        time = self

        class Jumps(selectors.SelectSelector):
            def select(self, timeout: float | None = None) -> Any:
                ready = super().select(0)
                if not ready:
                    assert timeout is not None, "nothing will ever happen again"
                    time.ns += max(0, round(timeout * NS)) + 1
                return ready

        loop = asyncio.SelectorEventLoop(Jumps())
        loop.time = lambda: (time.ns - START_NS) / NS  # type: ignore[method-assign]
        return loop


class _Past(NamedTuple):
    ns: int
    stand: Stand


@dataclass
class _Stream:
    """What a stream has told and nobody has heard; None: it breaks."""

    waiting: asyncio.Queue[Heard | None] = field(default_factory=asyncio.Queue)
    last: float = 0.0  # when the last message arrives: they keep their order
    deaf: float = 0.0  # until when nothing is told, though it stands


class Storm:
    """A `Line` to an exchange that is as bad as `wild` says, and good without it.

    Parameters
    ----------
    draw : Random
    time : Time

    Attributes
    ----------
    wild : bool
    written : callable          whether an order of that link is on the disk
    unsure : set of str         links of which an amendment was not answered: it may be done after the next one is asked for
    wrong : list of str         what was sent again after an answer that said nothing certain, or before it was written down
    """

    def __init__(self, draw: random.Random, time: Time) -> None:
        self.units, self.draw, self.time = UNITS, draw, time
        self.wild = False
        self.past: dict[str, list[_Past]] = {}  # of every order, each state from when on
        self.fills: list[tuple[int, Execution]] = []
        self.held: list[tuple[int, int]] = [(0, 0)]  # lots, from when on
        self.written: Callable[[str], bool] = lambda link: True
        self.wrong: list[str] = []
        self.unsure: set[str] = set()
        self._settled: set[str] = set()  # links that must not be sent again
        self._ids = itertools.count(1)
        self._streams = {name: _Stream() for name in ("order", "execution", "position")}
        self._broken_until = 0.0

    # --------------------------------------------------------------------------------------------- what is so now

    @property
    def lots(self) -> int:
        return self.held[-1][1]

    def stand(self, link: str) -> Stand | None:
        return self.past[link][-1].stand if link in self.past else None

    @property
    def working(self) -> list[Stand]:
        return [past[-1].stand for past in self.past.values() if not past[-1].stand.state.final]

    # ------------------------------------------------------------------------------------------ what happens there

    def _becomes(self, stand: Stand) -> None:
        stand = stand._replace(venue_ns=self.time.ns // _MS * _MS)
        self.past.setdefault(stand.link, []).append(_Past(self.time.ns, stand))
        self._tell("order", Heard("order", (stand,)))
        self._tell("position", Heard("position", holding=Holding(self.lots, 60_000.0 if self.lots else 0.0)))

    def fill(self, link: str, lots: int) -> None:
        """Fill some of an order."""
        stand = self.past[link][-1].stand
        filled = stand.filled + lots
        execution = Execution(
            f"e{next(self._ids)}", link, stand.venue_id, stand.side, stand.ticks or 600_000, lots, 0.1, True,
            self.time.ns // _MS * _MS,
        )  # fmt: skip
        self.fills.append((self.time.ns, execution))
        self.held.append((self.time.ns, self.lots + stand.side * lots))
        self._tell("execution", Heard("execution", executions=(execution,)))
        state = OrderState.FILLED if filled == stand.lots else OrderState.PARTIALLY_FILLED
        self._becomes(stand._replace(filled=filled, state=state))

    def places(self, link: str, since: int) -> list[tuple[int, tuple[int, int]]]:
        """Prices and sizes that an order has had, from one on, numbered."""
        past = self.past.get(link, ())[since:]
        return [(since + n, (stand.ticks, stand.lots)) for n, (_, stand) in enumerate(past)]

    def end(self, link: str, why: OrderReason = OrderReason.VENUE) -> None:
        """End an order."""
        self._becomes(self.past[link][-1].stand._replace(state=OrderState.CANCELED, why=why))

    async def trade(self) -> None:
        """The market: as long as it storms it fills orders, and the exchange ends one now and then."""
        while True:
            await asyncio.sleep(self.draw.expovariate(3.0))
            if self.wild and (working := self.working):
                stand = self.draw.choice(working)
                if self.draw.random() < 0.1:
                    self.end(stand.link)
                else:
                    self.fill(stand.link, self.draw.randint(1, stand.lots - stand.filled))

    async def rage(self) -> None:
        """What befalls the streams."""
        while True:
            await asyncio.sleep(self.draw.uniform(1.0, 12.0))
            if self.wild:
                self._break(self.draw.uniform(0.05, 8.0))

    # ------------------------------------------------------------------------------------------------- the streams

    def _break(self, seconds: float) -> None:
        now = asyncio.get_running_loop().time()
        self._broken_until = now + seconds
        for stream in self._streams.values():
            while not stream.waiting.empty():
                stream.waiting.get_nowait()
            stream.waiting.put_nowait(None)
            stream.deaf = now + seconds + self.draw.uniform(0.0, 1.0)

    def _tell(self, name: str, heard: Heard) -> None:
        loop, stream, draw = asyncio.get_running_loop(), self._streams[name], self.draw
        delay = draw.uniform(0.001, 0.02) if draw.random() < 0.8 or not self.wild else draw.uniform(0.0, 1.5)
        stream.last = max(stream.last, loop.time() + delay)
        for _ in range(1 + (self.wild and draw.random() < 0.1)):
            loop.call_at(stream.last, self._arrived, stream, heard)

    def _arrived(self, stream: _Stream, heard: Heard) -> None:
        if asyncio.get_running_loop().time() >= stream.deaf:
            stream.waiting.put_nowait(heard)

    def begin(self) -> None:
        """Another process listens, in the worst of weathers."""
        self.wild = True
        for stream in self._streams.values():
            stream.waiting = asyncio.Queue()

    async def _told(self, name: str) -> Heard:
        if not self.streaming:
            await asyncio.sleep(0.01)
            raise LineError(Answer(Outcome.UNKNOWN, said="the stream is away"))
        heard = await self._streams[name].waiting.get()
        if heard is None:
            raise LineError(Answer(Outcome.UNKNOWN, said="the stream broke"))
        return heard

    @property
    def streaming(self) -> bool:
        return asyncio.get_running_loop().time() >= self._broken_until

    async def orders_told(self) -> Heard:
        return await self._told("order")

    async def fills_told(self) -> Heard:
        return await self._told("execution")

    async def position_told(self) -> Heard:
        return await self._told("position")

    async def wallet_told(self) -> Heard:
        await asyncio.Event().wait()
        return Heard()

    # ------------------------------------------------------------------------------------------------- the requests

    def due_ns(self, kind: str) -> int:
        return 0

    async def _request(self, link: str, work: Callable[[], Outcome]) -> None:
        """Have something done, as fate has it. What has left is done though nobody waits for it any more."""
        draw, loop = self.draw, asyncio.get_running_loop()
        fates = ("lost", "unanswered", "late", "slow", "limited", "clock", "refused", "unsent")
        fate = draw.choice(fates) if self.wild and draw.random() < 0.35 else "fine"
        said = {
            "limited": Outcome.LIMITED, "clock": Outcome.CLOCK, "refused": Outcome.REFUSED, "unsent": Outcome.UNSENT,
        }.get(fate)  # fmt: skip
        if said is not None:
            await asyncio.sleep(draw.uniform(0.0, 0.1))
            raise LineError(Answer(said, OrderReason.VENUE, said=fate))
        done: asyncio.Future[Outcome] = loop.create_future()

        def do() -> None:
            outcome = work()
            if not done.done():
                done.set_result(outcome)

        if fate != "lost":
            longest = {"late": WINDOW, "slow": WINDOW, "unanswered": 0.5}.get(fate, 0.05)
            loop.call_later(draw.uniform(0.0, longest), do)
        if fate in ("lost", "unanswered", "late"):
            await asyncio.sleep(draw.uniform(0.0, WINDOW if fate != "late" else 0.1))
            raise LineError(Answer(Outcome.UNKNOWN, said=fate))
        try:
            outcome = await asyncio.wait_for(asyncio.shield(done), WINDOW)
        except TimeoutError:
            raise LineError(Answer(Outcome.UNKNOWN, said="time-out")) from None
        await asyncio.sleep(draw.uniform(0.0, 0.05))
        if outcome is not Outcome.ACCEPTED:
            raise LineError(Answer(outcome, OrderReason.VENUE, said=f"{link}: {outcome.value}"))

    async def create(self, order: Asked) -> str:
        if order.link in self._settled:
            self.wrong.append(f"{order.link} is sent again")
        if not self.written(order.link):
            self.wrong.append(f"{order.link} is not written down")

        def work() -> Outcome:
            if order.link in self.past:
                self.wrong.append(f"{order.link} is there already")
                return Outcome.EXISTS
            stand = Stand(
                order.link, f"v{next(self._ids)}", order.side, order.ticks, order.lots, 0, OrderState.ACCEPTED,
                OrderReason.NONE, 0,
            )  # fmt: skip
            self._becomes(stand)
            if order.tif is TimeInForce.IOC:
                part = self.draw.randint(0, order.lots)
                if part:
                    self.fill(order.link, part)
                if part < order.lots:
                    self.end(order.link, OrderReason.UNFILLED)
            return Outcome.ACCEPTED

        try:
            await self._request(order.link, work)
        except LineError as error:
            if error.answer.outcome not in (Outcome.LIMITED, Outcome.CLOCK):
                self._settled.add(order.link)
            raise
        self._settled.add(order.link)
        return self.past[order.link][-1].stand.venue_id

    async def amend(self, order: Asked, venue_id: str, ticks: int, lots: int) -> None:
        def work() -> Outcome:
            stand = self.stand(order.link)
            if stand is None or stand.state.final:
                return Outcome.GONE
            if lots <= stand.filled or (ticks, lots) == (stand.ticks, stand.lots):
                return Outcome.REFUSED
            self._becomes(stand._replace(ticks=ticks, lots=lots))
            return Outcome.ACCEPTED

        try:
            await self._request(order.link, work)
        except LineError as error:
            if error.answer.outcome is Outcome.UNKNOWN:
                self.unsure.add(order.link)
            raise

    async def cancel(self, order: Asked, venue_id: str) -> None:
        def work() -> Outcome:
            stand = self.stand(order.link)
            if stand is None or stand.state.final:
                return Outcome.GONE
            if not self.wild or self.draw.random() < 0.9:  # else it says yes, and forgets
                self.end(order.link, OrderReason.ASKED)
            return Outcome.ACCEPTED

        await self._request(order.link, work)

    # ------------------------------------------------------------------------------------------------- the questions

    async def _seen(self) -> int:
        """Ask; from which moment the answer is."""
        draw = self.draw
        await asyncio.sleep(draw.uniform(0.0, 0.05))
        if self.wild and draw.random() < 0.15:
            raise LineError(Answer(Outcome.UNKNOWN, said="no answer"))
        return self.time.ns - (round(draw.uniform(0.0, 0.8 * SETTLE) * NS) if draw.random() < 0.3 else 0)

    def _then(self, link: str, seen_ns: int) -> Stand | None:
        """How an order stood."""
        return next((stand for ns, stand in reversed(self.past.get(link, [])) if ns <= seen_ns), None)

    async def find(self, link: str, venue_id: str, since_ns: int) -> Stand | None:
        for final in (
            False,
            True,
        ):  # those that work, and those that are over, are asked for one after the other
            stand = self._then(link, await self._seen())
            if stand is not None and stand.state.final == final:
                return stand
        return None

    async def open_orders(self) -> tuple[Stand, ...]:
        seen_ns = await self._seen()
        then = (self._then(link, seen_ns) for link in self.past)
        return tuple(stand for stand in then if stand is not None and not stand.state.final)

    async def executions(self, since_ns: int, link: str = "") -> tuple[Execution, ...]:
        seen_ns = await self._seen()
        return tuple(
            e for ns, e in self.fills if ns <= seen_ns and e.venue_ns >= since_ns and link in ("", e.link)
        )

    async def holding(self) -> Holding:
        seen_ns = await self._seen()
        lots = next(lots for ns, lots in reversed(self.held) if ns <= seen_ns)
        return Holding(lots, 60_000.0 if lots else 0.0)

    async def payments(self, since_ns: int) -> tuple[Payment, ...]:
        await self._seen()
        return ()

    async def wallet(self) -> float:
        await self._seen()
        return 1000.0

    async def clock(self) -> Clock:
        await self._seen()
        return Clock(0, 0)

    async def close(self) -> None: ...

    @property
    def streams(self) -> dict[str, Callable[[], Awaitable[Heard]]]:
        return {"orders": self.orders_told, "fills": self.fills_told, "position": self.position_told}
