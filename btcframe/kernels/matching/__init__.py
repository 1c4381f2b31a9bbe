"""The simulated venue's matching: our few orders against the market's events, in order of consumption.

A request of ours reaches the venue at its `arrive_ns` and is handled before the first event that happened there later
(at equal times the market was first), so it meets the market as it was then, not as we saw it when we sent it. What
the venue answers is known to us at the report's `ns`, before any event that is not earlier. Both are on the local
timeline; `delays` says when an event happened. docs/simulated-venue.md says what fills, and why.
"""

from __future__ import annotations

from btcframe.kernels import kernel
from btcframe.kernels.book import apply_event, is_sound
from btcframe.kernels.matching.delays import arrival, certain, happened, observe
from btcframe.kernels.matching.market import concerns, move
from btcframe.kernels.matching.records import NEVER, REQUEST, RESTING, SIM, TAKEN, new_sim
from btcframe.kernels.matching.reports import pay_funding
from btcframe.kernels.matching.requests import arrive
from btcframe.kernels.matching.taking import renewed, replaced
from btcframe.types import Kind

__all__ = ["FULL", "REQUEST", "RESTING", "SIM", "TAKEN", "advance", "arrival", "new_sim"]

FULL = -1
"""Returned by `advance` instead of the number of due orders: make the tables longer and go on."""

_DEPTH = int(Kind.DEPTH)


@kernel
def advance(book, sim, requests, resting, taken, orders, fills, funding, events, until_ns):
    """Match until a report is due before the next event, or all events are consumed and time is `until_ns`.

    Parameters
    ----------
    book : BOOK[1]
    sim : SIM[1]
    requests : REQUEST[q]
    resting : RESTING[w]       room for every request still on its way
    taken : TAKEN[t]
    orders : ORDER[a]          reports on their way; `ns` is when they are due
    fills : FILL[b]
    funding : FUNDING[c]
    events : EVENT[n]
    until_ns : int

    Returns
    -------
    (consumed, due_orders, due_fills, due_funding, busy) : (int, int, int, int, bool)
        events consumed; how many of the reports from the heads on are due: those of one moment where it stopped
        for them, all until `until_ns` otherwise, FULL where there is no room for what may come next; whether
        anything of our orders but those is still under way.
    """
    s = sim[0]
    n = events.shape[0]
    room = orders.shape[0], fills.shape[0], funding.shape[0], taken.shape[0]
    for i in range(n + 1):
        now_ns = events[i].local_ts if i < n else until_ns
        if s.funding_next_ns == 0 and s.funding_ns > 0 and i < n:
            s.funding_next_ns = (happened(s, events[i]) // s.funding_ns + 1) * s.funding_ns
        if s.request_head < s.request_tail or 0 < s.funding_next_ns < now_ns:
            venue_ns = happened(s, events[i]) if i < n else certain(s, until_ns)
            while _due_ns(book, s, requests) < venue_ns:
                if not _has_room(s, *room):
                    return i, FULL, 0, 0, True
                if _request_ns(s, requests) <= s.funding_next_ns or not _pays(book, s):
                    arrive(book, s, requests[s.request_head], resting, taken, orders, fills)
                    s.request_head += 1
                else:
                    pay_funding(book, s, funding)
        told = s.order_head < s.order_tail or s.funding_head < s.funding_tail
        first_ns = _first_report(s, orders, funding) if told else NEVER
        if first_ns <= now_ns:
            last_ns = first_ns if i < n else until_ns
            if i == n:
                s.now_ns = max(s.now_ns, until_ns)
            due_orders = _until(orders, s.order_head, s.order_tail, last_ns)
            due_fills = _until(fills, s.fill_head, s.fill_tail, last_ns)
            due_funding = _until(funding, s.funding_head, s.funding_tail, last_ns)
            return i, due_orders, due_fills, due_funding, _is_busy(s, due_orders)
        if i < n:
            event = events[i]
            if s.resting > 0 and not _has_room(s, *room):
                return i, FULL, 0, 0, True
            venue_ns = happened(s, event) if s.resting > 0 else 0
            observe(s, event)
            s.now_ns = max(s.now_ns, event.local_ts)
            loading = book[0].loading
            old = apply_event(book[0], event)
            if s.taken > 0:
                if event.kind == _DEPTH:
                    renewed(s, taken, event.side * event.ticks, event.lots)
                if loading and not book[0].loading:
                    replaced(book, s, taken)
            if s.resting > 0 and concerns(book[0], s, event):
                move(book, s, event, old, venue_ns, resting, taken, orders, fills)
    s.now_ns = max(s.now_ns, until_ns)
    return n, 0, 0, 0, _is_busy(s, 0)


@kernel
def _request_ns(s, requests):
    """When the next request reaches the venue."""
    return requests[s.request_head].arrive_ns if s.request_head < s.request_tail else NEVER


@kernel
def _pays(book, s):
    """Whether funding can be settled: there is some, and a mid to value the position at."""
    return s.funding_next_ns > 0 and (s.position_lots == 0 or is_sound(book[0]))


@kernel
def _due_ns(book, s, requests):
    """Venue time of what comes next of our own, NEVER without."""
    due = _request_ns(s, requests)
    if s.funding_next_ns < due and _pays(book, s):
        return s.funding_next_ns
    return due


@kernel
def _first_report(s, orders, funding):
    """When the next report is due, NEVER without."""
    first = orders[s.order_head].ns if s.order_head < s.order_tail else NEVER
    if s.funding_head < s.funding_tail:
        first = min(first, funding[s.funding_head].ns)
    return first


@kernel
def _until(reports, head, tail, last_ns):
    """How many reports from the head on are due at `last_ns`."""
    k = head
    while k < tail and reports[k].ns <= last_ns:
        k += 1
    return k - head


@kernel
def _is_busy(s, due_orders):
    """Whether an order rests, or a request or a report that is not due yet is on its way."""
    reports = s.order_tail - s.order_head - due_orders
    return s.resting > 0 or s.request_head < s.request_tail or reports > 0


@kernel
def _has_room(s, orders, fills, funding, taken):
    """Whether everything that one request or one event can make fits into tables of these lengths."""
    most = s.levels + 2 + 2 * s.resting
    return (
        s.order_tail + most <= orders
        and s.fill_tail + most <= fills
        and s.funding_tail < funding
        and s.taken + 2 * s.levels <= taken
    )
