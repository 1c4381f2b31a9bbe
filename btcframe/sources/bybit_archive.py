"""Bybit's public archive: a day's book as NDJSON, ``…_ob200.data.zip`` or ``_ob500``, and a day's trades as CSV."""

from __future__ import annotations

import contextlib
import csv
import heapq
import json
import re
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from btcframe.errors import ConfigError, DataError
from btcframe.sources.bybit.market import Category, Market, category_of
from btcframe.sources.files import check, fingerprint, lines_of
from btcframe.sources.symbols import STEPS, check_steps
from btcframe.types import Frame, Instrument, duration_ns

if TYPE_CHECKING:
    from btcframe.sources.bybit.decoder import BybitFeed

_MS = 1_000_000
_RUN = 2048
_BACK_MS = 1_000
"""Stamps of a file may go back by so much: messages of a moment are not always in order."""

_REMEMBERED = 16_384
"""Trades of a file of which it is known that they came: as many as the decoder remembers at most (`SLOTS`).

It may remember half as many, depending on how many came before: here that must not matter, because files are entered
anywhere.
"""

_TOPIC = re.compile(rb'"topic":"orderbook\.([0-9]+)\.([0-9A-Z]+)"')
_SNAPSHOT = re.compile(rb'"type":"snapshot"')
_TS = re.compile(rb'"ts":([0-9]{1,13})[,}]')
_DERIVATIVE = {"timestamp": "timestamp", "side": "side", "size": "size", "price": "price", "id": "trdMatchID"}
_SPOT = {"timestamp": "timestamp", "side": "side", "size": "volume", "price": "price", "id": "id"}
_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")


class _Entry(NamedTuple):
    """A frame in the order of consumption: at one moment trades come before the book that shows them."""

    local_ts: int
    order: int
    frame: Frame
    path: Path
    line: int


@dataclass(frozen=True)
class BybitArchive:
    """Days of Bybit's public archive: the book as it was sent every 100 ms, and the trades.

    The book's lines are messages as the socket sends them, `ts` and mostly `cts` included; a line of trades is put into
    the words of the socket's message. The archive has no stamps of receipt: what was sent at `ts`, or traded at `T`, is
    had `latency` later. A trade's time is taken in whole ms; one that a file holds twice, within
    16,384 trades, counts once. Where lines are missing the book is unusable until the next snapshot; files of a day
    begin with one.

    Parameters
    ----------
    books : tuple of str    files of the book in the order of days, .zip, or unpacked
    trades : tuple of str   files of trades in the order of days, .csv.gz or unpacked; none is a market without trades
    symbol : str            ccxt's: BTC/USDT is spot, BTC/USDT:USDT linear, BTC/USD:BTC inverse
    tick : float, optional  price step, quote; default 0.01 (spot), 0.1 (linear), which fit BTCUSDT
    lot : float, optional   size step, base coin; default 0.000001 (spot), 0.001 (linear)
    latency : str           from the exchange's stamp until we would have had it
    """

    books: tuple[str, ...] = ()
    trades: tuple[str, ...] = ()
    symbol: str = "BTC/USDT:USDT"
    tick: float | None = None
    lot: float | None = None
    latency: str = "20ms"

    def __post_init__(self) -> None:
        check_steps(self.tick, self.lot)
        try:
            duration_ns(self.latency, zero=True)
        except ValueError as error:
            raise ValueError(f"latency: {error}") from None

    def open(self, *, seed: int) -> BybitFeed:
        """Open the files.

        Raises
        ------
        ConfigError
            If no book is named, or the symbol is not ccxt's.
        DataError
            If a file is missing, cut, damaged, of another symbol or not of the archive; while iterating, if one is out
            of order or a line cannot be read.
        """
        return self._feed(0)

    def openings(self) -> tuple[int, ...]:
        """When files of the book begin, ns, with a snapshot, later than those before; none where files are in no order.

        Raises
        ------
        ConfigError, DataError
            See `open`.
        """
        self._market()
        books, trades = self._begins()
        if any(other <= one for begins in (books, trades) for one, other in pairwise(begins)):
            return ()  # to open them tells where
        whole = [_SNAPSHOT.search(_first_line(Path(path))) for path in self.books]
        return tuple(begin for begin, snapshot in zip(books, whole, strict=True) if snapshot)

    def enter(self, opening: int, *, seed: int) -> BybitFeed:
        """Open the files from one of the `openings` on.

        From a minute behind it on the events are those of all files; before, messages of one moment may come in
        another order.

        Raises
        ------
        DataError
            See `open`.
        """
        return self._feed(opening)

    def _feed(self, since: int) -> BybitFeed:
        from btcframe.sources.bybit.decoder import BybitDecoder, BybitFeed  # brings numba: only when opened

        frames = _Frames(self, self._market(), since, *(self._begins() if since else ((), ())))
        return BybitFeed(iter(frames), BybitDecoder(*frames.market, frames.where), strict=True)

    def _begins(self) -> tuple[list[int], list[int]]:
        """When we would have had the first line of each file, ns: of the book, of trades."""
        latency, spot = duration_ns(self.latency, zero=True), category_of(self.symbol) is Category.spot
        books = [_stamp(_first_line(Path(path)), Path(path), 1) for path in self.books]
        trades = [_first_trade(Path(path), self._pair(), spot=spot) for path in self.trades]
        return [ms * _MS + latency for ms in books], [ms * _MS + latency for ms in trades]

    def _pair(self) -> str:
        return self.symbol.partition(":")[0].replace("/", "")

    def decode(self, frames: Iterable[list[Frame]]) -> BybitFeed:
        """The same decoding of frames that were recorded in a session log."""
        from btcframe.sources.bybit.decoder import decode_frames

        return decode_frames(frames)

    def fingerprint(self) -> str:
        """sha256 over the contents of the files, in order."""
        return fingerprint((*self.books, *self.trades))

    def _market(self) -> Market:
        if not self.books:
            raise ConfigError(
                "source.books: no book of the archive is named",
                next="btcframe run source=bybit_archive 'source.books=[2025-09-01_BTCUSDT_ob200.data.zip]'",
            )
        category, pair = category_of(self.symbol), self._pair()
        for path in (*self.books, *self.trades):
            check(Path(path))
        depths = {_depth(Path(path), pair) for path in self.books}
        tick, lot = STEPS.get(category.value, ("0.1", "1"))  # inverse: contracts of 1 USD
        return Market(
            Instrument(
                symbol=self.symbol,
                tick=Decimal(tick if self.tick is None else repr(self.tick)),
                lot=Decimal(lot if self.lot is None else repr(self.lot)),
                contract=category.value,
            ),
            pair,
            self._one(depths),
        )

    def _one(self, depths: set[int]) -> int:
        if len(depths) > 1:
            raise DataError(
                f"the files are of books of several depths: {', '.join(str(d) for d in sorted(depths))}",
                where="source.books",
                hint="A session has one: what lies deeper than another file tells would stay behind.",
            )
        return depths.pop()


