"""Risk rule `notional`: limits on the value of an order and of the position."""

from __future__ import annotations

from dataclasses import dataclass

from btcframe.api import Account, Intent, Market, Veto
from btcframe_execution.exposure import lots_for, price_of, within
from btcframe_execution.signal import check_range


@dataclass(frozen=True)
class Notional:
    """Keep the value of each order and of |position| within limits, even if every order that works fills.

    Valued at the order's limit or the mid, whichever is higher; an order that would break a limit is cut, and vetoed
    where nothing is left of it or no price is known. Orders that only reduce pass always.

    Parameters
    ----------
    order : float        limit on one order, quote
    position : float     limit on the position, either side, quote
    """

    order: float = 5_000.0
    position: float = 10_000.0

    def __post_init__(self) -> None:
        check_range("order", self.order, 0.0)
        check_range("position", self.position, 0.0)

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent, a smaller one, or a Veto `notional`."""
        if account.position.reduces(intent):
            return intent
        price = price_of(intent, market)
        most = lots_for(market.instrument, self.order, price)
        if not most:
            return Veto("notional", f"not a lot within {self.order:g} at a price of {price:g}")
        limit = lots_for(market.instrument, self.position, price)
        return within(intent._replace(lots=min(intent.lots, most)), account.position, limit, "notional")
