"""The obvious simulated venue: dictionaries, lists and one event at a time. What `matching` must do, written plainly."""

from __future__ import annotations

from typing import Any

from btcframe.api import Action, Intent
from btcframe.types import EventArray, EventFlag, Kind, OrderState, TimeInForce

LEVELS = 20


class NaiveVenue:
    """Requests are (send_ns, order_id, Intent), by time of sending; `run` gives all reports in order."""

    def __init__(self, latency: int, report_latency: int) -> None:
        self.latency, self.report_latency = latency, report_latency
        self.book: dict[int, dict[int, int]] = {1: {}, -1: {}}
        self.usable = self.loading = False
        self.position = 0
        self.resting: list[dict[str, Any]] = []  # oldest first
        self.orders: list[tuple[int, ...]] = []  # order_id, ns, ticks, lots, filled, state
        self.fills: list[tuple[int, ...]] = []  # order_id, ns, ticks, lots, side, maker

    def run(self, events: EventArray, requests: list[tuple[int, int, Intent]]) -> None:
        waiting = [(send + self.latency, order_id, intent) for send, order_id, intent in requests]
        for event in events:
            while waiting and waiting[0][0] < event["local_ts"]:
                self.arrive(*waiting.pop(0))
            self.apply(event)
            self.look(event)
        for request in waiting:
            self.arrive(*request)

    # ------------------------------------------------------------------------------------------------ the book

    def apply(self, e: Any) -> None:
        if e["kind"] == Kind.CLEAR:
            self.book, self.loading = {1: {}, -1: {}}, True
        elif e["kind"] == Kind.GAP:
            self.usable = self.loading = False
        elif e["kind"] == Kind.DEPTH and (self.usable or self.loading):
            side = self.book[int(e["side"])]
            side.pop(int(e["ticks"]), None)
            if e["lots"]:
                side[int(e["ticks"])] = int(e["lots"])
        if self.loading and e["flags"] & EventFlag.END and e["kind"] in (Kind.DEPTH, Kind.CLEAR, Kind.EMPTY):
            self.loading, self.usable = False, True

    def sound(self) -> bool:
        whole = self.usable and not self.loading and self.book[1] and self.book[-1]
        return bool(whole and max(self.book[1]) < min(self.book[-1]))

    def offers(self, side: int, ticks: int) -> list[tuple[int, int]]:
        """What a buy (+1) or sell (-1) at `ticks` (0: any) could take: (price, lots), best first, 20 levels."""
        levels = sorted(self.book[-side].items(), key=lambda level: side * level[0])[:LEVELS]
        return [(p, n) for p, n in levels if ticks == 0 or side * p <= side * ticks]

    # --------------------------------------------------------------------------------------------- our requests

    def say(self, o: dict[str, Any], state: OrderState, ns: int) -> None:
        self.orders.append(
            (o["id"], ns + self.report_latency, o["ticks"], o["lots"], o["filled"], int(state))
        )

    def standing(self, o: dict[str, Any]) -> OrderState:
        return OrderState.PARTIALLY_FILLED if o["filled"] else OrderState.ACCEPTED

    def room(self, o: dict[str, Any]) -> int:
        left = o["lots"] - o["filled"]
        return min(left, max(0, -o["side"] * self.position)) if o["reduce_only"] else left

    def fill(self, o: dict[str, Any], ticks: int, lots: int, maker: bool, ns: int) -> None:
        o["filled"] += lots
        self.position += o["side"] * lots
        self.fills.append((o["id"], ns + self.report_latency, ticks, lots, o["side"], int(maker)))

    def arrive(self, ns: int, order_id: int, intent: Intent) -> None:
        known = [o for o in self.resting if o["id"] == order_id]
        if intent.action == Action.SUBMIT:
            o = {"id": order_id, "side": intent.side, "ticks": intent.ticks, "lots": intent.lots}
            o |= {"filled": 0, "seen": 0, "tif": intent.tif, "reduce_only": intent.reduce_only}
            if not self.sound() or (intent.reduce_only and not self.room(o)):
                self.say(o, OrderState.REJECTED, ns)
            else:
                self.place(o, OrderState.REJECTED, ns)
        elif known and (intent.action == Action.CANCEL or intent.lots <= known[0]["filled"]):
            self.resting.remove(known[0])
            self.say(known[0], OrderState.CANCELED, ns)
        elif known and not self.sound():
            self.say(known[0], self.standing(known[0]), ns)
        elif known:
            o = known[0]
            older = intent.ticks == o["ticks"] and intent.lots <= o["lots"]
            o["ticks"], o["lots"] = intent.ticks, intent.lots
            if older:
                self.say(o, self.standing(o), ns)
            else:
                self.resting.remove(o)
                self.place(o, OrderState.CANCELED, ns)

    def place(self, o: dict[str, Any], refusal: OrderState, ns: int) -> None:
        offers = self.offers(o["side"], o["ticks"])
        total = sum(lots for _, lots in offers)
        wanted = o["lots"] - o["filled"]
        beyond = len(offers) == LEVELS and any(
            o["side"] * p <= o["side"] * o["ticks"]
            for p, _ in sorted(self.book[-o["side"]].items(), key=lambda level: o["side"] * level[0])[LEVELS:]
        )
        if o["tif"] == TimeInForce.POST_ONLY and total:
            self.say(o, refusal, ns)
            return
        if o["tif"] == TimeInForce.FOK and min(total, self.room(o)) < wanted:
            self.say(o, OrderState.CANCELED, ns)
            return
        for price, lots in offers:
            if take := min(lots, self.room(o)):
                self.fill(o, price, take, False, ns)
        if o["filled"] == o["lots"]:
            self.say(o, OrderState.FILLED, ns)
        elif (
            not o["ticks"]
            or o["tif"] == TimeInForce.IOC
            or (o["reduce_only"] and not self.room(o))
            or (total < wanted and beyond)
        ):
            self.say(o, OrderState.CANCELED, ns)
        else:
            o["seen"] = total
            self.resting.append(o)
            self.say(o, self.standing(o), ns)
        self.drop_pointless(ns)

    def drop_pointless(self, ns: int) -> None:
        for o in list(self.resting):
            if o["reduce_only"] and -o["side"] * self.position <= 0:
                self.resting.remove(o)
                self.say(o, OrderState.CANCELED, ns)

    # ----------------------------------------------------------------------------------------------- the market

    def look(self, e: Any) -> None:
        trade = e["kind"] == Kind.TRADE
        if not self.sound() or not (trade or e["flags"] & EventFlag.END):
            return
        ns = int(e["local_ts"])
        for side in (1, -1):
            used = 0
            mine = [o for o in self.resting if o["side"] == side]
            for o in sorted(mine, key=lambda o: -o["side"] * o["ticks"]):  # stable: older first at one price
                if trade:
                    through = e["side"] == -side and side * o["ticks"] > side * e["ticks"]
                    proven = int(e["lots"]) if through else 0
                else:
                    total = sum(lots for _, lots in self.offers(side, o["ticks"]))
                    proven, o["seen"] = total - o["seen"], total
                lots = min(self.room(o), proven - used)
                if lots > 0:
                    used += lots
                    self.fill(o, o["ticks"], lots, True, ns)
                    done = o["filled"] == o["lots"]
                    self.say(o, OrderState.FILLED if done else OrderState.PARTIALLY_FILLED, ns)
        self.resting = [o for o in self.resting if o["filled"] < o["lots"]]
        self.drop_pointless(ns)
