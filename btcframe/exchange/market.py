"""One market of the exchange: its order flow, its own book and its tape, on market time that begins at 0."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from typing import Protocol

from btcframe.exchange import messages
from btcframe.exchange.book import Book
from btcframe.exchange.flow import Arrived
from btcframe.exchange.listing import Listing
from btcframe.exchange.tape import INTERVALS, Bar, Tape
from btcframe.types import Kind

_TRADE = int(Kind.TRADE)
_FIRST_SPOT_TRADE = 2_290_000_000_000_000_000


class Queues(Protocol):
    """Clients' orders that rest in a market, and hear what its order flow does."""

    @property
    def busy(self) -> bool:
        """Whether there are any."""

    def printed(self, side: int, ticks: int, lots: int) -> None:
        """A taker of this side took lots at a price."""

    def moved(self) -> None:
        """The book has changed."""


class Market:
    """A market that goes on when it is told to.

    Parameters
    ----------
    listing : Listing
    flow : iterator of Arrived
    seed : int                  of ids and first numbers
    """

    def __init__(self, listing: Listing, flow: Iterator[Arrived], seed: int) -> None:
        self.listing = listing
        self.random = random.Random(f"{seed} {listing.category} {listing.pair}")
        self.book = Book()
        self.tape = Tape(listing)
        self.seq = self.random.randrange(10**11, 10**12)
        self.traded = 0  # prints so far
        self.now_ns = 0  # of the last message that was taken in
        self.matching: Queues | None = None  # once clients have had orders here
        self._flow = flow
        self._next: Arrived | None = next(flow, None)

    @property
    def ended(self) -> bool:
        """Whether the order flow is over: the book stands still."""
        return self._next is None

    @property
    def next_ns(self) -> int | None:
        """When the next message comes."""
        return None if self._next is None else self._next.ns

    def begin(self, stamp: Callable[[int], int]) -> bool:
        """Go on until there is a book; returns whether there ever is one."""
        while self._next is not None and not (self.book.bids and self.book.asks):
            self.book.apply(self._next.changes)
            self._next = next(self._flow, None)
        if not (self.book.bids and self.book.asks):
            return False
        self.tape.begin(max(self.book.bids), stamp(0))
        return True

    def advance(self, until_ns: int, stamp: Callable[[int], int]) -> None:
        """Take in everything that happens up to a time.

        Parameters
        ----------
        until_ns : int      market time
        stamp : callable    market time, ns → the exchange's clock, ms
        """
        while self._next is not None and self._next.ns <= until_ns:
            arrived = self._next
            self.now_ns = max(self.now_ns, arrived.ns)
            self.seq += self.random.randrange(1, 9)
            waiting = self.matching if self.matching is not None and self.matching.busy else None
            for kind, side, ticks, lots in arrived.changes:
                if kind == _TRADE:
                    self._print(stamp(arrived.ns), side, ticks, lots)
                    if waiting is not None:
                        waiting.printed(side, ticks, lots)
            self.book.apply(arrived.changes)
            if waiting is not None:
                waiting.moved()
            self._next = next(self._flow, None)

    def trade(self, clock: Callable[[], int]) -> Callable[[int, int, int], None]:
        """What puts a client's trade on the tape: the taker's side, ticks, lots.

        Parameters
        ----------
        clock : callable    the exchange's clock, ms
        """
        return lambda side, ticks, lots: self._print(clock(), side, ticks, lots)

    def _print(self, ms: int, side: int, ticks: int, lots: int) -> None:
        self.tape.trade(ms, side, ticks, lots, self.seq, self._ident())
        self.traded += 1

    def _ident(self) -> str:
        if self.listing.category == "spot":
            return str(_FIRST_SPOT_TRADE + self.traded)
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def ticker(self, ms: int) -> dict[str, str]:
        """What the ticker says now."""
        self.tape.turn(ms)
        return messages.ticker_fields(self.listing, self.tape, self.book.view(1), ms)

    def candles(self, interval: str, ms: int) -> list[Bar]:
        """Bars, the oldest first."""
        if interval not in INTERVALS:
            raise ValueError(interval)
        self.tape.turn(ms)
        return self.tape.candles(interval)
