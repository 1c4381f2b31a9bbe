"""The record types that flow through btcframe, and the units of every field.

Time is int64 nanoseconds UTC. Prices and sizes are integer ticks and lots in events and orders, float64 in
quote and base coin in rows. Sides are +1 (bid, buy) and -1 (ask, sell).
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum, IntEnum, IntFlag
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

LEVELS = 20
"""Book levels a row holds on each side."""

FLOW_LEVELS = 10
"""Levels over which order-flow imbalance and added/removed volume are accumulated."""

NS = 1_000_000_000
"""Nanoseconds in a second."""

DAY = 86_400 * NS
"""Nanoseconds in a day."""


class Kind(IntEnum):
    """What an EVENT is."""

    DEPTH = 1  # the size at a price is now `lots` (0 deletes the price)
    CLEAR = 2  # a snapshot begins: the book is emptied, DEPTH events flagged SNAPSHOT follow
    TRADE = 3  # a print; `side` is the aggressor's
    EMPTY = 4  # a book message that changed nothing
    GAP = 5  # the feed lost something: the book is unusable until the next snapshot
    HEARTBEAT = 6  # time passed; the only item a quiet market has


class EventFlag(IntFlag):
    """Bits of EVENT.flags."""

    END = 1  # last event of its feed message: the book may be looked at
    SNAPSHOT = 2  # part of a snapshot
    NO_FLOW = 4  # applied without counting as flow (diffs that were buffered before a snapshot)


EVENT = np.dtype(
    [
        ("exch_ts", "i8"),  # ns, matching engine; 0 where the feed has none
        ("send_ts", "i8"),  # ns, sent by the exchange; 0 where the feed has none
        ("local_ts", "i8"),  # ns, when we had it; never decreases in order of consumption
        ("mono_ts", "i8"),  # ns, local monotonic clock; 0 in recorded data
        ("update_id", "i8"),  # the feed's sequence number or trade id
        ("ticks", "i8"),  # price in ticks
        ("lots", "i8"),  # size in lots
        ("kind", "u1"),  # Kind
        ("side", "i1"),  # +1 bid or buyer-initiated, -1 ask or seller-initiated
        ("flags", "u2"),  # EventFlag
        ("pad", "u4"),  # keeps the record at one cache line, 64 bytes
    ],
    align=True,
)


class RowFlag(IntFlag):
    """Bits of ROW.flags: why a row is not an ordinary one."""

    PARTIAL = 1  # the book became valid in this row: levels good, accumulators NaN
    GAP = 2  # the book is unusable: levels and accumulators NaN
    CROSSED = 4  # best bid >= best ask at the close: levels NaN, accumulators stay
    ONE_SIDED = 8  # a side is empty at the close: mid NaN
    THIN = 16  # a side has fewer than LEVELS levels
    SNAPSHOT_FLOW = 32  # the source sends snapshots only: accumulators compare consecutive snapshots
    RESNAPSHOT = 64  # a snapshot replaced a valid book in this row; it made no flow
    FLOW_CUT = 128  # a message had more changes than the kernel tracks: added/removed/changes are NaN
    NO_EVENTS = 256  # nothing was consumed in this row; of a bar: nobody traded in it
    BAR = 512  # a bar of trades: no book, mid is the last trade's price, known of the flow are V, N and Q
    STALE = 1024  # the last book message is older than is usual here
    LATE = 2048  # what was consumed last came later than is usual here


ROW = np.dtype(
    [
        ("row_ns", "i8"),  # ns, the edge at which the row ends
        ("flags", "u4"),  # RowFlag
        ("messages", "u4"),  # U: feed messages consumed (book and trades)
        ("bid_px", "f8", (LEVELS,)),  # b_i: quote, best first, NaN where absent
        ("bid_sz", "f8", (LEVELS,)),  # B_i: base coin, NaN where absent
        ("ask_px", "f8", (LEVELS,)),  # a_i
        ("ask_sz", "f8", (LEVELS,)),  # A_i
        ("mid", "f8"),  # m = (b_1 + a_1)/2, quote
        ("microprice", "f8"),  # (a_1 B_1 + b_1 A_1)/(B_1 + A_1), quote
        ("ofi", "f8", (FLOW_LEVELS,)),  # e_k: base coin
        ("add_bid", "f8"),  # add+: base coin
        ("add_ask", "f8"),  # add-
        ("rem_bid", "f8"),  # rem+
        ("rem_ask", "f8"),  # rem-
        ("rem1_bid", "f8"),  # rem1+: removed at the price that was best before its message
        ("rem1_ask", "f8"),  # rem1-
        ("changes", "f8"),  # C: changed prices counted in add or rem
        ("mid_moves", "f8"),  # J: messages that changed m
        ("mid_reversals", "f8"),  # Jr: those of J against the direction of the previous change
        ("mid_high", "f8"),  # mh: highest m over the row, its opening m included
        ("mid_low", "f8"),  # ml
        ("buy_volume", "f8"),  # V+: base coin
        ("sell_volume", "f8"),  # V-
        ("buy_count", "f8"),  # N+
        ("sell_count", "f8"),  # N-
        ("buy_notional", "f8"),  # Q+: quote
        ("sell_notional", "f8"),  # Q-
        ("max_trade", "f8"),  # Vmax: base coin
        ("signed_cost", "f8"),  # ES = sum of s q (p - m before the trade), quote
        ("first_exch_ts", "i8"),  # ns, first and last exchange stamp consumed; 0 without
        ("last_exch_ts", "i8"),
        ("latency_ns", "i8"),  # local_ts - exch_ts of the last stamped event, as logged (skew included)
        ("age_ns", "i8"),  # row_ns - local_ts of the last book message, or bar with a trade
        ("quality", "f8"),  # 0 (cannot be used) to 1 (nothing to complain of): docs/quality.md
    ],
    align=True,
)

ACCUMULATORS = (
    "ofi", "add_bid", "add_ask", "rem_bid", "rem_ask", "rem1_bid", "rem1_ask", "changes", "mid_moves",
    "mid_reversals", "mid_high", "mid_low", "buy_volume", "sell_volume", "buy_count", "sell_count",
    "buy_notional", "sell_notional", "max_trade", "signed_cost",
)  # fmt: skip
"""The fields of ROW that count over the row; NaN in PARTIAL and GAP rows."""

CUT = np.dtype([("index", "i8"), ("row_ns", "i8")])
"""A row boundary: the row labelled `row_ns` closes before the event at `index` is consumed."""

TRUTH = np.dtype(
    [
        ("row_ns", "i8"),  # ns, local: what was true when everything received until then had happened
        ("regime", "i8"),  # index of the market's state
        ("latent", "f8"),  # the hidden signal, standard deviations
        ("pressure", "f8"),  # bps by which the fair price is above the mid: the mid will catch up
        ("settling", "f8"),  # 1/s, how fast it does
    ],
    align=True,
)
"""What a synthetic market hides, for judging only: no pipeline, feature or model is ever given it."""

PREDICTION = np.dtype(
    [
        ("row_ns", "i8"),  # row the prediction was made on
        ("horizon_ns", "i8"),
        ("mean", "f8"),  # expected return over the horizon, bps; NaN where there is none
        ("p_up", "f8"),  # probability that the return is positive, NaN where the model has none
        ("low", "f8"),  # interval bounds, bps, NaN where the model has none
        ("high", "f8"),
        ("model", "i4"),  # index of the model in the session (fold number in a walk-forward)
        ("pad", "i4"),
    ],
    align=True,
)


class OrderState(IntEnum):
    """Life of an order. DENIED is ours (risk, filters); REJECTED is the venue's."""

    SUBMITTED = 1
    ACCEPTED = 2
    PARTIALLY_FILLED = 3
    FILLED = 4
    PENDING_CANCEL = 5
    CANCELED = 6
    REJECTED = 7
    DENIED = 8
    EXPIRED = 9

    @property
    def final(self) -> bool:
        """Whether nothing can happen to the order any more."""
        return self in (self.FILLED, self.CANCELED, self.REJECTED, self.DENIED, self.EXPIRED)


