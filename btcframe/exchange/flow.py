"""Order flow of one market: a source's events, message by message, on a time that begins at 0."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

from btcframe.api import Batch, Feed
from btcframe.types import EventFlag, Kind

_FIELDS = ["exch_ts", "local_ts", "kind", "side", "ticks", "lots", "flags"]
# plain integers: an enum costs more here than all the rest
_END = int(EventFlag.END)
_NOTHING = (int(Kind.EMPTY), int(Kind.HEARTBEAT))
_PIECE = 4096  # events made into Python values at a time: a batch of 65k at once would hold up the sockets
_PAUSE_NS = 1_000_000  # between a market's end and its beginning again


class Change(NamedTuple):
    """One event: what happened at a price."""

    kind: int
    side: int
    ticks: int
    lots: int


class Arrived(NamedTuple):
    """One message of the source: its events, and when it happened."""

    ns: int  # since the market began
    changes: list[Change]


def messages(opened: Callable[[], Feed], first: Feed, *, repeat: bool) -> Iterator[Arrived]:
    """Everything that happens in a market.

    Time is the exchange's where the source has it, else that of receipt, and never goes back.

    Parameters
    ----------
    opened : callable → Feed    opens the market again from its beginning
    first : Feed                the same, open already; closed at its end
    repeat : bool               begin again when it ends, for ever
    """
    offset = 0
    feeds = itertools.chain([first], (opened() for _ in itertools.count())) if repeat else iter([first])
    for feed in feeds:
        last = offset
        try:
            for arrived in _of(feed):
                last = offset + arrived.ns
                yield Arrived(last, arrived.changes)
        finally:
            feed.close()
        offset = last + _PAUSE_NS


def _of(feed: Feed) -> Iterator[Arrived]:
    start, now = -1, 0
    changes: list[Change] = []
    for exch_ts, local_ts, kind, side, ticks, lots, flags in _rows(feed):
        if kind in _NOTHING:
            continue
        at = exch_ts or local_ts
        start = at if start < 0 else start
        now = max(now, at - start)
        changes.append(Change(kind, side, ticks, lots))
        if flags & _END:
            yield Arrived(now, changes)
            changes = []


def _rows(feed: Feed) -> Iterator[tuple[int, ...]]:
    batch: Batch
    for batch in feed:
        for i in range(0, len(batch.events), _PIECE):
            yield from batch.events[_FIELDS][i : i + _PIECE].tolist()
