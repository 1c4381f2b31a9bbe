"""Every topic of every market, begun when it is asked for first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from btcframe.exchange.faults import Line
from btcframe.exchange.market import Market
from btcframe.exchange.streams import DEPTHS, BookStream, KlineStream, Stream, TickerStream, TradeStream
from btcframe.exchange.tape import INTERVALS

Key = tuple[str, str]
"""Category and topic."""


class Topics:
    """The streams behind the topics, and the lines that they are sent on.

    Parameters
    ----------
    markets : mapping       by category and pair
    stamp : callable        market time, ns → the exchange's clock, ms
    history : int           states of a book's topic that are remembered
    seed : int
    """

    def __init__(
        self, markets: Mapping[tuple[str, str], Market], stamp: Callable[[int], int], history: int, seed: int
    ) -> None:
        self.streams: dict[Key, Stream] = {}
        self.lines: dict[Key, Line] = {}
        self._markets, self._stamp, self._history, self._seed = markets, stamp, history, seed

    def get(self, category: str, topic: str) -> Stream | None:
        """The stream of a topic; None where there is no such topic."""
        key = (category, topic)
        if key not in self.streams:
            made = self._make(category, topic)
            if made is None:
                return None
            self.streams[key] = made
            self.lines[key] = Line(f"{self._seed} {category} {topic}")
        return self.streams[key]

    def books(self, topic: str = "") -> dict[Key, BookStream]:
        """The topics of books that were begun, all or one."""
        return {
            key: stream
            for key, stream in self.streams.items()
            if isinstance(stream, BookStream) and topic in ("", key[1])
        }

    def restart(self, keys: Iterable[Key], kind: str) -> None:
        """Let topics of books begin anew, with a message of this kind."""
        for stream in (self.streams[key] for key in keys):
            if isinstance(stream, BookStream):
                stream.restart(kind)

    def _make(self, category: str, topic: str) -> Stream | None:
        name, *middle, pair = topic.split(".") if "." in topic else (topic, "")
        market = self._markets.get((category, pair))
        if market is None:
            return None
        match name, middle:
            case "orderbook", [depth] if depth in map(str, DEPTHS):
                return BookStream(market, int(depth), self._stamp, self._history)
            case "publicTrade", []:
                return TradeStream(market, self._stamp)
            case "tickers", []:
                return TickerStream(market, self._stamp)
            case "kline", [interval] if interval in INTERVALS:
                return KlineStream(market, interval, self._stamp)
        return None
