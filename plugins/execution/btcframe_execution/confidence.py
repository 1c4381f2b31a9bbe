"""Risk rule `confidence`: nothing is opened on a weak prediction."""

from __future__ import annotations

from dataclasses import dataclass

from btcframe.api import Account, Intent, Market, Veto
from btcframe_execution.signal import check_horizon, check_range, signal


@dataclass(frozen=True)
class Confidence:
    """Veto opening orders whose prediction is missing, against them, or not sure enough.

    An order passes where side·mean >= cost_bps + min_edge_bps, and where its direction has at least the probability
    min_probability (p_up for a buy, 1 − p_up for a sell). Orders that only reduce pass always.

    Parameters
    ----------
    cost_bps : float          of the round trip: fees of both fills, and the spread for who takes
    min_edge_bps : float      expected return wanted beyond the cost
    min_probability : float   0 asks for none; above 0 a model without probabilities is vetoed
    horizon : str             duration of the prediction to look at, "" for the longest of the label
    """

    cost_bps: float = 0.0
    min_edge_bps: float = 0.0
    min_probability: float = 0.0
    horizon: str = ""

    def __post_init__(self) -> None:
        check_range("cost_bps", self.cost_bps, -1000.0, 1000.0)
        check_range("min_edge_bps", self.min_edge_bps, 0.0)
        check_range("min_probability", self.min_probability, 0.0, 1.0)
        check_horizon(self.horizon)

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent or a Veto `confidence`."""
        if account.position.reduces(intent):
            return intent
        now = signal(market, self.horizon)
        edge = intent.side * now.mean
        wanted = self.cost_bps + self.min_edge_bps
        if not edge >= wanted:  # NaN is not
            return Veto("confidence", f"expected {edge:.2f} bps, wanted {wanted:.2f}")
        probability = now.p_up if intent.side > 0 else 1 - now.p_up
        if self.min_probability > 0 and not probability >= self.min_probability:
            return Veto("confidence", f"probability {probability:.3f}, wanted {self.min_probability:.3f}")
        return intent
