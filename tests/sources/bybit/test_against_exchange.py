"""The decoder on what `btcframe exchange` sends, fault by fault: two who know the protocol, and not each other."""

from __future__ import annotations

import numpy as np
import pytest
from bybit_market import book_of
from local_exchange import MS, SYMBOLS, Client, exchange

from btcframe.sources.bybit.decoder import BybitDecoder
from btcframe.types import NS, EventArray, Frame, Kind

SECONDS = 7


class Follower:
    """What a live connection does, without the connection: it subscribes, and anew where the decoder wants it."""

    def __init__(self, symbol: str, depth: int, *faults: str) -> None:
        self.exchange = exchange(symbol, faults=faults)
        self.symbol, self.depth = symbol, depth
        listing = next(iter(self.exchange.markets.values())).listing
        self.category = listing.category
        self.decoder = BybitDecoder(SYMBOLS[symbol], listing.pair, depth)
        self.events: list[EventArray] = []
        self.checked = self.asked = self.connections = 0
        self.ages: list[int] = []  # steps since the book was last usable
        self._connect()

    def _connect(self) -> None:
        self.connections += 1
        self.client, self.read = Client(self.exchange, self.category), 0
        self._push("~connected", b"")
        self.client.subscribe(*self.decoder.topics)

    def _push(self, stream: str, data: bytes) -> None:
        self.events.append(self.decoder.push([Frame(self.exchange.ns, stream, data)]))
        if self.decoder.usable:
            view = self.exchange.book(self.symbol, self.depth, self.decoder.update_id)
            assert view is not None
            assert book_of(self.decoder.book) == view
            self.checked += 1

    def run(self) -> None:
        """Follow the exchange; every message is judged by the exchange's own book."""
        unusable = 0
        for _ in range(SECONDS * 20):
            self.exchange.step(self.exchange.ns + 50 * MS)
            for frame in self.client.frames[self.read :]:
                self.read += 1
                self._push("", frame.data)
            unusable = 0 if self.decoder.usable else unusable + 1
            self.ages.append(unusable)
            if self.client.gone:
                self._push("~lost", self.client.gone.encode())
                self._connect()
            elif self.decoder.wants and unusable % 10 == 9:
                self.asked += 1
                topic = self.decoder.topics[0]
                self.client.say({"op": "unsubscribe", "args": [topic]})
                self._push("~resync", topic.encode())
                self.client.subscribe(topic)

    def kinds(self) -> np.ndarray:
        return np.concatenate(self.events)["kind"]


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("depth", [1, 50, 200, 1000])
def test_every_market_and_depth(symbol: str, depth: int) -> None:
    follower = Follower(symbol, depth)
    follower.run()
    counters = follower.decoder.counters
    assert (counters.gaps, counters.losses, counters.refused, counters.malformed) == (0, 0, 0, 0)
    assert follower.checked > 30
    assert counters.trades > 30
    assert (counters.snapshots if depth == 1 else counters.deltas) > 25


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("gap@3s/2s", "gaps"),
        ("gap@3s*5", "gaps"),
        ("duplicate@3s/1s*3", "duplicates"),
        ("reorder@3s/2s", "gaps"),
        ("crossed@3s/2s", "crossed"),
        ("malformed@3s/2s", "malformed"),
        ("truncated@3s/2s", "malformed"),
        ("binary@3s/1s*3", "malformed"),
        ("restart@3s/2s", "snapshots"),
        ("restart_delta@3s/2s", "snapshots"),
        ("drop@3s/2s", "interrupted"),
        ("outage@3s+1s", "interrupted"),
        ("skew@3s*2000", "deltas"),
        ("skew@3s*-2000", "deltas"),
        ("slow@3s", "deltas"),
    ],
)
@pytest.mark.parametrize("symbol", ["BTC/USDT:USDT", "BTC/USDT"])
def test_a_fault_leaves_no_wrong_book(symbol: str, fault: str, told: str) -> None:
    follower = Follower(symbol, 50, fault)
    follower.run()
    assert getattr(follower.decoder.counters, told) > 0
    assert follower.decoder.usable or follower.ages[-1] < 20
    assert max(follower.ages) < 40  # never unusable for 2 s
    if told in ("gaps", "crossed", "interrupted"):
        assert (follower.kinds() == Kind.GAP).sum() == follower.decoder.counters.losses > 0
    assert follower.exchange.ns > NS
