"""Where the private side of the exchange will be: until it is, its routes say so."""

from __future__ import annotations

from btcframe.exchange.core import Exchange
from btcframe.exchange.rest import FORBIDDEN, Reply, said

PATHS = ("order", "position", "account", "execution", "user", "asset")
"""What /v5/ leads to, beside /v5/market and the sockets."""

SOCKETS = ("/v5/private", "/v5/trade")
"""Sockets that need a key."""

_NOT_YET = "This local exchange has no private side: no keys, no orders. Trade on venue=sim."


def answer(exchange: Exchange) -> Reply:
    """The reply to everything private."""
    return said(exchange, {}, FORBIDDEN, _NOT_YET)
