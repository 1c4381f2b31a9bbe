"""The markets on which both simulators trade: synthetic ones, and the recorded Binance sessions."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from btcframe.api import Source
from btcframe.kernels.book import apply, new_book
from btcframe.sources.binance_raw import BinanceRaw
from btcframe.sources.random_walk import RandomWalk
from btcframe.sources.synthetic import Synthetic
from btcframe.types import EVENT, NS, EventArray, EventFlag, Instrument, Kind, StateArray


class Market(NamedTuple):
    name: str
    events: EventArray
    instrument: Instrument


RECORDED = {
    "USD-M 2023-04-05": ("usdm_btcusdt_20230404.dat.gz", "usdm_btcusdt_20230405.dat.gz"),
    "USD-M 2024-07-18": ("usdm_btcusdt_20240718.gz", "usdm_btcusdt_20240719.gz"),
    "spot 2024-08-08": ("spot_btcusdt_20240808.gz", "spot_btcusdt_20240809.gz"),
}
BUSY = "synthetic, busy"
MADE: dict[str, Source] = {
    "synthetic": Synthetic(duration="20m"),
    BUSY: Synthetic(duration="5m", rate=100.0, trade_size=0.03),
    "random walk": RandomWalk(duration="20m"),
}


def made(name: str) -> Market:
    """A market of MADE, seeded."""
    return _read(name, MADE[name])


def recorded(name: str, market_data: Path) -> Market:
    """A market of RECORDED."""
    return _read(name, BinanceRaw(tuple(str(market_data / "raw-binance" / file) for file in RECORDED[name])))


def with_gaps(market: Market, *, every_ns: int = 30 * NS, lost_ns: int = 2 * NS) -> Market:
    """The same market, recorded by somebody who loses the book again and again, and a snapshot ends each loss."""
    events, book, parts, at = market.events, new_book(), [], 0
    local, last = events["local_ts"], int(events["local_ts"][-1])
    for ns in range(int(local[0]) + every_ns, last - lost_ns, every_ns):
        lost, found = (int(np.searchsorted(local, stamp, "right")) for stamp in (ns, ns + lost_ns))
        apply(book, events, at, found)
        meanwhile = events[lost:found]
        trades = meanwhile[meanwhile["kind"] == Kind.TRADE]
        gap = np.zeros(1, EVENT)
        gap["kind"], gap["flags"], gap["local_ts"] = Kind.GAP, EventFlag.END, ns
        parts += [events[at:lost], gap, trades, _snapshot(book, ns + lost_ns)]
        at = found
    return market._replace(name=f"{market.name}, with gaps", events=np.concatenate([*parts, events[at:]]))


def _snapshot(book: StateArray, ns: int) -> EventArray:
    """The messages that give a book as it is."""
    bids, asks = (int(n) for n in book[0]["n"])
    events = np.zeros(1 + bids + asks, EVENT)
    events["kind"][0], events["kind"][1:] = Kind.CLEAR, Kind.DEPTH
    events["local_ts"], events["flags"] = ns, EventFlag.SNAPSHOT
    events["flags"][-1] |= EventFlag.END
    for side, part, j, n in ((1, events[1 : 1 + bids], 0, bids), (-1, events[1 + bids :], 1, asks)):
        part["side"] = side
        part["ticks"] = side * book[0]["key"][j, :n]
        part["lots"] = book[0]["lots"][j, :n]
    return events


def _read(name: str, source: Source) -> Market:
    feed = source.open(seed=7)
    return Market(name, np.concatenate([batch.events for batch in feed]), feed.instrument)
