"""What the venue says: states of orders, fills, funding; and the table of our resting orders."""

from __future__ import annotations

from btcframe.kernels import kernel
from btcframe.kernels.book import NO_KEY
from btcframe.kernels.matching.delays import known
from btcframe.types import OrderReason, OrderState

_ACCEPTED, _PARTIAL = int(OrderState.ACCEPTED), int(OrderState.PARTIALLY_FILLED)
_FILLED, _CANCELED = int(OrderState.FILLED), int(OrderState.CANCELED)
_NONE, _REDUCE_ONLY = int(OrderReason.NONE), int(OrderReason.REDUCE_ONLY)


@kernel
def worth(s, ticks, lots):
    """Value of lots at a price in ticks, in the settle coin: quote, or the base coin of an inverse contract."""
    return lots / ticks * s.unit if s.inverse else ticks * lots * s.unit


@kernel
def room_to_fill(s, o):
    """Lots of an order that may still be filled: what is open, and no more than there is to reduce."""
    open_lots = o.lots - o.filled_lots
    if o.reduce_only:
        return min(open_lots, max(0, -o.side * s.position_lots))
    return open_lots


@kernel
def report(s, o, state, why, orders):
    """Send the state of an order, as of s.venue_ns, on its way to us."""
    r = orders[s.order_tail]
    s.order_tail += 1
    r.order_id = o.order_id
    r.ns = known(s, s.venue_ns)
    r.venue_ns = s.venue_ns
    r.row_ns = 0
    r.ticks = o.ticks
    r.lots = o.lots
    r.filled_lots = o.filled_lots
    r.state = state
    r.side = o.side
    r.tif = o.tif
    r.reduce_only = o.reduce_only
    r.model = -1
    r.why = why


@kernel
def report_standing(s, o, why, orders):
    """Tell that an order works, and why it stands as it does."""
    report(s, o, _PARTIAL if o.filled_lots > 0 else _ACCEPTED, why, orders)


@kernel
def report_filled(s, o, orders):
    """Tell how far a resting order has been filled."""
    report(s, o, _FILLED if o.filled_lots == o.lots else _PARTIAL, _NONE, orders)


@kernel
def fill(s, o, ticks, lots, maker, fills):
    """Fill an order at s.venue_ns and send the fill on its way to us; a report of the order must follow."""
    o.filled_lots += lots
    s.position_lots += o.side * lots
    f = fills[s.fill_tail]
    s.fill_tail += 1
    f.order_id = o.order_id
    f.ns = known(s, s.venue_ns)
    f.venue_ns = s.venue_ns
    f.ticks = ticks
    f.lots = lots
    f.fee = worth(s, ticks, lots) * (s.maker_rate if maker else s.taker_rate)
    f.side = o.side
    f.maker = maker


@kernel
def pay_funding(book, s, funding):
    """Settle funding on what we hold, at the mid of a sound book."""
    b = book[0]
    if s.position_lots != 0:
        mid = (b.key[0, b.n[0] - 1] - b.key[1, b.n[1] - 1]) / 2
        r = funding[s.funding_tail]
        s.funding_tail += 1
        s.venue_ns = max(s.venue_ns, s.funding_next_ns)
        r.ns = known(s, s.venue_ns)
        r.venue_ns = s.funding_next_ns
        r.rate = s.funding_rate
        r.position_lots = s.position_lots
        amount = worth(s, mid, s.position_lots) * s.funding_rate
        r.amount = amount if amount > 0.0 or s.receives else 0.0
    s.funding_next_ns += s.funding_ns


@kernel
def rank(s, resting):
    """Note the keys of our best resting orders."""
    s.best_buy = NO_KEY
    s.best_sell = NO_KEY
    for k in range(s.resting):
        o = resting[k]
        if o.side > 0:
            s.best_buy = max(s.best_buy, o.ticks)
        else:
            s.best_sell = max(s.best_sell, -o.ticks)


@kernel
def remove(s, resting, k):
    """Take an order off the table; the others keep their order."""
    for j in range(k, s.resting - 1):
        resting[j] = resting[j + 1]
    s.resting -= 1
    rank(s, resting)


@kernel
def cancel_what_cannot_reduce(s, resting, orders):
    """Cancel the reduce-only orders for which no position is left."""
    k = 0
    while k < s.resting:
        o = resting[k]
        if o.reduce_only and o.side * s.position_lots >= 0:
            report(s, o, _CANCELED, _REDUCE_ONLY, orders)
            remove(s, resting, k)
        else:
            k += 1