def _depth(path: Path, pair: str) -> int:
    """The depth of a file of the book, from its first line."""
    topic = _TOPIC.search(_first_line(path))
    if topic is None:
        raise DataError(
            f"{path} is no book of Bybit's archive",
            where=f"{path}:1",
            hint='A line is a message: {"topic":"orderbook.200.BTCUSDT","type":"snapshot","ts":…,"data":{…}}.',
        )
    if topic[2].decode() != pair:
        raise DataError(
            f"the file is of {topic[2].decode()}, not of {pair}",
            where=str(path),
            hint="Is it another file, or another source.symbol? BTC/USDT is spot, BTC/USDT:USDT linear.",
        )
    return int(topic[1])


def _first_line(path: Path) -> bytes:
    with contextlib.closing(lines_of(path)) as lines:
        return next(lines)[0]


class _Frames:
    """The files' lines as frames, in the order in which they would have been had.

    Parameters
    ----------
    archive : BybitArchive
    market : Market
    since : int         an opening, before which nothing is told, ns; 0: everything is
    books, trades : sequence of int    when the files of the book and of trades begin, ns, where `since` is one
    """

    def __init__(
        self, archive: BybitArchive, market: Market, since: int, books: Sequence[int], trades: Sequence[int]
    ) -> None:
        self.market, self._since = market, since
        # the last one that begins by then
        self._first_book, self._first_trades = (max(bisect_right(b, since) - 1, 0) for b in (books, trades))
        self._books = tuple(Path(p) for p in archive.books)
        self._trades = tuple(Path(p) for p in archive.trades)
        self._latency = duration_ns(archive.latency, zero=True)
        self._first = 0
        self._run: list[_Entry] = []

    def where(self, ordinal: int) -> str:
        """File and line of a frame of the last run; the market's own frame is the first of all."""
        entry = self._run[ordinal - 1 - self._first]
        return f"{entry.path}:{entry.line}"

    def __iter__(self) -> Generator[list[Frame], None, None]:
        merged = heapq.merge(self._of_trades(), self._of_books(), key=lambda entry: entry[:2])
        count = 0
        run: list[_Entry] = []
        for entry in merged:
            if not count:
                yield [self.market.frame(entry.local_ts)]
            count += 1
            run.append(entry)
            if len(run) == _RUN:
                yield self._hand_over(run, count)
                run = []
        if run:
            yield self._hand_over(run, count)

    def _hand_over(self, run: list[_Entry], count: int) -> list[Frame]:
        self._run, self._first = run, count - len(run)
        return [entry.frame for entry in run]

    def _of_books(self) -> Iterator[_Entry]:
        topic = f"orderbook.{self.market.depth}.{self.market.pair}"
        last = 0
        for path in self._books[self._first_book :]:
            number = 0
            for lines in lines_of(path):
                for text in lines:
                    line = text.rstrip()
                    number += 1
                    ms = _stamp(line, path, number)
                    last = _forward(ms, last, path, number)
                    local_ts = ms * _MS + self._latency
                    yield _Entry(local_ts, 1, Frame(local_ts, topic, line), path, number)

    def _of_trades(self) -> Iterator[_Entry]:
        topic, spot = f"publicTrade.{self.market.pair}", self.market.instrument.contract == "spot"
        last = 0
        for day, path in enumerate(self._trades):
            if day < self._first_trades:
                continue
            recent: OrderedDict[str, None] = OrderedDict()
            for number, row in _rows(path, _SPOT if spot else _DERIVATIVE, self.market.pair):
                ms = _milliseconds(row["timestamp"], spot, path, number)
                last = _forward(ms, last, path, number)
                local_ts = ms * _MS + self._latency
                side = row["side"].capitalize()
                if side not in ("Buy", "Sell") or not (
                    _NUMBER.fullmatch(row["price"]) and _NUMBER.fullmatch(row["size"])
                ):
                    raise DataError(f"no trade: {','.join(row.values())}", where=f"{path}:{number}")
                if row["id"] in recent:
                    continue
                recent[row["id"]] = None
                if len(recent) > _REMEMBERED:
                    recent.popitem(last=False)
                if local_ts < self._since:
                    continue
                message = {
                    "topic": topic, "type": "snapshot", "ts": ms,
                    "data": [{
                        "T": ms, "s": self.market.pair, "S": side, "v": row["size"], "p": row["price"],
                        "i": f"{day}-{row['id']}",  # spot's are numbers that begin anew every day
                        "BT": False,
                    }],
                }  # fmt: skip
                data = json.dumps(message, separators=(",", ":")).encode()
                yield _Entry(local_ts, 0, Frame(local_ts, topic, data), path, number)