class TimeInForce(IntEnum):
    """How long an order stands."""

    GTC = 1
    IOC = 2
    FOK = 3
    POST_ONLY = 4


class OrderReason(IntEnum):
    """Why an order is in the state it is in, where the state alone does not say so. What we deny has a code of its own."""

    NONE = 0
    ASKED = 1  # canceled: we asked for it
    POST_ONLY = 2  # it would have taken
    REDUCE_ONLY = 3  # nothing is left to reduce
    UNFILLED = 4  # what an IOC or market order leaves
    FOK = 5  # all or nothing, and not all was offered
    BEYOND_BOOK = 6  # its price reaches beyond the levels that are seen
    NO_BOOK = 7  # the book cannot be trusted: nothing is matched
    LIMITS = 8  # not whole ticks or lots, too small or too large
    FUNDS = 9  # it cannot be paid for
    SELF = 10  # it would have met another order of ours
    CLOSED = 11  # the market is halted
    VENUE = 12  # the venue's own cause
    LOST = 13  # it never reached the venue
    JOURNAL = 14  # it could not be written down before it was to be sent, so it was not
    RATE = 15  # too many requests
    KEYS = 16  # the venue takes our key no more


ORDER = np.dtype(
    [
        ("order_id", "i8"),  # ours, counted from 1 in the session
        ("ns", "i8"),  # when we knew of this state, local clock
        ("venue_ns", "i8"),  # when it happened at the venue
        ("row_ns", "i8"),  # row the intent was decided on
        ("ticks", "i8"),  # limit price; 0 for a market order
        ("lots", "i8"),
        ("filled_lots", "i8"),
        ("state", "u1"),  # OrderState
        ("side", "i1"),
        ("tif", "u1"),  # TimeInForce
        ("reduce_only", "u1"),
        ("model", "i4"),  # PREDICTION.model the intent rests on, -1 without
        ("why", "u1"),  # OrderReason
        ("pad", "u1"),
        ("pad2", "u2"),
        ("pad3", "u4"),
    ],
    align=True,
)
"""The state of one order at one moment; a session's order table is the sequence of these."""

