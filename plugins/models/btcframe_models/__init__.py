"""btcframe-models: the contents page."""

from __future__ import annotations

from collections.abc import Mapping

from btcframe.hookspecs import hookimpl
from btcframe_models.boosting import Boosting
from btcframe_models.ensemble import Ensemble
from btcframe_models.extra_trees import ExtraTrees
from btcframe_models.light_gbm import LightGBM
from btcframe_models.mock import Mock
from btcframe_models.persistence import Persistence
from btcframe_models.regime_mixture import RegimeMixture
from btcframe_models.ridge import Ridge
from btcframe_models.selected import Selected
from btcframe_models.zero import Zero


@hookimpl
def btcframe_components() -> Mapping[str, Mapping[str, type]]:
    """Components of this distribution by slot and name."""
    return {
        "model": {
            "boosting": Boosting,
            "ensemble": Ensemble,
            "extra_trees": ExtraTrees,
            "lightgbm": LightGBM,
            "mock": Mock,
            "persistence": Persistence,
            "regime_mixture": RegimeMixture,
            "ridge": Ridge,
            "selected": Selected,
            "zero": Zero,
        }
    }
