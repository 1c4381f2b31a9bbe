"""A session's venue once more, from its log: what a real exchange said, at the moments at which it was known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from btcframe.api import Intent, Position, Reports
from btcframe.errors import DataError
from btcframe.session_log import CommandItem, FillsItem, OrdersItem, SessionLog, array_of
from btcframe.trading.onlookers import FUNDED, HELD
from btcframe.types import FILL, FUNDING, ORDER, EventArray, StateArray
from btcframe.venues.timed import TimedReports

_EMPTY = (np.empty(0, ORDER), np.empty(0, FILL), np.empty(0, FUNDING))


class Recorded:
    """An open venue that says what the log of a session says. It is read beside the market, as far as time has come.

    Parameters
    ----------
    log : SessionLog
    held : int      signed lots held from the start
    """

    def __init__(self, log: SessionLog, held: int) -> None:
        self._lots = held
        self._told: Mapping[str, Any] = {}  # what the venue said at the end of what it holds
        self._reports = TimedReports()
        self._coming = self._read(log)
        self._next: tuple[int, Reports] | None = None
        self._begun = False

    def submit(self, order_id: int, intent: Intent, now_ns: int) -> None:
        """Nothing: what became of it is in the log."""

    def amend(self, order_id: int, ticks: int, lots: int, now_ns: int) -> None:
        """Nothing."""

    def cancel(self, order_id: int, now_ns: int) -> None:
        """Nothing."""

    @property
    def busy(self) -> bool:
        """See TimedReports."""
        return self._reports.busy

    def advance(self, events: EventArray, until_ns: int) -> tuple[int, Reports]:
        """See Gateway."""
        self._read_to(until_ns)
        taken, reports = self._reports.advance(events, until_ns)
        fills = reports.fills
        self._lots += int((fills["side"] * fills["lots"]).sum())
        return taken, reports

    def reconcile(self) -> Position:
        """What the venue said at the end; before, and of a session that died, what its fills come to.

        Raises
        ------
        DataError
            If it did not answer.
        """
        if self._begun:
            self._read_to((1 << 63) - 1)
        if "why" in self._told:
            raise DataError(self._told["why"])
        return Position(self._told.get("lots", self._lots))

    def close(self) -> None:
        """Nothing to free."""

    def _read_to(self, until_ns: int) -> None:
        if not self._begun:
            self._begun, self._next = True, next(self._coming, None)
        while self._next is not None and self._next[0] <= until_ns:
            ns, reports = self._next
            self._reports.put(*reports, ns=ns)
            self._next = next(self._coming, None)

    def _read(self, log: SessionLog) -> Iterator[tuple[int, Reports]]:
        """What was heard, moment by moment.

        What came together stands in the log as fills, then orders, then funding; each record has its `ns`, which never
        decreases from one that was heard to the next.
        """
        heard: list[StateArray] = list(_EMPTY)
        last = -1
        for item in log:
            if isinstance(item, FillsItem | OrdersItem):
                slot = 1 if isinstance(item, FillsItem) else 0
                table = item.array()
            elif isinstance(item, CommandItem) and item.name == FUNDED:
                slot, table = 2, array_of(item.data["records"], FUNDING)
            else:
                if isinstance(item, CommandItem) and item.name == HELD:
                    self._told = item.data
                continue
            rank = (1, 0, 2)[slot]
            if rank <= last:
                yield from _by_moment(heard)
                heard = list(_EMPTY)
            heard[slot], last = table, rank
        yield from _by_moment(heard)


def _by_moment(heard: list[StateArray]) -> Iterator[tuple[int, Reports]]:
    for ns in np.unique(np.concatenate([table["ns"] for table in heard])).tolist():
        yield ns, Reports(*(table[table["ns"] == ns] for table in heard))
