"""Claim: from a frame of Bybit's book to a verified book and its EVENTs, many times as fast as a bot's decoder.

Ours: `BybitDecoder.push`, a frame at a time as they arrive live, and by 2,048 as a log is replayed: exact ticks and lots,
the chain of updates checked, the book cut to its depth and never crossed, EVENTs for the pipeline. Peers: orjson and two
`sortedcontainers.SortedDict` of floats, what most Python bots do; the same with a look at `u` and at the best prices, which
ours takes too; and our own decoder behind the scanner, msgspec, for what the scanner refuses. The socket is not part of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import orjson
from sortedcontainers import SortedDict

from benchmarks.frame import ROOT, Timing, first, ratio, skip, table, take_turns
from btcframe.control import CONNECTED
from btcframe.sources.bybit.decoder import RUN, BybitDecoder
from btcframe.sources.cryptofeed_capture import CryptofeedCapture
from btcframe.types import Frame, Instrument

DEPTH = 200
DELTAS = 20_000
CAPTURE = ROOT.parent / "shared/market-data/bybit/cryptofeed_BYBIT_20260809.jsonl.zst"


class Stream(NamedTuple):
    """Frames of one market's book, the snapshot first."""

    name: str
    instrument: Instrument
    frames: list[Frame]

    def decoder(self) -> BybitDecoder:
        return BybitDecoder(self.instrument, "BTCUSDT", DEPTH)


def made(spot: bool) -> Stream:
    """Frames as the capture's are: so many levels in a delta, so many bytes in a level."""
    from bybit_market import LINEAR, SPOT, Exchange

    exchange = Exchange(7, DEPTH, SPOT if spot else LINEAR)
    frames = [Frame(0, "", exchange.snapshot())]
    for _ in range(DELTAS):
        exchange.move(4 if spot else 19)
        frames.append(Frame(0, "", exchange.delta()))
    return Stream("synthetic, spot" if spot else "synthetic, linear", exchange.instrument, frames)


def captured(symbol: str) -> Stream:
    """The capture's frames many times over, as if it were sent again on one connection after another."""
    feed = CryptofeedCapture(str(CAPTURE), symbol).open(seed=0)
    frames = [
        f._replace(local_ts=0, stream="")
        for batch in feed
        for f in batch.frames
        if f.stream.startswith("orderbook")
    ]
    again = [Frame(0, CONNECTED, b""), *frames]
    return Stream(f"capture, {symbol}", feed.instrument, again * (DELTAS // len(frames)))


def one_by_one(stream: Stream) -> BybitDecoder:
    decoder = stream.decoder()
    push = decoder.push
    for frame in stream.frames:
        push([frame])
    return decoder


def bulk(stream: Stream) -> BybitDecoder:
    decoder = stream.decoder()
    for i in range(0, len(stream.frames), RUN):
        decoder.push(stream.frames[i : i + RUN])
    return decoder


def typed(stream: Stream) -> BybitDecoder:
    """What a frame costs that the scanner refuses."""
    decoder = stream.decoder()
    for frame in stream.frames:
        decoder.push([frame._replace(data=b" " + frame.data)] if not frame.stream else [frame])
    return decoder


def sorted_dicts(stream: Stream, check: bool = False) -> tuple[SortedDict, SortedDict]:
    bids, asks = SortedDict(), SortedDict()
    last = 0
    for frame in stream.frames:
        if frame.stream:
            continue
        message = orjson.loads(frame.data)
        data = message["data"]
        if message["type"] == "snapshot":
            bids.clear()
            asks.clear()
        elif check and data["u"] != last + 1:
            raise ValueError(data["u"])
        last = data["u"]
        for side, levels in ((bids, data["b"]), (asks, data["a"])):
            for price, size in levels:
                lots = float(size)
                if lots:
                    side[float(price)] = lots
                else:
                    side.pop(float(price), None)
        if check and bids.peekitem(-1)[0] >= asks.peekitem(0)[0]:
            raise ValueError(last)
    return bids, asks


def parity(stream: Stream) -> None:
    """All ways lead to one book, to the bit; the peer's, which is not cut, holds it."""
    from bybit_market import book_of

    decoders = [one_by_one(stream), bulk(stream), typed(stream)]
    books = [book_of(decoder.book) for decoder in decoders]
    assert books[0] == books[1] == books[2]
    assert all(decoder.usable for decoder in decoders)
    assert decoders[2].counters.refused == sum(not frame.stream for frame in stream.frames)
    assert decoders[0].counters.refused == 0
    price, size = stream.instrument.price, stream.instrument.size
    bids, asks = ({price(t): size(q) for t, q in side.items()} for side in books[0])
    theirs = sorted_dicts(stream)
    assert dict(list(reversed(theirs[0].items()))[:DEPTH]) == bids
    assert dict(list(theirs[1].items())[:DEPTH]) == asks


def pushing(stream: Stream) -> Callable[[Frame], object]:
    push = stream.decoder().push
    return lambda frame: push([frame])


def percentiles(stream: Stream, prepare: Callable[[], Callable[[Frame], object]]) -> str:
    """p50, p99 of a frame, µs, the snapshot left out; the best of five passes, so that the machine's others show less."""
    best: np.ndarray | None = None
    for _ in range(5):
        push, clock = prepare(), time.perf_counter_ns
        push(stream.frames[0])
        took = np.empty(len(stream.frames) - 1)
        for i, frame in enumerate(stream.frames[1:]):
            begun = clock()
            push(frame)
            took[i] = clock() - begun
        best = took if best is None or took.sum() < best.sum() else best
    return f"{np.percentile(best, 50) / 1e3:.1f} / {np.percentile(best, 99) / 1e3:.1f}"


def main() -> None:
    streams = [made(spot=False), made(spot=True)]
    if CAPTURE.exists():
        streams += [captured("BTC/USDT:USDT"), captured("BTC/USDT")]
    else:
        skip(f"the capture; there is no {CAPTURE.name} beside the checkout")
    for stream in streams:
        report(stream)


def report(stream: Stream) -> None:
    started, _ = first(partial(bulk, stream))
    parity(stream)
    ways = {
        "a frame at a time": one_by_one,
        f"{RUN:,} at a time": bulk,
        "msgspec behind it": typed,
        "SortedDict, checked": partial(sorted_dicts, check=True),
        "SortedDict": sorted_dicts,
    }
    timings: dict[str, Timing] = dict(
        zip(ways, take_turns(*(partial(way, stream) for way in ways.values())), strict=True)
    )
    n = len(stream.frames)
    peer = timings["SortedDict"]
    each = percentiles(stream, partial(pushing, stream))
    deltas = [frame for frame in stream.frames if b'"delta"' in frame.data]
    levels = sum(frame.data.count(b'","') for frame in deltas) / len(deltas)
    size = sum(len(frame.data) for frame in deltas) / len(deltas)
    table(
        f"Frame to book: {stream.name}, {len(deltas):,} deltas of depth {DEPTH}, {size:.0f} bytes, {levels:.1f} levels each",
        "way", "frames", "a frame", "p50 / p99 µs", "× SortedDict",
        rows=[
            (name, t.rate(n), t.each(n), each if name == "a frame at a time" else "", ratio(t, peer))
            for name, t in timings.items()
        ],
        note=f"One book by every way, the peer's levels to the bit. {started}",
    )  # fmt: skip
