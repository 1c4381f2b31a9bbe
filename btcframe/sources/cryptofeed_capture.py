"""Sessions of Bybit as cryptofeed 3 captures them: every frame of every connection, as it was received."""

from __future__ import annotations

import base64
import re
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from btcframe.control import CONNECTED
from btcframe.errors import ConfigError, DataError
from btcframe.sources.bybit.market import Category, Market, category_of, chosen, instruments_of
from btcframe.sources.files import check, fingerprint, lines_of
from btcframe.types import NS, Frame, Instrument

if TYPE_CHECKING:
    from btcframe.sources.bybit.decoder import BybitFeed

_FORMAT = 2
_TOPIC = re.compile(rb'"topic":"([A-Za-z]+)\.(?:([0-9A-Z]+)\.)?([0-9A-Z]+)"')
_INSTRUMENTS = "/v5/market/instruments-info"


class _Line(msgspec.Struct, gc=False):
    """One record of the capture."""

    t: str
    ts: Decimal = Decimal(0)
    conn: str = ""
    addr: str = ""
    url: str = ""
    data: str | None = None
    b64: str = ""
    exchange: str = ""
    format: int = 0

    def payload(self) -> bytes:
        """What was received."""
        return base64.b64decode(self.b64) if self.data is None else self.data.encode()


_line = msgspec.json.Decoder(_Line).decode


class _Place(NamedTuple):
    """Where a record stands."""

    path: Path
    number: int

    def __str__(self) -> str:
        return f"{self.path}:{self.number}"


