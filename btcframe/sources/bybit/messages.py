"""Bybit's messages read by msgspec: for what the scanner of `btcframe.kernels.bybit` refuses, and to judge it by.

Any JSON that says what a message must say is read: white space, escapes and keys that nobody knows included.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

import msgspec

from btcframe.kernels.bybit import DELTA, LATEST_MS, SNAPSHOT, TRADES
from btcframe.kernels.quotes import grid
from btcframe.kernels.scanning import MAX_DIGITS, hash_of
from btcframe.types import EventArray, Instrument, Kind

MS = 1_000_000

Id = Annotated[int, msgspec.Meta(ge=0, lt=10**MAX_DIGITS)]
"""An update id or sequence number."""

Stamp = Annotated[int, msgspec.Meta(ge=0, le=LATEST_MS)]
"""A time of the exchange, ms."""

Decimals = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,18}(\.[0-9]{1,18})?$")]
"""A price or a size."""


class Unreadable(ValueError):
    """No message, or one that says it is of the market and is not as it must be."""


class OffGrid(ValueError):
    """A price or size that is no multiple of the tick or lot."""


class _Head(msgspec.Struct, gc=False):
    topic: str = ""
    op: str = ""
    success: bool | None = None


class _Book(msgspec.Struct, gc=False):
    s: str
    b: list[tuple[Decimals, Decimals]]
    a: list[tuple[Decimals, Decimals]]
    u: Id
    seq: Id = 0


class _BookMessage(msgspec.Struct, gc=False):
    type: Literal["snapshot", "delta"]
    ts: Stamp
    data: _Book
    cts: Stamp = 0


class _Trade(msgspec.Struct, gc=False):
    T: Stamp
    s: str
    S: Literal["Buy", "Sell"]
    v: Decimals
    p: Decimals
    i: Annotated[str, msgspec.Meta(min_length=1)]
    BT: bool = False
    RPI: bool = False
    seq: Id = 0


class _TradeMessage(msgspec.Struct, gc=False):
    type: Literal["snapshot"]
    ts: Stamp
    data: Annotated[list[_Trade], msgspec.Meta(min_length=1)]


_head = msgspec.json.Decoder(_Head).decode
_book = msgspec.json.Decoder(_BookMessage).decode
_trades = msgspec.json.Decoder(_TradeMessage).decode


def _once(pairs: list[tuple[str, object]]) -> None:
    """Refuse an object that says something twice: msgspec takes what it says last."""
    if len(dict(pairs)) < len(pairs):
        raise msgspec.ValidationError("a key stands twice in one object")


class Level(NamedTuple):
    """What one event says: a level, or a trade with its time (ns), number and the hash of its id."""

    kind: Kind
    side: int
    ticks: int
    lots: int
    exch_ts: int = 0
    update_id: int = 0
    mono_ts: int = 0


class Message(NamedTuple):
    """What `scan` writes into a MARKET, and the events."""

    what: int
    u: int
    seq: int
    ts: int
    cts: int
    blocks: int
    levels: list[Level]

    def write(self, market: EventArray, events: EventArray, at: int) -> int:
        """Write it as the scanner would; returns the place behind the last event."""
        for name in ("what", "u", "seq", "ts", "cts", "blocks"):
            market[name] = getattr(self, name)
        end = at + len(self.levels)
        if self.levels:
            for name, values in zip(Level._fields, zip(*self.levels, strict=True), strict=True):
                events[name][at:end] = values
        return end


class Reader:
    """Reads the messages of one market.

    Parameters
    ----------
    instrument : Instrument
    pair : str              the exchange's name, BTCUSDT
    book_topic, trade_topic : str
    """

    def __init__(self, instrument: Instrument, pair: str, book_topic: str, trade_topic: str) -> None:
        self._pair, self._book_topic, self._trade_topic = pair, book_topic, trade_topic
        self._tick, self._lot = (_Grid(*grid(step)) for step in (instrument.tick, instrument.lot))

    def read(self, data: bytes) -> Message | None:
        """The message, or None for one of another topic, a reply to a subscription or a pong.

        Raises
        ------
        Unreadable
            If it is no message, or says it is of this market and is not as it must be.
        OffGrid
            If it is, but for a price or size that is no multiple of the tick or lot.
        """
        try:
            return self._read(data.decode())  # msgspec looks at the encoding of what it hands out only
        except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
            raise Unreadable(str(error)) from error

    def _read(self, data: str) -> Message | None:
        head = _head(data)
        json.loads(data, object_pairs_hook=_once)
        if head.topic == self._book_topic:
            return self._read_book(_book(data))
        if head.topic == self._trade_topic:
            return self._read_trades(_trades(data))
        if head.topic or head.op or head.success is not None:
            return None
        raise msgspec.ValidationError("it has neither a topic nor an op")

    def _read_book(self, message: _BookMessage) -> Message:
        book = message.data
        self._check_pair(book.s)
        levels = [
            Level(Kind.DEPTH, side, self._price(price), self._lot.multiple(size))
            for side, pairs in ((1, book.b), (-1, book.a))
            for price, size in pairs
        ]
        what = SNAPSHOT if message.type == "snapshot" else DELTA
        return Message(what, book.u, book.seq, message.ts, message.cts, 0, levels)

    def _read_trades(self, message: _TradeMessage) -> Message:
        levels = []
        for t in message.data:
            self._check_pair(t.s)
            side, ticks, lots = 1 if t.S == "Buy" else -1, self._price(t.p), self._lot.multiple(t.v)
            if not t.BT:
                levels.append(Level(Kind.TRADE, side, ticks, lots, t.T * MS, t.seq, hash_of(t.i)))
        return Message(TRADES, -1, 0, message.ts, 0, len(message.data) - len(levels), levels)

    def _price(self, text: str) -> int:
        ticks = self._tick.multiple(text)
        if ticks == 0:
            raise msgspec.ValidationError("a price is 0")
        return ticks

    def _check_pair(self, pair: str) -> None:
        if pair != self._pair:
            raise msgspec.ValidationError(f"it is of {pair}, its topic of {self._pair}")


class _Grid(NamedTuple):
    """A tick or lot, and the decimals that its multiples have room for."""

    decimals: int
    units: int

    def multiple(self, text: str) -> int:
        """The text as a multiple of the step, exactly."""
        whole, _, rest = text.partition(".")
        if len(whole) + self.decimals > MAX_DIGITS:
            raise msgspec.ValidationError(f"{text} has too many digits")
        steps, beside = divmod(int(whole + rest[: self.decimals].ljust(self.decimals, "0")), self.units)
        if beside or rest[self.decimals :].strip("0"):
            raise OffGrid(f"{text} is no multiple of {self.step}")
        return steps

    @property
    def step(self) -> Decimal:
        """The tick or lot itself."""
        return Decimal(self.units).scaleb(-self.decimals)
