"""A Bybit market to test against: a plain dictionary book that is the exchange, and the frames it sends."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from decimal import Decimal

from btcframe.kernels.book import top
from btcframe.types import Instrument

MS = 1_000_000
START_MS = 1_786_310_818_000
LINEAR = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
SPOT = Instrument("BTC/USDT", Decimal("0.1"), Decimal("0.000001"), "spot")

Book = tuple[dict[int, int], dict[int, int]]
"""Lots by ticks, bids and asks."""


def _text(units: int, step: Decimal, pad: int) -> str:
    value = units * step
    return f"{value:.{pad}f}" if pad else f"{value:f}".rstrip("0").rstrip(".")


class Exchange:
    """One market: a book deeper than what is published, and every state it was in.

    Parameters
    ----------
    seed : int
    depth : int             of the topic
    instrument : Instrument
    forgets : float         share of the levels that leave the depth without a deletion being sent
    """

    def __init__(
        self, seed: int = 0, depth: int = 50, instrument: Instrument = LINEAR, forgets: float = 0.5
    ) -> None:
        self.random = random.Random(seed)
        self.depth, self.instrument, self.forgets = depth, instrument, forgets
        self.topic, self.trade_topic = f"orderbook.{depth}.BTCUSDT", "publicTrade.BTCUSDT"
        self.u, self.seq, self.ms = 1000, 500_000, START_MS
        self.mid = 650_000
        levels = depth + 20
        self.bids = {self.mid - k: self.random.randrange(1, 9000) for k in range(1, levels)}
        self.asks = {self.mid + k: self.random.randrange(1, 9000) for k in range(1, levels)}
        self.sent = self.view()
        self.states: dict[int, Book] = {}

    def view(self) -> Book:
        """What the topic shows: the best levels."""
        bids = {t: self.bids[t] for t in sorted(self.bids, reverse=True)[: self.depth]}
        asks = {t: self.asks[t] for t in sorted(self.asks)[: self.depth]}
        return bids, asks

    def move(self, changes: int = 6) -> None:
        """Let the book change: new sizes, new levels, levels gone, the best ones traded through."""
        for _ in range(changes):
            sign, side = self.random.choice(((-1, self.bids), (1, self.asks)))
            other = self.asks if sign < 0 else self.bids
            draw = self.random.random()
            if draw < 0.3 and len(side) > self.depth // 2:
                at = sorted(side, key=lambda t: sign * t)
                del side[at[min(int(self.random.expovariate(0.1)), len(at) - 1)]]
            elif side:
                best = min(side, key=lambda t: sign * t)
                ticks = best + sign * int(self.random.expovariate(0.1)) - sign * (draw > 0.9)
                if not other or sign * ticks > max(sign * t for t in other):
                    side[ticks] = self.random.randrange(1, 9000)
            else:
                side[self.mid + sign * self.random.randrange(1, 5)] = 7

    def empty(self, bids: bool) -> None:
        """Let one side have no order at all."""
        (self.bids if bids else self.asks).clear()

    def _tell(self, ms: int = 100) -> None:
        self.seq += self.random.randrange(1, 50)
        self.ms += ms
        self.sent = self.view()
        self.states[self.u] = self.sent

    def snapshot(self, *, u: int | None = None, kind: str = "snapshot") -> bytes:
        """The whole book as it is; `u` goes on where it changed, or is as told (1 after a restart)."""
        self.u = self.u + (self.view() != self.sent) if u is None else u
        self._tell()
        return self.book_frame(kind, self.sent[0].items(), self.sent[1].items())

    def delta(self) -> bytes:
        """What changed since the last message."""
        before = self.sent
        self.u += 1
        self._tell()
        sides = []
        for old, new, whole in zip(before, self.sent, (self.bids, self.asks), strict=True):
            gone = [(t, 0) for t in old if t not in whole]
            left = [
                (t, 0) for t in old if t in whole and t not in new and self.random.random() >= self.forgets
            ]
            changed = [(t, lots) for t, lots in new.items() if old.get(t) != lots]
            absent = [(self.mid * 2 + self.u, 0)] if self.random.random() < 0.1 else []
            sides.append(sorted(gone + left + changed + absent))
        return self.book_frame("delta", *sides)

    def crossed(self) -> bytes:
        """A delta that follows, and says what cannot be: a bid above an ask."""
        self.u += 1
        self.seq += 1
        self.ms += 100
        return self.book_frame("delta", [(self.mid * 2, 5)], [(self.mid, 5)])

    def book_frame(
        self, kind: str, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]
    ) -> bytes:
        """A message as the exchange writes it: spot and linear differ in the order of keys and in padding."""
        data = {"s": "BTCUSDT", "b": self._pairs(bids), "a": self._pairs(asks), "u": self.u, "seq": self.seq}
        head = {"topic": self.topic, "type": kind, "ts": self.ms}
        if self.instrument.contract == "spot":
            head = {"topic": self.topic, "ts": self.ms, "type": kind}
        return compact({**head, "data": data, "cts": self.ms - 3})

    def _pairs(self, levels: Iterable[tuple[int, int]]) -> list[list[str]]:
        price_pad, size_pad = (0, 0) if self.instrument.contract == "spot" else (2, 3)
        return [
            [
                _text(ticks, self.instrument.tick, price_pad),
                _text(lots, self.instrument.lot, size_pad) if lots else "0",
            ]
            for ticks, lots in levels
        ]

    def trades(self, count: int = 1, **fields: object) -> bytes:
        """Some trades in one message, each with an id of its own; `fields` go into all of them."""
        self.seq += 1
        trades = []
        for _ in range(count):
            ident = f"{self.random.getrandbits(128):032x}"
            price = _text(self.mid + self.random.randrange(-9, 9), self.instrument.tick, 2)
            size = _text(self.random.randrange(1, 900), self.instrument.lot, 3)
            if self.instrument.contract == "spot":
                one = {
                    "i": str(self.random.getrandbits(60)), "T": self.ms, "p": price, "v": size, "S": "Sell",
                    "seq": self.seq, "s": "BTCUSDT", "BT": False, "RPI": False,
                }  # fmt: skip
            else:
                one = {
                    "T": self.ms, "s": "BTCUSDT", "S": "Buy", "v": size, "p": price, "L": "PlusTick",
                    "i": f"{ident[:8]}-{ident[8:12]}-{ident[12:16]}-{ident[16:20]}-{ident[20:]}", "BT": False,
                    "RPI": False, "seq": self.seq,
                }  # fmt: skip
            trades.append({**one, **fields})
        return compact({"topic": self.trade_topic, "type": "snapshot", "ts": self.ms + 1, "data": trades})


def compact(message: object) -> bytes:
    """JSON without white space."""
    return json.dumps(message, separators=(",", ":")).encode()


def book_of(book: object, depth: int = 1000) -> Book:
    """A BOOK[1] as dictionaries, its best levels first."""
    import numpy as np

    arrays = [np.empty(depth, np.int64) for _ in range(4)]
    _, bids, asks = top(book, *arrays)
    bid_ticks, bid_lots, ask_ticks, ask_lots = (a.tolist() for a in arrays)
    return (
        dict(zip(bid_ticks[:bids], bid_lots[:bids], strict=True)),
        dict(zip(ask_ticks[:asks], ask_lots[:asks], strict=True)),
    )