def _first_trade(path: Path, pair: str, *, spot: bool) -> int:
    """When the first trade of a file came about, ms; before everything where it holds none."""
    with contextlib.closing(_rows(path, _SPOT if spot else _DERIVATIVE, pair)) as rows:
        for number, row in rows:
            return _milliseconds(row["timestamp"], spot, path, number)
    return 0


def _stamp(line: bytes, path: Path, number: int) -> int:
    """When a message of the book was sent, ms."""
    stamp = _TS.search(line)
    if stamp is None:
        raise DataError(
            "the line has no stamp `ts`", where=f"{path}:{number}", hint="It is cut, or no message."
        )
    return int(stamp[1])


def _forward(ms: int, last: int, path: Path, number: int) -> int:
    """The latest stamp so far. Raises DataError where one goes back."""
    if ms < last - _BACK_MS:
        raise DataError(
            f"the stamp goes back by {(last - ms) / 1000:,.1f} s",
            where=f"{path}:{number}",
            hint="Name the files in the order of days. Some old files of trades run backwards: turn them round first.",
        )
    return max(ms, last)


def _milliseconds(text: str, spot: bool, path: Path, number: int) -> int:
    """A trade's time: ms on spot, s with a fraction elsewhere."""
    if not _NUMBER.fullmatch(text):
        raise DataError(f"{text!r} is no time of a trade", where=f"{path}:{number}")
    ms = int(Decimal(text) * (1 if spot else 1000))
    if not 10**12 <= ms <= 4 * 10**12:
        raise DataError(
            f"{text} is no time of a trade",
            where=f"{path}:{number}",
            hint="Files of spot have it in ms, those of contracts in s: does source.symbol say what the file is of?",
        )
    return ms


def _row(line: bytes, path: Path, number: int) -> list[str]:
    try:
        return next(csv.reader([line.decode()], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"the line is no CSV: {error}", where=f"{path}:{number}") from error


def _rows(path: Path, names: dict[str, str], pair: str) -> Generator[tuple[int, dict[str, str]], None, None]:
    """The rows of a file of trades, by the names that the archive's other kind has too, each with its line."""
    columns: dict[str, int] = {}
    symbol = -1
    number = 0
    for lines in lines_of(path):
        for line in lines:
            number += 1
            row = _row(line, path, number)
            if not columns:
                missing = [name for name in names.values() if name not in row]
                if missing:
                    raise DataError(
                        f"{path} is no file of trades: it has no column {', '.join(missing)}",
                        where=f"{path}:1",
                        hint=f"Its columns are {', '.join(row[:12])}; spot has {', '.join(_SPOT.values())}, contracts "
                        f"{', '.join(_DERIVATIVE.values())}.",
                    )
                columns = {key: row.index(name) for key, name in names.items()}
                symbol = row.index("symbol") if "symbol" in row else -1
                width = len(row)
                continue
            if len(row) != width:
                raise DataError(f"the line has {len(row)} fields, not {width}", where=f"{path}:{number}")
            if symbol >= 0 and row[symbol] != pair:
                raise DataError(f"the trade is of {row[symbol]}, not of {pair}", where=f"{path}:{number}")
            yield number, {key: row[at] for key, at in columns.items()}
