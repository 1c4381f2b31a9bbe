"""The obvious simulated venue: dictionaries, lists, one event at a time. What `kernels.matching` must do, plainly written."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from naive_queue import Order, resized

from btcframe.api import Action, Intent
from btcframe.types import EventArray, EventFlag, Kind, LatencyModel, QueueModel, TimeInForce
from btcframe.types import OrderReason as Why
from btcframe.types import OrderState as State

SECOND = 1_000_000_000
WRAP = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


@dataclass
class NaiveVenue:
    """Requests are (send_ns, order_id, Intent), by time of sending; `run` gives all reports in order.

    Prices are ticks; `value(ticks, lots)` is money. Times in ns.
    """

    latency: int = 0
    report_latency: int = 0
    feed_latency: int = 0
    latencies: LatencyModel = LatencyModel.constant
    spread: float = 0.5
    seed: int = 0
    queue: QueueModel = QueueModel.trades
    power: float = 3.0
    bounded: bool = True
    impact: bool = True
    levels: int = 20
    lot: float = 0.001  # base coin, for the logarithms
    least: int = 0  # smallest value of an order that may open, ticks·lots
    funding_ns: int = 0
    funding_rate: float = 0.0
    receives: bool = False
    position: int = 0

    book: dict[int, dict[int, int]] = field(default_factory=lambda: {1: {}, -1: {}})
    gone: dict[tuple[int, int], int] = field(default_factory=dict)  # (side of the level, price): lots we took
    usable: bool = False
    loading: bool = False
    resting: list[Order] = field(default_factory=list)  # oldest first
    orders: list[tuple[int, ...]] = field(default_factory=list)
    fills: list[tuple[int, ...]] = field(default_factory=list)
    funding: list[tuple[Any, ...]] = field(default_factory=list)
    now: int = 0  # local time of what was consumed last
    venue: int = 0  # venue time of what last happened to us
    last_known: int = 0
    fastest: int | None = None
    late: int = 0
    next_funding: int | None = None

    def run(self, events: EventArray, requests: list[tuple[int, int, Intent]], until: int = 10**18) -> None:
        """Everything that happens; in the end time passes until then."""
        sends, waiting, arrived = list(requests), [], 0
        for event in events:
            stamp = int(event["local_ts"])
            while sends and sends[0][0] < stamp:  # sent knowing everything received until then
                sent, order_id, intent = sends.pop(0)
                arrived = max(arrived, sent + self.takes(self.latency, 1, sent))
                waiting.append((arrived, order_id, intent))
            if self.next_funding is None and self.funding_ns:
                self.next_funding = (self.happened(event) // self.funding_ns + 1) * self.funding_ns
            self.ours_before(self.happened(event), waiting)
            happened = self.happened(event)
            self.observe(event)
            self.now = stamp
            self.apply(event, happened)
        for sent, order_id, intent in sends:
            arrived = max(arrived, sent + self.takes(self.latency, 1, sent))
            waiting.append((arrived, order_id, intent))
        self.ours_before(self.certain(until), waiting)

    def ours_before(self, venue_ns: int, waiting: list[tuple[int, int, Intent]]) -> None:
        """Requests and funding that came to the venue before that, the earlier first."""
        while True:
            asked = waiting[0][0] if waiting else math.inf
            due = math.inf if self.next_funding is None else self.next_funding
            if self.position and not self.sound():
                due = math.inf  # there is no price to settle at: later
            if min(asked, due) >= venue_ns:
                return
            if asked <= due:
                self.arrive(*waiting.pop(0))
            else:
                self.settle()

    # ------------------------------------------------------------------------------------------------ the time

    def draw(self, median: int, path: int, moment: int) -> int:
        def mixed(x: int) -> float:
            z = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & WRAP
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WRAP
            return (((z ^ (z >> 31)) >> 11) + 0.5) / 2**53

        x = ((self.seed + 4 * moment + path) * GOLDEN) & WRAP
        normal = math.sqrt(-2 * math.log(mixed(x))) * math.cos(2 * math.pi * mixed((x + GOLDEN) & WRAP))
        return int(median * math.exp(self.spread * min(max(normal, -3.0), 3.0)))

    def takes(self, usual: int, path: int, moment: int) -> int:
        if self.latencies == LatencyModel.sampled:
            return self.draw(usual, path, moment)
        return usual + self.late  # 0 unless recorded

    def lateness(self, e: Any) -> int:
        took = int(e["local_ts"]) - int(e["exch_ts"])
        fastest = took if self.fastest is None else min(self.fastest, took)
        return min(took - fastest, SECOND)

    def happened(self, e: Any) -> int:
        local = int(e["local_ts"])
        if self.latencies == LatencyModel.sampled:
            return local - self.draw(self.feed_latency, 3, local)
        if self.latencies == LatencyModel.recorded and e["exch_ts"]:
            return local - self.feed_latency - self.lateness(e)
        if self.latencies == LatencyModel.recorded and e["kind"] == Kind.HEARTBEAT:
            return self.certain(local)
        return local - self.feed_latency - self.late

    def certain(self, local: int) -> int:
        """The venue time up to which nothing unknown can have happened."""
        if self.latencies == LatencyModel.sampled:
            return local - int(self.feed_latency * math.exp(self.spread * 3.0))
        slowest = self.latencies == LatencyModel.recorded and self.fastest is not None
        return local - self.feed_latency - (SECOND if slowest else 0)

    def observe(self, e: Any) -> None:
        if self.latencies == LatencyModel.recorded and e["exch_ts"]:
            took = int(e["local_ts"]) - int(e["exch_ts"])
            self.late = self.lateness(e)
            self.fastest = took if self.fastest is None else min(self.fastest, took)

    def known(self) -> int:
        """When we hear of what happened at self.venue."""
        arrives = self.venue + self.takes(self.report_latency, 2, self.venue)
        self.last_known = max(arrives, self.now + 1, self.last_known)
        return self.last_known

    # ------------------------------------------------------------------------------------------------ the book

    def apply(self, e: Any, happened: int) -> None:
        side, ticks, lots, end = int(e["side"]), int(e["ticks"]), int(e["lots"]), e["flags"] & EventFlag.END
        if e["kind"] == Kind.TRADE:
            if self.sound():
                self.trade(-side, ticks, lots, happened)
            return
        if e["kind"] == Kind.CLEAR:
            self.book, self.loading = {1: {}, -1: {}}, True
        elif e["kind"] == Kind.GAP:
            self.usable = self.loading = False
        elif e["kind"] == Kind.DEPTH:
            if self.usable or self.loading:
                old = self.book[side].pop(ticks, 0)
                if lots:
                    self.book[side][ticks] = lots
                for o in self.resting:
                    if (o.side, o.ticks) == (side, ticks):
                        resized(o, old, lots, self.queue, self.power, self.lot)
            self.renew(side, ticks, lots)
        if self.loading and end and e["kind"] in (Kind.DEPTH, Kind.CLEAR, Kind.EMPTY):
            self.loading, self.usable = False, True
            for level_side, price in list(self.gone):
                self.renew(level_side, price, self.book[level_side].get(price, 0))
        if end and self.sound():
            for ours in (1, -1):
                self.cross(ours, happened)

    def renew(self, side: int, ticks: int, shown: int) -> None:
        left = min(self.gone.pop((side, ticks), 0), shown)
        if left:
            self.gone[side, ticks] = left

    def sound(self) -> bool:
        whole = self.usable and not self.loading and self.book[1] and self.book[-1]
        return bool(whole and max(self.book[1]) < min(self.book[-1]))

    def visible(self, side: int) -> list[tuple[int, int]]:
        """The levels a taker of a side sees: (price, lots shown), best first."""
        return sorted(self.book[-side].items(), key=lambda level: side * level[0])[: self.levels]

    def offers(self, o: Order) -> list[tuple[int, int]]:
        """What an order that arrives could take: nothing at or behind an order of our own."""
        mine = [r.side * r.ticks for r in self.resting if r.side == -o.side and self.impact]
        out = []
        for price, lots in self.visible(o.side):
            if o.ticks and o.side * price > o.side * o.ticks:
                break
            if mine and -o.side * price <= max(mine):
                break
            out.append((price, lots - (self.gone.get((-o.side, price), 0) if self.impact else 0)))
        return out

    # ------------------------------------------------------------------------------------------- what we are told

    def say(self, o: Order, state: State, why: Why = Why.NONE) -> None:
        self.orders.append(
            (o.order_id, self.known(), self.venue, o.ticks, o.lots, o.filled, int(state), int(why))
        )

    def standing(self, o: Order) -> State:
        return State.PARTIALLY_FILLED if o.filled else State.ACCEPTED

    def fill(self, o: Order, ticks: int, lots: int, *, maker: bool) -> None:
        o.filled += lots
        self.position += o.side * lots
        self.fills.append((o.order_id, self.known(), self.venue, ticks, lots, o.side, int(maker)))

    def settle(self) -> None:
        assert self.next_funding is not None
        if self.position:
            self.venue = max(self.venue, self.next_funding)
            mid = (max(self.book[1]) + min(self.book[-1])) / 2
            amount = mid * self.position * self.funding_rate
            self.funding.append(
                (
                    self.known(),
                    self.next_funding,
                    self.position,
                    amount if amount > 0 or self.receives else 0.0,
                )
            )
        self.next_funding += self.funding_ns

    def room(self, o: Order) -> int:
        left = o.lots - o.filled
        return min(left, max(0, -o.side * self.position)) if o.reduce_only else left

    # --------------------------------------------------------------------------------------------- our requests

    def refusal(self, o: Order, ticks: int, lots: int) -> Why:
        if not self.sound():
            return Why.NO_BOOK
        if o.reduce_only:
            return Why.NONE if self.room(o) else Why.REDUCE_ONLY
        value = (ticks or self.visible(o.side)[0][0]) * lots
        return Why.LIMITS if value < self.least else Why.NONE

    def arrive(self, ns: int, order_id: int, intent: Intent) -> None:
        self.venue = max(self.venue, ns)
        known = [o for o in self.resting if o.order_id == order_id]
        if intent.action == Action.SUBMIT:
            o = Order(order_id, intent.side, intent.ticks, intent.lots, intent.tif, intent.reduce_only)
            if why := self.refusal(o, o.ticks, o.lots):
                self.say(o, State.REJECTED, why)
            else:
                self.place(o, State.REJECTED)
        elif known and (intent.action == Action.CANCEL or intent.lots <= known[0].filled):
            self.resting.remove(known[0])
            self.say(known[0], State.CANCELED, Why.ASKED)
        elif known:
            o = known[0]
            if why := self.refusal(o, intent.ticks, intent.lots):
                self.say(o, self.standing(o), why)
                return
            older = intent.ticks == o.ticks and intent.lots <= o.lots
            o.ticks, o.lots = intent.ticks, intent.lots
            if older:
                self.say(o, self.standing(o))
            else:
                self.resting.remove(o)
                self.place(o, State.CANCELED)

    def place(self, o: Order, refusal: State) -> None:
        offers = self.offers(o)
        there, wanted = sum(lots for _, lots in offers), o.lots - o.filled
        meets_ours = self.impact and any(
            r.side == -o.side and (not o.ticks or o.side * r.ticks <= o.side * o.ticks) for r in self.resting
        )
        all_levels = sorted(self.book[-o.side], key=lambda price: o.side * price)
        beyond = any(o.ticks and o.side * p <= o.side * o.ticks for p in all_levels[self.levels :])
        if o.tif == TimeInForce.POST_ONLY and (there or meets_ours):
            self.say(o, refusal, Why.POST_ONLY if there else Why.SELF)
        elif o.tif == TimeInForce.FOK and min(there, self.room(o)) < wanted:
            self.say(o, State.CANCELED, Why.FOK)
        else:
            for price, lots in offers:
                if (take := min(lots, self.room(o))) > 0:
                    self.gone[-o.side, price] = self.gone.get((-o.side, price), 0) + take
                    self.fill(o, price, take, maker=False)
            unbounded = not self.bounded and there and not meets_ours
            if unbounded and o.tif == TimeInForce.GTC and o.ticks and (rest := self.room(o)):
                self.fill(o, o.ticks, rest, maker=False)
            if o.filled == o.lots:
                self.say(o, State.FILLED)
            elif o.reduce_only and not self.room(o):
                self.say(o, State.CANCELED, Why.REDUCE_ONLY)
            elif meets_ours:
                self.say(o, State.CANCELED, Why.SELF)
            elif not o.ticks or o.tif == TimeInForce.IOC:
                self.say(o, State.CANCELED, Why.UNFILLED)
            elif 0 < there < wanted and beyond:
                self.say(o, State.CANCELED, Why.BEYOND_BOOK)
            else:
                self.join(o)
                self.resting.append(o)
                self.say(o, self.standing(o))
        self.drop_pointless()

    def drop_pointless(self) -> None:
        for o in list(self.resting):
            if o.reduce_only and -o.side * self.position <= 0:
                self.resting.remove(o)
                self.say(o, State.CANCELED, Why.REDUCE_ONLY)

    # ------------------------------------------------------------------------------------------------ the queue

    def join(self, o: Order) -> None:
        levels = self.book[o.side]
        deepest = min(levels, key=lambda price: o.side * price)
        o.since, o.traded = self.venue, 0.0
        o.ahead = levels.get(o.ticks, math.inf if o.side * o.ticks < o.side * deepest else 0)

    # ----------------------------------------------------------------------------------------------- the market

    def by_priority(self, side: int) -> list[Order]:
        mine = [o for o in self.resting if o.side == side]
        return sorted(mine, key=lambda o: -side * o.ticks)  # stable: older first at one price

    def make(self, o: Order, lots: int, happened: int) -> None:
        if lots > 0:
            self.venue = max(self.venue, happened)
            self.fill(o, o.ticks, lots, maker=True)
            done = o.filled == o.lots
            self.say(o, State.FILLED if done else State.PARTIALLY_FILLED)

    def clear(self) -> None:
        self.resting = [o for o in self.resting if o.filled < o.lots]
        self.drop_pointless()

    def trade(self, side: int, ticks: int, lots: int, happened: int) -> None:
        """A print against our side."""
        left = lots
        for o in self.by_priority(side):
            if side * o.ticks < side * ticks or happened <= o.since:
                continue
            get = self.room(o)
            if o.ticks != ticks:
                o.ahead = 0.0
                get = min(get, left) if self.bounded else get
            elif self.queue == QueueModel.through:
                get = 0
            else:
                o.ahead -= left
                o.traded += left
                reach = math.floor(0.5 - o.ahead) if o.ahead < 0 else 0
                if reach > 0:
                    o.ahead = 0.0
                get = min(get, reach)
            self.make(o, get, happened)
            if self.bounded:
                left -= get
        self.clear()

    def cross(self, side: int, happened: int) -> None:
        """What stands at or through the prices of our side."""
        for o in self.by_priority(side):
            levels = [(p, n) for p, n in self.visible(side) if side * p <= side * o.ticks]
            if not levels or happened <= o.since:
                continue
            o.ahead, get = 0.0, self.room(o)
            if self.bounded:
                wanted, get = get, 0
                for price, shown in levels:
                    take = max(min(wanted - get, shown - self.gone.get((-side, price), 0)), 0)
                    if take:
                        self.gone[-side, price] = self.gone.get((-side, price), 0) + take
                    get += take
            self.make(o, get, happened)
        self.clear()
