"""A live session against the local exchange: what comes out of it is judged by the exchange's own book."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from bybit_market import book_of
from small_trader import Flat

from btcframe.api import Batch
from btcframe.clock_offset import ClockOffset
from btcframe.clocks.time import TimeClock
from btcframe.exchange.core import Exchange
from btcframe.exchange.faults import parse
from btcframe.exchange.listed import made
from btcframe.exchange.server import Served, served
from btcframe.latency import Latency
from btcframe.pipeline import Pipeline
from btcframe.sources.bybit.source import Bybit
from btcframe.sources.live.feed import LiveFeed
from btcframe.sources.live.handover import Clocks
from btcframe.sources.live.link import Limits
from btcframe.types import LEVELS, NS, EventArray, EventFlag, Frame, Kind, RowArray, RowFlag

SYMBOL = "BTC/USDT:USDT"
DEPTH = 50
TOPIC = f"orderbook.{DEPTH}.BTCUSDT"
SPEED = 5.0
"""Of the exchange: so it sends some 40 messages of the book a second, as Bybit does in a quiet hour."""

SPREAD = {"spread_ns": 50_000_000}
"""The local exchange's clock goes in steps of 10 ms, and waits where the machine is busy."""

ROW_NS = NS // 10
BAD = RowFlag.GAP | RowFlag.PARTIAL | RowFlag.CROSSED | RowFlag.ONE_SIDED
"""A row with none of these is good."""

_BOOK = (Kind.DEPTH, Kind.CLEAR, Kind.EMPTY)


class Late(AssertionError):
    """What was waited for has not come."""


@dataclass
class Clock:
    """This machine's wall clock, and what somebody has set it ahead by."""

    set_ahead_ns: int = 0

    def __call__(self) -> int:
        return time.time_ns() + self.set_ahead_ns


