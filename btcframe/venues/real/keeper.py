"""Keeping our view of the account the exchange's: streams, questions, and the one comparison of everything.

Start-up, reconnect and the check now and then are `compare` and `take_in`. A stream may be silent, late or gone: what
it should have told is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from btcframe.types import NS, TimeInForce
from btcframe.venues.real.dialects import ASK
from btcframe.venues.real.line import Heard, LineError
from btcframe.venues.real.office import ASK_AGAIN, ASK_SELDOM, Office
from btcframe.venues.real.orders import Order
from btcframe.venues.real.reconcile import Ours, Plan, Theirs, compared
from btcframe.venues.real.records import Asked, Execution, Holding, Known, Stand

TICK = 0.2
"""Seconds between two looks at what is overdue."""

OVERLAP_NS = 60 * NS
"""How much earlier than the last fill known fills are asked for: two of one moment may come one by one."""

STEADY = 3
"""Settling times for which a difference is looked at. It is believed when nothing has moved for one: until then what one
answer has and another lacks may be a fill that the exchange is about to tell."""

FUNDED_NS = 60 * NS
"""How long after its time a funding payment is asked for, where something is held."""

WARM_NS = 10 * NS
"""Between two requests that keep the connection, and our view of the exchange's clock."""


@dataclass
class _Stream:
    """One stream: when it failed last, and whether it has been said to be down."""

    watch: Callable[[], Awaitable[Heard]]
    failed_ns: int = 0
    why: str = ""


