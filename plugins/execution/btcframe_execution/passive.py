"""Policy `passive`: waits at the best price instead of paying for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from btcframe.api import Action, Intent, Market, Position, Wakes
from btcframe.types import OrderState, TimeInForce, duration_ns
from btcframe_execution.signal import (
    LARGEST,
    check_horizon,
    check_range,
    entry_side,
    exit_reason,
    signal,
    whole_lots,
)


@dataclass(frozen=True)
class Passive:
    """Be long or short by a fixed size while the prediction says so, with post-only orders at the best price.

    Opens when |expected return| >= 2·fee_bps + threshold_bps: a maker pays no spread, but is filled when the
    market comes against it, which no prediction of the mid accounts for. Holds until the prediction changes sign,
    then closes with a reduce-only post-only order.

    One order works at a time, at the best price of its own side; when that moves, the order is amended. What is no
    longer wanted is canceled, and so is everything while the book cannot be trusted. An opening order that has
    not filled after `patience` is given up: it is canceled, and a new one needs a prediction that still asks for it.

    Parameters
    ----------
    size : float            position to take, base coin
    horizon : str           duration of the prediction to act on, "" for the longest of the label
    fee_bps : float         maker fee of one fill, negative for a rebate
    threshold_bps : float   expected return wanted beyond the fees of the round trip
    patience : str          duration
    """

    size: float = 0.01
    horizon: str = ""
    fee_bps: float = 2.0
    threshold_bps: float = 0.0
    patience: str = "5s"

    def __post_init__(self) -> None:
        check_range("size", self.size, 0.0, LARGEST)
        check_horizon(self.horizon)
        check_range("fee_bps", self.fee_bps, -1000.0, 1000.0)
        check_range("threshold_bps", self.threshold_bps, 0.0)
        try:
            duration_ns(self.patience)
        except ValueError as error:
            raise ValueError(f"patience: {error}") from error

    @property
    def wakes(self) -> Wakes:
        """Every change of the best prices: the order follows them."""
        return Wakes(best=True)

    def decide(self, market: Market, position: Position) -> Sequence[Intent]:
        """Cancel what is not wanted, reprice what has fallen behind, or submit what is missing."""
        side, lots, reason = self._wanted(market, position) if market.usable else (0, 0, "book unusable")
        reduce_only = side * position.lots < 0
        intents: list[Intent] = []
        for order in position.working:
            if order.state == OrderState.PENDING_CANCEL:
                continue
            wanted = order.side == side and order.reduce_only == reduce_only
            if not wanted or intents:
                intents.append(Intent(Action.CANCEL, order_id=order.order_id, reason=reason or "not wanted"))
            elif not reduce_only and market.now_ns - order.ns >= duration_ns(self.patience):
                intents.append(Intent(Action.CANCEL, order_id=order.order_id, reason="patience"))
            elif order.ticks != (best := self._best(market, side)):
                intents.append(
                    Intent(
                        Action.AMEND,
                        lots=order.lots,
                        ticks=best,
                        order_id=order.order_id,
                        reason="best moved",
                    )
                )
        if not position.working and lots > 0:
            best = self._best(market, side)
            intents.append(
                Intent(Action.SUBMIT, side, lots, best, TimeInForce.POST_ONLY, reduce_only, reason=reason)
            )
        return intents

    def _wanted(self, market: Market, position: Position) -> tuple[int, int, str]:
        """Side and lots still to be traded, and why; side 0 for nothing."""
        now = signal(market, self.horizon)
        held = position.lots
        if why := exit_reason(held, now):
            return (-1 if held > 0 else 1), abs(held), why
        side = entry_side(now, max(0.0, 2 * self.fee_bps) + self.threshold_bps)
        missing = whole_lots(market.instrument, self.size) - abs(held)
        return (side, missing, "signal") if side and missing > 0 else (0, 0, "")

    @staticmethod
    def _best(market: Market, side: int) -> int:
        return int((market.bid_ticks if side > 0 else market.ask_ticks)[0])
