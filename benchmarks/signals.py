"""Claim: to leave all that a session knows costs the trader no more than 20 gauges of prometheus_client, some 7 µs.

Ours: the market as it stands, the account and the swap of the snapshot, in the trader's thread; and `read`, in anybody's.
Peer: prometheus_client's gauges of the same 20 numbers, set by the trader's thread with the numbers ready, which is how
a process is usually watched; and their values collected by whoever asks. Both say the same, after every 200 events.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge

from benchmarks.frame import console, first, ratio, table, take_turns
from benchmarks.inputs import SEED, fitted, walk
from btcframe.latency import Latency
from btcframe.trading.trader import Promotion, Trader
from btcframe.types import NS
from btcframe.venues.sim import Sim
from btcframe.watch.signals import ExecutionSignals, Seen, Signals
from btcframe_execution.market import MarketPolicy

TIMES = 100  # short: what else runs on the machine takes whole turns, not a part of each
NAMES = (
    "bid", "ask", "bid_size", "ask_size", "mid", "spread_bps", "microprice_gap_bps", "price_pressure", "slope_bid",
    "slope_ask", "slope_asymmetry", "quality", "position", "position_lots", "average_price", "working", "equity",
    "day_profit", "drawdown", "fees",
)  # fmt: skip


def main() -> None:
    market = walk("10m")
    policy = MarketPolicy()
    pipeline = market.pipeline(wakes=policy.wakes)
    trader = Trader(
        pipeline, Sim().open(market.instrument, seed=SEED), policy, {}, cash=1e6, horizons_ns=(NS,),
        schedule=[Promotion(0, fitted(market))],
    )  # fmt: skip
    signals, latency = Signals(Latency()), Latency()
    registry = CollectorRegistry()
    gauges = [Gauge(name, name, registry=registry) for name in NAMES]

    def publish() -> None:
        at = trader.market()
        assert at is not None
        signals.publish(Seen(1, pipeline.now_ns, pipeline.book_ns, at, trader.account()))

    def read() -> ExecutionSignals:
        told = signals.read()
        assert told is not None
        return told

    compared = 0
    for i in range(0, len(market.events), 200):
        trader.consume(market.events[i : i + 200])
        if trader.market() is None:
            continue
        publish()
        told = read()
        for gauge, name in zip(gauges, NAMES, strict=True):
            gauge.set(getattr(told, name))
        collected = {family.name: family.samples[0].value for family in registry.collect()}
        for name in NAMES:
            ours, theirs = getattr(told, name), collected[name]
            assert ours == theirs or ours != ours, name
        compared += 1
    console.print(f"Parity: {len(NAMES)} numbers equal at {compared:,} moments.")
    ready = [float(getattr(read(), name)) for name in NAMES]

    def left() -> None:
        for _ in range(TIMES):
            publish()

    def set_gauges() -> None:
        for _ in range(TIMES):
            for gauge, value in zip(gauges, ready, strict=True):
                gauge.set(value)

    def asked() -> None:
        for _ in range(TIMES):
            read()

    def collected_gauges() -> None:
        for _ in range(TIMES):
            list(registry.collect())

    def timed() -> None:
        for _ in range(TIMES):
            latency.closed()
            latency.signalled()

    started, _ = first(left)
    writing, theirs, reading, collecting, stages = take_turns(
        left, set_gauges, asked, collected_gauges, timed, repeats=41
    )
    table(
        "What a session knows: left by the trader, asked for by others",
        "", "each time", "times as fast",
        rows=[
            ("trader: the snapshot", writing.each(TIMES), ratio(writing, theirs)),
            ("trader: 20 gauges of prometheus_client", theirs.each(TIMES), "1"),
            ("reader: get_execution_signals", reading.each(TIMES), ratio(reading, collecting)),
            ("reader: collecting 20 gauges", collecting.each(TIMES), "1"),
            ("trader: stages row, signal and total", stages.each(TIMES), ""),
        ],
        note=started,
    )  # fmt: skip
