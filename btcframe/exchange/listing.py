"""What the exchange lists: names, steps, how numbers are written, and the reply of instruments-info."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from btcframe.errors import ConfigError
from btcframe.types import NS, Instrument

CATEGORIES = ("spot", "linear", "inverse")
"""Each has a public socket of its own."""

_BANDS = {
    "spot": (Decimal("0.005"), Decimal("0.01")),
    "linear": (Decimal("0.03"), Decimal("0.05")),
    "inverse": (Decimal("0.03"), Decimal("0.05")),
}
_MOST = {"spot": (200_000_000, 100_000_000), "linear": (1_000_000, 200_000), "inverse": (1_000_000, 200_000)}
"""The largest limit order and the largest market order, lots."""

_LEAST_DECIMALS = 2  # the futures write 65114.20 where the tick is 0.1
_LAUNCHED_MS = "1584230400000"
_INVERSE_PLACES = Decimal("0.00000001")


@dataclass(frozen=True)
class Listing:
    """An instrument under the exchange's name, and its numbers as the exchange writes them.

    Parameters
    ----------
    instrument : Instrument
    number : int        the exchange's, its symbolId
    """

    instrument: Instrument
    number: int = 1

    def __post_init__(self) -> None:
        category_of(self.instrument.symbol)

    @cached_property
    def category(self) -> str:
        """spot, linear or inverse."""
        return category_of(self.instrument.symbol)

    @property
    def base(self) -> str:
        """The coin that is traded."""
        return self.instrument.symbol.partition("/")[0]

    @property
    def quote(self) -> str:
        """What it is priced in."""
        return self.instrument.symbol.partition("/")[2].partition(":")[0]

    @property
    def settle(self) -> str:
        """What a future is settled in."""
        return self.instrument.symbol.partition(":")[2]

    @cached_property
    def pair(self) -> str:
        """The exchange's name: BTCUSDT; BTCPERP where a future is settled in USDC."""
        perpetual = self.category == "linear" and self.quote == "USDC"
        return f"{self.base}PERP" if perpetual else f"{self.base}{self.quote}"

    @cached_property
    def price_decimals(self) -> int:
        """Digits after the point of a future's price."""
        return max(_LEAST_DECIMALS, _decimals(self.instrument.tick))

    @cached_property
    def _prices(self) -> tuple[int, int]:
        return _grid(self.instrument.tick, self.price_decimals)

    @cached_property
    def _sizes(self) -> tuple[int, int]:
        return _grid(self.instrument.lot, _decimals(self.instrument.lot))

    def price(self, ticks: int) -> str:
        """A price as it is sent: padded by the futures, not by spot."""
        return self._text(ticks, *self._prices)

    def size(self, lots: int) -> str:
        """A size as it is sent; 0 is "0" everywhere."""
        return self._text(lots, *self._sizes) if lots else "0"

    def _text(self, count: int, multiple: int, decimals: int) -> str:
        if not decimals:
            return str(count * multiple)
        whole, rest = divmod(count * multiple, 10**decimals)
        text = f"{whole}.{rest:0{decimals}d}"
        return text.rstrip("0").rstrip(".") if self.category == "spot" else text

    @property
    def price_band(self) -> Decimal:
        """How far from the best price a side may trade, as a share of it."""
        return _BANDS[self.category][1]

    def most_lots(self, *, market: bool) -> int:
        """The largest order."""
        return _MOST[self.category][market]

    def turnover(self, ticks: int, lots: int) -> Decimal:
        """What a trade was worth: quote, of an inverse contract base coin."""
        price, size = ticks * self.instrument.tick, lots * self.instrument.lot
        return (size / price).quantize(_INVERSE_PLACES) if self.category == "inverse" else price * size

    def info(self) -> dict[str, Any]:
        """The instrument's entry in the reply of /v5/market/instruments-info."""
        return self._spot_info() if self.category == "spot" else self._future_info()

    def _risk(self) -> dict[str, str]:
        near, far = _BANDS[self.category]
        return {"priceLimitRatioX": str(near), "priceLimitRatioY": str(far)}

    def _spot_info(self) -> dict[str, Any]:
        lot, most = plain(self.instrument.lot), plain(self.instrument.lot * self.most_lots(market=False))
        return {
            "symbolId": self.number,
            "symbol": self.pair,
            "baseCoin": self.base,
            "quoteCoin": self.quote,
            "innovation": "0",
            "status": "Trading",
            "marginTrading": "none",
            "stTag": "0",
            "lotSizeFilter": {
                "basePrecision": lot,
                "quotePrecision": "0.0000001",
                "minOrderQty": lot,
                "maxOrderQty": most,
                "minOrderAmt": plain(Decimal(repr(self.instrument.min_notional))),
                "maxOrderAmt": "8000000",
                "maxLimitOrderQty": most,
                "maxMarketOrderQty": plain(self.instrument.lot * self.most_lots(market=True)),
                "postOnlyMaxLimitOrderSize": most,
            },
            "priceFilter": {"tickSize": plain(self.instrument.tick)},
            "riskParameters": self._risk(),
            "symbolType": "",
            "xstockMultiplier": "1",
        }

    def _future_info(self) -> dict[str, Any]:
        lot, most = plain(self.instrument.lot), plain(self.instrument.lot * self.most_lots(market=False))
        kind = "InversePerpetual" if self.category == "inverse" else "LinearPerpetual"
        return {
            "symbol": self.pair,
            "contractType": kind,
            "status": "Trading",
            "baseCoin": self.base,
            "quoteCoin": self.quote,
            "launchTime": _LAUNCHED_MS,
            "deliveryTime": "0",
            "deliveryFeeRate": "",
            "priceScale": str(self.price_decimals),
            "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
            "priceFilter": {
                "minPrice": self.price(1),
                "maxPrice": self.price(20_000_000),
                "tickSize": self.price(1),
            },
            "lotSizeFilter": {
                "maxOrderQty": most,
                "minOrderQty": lot,
                "qtyStep": lot,
                "postOnlyMaxOrderQty": most,
                "maxMktOrderQty": plain(self.instrument.lot * self.most_lots(market=True)),
                "minNotionalValue": plain(Decimal(repr(self.instrument.min_notional))),
            },
            "unifiedMarginTrade": True,
            "fundingInterval": self.instrument.funding_ns // (60 * NS),
            "settleCoin": self.settle,
            "copyTrading": "none",
            "upperFundingRate": "0.005",
            "lowerFundingRate": "-0.005",
            "isPreListing": False,
            "preListingInfo": None,
            "riskParameters": self._risk(),
            "displayName": "",
            "symbolType": "",
            "forbidUplWithdrawal": False,
            "symbolId": self.number,
        }


def category_of(symbol: str) -> str:
    """Which socket serves a symbol: BTC/USDT spot, BTC/USDT:USDT linear, BTC/USD:BTC inverse.

    Raises
    ------
    ConfigError
        If it is not written as ccxt does.
    """
    base, slash, rest = symbol.partition("/")
    quote, colon, settle = rest.partition(":")
    if not (base and slash and quote) or (colon and settle not in (base, quote)):
        raise ConfigError(
            f"exchange.symbols: {symbol!r} is no symbol",
            hint="Symbols are ccxt's: BTC/USDT is spot, BTC/USDT:USDT linear, BTC/USD:BTC inverse.",
        )
    if not colon:
        return "spot"
    return "linear" if settle == quote else "inverse"


def plain(value: Decimal) -> str:
    """A number without padding and without an exponent: 0.10 → "0.1"."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimals(step: Decimal) -> int:
    return max(0, -int(step.normalize().as_tuple().exponent))


def _grid(step: Decimal, decimals: int) -> tuple[int, int]:
    """A step as a multiple of 10^-decimals, and the decimals."""
    return int(step.scaleb(decimals)), decimals
