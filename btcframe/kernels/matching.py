"""The simulated venue's matching: our few orders against the market's events, in order of consumption.

All times are on the local timeline. A request of ours reaches the venue at its `arrive_ns` and is handled before
the first event later than that (at equal times the market was first); what the venue answers is known to us at
the report's `ns`, before any event that is not earlier. Our orders leave no trace in the visible book.
"""

from __future__ import annotations

import numpy as np

from btcframe.api import Action
from btcframe.kernels import kernel
from btcframe.kernels.book import apply_event, is_sound
from btcframe.types import LEVELS, EventFlag, Kind, OrderState, TimeInForce

REQUEST = np.dtype(
    [
        ("arrive_ns", "i8"),  # when it reaches the venue, never decreasing: one connection, nothing overtakes
        ("order_id", "i8"),
        ("ticks", "i8"),  # 0 for a market order
        ("lots", "i8"),
        ("action", "u1"),  # Action
        ("side", "i1"),
        ("tif", "u1"),  # TimeInForce
        ("reduce_only", "u1"),
        ("pad", "u4"),
    ],
    align=True,
)

RESTING = np.dtype(
    [
        ("order_id", "i8"),
        ("ticks", "i8"),
        ("lots", "i8"),
        ("filled_lots", "i8"),
        (
            "seen_lots",
            "i8",
        ),  # visible opposite lots at or through the price that have been taken into account
        ("side", "i1"),
        ("tif", "u1"),
        ("reduce_only", "u1"),
        ("pad", "u1"),
        ("pad2", "u4"),
    ],
    align=True,
)
"""An order at the venue; the table stands in order of time priority."""

SIM = np.dtype(
    [
        ("position_lots", "i8"),  # signed
        ("report_latency_ns", "i8"),
        ("maker_rate", "f8"),  # share of the notional, negative for a rebate
        ("taker_rate", "f8"),
        ("unit", "f8"),  # quote per tick·lot
        ("resting", "i8"),  # records in use, of RESTING
        ("request_head", "i8"),  # REQUEST[head:tail] are on their way to the venue
        ("request_tail", "i8"),
        ("order_head", "i8"),  # ORDER[head:tail] and FILL[head:tail] are on their way to us
        ("order_tail", "i8"),
        ("fill_head", "i8"),
        ("fill_tail", "i8"),
    ],
    align=True,
)

FULL = -1
"""Returned by `advance` instead of the number of due orders: make `orders` and `fills` longer and go on."""

_SUBMIT, _AMEND = int(Action.SUBMIT), int(Action.AMEND)
_IOC, _FOK, _POST_ONLY = int(TimeInForce.IOC), int(TimeInForce.FOK), int(TimeInForce.POST_ONLY)
_ACCEPTED, _PARTIAL, _FILLED = (
    int(OrderState.ACCEPTED),
    int(OrderState.PARTIALLY_FILLED),
    int(OrderState.FILLED),
)
_CANCELED, _REJECTED = int(OrderState.CANCELED), int(OrderState.REJECTED)
_TRADE, _END = int(Kind.TRADE), int(EventFlag.END)


@kernel
def advance(book, sim, requests, resting, orders, fills, events, until_ns):
    """Match until a report is due before the next event, or all events are consumed and time is `until_ns`.

    Parameters
    ----------
    book : BOOK[1]
    sim : SIM[1]
    requests : REQUEST[q]
    resting : RESTING[w]       room for every request still on its way
    orders : ORDER[a]          reports on their way; `ns` is when they are due
    fills : FILL[b]
    events : EVENT[n]
    until_ns : int

    Returns
    -------
    (taken, due_orders, due_fills, busy) : (int, int, int, bool)
        events consumed; how many of the reports from the heads on are due: those of one moment where it stopped
        for them, all until `until_ns` otherwise, FULL where there is no room for what may come next; whether
        anything but those is still under way.
    """
    s = sim[0]
    n = events.shape[0]
    for i in range(n + 1):
        now = events[i].local_ts if i < n else until_ns
        while s.request_head < s.request_tail and requests[s.request_head].arrive_ns < now:
            if not _has_room(s, orders, fills):
                return i, FULL, 0, True
            _arrive(book, s, requests[s.request_head], resting, orders, fills)
            s.request_head += 1
        if s.order_head < s.order_tail and orders[s.order_head].ns <= now:
            last = orders[s.order_head].ns if i < n else until_ns
            due_orders, due_fills = 0, 0
            while s.order_head + due_orders < s.order_tail and orders[s.order_head + due_orders].ns <= last:
                due_orders += 1
            while s.fill_head + due_fills < s.fill_tail and fills[s.fill_head + due_fills].ns <= last:
                due_fills += 1
            return i, due_orders, due_fills, _is_busy(s, due_orders)
        if i < n:
            if not _has_room(s, orders, fills):
                return i, FULL, 0, True
            apply_event(book[0], events[i])
            if s.resting > 0:
                _match(book, s, events[i], resting, orders, fills)
    return n, 0, 0, _is_busy(s, 0)


