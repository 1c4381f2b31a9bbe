"""Risk rule `quality`: nothing is opened on data that cannot be trusted."""

from __future__ import annotations

from dataclasses import dataclass

from btcframe.api import Account, Intent, Market, Veto
from btcframe_execution.signal import check_range


@dataclass(frozen=True)
class Quality:
    """Veto opening orders while the quality of the last row is too low, see docs/quality.md.

    Orders that only reduce pass always.

    Parameters
    ----------
    min_quality : float    0 to 1
    """

    min_quality: float = 0.5

    def __post_init__(self) -> None:
        check_range("min_quality", self.min_quality, 0.0, 1.0)

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent or a Veto `quality`."""
        if account.position.reduces(intent) or market.quality >= self.min_quality:
            return intent
        return Veto("quality", f"{market.quality:.2f}, wanted {self.min_quality:.2f}")
