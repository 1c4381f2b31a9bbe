"""Policy `passive`: waits in the queue instead of paying for the spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from btcframe.api import Intent, Market, Position, Wakes
from btcframe.types import Instrument
from btcframe_execution.resting import book_of, reprice, rest
from btcframe_execution.signal import (
    LARGEST,
    check_duration,
    check_fee,
    check_horizon,
    check_range,
    period_ns,
    signal,
    wanted_lots,
)
from btcframe_execution.target import UNUSABLE, cancel, just_gave_up, must_wait, sort_out, target


@dataclass(frozen=True)
class Passive:
    """Be long or short by a fixed size while the prediction says so, with post-only orders at or inside the best.

    Opens when |expected return| >= 2·fee_bps + threshold_bps: a maker pays no spread, but is filled when the
    market comes against it, which no prediction of the mid accounts for. Holds until the prediction changes sign,
    then closes with a reduce-only post-only order. It buys at no higher price than what the prediction promised on
    the mid of its row pays for, and sells at no lower one; it closes at any price.

    One order works at a time, at the best price or one tick inside, whichever place in the queue is worth more
    (`resting.value`); it is amended when another place is worth more than its own by `reprice_bps`. The longer it
    has waited, the more it weighs what is missed, as far as `patience`. An opening order that has not filled by
    then is given up: it is canceled, and that side is left alone for as long again. What is no longer wanted is
    canceled, and so is everything while the book cannot be trusted.

    Parameters
    ----------
    size : float            position to take, base coin
    horizon : str           duration of the prediction to act on, "" for the longest of the label
    fee_bps : float         maker fee of one fill, negative for a rebate
    threshold_bps : float   expected return wanted beyond the fees of the round trip
    patience : str          duration
    reprice_bps : float     how much more another place must be worth
    """

    size: float = 0.01
    horizon: str = ""
    fee_bps: float = 2.0
    threshold_bps: float = 0.0
    patience: str = "5s"
    reprice_bps: float = 0.05

    def __post_init__(self) -> None:
        check_range("size", self.size, 0.0, LARGEST)
        check_horizon(self.horizon)
        check_fee("fee_bps", self.fee_bps)
        check_range("threshold_bps", self.threshold_bps, 0.0)
        check_duration("patience", self.patience)
        check_range("reprice_bps", self.reprice_bps, 0.0)

    @property
    def wakes(self) -> Wakes:
        """Every change of the best prices: the order follows them."""
        return Wakes(best=True)

    def suits(self, instrument: Instrument) -> None:
        """Refuse a size of less than a lot."""
        wanted_lots(instrument, self.size)

    def decide(self, market: Market, position: Position) -> Sequence[Intent]:
        """Cancel what is not wanted, reprice or give up what works, or submit what is missing."""
        want, patience_ns = UNUSABLE, period_ns(self.patience)
        if market.usable:
            lots = wanted_lots(market.instrument, self.size)
            cost_bps = max(0.0, 2 * self.fee_bps) + self.threshold_bps
            want = target(market, position, signal(market, self.horizon), lots, cost_bps)
        kept, cancels = sort_out(position, want)
        if kept is not None:
            age_ns = market.now_ns - kept.ns
            if age_ns >= patience_ns and not want.reduce_only:
                return (*cancels, cancel(kept, "patience"))
            urgency = min(1.0, age_ns / patience_ns)
            book = book_of(market, want.side)
            moved = reprice(market, book, kept, want, self.fee_bps, urgency, self.reprice_bps)
            return (*cancels, *moved)
        if position.working or not want.side or must_wait(market, position):
            return cancels
        if not want.reduce_only and just_gave_up(market, position, want, patience_ns):
            return ()
        return rest(book_of(market, want.side), want, self.fee_bps)
