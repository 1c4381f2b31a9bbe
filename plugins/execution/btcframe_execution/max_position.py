"""Risk rule `max_position`: a limit on what can be held."""

from __future__ import annotations

from dataclasses import dataclass

from btcframe.api import Account, Intent, Market, Veto
from btcframe_execution.exposure import within
from btcframe_execution.signal import LARGEST, check_range, whole_lots


@dataclass(frozen=True)
class MaxPosition:
    """Keep |position| within a limit, even if every order that works fills.

    An order that would break the limit is cut to the room that is left; without room, or where it asks for all or
    nothing, it is vetoed. Orders that only reduce pass always.

    Parameters
    ----------
    size : float      limit on the position, either side, base coin
    """

    size: float = 0.05

    def __post_init__(self) -> None:
        check_range("size", self.size, 0.0, LARGEST)

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent, a smaller one, or a Veto `max_position`."""
        if account.position.reduces(intent):
            return intent
        return within(intent, account.position, whole_lots(market.instrument, self.size), "max_position")
