"""The core's own components, registered like anyone's."""

from __future__ import annotations

from collections.abc import Mapping

from btcframe.hookspecs import hookimpl


@hookimpl
def btcframe_components() -> Mapping[str, Mapping[str, type]]:
    """Components of the core by slot and name."""
    return {}
