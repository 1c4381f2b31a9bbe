"""btcframe-execution: the contents page."""

from __future__ import annotations

from collections.abc import Mapping

from btcframe.hookspecs import hookimpl
from btcframe_execution.confidence import Confidence
from btcframe_execution.market import MarketPolicy
from btcframe_execution.max_position import MaxPosition
from btcframe_execution.passive import Passive


@hookimpl
def btcframe_components() -> Mapping[str, Mapping[str, type]]:
    """Components of this distribution by slot and name."""
    return {
        "policy": {"market": MarketPolicy, "passive": Passive},
        "risk": {"confidence": Confidence, "max_position": MaxPosition},
    }
