"""Sources that give closed rows instead of events (bars): what they can be used for, and at which clock."""

from __future__ import annotations

from typing import Any

from btcframe.api import Clock
from btcframe.errors import ConfigError
from btcframe.types import duration_name


def has_book(source: Any) -> bool:
    """Whether a source gives events, of which a book is made."""
    return not hasattr(source, "row_period_ns")


def needs_book(source: Any, name: str, purpose: str) -> None:
    """Refuse a source that has no book, before any work.

    Parameters
    ----------
    source : Source
    name : str        of its plugin
    purpose : str     what needs a book

    Raises
    ------
    ConfigError
    """
    if not has_book(source):
        raise ConfigError(
            f"source {name} gives rows without a book, and {purpose}",
            where="source",
            hint="Rows without a book can be built, trained on, and judged by regime.",
            next=f"btcframe train source={name} …, with the same settings",
        )


def check_clock(source: Any, clock: Clock) -> None:
    """Refuse a clock other than that of the rows which a source gives: they are taken as they are.

    Raises
    ------
    ConfigError
    """
    if not has_book(source):
        period = duration_name(source.row_period_ns())
        if duration_name(clock.period_ns) != period:
            raise ConfigError(
                f"the source's rows last {period}, and the clock's {duration_name(clock.period_ns)}",
                where="clock",
                hint=f"Rows that are closed already are taken as they are: clock.every={period}.",
            )
