"""An open live source: the consumer's end of the hand-over, and the decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from btcframe.api import Batch
from btcframe.control import HEARTBEAT
from btcframe.sources.live.adapter import Adapter
from btcframe.sources.live.counters import Counters, Tally
from btcframe.sources.live.handover import Clocks, Handover
from btcframe.sources.live.link import Limits
from btcframe.sources.live.session import Patience, Session
from btcframe.sources.live.valve import ShedCounters, Valve
from btcframe.types import EventArray, Frame

BUFFER = 64 << 20
"""Bytes of frames that wait for the consumer at most."""

RUN = 1024
"""Frames of a batch at most."""

ASK_NS = 100_000_000
"""How long a need for a snapshot is not told again."""


@dataclass(frozen=True)
class Settings:
    """How a live source behaves, whatever the exchange.

    Parameters
    ----------
    limits : Limits         of one connection
    patience : Patience     of the session
    buffer : int            bytes of frames that wait for the consumer at most
    clocks : Clocks         where stamps come from
    """

    limits: Limits = field(default_factory=Limits)
    patience: Patience = field(default_factory=Patience)
    buffer: int = BUFFER
    clocks: Clocks = field(default_factory=Clocks)


class LiveFeed:
    """Events as they come: a batch is what arrived since the last one was taken.

    `EVENT.mono_ts` is the monotonic clock at receipt; no two frames have the same `local_ts`. The socket has a thread
    of its own, which starts with the first iteration; everything else happens in the thread that iterates.

    Parameters
    ----------
    adapter : Adapter
    settings : Settings
        Both can be read: the same feed is opened again, or a similar one, with them.

    Raises
    ------
    DataError
        While iterating, if the first connection cannot be made.
    """

    def __init__(self, adapter: Adapter, settings: Settings) -> None:
        self.instrument = adapter.instrument
        self.decoder = adapter.decoder()
        self.adapter, self.settings = adapter, settings
        self._tally = Tally()
        self._handover = Handover(settings.buffer, self._tally, settings.clocks)
        self._session: Session | None = None
        self._valve: Valve | None = None
        self._asked = 0
        adapter.decoder().push([Frame(1, HEARTBEAT, b"")])  # compiles, where that was not done before

    @property
    def counters(self) -> Counters:
        """What has happened on the way from the exchange; what came, `decoder.counters` tells."""
        return self._tally.read()

    @property
    def shed(self) -> ShedCounters:
        """What was left out under overload; nothing, unless it is guarded."""
        return self._valve.counters if self._valve is not None else ShedCounters()

    def guard(self, pressure: Callable[[], float], lag_ns: int) -> None:
        """From now on leave out what the consumer cannot take: see `Valve`."""
        optional = [topic.name for topic in self.adapter.topics if topic.optional]
        self._valve = Valve(pressure, lag_ns, optional)

    def now(self) -> int:
        """The time as `EVENT.local_ts` tells it, ns UTC; from any thread."""
        return self._handover.now()

    def wake(self) -> None:
        """Give a heartbeat now, for something else has come; from any thread. Nothing before the first iteration."""
        if self._session is not None:
            self._session.beat()

    def __iter__(self) -> Iterator[Batch]:
        s = self.settings
        if self._session is None:
            self._session = Session(self.adapter, self._handover, self._tally, s.limits, s.patience, s.clocks)
        while True:
            frames, mono = self._handover.take()
            if not frames:
                return
            for at in range(0, len(frames), RUN):
                chunk: Sequence[Frame] = frames[at : at + RUN]
                stamps: Sequence[int] = mono[at : at + RUN]
                if self._valve is not None:
                    chunk, stamps = self._valve.admit(chunk, stamps, s.clocks.mono())
                if chunk:
                    yield Batch(self._decode(chunk, stamps), chunk)
                if self._handover.closed:
                    return

    def close(self) -> None:
        """End the connection and its thread; nothing comes any more. Harmless when done twice."""
        self._handover.close()
        if self._session is not None:
            self._session.stop()

    def _decode(self, frames: Sequence[Frame], mono: Sequence[int]) -> EventArray:
        events = self.decoder.push(frames)
        _set_mono(events, frames, mono)
        shut = self._valve is not None and self._valve.shut  # a snapshot would be left out, too
        wants = self.decoder.wants
        if wants and not shut and self._session is not None and mono[-1] - self._asked >= ASK_NS:
            self._asked = mono[-1]
            self._session.ask(set(wants))
        return events


def _set_mono(events: Any, frames: Sequence[Frame], mono: Sequence[int]) -> None:
    """Stamp events with the monotonic time of their frames, which their `local_ts` tells."""
    if len(frames) == 1:
        events["mono_ts"] = mono[0]
    elif len(events):
        stamps = np.array([frame.local_ts for frame in frames])
        events["mono_ts"] = np.array(mono)[np.searchsorted(stamps, events["local_ts"])]
