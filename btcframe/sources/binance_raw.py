"""Recorded Binance sessions: ``local_stamp json`` per line, as collectors write them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from btcframe.errors import ConfigError, DataError
from btcframe.sources.binance_lines import SNAPSHOT, Market, market_of, no_snapshot, parse_line
from btcframe.sources.files import LineFiles, fingerprint
from btcframe.sources.symbols import STEPS, ccxt_symbol, check_steps
from btcframe.types import Frame, Instrument

if TYPE_CHECKING:
    from btcframe.sources.binance_feed import BinanceFeed

_CONTRACTS = {Market.spot: "spot", Market.usdm: "linear"}


@dataclass(frozen=True)
class BinanceRaw:
    """Recorded Binance session, spot or USD-M: depth diffs, REST snapshot, trades.

    Each line is a local stamp (ns, us or ms, told apart by its size), a space, and the JSON exactly as received.
    Several files in order are one session. Stamps are kept as logged: a clock that ran behind the exchange's shows
    as negative latency. Streams of best prices and mark prices are kept in the log and never enter the book.

    Parameters
    ----------
    paths : tuple of str    files, plain or packed (.gz, .zst, .zip), in the order of recording
    market : Market         spot or usdm; auto tells it from the messages
    symbol : str            ccxt's, e.g. BTC/USDT:USDT; empty takes the recording's
    tick : float, optional  price step, quote; default 0.01 (spot), 0.1 (usdm), which are BTCUSDT's
    lot : float, optional   size step, base coin; default 0.000001 (spot), 0.001 (usdm)
    batch : int             events handed over at a time, about
    """

    paths: tuple[str, ...] = ()
    market: Market = Market.auto
    symbol: str = ""
    tick: float | None = None
    lot: float | None = None
    batch: int = 65536

    def __post_init__(self) -> None:
        check_steps(self.tick, self.lot)
        if self.batch < 1:
            raise ValueError(f"batch: {self.batch} is not a positive number of events")

    def open(self, *, seed: int) -> BinanceFeed:
        """Open the files and check, before any work, that they can make a book.

        Raises
        ------
        ConfigError
            If no file is named.
        DataError
            If a file is missing, empty, cut or out of order, or the session holds no snapshot.
        """
        if not self.paths:
            raise ConfigError(
                "source.paths: no recording is named",
                hint="Name its files in the order of recording.",
                next="btcframe run source=binance_raw 'source.paths=[FILE,FILE]'",
            )
        _check_order(self.paths)
        _check_snapshot(LineFiles(self.paths, parse_line), self.paths)
        files = LineFiles(self.paths, parse_line)
        return self._feed(iter(files), files.where)

    def decode(self, frames: Iterable[list[Frame]]) -> BinanceFeed:
        """The same decoding of frames that were recorded in a session log."""
        return self._feed(iter(frames), lambda ordinal: f"frame {ordinal + 1} of the log")

    def fingerprint(self) -> str:
        """sha256 over the contents of the files, in order."""
        return fingerprint(self.paths)

    def _feed(self, frames: Iterator[list[Frame]], where: Callable[[int], str]) -> BinanceFeed:
        from btcframe.sources.binance_feed import BinanceFeed  # brings numba: only when opened

        seen: list[list[Frame]] = []
        pair, market = "", self.market
        for frame in _keeping(frames, seen):
            pair = pair or frame.stream.partition("@")[0].upper() if "@" in frame.stream else pair
            if market is Market.auto:
                market = market_of(frame)
            if pair and market is not Market.auto:
                break
        if not pair or market is Market.auto:
            raise DataError(
                "nothing in the session tells its symbol and market",
                where=where(0),
                hint="It holds no depth and no trade message.",
            )

        def all_frames() -> Generator[list[Frame], None, None]:
            yield from seen
            yield from frames

        return BinanceFeed(all_frames(), self._instrument(pair, market), where, self.batch)

    def _instrument(self, pair: str, market: Market) -> Instrument:
        contract = _CONTRACTS[market]
        symbol = self.symbol or ccxt_symbol(pair, contract)
        if symbol.split(":")[0].replace("/", "") != pair:
            raise DataError(
                f"the recording is of {pair}, not of {self.symbol}",
                where="source.symbol",
                hint=f"Leave source.symbol empty, or write {ccxt_symbol(pair, contract)}.",
            )
        tick, lot = STEPS[contract]
        return Instrument(
            symbol=symbol,
            tick=Decimal(tick if self.tick is None else repr(self.tick)),
            lot=Decimal(lot if self.lot is None else repr(self.lot)),
            contract=contract,
        )


def _keeping(frames: Iterable[list[Frame]], seen: list[list[Frame]]) -> Iterator[Frame]:
    for chunk in frames:
        seen.append(chunk)
        yield from chunk


def _check_order(paths: tuple[str, ...]) -> None:
    """Raise DataError if a later file begins before an earlier one, or a file is named twice."""
    begins: list[tuple[int, str]] = []
    for path in paths:
        first = next(iter(LineFiles((path,), parse_line)))[0].local_ts
        if begins and first <= begins[-1][0]:
            raise DataError(
                f"{path} begins before {begins[-1][1]}",
                where="source.paths",
                hint="Name the files in the order of recording.",
            )
        begins.append((first, path))


def _check_snapshot(files: Iterable[list[Frame]], paths: Iterable[str]) -> None:
    for frames in files:
        if any(frame.stream == SNAPSHOT for frame in frames):
            return
    raise no_snapshot(0, ", ".join(paths))
