"""From the frames of Bybit's public socket to EVENTs, of one market: what is peculiar to the exchange ends here.

A decoder is a function of the frames it has been given, in any portions: live it stands behind a socket, in a replay
behind a log. Beside messages a session consumes *control frames* of our own, whose stream begins with ``~``:
``~connected`` and ``~lost`` (the book rests on nothing any more), ``~resync`` (its topic was subscribed anew),
``~shed`` (messages were left out), ``~heartbeat`` (time passed).

What a session may look at is what came out of here: a book that is in step with the exchange's, or a GAP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from btcframe.api import Batch
from btcframe.control import CONNECTED, CONTROL, LOST, RESYNC, SHED
from btcframe.errors import DataError
from btcframe.kernels.bybit import LONGEST_NAME, SHORTEST_LEVEL
from btcframe.kernels.bybit_stream import (
    CONNECTION,
    DONE,
    FRAME,
    FULL,
    LONGEST_HOLE_NS,
    STATE,
    SUBSCRIPTION,
    TIME,
    UNREAD,
    doubt,
    room,
    run,
    take_in_other,
)
from btcframe.kernels.quotes import grid
from btcframe.sources.bybit.market import with_market
from btcframe.sources.bybit.messages import OffGrid, Reader, Unreadable
from btcframe.types import EVENT, NS, EventArray, Frame, Instrument, Ints, StateArray

_CONTROLS = {CONNECTED: CONNECTION, LOST: CONNECTION, SHED: SUBSCRIPTION, RESYNC: SUBSCRIPTION}
_EVENTS = 4096

RUN = 2048
"""Frames of a recorded batch at most: some 40,000 events of a book of depth 200."""


@dataclass(frozen=True)
class Counters:
    """What a decoder has seen.

    Parameters
    ----------
    frames, bytes : int         consumed, control frames included
    snapshots, deltas : int     of the book, taken in
    trades : int                that became events
    block_trades : int          agreed on elsewhere: no events
    duplicate_trades : int      that had come before, by their id
    duplicates, stale : int     book messages that say nothing new: the state the book is in, or an earlier one
    waiting : int               deltas that came while there was no book to apply them to
    gaps : int                  updates were missing, or their numbers contradict each other
    crossed : int               the book was crossed or locked with the message in it
    interrupted : int           connections and topics that began or ended
    losses, resyncs : int       how often a usable book was lost, and became usable again
    proven : int                of those: a frame that could not be read was none of the book's, as the next delta proved
    cut_levels : int            levels that fell out of the depth and were never deleted
    other : int                 messages of other topics, replies and pongs
    refused : int               frames of the market that the fast scanner left to the other decoder
    off_grid : int              frames with a price or size that is no multiple of the tick or lot
    malformed : int             frames that no decoder could read
    """

    frames: int
    bytes: int
    snapshots: int
    deltas: int
    trades: int
    block_trades: int
    duplicate_trades: int
    duplicates: int
    stale: int
    waiting: int
    gaps: int
    crossed: int
    interrupted: int
    losses: int
    resyncs: int
    proven: int
    cut_levels: int
    other: int
    refused: int
    off_grid: int
    malformed: int


class BybitDecoder:
    """Decodes the frames of one market.

    Parameters
    ----------
    instrument : Instrument
    pair : str                  the exchange's name, BTCUSDT
    depth : int                 of the topic of the book
    where : callable, optional  ordinal of a frame → where it stands, for errors
    """

    def __init__(
        self,
        instrument: Instrument,
        pair: str,
        depth: int,
        where: Callable[[int], str] = lambda ordinal: f"frame {ordinal + 1}",
    ) -> None:
        self.instrument = instrument
        self.topics = (f"orderbook.{depth}.{pair}", f"publicTrade.{pair}")
        self._where = where
        self._reader = Reader(instrument, pair, *self.topics)
        state = np.zeros(1, STATE)
        self.book, self._stream, self._market = state["book"], state["stream"], state["market"]
        self._memory = state.view(np.int64)
        _describe(self._market, instrument, (*self.topics, pair))
        self._stream["depth"] = depth
        self._one = np.zeros((1, 4), np.int64)
        self._of_one = self._one.reshape(4).data  # where a number is written sooner than in an array
        self._written = 0
        self._take_space(_EVENTS)
        # ordinal of the first frame that could not be read, and why
        self.unread: tuple[int, str] | None = None

    @property
    def wants(self) -> tuple[str, ...]:
        """Topics that need a snapshot: the book's while it is not usable and the next delta cannot prove it."""
        lost = not self.book["usable"][0] and not self._stream["proof_until"][0]
        return self.topics[:1] if lost else ()

    @property
    def usable(self) -> bool:
        """Whether the book is in step with the exchange's, as far as it can be known."""
        return bool(self.book["usable"][0])

    @property
    def update_id(self) -> int:
        """The `u` of the state that the book is in, or was last in."""
        return int(self._stream["u"][0])

    @property
    def counters(self) -> Counters:
        """What has been seen so far."""
        return Counters(**{field.name: int(self._stream[field.name][0]) for field in fields(Counters)})

    def push(self, frames: Sequence[Frame]) -> EventArray:
        """Consume frames.

        Returns
        -------
        EVENT[n]        what they say, in order; `local_ts` never goes back

        Raises
        ------
        DataError
            If a stamp is further ahead than any session is long.
        """
        text, table = self._table(frames)
        if self._written + len(text) // SHORTEST_LEVEL + 4 * len(frames) > len(self._events):
            self._take_space(len(text) // SHORTEST_LEVEL + 4 * len(frames))
        begin = self._written
        at, written, why = run(text, table, 0, self._memory, self._space, begin)
        if why != DONE:
            return self._go_on(frames, text, table, at, begin, written, why)
        self._written = written
        return self._events[begin:written]

    def _go_on(
        self, frames: Sequence[Frame], text: bytes, table: Ints, at: int, begin: int, written: int, why: int
    ) -> EventArray:
        """What is left to do when `run` stops before the end."""
        parts: list[EventArray] = []
        while why != DONE:
            if why == UNREAD:
                written = self._read(frames[at].data, written)
                at += 1
            elif why == FULL:
                parts.append(self._events[begin:written])
                self._take_space(int(room(self.book[0], len(frames[at].data))))
                begin = written = 0
            else:
                raise self._hole(frames[at].local_ts)
            at, written, why = run(text, table, at, self._memory, self._space, written)
        self._written = written
        parts.append(self._events[begin:written])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _take_space(self, events: int) -> None:
        """Begin another array: what was handed out is never written again."""
        self._events = np.empty(max(events, _EVENTS), EVENT)
        self._space = self._events.view(np.int64)
        self._written = 0

    def check_read(self) -> None:
        """Raise DataError if a frame could not be read."""
        if self.unread is not None:
            ordinal, why = self.unread
            raise DataError(
                f"the message cannot be read: {why}",
                where=self._where(ordinal),
                hint="Set source.tick and source.lot to the instrument's steps."
                if self.counters.off_grid
                else "",
            )

    def _table(self, frames: Sequence[Frame]) -> tuple[bytes, Ints]:
        """The frames' bytes, a NUL behind each; and where each begins and ends, its stamp, and what it is."""
        if len(frames) == 1:  # live, mostly
            local_ts, stream, data = frames[0]
            numbers = self._of_one
            numbers[1], numbers[2], numbers[3] = len(data), local_ts, _what(stream)
            return data + b"\0", self._one
        table = np.empty((len(frames), 4), np.int64)
        table[:, 1] = np.cumsum([len(frame.data) + 1 for frame in frames])
        table[:1, 0], table[1:, 0] = 0, table[:-1, 1]
        table[:, 1] -= 1
        table[:, 2] = [frame.local_ts for frame in frames]
        table[:, 3] = [_what(frame.stream) for frame in frames]
        return b"\0".join([*(frame.data for frame in frames), b""]), table

    def _read(self, data: bytes, at: int) -> int:
        """Take in a frame that the scanner refused; returns the place behind its last event."""
        s = self._stream
        s["frames"] += 1
        s["bytes"] += len(data)
        try:
            message = self._reader.read(data)
        except (OffGrid, Unreadable) as error:
            s["off_grid" if isinstance(error, OffGrid) else "malformed"] += 1
            self.unread = self.unread or (int(s["frames"][0]) - 1, str(error))
            return int(doubt(self._memory, self._space, at))
        if message is None:
            s["other"] += 1
            return at
        s["refused"] += 1
        written = message.write(self._market, self._events, at)
        return int(take_in_other(self._memory, self._space, at, written))

    def _hole(self, local_ts: int) -> DataError:
        days = (local_ts - int(self._stream["now"][0])) // (86_400 * NS)
        return DataError(
            f"the local stamp jumps {days:,} days ahead",
            where=self._where(int(self._stream["frames"][0])),
            hint=f"Holes of up to {LONGEST_HOLE_NS // (86_400 * NS)} days are kept as rows without events; this is a "
            "damaged stamp, or another session.",
        )


def _what(stream: str) -> int:
    return FRAME if stream[:1] != CONTROL else _CONTROLS.get(stream, TIME)


def _describe(market: StateArray, instrument: Instrument, names: Sequence[str]) -> None:
    """Write into MARKET[1] which topics and symbol are read, and in which steps."""
    for i, (field, name) in enumerate(zip(("book_topic", "trade_topic", "symbol"), names, strict=True)):
        text = name.encode()
        if len(text) > LONGEST_NAME:
            raise DataError(f"{name} has more than {LONGEST_NAME} characters", where="source.symbol")
        market[field][0, : len(text)] = list(text)
        market["lengths"][0, i] = len(text)
    market["price_decimals"], market["price_units"] = grid(instrument.tick)
    market["size_decimals"], market["size_units"] = grid(instrument.lot)


class BybitFeed:
    """An open feed over recorded frames of one market.

    Parameters
    ----------
    frames : iterator of lists of Frame     a batch is handed over for every run of them
    decoder : BybitDecoder
    strict : bool       whether a frame that cannot be read is an error, as in an archive, or a gap, as from a socket

    Raises
    ------
    DataError
        While iterating: at the first frame that cannot be read, if strict; at the end, if the book was never usable.
    """

    def __init__(self, frames: Iterator[list[Frame]], decoder: BybitDecoder, *, strict: bool = False) -> None:
        self.instrument = decoder.instrument
        self.decoder = decoder
        self._frames = frames
        self._strict = strict

    def __iter__(self) -> Iterator[Batch]:
        for frames in self._frames:
            for i in range(0, len(frames), RUN):
                chunk = frames[i : i + RUN]
                events = self.decoder.push(chunk)
                if self._strict:
                    self.decoder.check_read()
                yield Batch(events, chunk)
        counters = self.decoder.counters
        if not counters.losses and not self.decoder.usable:
            raise _never_usable(self.decoder.topics[0], counters)

    def close(self) -> None:
        """Close what is behind the frames."""
        close = getattr(self._frames, "close", None)
        if close is not None:
            close()


def decode_frames(frames: Iterable[list[Frame]]) -> BybitFeed:
    """The feed of a session that was recorded: its frames, the market's first.

    Raises
    ------
    DataError
        If it does not begin with its market.
    """

    def where(ordinal: int) -> str:
        return f"frame {ordinal + 1} of the log"

    market, everything = with_market(frames, where)
    return BybitFeed(everything, BybitDecoder(*market, where))


def _never_usable(topic: str, counters: Counters) -> DataError:
    if counters.off_grid:
        return DataError(
            f"the book never becomes usable: {counters.off_grid:,} messages hold a price or size that is no multiple "
            "of the tick or lot",
            where=topic,
            hint="The instrument's steps are not those of the recording.",
        )
    if counters.crossed:
        return DataError("the book never becomes usable: its snapshots are crossed", where=topic)
    return DataError(
        "the book never becomes usable: there is no snapshot among the messages",
        where=topic,
        hint=f"Of it came {counters.waiting:,} deltas; {counters.malformed:,} frames could not be read.",
    )
