"""Risk rule `stale_model`: nothing is opened on what an old model says."""

from __future__ import annotations

from dataclasses import dataclass

from btcframe.api import Account, Intent, Market, Veto
from btcframe_execution.signal import check_duration, period_ns


@dataclass(frozen=True)
class StaleModel:
    """Veto opening orders without a model, and where the data it was fitted on ended too long ago.

    The end is that of the training window. Artefacts that do not tell it pass unless `known` asks for it. Orders that
    only reduce pass always.

    Parameters
    ----------
    max_age : str    duration
    known : bool     whether a model whose age is not known is refused
    """

    max_age: str = "30d"
    known: bool = False

    def __post_init__(self) -> None:
        check_duration("max_age", self.max_age)

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent or a Veto `stale_model`."""
        if account.position.reduces(intent):
            return intent
        models = market.prediction["model"]
        if not len(models) or models.item(0) < 0:
            return Veto("stale_model", "there is no model")
        if not market.model_ns:
            return Veto("stale_model", "the age of the model is not known") if self.known else intent
        age_ns = market.now_ns - market.model_ns
        if age_ns > period_ns(self.max_age):
            return Veto("stale_model", f"its data ended {age_ns / 3.6e12:.1f} h ago, limit {self.max_age}")
        return intent
