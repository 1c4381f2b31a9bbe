"""One of Bybit's markets: what is traded, under which name, in which category, and what a session says of it.

The first frame of a session is of the stream ``~market`` and holds all of it. So a log can be decoded without the
exchange, and without the files it was made from.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Generator, Iterable
from decimal import Decimal
from typing import NamedTuple

import msgspec

from btcframe.control import MARKET
from btcframe.errors import ConfigError, DataError, did_you_mean
from btcframe.types import NS, Frame, Instrument


class Category(enum.Enum):
    """Which of the exchange's public sockets, and what its instruments are."""

    spot = "spot"
    linear = "linear"
    inverse = "inverse"


class _Said(msgspec.Struct):
    """What a frame of the market holds."""

    symbol: str
    tick: Decimal
    lot: Decimal
    contract: str
    min_notional: float
    funding_ns: int
    pair: str
    depth: int


_said = msgspec.json.Decoder(_Said).decode


class Market(NamedTuple):
    """A market as a session has it.

    Parameters
    ----------
    instrument : Instrument
    pair : str      the exchange's name, BTCUSDT
    depth : int     levels per side of the topic of the book
    """

    instrument: Instrument
    pair: str
    depth: int

    def frame(self, local_ts: int) -> Frame:
        """The frame that a session begins with."""
        return Frame(
            local_ts,
            MARKET,
            msgspec.json.encode(_Said(**self.instrument._asdict(), pair=self.pair, depth=self.depth)),
        )

    @classmethod
    def of_frame(cls, frame: Frame, where: str) -> Market:
        """The market that a session's first frame says.

        Raises
        ------
        DataError
            If it is another frame.
        """
        if frame.stream != MARKET:
            raise DataError(
                f"the session does not begin with a frame {MARKET}: {frame.stream or 'a message'!r} stands there",
                where=where,
                hint="Of which market it is, and in which steps it is traded, cannot be told.",
            )
        try:
            said = msgspec.structs.asdict(_said(frame.data))
        except msgspec.DecodeError as error:
            raise DataError(f"the frame {MARKET} is damaged: {error}", where=where) from error
        pair, depth = said.pop("pair"), said.pop("depth")
        return cls(Instrument(**said), pair, depth)


def with_market(
    frames: Iterable[list[Frame]], where: Callable[[int], str]
) -> tuple[Market, Generator[list[Frame], None, None]]:
    """A session's market, and all its frames.

    Raises
    ------
    DataError
        If it is empty, or does not begin with its market.
    """
    runs = iter(frames)
    first = next((run for run in runs if run), None)
    if first is None:
        raise DataError("the session is empty", where=where(0))

    def everything() -> Generator[list[Frame], None, None]:
        yield first
        yield from runs

    return Market.of_frame(first[0], where(0)), everything()


# ------------------------------------------------------------------------------------------------- instruments-info


class _Reply(msgspec.Struct):
    retCode: int
    retMsg: str
    result: msgspec.Raw


class _Prices(msgspec.Struct):
    tickSize: Decimal


class _Sizes(msgspec.Struct):
    qtyStep: Decimal | None = None
    basePrecision: Decimal | None = None  # spot's name of the step
    minNotionalValue: Decimal = Decimal(0)
    minOrderAmt: Decimal = Decimal(0)  # spot's


class _Entry(msgspec.Struct):
    symbol: str
    baseCoin: str
    quoteCoin: str
    priceFilter: _Prices
    lotSizeFilter: _Sizes
    settleCoin: str = ""
    contractType: str = ""
    fundingInterval: int = 480  # minutes


class _Page(msgspec.Struct):
    category: str
    entries: list[_Entry] = msgspec.field(name="list")
    nextPageCursor: str = ""


def instruments_of(reply: bytes, where: str) -> tuple[dict[str, tuple[str, Instrument]], str]:
    """Read one reply to GET /v5/market/instruments-info.

    Parameters
    ----------
    reply : bytes
    where : str         what it is, for errors

    Returns
    -------
    (instruments, cursor)
        pair and Instrument by ccxt's symbol, futures with a date left out; and where the next page begins, "" for none

    Raises
    ------
    DataError
        If it is no such reply, or says that something failed.
    """
    try:
        said = msgspec.json.decode(reply, type=_Reply)
        if said.retCode != 0:
            raise DataError(f"instruments-info failed: {said.retCode} {said.retMsg}", where=where)
        page = msgspec.json.decode(said.result, type=_Page)
    except msgspec.DecodeError as error:
        raise DataError(f"no reply of instruments-info: {error}", where=where) from error
    found = {}
    for entry in page.entries:
        if "Futures" not in entry.contractType:
            instrument = _instrument(page.category, entry, where)
            found[instrument.symbol] = (entry.symbol, instrument)
    return found, page.nextPageCursor


def _instrument(category: str, entry: _Entry, where: str) -> Instrument:
    spot = category == Category.spot.value
    sizes = entry.lotSizeFilter
    tick, lot = entry.priceFilter.tickSize, sizes.basePrecision if spot else sizes.qtyStep
    if lot is None or not (lot > 0 and tick > 0):
        raise DataError(f"{entry.symbol} has no step of prices or none of sizes", where=where)
    pair = f"{entry.baseCoin}/{entry.quoteCoin}"
    return Instrument(
        symbol=pair if spot else f"{pair}:{entry.settleCoin}",
        tick=tick.normalize(),
        lot=lot.normalize(),
        contract=category,
        min_notional=float(sizes.minOrderAmt if spot else sizes.minNotionalValue),
        funding_ns=entry.fundingInterval * 60 * NS,
    )


def category_of(symbol: str) -> Category:
    """The category of a market named as ccxt does.

    Raises
    ------
    ConfigError
        If it is no such name.
    """
    pair, _, settle = symbol.partition(":")
    base, slash, quote = pair.partition("/")
    if (
        not (base and slash and quote)
        or (settle and settle not in (base, quote))
        or (":" in symbol and not settle)
    ):
        raise ConfigError(
            f"source.symbol: {symbol!r} is not ccxt's",
            hint="Spot is BTC/USDT, linear BTC/USDT:USDT, inverse BTC/USD:BTC.",
        )
    if not settle:
        return Category.spot
    return Category.linear if settle == quote else Category.inverse


def chosen(symbol: str, instruments: dict[str, tuple[str, Instrument]], where: str) -> tuple[str, Instrument]:
    """Pair and Instrument of a symbol.

    Raises
    ------
    DataError
        If the exchange has no such instrument.
    """
    if symbol not in instruments:
        near = did_you_mean(symbol, instruments, "") if instruments else "It lists nothing of that category."
        raise DataError(f"there is no instrument {symbol}", where=where, hint=near)
    return instruments[symbol]
