"""What an exchange's name of a pair means, and the steps of its prices and sizes."""

from __future__ import annotations

from btcframe.errors import ConfigError

QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "BTC", "ETH", "BNB", "EUR", "TRY", "BRL", "JPY")
"""What pairs are quoted in."""

# spot orders step by 0.00001 today, but its book still holds older ones on a finer grid
STEPS = {"spot": ("0.01", "0.000001"), "linear": ("0.1", "0.001")}
"""Price and size step by contract: those of BTCUSDT."""

LARGEST_STEP = 1e9
"""A step must be smaller."""


def check_steps(tick: float | None, lot: float | None) -> None:
    """Raise ValueError if a step that was given is none."""
    for name, step in (("tick", tick), ("lot", lot)):
        if step is not None and not 0 < step < LARGEST_STEP:
            raise ValueError(f"{name}: {step} is not a positive step below {LARGEST_STEP:g}")


def quote_of(pair: str) -> str:
    """The quote of a pair written without a slash; "" where it is not known: BTCUSDT → USDT."""
    return next((quote for quote in QUOTES if pair.endswith(quote) and pair != quote), "")


def ccxt_symbol(pair: str, contract: str) -> str:
    """ccxt's name of a pair: BTCUSDT → BTC/USDT, of a linear contract BTC/USDT:USDT.

    Raises
    ------
    ConfigError
        If what it is quoted in is not known.
    """
    quote = quote_of(pair)
    if not quote:
        raise ConfigError(
            f"source.symbol: what {pair} is quoted in is not known",
            hint="Write the symbol as ccxt does, e.g. source.symbol=BTC/USDT:USDT.",
        )
    symbol = f"{pair.removesuffix(quote)}/{quote}"
    return symbol if contract == "spot" else f"{symbol}:{quote}"
