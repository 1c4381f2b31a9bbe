"""Rows from events the obvious way: dictionaries, whole copies of the book, exact fractions.

Written from the definition of the row, for comparison with the kernels; slow on purpose.
"""

from __future__ import annotations

import math
from fractions import Fraction

from naive_quality import NaiveQuality

from btcframe.types import FLOW_LEVELS, LEVELS, Instrument, Kind, RowFlag

END, NO_FLOW = 1, 4
BOOK_KINDS = (Kind.DEPTH, Kind.CLEAR, Kind.EMPTY)
NAN = math.nan


class NaiveRows:
    """Feed it events one at a time; `rows` is a list of dictionaries with ROW's fields."""

    def __init__(self, instrument: Instrument, period: int) -> None:
        self.tick, self.lot = Fraction(instrument.tick), Fraction(instrument.lot)
        self.period = period
        self.edge = None
        self.rows: list[dict] = []
        self.sides = {+1: {}, -1: {}}
        self.usable = False
        self.before = None  # both sides as they were when the running message began
        self.message: list = []
        self.was_usable = False
        self.mid = None  # in ticks; the last one there was
        self.direction = 0
        self.book_ns = None
        self.quality = NaiveQuality()
        self.open_row()

    def open_row(self) -> None:
        self.flags = set()
        self.events = self.messages = 0
        self.ofi = [0] * FLOW_LEVELS
        self.added, self.removed, self.removed_best = {+1: 0, -1: 0}, {+1: 0, -1: 0}, {+1: 0, -1: 0}
        self.changes = self.moves = self.reversals = 0
        self.mids = [] if self.mid is None else [self.mid]
        self.trades: list[tuple] = []  # side, lots, ticks, mid before
        self.stamps: list[tuple] = []  # exch, local

    # -- events ------------------------------------------------------------------------------------------

    def feed(self, event) -> None:
        kind, local = Kind(int(event["kind"])), int(event["local_ts"])
        if self.edge is None:
            self.edge = math.ceil(Fraction(local, self.period)) * self.period
        if not self.message:  # a message is one item: it never straddles an edge
            while local > self.edge:
                self.close_row()
                self.edge += self.period
        if kind == Kind.HEARTBEAT:
            return
        self.events += 1
        if event["exch_ts"]:
            self.stamps.append((int(event["exch_ts"]), local))
        if kind == Kind.TRADE:
            self.messages += bool(event["flags"] & END)
            self.trades.append((int(event["side"]), int(event["lots"]), int(event["ticks"]), self.mid))
        elif kind == Kind.GAP:
            self.usable, self.mid, self.message = False, None, []
        elif kind in BOOK_KINDS:
            self.book_event(event, kind)

    def book_event(self, event, kind) -> None:
        if not self.message:
            self.before = {side: dict(levels) for side, levels in self.sides.items()}
        self.message.append(event)
        loading = any(e["kind"] == Kind.CLEAR for e in self.message)
        if kind == Kind.CLEAR:
            self.sides = {+1: {}, -1: {}}
            self.was_usable = self.usable
        elif kind == Kind.DEPTH and (self.usable or loading):
            levels = self.sides[int(event["side"])]
            levels.pop(int(event["ticks"]), None)
            if event["lots"] > 0:
                levels[int(event["ticks"])] = int(event["lots"])
        if event["flags"] & END:
            self.messages += 1
            self.book_ns = int(event["local_ts"])
            self.end_of_message(loading)
            self.message = []

    def end_of_message(self, snapshot: bool) -> None:
        if snapshot:
            self.usable = True
            self.flags.add(RowFlag.RESNAPSHOT if self.was_usable else RowFlag.PARTIAL)
            self.direction = 0
            self.look_at_mid(counts=False)
        elif self.usable:
            counts = not any(e["flags"] & NO_FLOW for e in self.message)
            if counts:
                for side in (+1, -1):
                    self.compare(side)
            self.look_at_mid(counts)

    def best(self, levels: dict, side: int) -> list[int]:
        return sorted(levels, reverse=side > 0)[:FLOW_LEVELS]

    def compare(self, side: int) -> None:
        before, after = self.before[side], self.sides[side]
        top_before, top_after = self.best(before, side), self.best(after, side)
        for k in range(FLOW_LEVELS):
            p, q = (top_before[k] * side, before[top_before[k]]) if k < len(top_before) else (-math.inf, 0)
            p2, q2 = (top_after[k] * side, after[top_after[k]]) if k < len(top_after) else (-math.inf, 0)
            # p * side: greater is better on both sides
            self.ofi[k] += side * (q2 if p2 > p else q2 - q if p2 == p else -q)
        for price in before.keys() | after.keys():
            change = after.get(price, 0) - before.get(price, 0)
            if change > 0 and price in top_after:
                self.added[side] += change
                self.changes += 1
            elif change < 0 and price in top_before:
                self.removed[side] -= change
                self.changes += 1
                if price == top_before[0]:
                    self.removed_best[side] -= change

    def look_at_mid(self, counts: bool) -> None:
        if not self.sides[+1] or not self.sides[-1] or max(self.sides[+1]) >= min(self.sides[-1]):
            return
        mid = Fraction(max(self.sides[+1]) + min(self.sides[-1]), 2)
        if counts and self.mid is not None and mid != self.mid:
            direction = 1 if mid > self.mid else -1
            self.moves += 1
            self.reversals += direction == -self.direction
            self.direction = direction
        self.mid = mid
        self.mids.append(mid)

    # -- rows --------------------------------------------------------------------------------------------

    def close_row(self) -> None:
        if self.usable or self.rows:
            self.rows.append(self.row())
        self.open_row()

    def row(self) -> dict:
        flags = set(self.flags)
        bids, asks = sorted(self.sides[+1], reverse=True), sorted(self.sides[-1])
        if not self.usable:
            flags.discard(RowFlag.PARTIAL)
            flags.add(RowFlag.GAP)
            bids, asks = [], []
        else:
            if min(len(bids), len(asks)) < LEVELS:
                flags.add(RowFlag.THIN)
            if not bids or not asks:
                flags.add(RowFlag.ONE_SIDED)
            elif bids[0] >= asks[0]:
                flags.add(RowFlag.CROSSED)
                bids, asks = [], []
        if not self.events:
            flags.add(RowFlag.NO_EVENTS)
        row = {
            "row_ns": self.edge,
            "messages": self.messages,
            "bid_px": self.levels([self.tick * p for p in bids]),
            "bid_sz": self.levels([self.lot * self.sides[+1][p] for p in bids]),
            "ask_px": self.levels([self.tick * p for p in asks]),
            "ask_sz": self.levels([self.lot * self.sides[-1][p] for p in asks]),
            "mid": NAN,
            "microprice": NAN,
            "first_exch_ts": self.stamps[0][0] if self.stamps else 0,
            "last_exch_ts": self.stamps[-1][0] if self.stamps else 0,
            "latency_ns": self.stamps[-1][1] - self.stamps[-1][0] if self.stamps else 0,
            "age_ns": self.edge - self.book_ns,
        }
        if bids and asks:
            b, a = bids[0], asks[0]
            size_b, size_a = self.sides[+1][b], self.sides[-1][a]
            row["mid"] = float(self.tick * (a + b) / 2)
            row["microprice"] = float(self.tick * (a * size_b + b * size_a) / (size_a + size_b))
        row |= self.accumulators()
        if flags & {RowFlag.PARTIAL, RowFlag.GAP}:
            row |= dict.fromkeys(self.accumulators(), NAN) | {"ofi": [NAN] * FLOW_LEVELS}
        row["quality"], added = self.quality.feed(row, flags)
        row["flags"] = sum(flags | added)
        return row

    def levels(self, values: list[Fraction]) -> list[float]:
        values = values[:LEVELS]
        return [float(v) for v in values] + [NAN] * (LEVELS - len(values))

    def accumulators(self) -> dict:
        def size(lots: int) -> float:
            return float(self.lot * lots)

        def total(side: int) -> tuple[float, float, float]:
            own = [t for t in self.trades if t[0] == side]
            notional = sum(lots * ticks for _, lots, ticks, _ in own)
            return size(sum(t[1] for t in own)), float(len(own)), float(self.lot * self.tick * notional)

        buy, sell = total(+1), total(-1)
        if any(mid is None for *_, mid in self.trades):
            cost = NAN
        else:
            cost = float(
                sum((s * q * (p - m) for s, q, p, m in self.trades), Fraction(0)) * self.lot * self.tick
            )
        return {
            "ofi": [size(e) for e in self.ofi],
            "add_bid": size(self.added[+1]),
            "add_ask": size(self.added[-1]),
            "rem_bid": size(self.removed[+1]),
            "rem_ask": size(self.removed[-1]),
            "rem1_bid": size(self.removed_best[+1]),
            "rem1_ask": size(self.removed_best[-1]),
            "changes": float(self.changes),
            "mid_moves": float(self.moves),
            "mid_reversals": float(self.reversals),
            "mid_high": float(max(self.mids) * self.tick) if self.mids else NAN,
            "mid_low": float(min(self.mids) * self.tick) if self.mids else NAN,
            "buy_volume": buy[0],
            "sell_volume": sell[0],
            "buy_count": buy[1],
            "sell_count": sell[1],
            "buy_notional": buy[2],
            "sell_notional": sell[2],
            "max_trade": size(max((t[1] for t in self.trades), default=0)),
            "signed_cost": cost,
        }
