"""The three hooks. Everything a plugin can tell btcframe stands here.

A plugin is a module named by an entry point of group ``btcframe``; it implements any of these with
``@hookimpl``. The whole of a small plugin stands in ``examples/acme_alpha``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pluggy

from btcframe.api import SessionEvent

hookspec = pluggy.HookspecMarker("btcframe")
hookimpl = pluggy.HookimplMarker("btcframe")


@hookspec
def btcframe_components() -> Mapping[str, Mapping[str, type]]:  # type: ignore[empty-body]
    """Component classes by slot and name: ``{"features": {"ofi": OrderFlow}}``.

    A class is a frozen dataclass; its fields are the hyper-parameters, the config schema and the command line.
    """


@hookspec
def btcframe_config_paths() -> Sequence[str]:  # type: ignore[empty-body]
    """Config packages with presets: ``["pkg://acme_alpha.conf"]``, searched after btcframe's own."""


@hookspec
def btcframe_event(event: SessionEvent) -> None:
    """Observe a run: trackers and alerts. An exception raised here is logged and never stops the run."""
