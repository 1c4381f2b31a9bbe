"""Policy `twap`: a position in slices, one in each slot of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from btcframe.api import Intent, Market, Position, Wakes
from btcframe.types import NS, Instrument, TimeInForce
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
from btcframe_execution.taking import take
from btcframe_execution.target import UNUSABLE, Target, cancel, must_wait, sort_out, target, worst_taken

SHORTEST_NS = NS // 10
"""The shortest slot: ten timers in it are as often as a policy may want to be woken."""


@dataclass(frozen=True)
class Twap:
    """Be long or short by a fixed size while the prediction says so, bought and sold in equal slices over time.

    Time is cut into slots of duration / slices, by the clock and not from the first order on. A slot sends one
    slice, ⌈larger of size and position / slices⌉ lots or what is left to trade: it rests as the orders of `passive`
    do, more urgently as time passes, until `resting` of the slot is over; what it has not filled by then is
    taken with an IOC order capped as that of `market`, and what even that leaves is for the next slots. Opens where
    the prediction pays for two makers' fees, and takes where it pays for one of a taker. When the prediction
    changes sign, what is held is closed in slices, too.

    Parameters
    ----------
    size : float              position to take, base coin
    horizon : str             duration of the prediction to act on, "" for the longest of the label
    maker_fee_bps : float     of one fill, negative for a rebate
    taker_fee_bps : float     of one fill
    threshold_bps : float     expected return wanted beyond the fees of the round trip
    duration : str            of the whole size
    slices : int              in it
    resting : float           share of a slot in which its slice rests: 0 takes at once, 1 never takes
    reprice_bps : float       how much more another place in the queue must be worth
    slippage_bps : float      how far from the best price an order may take
    """

    size: float = 0.01
    horizon: str = ""
    maker_fee_bps: float = 2.0
    taker_fee_bps: float = 5.5
    threshold_bps: float = 0.0
    duration: str = "10s"
    slices: int = 5
    resting: float = 0.6
    reprice_bps: float = 0.05
    slippage_bps: float = 5.0

    def __post_init__(self) -> None:
        check_range("size", self.size, 0.0, LARGEST)
        check_horizon(self.horizon)
        check_fee("maker_fee_bps", self.maker_fee_bps)
        check_fee("taker_fee_bps", self.taker_fee_bps)
        check_range("threshold_bps", self.threshold_bps, 0.0)
        check_duration("duration", self.duration)
        check_range("slices", self.slices, 1, 10_000)
        if period_ns(self.duration) < self.slices * SHORTEST_NS:
            raise ValueError(f"slices: {self.slices} of {self.duration} are shorter than 100ms each")
        check_range("resting", self.resting, 0.0, 1.0)
        check_range("reprice_bps", self.reprice_bps, 0.0)
        check_range("slippage_bps", self.slippage_bps, 0.0, 1000.0)

    @property
    def slot_ns(self) -> int:
        """Length of a slot, the last one's rest of a division left out."""
        return period_ns(self.duration) // self.slices

    @property
    def wakes(self) -> Wakes:
        """Every change of the best prices, and ten times a slot."""
        return Wakes(best=True, timer_ns=self.slot_ns // 10)

    def suits(self, instrument: Instrument) -> None:
        """Refuse a size of less than a lot."""
        wanted_lots(instrument, self.size)

    def decide(self, market: Market, position: Position) -> Sequence[Intent]:
        """Cancel what is not wanted or late, reprice what works, or submit the slice of this slot."""
        slot, into_ns = divmod(market.now_ns, self.slot_ns)
        rests_ns = self.resting * self.slot_ns
        want, now = UNUSABLE, signal(market, self.horizon)
        if market.usable:
            lots = wanted_lots(market.instrument, self.size)
            cost_bps = max(0.0, 2 * self.maker_fee_bps) + self.threshold_bps
            want = target(market, position, now, lots, cost_bps)
        kept, cancels = sort_out(position, want)
        if kept is not None:
            if kept.ns // self.slot_ns != slot or into_ns >= rests_ns:
                return (*cancels, cancel(kept, "slot"))
            urgency = into_ns / rests_ns
            book = book_of(market, want.side)
            moved = reprice(market, book, kept, want, self.maker_fee_bps, urgency, self.reprice_bps)
            return (*cancels, *moved)
        if position.working or not want.side:
            return cancels
        lots = min(want.lots, self._left(position, want, slot, lots))
        if not lots:
            return ()
        want = want._replace(lots=lots)
        if into_ns < rests_ns:
            if must_wait(market, position):
                return ()
            return rest(book_of(market, want.side), want, self.maker_fee_bps)
        cost_bps = max(0.0, self.taker_fee_bps + self.maker_fee_bps) + self.threshold_bps
        return take(market, want, worst_taken(market, want, now.mean, cost_bps), self.slippage_bps, "slot")

    def _left(self, position: Position, want: Target, slot: int, lots: int) -> int:
        """Lots that this slot may still send: its slice, less what its orders have filled."""
        last = position.last
        if last is None or last.ns // self.slot_ns != slot:
            return -(-max(lots, abs(position.lots)) // self.slices)
        same = last.side == want.side and last.reduce_only == want.reduce_only
        return last.lots - last.filled_lots if same and last.tif == TimeInForce.POST_ONLY else 0
