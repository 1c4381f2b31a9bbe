"""The topics of one market, as state machines: what a new subscriber is sent first, and what all are sent later."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from btcframe.exchange import messages
from btcframe.exchange.book import Side, View, changed
from btcframe.exchange.market import Market
from btcframe.exchange.tape import INTERVALS, Bar, Trade
from btcframe.types import NS

MS = 1_000_000
GRID_NS = 10 * MS
"""Nothing is sent between the multiples of this."""

DEPTHS = {1: 10 * MS, 50: 20 * MS, 200: 100 * MS, 1000: 200 * MS}
"""Levels of a topic of the book, and how often it is sent, ns."""

_REPEAT_NS = 3 * NS
_CROSSED_BY = 3  # ticks
_TICKER_NS = {"spot": 50 * MS, "linear": 100 * MS, "inverse": 100 * MS}
_KLINE_NS = NS
_TRADES_A_MESSAGE = 1024


class Message(NamedTuple):
    """One message of a topic."""

    data: bytes
    book: bool = False  # what faults of the book may befall
    delta: bool = False


class Stream(Protocol):
    """A topic of a market."""

    topic: str
    interval_ns: int

    def hello(self, ns: int) -> Message | None:
        """What a new subscriber is sent."""

    def due(self, ns: int) -> list[Message]:
        """What everybody is sent now."""

    def wake(self, ns: int) -> None:
        """Somebody listens again, after nobody did."""


class Published(NamedTuple):
    """A state of the book as it was published."""

    u: int
    view: View


class BookStream:
    """`orderbook.{depth}`: a snapshot, then deltas whose `u` goes up by one; of depth 1 snapshots only.

    Parameters
    ----------
    market : Market
    depth : int
    stamp : callable        market time, ns → the exchange's clock, ms
    history : int           states that are remembered
    """

    def __init__(self, market: Market, depth: int, stamp: Callable[[int], int], history: int) -> None:
        self.topic = f"orderbook.{depth}.{market.listing.pair}"
        self.interval_ns = DEPTHS[depth]
        self.u = market.random.randrange(1_000_000, 20_000_000)
        self.seq = 0
        self.crossed = 0  # messages still to be sent crossed
        self.history: deque[Published] = deque(maxlen=history)
        self._market, self._depth, self._stamp = market, depth, stamp
        self._sent: View = ({}, {})
        self._seen = -1
        self._at = self._cts = 0
        self._false: int | None = None  # price of the level that crosses the book
        self._restart = ""
        self._advance()

    def restart(self, kind: str) -> None:
        """The service starts anew: `u` is 1, whatever the message says it is."""
        self._restart = kind

    def published(self, u: int) -> View | None:
        """The levels as they were when this `u` was sent last; None where that is forgotten, or never was."""
        return next((state.view for state in reversed(self.history) if state.u == u), None)

    def wake(self, ns: int) -> None:
        self._advance()
        self._at = ns

    def hello(self, ns: int) -> Message | None:
        if not self.history:
            return None
        return Message(self._message("snapshot", self._sent, ns), book=True)

    def due(self, ns: int) -> list[Message]:
        if self._restart:
            kind, self._restart, self._false = self._restart, "", None
            self._advance(u=1)
            return self._say(kind, self._sent, ns)
        before = self._sent
        moved = self._advance()
        if not (moved or self.crossed or self._false is not None):
            if self._depth == 1 and ns - self._at >= _REPEAT_NS:
                return self._say("snapshot", self._sent, ns)
            return []
        if not moved:  # only to cross it, or to take that back
            self.u += 1
            self.history.append(Published(self.u, self._sent))
        bids, asks = self._sent
        if self._depth == 1:
            bids = self._crossing(asks) or bids
            return self._say("snapshot", (bids, asks), ns)
        back = {} if self._false is None else {self._false: bids.get(self._false, 0)}
        bids = {**changed(before[0], bids), **back, **self._crossing(asks)}
        sides = dict(sorted(bids.items(), reverse=True)), dict(sorted(changed(before[1], asks).items()))
        return self._say("delta", sides, ns)

    def _advance(self, u: int = 0) -> bool:
        """Take in the book as it is now; returns whether anything within the depth has changed."""
        book = self._market.book
        moved = book.version != self._seen and book.sound
        if not (moved or u):
            return False
        self._seen = book.version
        view = book.view(self._depth) if book.sound else self._sent
        if view == self._sent and not u:
            return False
        self._sent = view
        self.u = u or self.u + 1
        self.seq, self._cts = self._market.seq, self._market.now_ns
        self.history.append(Published(self.u, view))
        return True

    def _crossing(self, asks: Side) -> Side:
        """A bid above the best ask, where one is to be sent."""
        self._false = None
        if not (self.crossed and asks):
            return {}
        self.crossed -= 1
        self._false = next(iter(asks)) + _CROSSED_BY
        return {self._false: 1}

    def _say(self, kind: str, sides: View, ns: int) -> list[Message]:
        self._at = ns
        return [Message(self._message(kind, sides, ns), book=True, delta=kind == "delta")]

    def _message(self, kind: str, sides: View, ns: int) -> bytes:
        return messages.book(
            self._market.listing,
            self.topic,
            kind,
            sides,
            u=self.u,
            seq=self.seq,
            ts=self._stamp(ns),
            cts=self._stamp(self._cts),
        )


class TradeStream:
    """`publicTrade`: every print, at most 1,024 in a message."""

    interval_ns = GRID_NS

    def __init__(self, market: Market, stamp: Callable[[int], int]) -> None:
        self.topic = f"publicTrade.{market.listing.pair}"
        self._market, self._stamp = market, stamp
        self._after = market.traded

    def wake(self, ns: int) -> None:
        self._after = self._market.traded

    def hello(self, ns: int) -> Message | None:
        return None

    def due(self, ns: int) -> list[Message]:
        new = self._market.traded - self._after
        if not new:
            return []
        self._after = self._market.traded
        made: list[Trade] = list(self._market.tape.trades)[-new:]
        return [
            Message(
                messages.trades(
                    self._market.listing, self.topic, made[i : i + _TRADES_A_MESSAGE], self._stamp(ns)
                )
            )
            for i in range(0, len(made), _TRADES_A_MESSAGE)
        ]


class TickerStream:
    """`tickers`: of futures a snapshot, then what changed; of spot snapshots."""

    def __init__(self, market: Market, stamp: Callable[[int], int]) -> None:
        self.topic = f"tickers.{market.listing.pair}"
        self.interval_ns = _TICKER_NS[market.listing.category]
        self._market, self._stamp = market, stamp
        self._sent: dict[str, str] = {}

    def wake(self, ns: int) -> None:
        self._sent = self._market.ticker(self._stamp(ns))

    def hello(self, ns: int) -> Message | None:
        return self._say("snapshot", self._sent, ns)

    def due(self, ns: int) -> list[Message]:
        now = self._market.ticker(self._stamp(ns))
        if now == self._sent:
            return []
        new = {name: text for name, text in now.items() if self._sent.get(name) != text}
        self._sent = now
        if self._market.listing.category == "spot":
            return [self._say("snapshot", now, ns)]
        for side in ("bid1", "ask1"):  # a price and its size come together
            if {f"{side}Price", f"{side}Size"} & new.keys():
                new |= {name: now[name] for name in (f"{side}Price", f"{side}Size")}
        return [self._say("delta", new, ns)]

    def _say(self, kind: str, fields: dict[str, str], ns: int) -> Message:
        listing, seq = self._market.listing, self._market.seq
        return Message(messages.ticker(listing, self.topic, kind, fields, seq=seq, ts=self._stamp(ns)))


class KlineStream:
    """`kline.{interval}`: the open bar as it changes, and each once more when it is final."""

    interval_ns = _KLINE_NS

    def __init__(self, market: Market, interval: str, stamp: Callable[[int], int]) -> None:
        self.topic = f"kline.{interval}.{market.listing.pair}"
        self._market, self._interval, self._stamp = market, interval, stamp
        self._last = (0, 0)

    def wake(self, ns: int) -> None:
        self._last = self._mark(ns)

    def hello(self, ns: int) -> Message | None:
        bars = self._market.candles(self._interval, self._stamp(ns))
        return self._say([(bars[-1], False)], ns)

    def due(self, ns: int) -> list[Message]:
        before, self._last = self._last, self._mark(ns)
        if self._last == before:
            return []
        bars = self._market.candles(self._interval, self._stamp(ns))
        final = [(bar, True) for bar in bars[:-1] if bar.start_ms >= before[0]]
        return [self._say([*final, (bars[-1], False)], ns)]

    def _mark(self, ns: int) -> tuple[int, int]:
        """When the open bar began, and how many prints there were: what tells that something is new."""
        ms, length = self._stamp(ns), INTERVALS[self._interval]
        return ms - ms % length, self._market.traded

    def _say(self, bars: list[tuple[Bar, bool]], ns: int) -> Message:
        length = INTERVALS[self._interval]
        return Message(messages.kline(self._market.listing, self.topic, bars, length, self._stamp(ns)))
