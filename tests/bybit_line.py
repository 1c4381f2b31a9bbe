"""A line from an exchange to a decoder, on which things go wrong, and all that must agree at its end."""

from __future__ import annotations

from dataclasses import dataclass, field

from bybit_market import Exchange, book_of
from naive_bybit import Naive

from btcframe.kernels.book import apply, new_book
from btcframe.sources.bybit.decoder import BybitDecoder
from btcframe.types import NS, EventArray, Frame, Kind

START = 1_786_310_818 * NS
STEP = 40_000_000  # between frames: clocks of 100 ms close rows in between

FAULTS = (
    "delta", "delta", "delta", "delta", "trades", "snapshot", "drop", "twice", "late", "old", "restart",
    "restart_delta", "crossed", "garbage", "cut_off", "empty_bids", "empty_asks", "lost", "reconnect", "resync",
    "heartbeat", "quiet", "block", "ticker",
)  # fmt: skip


@dataclass
class Line:
    """An exchange, a line on which things go wrong, and the decoder at its end, with all that must agree with it.

    Parameters
    ----------
    exchange : Exchange
    answers : bool      a snapshot comes some frames after the decoder wants one, as over a live connection
    """

    exchange: Exchange
    answers: bool = True
    frames: list[Frame] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    good: list[bool] = field(default_factory=list)
    events: list[EventArray] = field(default_factory=list)
    now: int = START
    wanted: int = 0

    def __post_init__(self) -> None:
        instrument, depth = self.exchange.instrument, self.exchange.depth
        self.decoder = BybitDecoder(instrument, "BTCUSDT", depth)
        self.naive = Naive(instrument, depth)
        self.below = new_book()

    def deliver(self, data: bytes, stream: str = "") -> None:
        """A frame arrives."""
        self.now += STEP
        self.frames.append(Frame(self.now, stream, data))
        events = self.decoder.push(self.frames[-1:])
        apply(self.below, events, 0, len(events))
        self.events.append(events)
        if stream in ("~lost", "~connected", "~resync"):
            self.naive.interrupt(stream)
        elif not stream:
            self.naive.push(self.now, data)
        self.good.append(self.decoder.usable)
        self.check()

    def check(self) -> None:
        """Usable exactly where it can be, and then equal to the exchange's; what follows the events sees the same."""
        assert self.decoder.usable == self.naive.usable == bool(self.below["usable"][0])
        if self.decoder.usable:
            book = book_of(self.decoder.book)
            assert book == (self.naive.bids, self.naive.asks) == book_of(self.below)
            assert self.decoder.update_id == self.naive.u
            assert not self.decoder.wants

    def true(self) -> None:
        """The book is the one the exchange had."""
        if self.decoder.usable:
            assert book_of(self.decoder.book) == self.exchange.states[self.decoder.update_id]

    def say(self, data: bytes) -> None:
        """The exchange sends something, and it arrives."""
        self.sent.append(data)
        self.deliver(data)

    def happen(self, what: str) -> None:
        """One step of the market, with what goes wrong in it."""
        exchange = self.exchange
        if self.answers and self.decoder.wants:
            self.wanted += 1
            if self.wanted > 2:
                self.wanted = 0
                self.say(exchange.snapshot())
        exchange.move()
        match what:
            case "drop":
                self.sent.append(exchange.delta())
            case "twice":
                self.say(exchange.delta())
                self.deliver(self.sent[-1])
            case "late":
                first = exchange.delta()
                exchange.move()
                self.say(exchange.delta())
                self.deliver(first)
            case "old" if self.sent:
                self.deliver(self.sent[exchange.random.randrange(len(self.sent))])
            case "restart":
                self.say(exchange.snapshot(u=1))
            case "restart_delta":
                self.say(exchange.snapshot(u=1, kind="delta"))
            case "snapshot":
                self.say(exchange.snapshot())
            case "crossed":
                self.deliver(exchange.crossed())
            case "garbage":
                self.deliver(b"\xff\x00 not a message")
            case "cut_off":
                data = exchange.delta()
                self.deliver(data[: exchange.random.randrange(len(data))])
            case "empty_bids" | "empty_asks":
                exchange.empty(what == "empty_bids")
                self.say(exchange.delta())
            case "trades" | "block":
                self.deliver(exchange.trades(2, BT=what == "block"))
            case "lost" | "resync":
                self.deliver(b"why", f"~{what}")
            case "reconnect":
                self.deliver(b"", "~lost")
                self.deliver(b"", "~connected")
                self.say(exchange.snapshot())
            case "heartbeat":
                self.deliver(b"", "~heartbeat")
            case "quiet":
                self.now += 2 * NS
                self.deliver(b"", "~heartbeat")
            case "ticker":
                self.deliver(b'{"topic":"tickers.BTCUSDT","type":"delta","data":{},"cs":1,"ts":1}')
            case _:
                self.say(exchange.delta())
        self.true()


def line(depth: int = 50, **how: object) -> Line:
    a = Line(Exchange(1, depth, **how), answers=False)
    a.say(a.exchange.snapshot())
    return a


def kinds(events: EventArray) -> list[str]:
    return [Kind(k).name for k in events["kind"]]
