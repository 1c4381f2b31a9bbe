"""What a request to trade asks for: its fields, checked against what is listed, before any account is looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from btcframe.exchange.listing import Listing
from btcframe.exchange.private.codes import bad, refusal

_LINK = re.compile(r"[A-Za-z0-9_-]{1,36}")
_SIDES = {"Buy": 1, "Sell": -1}
_TIFS = ("GTC", "IOC", "FOK", "PostOnly")
_LEAST, _MOST = Decimal("1e-12"), Decimal("1e15")
"""Beyond these nothing is a price or a quantity, and arithmetic of 28 digits is not exact."""

_UNKNOWN_HERE = ("triggerPrice", "takeProfit", "stopLoss", "orderIv", "trailingStop")
"""What makes an order conditional: there are none here."""

Body = Mapping[str, Any]


class Asked(NamedTuple):
    """An order as it was asked for.

    Parameters
    ----------
    side : int
    market : bool
    lots : int          0 where a quantity of quote coin is given instead
    quote : Decimal     to be spent; 0 otherwise
    ticks : int         limit; 0 of a market order
    tif : str
    reduce_only : bool
    link_id : str
    mode : int          positionIdx: 0 is one-way
    """

    side: int
    market: bool
    lots: int
    quote: Decimal
    ticks: int
    tif: str
    reduce_only: bool
    link_id: str
    mode: int


def asked(body: Body, listing: Listing) -> Asked:
    """An order from the body of a request to create one.

    Raises
    ------
    Refusal
        With the exchange's code of what is wrong.
    """
    category = listing.category
    for name in _UNKNOWN_HERE:
        if body.get(name) not in (None, "", "0"):
            raise bad(f"{name}: this exchange has no conditional orders")
    side = _SIDES.get(str(body.get("side", "")))
    if side is None:
        raise refusal(category, "side")
    kind = body.get("orderType", "")
    if kind not in ("Limit", "Market"):
        raise refusal(category, "order_type")
    market = kind == "Market"
    tif = "IOC" if market else body.get("timeInForce") or "GTC"
    if tif not in _TIFS:
        raise refusal(category, "tif")
    ticks = 0 if market else price(body.get("price"), listing)
    in_quote = market and category == "spot" and side > 0 and body.get("marketUnit") != "baseCoin"
    quote = _number(body.get("qty"), listing, "quantity") if in_quote else Decimal(0)
    lots = 0 if in_quote else quantity(body.get("qty"), listing, market=market)
    return Asked(
        side, market, lots, quote, ticks, tif, bool(body.get("reduceOnly")), link(body), _index(body)
    )


def price(value: Any, listing: Listing) -> int:
    """A price in ticks. Raises Refusal where it is none, or no multiple of the tick."""
    return _multiple(_number(value, listing, "price"), listing.instrument.tick, listing, "price")


def quantity(value: Any, listing: Listing, *, market: bool) -> int:
    """A quantity in lots. Raises Refusal where it is none, no multiple of the lot, or too large."""
    number = _number(value, listing, "quantity")
    if number < listing.instrument.lot:
        raise refusal(listing.category, "quantity_small")
    lots = _multiple(number, listing.instrument.lot, listing, "quantity")
    if lots > listing.most_lots(market=market):
        raise refusal(listing.category, "quantity_large")
    return lots


def link(body: Body) -> str:
    """The client's own id of an order, "" without one. Raises Refusal where it is none."""
    text = body.get("orderLinkId") or ""
    if text and not (isinstance(text, str) and _LINK.fullmatch(text)):
        raise bad("orderLinkId: at most 36 letters, digits, - and _")
    return str(text)


def _index(body: Body) -> int:
    value = body.get("positionIdx", 0)
    if value not in (0, 1, 2):
        raise bad("positionIdx invalid")
    return int(value)


def _number(value: Any, listing: Listing, name: str) -> Decimal:
    """A positive decimal number, written as text."""
    try:
        number = Decimal(value) if isinstance(value, str) else Decimal(0)
    except InvalidOperation:
        number = Decimal(0)
    if not (number.is_finite() and _LEAST <= number <= _MOST):
        raise refusal(listing.category, name)
    return number


def _multiple(number: Decimal, step: Decimal, listing: Listing, name: str) -> int:
    count = number / step
    if count != count.to_integral_value():
        raise refusal(listing.category, name)
    return int(count)
