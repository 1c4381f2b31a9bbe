"""The way to a venue, on which its faults are told as its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from btcframe.api import Gateway, Intent, Position, Reports
from btcframe.errors import BtcframeError, PluginError
from btcframe.types import FILL, FUNDING, ORDER, EventArray

_TABLES = (ORDER, FILL, FUNDING)


class VenueLine:
    """A gateway that raises PluginError, naming the venue, where the venue raises or answers what it may not.

    Errors of ours go through as they are.

    Parameters
    ----------
    gateway : Gateway
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def submit(self, order_id: int, intent: Intent, now_ns: int) -> None:
        """See Gateway."""
        with _named("submit"):
            self._gateway.submit(order_id, intent, now_ns)

    def amend(self, order_id: int, ticks: int, lots: int, now_ns: int) -> None:
        """See Gateway."""
        with _named("amend"):
            self._gateway.amend(order_id, ticks, lots, now_ns)

    def cancel(self, order_id: int, now_ns: int) -> None:
        """See Gateway."""
        with _named("cancel"):
            self._gateway.cancel(order_id, now_ns)

    @property
    def busy(self) -> bool:
        """See Gateway."""
        return self._gateway.busy

    def advance(self, events: EventArray, until_ns: int) -> tuple[int, Reports]:
        """See Gateway."""
        try:
            taken, reports = self._gateway.advance(events, until_ns)
            told = any(map(len, reports))
            if told and tuple(table.dtype for table in reports) != _TABLES:
                raise PluginError("the venue reports no tables of ORDER, FILL and FUNDING", where="venue")
        except Exception as error:
            raise _of_venue("advance", error) from error
        if not (taken == len(events) or (told and 0 <= taken < len(events))):
            raise PluginError(
                f"the venue took {taken} of {len(events)} events" + ("" if told else ", and reports nothing"),
                where="venue",
                hint="It stops early only where a report is due.",
            )
        return taken, reports

    def reconcile(self) -> Position:
        """See Gateway."""
        with _named("reconcile"):
            return self._gateway.reconcile()

    def close(self) -> None:
        """See Gateway."""
        with _named("close"):
            self._gateway.close()


@contextmanager
def _named(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise _of_venue(what, error) from error


def _of_venue(what: str, error: Exception) -> BtcframeError:
    """The error to raise for what a venue raised."""
    if isinstance(error, BtcframeError):
        return error
    return PluginError(
        f"the venue raised {type(error).__name__} in {what}: {error}",
        where="venue",
        next="Its traceback: hydra.verbose=true",
    )
