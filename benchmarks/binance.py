"""Claim: from a recorded Binance session to rows, times as fast as `json` reads it into a SortedDict book.

Ours: `BinanceRaw`, gzip to EVENT, every number exact; then on through the pipeline to 100 ms rows. Peer: gzip, `json`, `float`,
two `sortedcontainers.SortedDict`, 20 levels at each row's end; it skips the streams that make no book.
"""

from __future__ import annotations

import gzip
import itertools
import json
from typing import Any

import numpy as np
from sortedcontainers import SortedDict

from benchmarks.frame import first, ratio, table, take_turns
from benchmarks.inputs import SEED, Market, read, recorded_paths
from benchmarks.rows import chunked, ours
from btcframe.sources.binance_raw import BinanceRaw
from btcframe.types import LEVELS, ROW

PERIOD = 100_000_000


def decode(paths: tuple[str, ...]) -> int:
    return sum(len(batch.events) for batch in BinanceRaw(paths).open(seed=SEED))


def to_rows(paths: tuple[str, ...]) -> Any:
    feed, rows = BinanceRaw(paths).open(seed=SEED), []
    pipeline = Market("", np.empty(0), feed.instrument, "100ms").pipeline()
    for batch in feed:
        at = 0
        while at < len(batch.events):
            at, _ = pipeline.push(batch.events, at)
            if len(pipeline.rows):
                rows.append(pipeline.rows.tobytes())
    return np.frombuffer(b"".join(rows), ROW)


def lines(paths: tuple[str, ...]) -> Any:
    for path in paths:
        with gzip.open(path) as file:
            for line in file:
                stamp, _, body = line.partition(b" ")
                yield int(stamp), body


def peer_decode(paths: tuple[str, ...]) -> int:
    """Only `json`, for every line as ours checks every line."""
    return sum(len(json.loads(body)) for _, body in lines(paths))


def peer_rows(paths: tuple[str, ...]) -> list[list[float]]:
    bids, asks = SortedDict(), SortedDict()
    held: list[Any] | None = []
    rows: list[list[float]] = []
    edge = 0

    def change(diff: Any) -> None:
        for side, levels in ((bids, diff["b"]), (asks, diff["a"])):
            for price, size in levels:
                if (lots := float(size)) > 0:
                    side[float(price)] = lots
                else:
                    side.pop(float(price), None)

    for local, body in lines(paths):
        message = json.loads(body)
        kind = message.get("stream", "@snapshot").split("@")[1]
        if kind not in ("depth", "trade", "snapshot"):
            continue
        if local > edge:
            if edge and bids:
                rows.append(levels_of(bids, asks))
                rows += rows[-1:] * ((local - edge - 1) // PERIOD)
            edge = -(-local // PERIOD) * PERIOD
        if kind == "depth" and held is None:
            change(message["data"])
        elif kind == "depth":
            held.append(message["data"])
        elif kind == "snapshot":
            bids.update((float(p), float(q)) for p, q in message["bids"])
            asks.update((float(p), float(q)) for p, q in message["asks"])
            for diff in held or ():
                if diff["u"] > message["lastUpdateId"]:
                    change(diff)
            held = None
    return rows


def levels_of(bids: SortedDict, asks: SortedDict) -> list[float]:
    best = [(p, bids[p]) for p in itertools.islice(reversed(bids), LEVELS)]
    best += [(p, asks[p]) for p in itertools.islice(asks, LEVELS)]
    return [p for p, _ in best] + [q for _, q in best]


def check(paths: tuple[str, ...]) -> None:
    rows, theirs = to_rows(paths), np.array(peer_rows(paths))
    assert len(rows) == len(theirs), f"{len(rows)} rows, the peer has {len(theirs)}"
    np.testing.assert_array_equal(np.hstack([rows["bid_px"], rows["ask_px"]]), theirs[:, : 2 * LEVELS])
    np.testing.assert_array_equal(np.hstack([rows["bid_sz"], rows["ask_sz"]]), theirs[:, 2 * LEVELS :])
    whole = read("", BinanceRaw(paths), "100ms")
    assert ours(whole, chunked(whole, 65536)).tobytes() == rows.tobytes(), "other bits in other batches"


def main() -> None:
    paths = recorded_paths()
    if not paths:
        return
    started, _ = first(lambda: to_rows(paths))
    check(paths)
    n = sum(1 for _ in lines(paths))
    timings = take_turns(
        lambda: decode(paths), lambda: peer_decode(paths), lambda: to_rows(paths), lambda: peer_rows(paths)
    )
    names = (
        "decode to EVENT",
        "json.loads alone",
        "decode, book, rows, features",
        "json and SortedDict, 20 levels",
    )
    rivals = (timings[1], timings[1], timings[3], timings[3])
    table(
        f"Recorded Binance session, {n:,} lines", "what", "lines", "seconds", "× peer",
        rows=[
            (name, t.rate(n), t.seconds(), ratio(t, rival))
            for name, t, rival in zip(names, timings, rivals, strict=True)
        ],
        note=f"All levels of all rows as the peer's, bit for bit; the peers are lines 2 and 4. {started}",
    )  # fmt: skip