class Keeper:
    """What keeps an office's view of the account true; in the venue's thread.

    Parameters
    ----------
    office : Office
    streams : mapping of name to callable      what waits for the next that is told

    Attributes
    ----------
    down : bool     whether a stream is not there
    """

    def __init__(self, office: Office, streams: Mapping[str, Callable[[], Awaitable[Heard]]]) -> None:
        self.office = self._office = office
        self._line, self._journal = office.line, office.journal
        self._orders, self._host, self._times = office.orders, office.host, office.times
        self._streams = {name: _Stream(watch) for name, watch in streams.items()}
        self._since_ns = 0  # no fill from before is ours
        self._suspect_ns = self._checked_ns = self._polled_ns = self._warm_ns = 0
        self._up_ns = 0  # since when all streams stand again, one of which has failed
        self._comparing = asyncio.Lock()
        self._due_ns = self._ask_ns = 0  # the next funding; how late it must be to be asked for (again)
        self._payer = 0  # lots held when it came due
        self._paid: set[str] = set()  # payments that were told of, by id
        self.down = False

    def begin(self, since_ns: int) -> None:
        """No fill from before is ours, by the exchange's clock; 0: any may be."""
        self._since_ns = since_ns

    def began(self) -> None:
        """The start is over: from here on, a fill that is not this session's stops the trader."""
        self._checked_ns = self._warm_ns = self._host.now()

    def adopt(self, stand: Stand) -> Order:
        """An order of ours that we do not know, to be canceled."""
        tif, ns = TimeInForce.GTC, self._host.now()
        asked = Asked(stand.link, 0, stand.side, stand.ticks, stand.lots, tif, False, ns)
        order = self._orders.take_over(Known(asked, "", stand.venue_id, 0, stand.state))
        self._orders.stood(order, stand)
        return order

    # -------------------------------------------------------------------------------------------- the comparison

    async def compare(self) -> tuple[Plan, Holding]:
        """Ask for everything, and hold it against what we know.

        Raises
        ------
        LineError
            If the exchange does not answer.
        """
        async with self._comparing:
            began_ns = stood_ns = self._host.now()
            settle_ns = self._times.settle_ns
            stood: tuple[int, int] | None = None  # position and difference, unchanged since `stood_ns`
            while True:
                asked_ns, before = self._host.now(), self._journal.position
                holding = await self._line.holding()
                theirs = await self._asked(holding)
                steady = await self._line.holding() == holding and self._journal.position == before
                ours = Ours(
                    {o.asked.link: o.asked for o in self._orders if not o.turn.locked()},
                    self._journal.position,
                    self._journal.has,
                )
                plan = compared(ours, theirs)
                if steady and not plan.difference:
                    break
                if not steady or (holding.lots, plan.difference) != stood:
                    stood = (holding.lots, plan.difference) if steady else None
                    stood_ns = self._host.now()
                elif asked_ns - stood_ns >= settle_ns:
                    break
                if asked_ns - began_ns >= STEADY * settle_ns:
                    plan = plan._replace(
                        difference=0
                    )  # it moved all the while: the next comparison will tell
                    break
                await self._times.sleep(settle_ns / NS / 4)
            self._since_ns = max(self._since_ns, began_ns - 2 * OVERLAP_NS)  # all before is known
            return plan, holding

    async def _asked(self, holding: Holding) -> Theirs:
        works = await self._line.open_orders()
        links = {stand.link for stand in works}
        found: dict[str, Stand] = {}
        for order in self._orders:
            link = order.asked.link
            if link in links or order.final or order.turn.locked():
                continue  # a request that is under way finds out for itself
            if (stand := await self._line.find(link, order.venue_id, order.asked.ns)) is not None:
                found[link] = stand
        known_ns = self._journal.last_ns or self._host.now()
        oldest_ns = min((order.asked.ns for order in self._orders), default=known_ns)
        since_ns = max(min(known_ns, oldest_ns) - OVERLAP_NS, self._since_ns)
        executions = await self._line.executions(since_ns)
        return Theirs(works, found, executions, holding.lots)

    def take_in(self, plan: Plan) -> list[Execution]:
        """What a comparison has brought: fills first, then how orders stand. Returns the fills that were new."""
        fresh = self._executed(plan.executions)
        for stand in plan.stands:
            if (order := self._orders.get(stand.link, stand.venue_id)) is not None:
                self._office.stood(order, stand)
        self._office.flush()
        return fresh

    async def check(self, why: str) -> bool:
        """Compare while trading: what was missed is reported, what does not add up stops the trader.

        Returns whether the exchange answered.
        """
        self._checked_ns = self._polled_ns = self._host.now()
        try:
            plan, _ = await self.compare()
        except LineError as error:
            self._host.log({"what": "check", "why": why, "failed": error.answer.said})
            return False
        self._suspect_ns = 0
        # not those that a request is under way about: it finds out for itself
        strays = [stand for stand in plan.others if self._orders.get(stand.link, stand.venue_id) is None]
        missed = len(self.take_in(plan))
        self._office.counts["missed"] += missed
        if missed:
            self._host.tell("reconciled", why=why, missed=missed)
        known = self._journal.numbers(stand.link for stand in strays)
        if others := [stand.link for stand in strays if stand.link not in known]:
            links = ", ".join(others[:5])
            self._host.stop("reconcile", f"orders of another btcframe work on the account: {links}")
        for stand in strays:
            if stand.link in known:
                self._office.start(self._came_back(stand))
        if plan.difference:
            said = f"the account holds {plan.difference:+} lots that no fill of ours explains"
            self._journal.adjusted(self._host.now(), plan.difference, said)
            self._office.flush()
            self._host.stop("reconcile", said)
        return True

    async def _came_back(self, seen: Stand) -> None:
        """An order of ours that is over, as far as we know, was seen to work: was it just before, or is it there after all?
        It is asked for when the exchange has had the time to tell.
        """
        await self._times.sleep(self._times.settle_ns / NS)
        try:
            stand = await self._line.find(seen.link, seen.venue_id, 0)
        except LineError:
            return  # the next comparison sees it again
        if stand is None or stand.state.final or self._orders.get(stand.link) is not None:
            return
        self._host.stop(
            "reconcile", f"order {stand.link} had been given up, and works after all: it is canceled"
        )
        order = self.adopt(stand)
        async with order.turn:
            await self._office.cancel(order)

    # ----------------------------------------------------------------------------------------------- the streams

    async def follow(self, name: str) -> None:
        """Listen to one stream, and make it again whenever it fails, or tells what cannot be taken in."""
        stream = self._streams[name]
        delay = ASK_AGAIN
        while True:
            try:
                self.heard(await stream.watch())
            except LineError as error:
                said = error.answer.said
                self._office.denied(error.answer)
            except Exception as error:  # noqa: BLE001 - whatever it was: what is not heard here must be asked for
                said = f"{type(error).__name__}: {error}"
                self._host.stop("venue", said)
            else:
                delay = ASK_AGAIN
                continue
            stream.failed_ns, stream.why = self._host.now(), said
            self._office.counts["dropped"] += 1
            # who is shut out for asking too often does not dial either
            await self._times.sleep(max(delay, self._line.due_ns(ASK) / NS))
            delay = min(2 * delay, ASK_SELDOM)

    def heard(self, heard: Heard) -> None:
        """A stream has told something."""
        named: list[Stand | Execution] = [*heard.stands, *heard.executions]
        for n, raw in enumerate(heard.raw):
            order = self._orders.get(named[n].link, named[n].venue_id) if n < len(named) else None
            number = {"order": order.asked.order_id} if order is not None and order.told else {}
            self._host.log({"what": heard.what, **number, "told": raw})
        self._executed(heard.executions)
        for stand in heard.stands:
            self._office.step("order.heard")
            if (order := self._orders.get(stand.link, stand.venue_id)) is not None:
                self._office.stood(order, stand)
        if heard.holding is not None:
            differs = heard.holding.lots != self._journal.position
            self._suspect_ns = (self._suspect_ns or self._host.now()) if differs else 0

    def _executed(self, executions: tuple[Execution, ...]) -> list[Execution]:
        """Take in fills, each once. Returns those that were new."""
        if not executions:
            return []
        named = []
        for execution in executions:
            order = self._orders.get(execution.link, execution.venue_id)
            named.append(execution._replace(link=order.asked.link) if order else execution)
        if self._checked_ns:
            self._office.step("execution.heard")
        fresh = self._journal.executed(self._host.now(), named)
        for execution in fresh:
            if (order := self._orders.get(execution.link)) is not None:
                was = order.complete
                self._orders.executed(order, execution)
                if order.complete and not was and order.stand is not None:
                    self._journal.stands(self._host.now(), order.stand, complete=True)
            elif self._checked_ns:
                whose = f"order {execution.link}" if execution.link else "an order of somebody else"
                self._host.stop("reconcile", f"a fill of {whose}, which this session has not sent")
        self._office.step("execution.journaled")
        self._office.flush()
        return fresh

    # ------------------------------------------------------------------------------------------------ the watchdog

    async def look_after(self) -> None:
        """Ask for what is overdue, as long as the session lasts."""
        while True:
            await self._times.sleep(TICK)
            try:
                await self.tick()
            except Exception as error:  # noqa: BLE001 - whatever it was: nobody else looks after the rest
                self._host.stop("venue", f"{type(error).__name__}: {error}")
                await self._times.sleep(ASK_SELDOM)

    async def tick(self) -> None:
        """One look at what is overdue."""
        now_ns, settle_ns = self._host.now(), self._times.settle_ns
        self._office.commit()
        await self._streams_looked_at(now_ns)
        for order in self._orders:
            waits_ns = min(filter(None, (order.answered_ns, order.owed_ns)), default=now_ns)
            if not order.turn.locked() and waits_ns < now_ns - settle_ns:
                settled = 0 < order.answered_ns < now_ns - settle_ns
                order.answered_ns = order.answered_ns and now_ns  # asked once per settling time
                order.owed_ns = order.owed_ns and now_ns
                self._office.start(self._overdue(order, now_ns if settled else -1))
        if self._suspect_ns and now_ns - self._suspect_ns > settle_ns:
            await self.check("the position is another")
        elif now_ns - self._checked_ns > self._times.check_ns:
            self._journal.tidy()
            await self.check("now and then")
        await self._funded(now_ns)
        if now_ns - self._warm_ns > WARM_NS:
            self._warm_ns = now_ns
            try:
                await self._line.clock()
            except LineError as error:
                self._host.log({"what": "clock", "failed": error.answer.said})

    async def _funded(self, now_ns: int) -> None:
        """Ask for a funding payment when it is due, until it is told or none is to be expected any more."""
        every_ns = self._line.units.instrument.funding_ns
        if not every_ns:
            return
        self._due_ns = self._due_ns or (now_ns // every_ns + 1) * every_ns
        late_ns = now_ns - self._due_ns
        if late_ns < 0:
            self._payer = self._journal.position
        if late_ns < max(self._times.settle_ns, self._ask_ns):
            return
        self._ask_ns = late_ns + self._times.settle_ns
        try:
            told = await self._line.payments(self._due_ns - OVERLAP_NS)
        except LineError as error:
            self._host.log({"what": "funding", "failed": error.answer.said})
            return  # it was paid, or not, whether or not we are told: asked for until we are
        fresh = [payment for payment in told if payment.pay_id not in self._paid]
        for payment in fresh:
            self._paid.add(payment.pay_id)
            self._host.log({"what": "funding", "told": payment._asdict()})
            self._orders.paid(payment, self._payer)
        if fresh or not (self._payer or self._journal.position) or late_ns > FUNDED_NS:
            self._due_ns, self._ask_ns = self._due_ns + every_ns, 0

    async def _overdue(self, order: Order, settled_ns: int) -> None:
        """An answer came, or its end, and what should have followed did not."""
        async with order.turn:
            if order.answered_ns == settled_ns:  # nothing was answered since, so it is told as it stands
                order.past = ()
            if order.owed_ns:
                late = self._executed(await self._executions_of(order))
                self._office.counts["missed"] += len(late)
            if not order.final:
                await self._office.resolve(order)

    async def _executions_of(self, order: Order) -> tuple[Execution, ...]:
        try:
            return await self._line.executions(order.asked.ns - OVERLAP_NS, order.asked.link)
        except LineError as error:
            number = order.asked.order_id
            self._host.log({"what": "executions", "order": number, "failed": error.answer.said})
            return ()

    async def _streams_looked_at(self, now_ns: int) -> None:
        """While a stream is down everything is asked for; when all have been up again for a while, once more.

        Not at once: a stream that stands tells nothing before it is subscribed to. It is down until that was answered.
        """
        streams, settle_ns = self._streams.values(), self._times.settle_ns
        failed = [stream for stream in streams if stream.failed_ns]
        if not failed:
            return
        if not self.down:
            self.down = True
            self._host.tell("venue_down", why=failed[0].why)
        self._up_ns = (self._up_ns or now_ns) if self._line.streaming else 0
        if now_ns - self._polled_ns <= settle_ns:
            return
        if not self._up_ns or now_ns - max(self._up_ns, *(s.failed_ns for s in failed)) <= settle_ns:
            await self.check("the stream is down")
        elif await self.check("the stream is back") and all(s.failed_ns <= now_ns for s in streams):
            for stream in streams:
                stream.failed_ns = 0
            self._up_ns, self.down = 0, False
            self._office.counts["restored"] += 1
            self._host.tell("venue_up")
