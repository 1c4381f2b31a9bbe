"""What a backtest proves about profit, by a fixed rule that looks at the amount of evidence first.

Below `MIN_DAYS` of out-of-sample market or `MIN_TRADES` round trips the answer is "nothing", whatever the net result:
a strategy without any edge shows a profit over a short stretch about every other time.
"""

from __future__ import annotations

from btcframe.report.trading import counted
from btcframe.types import NS

MIN_DAYS = 30
MIN_TRADES = 200


def span_text(ns: int) -> str:
    """A length of time in words: 8 minutes, 3.2 hours, 12 days."""
    seconds = ns / NS
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            value = seconds / length
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} seconds"


def conclusion(market_ns: int, span_ns: int, trades: int, net: float) -> str:
    """One sentence on what the result proves.

    Parameters
    ----------
    market_ns : int   length of the recorded market
    span_ns : int     out-of-sample time of it that was traded
    trades : int      round trips
    net : float       result after fees, quote
    """
    if span_ns < MIN_DAYS * 86_400 * NS or trades < MIN_TRADES:
        return (
            f"{span_text(market_ns)} of one market, {span_text(span_ns)} of them traded out of sample in "
            f"{counted(trades, 'round trip')}, prove nothing about profit: below {MIN_DAYS} days or {MIN_TRADES} round "
            "trips the figures above are noise."
        )
    if net <= 0:
        return f"Over {span_text(span_ns)} and {trades:,} round trips it lost money after costs."
    return (
        f"Over {span_text(span_ns)} and {trades:,} round trips it earned money after costs in this simulation; "
        "one market and one simulated venue are not proof."
    )
