"""A session log as a feed: the same events, in the same order, as the session consumed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator

import numpy as np

from btcframe.api import Batch, Feed, Source
from btcframe.errors import DataError, ReplayError
from btcframe.session_log import EventsItem, FrameItem, HeartbeatItem, Item, SessionLog, events_sha256
from btcframe.types import EVENT, EventFlag, Frame, Instrument, Kind


class RecordedFeed:
    """A log's market data through the decoder of the source it came from, or made again from config and seed.

    Parameters
    ----------
    log : SessionLog
    source : Source         the component of the log's header
    seed : int              the session's
    on_item : callable, optional
        Told every item that is not market data (commands, orders, fills) at its place in the order: everything
        consumed before it has been handed over and taken, nothing after it.

    Raises
    ------
    DataError
        If the log holds frames and the source cannot decode them.
    ReplayError
        While iterating, if a source without frames gives other events than were recorded.
    """

    instrument: Instrument

    def __init__(
        self, log: SessionLog, source: Source, *, seed: int, on_item: Callable[[Item], None] | None = None
    ) -> None:
        self._log = log
        self._tell = on_item or (lambda item: None)
        self._waiting: deque[tuple[int, Item]] = deque()  # with the number of frames before it
        self._frames_read = self._frames_given = 0
        self._items = iter(log)
        self._decoded: Feed
        if has_frames(log):
            decode = getattr(source, "decode", None)
            if decode is None:
                raise DataError(
                    f"{type(source).__name__} cannot decode the frames of the log", where=str(log.path)
                )
            self._decoded = decode(self._frames())
            self._replay = self._through_decoder
        else:
            self._decoded = source.open(seed=seed)
            self._replay = self._made_again
        self.instrument = self._decoded.instrument

    def __iter__(self) -> Iterator[Batch]:
        return self._replay()

    def close(self) -> None:
        """Close what is underneath."""
        self._decoded.close()

    def _through_decoder(self) -> Iterator[Batch]:
        # the decoder may have read further than it has given: an item's turn comes when the frames before it went
        for batch in self._decoded:
            yield from self._pass_on()
            yield batch
            self._frames_given += len(batch.frames)
        self._frames_given = self._frames_read
        yield from self._pass_on()

    def _frames(self) -> Generator[list[Frame], None, None]:
        """Runs of frames; a run ends where another item stands."""
        run: list[Frame] = []
        for item in self._items:
            if isinstance(item, FrameItem):
                run.append(item.frame())
                self._frames_read += 1
                if len(run) == 4096:
                    yield run
                    run = []
            else:
                if run:
                    yield run
                    run = []
                self._waiting.append((self._frames_read, item))
        if run:
            yield run

    def _pass_on(self) -> Iterator[Batch]:
        while self._waiting and self._waiting[0][0] <= self._frames_given:
            _, item = self._waiting.popleft()
            if isinstance(item, HeartbeatItem):
                yield heartbeat(item.ts)
            else:
                self._tell(item)

    def _made_again(self) -> Iterator[Batch]:
        batches = iter(self._decoded)
        for number, item in enumerate(self._items, start=2):
            if not isinstance(item, EventsItem):
                self._waiting.append((0, item))
                yield from self._pass_on()
                continue
            batch = next(batches, Batch())
            if len(batch.events) != item.n or events_sha256(batch.events) != item.sha256:
                raise ReplayError(
                    "the source gives other events than were recorded",
                    where=f"{self._log.path}:{number}",
                    hint="Config, seed and versions must be the session's; its manifest names them.",
                )
            yield batch


def recorded_feed(
    log: SessionLog, source: Source, *, seed: int, on_item: Callable[[Item], None] | None = None
) -> RecordedFeed:
    """Open a log's market data: see RecordedFeed."""
    return RecordedFeed(log, source, seed=seed, on_item=on_item)


def heartbeat(ts: int) -> Batch:
    """A batch that says nothing but the time."""
    events = np.zeros(1, EVENT)
    events["kind"], events["local_ts"], events["flags"] = Kind.HEARTBEAT, ts, EventFlag.END
    return Batch(events)


def has_frames(log: SessionLog) -> bool:
    """Whether a log holds frames, before any fingerprint of events that are made again."""
    for item in log:
        if isinstance(item, FrameItem | EventsItem):
            return isinstance(item, FrameItem)
    return False
