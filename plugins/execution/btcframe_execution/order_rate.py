"""Risk rule `order_rate`: how many orders may be sent in a while."""

from __future__ import annotations

from dataclasses import dataclass

from btcframe.api import Account, Intent, Market, Stop, TraderState, Veto
from btcframe_execution.signal import check_range


@dataclass(frozen=True)
class OrderRate:
    """Limit the orders sent and amended within a second and within a minute, and halt a policy that runs away.

    Cancels are not counted and never held up. Orders that only reduce count, and pass; but more orders than `runaway`
    within a second, of whatever kind, are a fault, and the trader is HALTED.

    Parameters
    ----------
    second : int     orders within a second
    minute : int     within a minute
    runaway : int    within a second, reducing ones included
    """

    second: int = 10
    minute: int = 200
    runaway: int = 100

    def __post_init__(self) -> None:
        for name in ("second", "minute", "runaway"):
            check_range(name, getattr(self, name), 1, 1e9)

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent or a Veto `order_rate`."""
        if account.position.reduces(intent):
            return intent
        if account.last_second >= self.second:
            return Veto("order_rate", f"{account.last_second} orders within a second, limit {self.second}")
        if account.last_minute >= self.minute:
            return Veto("order_rate", f"{account.last_minute} orders within a minute, limit {self.minute}")
        return intent

    def stop(self, account: Account, market: Market) -> Stop | None:
        """HALTED where orders run away."""
        if account.last_second <= self.runaway:
            return None
        return Stop(TraderState.HALTED, "order_rate", f"{account.last_second} orders within a second")
