"""What happens within a row: the book and the row's accumulators, one feed message at a time.

A message is one atomic update: the ten best levels before it are compared with those after it. Everything is
summed in whole lots, ticks and half ticks, so a row does not depend on how its events were chunked. Products of ticks
and lots are summed as floats, exact up to 2^53, because those of a size of 1e12 coins fit no integer. ROW in
btcframe.types names what the sums become when the row closes.
"""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel
from btcframe.kernels.book import NO_KEY, apply_event, lots_at
from btcframe.kernels.quality import TRUST
from btcframe.types import FLOW_LEVELS, EventFlag, Instrument, Kind, RowFlag, StateArray

TRACKED = 1024
"""Changes behind the ten best that one message may make per side before it is FLOW_CUT."""

BEST = 2
TIMER = 4
"""Why `ingest` stopped; the values of api.Wake."""

INGEST = np.dtype(
    [
        # the instrument: ticks * tick_num / tick_den is a price, lots * lot_num / lot_den a size
        ("tick_num", "i8"),
        ("tick_den", "i8"),
        ("lot_num", "i8"),
        ("lot_den", "i8"),
        # time
        ("now", "i8"),  # latest local_ts consumed
        ("book_ns", "i8"),  # local_ts of the last book message consumed
        ("timer_ns", "i8"),  # period of the policy's timer, 0 for none
        ("timer_due", "i8"),
        ("started", "i8"),  # a row was closed with a usable book: from then on every edge is a row
        # the message being consumed
        ("snapshot", "i8"),  # it began with CLEAR
        ("was_usable", "i8"),  # the book was usable when it did
        ("no_flow", "i8"),
        ("touched", "i8"),  # it changed something at or above the tenth best level
        ("tracked", "i8", (2,)),  # changes it made below that; beyond TRACKED they are not kept
        ("tracked_key", "i8", (2, TRACKED)),
        ("tracked_lots", "i8", (2, TRACKED)),  # lots before the change
        # the ten best before and after it, best first, NO_KEY where absent
        ("key", "i8", (2, FLOW_LEVELS)),
        ("lots", "i8", (2, FLOW_LEVELS)),
        ("next_key", "i8", (2, FLOW_LEVELS)),
        ("next_lots", "i8", (2, FLOW_LEVELS)),
        # the mid in half ticks; it keeps its last value while the book is crossed or one-sided
        ("has_mid", "i8"),
        ("mid2", "i8"),
        ("direction", "i8"),  # sign of its previous counted change, 0 after a snapshot
        # the row being accumulated
        ("flags", "i8"),
        ("events", "i8"),
        ("messages", "i8"),
        ("ofi", "i8", (FLOW_LEVELS,)),
        ("added", "i8", (2,)),
        ("removed", "i8", (2,)),
        ("removed_best", "i8", (2,)),
        ("changes", "i8"),
        ("moves", "i8"),
        ("reversals", "i8"),
        ("has_range", "i8"),
        ("high2", "i8"),
        ("low2", "i8"),
        ("volume", "i8", (2,)),  # buyer-initiated, seller-initiated
        ("count", "i8", (2,)),
        ("notional", "f8", (2,)),  # ticks * lots
        ("max_trade", "i8"),
        ("cost2", "f8"),  # signed cost, half ticks * lots
        ("cost_unknown", "i8"),  # a trade came before there was a mid
        ("first_exch", "i8"),
        ("last_exch", "i8"),
        ("latency", "i8"),
        ("trust", TRUST),
    ],
    align=True,
)

_DEPTH, _CLEAR, _EMPTY = int(Kind.DEPTH), int(Kind.CLEAR), int(Kind.EMPTY)
_TRADE, _GAP, _HEARTBEAT = int(Kind.TRADE), int(Kind.GAP), int(Kind.HEARTBEAT)
_END = int(EventFlag.END)
_NO_FLOW = int(EventFlag.NO_FLOW | EventFlag.SNAPSHOT)
_PARTIAL, _RESNAPSHOT = int(RowFlag.PARTIAL), int(RowFlag.RESNAPSHOT)
_FLOW_CUT = int(RowFlag.FLOW_CUT)


