"""Risk rule `max_position`: a limit on what can be held."""

from __future__ import annotations

from dataclasses import dataclass

from btcframe.api import Account, Action, Intent, Market, Veto
from btcframe.types import TimeInForce
from btcframe_execution.signal import LARGEST, check_range, whole_lots


@dataclass(frozen=True)
class MaxPosition:
    """Keep |position| within a limit, even if every order that works fills.

    An order that would break the limit is cut to the room that is left; without room, or where it asks for all or
    nothing, it is vetoed. Reduce-only orders pass always.

    Parameters
    ----------
    size : float      limit on the position, either side, base coin
    """

    size: float = 0.05

    def __post_init__(self) -> None:
        check_range("size", self.size, 0.0, LARGEST)

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent, a smaller one, or a Veto `max_position`."""
        if intent.action == Action.CANCEL or intent.reduce_only:
            return intent
        limit = whole_lots(market.instrument, self.size)
        reach = intent.side * account.position.lots  # the most there can be on this side without the intent
        filled = 0
        for order in account.position.working:
            if intent.action == Action.AMEND and order.order_id == intent.order_id:
                filled = order.filled_lots
            elif order.side == intent.side and not order.reduce_only:
                reach += order.lots - order.filled_lots
        room = limit - reach + filled  # an amendment's lots are the new total
        if intent.lots <= room:
            return intent
        if room - filled <= 0 or intent.tif == TimeInForce.FOK:
            return Veto("max_position", f"{reach} lots held or on their way, limit {limit}")
        return intent._replace(lots=room)
