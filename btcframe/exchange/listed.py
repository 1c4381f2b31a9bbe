"""Which markets the exchange has: one for every symbol, from a source of events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from btcframe.api import Source
from btcframe.errors import ConfigError, did_you_mean
from btcframe.exchange.flow import messages
from btcframe.exchange.listing import Listing, category_of
from btcframe.exchange.market import Market
from btcframe.live_sources import needs_recording
from btcframe.pipeline.row_sources import needs_book
from btcframe.types import Instrument

MIN_NOTIONAL = 5.0
"""Quote, where the source does not say."""

_DEEP: dict[str, Any] = {"levels": 250}
_ETH: dict[str, Any] = {
    **_DEEP,
    "price": 3000.0,
    "tick": 0.01,
    "best_size": 40.0,
    "deep_size": 2.0,
    "trade_size": 0.06,
}
MADE: dict[str, dict[str, Any]] = {
    "BTC/USDT:USDT": _DEEP,
    "BTC/USDT": {**_DEEP, "lot": 0.000001},
    "ETH/USDT:USDT": {**_ETH, "lot": 0.01},
    "ETH/USDT": {**_ETH, "lot": 0.00001},
    "BTC/USD:BTC": {**_DEEP, "lot": 1.0, "best_size": 120_000.0, "deep_size": 6000.0, "trade_size": 180.0},
}
"""What a made market is set to so that it looks like a symbol's, where the config leaves these settings alone."""

Build = Callable[[Mapping[str, Any]], Source]
"""A source from its config node."""


def markets(
    build: Build, node: Mapping[str, Any], symbols: Sequence[str], *, seed: int, repeat: bool
) -> list[Market]:
    """The markets of the exchange.

    A recorded source is asked for each symbol; one that makes its market makes another one for each, with the seed
    after the last one's.

    Parameters
    ----------
    build : callable        config node → Source
    node : mapping          the source as it was chosen, plain values
    symbols : sequence      ccxt's; empty takes the source's own
    seed : int
    repeat : bool           let a market begin again where it ends

    Raises
    ------
    ConfigError
        If the source has no book, is live, or cannot give a symbol.
    """
    plugin = str(node["plugin"])
    needs_book(build(node), plugin, "an exchange sells from one")
    needs_recording(build(node), plugin, "an exchange")
    found = []
    for number, symbol in enumerate(symbols or (_own(build, node),)):
        if symbol:
            category_of(symbol)
        source = build(_set(build, node, symbol))
        found.append(
            _market(source, symbol, number, seed=seed + number, repeat=repeat, recorded="symbol" in node)
        )
    return found


def _own(build: Build, node: Mapping[str, Any]) -> str:
    """The symbol of a source that makes its market; a recorded one is left to what it is set to: ""."""
    if "symbol" in node:
        return ""
    feed = build(node).open(seed=0)
    feed.close()
    return feed.instrument.symbol


def _set(build: Build, node: Mapping[str, Any], symbol: str) -> Mapping[str, Any]:
    """The node set to a symbol: where it has such a setting that, where it makes a market what makes it alike."""
    if "symbol" in node:
        return {**node, "symbol": symbol} if symbol else node
    alike = {name: value for name, value in MADE.get(symbol, {}).items() if name in node}
    if not alike:
        return node
    default = build({"plugin": node["plugin"]})
    return {**node, **{name: value for name, value in alike.items() if node[name] == getattr(default, name)}}


def _market(source: Source, symbol: str, number: int, *, seed: int, repeat: bool, recorded: bool) -> Market:
    feed = source.open(seed=seed)
    instrument = feed.instrument
    symbol = symbol or instrument.symbol
    if symbol != instrument.symbol:
        if recorded or symbol not in MADE:
            feed.close()
            raise ConfigError(
                f"exchange.symbols: the source has no {symbol}",
                hint=f"It has {instrument.symbol}."
                if recorded
                else f"{did_you_mean(symbol, {*MADE, instrument.symbol})} A made market is like one of "
                f"{', '.join(MADE)}.",
            )
        instrument = Instrument(symbol, instrument.tick, instrument.lot, category_of(symbol))
    instrument = instrument._replace(min_notional=instrument.min_notional or MIN_NOTIONAL)
    flow = messages(lambda: source.open(seed=seed), feed, repeat=repeat)
    return Market(Listing(instrument, number + 1), flow, seed)


def made(symbols: Sequence[str], *, seed: int = 7, **fields: Any) -> list[Market]:
    """Synthetic markets, for tests, notebooks and benchmarks.

    Parameters
    ----------
    symbols : sequence      of MADE
    seed : int
    fields                  of the source synthetic, before what MADE says
    """
    from btcframe.sources.synthetic import Synthetic

    return [
        _market(
            replace(Synthetic(**MADE[symbol]), **fields),
            symbol,
            number,
            seed=seed + number,
            repeat=False,
            recorded=False,
        )
        for number, symbol in enumerate(symbols)
    ]
