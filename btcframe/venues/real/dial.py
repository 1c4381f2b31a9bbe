"""Opening a client of ccxt: whose hosts, which options, which market; and what an exchange must have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import ccxt.pro

from btcframe.endpoints import Endpoint
from btcframe.errors import ConfigError, DataError, did_you_mean
from btcframe.types import NS, Instrument
from btcframe.venues.real.client import Client, quiet_logger
from btcframe.venues.real.dialects import Dialect, dialect_of
from btcframe.venues.real.keys import Keys
from btcframe.venues.real.limits import Limits
from btcframe.venues.real.units import Units

NEEDED = (
    "createOrder", "editOrder", "cancelOrder", "fetchOpenOrders", "fetchMyTrades", "fetchBalance", "fetchTime",
    "watchOrders", "watchMyTrades", "watchPositions",
)  # fmt: skip
"""What ccxt must be able to do at an exchange."""

ONE_OF = (
    ("fetchCanceledAndClosedOrders", "fetchOrders", "fetchClosedOrders"),
    ("fetchPosition", "fetchPositions"),
)
"""Of each of these, one."""


@dataclass(frozen=True)
class Address:
    """Where an account is.

    Parameters
    ----------
    exchange : str          ccxt's name
    endpoint : Endpoint
    rest, ws : str          base addresses in place of those that ccxt knows, "" for none
    timeout_ms : int        for one request
    window_ms : int         for which the exchange takes a request that was under way
    penalty_ns : int        how long nothing is sent after the exchange has shut us out
    """

    exchange: str
    endpoint: Endpoint
    rest: str = ""
    ws: str = ""
    timeout_ms: int = 5000
    window_ms: int = 5000
    penalty_ns: int = 600 * NS


def exchange_of(address: Address, keys: Keys, instrument: Instrument) -> Any:
    """A client of ccxt that has sent nothing yet.

    Raises
    ------
    ConfigError
        If ccxt knows no such exchange, or no such endpoint of it, or spot is to be traded.
    """
    name, dialect = address.exchange, dialect_of(address.exchange)
    if name not in ccxt.pro.exchanges:
        raise ConfigError(
            f"venue.exchange: ccxt has no streams of {name!r}", hint=did_you_mean(name, ccxt.pro.exchanges)
        )
    if instrument.contract == "spot":
        raise ConfigError(
            f"venue ccxt trades contracts, and {instrument.symbol} is spot",
            where="venue",
            hint="Fees of spot are paid in the coin that is bought, so position and fills part.",
            next="source.symbol=BTC/USDT:USDT, or venue=sim",
        )
    options = {
        **dialect.options,
        "defaultType": "swap",
        "fetchMarkets": {"types": [instrument.contract]},
        "watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False},
    }
    if dialect.window:
        options[dialect.window] = address.window_ms
    exchange = getattr(ccxt.pro, name)(
        {
            "apiKey": keys.key,
            "secret": keys.secret,
            "timeout": address.timeout_ms,
            "enableRateLimit": False,
            "newUpdates": True,
            "options": options,
        }
    )
    exchange.logger = quiet_logger()
    # it would wait for up to 30 s, with a login that is good for 10: `Keeper.follow` has a pace of its own
    exchange.ws_dial_delay = lambda url: 0.0
    exchange.has["fetchCurrencies"] = False  # it asks for a permission that trading does not need
    _turn_to(exchange, address, dialect)
    return exchange


def _turn_to(exchange: Any, address: Address, dialect: Dialect) -> None:
    """Have a client talk to an endpoint."""
    name, endpoint = address.exchange, address.endpoint
    if endpoint is Endpoint.testnet and not exchange.urls.get("test"):
        raise ConfigError(f"venue.endpoint: ccxt knows no testnet of {name}", next="venue.endpoint=mainnet")
    if endpoint is Endpoint.demo and "demotrading" not in exchange.urls:
        raise ConfigError(f"venue.endpoint: ccxt knows no demo of {name}", next="venue.endpoint=testnet")
    if endpoint is Endpoint.local and not (dialect.local or (address.rest and address.ws)):
        raise ConfigError(
            f"venue.endpoint: there is no local {name}",
            hint="btcframe exchange speaks Bybit.",
            next="venue.exchange=bybit, or venue.endpoint=testnet",
        )
    if endpoint is Endpoint.testnet:
        exchange.set_sandbox_mode(True)
    elif endpoint is Endpoint.demo:
        exchange.enable_demo_trading(True)
    exchange.urls["api"] = _moved(exchange.urls["api"], address.rest, address.ws)


def _moved(urls: Any, rest: str, ws: str) -> Any:
    """Addresses with another scheme and host, where there is one to put."""
    if isinstance(urls, dict):
        return {name: _moved(url, rest, ws) for name, url in urls.items()}
    base = ws if str(urls).startswith("ws") else rest
    return re.sub(r"^\w+://[^/]+", base, str(urls)) if base else urls


async def dialled(exchange: Any, address: Address, keys: Keys, instrument: Instrument) -> Client:
    """A line to one market, its limits known.

    Raises
    ------
    ConfigError
        If ccxt cannot do all that is needed there, or the exchange has no such market.
    DataError
        If the exchange does not answer.
    """
    missing = missing_of(exchange)
    if missing:
        raise ConfigError(
            f"venue.exchange: at {address.exchange} ccxt cannot do {', '.join(missing)}",
            hint="Without that, what became of an order cannot be told for certain.",
            next="venue.exchange=bybit",
        )
    failed = ""
    try:
        await exchange.load_markets()
    except ccxt.BaseError as error:
        failed = keys.scrubbed(f"{type(error).__name__}: {error}")[:300]
    if failed:
        raise DataError(
            f"the exchange does not tell its markets: {failed}",
            where=f"venue {address.exchange} {address.endpoint.value}",
            next="Is it running? btcframe exchange"
            if address.endpoint is Endpoint.local
            else "btcframe doctor",
        )
    if instrument.symbol not in exchange.markets:
        raise ConfigError(
            f"the exchange has no market {instrument.symbol}",
            where="venue",
            hint=did_you_mean(instrument.symbol, exchange.markets),
        )
    dialect = dialect_of(address.exchange)
    units = units_of(exchange.market(instrument.symbol), instrument, dialect)
    return Client(exchange, units, keys, Limits(dialect, address.penalty_ns))


def missing_of(exchange: Any) -> list[str]:
    """What ccxt cannot do at an exchange, of what is needed."""
    has = exchange.has
    missing = [name for name in NEEDED if not has.get(name)]
    return missing + [" or ".join(names) for names in ONE_OF if not any(has.get(name) for name in names)]


def units_of(market: dict[str, Any], instrument: Instrument, dialect: Dialect) -> Units:
    """Steps and limits of ccxt's market."""
    amount = market["limits"].get("amount") or {}
    contract = (
        Decimal(str(market.get("contractSize") or 1)) if instrument.contract == "linear" else Decimal(1)
    )
    return Units(
        instrument,
        dialect,
        contract,
        Decimal(str(amount.get("min") or 0)),
        Decimal(str(amount.get("max") or 0)),
        str(market.get("settle") or market["quote"]),
    )
