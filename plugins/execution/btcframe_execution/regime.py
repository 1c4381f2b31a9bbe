"""Risk rule `regime`: trading in some states of the market only."""

from __future__ import annotations

from dataclasses import dataclass

from btcframe.api import Account, Intent, Market, Veto
from btcframe.errors import ConfigError, did_you_mean
from btcframe_execution.signal import check_range


@dataclass(frozen=True)
class RegimeGate:
    """Veto opening orders unless the market is, probably enough, in one of the allowed regimes.

    Without a model there are no probabilities, and nothing is opened where regimes are asked for. Orders that only
    reduce pass always.

    Parameters
    ----------
    allowed : tuple of str      names of regimes as the model has them; empty allows all
    min_probability : float     of the allowed ones together
    """

    allowed: tuple[str, ...] = ()
    min_probability: float = 0.5

    def __post_init__(self) -> None:
        check_range("min_probability", self.min_probability, 0.0, 1.0)

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent or a Veto `regime`.

        Raises
        ------
        ConfigError
            If the model knows no regime of an allowed name.
        """
        if not self.allowed or account.position.reduces(intent):
            return intent
        if not market.regimes:
            return Veto("regime", "there is no model to tell it")
        for name in self.allowed:
            if name not in market.regimes:
                raise ConfigError(
                    f"allowed: the model knows no regime {name}", hint=did_you_mean(name, market.regimes)
                )
        known = zip(market.regimes, market.regime.tolist(), strict=True)
        probability = sum(p for name, p in known if name in self.allowed)
        if probability >= self.min_probability:  # NaN is not
            return intent
        return Veto(
            "regime", f"{', '.join(self.allowed)}: {probability:.2f}, wanted {self.min_probability:.2f}"
        )
