"""The records of the simulated venue: what is on its way, what rests, what we took, and all it remembers."""

from __future__ import annotations

import numpy as np

from btcframe.kernels.book import NO_KEY
from btcframe.types import StateArray

NEVER = np.iinfo(np.int64).max

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
        ("since_ns", "i8"),  # venue time at which it joined its queue
        ("ahead", "f8"),  # lots before it at its price; inf where nothing is known of the level
        ("traded", "f8"),  # lots printed at its price since the level last changed
        ("side", "i1"),
        ("tif", "u1"),
        ("reduce_only", "u1"),
        ("pad", "u1"),
        ("pad2", "u4"),
    ],
    align=True,
)
"""An order at the venue; the table stands in order of time priority."""

TAKEN = np.dtype([("key", "i8"), ("lots", "i8")], align=True)
"""What of a visible level we have taken: the book's key, side·ticks, and lots."""

SIM = np.dtype(
    [
        # what it is set to
        ("queue", "i8"),  # QueueModel
        ("queue_power", "f8"),
        ("bounded", "i8"),  # fills are at most what was printed or offered, shared among our orders
        ("impact", "i8"),  # a taker does not get what we took before
        ("levels", "i8"),  # visible levels a taker reaches
        ("latencies", "i8"),  # LatencyModel
        ("latency_ns", "i8"),
        ("report_latency_ns", "i8"),
        ("feed_latency_ns", "i8"),
        ("spread", "f8"),
        ("seed", "u8"),
        ("maker_rate", "f8"),  # share of the value, negative for a rebate
        ("taker_rate", "f8"),
        ("inverse", "i8"),
        ("unit", "f8"),  # linear: quote per tick·lot; inverse: base coin · ticks per lot
        ("lot", "f8"),  # base coin (contracts of an inverse one) in a lot
        ("least", "f8"),  # quote, smallest value of an order that may open
        ("funding_ns", "i8"),  # interval, 0 without funding
        ("funding_rate", "f8"),  # longs pay shorts
        ("receives", "i8"),  # whether funding is ever paid to us
        # what it remembers
        ("position_lots", "i8"),  # signed
        ("now_ns", "i8"),  # local time of what was consumed or told last
        ("venue_ns", "i8"),  # venue time of what last happened to us
        ("known_ns", "i8"),  # local time of the last report on its way: nothing overtakes
        ("fastest_ns", "i8"),  # least local_ts − exch_ts so far, NEVER without stamps
        ("late_ns", "i8"),  # by how much the last stamped event was slower
        ("funding_next_ns", "i8"),  # 0 before the first event
        ("best_buy", "i8"),  # keys of our best resting orders, NO_KEY without
        ("best_sell", "i8"),
        ("resting", "i8"),  # records in use, of RESTING
        ("taken", "i8"),  # of TAKEN
        ("request_head", "i8"),  # REQUEST[head:tail] are on their way to the venue
        ("request_tail", "i8"),
        ("order_head", "i8"),  # ORDER[head:tail], FILL and FUNDING too, are on their way to us
        ("order_tail", "i8"),
        ("fill_head", "i8"),
        ("fill_tail", "i8"),
        ("funding_head", "i8"),
        ("funding_tail", "i8"),
    ],
    align=True,
)


def new_sim(held: int = 0) -> StateArray:
    """SIM[1] before the first event, holding `held` lots; what it is set to is left to be written."""
    sim = np.zeros(1, SIM)
    sim["position_lots"] = held
    sim["fastest_ns"] = NEVER
    sim["best_buy"] = sim["best_sell"] = NO_KEY
    return sim