@dataclass(frozen=True)
class CryptofeedCapture:
    """A session of Bybit that cryptofeed 3 captured: raw frames of spot, linear or inverse sockets.

    Of all that a capture holds, the frames of one market are consumed: book, trades, tickers and klines of the symbol,
    on the sockets of its category. Price and size steps are those of the captured replies to instruments-info. Stamps
    are kept as captured. The depth is that of the book which was subscribed to; of several, the deepest.

    Parameters
    ----------
    path : str       the capture, .jsonl or .jsonl.zst
    symbol : str     ccxt's: BTC/USDT is spot, BTC/USDT:USDT linear, BTC/USD:BTC inverse
    depth : int      levels per side of the topic of the book; 0 takes the deepest there is
    """

    path: str = ""
    symbol: str = "BTC/USDT:USDT"
    depth: int = 0

    def __post_init__(self) -> None:
        if self.depth < 0:
            raise ValueError(f"depth: {self.depth} is not a number of levels")

    def open(self, *, seed: int) -> BybitFeed:
        """Open the capture, and find the market in it.

        Raises
        ------
        ConfigError
            If no capture is named, or the symbol is not ccxt's.
        DataError
            If it is missing, cut, damaged, no capture of Bybit, or holds no book of the symbol.
        """
        from btcframe.sources.bybit.decoder import BybitDecoder, BybitFeed  # brings numba: only when opened

        market = self._market()
        return BybitFeed(
            self._frames(market), BybitDecoder(*market, lambda n: f"{self.path}, its frame {n + 1}")
        )

    def decode(self, frames: Iterable[list[Frame]]) -> BybitFeed:
        """The same decoding of frames that were recorded in a session log."""
        from btcframe.sources.bybit.decoder import decode_frames

        return decode_frames(frames)

    def fingerprint(self) -> str:
        """sha256 over the contents of the file."""
        return fingerprint((self.path,)) if self.path else ""

    def _market(self) -> Market:
        """The symbol's market, from the replies and the topics in the capture."""
        if not self.path:
            raise ConfigError(
                "source.path: no capture is named",
                next="btcframe run source=cryptofeed_capture source.path=BYBIT.jsonl.zst",
            )
        category = category_of(self.symbol)
        instruments: dict[str, tuple[str, Instrument]] = {}
        books: dict[str, set[int]] = {}
        sockets: set[str] = set()
        for place, line in self._lines():
            if line.t == "http" and _INSTRUMENTS in line.url and f"category={category.value}" in line.url:
                instruments |= instruments_of(line.payload(), str(place))[0]
            elif line.t == "connect" and _is_of(line.addr, category):
                sockets.add(line.conn)
            elif line.t == "recv" and line.conn in sockets:
                topic = _TOPIC.search(line.payload())
                if topic and topic[1] == b"orderbook" and topic[2].isdigit():
                    books.setdefault(topic[3].decode(), set()).add(int(topic[2]))
        if not instruments:
            raise DataError(
                f"the capture holds no reply of instruments-info of {category.value}",
                where=self.path,
                hint="The steps of prices and sizes cannot be told.",
            )
        pair, instrument = chosen(self.symbol, instruments, self.path)
        held = [symbol for symbol, (name, _) in instruments.items() if name in books]
        return Market(instrument, pair, self._depth(books.get(pair, set()), held))

    def _depth(self, depths: set[int], held: list[str]) -> int:
        if not depths:
            raise DataError(
                f"the capture holds no book of {self.symbol}",
                where=self.path,
                hint=f"It holds books of {', '.join(held) or 'nothing in its category'}.",
            )
        if self.depth and self.depth not in depths:
            raise DataError(
                f"the capture holds no book of {self.symbol} of depth {self.depth}",
                where="source.depth",
                hint=f"Valid: {', '.join(str(d) for d in sorted(depths))}.",
            )
        return self.depth or max(depths)

    def _frames(self, market: Market) -> Generator[list[Frame], None, None]:
        """The market's frames, those of one chunk of the file at a time."""
        category = category_of(self.symbol)
        ours = market.pair.encode()
        sockets: set[str] = set()
        speaking: set[str] = set()
        run: list[Frame] = []
        for _, line in self._lines():
            ns = int(line.ts * NS)
            if line.t == "connect" and _is_of(line.addr, category):
                sockets.add(line.conn)
                if line.conn in speaking:  # again: what it said until now is over
                    run.append(Frame(ns, CONNECTED, line.addr.encode()))
            elif line.t == "recv" and line.conn in sockets:
                data = line.payload()
                topic = _TOPIC.search(data)
                if topic and topic[3] == ours:
                    if not speaking:
                        run.append(market.frame(ns))
                    speaking.add(line.conn)
                    run.append(Frame(ns, _name(topic), data))
            if len(run) >= 2048:
                yield run
                run = []
        if run:
            yield run

    def _lines(self) -> Generator[tuple[_Place, _Line], None, None]:
        """The records of the capture, each with its place."""
        path = Path(self.path)
        check(path)
        number = 0
        for lines in lines_of(path):
            for text in lines:
                number += 1
                place = _Place(path, number)
                try:
                    line = _line(text)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    if number == 1:
                        raise _no_capture(path) from error
                    raise DataError(
                        f"the line is no record of a capture: {error}", where=str(place)
                    ) from error
                if number == 1:
                    _check_header(line, path)
                yield place, line


def _name(topic: re.Match[bytes]) -> str:
    return b".".join(part for part in topic.groups() if part).decode()


def _is_of(address: str, category: Category) -> bool:
    """Whether a socket's address is one of the category's public stream."""
    return address.partition("?")[0].rstrip("/").endswith(f"/public/{category.value}")


def _check_header(line: _Line, path: Path) -> None:
    if line.t != "header":
        raise _no_capture(path)
    if line.format != _FORMAT:
        raise DataError(
            f"the capture is of format {line.format}, {_FORMAT} is read",
            where=str(path),
            hint="cryptofeed 3 writes it, and converts older ones.",
        )
    if line.exchange != "BYBIT":
        raise DataError(f"the capture is of {line.exchange}, not of BYBIT", where=str(path))


def _no_capture(path: Path) -> DataError:
    return DataError(
        f"{path} is no capture of cryptofeed",
        hint='Its first line says what it is: {"t":"header","format":2,"exchange":"BYBIT",…}.',
    )
