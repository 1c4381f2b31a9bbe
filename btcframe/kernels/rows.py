"""Closing rows: from the integers of `btcframe.kernels.flow` to ROW, each number by one rounded division."""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel
from btcframe.kernels.flow import ingest
from btcframe.kernels.quality import score
from btcframe.types import FLOW_LEVELS, LEVELS, RowFlag

_PARTIAL, _GAPPED, _CROSSED = int(RowFlag.PARTIAL), int(RowFlag.GAP), int(RowFlag.CROSSED)
_ONE_SIDED, _THIN = int(RowFlag.ONE_SIDED), int(RowFlag.THIN)
_FLOW_CUT, _NO_EVENTS = int(RowFlag.FLOW_CUT), int(RowFlag.NO_EVENTS)


@kernel
def close_row(book, state, rows, at, row_ns):
    """Write rows[at] and start the next row.

    Returns
    -------
    int     rows written: 0 before the first edge with a usable book, else 1
    """
    b = book[0]
    s = state[0]
    usable = b.usable and not b.loading
    if not usable and s.started == 0:
        _next_row(s)
        return 0
    s.started = 1
    flags = s.flags
    if not usable:
        flags = (flags & ~_PARTIAL) | _GAPPED
    else:
        if b.n[0] == 0 or b.n[1] == 0:
            flags |= _ONE_SIDED
        elif b.key[0, b.n[0] - 1] >= -b.key[1, b.n[1] - 1]:
            flags |= _CROSSED
        if b.n[0] < LEVELS or b.n[1] < LEVELS:
            flags |= _THIN
    if s.events == 0:
        flags |= _NO_EVENTS
    r = rows[at]
    r.row_ns = row_ns
    r.flags = flags
    r.messages = s.messages
    r.first_exch_ts = s.first_exch
    r.last_exch_ts = s.last_exch
    r.latency_ns = s.latency
    r.age_ns = row_ns - s.book_ns
    _write_levels(b, s, r, flags)
    _write_accumulators(s, r, flags)
    score(s.trust, r)
    _next_row(s)
    return 1


@kernel
def _write_levels(b, s, r, flags):
    hidden = flags & (_GAPPED | _CROSSED)
    n_bid = 0 if hidden else b.n[0]
    n_ask = 0 if hidden else b.n[1]
    for k in range(LEVELS):
        r.bid_px[k] = np.nan
        r.bid_sz[k] = np.nan
        r.ask_px[k] = np.nan
        r.ask_sz[k] = np.nan
        if k < n_bid:
            r.bid_px[k] = b.key[0, n_bid - 1 - k] * s.tick_num / s.tick_den
            r.bid_sz[k] = b.lots[0, n_bid - 1 - k] * s.lot_num / s.lot_den
        if k < n_ask:
            r.ask_px[k] = -b.key[1, n_ask - 1 - k] * s.tick_num / s.tick_den
            r.ask_sz[k] = b.lots[1, n_ask - 1 - k] * s.lot_num / s.lot_den
    r.mid = np.nan
    r.microprice = np.nan
    if n_bid > 0 and n_ask > 0:
        bid, bid_lots = b.key[0, n_bid - 1], b.lots[0, n_bid - 1]
        ask, ask_lots = -b.key[1, n_ask - 1], b.lots[1, n_ask - 1]
        r.mid = (bid + ask) * s.tick_num / (2 * s.tick_den)
        weighted = float(ask) * bid_lots + float(bid) * ask_lots  # 1e12 coins times ticks fit no integer
        r.microprice = weighted * s.tick_num / (float(bid_lots + ask_lots) * s.tick_den)


@kernel
def _write_accumulators(s, r, flags):
    unknown = flags & (_PARTIAL | _GAPPED) != 0
    uncounted = unknown or flags & _FLOW_CUT != 0
    for k in range(FLOW_LEVELS):
        r.ofi[k] = np.nan if unknown else s.ofi[k] * s.lot_num / s.lot_den
    r.add_bid = np.nan if uncounted else s.added[0] * s.lot_num / s.lot_den
    r.add_ask = np.nan if uncounted else s.added[1] * s.lot_num / s.lot_den
    r.rem_bid = np.nan if uncounted else s.removed[0] * s.lot_num / s.lot_den
    r.rem_ask = np.nan if uncounted else s.removed[1] * s.lot_num / s.lot_den
    r.rem1_bid = np.nan if uncounted else s.removed_best[0] * s.lot_num / s.lot_den
    r.rem1_ask = np.nan if uncounted else s.removed_best[1] * s.lot_num / s.lot_den
    r.changes = np.nan if uncounted else float(s.changes)
    r.mid_moves = np.nan if unknown else float(s.moves)
    r.mid_reversals = np.nan if unknown else float(s.reversals)
    no_range = unknown or s.has_range == 0
    r.mid_high = np.nan if no_range else s.high2 * s.tick_num / (2 * s.tick_den)
    r.mid_low = np.nan if no_range else s.low2 * s.tick_num / (2 * s.tick_den)
    r.buy_volume = np.nan if unknown else s.volume[0] * s.lot_num / s.lot_den
    r.sell_volume = np.nan if unknown else s.volume[1] * s.lot_num / s.lot_den
    r.buy_count = np.nan if unknown else float(s.count[0])
    r.sell_count = np.nan if unknown else float(s.count[1])
    num, den = s.tick_num * s.lot_num, s.tick_den * s.lot_den
    r.buy_notional = np.nan if unknown else s.notional[0] * num / den
    r.sell_notional = np.nan if unknown else s.notional[1] * num / den
    r.max_trade = np.nan if unknown else s.max_trade * s.lot_num / s.lot_den
    r.signed_cost = np.nan if unknown or s.cost_unknown else s.cost2 * num / (2 * den)


@kernel
def _next_row(s):
    s.flags = 0
    s.events = 0
    s.messages = 0
    s.ofi[:] = 0
    for side in range(2):
        s.added[side] = 0
        s.removed[side] = 0
        s.removed_best[side] = 0
        s.volume[side] = 0
        s.count[side] = 0
        s.notional[side] = 0.0
    s.changes = 0
    s.moves = 0
    s.reversals = 0
    s.has_range = s.has_mid
    s.high2 = s.mid2
    s.low2 = s.mid2
    s.max_trade = 0
    s.cost2 = 0.0
    s.cost_unknown = 0
    s.first_exch = 0
    s.last_exch = 0
    s.latency = 0


@kernel
def build_rows(book, state, events, start, stop, cuts, found, rows):
    """Consume events[start:stop], closing a row at each of `found` cuts; returns the number of rows."""
    written = 0
    for c in range(found):
        ingest(book, state, events, start, cuts[c].index, 0, False)
        start = cuts[c].index
        written += close_row(book, state, rows, written, cuts[c].row_ns)
    ingest(book, state, events, start, stop, 0, False)
    return written


@kernel
def take_rows(state, rows):
    """Take ROW[n] that were closed elsewhere as if their events had been consumed: time, age of the book, quality."""
    s = state[0]
    for i in range(len(rows)):
        r = rows[i]
        s.started = 1
        s.now = max(s.now, r.row_ns)
        s.book_ns = r.row_ns - r.age_ns
        score(s.trust, r)
