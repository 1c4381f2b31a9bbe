"""Risk rule `vol_target`: the wilder the market, the smaller the position."""

from __future__ import annotations

from dataclasses import dataclass

from btcframe.api import Account, Intent, Market, Veto
from btcframe_execution.exposure import lots_for, price_of, within
from btcframe_execution.signal import check_range


@dataclass(frozen=True)
class VolTarget:
    """Keep |position| so small that an ordinary move costs a set share of the equity, even if all that works fills.

    ::

        limit = target_bps·equity / max(σ, floor_bps)      σ: the column's volatility over its window, bps

    An order that goes further is cut, and vetoed where nothing is left of it, or volatility, equity or price is not
    known. What is held already is not reduced when the volatility rises. Orders that only reduce pass always.

    Parameters
    ----------
    target_bps : float    share of the equity that a move of one σ may cost, bps
    floor_bps : float     σ is taken to be at least this, bps: a market that stood still will not stay so
    column : str          feature column with the standard deviation of the mid's log return over a window, unit 1
    """

    target_bps: float = 1.0
    floor_bps: float = 1.0
    column: str = "rv_60"

    def __post_init__(self) -> None:
        check_range("target_bps", self.target_bps, 0.0, 1e4)
        check_range("floor_bps", self.floor_bps, 1e-3, 1e4)
        if not self.column:
            raise ValueError("column: name the feature column to look at, e.g. rv_60")

    @property
    def reads(self) -> tuple[str, ...]:
        """The feature columns it needs."""
        return (self.column,)

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent, a smaller one, or a Veto `vol_target`."""
        if account.position.reduces(intent):
            return intent
        sigma_bps = 1e4 * market.x.item(market.columns.index(self.column))
        if not sigma_bps >= 0:  # NaN is not
            return Veto("vol_target", f"{self.column} is not known")
        instrument, price = market.instrument, price_of(intent, market)
        value = self.target_bps * account.equity / max(sigma_bps, self.floor_bps)
        if instrument.contract == "inverse":
            value *= price  # the equity is in base coin
        limit = lots_for(instrument, value, price)
        if not limit:
            return Veto("vol_target", f"not a lot at σ = {sigma_bps:.2f} bps and a price of {price:g}")
        return within(intent, account.position, limit, "vol_target")
