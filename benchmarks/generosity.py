"""Claim: every doubt that the simulated venue's defaults settle against us can be measured.

The same post-only orders in the same market under one setting after another: 0.2 coins at the best bid or offer, one
every second, canceled after 5 s. A fill is worth its markout: the mid 5 s later against its price, before fees. The
peer is the venue with everything believed that hftbacktest's partial-fill exchange believes.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from benchmarks.frame import table
from benchmarks.inputs import SEED, Market, markets, read
from btcframe.api import Action, Intent, Wakes
from btcframe.sources.synthetic import Synthetic
from btcframe.types import FILL, NS, Floats, Ints, LatencyModel, QueueModel, StateArray, TimeInForce
from btcframe.venues.sim import Sim

SIZE, EVERY_NS, LIFE_NS, LATER_NS = 0.2, NS, 5 * NS, 5 * NS

GENEROUS = Sim(queue=QueueModel.power, bounded=False, impact=False)
SETTINGS = {
    "defaults": Sim(),
    "queue=through": Sim(queue=QueueModel.through),
    "queue=risk_averse": Sim(queue=QueueModel.risk_averse),
    "queue=log": Sim(queue=QueueModel.log),
    "queue=power": Sim(queue=QueueModel.power),
    "bounded=false": Sim(bounded=False),
    "feed_latency=0s": Sim(feed_latency="0s"),
    "no latency at all": Sim(
        latencies=LatencyModel.constant, latency="0s", report_latency="0s", feed_latency="0s"
    ),
    "queue=power bounded=false impact=false": GENEROUS,
    "… and no latency": dataclasses.replace(
        GENEROUS, latencies=LatencyModel.constant, latency="0s", report_latency="0s", feed_latency="0s"
    ),
}


class Quotes(NamedTuple):
    """What we knew at every row with a sound book."""

    ns: Ints
    bid: Ints
    ask: Ints

    def mid(self, at: Ints) -> Floats:
        """The mid in ticks as last known at some times; NaN after the end."""
        last = np.searchsorted(self.ns, at, side="right") - 1
        mid = (self.bid + self.ask)[last] / 2
        return np.where(at <= self.ns[-1], mid, np.nan)


def quotes(market: Market) -> Quotes:
    pipeline, at, seen = market.pipeline(wakes=Wakes()), 0, []
    while at < len(market.events):
        at, _ = pipeline.push(market.events, at)
        sound, bid, _, ask, _ = pipeline.top()
        if len(pipeline.rows) and sound:
            seen.append((pipeline.now_ns, int(bid[0]), int(ask[0])))
    return Quotes(*(np.array(column) for column in zip(*seen, strict=True)))


def fills(market: Market, known: Quotes, venue: Sim) -> tuple[int, StateArray]:
    """Lots asked for, and what was filled of them."""
    lots = max(1, round(SIZE / market.instrument.size(1)))
    gateway, told, events = venue.open(market.instrument, seed=SEED), [np.empty(0, FILL)], market.events
    sends: list[tuple[int, int, Intent | None]] = []
    due = 0
    for order_id, (ns, bid, ask) in enumerate(zip(*known, strict=True), 1):
        if ns >= due:
            side = 1 if order_id % 2 else -1
            ticks = int(bid if side > 0 else ask)
            sends += [
                (int(ns), order_id, Intent(Action.SUBMIT, side, lots, ticks, TimeInForce.POST_ONLY)),
                (int(ns) + LIFE_NS, order_id, None),
            ]
            due = ns + EVERY_NS
    at = 0
    for ns, order_id, intent in sorted(sends, key=lambda send: send[0]):
        stop = int(np.searchsorted(events["local_ts"], ns, side="right"))
        while at < stop:
            taken, reports = gateway.advance(events[at:stop], ns)
            at += taken
            told.append(reports.fills)
        if intent:
            gateway.submit(order_id, intent, ns)
        else:
            gateway.cancel(order_id, ns)
    return lots * (len(sends) // 2), np.concatenate(told)


def main() -> None:
    made_up = read("synthetic, 30 m", Synthetic(duration="30m"), "100ms")
    for market in (made_up, *markets()[1:]):
        known = quotes(market)
        rows = []
        for name, venue in SETTINGS.items():
            asked, made = fills(market, known, venue)
            mid = known.mid(made["venue_ns"] + LATER_NS)
            gain = made["side"] * (mid - made["ticks"]) / made["ticks"] * 1e4
            there = np.isfinite(gain)
            bps = np.average(gain[there], weights=made["lots"][there]) if there.any() else np.nan
            rows.append((name, f"{100 * made['lots'].sum() / asked:.1f} %", f"{bps:+.2f}"))
        table(
            f"What is filled of the same orders: {market.name}",
            "settings",
            "filled",
            "markout, bps",
            rows=rows,
        )
