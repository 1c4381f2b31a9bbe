"""Binance's depth and trade streams, spot and USD-M: decoding, and keeping the book in step.

Depth diffs chain by update ids. A diff says from which state it leads (`pu` on USD-M, ``U - 1`` on spot) and to
which (`u`); the snapshot, a REST reply, says its state (`lastUpdateId`). Diffs that came before the snapshot are
held and applied on top of it. Where the chain breaks the book is unusable until the next snapshot fits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from btcframe.api import Batch
from btcframe.errors import DataError
from btcframe.sources.binance_lines import SNAPSHOT, Id, Ms, no_snapshot
from btcframe.sources.messages import Messages
from btcframe.types import EventFlag, Frame, Instrument, Kind

MS = 1_000_000
HELD = 10_000
"""Diffs kept while waiting for a snapshot; older ones are given up."""

_IGNORED = ("bookTicker", "markPrice")
_NO_FLOW = int(EventFlag.NO_FLOW)
_SNAPSHOT_FLAG = int(EventFlag.SNAPSHOT)


class _Depth(msgspec.Struct, gc=False):
    U: Id
    u: Id
    b: msgspec.Raw
    a: msgspec.Raw
    E: Ms
    T: Ms = 0
    pu: int = -1


class _DepthLine(msgspec.Struct, gc=False):
    data: _Depth


class _Trade(msgspec.Struct, gc=False):
    t: Id
    p: msgspec.Raw
    q: msgspec.Raw
    m: bool
    T: Ms
    E: Ms
    X: str = ""  # USD-M only: MARKET, or ADL, INSURANCE_FUND, NA, which are no trades of the market


class _TradeLine(msgspec.Struct, gc=False):
    data: _Trade


class _Snapshot(msgspec.Struct, gc=False):
    lastUpdateId: Id
    bids: msgspec.Raw
    asks: msgspec.Raw
    E: Ms = 0
    T: Ms = 0


class _Any(msgspec.Struct, gc=False):
    """Any JSON object: checked, not read."""


_depth = msgspec.json.Decoder(_DepthLine).decode
_trade = msgspec.json.Decoder(_TradeLine).decode
_snapshot = msgspec.json.Decoder(_Snapshot).decode
_any = msgspec.json.Decoder(_Any).decode


class Diff(NamedTuple):
    """A depth diff, chained: it leads from state `before` to state `after`."""

    before: int
    after: int
    origin: int
    exch_ts: int
    send_ts: int
    bids: Any
    asks: Any


class BinanceFeed:
    """An open feed over frames of one symbol.

    Parameters
    ----------
    frames : generator of lists of Frame    a batch is handed over for every list before the next is asked for
    instrument : Instrument
    where : callable        ordinal of a frame → where it stands, for errors
    batch : int             events after which a batch is handed over within a list
    """

    def __init__(
        self,
        frames: Generator[list[Frame], None, None],
        instrument: Instrument,
        where: Callable[[int], str],
        batch: int,
    ) -> None:
        self.instrument = instrument
        self._frames = frames
        self._where = where
        self._batch_text = batch * 20  # bytes of text that make about that many events
        self._messages = Messages(instrument, where)
        self._prefix = instrument.symbol.split(":")[0].replace("/", "").lower() + "@"
        self._readers: dict[str, Callable[[Frame, int], None]] = {SNAPSHOT: self._on_snapshot}
        self._synced = False
        self._fresh = False  # the snapshot is the last thing applied
        self._last = 0  # the state the book is in
        self._held: deque[Diff] = deque(maxlen=HELD)
        self._snapshots_seen = 0
        self._ever_synced = False

    def __iter__(self) -> Iterator[Batch]:
        ordinal = 0
        for frames in self._frames:
            handed = 0
            for i, frame in enumerate(frames):
                reader = self._readers.get(frame.stream) or self._reader(frame.stream, ordinal)
                try:
                    reader(frame, ordinal)
                except msgspec.DecodeError as error:
                    raise self._malformed(error, ordinal) from error
                ordinal += 1
                if self._messages.text_size >= self._batch_text and i + 1 < len(frames):
                    yield Batch(self._messages.flush(), frames[handed : i + 1])
                    handed = i + 1
            yield Batch(self._messages.flush(), frames[handed:])
        if not self._ever_synced:
            raise no_snapshot(self._snapshots_seen)

    def close(self) -> None:
        """Close the files behind the frames."""
        self._frames.close()

    def _reader(self, stream: str, ordinal: int) -> Callable[[Frame, int], None]:
        """The method for a stream seen for the first time."""
        symbol, _, kind = stream.partition("@")
        kind = kind.split("@")[0]
        if stream[: len(self._prefix)] != self._prefix:
            raise DataError(
                f"{stream} is not a stream of {self.instrument.symbol}",
                where=self._where(ordinal),
                hint=f"A session holds one symbol; this line is of {symbol.upper() or 'none'}.",
            )
        if kind == "depth":
            reader = self._on_depth
        elif kind == "trade":
            reader = self._on_trade
        elif kind in _IGNORED:
            reader = self._on_ignored
        else:
            raise DataError(
                f"{stream}: this stream is not understood",
                where=self._where(ordinal),
                hint=f"Read are depth, trade and the REST snapshot; skipped are {', '.join(_IGNORED)}.",
            )
        self._readers[stream] = reader
        return reader

    def _malformed(self, error: msgspec.DecodeError, ordinal: int) -> DataError:
        return DataError(
            f"the line is not the message it should be: {error}",
            where=self._where(ordinal),
            hint="A line is a local stamp, a space, and the JSON exactly as it was received.",
        )

    def _on_ignored(self, frame: Frame, ordinal: int) -> None:
        _any(frame.data)  # a best-price stream never enters the book, but a damaged line is still an error

    def _on_trade(self, frame: Frame, ordinal: int) -> None:
        trade = _trade(frame.data).data
        if trade.X and trade.X != "MARKET":
            return
        self._messages.add(
            Kind.TRADE,
            ordinal,
            frame.local_ts,
            bids=trade.p,
            asks=trade.q,
            side=-1 if trade.m else 1,
            exch_ts=trade.T * MS,
            send_ts=trade.E * MS,
            update_id=trade.t,
        )

    def _on_depth(self, frame: Frame, ordinal: int) -> None:
        d = _depth(frame.data).data
        before = d.pu if d.pu >= 0 else d.U - 1
        diff = Diff(before, d.u, ordinal, (d.T or d.E) * MS, d.E * MS, d.b, d.a)
        if not self._synced:
            self._held.append(diff)
            self._messages.add(Kind.HEARTBEAT, ordinal, frame.local_ts)
        elif diff.after <= self._last:  # all of it is in the book already
            self._messages.add(Kind.EMPTY, ordinal, frame.local_ts, update_id=diff.after)
        elif self._follows(diff):
            self._apply(diff, frame.local_ts, 0)
        else:
            self._synced = False
            self._held.append(diff)
            self._messages.add(Kind.GAP, ordinal, frame.local_ts, update_id=diff.after)

    def _follows(self, diff: Diff) -> bool:
        return diff.before == self._last or (self._fresh and diff.before <= self._last)

    def _apply(self, diff: Diff, local_ts: int, flags: int) -> None:
        self._messages.add(
            Kind.DEPTH,
            diff.origin,
            local_ts,
            bids=diff.bids,
            asks=diff.asks,
            flags=flags,
            exch_ts=diff.exch_ts,
            send_ts=diff.send_ts,
            update_id=diff.after,
        )
        self._last, self._fresh = diff.after, False

    def _on_snapshot(self, frame: Frame, ordinal: int) -> None:
        snapshot = _snapshot(frame.data)
        self._snapshots_seen += 1
        state = snapshot.lastUpdateId
        held = [d for d in self._held if d.after > state]
        if self._synced and state <= self._last:  # older than the book, which is in step
            self._messages.add(Kind.EMPTY, ordinal, frame.local_ts, update_id=state)
            return
        if not _chained(state, held):
            self._messages.add(Kind.HEARTBEAT, ordinal, frame.local_ts)
            return
        self._messages.add(
            Kind.CLEAR,
            ordinal,
            frame.local_ts,
            bids=snapshot.bids,
            asks=snapshot.asks,
            flags=_SNAPSHOT_FLAG,
            exch_ts=snapshot.T * MS,
            send_ts=snapshot.E * MS,
            update_id=state,
        )
        self._synced = self._ever_synced = self._fresh = True
        self._last = state
        self._held.clear()
        for diff in held:
            self._apply(diff, frame.local_ts, _NO_FLOW)


def _chained(state: int, diffs: list[Diff]) -> bool:
    """Whether the diffs lead on from a snapshot of this state without a hole."""
    if not diffs:
        return True
    return diffs[0].before <= state and all(b.before == a.after for a, b in pairwise(diffs))
