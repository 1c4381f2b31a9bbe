"""btcframe-regimes: the contents page."""

from __future__ import annotations

from collections.abc import Mapping

from btcframe.hookspecs import hookimpl
from btcframe_regimes.hht import Hht
from btcframe_regimes.hmm import Hmm
from btcframe_regimes.volatility import Volatility


@hookimpl
def btcframe_components() -> Mapping[str, Mapping[str, type]]:
    """Components of this distribution by slot and name."""
    return {"regime": {"hht": Hht, "hmm": Hmm, "volatility": Volatility}}
