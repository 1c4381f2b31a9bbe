"""A session log as a feed: the same events, in the same order, as the session consumed."""

from __future__ import annotations

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
        self._waiting: list[Item] = []
        self._items = iter(log)
        self._decoded: Feed
        if _has_frames(log):
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
        # what the decoder gives comes after every item that was read before it
        for batch in self._decoded:
            yield from self._pass_on()
            yield batch
        yield from self._pass_on()

    def _frames(self) -> Generator[list[Frame], None, None]:
        """Runs of frames; the items between two runs wait until the decoder has given the run before them."""
        run: list[Frame] = []
        for item in self._items:
            if isinstance(item, FrameItem):
                run.append(item.frame())
                if len(run) == 4096:
                    yield run
                    run = []
            else:
                if run:
                    yield run
                    run = []
                self._waiting.append(item)
        if run:
            yield run

    def _pass_on(self) -> Iterator[Batch]:
        waiting, self._waiting = self._waiting, []
        for item in waiting:
            if isinstance(item, HeartbeatItem):
                yield heartbeat(item.ts)
            else:
                self._tell(item)

    def _made_again(self) -> Iterator[Batch]:
        batches = iter(self._decoded)
        for number, item in enumerate(self._items, start=2):
            if not isinstance(item, EventsItem):
                self._waiting.append(item)
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


def _has_frames(log: SessionLog) -> bool:
    """Whether frames come before any fingerprint."""
    for item in log:
        if isinstance(item, FrameItem | EventsItem):
            return isinstance(item, FrameItem)
    return False
