"""A request of ours reaches the venue."""

from __future__ import annotations

from btcframe.api import Action
from btcframe.kernels import kernel
from btcframe.kernels.book import is_sound
from btcframe.kernels.matching.queue import join
from btcframe.kernels.matching.reports import (
    cancel_what_cannot_reduce,
    fill,
    rank,
    remove,
    report,
    report_standing,
    room_to_fill,
    worth,
)
from btcframe.kernels.matching.taking import offered, reaches_beyond, take, worst_of
from btcframe.types import OrderReason, OrderState, TimeInForce

_SUBMIT, _AMEND = int(Action.SUBMIT), int(Action.AMEND)
_GTC, _IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)
_FOK, _POST_ONLY = int(TimeInForce.FOK), int(TimeInForce.POST_ONLY)
_FILLED, _CANCELED, _REJECTED = int(OrderState.FILLED), int(OrderState.CANCELED), int(OrderState.REJECTED)
_NONE, _ASKED, _CROSSES = int(OrderReason.NONE), int(OrderReason.ASKED), int(OrderReason.POST_ONLY)
_REDUCE_ONLY, _UNFILLED, _NOT_ALL = (
    int(OrderReason.REDUCE_ONLY),
    int(OrderReason.UNFILLED),
    int(OrderReason.FOK),
)
_BEYOND_BOOK, _NO_BOOK = int(OrderReason.BEYOND_BOOK), int(OrderReason.NO_BOOK)
_LIMITS, _SELF = int(OrderReason.LIMITS), int(OrderReason.SELF)


@kernel
def arrive(book, s, r, resting, taken, orders, fills):
    """Handle a request at its time."""
    s.venue_ns = max(s.venue_ns, r.arrive_ns)
    if r.action == _SUBMIT:
        _submit(book, s, r, resting, taken, orders, fills)
        return
    k = 0
    while k < s.resting and resting[k].order_id != r.order_id:
        k += 1
    if k == s.resting:
        return  # too late: its final state is on its way to us already
    if r.action == _AMEND and r.lots > resting[k].filled_lots:
        _amend(book, s, r, k, resting, taken, orders, fills)
    else:
        report(s, resting[k], _CANCELED, _ASKED, orders)
        remove(s, resting, k)


@kernel
def _refusal(book, s, o, ticks, lots):
    """Why an order cannot be taken at all; NONE where it can."""
    if not is_sound(book[0]):
        return _NO_BOOK
    if o.reduce_only:
        return _REDUCE_ONLY if room_to_fill(s, o) == 0 else _NONE
    b = book[0]
    j = 1 if o.side > 0 else 0
    at = ticks if ticks > 0 else -o.side * b.key[j, b.n[j] - 1]
    value = lots * s.lot if s.inverse else worth(s, at, lots)
    return _LIMITS if value < s.least else _NONE


@kernel
def _submit(book, s, r, resting, taken, orders, fills):
    k = s.resting
    s.resting += 1
    o = resting[k]
    o.order_id, o.ticks, o.lots, o.side = r.order_id, r.ticks, r.lots, r.side
    o.tif, o.reduce_only, o.filled_lots = r.tif, r.reduce_only, 0
    why = _refusal(book, s, o, o.ticks, o.lots)
    if why == _NONE:
        _place(book, s, k, resting, taken, _REJECTED, orders, fills)
    else:
        report(s, o, _REJECTED, why, orders)
        s.resting -= 1


@kernel
def _amend(book, s, r, k, resting, taken, orders, fills):
    """A new price, a new total, or both: in place where it only takes size away, as a young order otherwise."""
    o = resting[k]
    why = _refusal(book, s, o, r.ticks, r.lots)
    if why != _NONE:  # the order stands as it was
        report_standing(s, o, why, orders)
        return
    keeps_priority = r.ticks == o.ticks and r.lots <= o.lots
    o.ticks, o.lots = r.ticks, r.lots
    if keeps_priority:
        report_standing(s, o, _NONE, orders)
        return
    moved = resting[k : k + 1].copy()
    remove(s, resting, k)
    resting[s.resting] = moved[0]
    s.resting += 1
    _place(book, s, s.resting - 1, resting, taken, _CANCELED, orders, fills)


@kernel
def _place(book, s, k, resting, taken, refusal, orders, fills):
    """Let order k, the last of the table, take what it crosses; what is left rests or is canceled."""
    o = resting[k]
    limit, ours = worst_of(s, o)
    meets_ours = ours > limit
    worst = max(limit, ours)
    there = offered(book, s, taken, o.side, worst, not s.impact)
    wanted = o.lots - o.filled_lots
    state, why = 0, _NONE
    if o.tif == _POST_ONLY and (there > 0 or meets_ours):
        state, why = refusal, _CROSSES if there > 0 else _SELF
    elif o.tif == _FOK and min(there, room_to_fill(s, o)) < wanted:
        state, why = _CANCELED, _NOT_ALL
    else:
        take(book, s, o, taken, worst, fills)
        if there > 0 and o.tif == _GTC and o.ticks > 0 and not (s.bounded or meets_ours):
            rest = room_to_fill(s, o)  # what touches an order fills it
            if rest > 0:
                fill(s, o, o.ticks, rest, 0, fills)
        if o.filled_lots == o.lots:
            state = _FILLED
        elif o.reduce_only and room_to_fill(s, o) == 0:
            state, why = _CANCELED, _REDUCE_ONLY
        elif meets_ours:
            state, why = _CANCELED, _SELF
        elif o.ticks == 0 or o.tif == _IOC:
            state, why = _CANCELED, _UNFILLED
        elif 0 < there < wanted and reaches_beyond(book, s, o):
            state, why = _CANCELED, _BEYOND_BOOK  # more may be offered than is seen: it would rest crossed
    if state == 0:
        o.since_ns = s.venue_ns
        join(book, o)
        rank(s, resting)
        report_standing(s, o, _NONE, orders)
    else:
        report(s, o, state, why, orders)
        remove(s, resting, k)
    cancel_what_cannot_reduce(s, resting, orders)