@dataclass
class Market:
    """A session on the local exchange, driven by its own feed.

    Attributes
    ----------
    rows : list of ROW records          all that were closed
    frames : list of Frame              all that was consumed
    unusable : list of (since, until)   local stamps between which the book was not to be used
    """

    at: Served
    feed: LiveFeed
    wall: Clock
    clock: ClockOffset = field(default_factory=lambda: ClockOffset(**SPREAD))
    latency: Latency = field(default_factory=Latency)
    rows: list[Any] = field(default_factory=list)
    unusable: list[list[int]] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._batches = iter(self.feed)
        self._pipeline = self._new_pipeline()
        self._usable, self._u, self._loading = False, 0, False
        self._states: list[tuple[int, int]] = []  # local stamp from which on the book is of which u

    # ------------------------------------------------------------------------------------------------------ driving

    def until(self, done: Callable[[], bool], rows: int = 600) -> None:
        """Consume until something is so; Late after so many rows."""
        last = len(self.rows) + rows
        while not done():
            if len(self.rows) > last:
                raise Late(f"not within {rows} rows; {self.told()}")
            self._consume(next(self._batches))

    def rows_on(self, rows: int) -> None:
        """Consume until so many more rows are closed."""
        last = len(self.rows) + rows
        self.until(lambda: len(self.rows) >= last)

    def told(self) -> dict[str, int]:
        """All counters, `live.` those of the connection."""
        live = {f"live.{name}": n for name, n in asdict(self.feed.counters).items()}
        return live | asdict(self.feed.decoder.counters)

    def inject(self, text: str) -> None:
        """Let a fault happen now."""
        self.at.call(self.at.exchange.inject, parse(text))

    def _consume(self, batch: Batch) -> None:
        self.clock.take(batch)
        self.latency.decoded(batch.events, self.clock.offset_ns)
        self.frames += batch.frames
        self._follow(batch.events)
        at = 0
        while at < len(batch.events):
            at, _ = self._pipeline.push(batch.events, at)
            self._judge(self._pipeline.rows)
        self.latency.booked(batch.events, 0, len(batch.events))

    def _follow(self, events: EventArray) -> None:
        """Keep account of when the book could be used, and which state of the exchange's it then was."""
        for kind, flags, u, local_ts in events[["kind", "flags", "update_id", "local_ts"]].tolist():
            if kind == Kind.GAP:
                self._usable = False
                self.unusable.append([local_ts, 0])
            elif kind == Kind.CLEAR:
                self._loading = True
            if kind in _BOOK and flags & EventFlag.END:
                if self._loading and not self._usable:
                    self._usable = True
                    if self.unusable:
                        self.unusable[-1][1] = local_ts
                self._loading = False
                self._states.append((local_ts, u))

    @property
    def now_ns(self) -> int:
        """The local stamp of what was consumed last."""
        return self.frames[-1].local_ts

    def _new_pipeline(self) -> Pipeline:
        return Pipeline(self.feed.instrument, TimeClock("100ms"), {}, Flat())

    # ------------------------------------------------------------------------------------------------------ judging

    def truth(self, u: int) -> tuple[dict[int, int], dict[int, int]] | None:
        """The exchange's own book as it was published with an update id."""
        return self.at.call(self.at.exchange.book, SYMBOL, DEPTH, u)

    def recovered(self) -> bool:
        """Whether our book is the exchange's as it is now, to the last level."""
        decoder = self.feed.decoder
        if not decoder.usable:
            return False
        stream = self.at.call(self.at.exchange.book_stream, "linear", "BTCUSDT", DEPTH)
        return decoder.update_id == stream.u and book_of(decoder.book) == self.truth(stream.u)

    def _judge(self, rows: RowArray) -> None:
        """Every row that shows a book shows one that the exchange published, the one it should."""
        for row in rows:
            assert not self.rows or row["row_ns"] == self.rows[-1]["row_ns"] + ROW_NS, "a row is missing"
            self.rows.append(row.copy())
            while len(self._states) > 1 and self._states[1][0] <= row["row_ns"]:
                del self._states[0]
            if row["flags"] & RowFlag.GAP:
                assert np.isnan(row["bid_px"]).all() and np.isnan(row["mid"])
                continue
            at, u = self._states[0]
            assert at <= row["row_ns"]
            truth = self.truth(u)
            assert truth is not None, f"the exchange has never published u {u}"
            for side, prices, sizes in ((truth[0], "bid_px", "bid_sz"), (truth[1], "ask_px", "ask_sz")):
                best = list(side.items())[:LEVELS]
                shown = np.array(
                    [[self.feed.instrument.price(t), self.feed.instrument.size(q)] for t, q in best]
                )
                assert np.array_equal(shown, np.column_stack((row[prices], row[sizes]))[: len(best)])

    def good_in_damaged_windows(self) -> int:
        """Rows that are marked good though the book was not to be used in a part of them."""
        good = [row["row_ns"] for row in self.rows if not row["flags"] & BAD]
        windows = [(since, until or self.now_ns) for since, until in self.unusable]
        return sum(any(since <= at and at - ROW_NS < until for since, until in windows) for at in good)

    def looked_good(self, since: int, until: int) -> int:
        """Rows of a span of local stamps that are marked good, and in which something was consumed."""
        inside = [
            row["flags"] for row in self.rows if row["row_ns"] - ROW_NS >= since and row["row_ns"] <= until
        ]
        return sum(not flags & (BAD | RowFlag.NO_EVENTS) for flags in inside)

    def replays(self) -> None:
        """What was consumed gives the same rows and the same offset of the clocks again, in portions of any size."""
        draw, again, pipeline, clock = random.Random(1), [], self._new_pipeline(), ClockOffset(**SPREAD)
        portions, at = [], 0
        while at < len(self.frames):
            size = draw.choice((1, 3, 50, 1000))
            portions.append(self.frames[at : at + size])
            at += size
        for batch in Bybit().decode(portions):
            clock.take(batch)
            taken = 0
            while taken < len(batch.events):
                taken, _ = pipeline.push(batch.events, taken)
                again += [row.copy() for row in pipeline.rows]
        assert np.array(again).tobytes() == np.array(self.rows).tobytes()
        assert clock.offset == self.clock.offset

    def bad(self) -> int:
        """Rows that are marked bad."""
        return sum(bool(row["flags"] & BAD) for row in self.rows)


@contextlib.contextmanager
def market(limits: Limits | None = None, **fields: Any) -> Iterator[Market]:
    """A session whose book is whole, on an exchange of its own.

    Parameters
    ----------
    limits : Limits, optional       of a connection, in place of the source's
    fields                          of the source bybit, in place of quick ones
    """
    exchange = Exchange(made([SYMBOL]), start_ns=time.time_ns(), speed=SPEED, history=200_000, limited=False)
    quick = {
        "silence": "1s", "clock_every": "500ms", "penalty": "2s", "heartbeat": "50ms", "connect_timeout": "2s",
    }  # fmt: skip
    with served(exchange) as at:
        source = Bybit(symbol=SYMBOL, depth=DEPTH, ws=at.ws, rest=at.http, **{**quick, **fields})
        wall = Clock()
        feed = source.open(seed=0)
        settings = feed.settings
        limits = limits or settings.limits
        feed = LiveFeed(feed.adapter, replace(settings, limits=limits, clocks=Clocks(wall=wall)))
        with contextlib.closing(feed):
            session = Market(at, feed, wall)
            session.until(session.recovered)
            session.rows_on(3)
            yield session