def new_state(instrument: Instrument, timer_ns: int = 0) -> StateArray:
    """INGEST of shape (1,) before the first event."""
    state = np.zeros(1, INGEST)
    state["tick_num"], state["tick_den"] = instrument.tick_ratio
    state["lot_num"], state["lot_den"] = instrument.lot_ratio
    state["timer_ns"] = timer_ns
    state["now"] = np.iinfo(np.int64).min
    state["timer_due"] = np.iinfo(np.int64).min
    state["key"] = NO_KEY
    state["trust"]["seen_ns"] = state["book_ns"] = np.iinfo(np.int64).min
    return state


@kernel
def ingest(book, state, events, start, stop, wanted, at_cut):
    """Consume events[start:stop].

    Parameters
    ----------
    book : BOOK[1]
    state : INGEST[1]
    wanted : int        BEST | TIMER: stop after a message that changed a best price, before an item past the timer
    at_cut : bool       a row closes before events[stop]: that item's time is known

    Returns
    -------
    (next, wake) : (int, int)
    """
    b = book[0]
    s = state[0]
    for i in range(start, stop):
        e = events[i]
        if wanted & TIMER and _timer(s, e.local_ts):
            return i, TIMER
        if e.local_ts > s.now:
            s.now = e.local_ts
        if _consume(b, s, e) and wanted & BEST:
            return i + 1, BEST
    if at_cut:
        ns = events[stop].local_ts
        if ns > s.now:
            s.now = ns
        if wanted & TIMER and _timer(s, ns):
            return stop, TIMER
    return stop, 0


