"""Claim: to time the stages of a message costs some 3 µs, a third of what hdrhistogram takes, and in a batch next to nothing.

Ours: `Latency` from the events of a message to its entries in four histograms, monotonic clock read twice; and with
`ClockOffset`, which the wire's latency is told by. Peer: four times `HdrHistogram.record_value` of PyPI's hdrhistogram,
which looks at the stamps of the last event only; and alone, with the durations ready. Both have 3 significant digits up
to 73 minutes; counts and percentiles agree.
"""

from __future__ import annotations

import itertools
import time

import numpy as np
from hdrh.histogram import HdrHistogram

from benchmarks.frame import console, first, ratio, table, take_turns
from benchmarks.inputs import SEED
from btcframe.api import Batch
from btcframe.clock_offset import ClockOffset
from btcframe.kernels.histogram import HIGHEST
from btcframe.latency import Latency
from btcframe.types import EVENT, EventArray, EventFlag, Frame

MESSAGES, EVENTS = 500, 18  # of a book of depth 200; few, for live a message has just been decoded
TIMES = 20
START = 1_700_000_000_000_000_000
PERCENTS = {"p50_ns": 50.0, "p90_ns": 90.0, "p99_ns": 99.0, "p99_9_ns": 99.9}


def batches() -> list[Batch]:
    """One message each; what its stages took is drawn at random."""
    rng = np.random.default_rng(SEED)
    venue, wire, decode = (rng.lognormal(np.log(ns), 0.8, MESSAGES).astype(int) for ns in (3e6, 9e7, 5e4))
    made = []
    for i in range(MESSAGES):
        events: EventArray = np.zeros(EVENTS, EVENT)
        local_ts = START + i * 1_000_000_000
        events["local_ts"], events["mono_ts"] = local_ts, local_ts - START + 10**12 - decode[i]
        events["send_ts"] = local_ts - wire[i]
        events["exch_ts"] = local_ts - wire[i] - venue[i]
        events["flags"][-1] = EventFlag.END
        made.append(Batch(events, [Frame(local_ts, "orderbook.200.BTCUSDT", b"{}")]))
    return made


def main() -> None:
    made = batches()
    ticks = itertools.count(10**12, 500_000_000)  # two readings a message: decoded, and in the book
    tested = Latency(lambda: next(ticks))
    peers = {name: HdrHistogram(1, HIGHEST, 3) for name in ("venue", "wire", "decode", "book")}
    durations = []
    for i, (events, *_) in enumerate(made):
        tested.decoded(events)
        tested.booked(events, 0, EVENTS)
        send, decoded = int(events["send_ts"][0]), 10**12 + 1_000_000_000 * i
        durations.append(
            (
                send - int(events["exch_ts"][0]),
                int(events["local_ts"][0]) - send,
                decoded - int(events["mono_ts"][0]),
                500_000_000,
            )
        )
    for values in durations:
        for peer, value in zip(peers.values(), values, strict=True):
            peer.record_value(value)
    for name, told in tested.summary().items():
        peer = peers[name]
        buckets = dict(tested.counts()[name]["buckets"])
        assert buckets == {i: n for i, n in enumerate(peer.counts) if n}, name
        for field, percent in PERCENTS.items():
            assert getattr(told, field) == min(peer.get_value_at_percentile(percent), told.max_ns), name
    console.print("Parity: counts of all buckets and percentiles of four stages equal.")

    latency, clock = Latency(), ClockOffset()

    def ours() -> None:
        for events, *_ in made * TIMES:
            latency.decoded(events)
            latency.booked(events, 0, EVENTS)

    def with_clock() -> None:
        for batch in made * TIMES:
            clock.take(batch)
            latency.decoded(batch.events, clock.offset_ns)
            latency.booked(batch.events, 0, EVENTS)

    def theirs() -> None:
        venue, wire, decode, book = peers.values()
        for events, *_ in made * TIMES:
            now, event = time.monotonic_ns(), events[-1]
            send = int(event["send_ts"])
            venue.record_value(send - int(event["exch_ts"]))
            wire.record_value(int(event["local_ts"]) - send)
            decode.record_value(max(now - int(event["mono_ts"]), 0))
            book.record_value(time.monotonic_ns() - now)

    def theirs_ready() -> None:
        venue, wire, decode, book = peers.values()
        for a, b, c, d in durations * TIMES:
            venue.record_value(a)
            wire.record_value(b)
            decode.record_value(c)
            book.record_value(d)

    together = np.concatenate([batch.events for batch in made])

    def at_once() -> None:
        for _ in range(TIMES):
            latency.decoded(together)
            latency.booked(together, 0, len(together))

    started, _ = first(ours)
    at_once()
    fast, bulk, whole, peer, ready = take_turns(ours, at_once, with_clock, theirs, theirs_ready, repeats=9)
    table(
        f"Four stages of a message of {EVENTS} events",
        "", "per message", "times as fast",
        rows=[
            ("Latency", fast.each(TIMES * MESSAGES), ratio(fast, peer)),
            (f"Latency, {MESSAGES} messages in a batch", bulk.each(TIMES * MESSAGES), ratio(bulk, peer)),
            ("Latency and ClockOffset", whole.each(TIMES * MESSAGES), ratio(whole, peer)),
            ("hdrhistogram", peer.each(TIMES * MESSAGES), "1"),
            ("hdrhistogram, durations ready", ready.each(TIMES * MESSAGES), ratio(ready, peer)),
        ],
        note=started,
    )  # fmt: skip
