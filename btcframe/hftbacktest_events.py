"""Events in the layout of hftbacktest 2.x, so that the same market can be traded by another's simulator.

    data = to_hftbacktest(events, instrument)
    np.savez_compressed("session.npz", data=data)        # what its BacktestAsset().data(...) takes

Prices are in quote and sizes in base coin, as its data are: give it ``tick_size=float(instrument.tick)`` and
``lot_size=float(instrument.lot)``. hftbacktest itself is not needed here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from btcframe.errors import DataError, did_you_mean
from btcframe.types import EventArray, EventFlag, Instrument, Ints, Kind

HFTBACKTEST_EVENT = np.dtype(
    [
        ("ev", "u8"),  # what it is, for whom, and its side, in bits
        ("exch_ts", "i8"),  # ns, when it happens at the venue
        ("local_ts", "i8"),  # ns, when the trader has it
        ("px", "f8"),  # quote
        ("qty", "f8"),  # base coin
        ("order_id", "u8"),
        ("ival", "i8"),
        ("fval", "f8"),
    ],
    align=True,
)

STAMPS = {
    "local": "everything happens at the venue when we have it: no latency of the feed",
    "exchange": "it happens at the venue at its exchange stamp, and we have it at its local one",
}

_DEPTH, _TRADE, _CLEAR, _SNAPSHOT = 1, 2, 3, 4
_AT_VENUE, _AT_TRADER = 1 << 31, 1 << 30
_BUY, _SELL = 1 << 29, 1 << 28


def to_hftbacktest(
    events: EventArray, instrument: Instrument, *, stamps: str = "local"
) -> npt.NDArray[np.void]:
    """Write events as hftbacktest reads them.

    A snapshot becomes one that clears and one per level. A gap clears the book, and what follows it until the next
    snapshot is left out, as our book leaves it out: hftbacktest has no unknown book, only an empty one. Messages that
    changed nothing and heartbeats have no counterpart and are left out.

    Parameters
    ----------
    events : EVENT[n]          in order of consumption, from the start of a stream: what comes before its first
                               snapshot is unknown and left out, trades excepted
    instrument : Instrument
    stamps : str               of STAMPS

    Returns
    -------
    HFTBACKTEST_EVENT[m]
        `local_ts` never decreases among the rows for the trader, nor `exch_ts` among those for the venue. Where the
        two orders differ an event has a row for each.

    Raises
    ------
    ValueError
        If there are no such stamps.
    DataError
        If the local stamps decrease, or an exchange stamp is asked for where the feed has none.
    """
    if stamps not in STAMPS:
        raise ValueError(f"stamps: {stamps!r} are unknown. {did_you_mean(stamps, STAMPS)}")
    local = events["local_ts"]
    if (backwards := np.flatnonzero(np.diff(local) < 0)).size:
        at = int(backwards[0]) + 1
        raise DataError(
            f"local_ts goes back from {local[at - 1]} to {local[at]}",
            where=f"event {at}",
            hint="Events are in order of consumption; order them as their source gave them.",
        )
    told = events[_is_told(events)]
    if stamps == "exchange" and (unstamped := np.flatnonzero(told["exch_ts"] <= 0)).size:
        raise DataError(
            f"{unstamped.size:,} of {told.size:,} events have no exchange stamp",
            where=f"the first of local_ts {told['local_ts'][unstamped[0]]}",
            hint='Convert with stamps="local": every event has that one.',
        )
    out = np.zeros(len(told), HFTBACKTEST_EVENT)
    out["ev"] = _bits(told)
    out["local_ts"] = told["local_ts"]
    out["exch_ts"] = told["local_ts" if stamps == "local" else "exch_ts"]
    sized = (told["kind"] == Kind.DEPTH) | (told["kind"] == Kind.TRADE)
    out["px"][sized] = _exact(told["ticks"][sized], instrument.tick_ratio)
    out["qty"][sized] = _exact(told["lots"][sized], instrument.lot_ratio)
    return _in_both_orders(out)


def _is_told(events: EventArray) -> npt.NDArray[np.bool_]:
    """Which events have a counterpart: depth only while our own book would take it."""
    kind = events["kind"]
    at = np.arange(len(events))
    last_snapshot = np.maximum.accumulate(np.where(kind == Kind.CLEAR, at, -1))
    last_gap = np.maximum.accumulate(np.where(kind == Kind.GAP, at, -1))
    known = last_snapshot > last_gap
    other = (kind == Kind.TRADE) | (kind == Kind.CLEAR) | (kind == Kind.GAP)
    return np.asarray(other | ((kind == Kind.DEPTH) & known))


def _bits(events: EventArray) -> Ints:
    """`ev` of events that have a counterpart."""
    kind = events["kind"]
    level = np.where(events["flags"] & EventFlag.SNAPSHOT, _SNAPSHOT, _DEPTH)
    what = np.select([kind == Kind.DEPTH, kind == Kind.TRADE], [level, _TRADE], _CLEAR)
    side = np.select([events["side"] > 0, events["side"] < 0], [_BUY, _SELL], 0)
    # both sides are cleared by an event without one
    return np.asarray(what | np.where(what == _CLEAR, 0, side) | _AT_VENUE | _AT_TRADER)


def _exact(counts: Ints, ratio: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Prices or sizes of ticks or lots, with one rounding (see Instrument)."""
    return np.asarray(counts * ratio[0] / ratio[1])


def _in_both_orders(rows: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Rows for the trader by local stamp and for the venue by exchange stamp, both in one array.

    Each side skips the other's rows, so only the order among its own counts: at each place stands the trader's next
    event, and the venue's next one, in one row where they are the same.
    """
    order = np.argsort(rows["exch_ts"], kind="stable")
    places = np.arange(len(rows))
    parted = order != places
    out = np.empty(len(rows) + np.count_nonzero(parted), HFTBACKTEST_EVENT)
    first = places + np.cumsum(parted) - parted
    out[first] = rows
    out["ev"][first[parted]] &= ~np.uint64(_AT_VENUE)
    venue = rows[order[parted]]
    venue["ev"] &= ~np.uint64(_AT_TRADER)
    out[first[parted] + 1] = venue
    return out
