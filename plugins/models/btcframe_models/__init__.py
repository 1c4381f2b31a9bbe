"""btcframe-models: the contents page."""

from __future__ import annotations

from collections.abc import Mapping

from btcframe.hookspecs import hookimpl
from btcframe_models.ridge import Ridge
from btcframe_models.zero import Zero


@hookimpl
def btcframe_components() -> Mapping[str, Mapping[str, type]]:
    """Components of this distribution by slot and name."""
    return {"model": {"ridge": Ridge, "zero": Zero}}
