"""Books, predictions and orders for the tests of policies."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from btcframe.api import Market, Working
from btcframe.types import NS, PREDICTION, ROW, Instrument, OrderState, TimeInForce

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
NAN = float("nan")
NOW = 100 * NS


def view(
    mean: float = 0.0, *, p_up: float = NAN, model: int = 0, spread: int = 1, lots: int = 50, far_lots: int = 0,
    usable: bool = True, bid: int = 100_000, gap: int = 1, levels: int = 20, now_ns: int = NOW, row_ns: int = NOW,
    row_mid: float | None = None,
) -> Market:  # fmt: skip
    """A market: `lots` at every bid, `far_lots` (or as many) at every ask, levels `gap` ticks apart.

    The prediction is `mean` over 5 s and half of it over 1 s; it was made at `row_ns` on `row_mid` ticks, or on the
    mid of this book.
    """
    prediction = np.zeros(2, PREDICTION)
    prediction["horizon_ns"], prediction["row_ns"] = (NS, 5 * NS), row_ns
    prediction["mean"], prediction["p_up"], prediction["model"] = (mean / 2, mean), p_up, model
    row = np.zeros(1, ROW)
    row["row_ns"], row["mid"] = row_ns, (bid + spread / 2 if row_mid is None else row_mid) / 10
    depth = gap * np.arange(levels if usable else 0)
    sizes = np.full(len(depth), lots)
    return Market(
        now_ns, INSTRUMENT, usable, bid - depth, sizes, bid + spread + depth, np.full(len(depth), far_lots or lots),
        row[0], np.zeros(2), ("a", "b"), np.zeros(1), prediction,
    )  # fmt: skip


def resting(side: int, ticks: int, lots: int = 10, filled: int = 0, **changes: Any) -> Working:
    """A post-only order of ours, submitted a second ago."""
    state = OrderState.PARTIALLY_FILLED if filled else OrderState.ACCEPTED
    order = Working(1, side, ticks, lots, filled, int(state), NOW - NS, False, TimeInForce.POST_ONLY)
    return order._replace(**changes)


def ended(order: Working, state: OrderState, ended_ns: int = NOW) -> Working:
    """An order that is final."""
    return order._replace(state=int(state), ended_ns=ended_ns)


def crosses(market: Market, side: int, ticks: int) -> bool:
    """Whether a limit would take from the book that is seen."""
    opposite = market.ask_ticks if side > 0 else market.bid_ticks
    return bool(side * ticks >= side * opposite[0])
