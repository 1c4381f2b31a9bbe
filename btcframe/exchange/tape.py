"""What was traded: the last trades, bars of a minute and longer, and the figures of a day."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from btcframe.exchange.listing import Listing

MINUTE_MS = 60_000
INTERVALS = {
    **{str(m): m * MINUTE_MS for m in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)},
    "D": 1440 * MINUTE_MS,
    "W": 7 * 1440 * MINUTE_MS,
}
"""Length of a bar by Bybit's name of it, ms; months are not kept."""

_TRADES = 5000
_BARS = 40_320  # four weeks of minutes
_DAY = 1440
_EPOCH_MONDAY_MS = 4 * 1440 * MINUTE_MS  # 1970-01-05: weeks begin on Mondays


class Trade(NamedTuple):
    """A print."""

    ms: int
    side: int
    ticks: int
    lots: int
    seq: int
    ident: str
    tick_direction: str


@dataclass
class Bar:
    """Open, high, low, close in ticks; volume in lots; turnover as the listing counts it."""

    start_ms: int
    open: int
    high: int
    low: int
    close: int
    lots: int = 0
    turnover: Decimal = Decimal(0)

    def add(self, other: Bar) -> None:
        """Go on with a later one."""
        self.high, self.low, self.close = max(self.high, other.high), min(self.low, other.low), other.close
        self.lots += other.lots
        self.turnover += other.turnover


class Day(NamedTuple):
    """The last 24 hours, as far as there are any."""

    first: int
    high: int
    low: int
    lots: int
    turnover: Decimal


@dataclass
class Tape:
    """The trades of one market.

    Parameters
    ----------
    listing : Listing
    """

    listing: Listing
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=_TRADES))
    bars: deque[Bar] = field(default_factory=lambda: deque(maxlen=_BARS))
    last: int = 0  # ticks
    direction: str = "ZeroPlusTick"
    _closed: Day | None = None  # of the bars but the last

    def begin(self, ticks: int, ms: int) -> None:
        """The price at which the market opens, before anything is traded."""
        self.last = ticks
        self.bars.append(Bar(ms - ms % MINUTE_MS, ticks, ticks, ticks, ticks))

    def turn(self, ms: int) -> None:
        """Let time pass: minutes without a trade have bars, too."""
        while self.bars[-1].start_ms + MINUTE_MS <= ms:
            start = self.bars[-1].start_ms + MINUTE_MS
            self.bars.append(Bar(start, self.last, self.last, self.last, self.last))
            self._closed = None

    def trade(self, ms: int, side: int, ticks: int, lots: int, seq: int, ident: str) -> Trade:
        """Take in a print."""
        self.turn(ms)
        if ticks != self.last:
            self.direction = "PlusTick" if ticks > self.last else "MinusTick"
        else:
            self.direction = "ZeroPlusTick" if "Plus" in self.direction else "ZeroMinusTick"
        self.last = ticks
        self.bars[-1].add(Bar(0, ticks, ticks, ticks, ticks, lots, self.listing.turnover(ticks, lots)))
        made = Trade(ms, side, ticks, lots, seq, ident, self.direction)
        self.trades.append(made)
        return made

    def day(self) -> Day:
        """The figures of the last 24 hours."""
        if self._closed is None:
            self._closed = _sum(list(self.bars)[-_DAY:-1])
        now = self.bars[-1]
        if self._closed is None:
            return Day(now.open, now.high, now.low, now.lots, now.turnover)
        first, high, low, lots, turnover = self._closed
        return Day(first, max(high, now.high), min(low, now.low), lots + now.lots, turnover + now.turnover)

    def hour_ago(self) -> int:
        """The price an hour ago, or the first there is, ticks."""
        return self.bars[max(0, len(self.bars) - 60)].open

    def candles(self, interval: str) -> list[Bar]:
        """Bars of an interval, the oldest first; the last one is still open."""
        length = INTERVALS[interval]
        shift = _EPOCH_MONDAY_MS if interval == "W" else 0
        found: list[Bar] = []
        for bar in self.bars:
            start = bar.start_ms - (bar.start_ms - shift) % length
            one = Bar(start, bar.open, bar.high, bar.low, bar.close, bar.lots, bar.turnover)
            if found and found[-1].start_ms == start:
                found[-1].add(one)
            else:
                found.append(one)
        return found


def _sum(bars: list[Bar]) -> Day | None:
    if not bars:
        return None
    return Day(
        bars[0].open,
        max(b.high for b in bars),
        min(b.low for b in bars),
        sum(b.lots for b in bars),
        sum((b.turnover for b in bars), Decimal(0)),
    )
