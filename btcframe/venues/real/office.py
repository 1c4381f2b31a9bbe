"""Requests on their way to the exchange, in the venue's own thread: written down, sent once, and their outcome found out.

Nothing is ever sent a second time because its outcome is not known: it is asked for until the answer is certain. What is
sent again is what the exchange said it had not looked at (too many requests, a clock that is off), and a cancel of an
order that was seen to work, which can do no harm twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

from btcframe.api import Action, Host
from btcframe.types import NS, OrderReason, OrderState
from btcframe.venues.real.counts import COUNTS, UNCERTAIN, counted_as
from btcframe.venues.real.dialects import AMEND, CANCEL, CREATE
from btcframe.venues.real.journal import Journal, Note
from btcframe.venues.real.line import Line, LineError
from btcframe.venues.real.orders import Order, Orders
from btcframe.venues.real.outcomes import ACCEPTED, Answer, Outcome
from btcframe.venues.real.records import Asked, Stand
from btcframe.venues.real.steps import Step
from btcframe.venues.real.times import Times

ASK_AGAIN = 0.1
"""Seconds between the first two questions for an outcome; it doubles …"""

ASK_SELDOM = 5.0
"""… up to this."""

DENIED_NS = NS
"""For so long nothing is sent with a key that was refused: who goes on to ask is shut out."""

_LEAST_WAIT_NS = NS // 1000
_BEFORE_NS = 60 * NS  # clocks may part
_NAMES = {Action.SUBMIT: "submit", Action.AMEND: "amend", Action.CANCEL: "cancel"}


class Request(NamedTuple):
    """What the trader wants done."""

    action: Action
    asked: Asked  # of AMEND and CANCEL the link counts
    ticks: int = 0
    lots: int = 0


class Office:
    """All requests of a session. `take` is for the trader's thread, all else for the venue's.

    Parameters
    ----------
    line : Line
    journal : Journal
    orders : Orders
    host : Host
    times : Times
    step : Step

    Attributes
    ----------
    counts : dict       by name, see `counts`
    """

    def __init__(
        self, line: Line, journal: Journal, orders: Orders, host: Host, times: Times, step: Step
    ) -> None:
        self.line, self.journal, self.orders, self.host, self.times = line, journal, orders, host, times
        self.step = step
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[Request] = deque()
        # what cancels does not stand in line behind what opens
        self._slots = {kind: asyncio.Semaphore(times.in_flight) for kind in (CREATE, CANCEL)}
        self._slots[AMEND] = self._slots[CREATE]
        self._tasks: set[asyncio.Task[None]] = set()
        self._flushing = self._down = False
        self._denial = _NO_ROOM  # what the exchange said of the key …
        self._denied_ns = 0  # … and until when nothing is sent
        self.counts = dict.fromkeys(COUNTS, 0)

    # -------------------------------------------------------------------------------------------------- taken in

    def take(self, request: Request) -> None:
        """Take a request over; from the trader's thread."""
        self._inbox.append(request)
        self._loop.call_soon_threadsafe(self.drain)

    def drain(self) -> None:
        """Write down what was asked for, all of it at once, and set about it."""
        noted: list[tuple[Request, Order, list[Note]]] = []
        while self._inbox:
            request = self._inbox.popleft()
            if (order := self._order(request)) is not None and self._sendable(request, order):
                self.step(f"{_NAMES[request.action]}.asked")
                noted.append((request, order, self._noted(request)))
        if not noted:
            return
        written = self.commit()
        for request, order, notes in noted:
            if not written and self._opens(request, order):
                self.journal.withdraw(notes)
                self._give_up(request, order, OrderReason.JOURNAL, journaled=False)
                continue
            self.step(f"{_NAMES[request.action]}.journaled")
            self.start(self._done(request, order, self.host.now() + self.times.patience_ns))

    def _order(self, request: Request) -> Order | None:
        """Whose request it is; None where that order is over."""
        if request.action is Action.SUBMIT:
            return self.orders.add(request.asked)
        return self.orders.get(request.asked.link)

    def _sendable(self, request: Request, order: Order) -> bool:
        """Whether the exchange could take it; what it could not is refused here."""
        if request.action is Action.CANCEL:
            return True
        asked = order.asked
        said = self.line.units.refusal(
            request.ticks, request.lots, reduce_only=asked.reduce_only, tif=asked.tif
        )
        if said:
            self.host.log({"what": "refused", "order": asked.order_id, "why": said})
            self._give_up(request, order, OrderReason.LIMITS, journaled=False)
        return not said

    def _opens(self, request: Request, order: Order) -> bool:
        """Whether a request could make the position larger, if all that works on its side is filled first."""
        if request.action is Action.CANCEL or order.asked.reduce_only:
            return False
        side, held = order.asked.side, self.journal.position
        before = sum(
            max(other.lots, other.asked.lots) - other.filled
            for other in self.orders
            if other is not order and other.asked.side == side and not other.final
        )
        return side * held >= 0 or request.lots - order.filled + before > abs(held)

    def _noted(self, request: Request) -> list[Note]:
        asked, ns, journal = request.asked, self.host.now(), self.journal
        if request.action is Action.SUBMIT:
            return [journal.asked(self.host.session, asked)]
        detail = {"ticks": request.ticks, "lots": request.lots} if request.action is Action.AMEND else {}
        return [journal.step(ns, asked.link, _NAMES[request.action], **detail)]

    def _give_up(self, request: Request, order: Order, why: OrderReason, *, journaled: bool) -> None:
        """A request was not done, for certain: a submission is rejected, an amendment leaves the order as it is."""
        if request.action is Action.SUBMIT:
            stand = self.orders.ended(order, OrderState.REJECTED, why)
            if journaled:
                self._wrote(order, stand)
        elif journaled:
            self.orders.as_it_is(order)
        else:
            self.start(self._as_it_is(order))

    async def _as_it_is(self, order: Order) -> None:
        async with order.turn:  # the trader takes answers for those to its questions in their order
            self.orders.as_it_is(order)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Set about something beside everything else."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # no request may be forgotten silently: what its order became will be asked for, and nothing more opens
            self.host.stop("venue", f"{type(error).__name__}: {error}")

    async def close(self) -> None:
        """Give up what is under way; the journal has it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------------------------------------ one request

    async def _done(self, request: Request, order: Order, patient_ns: int) -> None:
        async with order.turn:
            try:
                if request.action is Action.SUBMIT:
                    await self._submit(request, order, patient_ns)
                elif request.action is Action.AMEND:
                    await self._amend(request, order, patient_ns)
                else:
                    await self.cancel(order)
            except Exception:
                order.answered_ns = self.host.now()  # what became of it is asked for
                raise
        self.flush()

    async def _submit(self, request: Request, order: Order, patient_ns: int) -> None:
        venue_id = ""

        async def send() -> None:
            nonlocal venue_id
            venue_id = await self.line.create(order.asked)

        answer = await self._sent(CREATE, order, send, patient_ns)
        self.step("submit.replied")
        self._log(order, "submit", answer, venue_id)
        if answer.outcome is Outcome.ACCEPTED:
            stand = self.orders.accepted(order, venue_id)
            if order.stand is None:
                order.answered_ns = self.host.now()
                self._wrote(order, stand)
        elif answer.outcome in _TO_ASK:
            self.host.tell("order_unknown", link=order.asked.link, asked="submit", why=answer.said)
            await self._found_out(order, answer)
            came_to = order.stand.state.name.lower() if order.stand else "unknown"
            self.host.tell("order_resolved", link=order.asked.link, came_to=came_to)
        else:
            self.denied(answer)
            self._give_up(request, order, answer.why or OrderReason.VENUE, journaled=True)

    async def _amend(self, request: Request, order: Order, patient_ns: int) -> None:
        if order.final:
            return
        ticks, lots = request.ticks, request.lots
        answer = await self._sent(
            AMEND, order, lambda: self.line.amend(order.asked, order.venue_id, ticks, lots), patient_ns
        )
        self.step("amend.replied")
        self._log(order, "amend", answer)
        if answer.outcome is Outcome.ACCEPTED:
            self.orders.amended(order, ticks, lots)
            order.answered_ns = self.host.now() if order.past else order.answered_ns
        elif answer.outcome in _TO_ASK:
            await self._found_out(order, answer)
            if (order.ticks, order.lots) != (ticks, lots):
                self.orders.as_it_is(order)  # whatever else was told meanwhile, a fill for example
        else:
            self.denied(answer)
            self._give_up(request, order, answer.why, journaled=True)

    async def cancel(self, order: Order) -> None:
        """Cancel an order until it is over, one way or the other. Whoever calls it has its turn."""
        delay = ASK_AGAIN
        while not order.final:
            answer = await self._sent(
                CANCEL,
                order,
                lambda: self.line.cancel(order.asked, order.venue_id),
                self.host.now() + self.times.patience_ns,
            )
            self.step("cancel.replied")
            self._log(order, "cancel", answer)
            if answer.outcome is Outcome.ACCEPTED:
                await self.times.until(order.ended, self.times.settle_ns)
            self.denied(answer)
            if answer.outcome is not Outcome.UNSENT:
                await self._found_out(order, answer)
            if not order.final:
                await self.times.sleep(delay)
                delay = min(2 * delay, ASK_SELDOM)

    async def _found_out(self, order: Order, answer: Answer) -> None:
        """What became of an order, after an answer that was not certain."""
        await self.resolve(order)
        self.counts["settled"] += answer.outcome in UNCERTAIN

    async def resolve(self, order: Order) -> None:
        """Ask for an order until it is certain what became of it.

        That it is not there is certain only when the exchange has said so after the time for which it takes a request
        that was under way, and that it may take to tell of it; and has said it again, a settling time later: an order
        that ends just now is for a moment neither among those that work nor among those that are over.
        """
        asked, line, settle_ns = order.asked, self.line, self.times.settle_ns
        left_ns = order.sent_ns or asked.ns + self.times.patience_ns  # an earlier session's: at the latest
        certain_ns = left_ns + self.times.window_ns + settle_ns
        missing_ns = 0  # when it was said first that it is not there, and could be so
        delay = ASK_AGAIN
        while not order.final:
            began_ns, heard = self.host.now(), order.stand
            try:
                stand = await line.find(asked.link, order.venue_id, asked.ns)
                if stand is None and began_ns > certain_ns:
                    missing_ns = missing_ns or began_ns
                if stand is None and missing_ns and began_ns >= missing_ns + settle_ns:
                    executions = await line.executions(asked.ns - _BEFORE_NS, asked.link)
                    if not executions and order.stand is None and not order.filled:
                        self.counts["lost"] += order.told
                        self._wrote(order, self.orders.ended(order, OrderState.REJECTED, OrderReason.LOST))
                        return
            except LineError as error:
                self.denied(error.answer)
                stand = None
            if stand is not None:
                self.stood(order, stand)
                return
            if order.stand is not heard and order.stand is not None:
                return  # a stream was faster
            await self.times.sleep(delay)
            delay = min(2 * delay, ASK_SELDOM)

    async def _sent(
        self, kind: str, order: Order, send: Callable[[], Awaitable[None]], patient_ns: int
    ) -> Answer:
        """Send a request once; again only where the exchange has not looked at it, for the clock or for a limit.

        What could not leave until `patient_ns`, whatever it waited for, does not leave any more: its price is of then.
        """
        clock_asked = False
        while True:
            async with self._slots[kind]:
                if self.host.now() < self._denied_ns:
                    answer = self._denial
                elif self.line.due_ns(kind) or self.host.now() > patient_ns:
                    answer = _NO_ROOM
                else:
                    order.sent_ns = self.host.now()
                    self.counts["requests"] += 1
                    self.counts["sent"] += kind == CREATE
                    try:
                        await send()
                    except LineError as error:
                        answer = error.answer
                        self.counts[counted_as(answer.outcome)] += 1
                    else:
                        return ACCEPTED
            wait_ns = max(self.line.due_ns(kind), _LEAST_WAIT_NS)
            if answer.outcome is Outcome.CLOCK and not clock_asked:
                clock_asked = await self._clock()
            elif answer.outcome is Outcome.LIMITED and self.host.now() + wait_ns <= patient_ns:
                await self.times.sleep(wait_ns / NS)
            else:
                return answer

    async def _clock(self) -> bool:
        """Ask for the exchange's clock. Always true: once is enough."""
        try:
            await self.line.clock()
        except LineError as error:
            self.host.log({"what": "clock", "failed": error.answer.said})
        return True

    def denied(self, answer: Answer) -> None:
        """Stop opening where the exchange does not take the key, and say what there is to do. It is tried again later."""
        if answer.outcome is Outcome.FATAL and self.host.now() >= self._denied_ns:
            self._denial, self._denied_ns = answer, self.host.now() + DENIED_NS
            self.host.stop(
                "keys",
                "the exchange refuses the key, and what works there stays: look at it with btcframe doctor, then btcframe "
                f"session resume; if it is gone, cancel by hand ({answer.said})",
            )

    # -------------------------------------------------------------------------------------------------- what came

    def stood(self, order: Order, stand: Stand) -> None:
        """The exchange says how an order stands."""
        if self.orders.stood(order, stand):
            if stand.filled > order.filled and not order.owed_ns:
                order.owed_ns = self.host.now()
            self._wrote(order, stand)

    def _wrote(self, order: Order, stand: Stand) -> None:
        stand = stand._replace(link=order.asked.link, venue_id=order.venue_id)
        self.journal.stands(self.host.now(), stand, complete=order.complete or not stand.state.final)
        self.flush()

    def flush(self) -> None:
        """Have what was noted on disk soon; nobody waits for it."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self.commit()

    def commit(self) -> bool:
        """Have the journal on disk, and say so loudly when it is not any more, or is again."""
        written = self.journal.commit()
        if not written and not self._down:
            self.host.tell("journal_down", why=self.journal.failure)
            self.host.stop("journal", self.journal.failure)
        elif written and self._down:
            self.host.tell("journal_up")
        self._down = not written
        return written

    def _log(self, order: Order, asked: str, answer: Answer, venue_id: str = "") -> None:
        """Into the journal, and into the session's log."""
        said = {"outcome": answer.outcome.value, "code": answer.code, "said": answer.said}
        self.journal.step(self.host.now(), order.asked.link, f"{asked}.answer", **said)
        number = {"order": order.asked.order_id} if order.told else {}
        named = {"link": order.asked.link, "venue_id": venue_id or order.venue_id}
        self.host.log({"what": "reply", **number, "answer": asked, **named, **said})


_NO_ROOM = Answer(Outcome.LIMITED, OrderReason.RATE, "", "our own limit of requests is reached")
_TO_ASK = (*UNCERTAIN, Outcome.GONE)
