"""btcframe-execution: the contents page."""

from __future__ import annotations

from collections.abc import Mapping

from btcframe.hookspecs import hookimpl
from btcframe_execution.adaptive import Adaptive
from btcframe_execution.collar import Collar
from btcframe_execution.confidence import Confidence
from btcframe_execution.daily_loss import DailyLoss
from btcframe_execution.drawdown import Drawdown
from btcframe_execution.edge import Edge
from btcframe_execution.funds import Funds
from btcframe_execution.market import MarketPolicy
from btcframe_execution.max_position import MaxPosition
from btcframe_execution.notional import Notional
from btcframe_execution.order_rate import OrderRate
from btcframe_execution.passive import Passive
from btcframe_execution.quality import Quality
from btcframe_execution.regime import RegimeGate
from btcframe_execution.spread_depth import SpreadDepth
from btcframe_execution.stale_data import StaleData
from btcframe_execution.stale_model import StaleModel
from btcframe_execution.twap import Twap
from btcframe_execution.vol_target import VolTarget


@hookimpl
def btcframe_components() -> Mapping[str, Mapping[str, type]]:
    """Components of this distribution by slot and name."""
    return {
        "policy": {"adaptive": Adaptive, "market": MarketPolicy, "passive": Passive, "twap": Twap},
        "risk": {
            "collar": Collar,
            "confidence": Confidence,
            "daily_loss": DailyLoss,
            "drawdown": Drawdown,
            "edge": Edge,
            "funds": Funds,
            "max_position": MaxPosition,
            "notional": Notional,
            "order_rate": OrderRate,
            "quality": Quality,
            "regime": RegimeGate,
            "spread_depth": SpreadDepth,
            "stale_data": StaleData,
            "stale_model": StaleModel,
            "vol_target": VolTarget,
        },
    }
