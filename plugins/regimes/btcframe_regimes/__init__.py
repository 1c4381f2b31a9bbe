"""btcframe-regimes: the contents page."""

from __future__ import annotations

from collections.abc import Mapping

from btcframe.hookspecs import hookimpl
from btcframe_regimes.volatility import Volatility


@hookimpl
def btcframe_components() -> Mapping[str, Mapping[str, type]]:
    """Components of this distribution by slot and name."""
    return {"regime": {"volatility": Volatility}}
