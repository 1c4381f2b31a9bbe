"""Policy `market`: takes from the book when the prediction pays for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from btcframe.api import Action, Intent, Market, Position, Wakes
from btcframe.types import Ints, TimeInForce
from btcframe_execution.signal import (
    LARGEST,
    check_horizon,
    check_range,
    entry_side,
    exit_reason,
    signal,
    spread_bps,
    whole_lots,
)


@dataclass(frozen=True)
class MarketPolicy:
    """Be long or short by a fixed size while the prediction says so, with IOC orders capped in price.

    Opens when |expected return| >= 2·fee_bps + spread + threshold_bps, the cost of the round trip and a margin.
    Holds until the prediction changes sign, then closes with a reduce-only order; the other side is opened when
    the position is flat. Without a model the position is closed; a row without prediction changes nothing.
    One order at a time: while one works, nothing is decided.

    The limit of an order is the last price within `slippage_bps` of the best, and it asks for no more than the
    book offers up to there.

    Parameters
    ----------
    size : float            position to take, base coin
    horizon : str           duration of the prediction to act on, "" for the longest of the label
    fee_bps : float         taker fee of one fill
    threshold_bps : float   expected return wanted beyond the cost of the round trip
    slippage_bps : float    how far from the best price an order may take
    """

    size: float = 0.01
    horizon: str = ""
    fee_bps: float = 5.5
    threshold_bps: float = 0.0
    slippage_bps: float = 5.0

    def __post_init__(self) -> None:
        check_range("size", self.size, 0.0, LARGEST)
        check_horizon(self.horizon)
        check_range("fee_bps", self.fee_bps, -1000.0, 1000.0)
        check_range("threshold_bps", self.threshold_bps, 0.0)
        check_range("slippage_bps", self.slippage_bps, 0.0, 1000.0)

    @property
    def wakes(self) -> Wakes:
        """Closed rows and reports are enough."""
        return Wakes()

    def decide(self, market: Market, position: Position) -> Sequence[Intent]:
        """At most one IOC order towards the side the prediction asks for."""
        if position.working or not market.usable:
            return ()
        now = signal(market, self.horizon)
        held = position.lots
        if why := exit_reason(held, now):
            return self._order(market, -1 if held > 0 else 1, abs(held), True, why)
        cost_bps = max(0.0, 2 * self.fee_bps + spread_bps(market))
        if side := entry_side(now, cost_bps + self.threshold_bps):
            missing = whole_lots(market.instrument, self.size) - abs(held)
            return self._order(market, side, missing, False, "signal")
        return ()

    def _order(
        self, market: Market, side: int, lots: int, reduce_only: bool, reason: str
    ) -> Sequence[Intent]:
        if lots <= 0:
            return ()
        ticks, sizes = (
            (market.ask_ticks, market.ask_lots) if side > 0 else (market.bid_ticks, market.bid_lots)
        )
        limit, offered = within(ticks, sizes, side, self.slippage_bps)
        lots = min(lots, offered)
        return (Intent(Action.SUBMIT, side, lots, limit, TimeInForce.IOC, reduce_only, reason=reason),)


def within(ticks: Ints, sizes: Ints, side: int, slippage_bps: float) -> tuple[int, int]:
    """Last level within `slippage_bps` of the best, and the lots offered up to it.

    Parameters
    ----------
    ticks, sizes : int64[n]    the side that is taken from, best first
    side : int                 +1 buys, -1 sells
    slippage_bps : float

    Returns
    -------
    (limit, offered) : (int, int)      ticks, lots
    """
    best = int(ticks[0])
    limit, offered = best, 0
    for price, lots in zip(ticks.tolist(), sizes.tolist(), strict=True):
        if side * (price - best) * 1e4 > slippage_bps * best:
            break
        limit, offered = price, offered + lots
    return limit, offered
