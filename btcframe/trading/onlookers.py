"""Who is told what a trader does: the session's log, and who looks on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from btcframe.types import EventArray, Floats, StateArray

COMMANDS = ("halt", "reduce", "resume", "flatten", "contain")
"""What a trader can be told."""

PROMOTE = "promote"
"""The log's command for a promotion: row_ns, index, model (where it lies, or ""), fitted_ns; why, where no schedule says
so, and mock, where it predicts noise."""

STOPPED = "stopped"
"""The log's command for a stop: state, code, why. Nobody gave it: what it follows from is in the log, and a replay comes
to it by itself."""

FUNDED = "funding"
"""The log's command for funding that was booked: `records`, one mapping of field to value per FUNDING."""

HELD = "held"
"""The log's command for what the venue said at the end that it holds for us: `lots`, or `why` it said nothing."""

VENUE = "venue"
"""The log's command for what a real venue heard and acted upon: for the record."""

TOLD = (PROMOTE, FUNDED, HELD, VENUE)
"""Commands of a log that a replay does not give its trader: they stand in its schedule, or are its venue's."""

Notify = Callable[..., None]
"""Observers: ``notify(kind, **data)``."""


class Log(Protocol):
    """Where a session's inputs beside the market are written, see `session_log.SessionWriter`."""

    def command(self, ts: int, name: str, /, **data: Any) -> None:
        """Something the trader was told, or that stopped it."""

    def orders(self, orders: StateArray) -> None:
        """What the venue said about orders."""

    def fills(self, fills: StateArray) -> None:
        """What the venue said about fills."""


class Watch(Protocol):
    """Who looks on while the trader works, in its thread; nothing it does has an effect on what is decided."""

    def booked(self, events: EventArray, start: int, stop: int) -> None:
        """events[start:stop] are in the book, and no row was closed."""

    def closed(self) -> None:
        """A row and its features are there."""

    def predicted(
        self, row: bytes, x: Floats, descriptors: Floats, prediction: StateArray, error: str
    ) -> None:
        """A row was predicted on: the bytes of its ROW, float64[k], float64[1, d], PREDICTION[h]; or the model raised.

        Row, x and prediction may be kept: they are never changed. Descriptors are gone at the next row.
        """

    def signalled(self) -> None:
        """It was decided."""
