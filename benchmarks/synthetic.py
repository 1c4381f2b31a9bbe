"""Claim: the synthetic market is made faster than anything reads it, at any length in the same memory.

Ours: the whole market (orders, book, trades, messages, truth). Peer: the same six-dimensional Hawkes process with
exponential kernels in plain Python, as papers' companion code has it: times and types of orders, no book, no messages.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks.frame import first, table, take_turns
from btcframe.sources.synthetic import Synthetic
from btcframe.types import NS, duration_ns

HOURS = 4
# what the two are compared on: no regimes, no day, nothing that leans
PLAIN = Synthetic(duration=f"{HOURS}h", regimes=(1.0,), season=0.0, lean=0.0, signal_lean=0.0, alpha=0.0)
SHARES, SELF, OTHER = (0.21, 0.21, 0.21, 0.21, 0.08, 0.08), 0.5, 0.1


def ours(source: Synthetic) -> int:
    """Go through the market; how many events it has."""
    return sum(len(batch.events) for batch in source.open(seed=7))


def hawkes(source: Synthetic, seconds: float) -> Iterator[tuple[float, int]]:
    """Times and types by thinning (Ogata 1981)."""
    draw = random.Random(7)
    base = [source.rate * (1 - source.excitation) * share for share in SHARES]
    decay = NS / duration_ns(source.relaxation)
    excited, now = [0.0] * 6, 0.0
    while True:
        most = sum(base) + sum(excited)
        wait = draw.expovariate(most)
        now += wait
        if now > seconds:
            return
        fade = math.exp(-decay * wait)
        excited = [e * fade for e in excited]
        at = draw.random() * most
        for kind in range(6):
            at -= base[kind] + excited[kind]
            if at < 0:
                yield now, kind
                for k in range(6):
                    excited[k] += source.excitation * decay * (SELF if k == kind else OTHER)
                break


def orders(source: Synthetic) -> np.ndarray:
    """Exchange times of the orders of our market, seconds."""
    stamps = np.unique(np.concatenate([batch.events["exch_ts"] for batch in source.open(seed=7)]))
    return (stamps - stamps[0]) / NS


def counts(times: np.ndarray) -> tuple[float, float]:
    """Orders per second, and how much their number in a second scatters: variance over mean."""
    each = np.bincount(times.astype(int))
    return float(each.mean()), float(each.var() / each.mean())


def main() -> None:
    seconds = HOURS * 3600.0
    theirs = counts(np.array([time for time, _ in hawkes(PLAIN, seconds)]))
    mine = counts(orders(PLAIN))
    # the queues' reaction shifts both a little
    np.testing.assert_allclose(mine, theirs, rtol=0.2, err_msg="orders a second, variance over mean")
    default, null = Synthetic(duration=f"{HOURS}h"), Synthetic(duration=f"{HOURS}h", null=True)
    started, events = first(partial(ours, default))
    calls = [partial(ours, source) for source in (default, null, PLAIN)]
    *timings, rival = take_turns(*calls, lambda: sum(1 for _ in hawkes(PLAIN, seconds)))
    rows = []
    for name, source, timing in zip(
        ("the default", "null", "nothing leans"), (default, null, PLAIN), timings, strict=True
    ):
        n, placed = ours(source), len(orders(source))
        per_order = timing.median / placed, rival.median / (theirs[0] * seconds)
        rows.append(
            (
                name,
                timing.rate(n),
                timing.rate(placed),
                f"{n / seconds:.0f}",
                f"{per_order[1] / per_order[0]:.0f}×",
            )
        )
    rows.append(("plain Python, orders only", "", rival.rate(int(theirs[0] * seconds)), "", "1×"))
    table(
        f"The synthetic market, {HOURS} h, {events:,} events",
        "market", "events", "orders", "events per second of market", "orders × plain Python",
        rows=rows,
        note=f"Orders a second and their clustering agree: {mine[0]:.1f} and {mine[1]:.2f}, "
        f"plain Python {theirs[0]:.1f} and {theirs[1]:.2f}. {started}",
    )  # fmt: skip
