"""Risk rule `collar`: no price far from the market."""

from __future__ import annotations

from dataclasses import dataclass

from btcframe.api import Account, Intent, Market, Veto
from btcframe.types import Ints
from btcframe_execution.signal import check_range


@dataclass(frozen=True)
class Collar:
    """Veto opening orders whose price is far from the best prices, either way.

    An order without a price is judged by the last level that it would take. Without a usable book no price can be
    judged, and nothing is opened. Orders that only reduce pass always.

    Parameters
    ----------
    through_bps : float    how far beyond the best price of the other side an order may reach
    away_bps : float       how far behind the best price of its own side it may wait
    """

    through_bps: float = 25.0
    away_bps: float = 200.0

    def __post_init__(self) -> None:
        check_range("through_bps", self.through_bps, 0.0, 1e4)
        check_range("away_bps", self.away_bps, 0.0, 1e4)

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent or a Veto `collar`."""
        if account.position.reduces(intent):
            return intent
        if not market.usable:
            return Veto("collar", "the book is not usable")
        own, other, lots = market.bid_ticks, market.ask_ticks, market.ask_lots
        if intent.side < 0:
            own, other, lots = market.ask_ticks, market.bid_ticks, market.bid_lots
        ticks = intent.ticks or last_level(other, lots, intent.lots)
        if not ticks:
            return Veto("collar", f"{intent.lots} lots at any price, more than are seen in the book")
        through = 1e4 * intent.side * (ticks - other.item(0)) / other.item(0)
        if through > self.through_bps:
            return Veto("collar", f"{through:.1f} bps through the best price, limit {self.through_bps:g}")
        away = 1e4 * intent.side * (own.item(0) - ticks) / own.item(0)
        if away > self.away_bps:
            return Veto("collar", f"{away:.1f} bps behind the best price, limit {self.away_bps:g}")
        return intent


def last_level(ticks: Ints, lots: Ints, wanted: int) -> int:
    """Price of the level at which `wanted` lots are there, ticks; 0 where they are not."""
    for price, offered in zip(ticks.tolist(), lots.tolist(), strict=True):
        wanted -= offered
        if wanted <= 0:
            return int(price)
    return 0
