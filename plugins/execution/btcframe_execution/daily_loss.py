"""Risk rule `daily_loss`: how much may be lost in a day."""

from __future__ import annotations

from dataclasses import dataclass

from btcframe.api import Account, Intent, Market, Stop, Veto
from btcframe.types import DAY
from btcframe_execution.losses import check_limits, stop_at, unless_stopped


@dataclass(frozen=True)
class DailyLoss:
    """Stop when too much is lost since the day began, in UTC: first opening, then everything.

    loss = 1 − equity/(equity at the first mark of the day). REDUCING ends with the day; HALTED holds until the trader
    is told to resume, and what is measured then starts anew. Orders that only reduce pass always.

    Parameters
    ----------
    reduce : float    from here on the trader is REDUCING, share of the equity at the start of the day
    halt : float      from here on it is HALTED
    """

    reduce: float = 0.03
    halt: float = 0.05

    def __post_init__(self) -> None:
        check_limits(self.reduce, self.halt)

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent or a Veto `daily_loss`."""
        return unless_stopped(intent, account, self.stop(account, market))

    def stop(self, account: Account, market: Market) -> Stop | None:
        """REDUCING or HALTED where a limit is reached."""
        tomorrow_ns = (market.now_ns // DAY + 1) * DAY
        return stop_at("daily_loss", account.equity, account.day_equity, self.reduce, self.halt, tomorrow_ns)
