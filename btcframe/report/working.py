"""What became of the orders: how many were filled, and how long they stood in the queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from btcframe.report.trading import last_before, per_order
from btcframe.types import Floats, OrderState, StateArray, TimeInForce

RESTING = (TimeInForce.GTC, TimeInForce.POST_ONLY)


class Sent(NamedTuple):
    """Orders of one kind that left us; shares are NaN without any.

    Parameters
    ----------
    orders : int
    whole, part, none : int     filled wholly, in part, not at all
    refused : int               of those not filled: rejected by the venue
    ratio : float               Σ filled/Σ asked for, by size; an amended order counts with its last size
    """

    orders: int
    whole: int
    part: int
    none: int
    refused: int
    ratio: float


class Queue(NamedTuple):
    """How long orders stood at the venue, s; NaN without any.

    Parameters
    ----------
    filled : (float, float, float)      10th, 50th and 90th percentile of the time from an order's place in the queue to
                                        its fill, over maker fills
    unfilled : (float, float, float)    the same from its place to its end, over orders that rested and were not filled
    """

    filled: tuple[float, float, float]
    unfilled: tuple[float, float, float]


def sent(orders: StateArray, *, resting: bool) -> Sent:
    """The orders that may rest (GTC, post-only), or those that may not (IOC, FOK).

    Parameters
    ----------
    orders : ORDER[n]     every state, in order
    resting : bool
    """
    first, last = per_order(orders)
    mine = (orders["state"][first] != OrderState.DENIED) & (np.isin(orders["tif"][first], RESTING) == resting)
    ends = orders[last[mine]]
    filled, asked = ends["filled_lots"], ends["lots"]
    none = filled == 0
    whole = ~none & (ends["state"] == OrderState.FILLED)
    total = int(asked.sum())
    return Sent(
        orders=len(ends),
        whole=int(whole.sum()),
        part=int((~none & ~whole).sum()),
        none=int(none.sum()),
        refused=int((none & (ends["state"] == OrderState.REJECTED)).sum()),
        ratio=int(filled.sum()) / total if total else float("nan"),
    )


def queue_s(tables: Mapping[str, StateArray]) -> Floats:
    """How long each maker fill's order had stood in its place, s, float64[fills]; NaN for takers.

    An order takes its place when the venue first says that it works, and another one when its price changes or its size
    grows: whoever amends so goes to the end of the queue. By the venue's clock.
    """
    fills = tables["fills"]
    places = _places(tables["orders"])
    at = last_before(places["order_id"], places["venue_ns"], fills["order_id"], fills["venue_ns"])
    since = places["venue_ns"][at] if len(places) else np.zeros(len(fills), np.int64)
    waited: Floats = np.where((fills["maker"] == 1) & (at >= 0), (fills["venue_ns"] - since) / 1e9, np.nan)
    return waited


def queue(tables: Mapping[str, StateArray]) -> Queue:
    """How long orders stood in their places until they were filled, or given up."""
    orders = tables["orders"]
    places = _places(orders)
    _, last = per_order(orders)
    ends = orders[last]
    ends = ends[(ends["filled_lots"] == 0) & (ends["venue_ns"] > 0)]
    ends = ends[[OrderState(state).final for state in ends["state"].tolist()]]
    at = last_before(places["order_id"], places["venue_ns"], ends["order_id"], ends["venue_ns"])
    rested = (ends["venue_ns"][at >= 0] - places["venue_ns"][at[at >= 0]]) / 1e9
    return Queue(_spread(queue_s(tables)), _spread(rested))


def _places(orders: StateArray) -> StateArray:
    """The reports with which an order took a place in the queue, by order and time."""
    told = orders[(orders["venue_ns"] > 0) & (orders["lots"] > orders["filled_lots"])]
    told = told[~np.isin(told["state"], (OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED))]
    told = told[np.argsort(told["order_id"], kind="stable")]
    same = np.diff(told["order_id"], prepend=-1) == 0
    moved = (np.diff(told["ticks"], prepend=0) != 0) | (np.diff(told["lots"], prepend=0) > 0)
    places: StateArray = told[~same | moved]
    return places


def _spread(values: Floats) -> tuple[float, float, float]:
    known = values[np.isfinite(values)]
    low, middle, high = np.quantile(known, (0.1, 0.5, 0.9)) if len(known) else (np.nan,) * 3
    return float(low), float(middle), float(high)