FILL = np.dtype(
    [
        ("order_id", "i8"),
        ("ns", "i8"),  # when we knew of it
        ("venue_ns", "i8"),  # when it happened
        ("ticks", "i8"),
        ("lots", "i8"),
        ("fee", "f8"),  # settle coin (quote; base coin of an inverse contract), positive is paid
        ("side", "i1"),
        ("maker", "u1"),
        ("pad", "u2"),
        ("pad2", "u4"),
    ],
    align=True,
)

FUNDING = np.dtype(
    [
        ("ns", "i8"),  # when we knew of it
        ("venue_ns", "i8"),  # when it was settled
        ("rate", "f8"),  # share of the position's value that longs pay shorts
        ("position_lots", "i8"),  # held then
        ("amount", "f8"),  # settle coin, as FILL.fee; positive is paid
    ],
    align=True,
)


class QueueModel(Enum):
    """What the simulated venue takes to move a resting order forward in its queue; docs/simulated-venue.md."""

    through = 0  # nothing: it fills when the market goes through its price
    trades = 1  # prints at its price
    risk_averse = 2  # prints, and a level that shows less than is ahead
    log = 3  # prints, and of what else leaves the level a share from ahead, by ln(1 + x)
    log2 = 4
    power = 5  # the same by x^n
    power2 = 6
    power3 = 7


class LatencyModel(Enum):
    """How long the simulated venue's messages take."""

    constant = 0
    sampled = 1  # drawn from the seed
    recorded = 2  # longer by what the market's own messages took longer


EventArray = npt.NDArray[np.void]
RowArray = npt.NDArray[np.void]
StateArray = npt.NDArray[np.void]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Instrument(NamedTuple):
    """What is traded, in the venue's units.

    Prices are `ticks * tick` and sizes `lots * lot`, computed as integer · numerator / denominator: one
    correctly rounded division, so a row holds the same float64 the exchange's decimal text parses to.
    """

    symbol: str  # ccxt's, e.g. BTC/USDT:USDT
    tick: Decimal  # price step, quote
    lot: Decimal  # size step, base coin (contracts for inverse)
    contract: str = "linear"  # spot, linear or inverse
    min_notional: float = 0.0  # quote
    funding_ns: int = 8 * 3600 * NS  # funding interval

    @property
    def tick_ratio(self) -> tuple[int, int]:
        """Tick as (numerator, denominator)."""
        return self.tick.as_integer_ratio()

    @property
    def lot_ratio(self) -> tuple[int, int]:
        """Lot as (numerator, denominator)."""
        return self.lot.as_integer_ratio()

    def price(self, ticks: int) -> float:
        """Price of a number of ticks, quote."""
        num, den = self.tick_ratio
        return ticks * num / den

    def size(self, lots: int) -> float:
        """Size of a number of lots, base coin."""
        num, den = self.lot_ratio
        return lots * num / den

    def notional(self, lots: int, price: float) -> float:
        """Value of a number of lots at a price, quote: an inverse contract is worth its size at any price."""
        return self.size(lots) * (1.0 if self.contract == "inverse" else price)


class Frame(NamedTuple):
    """One raw feed message, untouched, with the time at which we had it."""

    local_ts: int
    stream: str
    data: bytes


_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": NS, "m": 60 * NS, "h": 3600 * NS, "d": 86_400 * NS}


LONGEST_NS = 36_500 * _UNITS["d"]
"""The longest duration: a hundred years from today still fits a stamp."""


def duration_ns(text: str, *, zero: bool = False) -> int:
    """Nanoseconds of a duration such as "100ms", "1s", "5m", "8h".

    Parameters
    ----------
    text : str
    zero : bool     whether it may be nothing: "0s"

    Raises
    ------
    ValueError
        If the text is not a whole number followed by ns, us, ms, s, m, h or d, it is 0 and may not be, or it is longer
        than a stamp can take.
    """
    stripped = text.strip()
    digits = stripped.rstrip("nsumhd")
    unit = stripped[len(digits) :]
    if not digits.isdecimal() or unit not in _UNITS or (int(digits) == 0 and not zero):
        raise ValueError(f"{text!r} is not a duration: write a whole number and a unit, e.g. 100ms, 1s, 5m")
    ns = int(digits) * _UNITS[unit]
    if ns > LONGEST_NS:
        raise ValueError(f"{text!r} is longer than {duration_name(LONGEST_NS)}")
    return ns


def duration_name(ns: int) -> str:
    """The shortest exact text of a duration: 100_000_000 → "100ms"."""
    for unit in ("d", "h", "m", "s", "ms", "us"):
        if ns % _UNITS[unit] == 0:
            return f"{ns // _UNITS[unit]}{unit}"
    return f"{ns}ns"
