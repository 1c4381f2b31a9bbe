"""btcframe-features: the contents page."""

from __future__ import annotations

from collections.abc import Mapping

from btcframe.hookspecs import hookimpl
from btcframe_features.book import Book
from btcframe_features.returns import Returns


@hookimpl
def btcframe_components() -> Mapping[str, Mapping[str, type]]:
    """Components of this distribution by slot and name."""
    return {"features": {"book": Book, "returns": Returns}}
