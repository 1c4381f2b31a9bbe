"""Where to rest: the value of a place in the queue, and the intents that follow it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from btcframe.api import Action, Intent, Market, Working
from btcframe.types import TimeInForce
from btcframe_execution.target import Target


class Book(NamedTuple):
    """The best prices, seen from the side that rests."""

    side: int  # +1 buys
    best: int  # ticks
    lots: int  # shown at the best price
    below: int  # ticks, the next worse level
    opposite: int  # ticks, best of the other side
    opposite_lots: int
    bps: float  # of one tick


def book_of(market: Market, side: int) -> Book:
    """The best prices of a usable market for a buy (+1) or a sell (-1)."""
    bid, ask = market.bid_ticks.item(0), market.ask_ticks.item(0)
    bps = 2e4 / (bid + ask)
    ticks, lots = (market.bid_ticks, market.bid_lots) if side > 0 else (market.ask_ticks, market.ask_lots)
    other = market.ask_lots if side > 0 else market.bid_lots
    best, opposite = (bid, ask) if side > 0 else (ask, bid)
    below = ticks.item(1) if len(ticks) > 1 else 2 * best - opposite
    return Book(side, best, lots.item(0), below, opposite, other.item(0), bps)


def chance(book: Book, ahead: int, lots: int) -> float:
    """Probability that an order is filled whole before the other side's best queue is used up.

    y/(y + ahead + lots), y the lots at the best price opposite: of two queues that are driven by the same flow the
    one of x lots is used up before the one of y with probability y/(x + y) (Avellaneda, Reed & Stoikov 2011, their
    ρ = −1; the same argument makes the microprice).
    """
    return book.opposite_lots / (book.opposite_lots + ahead + lots)


def value(
    book: Book, ticks: int, ahead: int, lots: int, mean_bps: float, fee_bps: float, urgency: float
) -> float:
    """Value of an order at a place in the queue, bps of its notional.

    V = P·(δ + mean − β − fee) − (1 − P)·u·λ: with probability P (`chance`) it earns its distance δ from the mid and
    the expected return, less the adverse selection β and the fee (Moallemi & Yuan 2016, the static part of the value
    of a queue position); otherwise it misses, which weighs as much as it is urgent, what catching up costs at least
    (Cont & Kukanov 2017): λ = spread + expected return + fee. β: who is filled from the back of a queue has
    seen everything up to there used up, so the mid falls by the distance from the best price to its own and half of
    that to the next level; who stands alone inside the spread has not.

    Parameters
    ----------
    book : Book
    ticks : int         price of the order, not crossing
    ahead : int         lots that are served before it, at most
    lots : int          of the order
    mean_bps : float    expected return in its favour
    fee_bps : float     of a maker
    urgency : float     0..1, of what must be traded 1: a position that is not wanted
    """
    side, best, _, below, opposite, opposite_lots, bps = book
    filled = opposite_lots / (opposite_lots + ahead + lots)  # as `chance`
    fall = side * (best - ticks + (best - below) / 2) if side * ticks <= side * best else 0.0
    earned = side * ((opposite + best) / 2 - ticks) * bps
    missed = side * (opposite - best) * bps + max(0.0, mean_bps) + max(0.0, fee_bps)
    return filled * (earned + mean_bps - fall * bps - fee_bps) - (1 - filled) * urgency * missed


def place(book: Book, want: Target, lots: int, fee_bps: float, urgency: float) -> int:
    """The better of the best price and one tick inside it, ticks; 0 where both are too dear."""
    side, best = book.side, book.best
    worst = side * want.worst
    if side * best > worst:
        return 0
    inside = best + side
    if side * inside < side * book.opposite and side * inside <= worst:
        alone = value(book, inside, 0, lots, want.mean, fee_bps, urgency)
        if alone > value(book, best, book.lots, lots, want.mean, fee_bps, urgency):
            return inside
    return best


def ahead_of(market: Market, book: Book, order: Working) -> int:
    """The most that can be served before a resting order: what is shown at its price and better, less itself."""
    side, ticks = book.side, order.ticks
    if side * ticks > side * book.best:
        return 0
    levels, lots = (market.bid_ticks, market.bid_lots) if side > 0 else (market.ask_ticks, market.ask_lots)
    shown = book.lots
    if ticks != book.best:
        shown = sum(
            n for p, n in zip(levels.tolist(), lots.tolist(), strict=True) if side * p >= side * ticks
        )
    # some venues show our own order in the book: it must not be taken for somebody to outbid
    return max(0, shown - (order.lots - order.filled_lots))


def rest(book: Book, want: Target, fee_bps: float) -> Sequence[Intent]:
    """A new post-only order at the place of most value, none where the price is too dear."""
    ticks = place(book, want, want.lots, fee_bps, float(want.reduce_only))
    if not ticks:
        return ()
    tif = TimeInForce.POST_ONLY
    return (Intent(Action.SUBMIT, want.side, want.lots, ticks, tif, want.reduce_only, reason=want.reason),)


def reprice(
    market: Market,
    book: Book,
    order: Working,
    want: Target,
    fee_bps: float,
    urgency: float,
    margin_bps: float,
) -> Sequence[Intent]:
    """An amendment to a place worth more than the order's own by `margin_bps`, or to fewer lots; or none.

    One try per row: what was denied would be so again and again, at every change of the best prices.
    """
    if int(market.row["row_ns"]) < order.denied_ns:
        return ()
    if book.side * order.ticks >= book.side * book.opposite:
        return ()  # the market has come to it: what the venue says about that is on its way
    left = min(order.lots - order.filled_lots, want.lots)
    lots = order.filled_lots + left
    urgency = max(urgency, want.reduce_only)
    ticks = place(book, want, left, fee_bps, urgency)
    if ticks and ticks != order.ticks:
        ahead = book.lots if ticks == book.best else 0
        worth = value(book, ticks, ahead, left, want.mean, fee_bps, urgency)
        ahead = ahead_of(market, book, order)
        standing = value(book, order.ticks, ahead, left, want.mean, fee_bps, urgency)
        if worth > standing + margin_bps:
            return (
                Intent(Action.AMEND, lots=lots, ticks=ticks, order_id=order.order_id, reason="queue value"),
            )
    if lots == order.lots:
        return ()
    return (
        Intent(Action.AMEND, lots=lots, ticks=order.ticks, order_id=order.order_id, reason="fewer wanted"),
    )
