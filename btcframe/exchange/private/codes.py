"""What the exchange refuses with: a code for futures, one for spot, and the words."""

from __future__ import annotations

from typing import NamedTuple

from btcframe.exchange.private.orders import Refusal


class Code(NamedTuple):
    """A reason to refuse.

    Parameters
    ----------
    future, spot : int      retCode
    said : str              retMsg
    """

    future: int
    spot: int
    said: str


CODES = {
    "side": Code(10001, 170117, "Side invalid"),
    "order_type": Code(10001, 170116, "OrderType invalid"),
    "tif": Code(10001, 170115, "TimeInForce invalid"),
    "quantity": Code(10001, 170137, "Qty invalid"),
    "quantity_small": Code(10001, 170136, "The number of contracts is under the minimum limit allowed"),
    "quantity_large": Code(10001, 170135, "The number of contracts exceeds maximum limit allowed"),
    "price": Code(10001, 170134, "Price invalid"),
    "price_high": Code(110003, 170193, "Order price is out of permissible range: too high to buy"),
    "price_low": Code(110003, 170194, "Order price is out of permissible range: too low to sell"),
    "notional": Code(110094, 170140, "Order does not meet minimum order value"),
    "reduce_only": Code(
        110017,
        170130,
        "current position is zero, cannot fix reduce-only order qty; or it is not on that side",
    ),
    "mode": Code(10001, 170130, "position idx not match position mode"),
    "funds": Code(110007, 170131, "ab not enough for new order"),
    "many": Code(110020, 170810, "Cannot have more than 500 active orders"),
    "duplicate": Code(110072, 170141, "OrderLinkedID is duplicate"),
    "unknown": Code(110001, 170213, "order not exists or too late"),
    "filled": Code(110008, 170139, "Order has been completed"),
    "canceled": Code(110010, 170142, "The order has been cancelled"),
    "amended_small": Code(
        110064, 170130, "The number of contracts modified cannot be less than or equal to the filled quantity"
    ),
}
"""Every reason that has codes of its own, by our name of it."""

BAD_PARAMETER, CLOCK, KEY, SIGN, DENIED, TOO_OFTEN = 10001, 10002, 10003, 10004, 10005, 10006
"""Codes that all categories share."""

GONE = (KEY, 33004)
"""Codes of a key that was deleted or has expired."""

LEVERAGE_SAME, MODE_SAME, MODE_HELD = 110043, 110025, 110024


def refusal(category: str, name: str, more: str = "") -> Refusal:
    """A refusal by our name of its reason."""
    code = CODES[name]
    return Refusal(code.spot if category == "spot" else code.future, f"{code.said}{more}")


def bad(said: str) -> Refusal:
    """A parameter that makes no sense."""
    return Refusal(BAD_PARAMETER, f"params error: {said}")
