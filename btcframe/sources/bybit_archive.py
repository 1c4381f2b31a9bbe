"""Bybit's public archive: a day's book as NDJSON, ``…_ob200.data.zip`` or ``_ob500``, and a day's trades as CSV."""

from __future__ import annotations

import csv
import heapq
import json
import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from btcframe.errors import ConfigError, DataError
from btcframe.sources.bybit.market import Market, category_of
from btcframe.sources.files import check, fingerprint, lines_of
from btcframe.sources.symbols import STEPS, check_steps
from btcframe.types import Frame, Instrument, duration_ns

if TYPE_CHECKING:
    from btcframe.sources.bybit.decoder import BybitFeed

_MS = 1_000_000
_RUN = 2048
_BACK_MS = 1_000
"""Stamps of a file may go back by so much: messages of a moment are not always in order."""

_TOPIC = re.compile(rb'"topic":"orderbook\.([0-9]+)\.([0-9A-Z]+)"')
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
    had `latency` later. A trade's time is taken in whole ms. Where lines are missing the book is unusable until the
    next snapshot; files of a day begin with one.

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
        from btcframe.sources.bybit.decoder import BybitDecoder, BybitFeed  # brings numba: only when opened

        if not self.books:
            raise ConfigError(
                "source.books: no book of the archive is named",
                next="btcframe run source=bybit_archive 'source.books=[2025-09-01_BTCUSDT_ob200.data.zip]'",
            )
        frames = _Frames(self, self._market())
        return BybitFeed(iter(frames), BybitDecoder(*frames.market, frames.where), strict=True)

    def decode(self, frames: Iterable[list[Frame]]) -> BybitFeed:
        """The same decoding of frames that were recorded in a session log."""
        from btcframe.sources.bybit.decoder import decode_frames

        return decode_frames(frames)

    def fingerprint(self) -> str:
        """sha256 over the contents of the files, in order."""
        return fingerprint((*self.books, *self.trades))

    def _market(self) -> Market:
        category = category_of(self.symbol)
        pair = self.symbol.partition(":")[0].replace("/", "")
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
    line = next(lines_of(path))[0]
    topic = _TOPIC.search(line)
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


class _Frames:
    """The files' lines as frames, in the order in which they would have been had.

    Parameters
    ----------
    archive : BybitArchive
    market : Market
    """

    def __init__(self, archive: BybitArchive, market: Market) -> None:
        self.market = market
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
        for path in self._books:
            number = 0
            for lines in lines_of(path):
                for text in lines:
                    line = text.rstrip()
                    number += 1
                    stamp = _TS.search(line)
                    if stamp is None:
                        raise DataError(
                            "the line has no stamp `ts`",
                            where=f"{path}:{number}",
                            hint="It is cut, or no message.",
                        )
                    ms = int(stamp[1])
                    last = _forward(ms, last, path, number)
                    local_ts = ms * _MS + self._latency
                    yield _Entry(local_ts, 1, Frame(local_ts, topic, line), path, number)

    def _of_trades(self) -> Iterator[_Entry]:
        topic, spot = f"publicTrade.{self.market.pair}", self.market.instrument.contract == "spot"
        last = 0
        for day, path in enumerate(self._trades):
            for number, row in _rows(path, _SPOT if spot else _DERIVATIVE, self.market.pair):
                ms = _milliseconds(row["timestamp"], spot, path, number)
                last = _forward(ms, last, path, number)
                side = row["side"].capitalize()
                if side not in ("Buy", "Sell") or not (
                    _NUMBER.fullmatch(row["price"]) and _NUMBER.fullmatch(row["size"])
                ):
                    raise DataError(f"no trade: {','.join(row.values())}", where=f"{path}:{number}")
                message = {
                    "topic": topic, "type": "snapshot", "ts": ms,
                    "data": [{
                        "T": ms, "s": self.market.pair, "S": side, "v": row["size"], "p": row["price"],
                        "i": f"{day}-{row['id']}",  # spot's are numbers that begin anew every day
                        "BT": False,
                    }],
                }  # fmt: skip
                data = json.dumps(message, separators=(",", ":")).encode()
                local_ts = ms * _MS + self._latency
                yield _Entry(local_ts, 0, Frame(local_ts, topic, data), path, number)


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


def _rows(path: Path, names: dict[str, str], pair: str) -> Iterator[tuple[int, dict[str, str]]]:
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
