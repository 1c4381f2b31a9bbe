"""Claim: with working orders the simulated venue takes millions of events a second, and a wake costs tens of µs.

The venue's peer is the bare book kernel on the same events: what matching costs on top of it; `benchmarks judge` times
it against hftbacktest's. A wake's peer is the same market through the batch pipeline: what is left is Python, once per
row. Parity is with the plainly written venue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.frame import Timing, first, ratio, table, take_turns
from benchmarks.inputs import SEED, Market, fitted, markets, walk
from btcframe.api import Action, Intent, Wakes
from btcframe.kernels.book import apply, new_book
from btcframe.models.artefacts import FittedModel
from btcframe.pipeline import Gate, Pipeline
from btcframe.trading.forecasts import Promotion
from btcframe.trading.trader import Trader
from btcframe.types import EventArray, Kind, LatencyModel, TimeInForce
from btcframe.venues.sim import Sim
from btcframe_execution import Confidence, MarketPolicy, MaxPosition

CHUNK = 65536


def chunks(events: EventArray) -> list[EventArray]:
    return [events[a : a + CHUNK] for a in range(0, len(events), CHUNK)]


def venue(market: Market, orders: int, *, near: bool = False) -> tuple[int, int]:
    """Let the venue match everything with some orders at work; returns reports and position.

    They rest where they never fill, or anew with every chunk within 3 to 3·orders ticks of a print, in their queues.
    """
    gateway, placed = Sim().open(market.instrument, seed=SEED), 0
    heard = 0
    for n, events in enumerate(chunks(market.events)):
        until, at = int(events["local_ts"][-1]), 0
        if near or n == 0:
            prints = events["ticks"][events["kind"] == Kind.TRADE]
            for k in range(1, orders + 1):
                side = 1 if k % 2 else -1
                far = int(prints[0]) - 3 * side * k if near else (k if side > 0 else 2 * int(prints[0]) + k)
                intent = Intent(Action.SUBMIT, side, 100, far, TimeInForce.POST_ONLY)
                placed += 1
                gateway.submit(placed, intent, int(events["local_ts"][0]) + 10**9)
        while at < len(events):
            taken, reports = gateway.advance(events[at:], until)
            at, heard = at + taken, heard + len(reports.orders)
    return heard, gateway.reconcile().lots


def bare_book(market: Market) -> None:
    book = new_book()
    for events in chunks(market.events):
        apply(book, events, 0, len(events))


def check_venue() -> None:
    """Fills of orders at the best price, one every 2 s, as the plainly written venue has them."""
    from naive_venue import NaiveVenue

    market = walk("5m")
    events, latency = market.events, 50_000_000
    requests, pipeline, at = [], market.pipeline(wakes=Wakes()), 0
    while at < len(events):
        at, _ = pipeline.push(events, at)
        if (row := len(requests)) < 100 and len(pipeline.rows) and int(pipeline.now_ns / 1e9) % 2:
            side = 1 if row % 4 < 2 else -1
            _, bids, _, asks, _ = pipeline.top()
            ticks = int((bids if (side > 0) == (row % 2 == 0) else asks)[0])
            requests.append(
                (pipeline.now_ns, row + 1, Intent(Action.SUBMIT, side, 700, ticks, TimeInForce.GTC))
            )
    plain = NaiveVenue(latency, latency, latency, LatencyModel.recorded)
    plain.run(events, requests, int(events["local_ts"][-1]))
    gateway, fills, at = Sim().open(market.instrument, seed=SEED), [], 0
    for sent, order_id, intent in requests:
        gateway.submit(order_id, intent, sent)
    while at < len(events):
        taken, reports = gateway.advance(events[at:], int(events["local_ts"][-1]))
        at += taken
        fills += [
            tuple(map(int, f))
            for f in reports.fills[["order_id", "ns", "venue_ns", "ticks", "lots", "side", "maker"]]
        ]
    known = [f for f in plain.fills if f[1] <= events["local_ts"][-1]]
    assert known and fills == [tuple(map(int, f)) for f in known]


def push(market: Market, gate: Gate | None = None, *, woken: bool = True) -> Iterator[Pipeline]:
    """The pipeline after each push: with a stop at every row, or without wakes."""
    pipeline = market.pipeline(wakes=Wakes() if woken else None)
    for events in chunks(market.events):
        at = 0
        while at < len(events):
            at, _ = pipeline.push(events, at, gate)
            yield pipeline


def stand(events: EventArray, until_ns: int) -> tuple[int, bool]:
    """A gate that lets everything stand."""
    return len(events), False


def features(pushes: Iterator[Pipeline]) -> Any:
    return np.concatenate([pipeline.x.copy() for pipeline in pushes])


def trade(market: Market, model: FittedModel | None) -> Trader:
    policy = MarketPolicy()
    trader = Trader(
        market.pipeline(wakes=policy.wakes), Sim().open(market.instrument, seed=SEED), policy,
        {"confidence": Confidence(), "max_position": MaxPosition()}, cash=1e5,
        schedule=[Promotion(0, model)], horizons_ns=(10**9,),
    )  # fmt: skip
    for events in chunks(market.events):
        trader.consume(events)
    return trader


def main() -> None:
    started, _ = first(partial(venue, walk("1m"), 4))
    check_venue()
    for market in markets():
        n = len(market.events)
        for orders in (1, 4):
            assert venue(market, orders) == (orders, 0), "each is accepted, none fills"
        calls = [partial(venue, market, k) for k in (0, 1, 4)]
        timings = take_turns(*calls, partial(venue, market, 4, near=True), partial(bare_book, market))
        names = (
            "no working order",
            "1 working order",
            "4 working orders",
            "4 about the best",
            "book kernel alone",
        )
        table(
            f"Simulated venue between wakes: {market.name}", "orders", "events", "× book kernel",
            rows=[(name, t.rate(n), ratio(t, timings[4])) for name, t in zip(names, timings, strict=True)],
            note=f"Fills as the plainly written venue's. {started}",
        )  # fmt: skip
    for market in markets():
        wakes(market)


def wakes(market: Market) -> None:
    model = fitted(market)
    x = features(push(market, woken=False))
    for gate in (None, stand):
        assert features(push(market, gate)).tobytes() == x.tobytes(), "other bits with wakes"
    n = len(trade(market, model).audit.tables()["equity"])
    assert n == len(x), f"{n} wakes for {len(x)} rows"
    timings = take_turns(
        lambda: deque(push(market, woken=False), 0), lambda: deque(push(market), 0),
        lambda: deque(push(market, stand), 0), partial(trade, market, None), partial(trade, market, model),
        partial(venue, market, 0), repeats=9,
    )  # fmt: skip
    kernels = Timing(tuple(map(sum, zip(timings[0].times, timings[5].times, strict=True))))
    python = Timing(tuple(t - k for t, k in zip(timings[4].times, kernels.times, strict=True)))
    names = ("pipeline in a batch", "pipeline, a wake per row", "… and a gate", "trader without model",
             "trader, market policy, ridge")  # fmt: skip
    rows = [(name, t.each(n), ratio(t, timings[0])) for name, t in zip(names, timings, strict=False)]
    table(
        f"Wakes: {market.name}, {n:,} rows of {len(market.events) // n} events", "what", "per wake", "× batch",
        rows=[*rows, ("of the trader's, Python", python.each(n), "")],
        note="Python is what the trader takes more than the same events through pipeline and venue in batches.",
    )  # fmt: skip
