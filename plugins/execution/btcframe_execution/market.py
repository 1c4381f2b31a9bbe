"""Policy `market`: takes from the book when the prediction pays for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from btcframe.api import Intent, Market, Position, Wakes
from btcframe.types import Instrument
from btcframe_execution.signal import (
    LARGEST,
    check_fee,
    check_horizon,
    check_range,
    signal,
    spread_bps,
    wanted_lots,
)
from btcframe_execution.taking import take
from btcframe_execution.target import must_wait, target


@dataclass(frozen=True)
class MarketPolicy:
    """Be long or short by a fixed size while the prediction says so, with IOC orders capped in price.

    Opens where the expected return pays the round trip: both fees, half the spread on the way out, threshold_bps,
    and the distance of every level that is taken from the mid that was predicted on. Holds until the prediction
    changes sign, then closes with a reduce-only order; the other side is opened when the position is flat. Without a
    model the position is closed; a row without prediction changes nothing. One order at a time, and one try per
    row: what an order leaves is asked for again when a later row has closed.

    The limit of an order is the last level within `slippage_bps` of the best that the prediction still pays for, and
    it asks for no more than the book offers up to there.

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
        check_fee("fee_bps", self.fee_bps)
        check_range("threshold_bps", self.threshold_bps, 0.0)
        check_range("slippage_bps", self.slippage_bps, 0.0, 1000.0)

    @property
    def wakes(self) -> Wakes:
        """Closed rows and reports are enough."""
        return Wakes()

    def suits(self, instrument: Instrument) -> None:
        """Refuse a size of less than a lot."""
        wanted_lots(instrument, self.size)

    def decide(self, market: Market, position: Position) -> Sequence[Intent]:
        """At most one IOC order towards the side the prediction asks for."""
        if position.working or not market.usable or must_wait(market, position):
            return ()
        cost_bps = max(0.0, 2 * self.fee_bps + spread_bps(market) / 2) + self.threshold_bps
        lots = wanted_lots(market.instrument, self.size)
        want = target(market, position, signal(market, self.horizon), lots, cost_bps)
        if not want.side:
            return ()
        return take(market, want, want.worst, self.slippage_bps, want.reason)
