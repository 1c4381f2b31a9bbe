"""Which of an exchange's hosts is meant, and whose keys it takes."""

from __future__ import annotations

import enum


class Endpoint(enum.Enum):
    """Which of the exchange's hosts."""

    mainnet = "mainnet"
    testnet = "testnet"
    demo = "demo"
    local = "local"


LOCAL_KEY, LOCAL_SECRET = "local-key", "local-secret"
"""The key of the local exchange's account, where neither side's environment names another. It is no secret."""


def key_names(exchange: str, endpoint: Endpoint) -> tuple[str, str]:
    """The environment variables that hold key and secret: BTCFRAME_BYBIT_TESTNET_KEY and …_SECRET."""
    stem = f"BTCFRAME_{exchange}_{endpoint.value}".upper()
    return f"{stem}_KEY", f"{stem}_SECRET"
