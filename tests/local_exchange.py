"""A small exchange to test: markets made by hand, and a client that keeps a book of what it is sent."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from btcframe.exchange.core import Exchange
from btcframe.exchange.faults import Frame, parse
from btcframe.exchange.flow import Arrived, Change
from btcframe.exchange.listing import Listing
from btcframe.exchange.market import Market
from btcframe.exchange.session import Session
from btcframe.types import NS, Instrument, Kind

START_NS = 1_786_310_818_000_000_000
MS = 1_000_000
SYMBOLS = {
    "BTC/USDT:USDT": Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"), "linear", 5.0),
    "BTC/USDT": Instrument("BTC/USDT", Decimal("0.1"), Decimal("0.000001"), "spot", 5.0),
    "BTC/USD:BTC": Instrument("BTC/USD:BTC", Decimal("0.5"), Decimal("1"), "inverse", 5.0),
}


def flow(seed: int, seconds: float = 60.0, every_ms: int = 7, levels: int = 80) -> Iterator[Arrived]:
    """A book that moves by a few levels, and a trade now and then; its first message is the whole of it."""
    draw = random.Random(seed)
    mid = 600_000
    sides = {1: {mid - k: draw.randrange(1, 9000) for k in range(1, levels)}}
    sides[-1] = {mid + k: draw.randrange(1, 9000) for k in range(1, levels)}
    whole = [Change(Kind.CLEAR, 0, 0, 0)]
    whole += [Change(Kind.DEPTH, side, ticks, lots) for side in sides for ticks, lots in sides[side].items()]
    yield Arrived(0, whole)
    for ns in range(every_ms * MS, int(seconds * NS), every_ms * MS):
        side = draw.choice((1, -1))
        own, other = sides[side], sides[-side]
        best = max(own) if side > 0 else min(own)
        if draw.random() < 0.2:
            yield Arrived(ns, [Change(Kind.TRADE, draw.choice((1, -1)), best, draw.randrange(1, 500))])
            continue
        changes = []
        for _ in range(draw.randrange(1, 4)):
            ticks = best - side * int(draw.expovariate(0.05)) + side * (draw.random() < 0.2)
            gone = draw.random() < 0.3 and len(own) > levels // 2
            if ticks in other or (side > 0 and ticks >= min(other)) or (side < 0 and ticks <= max(other)):
                continue
            lots = 0 if gone else draw.randrange(1, 9000)
            if lots:
                own[ticks] = lots
            else:
                own.pop(ticks, None)
            changes.append(Change(Kind.DEPTH, side, ticks, lots))
        yield Arrived(ns, changes)


def market(symbol: str = "BTC/USDT:USDT", seed: int = 1, **options: Any) -> Market:
    """A market made by hand."""
    return Market(Listing(SYMBOLS[symbol]), flow(seed, **options), seed)


def exchange(*symbols: str, faults: tuple[str, ...] = (), seed: int = 1, **options: Any) -> Exchange:
    """An exchange that is told when to go on."""
    options = {"start_ns": START_NS, "seed": seed, **options}
    made = [market(symbol, seed + k) for k, symbol in enumerate(symbols or ("BTC/USDT:USDT",))]
    return Exchange(made, faults=[parse(text) for text in faults], **options)


Levels = dict[Decimal, Decimal]


class Client:
    """A client at the other end of a session: a `Sink` that remembers everything.

    Parameters
    ----------
    exchange : Exchange
    category : str
    """

    def __init__(self, exchange: Exchange, category: str = "linear") -> None:
        self.exchange = exchange
        self.frames: list[Frame] = []
        self.gone = ""
        self.session: Session = exchange.connect(category, self)

    def send(self, frame: Frame) -> None:
        self.frames.append(frame)

    def cut(self) -> None:
        self.gone = "cut"

    def end(self, code: int, reason: str) -> None:
        self.gone = f"{code} {reason}"
        self.exchange.disconnect(self.session)

    def say(self, message: object) -> list[Any]:
        """Say something; returns what came at once."""
        before = len(self.frames)
        data = message if isinstance(message, (str, bytes)) else json.dumps(message)
        self.session.receive(data, self.exchange.ns)
        return [json.loads(frame.data) for frame in self.frames[before:]]

    def subscribe(self, *topics: str) -> list[Any]:
        """Subscribe; returns what came at once."""
        return self.say({"op": "subscribe", "args": list(topics)})

    def of(self, topic: str) -> list[Any]:
        """The messages of a topic that can be read."""
        found = []
        for frame in self.frames:
            try:
                message = json.loads(frame.data)
            except ValueError:
                continue
            if message.get("topic") == topic:
                found.append(message)
        return found


def applied(bids: Levels, asks: Levels, message: Any) -> None:
    """Apply a message of the book to a plain book, as the documentation says."""
    if message["type"] == "snapshot" or message["data"]["u"] == 1:
        bids.clear()
        asks.clear()
    for side, changes in ((bids, message["data"]["b"]), (asks, message["data"]["a"])):
        for price, size in changes:
            if Decimal(size):
                side[Decimal(price)] = Decimal(size)
            else:
                side.pop(Decimal(price), None)


def truth(exchange: Exchange, symbol: str, depth: int, u: int) -> tuple[Levels, Levels]:
    """The exchange's own book at an update id, in the units of messages."""
    instrument = SYMBOLS[symbol]
    view = exchange.book(symbol, depth, u)
    assert view is not None
    bids, asks = ({t * instrument.tick: n * instrument.lot for t, n in side.items()} for side in view)
    return bids, asks
