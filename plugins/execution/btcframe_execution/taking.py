"""How to take: immediate orders that are capped by the book that is seen."""

from __future__ import annotations

from collections.abc import Sequence

from btcframe.api import Action, Intent, Market
from btcframe.types import Ints, TimeInForce
from btcframe_execution.target import Target


def take(market: Market, want: Target, worst: float, slippage_bps: float, reason: str) -> Sequence[Intent]:
    """An IOC order for what the book offers up to its cap, none where it offers nothing.

    The cap is the last level that is seen, lies within `slippage_bps` of the best price and is not worse than
    `worst`, ticks. A market that has moved through it by the time the order arrives leaves the order unfilled.
    """
    side = want.side
    ticks, sizes = (market.ask_ticks, market.ask_lots) if side > 0 else (market.bid_ticks, market.bid_lots)
    limit, offered = within(ticks, sizes, side, slippage_bps, worst)
    lots = min(want.lots, offered)
    if lots <= 0:
        return ()
    tif = TimeInForce.IOC
    return (Intent(Action.SUBMIT, side, lots, limit, tif, want.reduce_only, reason=reason),)


def within(ticks: Ints, sizes: Ints, side: int, slippage_bps: float, worst: float) -> tuple[int, int]:
    """Last level within `slippage_bps` of the best and not beyond `worst`, and the lots offered up to it.

    Parameters
    ----------
    ticks, sizes : int64[n]    the side that is taken from, best first
    side : int                 +1 buys, -1 sells
    slippage_bps : float
    worst : float              ticks

    Returns
    -------
    (limit, offered) : (int, int)      ticks, lots; (0, 0) where the best is beyond `worst`
    """
    best = ticks.item(0)
    cap = min(side * best + best * slippage_bps / 1e4, side * worst)
    limit = offered = 0
    for price, lots in zip(ticks.tolist(), sizes.tolist(), strict=True):
        if side * price > cap:
            break
        limit, offered = price, offered + lots
    return limit, offered
