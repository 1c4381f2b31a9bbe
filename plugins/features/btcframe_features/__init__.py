"""btcframe-features: the contents page."""

from __future__ import annotations

from collections.abc import Mapping

from btcframe.hookspecs import hookimpl
from btcframe_features.book import Book
from btcframe_features.calendar import Calendar
from btcframe_features.flow import Flow
from btcframe_features.impact import Impact
from btcframe_features.moments import Moments
from btcframe_features.pressure import Pressure
from btcframe_features.returns import Returns
from btcframe_features.shape import Shape
from btcframe_features.toxicity import Toxicity
from btcframe_features.trades import Trades
from btcframe_features.urgency import Urgency
from btcframe_features.volatility import Volatility


@hookimpl
def btcframe_components() -> Mapping[str, Mapping[str, type]]:
    """Components of this distribution by slot and name."""
    return {
        "features": {
            "book": Book,
            "returns": Returns,
            "volatility": Volatility,
            "moments": Moments,
            "calendar": Calendar,
            "trades": Trades,
            "impact": Impact,
            "flow": Flow,
            "pressure": Pressure,
            "shape": Shape,
            "toxicity": Toxicity,
            "urgency": Urgency,
        }
    }
