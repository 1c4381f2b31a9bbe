"""Policy `adaptive`: rests until it is urgent, then takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from btcframe.api import Intent, Market, Position, Wakes
from btcframe.types import Instrument, TimeInForce
from btcframe_execution.resting import Book, book_of, chance, reprice, rest
from btcframe_execution.signal import (
    LARGEST,
    Signal,
    check_duration,
    check_fee,
    check_horizon,
    check_range,
    period_ns,
    signal,
    wanted_lots,
)
from btcframe_execution.taking import take
from btcframe_execution.target import (
    UNUSABLE,
    Target,
    cancel,
    just_gave_up,
    must_wait,
    sort_out,
    target,
    worst_taken,
)


@dataclass(frozen=True)
class Adaptive:
    """Be long or short by a fixed size while the prediction says so: rest as `passive` does, take when it is urgent.

    Urgency is the larger of two, and 1 is urgent. Time: how long the order has rested, of `patience`. Loss: what
    waiting is expected to lose over what taking costs more, (1 − P)·mean / (spread + taker − maker), with P the
    chance of a fill at the best price (`resting.chance`) and mean the expected return in favour of the order.

    When it is urgent the resting order is canceled, and once the venue has confirmed that, what is missing is taken
    with an IOC order capped as that of `market`: closing orders always, opening ones if the prediction pays the
    taker's fee as well (one fill as a taker, one as a maker, threshold_bps). An opening order whose patience ends
    where taking does not pay is given up, and that side only takes for as long again.

    Parameters
    ----------
    size : float              position to take, base coin
    horizon : str             duration of the prediction to act on, "" for the longest of the label
    maker_fee_bps : float     of one fill, negative for a rebate
    taker_fee_bps : float     of one fill
    threshold_bps : float     expected return wanted beyond the fees of the round trip
    patience : str            duration
    reprice_bps : float       how much more another place in the queue must be worth
    slippage_bps : float      how far from the best price an order may take
    """

    size: float = 0.01
    horizon: str = ""
    maker_fee_bps: float = 2.0
    taker_fee_bps: float = 5.5
    threshold_bps: float = 0.0
    patience: str = "2s"
    reprice_bps: float = 0.05
    slippage_bps: float = 5.0

    def __post_init__(self) -> None:
        check_range("size", self.size, 0.0, LARGEST)
        check_horizon(self.horizon)
        check_fee("maker_fee_bps", self.maker_fee_bps)
        check_fee("taker_fee_bps", self.taker_fee_bps)
        check_range("threshold_bps", self.threshold_bps, 0.0)
        check_duration("patience", self.patience)
        check_range("reprice_bps", self.reprice_bps, 0.0)
        check_range("slippage_bps", self.slippage_bps, 0.0, 1000.0)

    @property
    def wakes(self) -> Wakes:
        """Every change of the best prices: the order follows them."""
        return Wakes(best=True)

    def suits(self, instrument: Instrument) -> None:
        """Refuse a size of less than a lot."""
        wanted_lots(instrument, self.size)

    def decide(self, market: Market, position: Position) -> Sequence[Intent]:
        """Cancel what is not wanted or urgent, reprice what works, or submit what is missing."""
        want, now, patience_ns = UNUSABLE, signal(market, self.horizon), period_ns(self.patience)
        if market.usable:
            lots = wanted_lots(market.instrument, self.size)
            cost_bps = max(0.0, 2 * self.maker_fee_bps) + self.threshold_bps
            want = target(market, position, now, lots, cost_bps)
        kept, cancels = sort_out(position, want)
        if kept is not None:
            age_ns = market.now_ns - kept.ns
            if age_ns >= patience_ns:
                pays = want.reduce_only or self._taken(market, want, now)
                return (*cancels, cancel(kept, "urgent" if pays else "patience"))
            book = book_of(market, want.side)
            if self._loses(book, want) and self._taken(market, want, now):
                return (*cancels, cancel(kept, "urgent"))
            urgency = age_ns / patience_ns
            moved = reprice(market, book, kept, want, self.maker_fee_bps, urgency, self.reprice_bps)
            return (*cancels, *moved)
        if position.working or not want.side:
            return cancels
        last, waits = position.last, must_wait(market, position)
        if last is not None and waits and last.tif != TimeInForce.POST_ONLY:
            return ()
        gave_up = just_gave_up(market, position, want, patience_ns)
        book = book_of(market, want.side)
        if (gave_up or self._loses(book, want)) and (taken := self._taken(market, want, now)):
            return taken
        if waits or gave_up:
            return ()
        return rest(book, want, self.maker_fee_bps)

    def _loses(self, book: Book, want: Target) -> bool:
        """Whether waiting is expected to lose as much as taking costs more."""
        missed = (1 - chance(book, book.lots, want.lots)) * want.mean
        spread = book.side * (book.opposite - book.best) * book.bps
        return missed >= spread + self.taker_fee_bps - self.maker_fee_bps

    def _taken(self, market: Market, want: Target, now: Signal) -> Sequence[Intent]:
        """The order that takes what is missing, none where the prediction does not pay for it."""
        cost_bps = max(0.0, self.taker_fee_bps + self.maker_fee_bps) + self.threshold_bps
        return take(market, want, worst_taken(market, want, now.mean, cost_bps), self.slippage_bps, "urgent")
