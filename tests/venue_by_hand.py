"""Markets of a few events, and a venue to play them to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from btcframe.api import Action, Gateway, Intent
from btcframe.types import (
    EVENT,
    EventArray,
    EventFlag,
    Instrument,
    Kind,
    OrderReason,
    OrderState,
    TimeInForce,
)
from btcframe.venues.sim import Sim

MS = 1_000_000
INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
END, SNAPSHOT = int(EventFlag.END), int(EventFlag.SNAPSHOT)


def events(*items: tuple[int, Kind, int, int, int, int]) -> EventArray:
    out = np.zeros(len(items), EVENT)
    for n, (at, kind, side, ticks, lots, flags) in enumerate(items):
        out[n]["local_ts"], out[n]["kind"], out[n]["side"] = at * MS, kind, side
        out[n]["ticks"], out[n]["lots"], out[n]["flags"] = ticks, lots, flags
    return out


def snapshot(at: int, bids: dict[int, int], asks: dict[int, int]) -> EventArray:
    levels = [(1, t, n) for t, n in bids.items()] + [(-1, t, n) for t, n in asks.items()]
    return events(
        (at, Kind.CLEAR, 0, 0, 0, SNAPSHOT | (0 if levels else END)),
        *(
            (at, Kind.DEPTH, s, t, n, SNAPSHOT | (END if i == len(levels) - 1 else 0))
            for i, (s, t, n) in enumerate(levels)
        ),
    )


def depth(at: int, side: int, ticks: int, lots: int) -> EventArray:
    return events((at, Kind.DEPTH, side, ticks, lots, END))


def trade(at: int, side: int, ticks: int, lots: int) -> EventArray:
    return events((at, Kind.TRADE, side, ticks, lots, END))


def stamped(event: EventArray, at: int) -> EventArray:
    """The event, said by the exchange to have happened then (ms)."""
    event["exch_ts"] = at * MS
    return event


NOTHING = events()


class Session:
    """A venue with 10 ms there and 10 ms back, and a book 998…1000 × 1002…1004 of 10 lots each."""

    def __init__(self, instrument: Instrument = INSTRUMENT, *, held: int = 0, **settings: Any) -> None:
        usual = {"latency": "10ms", "report_latency": "10ms", "feed_latency": "0s"}
        self.gateway: Gateway = Sim(**usual | settings).open(instrument, seed=0, held=held)
        book = snapshot(0, {1000: 10, 999: 10, 998: 10}, {1002: 10, 1003: 10, 1004: 10})
        self.gateway.advance(book, 0)
        self.why: list[OrderReason] = []  # of the orders reported last
        self.funding: list[tuple[int, int, float]] = []  # ms settled, lots, amount

    def submit(
        self, at: int, side: int, lots: int, ticks: int = 0, tif: TimeInForce = TimeInForce.GTC,
        order_id: int = 1, reduce_only: bool = False,
    ) -> None:  # fmt: skip
        self.gateway.submit(order_id, Intent(Action.SUBMIT, side, lots, ticks, tif, reduce_only), at * MS)

    def go(self, until: int, *batches: EventArray) -> tuple[list[Any], list[Any]]:
        """(order_id, ms known, filled, state) and (order_id, ticks, lots, maker) of all reports until then."""
        batch = np.concatenate([NOTHING, *batches])
        orders, fills, at = [], [], 0
        self.why = []
        while True:
            taken, reports = self.gateway.advance(batch[at:], until * MS)
            at += taken
            orders += [
                (o["order_id"], o["ns"] // MS, o["filled_lots"], OrderState(o["state"]))
                for o in reports.orders
            ]
            self.why += [OrderReason(o["why"]) for o in reports.orders]
            fills += [(f["order_id"], f["ticks"], f["lots"], f["maker"]) for f in reports.fills]
            self.funding += [(f["venue_ns"] // MS, f["position_lots"], f["amount"]) for f in reports.funding]
            if at == len(batch):
                return orders, fills