@kernel
def _timer(s, ns):
    """Whether an item at `ns` is past the timer; moves it on and the time forward if so."""
    period = s.timer_ns
    if s.timer_due >= ns:
        return False
    due = s.timer_due > np.iinfo(np.int64).min
    s.timer_due = -(-ns // period) * period
    if due and ns > s.now:
        s.now = ns
    return due


@kernel
def _consume(b, s, e):
    """Advance book and accumulators by one event; True if a best price changed."""
    kind = e.kind
    if kind == _HEARTBEAT:
        return False
    s.events += 1
    if e.exch_ts != 0:
        if s.first_exch == 0:
            s.first_exch = e.exch_ts
        s.last_exch = e.exch_ts
        s.latency = e.local_ts - e.exch_ts
    if kind == _TRADE:
        _trade(s, e)
        return False
    if kind == _GAP:
        changed = b.usable != 0
        apply_event(b, e)
        s.has_mid = 0
        _next_message(s)
        return changed
    if kind != _DEPTH and kind != _CLEAR and kind != _EMPTY:
        return False
    if kind == _CLEAR:
        s.snapshot = 1
        s.was_usable = b.usable
    s.no_flow |= e.flags & _NO_FLOW
    old = apply_event(b, e)
    if kind == _DEPTH and s.snapshot == 0:
        side = 0 if e.side > 0 else 1
        key = e.side * e.ticks
        if key >= s.key[side, FLOW_LEVELS - 1]:
            s.touched = 1
        elif s.tracked[side] < TRACKED:
            s.tracked_key[side, s.tracked[side]] = key
            s.tracked_lots[side, s.tracked[side]] = old
            s.tracked[side] += 1
        else:
            s.tracked[side] = TRACKED + 1
    if e.flags & _END == 0:
        return False
    s.messages += 1
    s.book_ns = e.local_ts
    changed = _finish(b, s)
    _next_message(s)
    return changed


@kernel
def _next_message(s):
    s.snapshot = 0
    s.no_flow = 0
    s.touched = 0
    s.tracked[0] = 0
    s.tracked[1] = 0


@kernel
def _trade(s, e):
    if e.flags & _END:
        s.messages += 1
    side = 0 if e.side > 0 else 1
    s.volume[side] += e.lots
    s.count[side] += 1
    s.notional[side] += float(e.ticks) * e.lots
    if e.lots > s.max_trade:
        s.max_trade = e.lots
    if s.has_mid:
        s.cost2 += float(e.side * e.lots) * (2 * e.ticks - s.mid2)
    else:
        s.cost_unknown = 1


@kernel
def _finish(b, s):
    """End of a book message: compare the book before and after. True if a best price changed."""
    if b.usable == 0 or (s.snapshot == 0 and s.touched == 0):
        return False
    for side in range(2):
        n = b.n[side]
        for k in range(FLOW_LEVELS):
            at = n - 1 - k
            s.next_key[side, k] = b.key[side, at] if at >= 0 else NO_KEY
            s.next_lots[side, k] = b.lots[side, at] if at >= 0 else 0
    changed = s.next_key[0, 0] != s.key[0, 0] or s.next_key[1, 0] != s.key[1, 0]
    if s.snapshot:
        changed = changed or s.was_usable == 0
        s.flags |= _RESNAPSHOT if s.was_usable else _PARTIAL
        s.direction = 0
    elif s.no_flow == 0:
        for side in range(2):
            _order_flow(s, side)
            _added(s, side)
            _removed(b, s, side)
    _move_mid(b, s)
    for side in range(2):  # a slice would compile numba's message about unequal shapes: seconds
        for k in range(FLOW_LEVELS):
            s.key[side, k] = s.next_key[side, k]
            s.lots[side, k] = s.next_lots[side, k]
    return changed


@kernel
def _order_flow(s, side):
    """e_k of one message: the k-th level's size gained by the bid less that gained by the ask."""
    sign = 1 if side == 0 else -1
    for k in range(FLOW_LEVELS):
        before, after = s.key[side, k], s.next_key[side, k]
        if after > before:
            change = s.next_lots[side, k]
        elif after == before:
            change = s.next_lots[side, k] - s.lots[side, k]
        else:
            change = -s.lots[side, k]
        s.ofi[k] += sign * change


@kernel
def _added(s, side):
    """Increases at prices that are among the ten best after the message."""
    floor = s.key[side, FLOW_LEVELS - 1]
    j = 0
    for k in range(FLOW_LEVELS):
        key, now = s.next_key[side, k], s.next_lots[side, k]
        if key == NO_KEY:
            return
        while j < FLOW_LEVELS and s.key[side, j] > key:
            j += 1
        if j < FLOW_LEVELS and s.key[side, j] == key:
            was = s.lots[side, j]
        elif key > floor:
            was = 0  # between the ten that were there: it is new
        else:
            was = _lots_before(s, side, key, now)
        if now > was:
            s.added[side] += now - was
            s.changes += 1


@kernel
def _lots_before(s, side, key, now):
    """Lots, before the message, of a level that rose into the ten best: its first tracked change says."""
    for i in range(min(s.tracked[side], TRACKED)):
        if s.tracked_key[side, i] == key:
            return s.tracked_lots[side, i]
    if s.tracked[side] > TRACKED:
        s.flags |= _FLOW_CUT
    return now


@kernel
def _removed(b, s, side):
    """Decreases at prices that were among the ten best before the message."""
    j = 0
    for k in range(FLOW_LEVELS):
        key, was = s.key[side, k], s.lots[side, k]
        if key == NO_KEY:
            return
        while j < FLOW_LEVELS and s.next_key[side, j] > key:
            j += 1
        if j == FLOW_LEVELS:
            now = lots_at(b, side, key)  # pushed out of the ten, or gone
        else:
            now = s.next_lots[side, j] if s.next_key[side, j] == key else 0
        if now < was:
            s.removed[side] += was - now
            s.changes += 1
            if k == 0:
                s.removed_best[side] += was - now


@kernel
def _move_mid(b, s):
    bid, ask = s.next_key[0, 0], -s.next_key[1, 0]
    if b.n[0] == 0 or b.n[1] == 0 or bid >= ask:
        return
    mid2 = bid + ask
    if s.has_mid and mid2 != s.mid2 and s.no_flow == 0 and s.snapshot == 0:
        direction = 1 if mid2 > s.mid2 else -1
        s.moves += 1
        if s.direction == -direction:
            s.reversals += 1
        s.direction = direction
    s.has_mid = 1
    s.mid2 = mid2
    if s.has_range == 0 or mid2 > s.high2:
        s.high2 = mid2
    if s.has_range == 0 or mid2 < s.low2:
        s.low2 = mid2
    s.has_range = 1
