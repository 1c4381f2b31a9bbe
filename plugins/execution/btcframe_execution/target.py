"""What is still to be traded, up to which price, and whether now: shared by the policies."""

from __future__ import annotations

import math
from typing import NamedTuple

from btcframe.api import Action, Intent, Market, Position, Working
from btcframe.types import OrderState, TimeInForce
from btcframe_execution.signal import Signal, entry_side, exit_reason


class Target(NamedTuple):
    """What is to be traded towards the position that the prediction asks for."""

    side: int  # +1 buys, -1 sells, 0: nothing
    lots: int
    reduce_only: bool
    worst: float  # ticks: the last price that is paid, ±inf where any is
    mean: float  # expected return in favour of `side`, bps; 0 where there is none
    reason: str


NOTHING = Target(0, 0, False, 0.0, 0.0, "not wanted")
UNUSABLE = NOTHING._replace(reason="book unusable")

_SELF_ENDING = (TimeInForce.IOC, TimeInForce.FOK)


def target(market: Market, position: Position, now: Signal, lots: int, cost_bps: float) -> Target:
    """Be long or short by `lots` while the prediction says so.

    What is held is closed, at any price, when the prediction changes sign or there is no model any more; the other
    side is opened when the position is flat. Opening has a worst price, see `worst_price`.

    Parameters
    ----------
    market : Market
    position : Position
    now : Signal
    lots : int          size of the whole position
    cost_bps : float    what the round trip costs beside the entry's distance from the mid, and the margin wanted
    """
    held = position.lots
    if why := exit_reason(held, now):
        side = -1 if held > 0 else 1
        mean = side * now.mean
        return Target(side, abs(held), True, side * math.inf, mean if mean == mean else 0.0, why)
    side = entry_side(now, cost_bps)
    missing = lots - abs(held)
    if not side or missing <= 0:
        return NOTHING
    worst = worst_price(market, side, now.mean, cost_bps)
    if not math.isfinite(worst):
        return NOTHING
    return Target(side, missing, False, worst, side * now.mean, "signal")


def worst_price(market: Market, side: int, mean_bps: float, cost_bps: float) -> float:
    """The price at which an entry still earns what it costs, ticks: m·(1 + (mean − side·cost)/10⁴).

    m is the mid at the close of the row that was predicted on, not that of the book now: a market that has run away
    since then has run away with the prediction, and is not followed. NaN without that mid.
    """
    tick, per_tick = market.instrument.tick_ratio
    return float(market.row["mid"]) * per_tick / tick * (1 + (mean_bps - side * cost_bps) / 1e4)


def worst_taken(market: Market, want: Target, mean_bps: float, cost_bps: float) -> float:
    """The worst price at which a target may be taken, ticks: any that it has if it closes, else what pays for taking."""
    return want.worst if want.reduce_only else worst_price(market, want.side, mean_bps, cost_bps)


def sort_out(position: Position, want: Target) -> tuple[Working | None, list[Intent]]:
    """The resting order that may go on, and the cancels of those that may not.

    It must be post-only, on the side that is wanted, closing if that is wanted, and at no worse price than wanted;
    of two the older one stays. Orders that are being canceled are left alone, and so are IOC and FOK orders on
    their way: they end by themselves.
    """
    kept, cancels = None, []
    for order in position.working:
        if order.state == OrderState.PENDING_CANCEL or order.tif in _SELF_ENDING:
            continue
        fits = order.side == want.side and order.reduce_only == want.reduce_only
        pays = order.side * order.ticks <= order.side * want.worst
        if kept is None and fits and pays and order.tif == TimeInForce.POST_ONLY:
            kept = order
        else:
            cancels.append(cancel(order, want.reason if pays or not fits else "worst price"))
    return kept, cancels


def cancel(order: Working, reason: str) -> Intent:
    """The intent that cancels an order."""
    return Intent(Action.CANCEL, order_id=order.order_id, reason=reason)


def must_wait(market: Market, position: Position) -> bool:
    """Whether the next order waits for a row: one try per row, after an order that did not fill whole.

    What was refused, denied or left over would be so again and again, a thousand times a second.
    """
    last = position.last
    if last is None or last.filled_lots >= last.lots:
        return False
    return int(market.row["row_ns"]) < last.ended_ns


def just_gave_up(market: Market, position: Position, want: Target, patience_ns: int) -> bool:
    """Whether the order that ended last rested for this target for all its patience, no longer ago than that."""
    last = position.last
    return (
        last is not None
        and last.tif == TimeInForce.POST_ONLY
        and last.filled_lots < last.lots
        and last.side == want.side
        and last.reduce_only == want.reduce_only
        and last.ended_ns - last.ns >= patience_ns > market.now_ns - last.ended_ns
    )
