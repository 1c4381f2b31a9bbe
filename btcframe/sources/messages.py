"""What every exchange's decoder does after reading a message: collect messages, write them as EVENTs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from btcframe.errors import DataError
from btcframe.kernels.quotes import MESSAGE, OFF_LOT, OFF_TICK, count_events, grid, write_events
from btcframe.types import EVENT, NS, EventArray, Instrument, Kind

LONGEST_HOLE_NS = 31 * 86_400 * NS
"""A quiet row is a row: what lies further ahead would be more rows than any disk holds."""

_NONE = b""


class Messages:
    """Messages on their way to one EVENT array.

    Prices and sizes are handed over as the exchange wrote them (JSON text) and become exact ticks and lots in one
    kernel call per batch. `local_ts` never goes back in what comes out: a stamp behind its predecessor is lifted.

    Parameters
    ----------
    instrument : Instrument
    where : callable        ordinal of a frame → where it stands, for errors
    """

    def __init__(self, instrument: Instrument, where: Callable[[int], str]) -> None:
        self._instrument = instrument
        self._where = where
        self._price_grid, self._size_grid = grid(instrument.tick), grid(instrument.lot)
        self._heads: list[tuple[int, ...]] = []
        self._text: list[Any] = []
        self._size = 0
        self._now = 0

    @property
    def text_size(self) -> int:
        """Bytes waiting: 1 MB is some 50,000 levels."""
        return self._size

    def add(
        self,
        kind: Kind,
        origin: int,
        local_ts: int,
        *,
        bids: Any = _NONE,
        asks: Any = _NONE,
        side: int = 0,
        flags: int = 0,
        exch_ts: int = 0,
        send_ts: int = 0,
        update_id: int = 0,
    ) -> None:
        """Add one message.

        Parameters
        ----------
        kind : Kind             CLEAR is a whole snapshot, DEPTH a whole diff
        origin : int            ordinal of its frame
        bids, asks : bytes      JSON text of ``[["price","size"],…]``; of a trade, its price and its size
        """
        if local_ts - self._now > LONGEST_HOLE_NS and self._now:
            days = (local_ts - self._now) // (86_400 * NS)
            raise DataError(
                f"the local stamp jumps {days:,} days ahead",
                where=self._where(origin),
                hint=f"Holes of up to {LONGEST_HOLE_NS // (86_400 * NS)} days are kept as rows without events; this is a "
                "damaged stamp, or another session.",
            )
        self._now = max(self._now, local_ts)
        bids_end = self._size + len(bids)
        self._size = bids_end + len(asks)
        if bids:
            self._text += (bids, asks)
        self._heads.append(
            (kind, side, flags, 0, origin, exch_ts, send_ts, self._now, update_id, bids_end, self._size)
        )

    def flush(self) -> EventArray:
        """EVENT[n] of all messages added since the last flush.

        Raises
        ------
        DataError
            For a number that is not one, or not a multiple of the tick or lot, naming where it stands.
        """
        if not self._heads:
            return np.empty(0, EVENT)
        heads = np.array(self._heads, MESSAGE)
        text = np.frombuffer(b"".join(self._text), np.uint8)
        events = np.zeros(count_events(heads, text), EVENT)
        written, code, at = write_events(heads, text, self._price_grid, self._size_grid, events)
        if code:
            raise self._error(heads, text, code, at)
        self._heads, self._text, self._size = [], [], 0
        return events[:written]

    def _error(self, heads: Any, text: Any, code: int, at: int) -> DataError:
        message = int(np.searchsorted(heads["asks_end"], at, side="right"))
        where = self._where(int(heads["origin"][min(message, len(heads) - 1)]))
        shown = bytes(text[at : at + 24]).decode(errors="replace")
        if code == OFF_TICK:
            number = shown.split('"')[0]
            return DataError(
                f"price {number} is not a multiple of the tick {self._instrument.tick}",
                where=where,
                hint="Set source.tick to the instrument's price step.",
            )
        if code == OFF_LOT:
            number = shown.split('"')[0]
            return DataError(
                f"size {number} is not a multiple of the lot {self._instrument.lot}",
                where=where,
                hint="Set source.lot to the instrument's size step.",
            )
        return DataError(f'no list of ["price","size"] pairs: it goes wrong at {shown!r}', where=where)
