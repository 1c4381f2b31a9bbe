"""Claim: the one path from events to rows outruns a bot's book, in a batch and a message at a time.

Ours: `Pipeline.push`, everything a ROW holds (20 levels, order flow over 10, trades, flags), features book and returns,
regime volatility. Peer: the book most Python bots keep, two `sortedcontainers.SortedDict`, read for 20 levels and the
mid at each row's end; it does no flow, no flags and no features.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
from sortedcontainers import SortedDict

from benchmarks.frame import first, ratio, table, take_turns
from benchmarks.inputs import Market, markets
from btcframe.clocks.time import TimeClock
from btcframe.types import LEVELS, ROW, EventFlag, Kind, RowFlag

CHECKED = 50  # rows compared with the plain reference, which copies the book at every message


def ours(market: Market, cuts: list[int]) -> Any:
    """Push the events from cut to cut; keeps every row."""
    pipeline, rows = market.pipeline(), []
    for a, b in itertools.pairwise(cuts):
        at, events = 0, market.events[a:b]
        while at < len(events):
            at, _ = pipeline.push(events, at)
            if len(pipeline.rows):
                rows.append(pipeline.rows.tobytes())  # NumPy copies records field by field
    return np.frombuffer(b"".join(rows), ROW)


class PeerBook:
    """Two SortedDicts, ticks → lots, best last and best first."""

    def __init__(self, market: Market) -> None:
        i = market.instrument
        self.bids, self.asks = SortedDict(), SortedDict()
        self.price, self.size = i.tick_ratio, i.lot_ratio

    def row(self) -> list[float]:
        """bid_px, bid_sz, ask_px, ask_sz as in ROW."""
        out: list[float] = []
        for side, order in ((self.bids, reversed), (self.asks, iter)):
            levels = [(t, side[t]) for t in itertools.islice(order(side), LEVELS)]
            absent = [float("nan")] * (LEVELS - len(levels))
            out += [t * self.price[0] / self.price[1] for t, _ in levels] + absent
            out += [q * self.size[0] / self.size[1] for _, q in levels] + absent
        return out


def peer(market: Market, events: list[tuple[int, ...]], period: int) -> list[list[float]]:
    book, rows = PeerBook(market), []
    bids, asks, edge = book.bids, book.asks, 0
    depth, clear = int(Kind.DEPTH), int(Kind.CLEAR)
    inside = False
    for local, ticks, lots, kind, side, end in events:
        if not inside and local > edge:
            if edge and bids:
                rows.append(book.row())
                rows += rows[-1:] * ((local - edge - 1) // period)  # nothing happened in them
            edge = -(-local // period) * period
        inside = not end
        if kind == depth:
            levels = bids if side > 0 else asks
            if lots:
                levels[ticks] = lots
            else:
                levels.pop(ticks, None)
        elif kind == clear:
            bids.clear()
            asks.clear()
    return rows


def plain(market: Market) -> list[tuple[int, ...]]:
    """The events as a bot would hold them: Python integers."""
    e = market.events
    single = np.isin(e["kind"], (Kind.HEARTBEAT, Kind.GAP))
    ends = (e["flags"] & EventFlag.END > 0) | single
    fields = (e[name].tolist() for name in ("local_ts", "ticks", "lots", "kind", "side"))
    return list(zip(*fields, ends.tolist(), strict=True))


def check(market: Market, rows: Any, theirs: list[list[float]]) -> None:
    """Every row against the peer's book, and the first ones against the plain reference field by field."""
    from naive_rows import NaiveRows

    sound = rows["flags"] & (RowFlag.GAP | RowFlag.CROSSED) == 0
    levels = np.hstack([rows[name] for name in ("bid_px", "bid_sz", "ask_px", "ask_sz")])
    assert len(rows) == len(theirs), f"{len(rows)} rows, the peer has {len(theirs)}"
    np.testing.assert_array_equal(levels[sound], np.array(theirs)[sound])
    naive = NaiveRows(market.instrument, TimeClock(market.every).period_ns)
    feed = iter(market.events)
    while len(naive.rows) < CHECKED:
        naive.feed(next(feed))
    for row, reference in zip(rows, naive.rows, strict=False):
        for name, value in reference.items():
            np.testing.assert_array_equal(row[name], value, err_msg=name)


def chunked(market: Market, size: int) -> list[int]:
    return [*range(0, len(market.events), size), len(market.events)]


def messages(market: Market) -> list[int]:
    """One feed message at a time, as they arrive live."""
    ends = np.flatnonzero(market.events["flags"] & EventFlag.END) + 1
    return sorted({0, *ends.tolist(), len(market.events)})


def main() -> None:
    for market in markets():
        events, period = plain(market), TimeClock(market.every).period_ns
        ways = {"65k events": chunked(market, 65536), "1k events": chunked(market, 1024)}
        ways["a message"] = messages(market)
        started, rows = first(partial(ours, market, ways["65k events"]))
        check(market, rows, peer(market, events, period))
        for name, cuts in ways.items():
            assert ours(market, cuts).tobytes() == rows.tobytes(), f"{name} at a time: other bits"
        calls = [partial(ours, market, cuts) for cuts in ways.values()]
        *timings, rival = take_turns(*calls, partial(peer, market, events, period))
        n = len(events)
        table(
            f"Events to rows: {market.name}, {n:,} events, {market.every} rows",
            "at a time", "events", "per push", "× SortedDict",
            rows=[
                (name, t.rate(n), t.each(len(cuts) - 1), ratio(t, rival))
                for (name, cuts), t in zip(ways.items(), timings, strict=True)
            ] + [("SortedDict", rival.rate(n), "", "1×")],
            note=f"Same bits at every chunking; levels as the peer's, rows as the plain reference's. {started}",
        )  # fmt: skip