@kernel
def _is_busy(s, due_orders):
    """Whether an order rests, or a request or a report that is not due yet is on its way."""
    reports = s.order_tail - s.order_head - due_orders
    return s.resting > 0 or s.request_head < s.request_tail or reports > 0


@kernel
def _has_room(s, orders, fills):
    """Whether the reports one request or one event can make fit."""
    most = LEVELS + 2 + 2 * s.resting
    return s.order_tail + most <= orders.shape[0] and s.fill_tail + most <= fills.shape[0]


@kernel
def _offered(book, side, ticks):
    """Visible lots a buy (+1) or sell (−1) at `ticks` could take, of LEVELS levels; ticks 0: at any price."""
    b = book[0]
    j = 1 if side > 0 else 0
    lots = 0
    for k in range(b.n[j] - 1, max(b.n[j] - 1 - LEVELS, -1), -1):
        if ticks > 0 and b.key[j, k] < -side * ticks:
            break
        lots += b.lots[j, k]
    return lots


@kernel
def _reaches_beyond(book, o):
    """Whether the price of an order is at or through the first level that is not visible."""
    b = book[0]
    j = 1 if o.side > 0 else 0
    return b.n[j] > LEVELS and b.key[j, b.n[j] - 1 - LEVELS] >= -o.side * o.ticks


@kernel
def _room_to_fill(s, o):
    """Lots of an order that may still be filled: what is open, and no more than there is to reduce."""
    open_lots = o.lots - o.filled_lots
    if o.reduce_only:
        return min(open_lots, max(0, -o.side * s.position_lots))
    return open_lots


@kernel
def _report(s, o, state, venue_ns, orders):
    """Send the state of an order on its way to us."""
    r = orders[s.order_tail]
    s.order_tail += 1
    r.order_id = o.order_id
    r.ns = venue_ns + s.report_latency_ns
    r.venue_ns = venue_ns
    r.row_ns = 0
    r.ticks = o.ticks
    r.lots = o.lots
    r.filled_lots = o.filled_lots
    r.state = state
    r.side = o.side
    r.tif = o.tif
    r.reduce_only = o.reduce_only
    r.model = -1


@kernel
def _fill(s, o, ticks, lots, maker, venue_ns, fills):
    """Fill an order and send the fill on its way to us."""
    o.filled_lots += lots
    s.position_lots += o.side * lots
    f = fills[s.fill_tail]
    s.fill_tail += 1
    f.order_id = o.order_id
    f.ns = venue_ns + s.report_latency_ns
    f.venue_ns = venue_ns
    f.ticks = ticks
    f.lots = lots
    f.fee = ticks * lots * s.unit * (s.maker_rate if maker else s.taker_rate)
    f.side = o.side
    f.maker = maker


@kernel
def _remove(s, resting, k):
    """Take an order off the table; the others keep their order."""
    for j in range(k, s.resting - 1):
        resting[j] = resting[j + 1]
    s.resting -= 1


@kernel
def _cancel_what_cannot_reduce(s, resting, venue_ns, orders):
    """Cancel the reduce-only orders for which no position is left."""
    k = 0
    while k < s.resting:
        o = resting[k]
        if o.reduce_only and o.side * s.position_lots >= 0:
            _report(s, o, _CANCELED, venue_ns, orders)
            _remove(s, resting, k)
        else:
            k += 1


@kernel
def _arrive(book, s, r, resting, orders, fills):
    """A request reaches the venue."""
    if r.action == _SUBMIT:
        k = s.resting
        s.resting += 1
        o = resting[k]
        o.order_id, o.ticks, o.lots, o.side = r.order_id, r.ticks, r.lots, r.side
        o.tif, o.reduce_only, o.filled_lots, o.seen_lots = r.tif, r.reduce_only, 0, 0
        if not is_sound(book[0]) or (o.reduce_only and _room_to_fill(s, o) == 0):
            _report(s, o, _REJECTED, r.arrive_ns, orders)
            s.resting -= 1
        else:
            _place(book, s, k, resting, _REJECTED, r.arrive_ns, orders, fills)
        return
    k = 0
    while k < s.resting and resting[k].order_id != r.order_id:
        k += 1
    if k == s.resting:
        return  # too late: its final state is on its way to us already
    o = resting[k]
    if r.action == _AMEND and r.lots > o.filled_lots:
        if not is_sound(book[0]):  # refused: the order stands as it was
            _report(s, o, _PARTIAL if o.filled_lots > 0 else _ACCEPTED, r.arrive_ns, orders)
            return
        keeps_priority = r.ticks == o.ticks and r.lots <= o.lots
        o.ticks, o.lots = r.ticks, r.lots
        if keeps_priority:
            _report(s, o, _PARTIAL if o.filled_lots > 0 else _ACCEPTED, r.arrive_ns, orders)
            return
        moved = resting[k : k + 1].copy()
        _remove(s, resting, k)
        resting[s.resting] = moved[0]
        s.resting += 1
        _place(book, s, s.resting - 1, resting, _CANCELED, r.arrive_ns, orders, fills)
        return
    _report(s, o, _CANCELED, r.arrive_ns, orders)
    _remove(s, resting, k)


