"""Settings of labels that are durations."""

from __future__ import annotations

from collections.abc import Sequence

from btcframe.types import duration_name, duration_ns


def duration(field: str, text: str) -> int:
    """Nanoseconds of a setting; a ValueError names it."""
    try:
        return duration_ns(text)
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None


def check_horizons(horizons: Sequence[str]) -> None:
    """Raise ValueError unless there is a horizon, each is a duration, and none is there twice."""
    if not horizons:
        raise ValueError("horizons: at least one is needed, e.g. [5s]")
    spans = [duration("horizons", h) for h in horizons]
    for i, span in enumerate(spans):
        if span in spans[:i]:
            raise ValueError(f"horizons: {duration_name(span)} is given twice")
