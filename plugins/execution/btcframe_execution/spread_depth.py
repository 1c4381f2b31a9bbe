"""Risk rule `spread_depth`: nothing is opened in a book that is wide or thin."""

from __future__ import annotations

from dataclasses import dataclass

from btcframe.api import Account, Intent, Market, Veto
from btcframe.types import Ints
from btcframe_execution.signal import LARGEST, check_range, spread_bps, whole_lots


@dataclass(frozen=True)
class SpreadDepth:
    """Veto opening orders while the spread is wide, or a side of the book is thin near its best price.

    Both sides count: what is opened must be closed. Without a usable book nothing is opened. Orders that only reduce
    pass always.

    Parameters
    ----------
    max_spread_bps : float    of the mid
    min_depth : float         base coin (contracts of an inverse one) within `depth_bps` of the best price, each side
    depth_bps : float         of the best price
    """

    max_spread_bps: float = 10.0
    min_depth: float = 0.0
    depth_bps: float = 10.0

    def __post_init__(self) -> None:
        check_range("max_spread_bps", self.max_spread_bps, 0.0, 1e4)
        check_range("min_depth", self.min_depth, 0.0, LARGEST)
        check_range("depth_bps", self.depth_bps, 0.0, 1e4)

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent or a Veto `spread_depth`."""
        if account.position.reduces(intent):
            return intent
        if not market.usable:
            return Veto("spread_depth", "the book is not usable")
        if (spread := spread_bps(market)) > self.max_spread_bps:
            return Veto("spread_depth", f"a spread of {spread:.1f} bps, limit {self.max_spread_bps:g}")
        wanted = whole_lots(market.instrument, self.min_depth)
        for side, ticks, lots in (
            ("bid", market.bid_ticks, market.bid_lots),
            ("ask", market.ask_ticks, market.ask_lots),
        ):
            if wanted and (there := depth(ticks, lots, self.depth_bps)) < wanted:
                return Veto("spread_depth", f"{there} lots on the {side} side, wanted {wanted}")
        return intent


def depth(ticks: Ints, lots: Ints, within_bps: float) -> int:
    """Lots of a side within some bps of its best price."""
    best = ticks.item(0)
    return int(lots[abs(ticks - best) * 1e4 <= within_bps * best].sum())