@kernel
def _place(book, s, k, resting, refusal, venue_ns, orders, fills):
    """Let order k, the last of the table, take what it crosses; what is left rests or is canceled."""
    o = resting[k]
    offered = _offered(book, o.side, o.ticks)
    wanted = o.lots - o.filled_lots
    state = 0
    if offered > 0 and o.tif == _POST_ONLY:
        state = refusal
    elif o.tif == _FOK and min(offered, _room_to_fill(s, o)) < wanted:
        state = _CANCELED
    else:
        _take(book, s, o, venue_ns, fills)
        if o.filled_lots == o.lots:
            state = _FILLED
        elif o.ticks == 0 or o.tif == _IOC or (o.reduce_only and _room_to_fill(s, o) == 0):
            state = _CANCELED
        elif 0 < offered < wanted and _reaches_beyond(book, o):
            state = _CANCELED  # more may be offered than the levels that are seen: it would rest crossed
    if state == 0:
        o.seen_lots = offered
        _report(s, o, _PARTIAL if o.filled_lots > 0 else _ACCEPTED, venue_ns, orders)
    else:
        _report(s, o, state, venue_ns, orders)
        _remove(s, resting, k)
    _cancel_what_cannot_reduce(s, resting, venue_ns, orders)


@kernel
def _take(book, s, o, venue_ns, fills):
    """Take from the visible book level by level, each at its price, up to the limit."""
    b = book[0]
    j = 1 if o.side > 0 else 0
    for k in range(b.n[j] - 1, max(b.n[j] - 1 - LEVELS, -1), -1):
        lots = min(_room_to_fill(s, o), b.lots[j, k])
        if lots <= 0 or (o.ticks > 0 and b.key[j, k] < -o.side * o.ticks):
            break
        _fill(s, o, -o.side * b.key[j, k], lots, 0, venue_ns, fills)


@kernel
def _match(book, s, event, resting, orders, fills):
    """Fill the resting orders the market moved through.

    Two things prove that everything at a price was traded: a print at a strictly worse price for its aggressor,
    which fills at most what it traded; and an opposite side that stands at or through the price, which fills at
    most what it offers beyond what was taken into account before.
    """
    trade = event.kind == _TRADE
    if not (trade or event.flags & _END) or not is_sound(book[0]):
        return
    touched = False
    for k in range(s.resting):
        o = resting[k]
        if trade:
            touched |= _traded_through(o, event)
        else:
            touched |= o.seen_lots > 0 or _offered(book, o.side, o.ticks) > 0
    if touched:
        _share(book, s, event, 1, resting, orders, fills)
        _share(book, s, event, -1, resting, orders, fills)
        k = 0
        while k < s.resting:
            if resting[k].filled_lots == resting[k].lots:
                _remove(s, resting, k)
            else:
                k += 1
        _cancel_what_cannot_reduce(s, resting, event.local_ts, orders)


@kernel
def _traded_through(o, trade):
    """Whether a print was at a worse price for its aggressor than the order offered."""
    return trade.side == -o.side and o.side * o.ticks > o.side * trade.ticks


@kernel
def _share(book, s, event, side, resting, orders, fills):
    """Share what the event proves among the orders of one side: best price first, then by time."""
    used = 0
    last_key, last_k = np.int64(1 << 62), -1
    while True:
        best_key, best_k = np.int64(-(1 << 62)), -1
        for k in range(s.resting):
            key = side * resting[k].ticks
            waiting = key < last_key or (key == last_key and k > last_k)
            if resting[k].side == side and waiting and key > best_key:
                best_key, best_k = key, k
        if best_k < 0:
            return
        last_key, last_k = best_key, best_k
        o = resting[best_k]
        proven = 0
        if event.kind != _TRADE:
            offered = _offered(book, side, o.ticks)
            proven = offered - o.seen_lots
            o.seen_lots = offered
        elif _traded_through(o, event):
            proven = event.lots
        lots = min(_room_to_fill(s, o), proven - used)
        if lots > 0:
            used += lots
            _fill(s, o, o.ticks, lots, 1, event.local_ts, fills)
            _report(s, o, _FILLED if o.filled_lots == o.lots else _PARTIAL, event.local_ts, orders)
