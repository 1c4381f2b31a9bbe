"""Risk rule `drawdown`: how much of its peak the account may lose."""

from __future__ import annotations

from dataclasses import dataclass

from btcframe.api import Account, Intent, Market, Stop, Veto
from btcframe_execution.losses import check_limits, stop_at, unless_stopped


@dataclass(frozen=True)
class Drawdown:
    """Stop when the equity is too far below its highest mark: first opening, then everything.

    drawdown = 1 − equity/peak. Both stops hold until the trader is told to resume; the peak then starts anew.
    Orders that only reduce pass always.

    Parameters
    ----------
    reduce : float    from here on the trader is REDUCING, share of the peak
    halt : float      from here on it is HALTED
    """

    reduce: float = 0.1
    halt: float = 0.15

    def __post_init__(self) -> None:
        check_limits(self.reduce, self.halt)

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent or a Veto `drawdown`."""
        return unless_stopped(intent, account, self.stop(account, market))

    def stop(self, account: Account, market: Market) -> Stop | None:
        """REDUCING or HALTED where a limit is reached."""
        return stop_at("drawdown", account.equity, account.peak_equity, self.reduce, self.halt)
