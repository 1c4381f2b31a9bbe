"""Sources that are live: what they cannot be used for."""

from __future__ import annotations

from typing import Any

from btcframe.errors import ConfigError


def is_live(source: Any) -> bool:
    """Whether a source gives what happens now."""
    return hasattr(source, "live_ns")


def needs_recording(source: Any, name: str, purpose: str) -> None:
    """Refuse a live source, before any work.

    Parameters
    ----------
    source : Source
    name : str        of its plugin
    purpose : str     what has to come out the same again: "a table", …

    Raises
    ------
    ConfigError
    """
    if is_live(source):
        raise ConfigError(
            f"source {name} is live: it will not say the same again, and {purpose} must be reproducible",
            where="source",
            hint="Record it, and use the recording: source=session_log source.path=runs/…",
            next=f"btcframe record source={name} …, with the same settings",
        )
