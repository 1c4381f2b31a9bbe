"""Risk rule `edge`: an expected return that pays for getting in and out."""

from __future__ import annotations

from dataclasses import dataclass

from btcframe.api import Account, Intent, Market, Veto
from btcframe.types import TimeInForce
from btcframe_execution.signal import check_fee, check_horizon, check_range, signal, spread_bps


@dataclass(frozen=True)
class Edge:
    """Veto opening orders whose expected return, less what the round trip costs in this book, is too small.

    ::

        edge = side·mean − entry − exit      bps of the mid
        entry  a POST_ONLY order: the maker fee. Any other: the taker fee, and by how much the levels that it would
               take, up to its limit, are worse than the mid on average (at least half the spread)
        exit   the taker fee and half the spread; the maker fee where the position is to be closed by waiting

    What a maker gains by not crossing the spread is not counted: it is the price of being filled when the market
    comes against it. Without a prediction or a usable book there is no edge. Orders that only reduce pass always.

    Parameters
    ----------
    min_edge_bps : float      wanted beyond the cost, bps
    maker_fee_bps : float     of one fill, negative for a rebate
    taker_fee_bps : float     of one fill
    exit_maker : bool         whether positions are closed by waiting
    horizon : str             duration of the prediction to look at, "" for the longest of the label
    """

    min_edge_bps: float = 0.0
    maker_fee_bps: float = 2.0
    taker_fee_bps: float = 5.5
    exit_maker: bool = False
    horizon: str = ""

    def __post_init__(self) -> None:
        check_range("min_edge_bps", self.min_edge_bps, -1000.0, 1000.0)
        check_fee("maker_fee_bps", self.maker_fee_bps)
        check_fee("taker_fee_bps", self.taker_fee_bps)
        check_horizon(self.horizon)

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent or a Veto `edge`."""
        if account.position.reduces(intent):
            return intent
        if not market.usable:
            return Veto("edge", "the book is not usable, so the cost is not known")
        half = spread_bps(market) / 2
        if intent.tif == TimeInForce.POST_ONLY:
            entry = self.maker_fee_bps
        else:
            entry = self.taker_fee_bps + max(half, taking_bps(intent, market))
        leave = self.maker_fee_bps if self.exit_maker else self.taker_fee_bps + half
        edge = intent.side * signal(market, self.horizon).mean - entry - leave
        if not edge >= self.min_edge_bps:  # NaN is not
            return Veto(
                "edge", f"{edge:.2f} bps after {entry + leave:.2f} of cost, wanted {self.min_edge_bps:.2f}"
            )
        return intent


def taking_bps(intent: Intent, market: Market) -> float:
    """By how much the levels that an order would take at once are worse than the mid, bps on average; 0 for none."""
    buys = intent.side > 0
    ticks, lots = (market.ask_ticks, market.ask_lots) if buys else (market.bid_ticks, market.bid_lots)
    mid = (market.bid_ticks.item(0) + market.ask_ticks.item(0)) / 2
    left, cost = intent.lots, 0.0
    for price, offered in zip(ticks.tolist(), lots.tolist(), strict=True):
        if left <= 0 or (intent.ticks and intent.side * (price - intent.ticks) > 0):
            break
        taken = min(left, offered)
        cost += taken * intent.side * (price - mid)
        left -= taken
    taken = intent.lots - left
    return 1e4 * cost / taken / mid if taken else 0.0
