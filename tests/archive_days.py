"""Days of Bybit's archive, a few minutes long, and sources made of them that mislead; other processes can import them."""

from __future__ import annotations

import gzip
import os
import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bybit_market import Exchange

from btcframe.api import Batch
from btcframe.clocks.time import TimeClock
from btcframe.sources.bybit_archive import BybitArchive
from btcframe.types import EventArray, Kind, StateArray

HEADER = (
    "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional,RPI"
)


def archive(
    folder: Path, days: int = 3, seconds: int = 180, *, depth: int = 50, every_ms: int = 1000
) -> BybitArchive:
    """A market of a message every so often and a trade or two with it, a file of each kind a day."""
    exchange, draw = Exchange(3, depth), random.Random(5)
    books, trades = [], []
    for day in range(days):
        lines, rows = [exchange.snapshot()], [HEADER]
        for step in range(1, 1000 * seconds // every_ms):
            exchange.ms += every_ms - 100
            exchange.move()
            lines.append(exchange.delta())
            for n in range(draw.randrange(3)):
                side, size = draw.choice(("Buy", "Sell")), draw.randrange(1, 99) / 1000
                row = f"{exchange.ms / 1000:.3f},BTCUSDT,{side},{size},{exchange.mid / 10}"
                rows.append(f"{row},PlusTick,{day}-{step}-{n},4e8,0.004,260,0")
        books.append(folder / f"{day}.data")
        books[-1].write_bytes(b"\n".join(lines) + b"\n")
        trades.append(folder / f"{day}.csv.gz")
        trades[-1].write_bytes(gzip.compress("\n".join([*rows, ""]).encode()))
    return BybitArchive(tuple(map(str, books)), tuple(map(str, trades)))


@dataclass(frozen=True)
class Misleading:
    """Entered in its middle it tells of other sizes than from its beginning, at the openings named."""

    market: BybitArchive
    at: tuple[int, ...]

    def open(self, *, seed: int) -> Any:
        return self.market.open(seed=seed)

    def openings(self) -> tuple[int, ...]:
        return self.market.openings()

    def enter(self, opening: int, *, seed: int) -> Any:
        feed = self.market.enter(opening, seed=seed)
        return _Doubled(feed) if self.openings().index(opening) in self.at else feed


class _Doubled:
    def __init__(self, feed: Any) -> None:
        self.instrument, self.close, self._feed = feed.instrument, feed.close, feed

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._feed:
            events = batch.events.copy()
            events["lots"][events["kind"] == Kind.DEPTH] *= 2
            yield batch._replace(events=events)


@dataclass(frozen=True)
class Killed(Misleading):
    """The process that enters it is killed, as by a system that is out of memory."""

    def enter(self, opening: int, *, seed: int) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Unsendable(Misleading):
    """Cannot be handed to another process."""

    def __reduce__(self) -> Any:
        raise TypeError("it holds a socket")


@dataclass(frozen=True)
class CountClock:
    """A row every so many events: where it closes one follows from all that came before."""

    events: int = 70
    period_ns: int = TimeClock().period_ns

    def state(self) -> StateArray:
        return np.zeros(1, [("seen", "i8"), ("last", "i8")])

    def cuts(self, events: EventArray, start: int, state: StateArray, out: StateArray) -> tuple[int, int]:
        seen, last, found = int(state["seen"][0]), int(state["last"][0]), 0
        for i in range(start, len(events)):
            now = int(events["local_ts"][i])
            if seen >= self.events and now > last:
                out[found] = (i, last)
                found, seen = found + 1, 0
            seen, last = seen + 1, now
        state["seen"], state["last"] = seen, last
        return found, len(events)
