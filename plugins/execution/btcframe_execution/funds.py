"""Risk rule `funds`: what is opened can be paid for."""

from __future__ import annotations

from dataclasses import dataclass

from btcframe.api import Account, Intent, Market, Veto
from btcframe_execution.exposure import lots_for, price_of, within
from btcframe_execution.signal import check_fee, check_range


@dataclass(frozen=True)
class Funds:
    """Open nothing that the account cannot pay for, even if every order that works fills.

    A contract needs its value and the fee, divided by the leverage, as equity. On a spot market the position and
    what is bought are worth no more than the equity, and nothing is sold that is not held. An order that goes too far
    is cut, and vetoed where nothing is left of it or no price is known. Orders that only reduce pass always.

    Parameters
    ----------
    leverage : float    of a contract; spot has none
    fee_bps : float     of one fill
    keep : float        equity that is not used, settle coin
    """

    leverage: float = 1.0
    fee_bps: float = 5.5
    keep: float = 0.0

    def __post_init__(self) -> None:
        check_range("leverage", self.leverage, 0.01, 1000.0)
        check_fee("fee_bps", self.fee_bps)
        check_range("keep", self.keep, 0.0)

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent, a smaller one, or a Veto `funds`."""
        if account.position.reduces(intent):
            return intent
        instrument, price = market.instrument, price_of(intent, market)
        if instrument.contract == "spot" and intent.side < 0:
            return within(intent, account.position, 0, "funds")
        leverage = 1.0 if instrument.contract == "spot" else self.leverage
        value = (account.equity - self.keep) * leverage / (1 + self.fee_bps / 1e4)
        if instrument.contract == "inverse":
            value *= price  # the equity is in base coin
        limit = lots_for(instrument, value, price)
        if not limit:
            return Veto(
                "funds", f"an equity of {account.equity:.2f} pays for nothing at a price of {price:g}"
            )
        return within(intent, account.position, limit, "funds")
