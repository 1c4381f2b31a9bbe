"""One Bybit market as its frames tell it: a verified book, and what of the frames becomes EVENTs.

The book is kept here, beside the one that the pipeline keeps, to be judged: a delta is applied if its `u` follows and
its `seq` does not go back, the book is cut to the depth of its topic, and it must not be crossed. Where any of it fails
there is a GAP event, and nothing more of the book until a snapshot; so what comes out can be applied without a thought.
"""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel
from btcframe.kernels.book import BOOK, set_level
from btcframe.kernels.bybit import MARKET, REFUSED, SHORTEST_LEVEL, SNAPSHOT, TRADES, scan
from btcframe.types import EVENT, NS, EventFlag, Kind

SLOTS = 1 << 14
"""Places for the ids of trades in each of two tables; of 8,192 to 16,384 trades it is known that they came."""

PROOF_NS = NS
"""How long after a frame that could not be read the next delta may prove that it was none of the book's."""

STREAM = np.dtype(
    [
        ("depth", "i8"),  # levels per side that the topic has
        ("now", "i8"),  # latest local_ts
        (
            "proof_until",
            "i8",
        ),  # local_ts until which the next delta may prove the book; 0: it is in step, or lost
        ("u", "i8"),  # of the last message in the book
        ("seq", "i8"),  # of the newest message of the book on this connection, taken in or not …
        ("ts", "i8"),  # … ms
        ("seen", "i8", (2, SLOTS)),  # hashes of ids of trades; 0 is a free place
        ("table", "i8"),  # the one being filled
        ("filled", "i8"),
        # what was counted
        ("frames", "i8"),
        ("bytes", "i8"),
        ("snapshots", "i8"),
        ("deltas", "i8"),
        ("trades", "i8"),
        ("block_trades", "i8"),
        ("duplicate_trades", "i8"),
        ("duplicates", "i8"),
        ("stale", "i8"),
        ("waiting", "i8"),
        ("gaps", "i8"),
        ("crossed", "i8"),
        ("interrupted", "i8"),
        ("losses", "i8"),
        ("resyncs", "i8"),
        ("proven", "i8"),
        ("cut_levels", "i8"),
        ("other", "i8"),
        ("refused", "i8"),
        ("off_grid", "i8"),
        ("malformed", "i8"),
    ],
    align=True,
)
"""The memory of one market; `btcframe.sources.bybit.decoder.Counters` says what is counted."""

STATE = np.dtype([("stream", STREAM), ("market", MARKET), ("book", BOOK)], align=True)
"""All that is known of a market."""

FRAME, CONNECTION, SUBSCRIPTION, TIME = range(4)
"""What an entry of the table of frames is: a message; a connection that begins or ends; the book's topic subscribed anew; time."""

DONE, UNREAD, FULL, HOLE = range(4)
"""Why `run` stopped: all is done; a frame that `scan` refused; no room for the next one's events; its stamp is far ahead."""

LONGEST_HOLE_NS = 31 * 86_400 * NS
"""A quiet row is a row: what lies further ahead would be more rows than any disk holds."""

_IGNORE, _REPLACE, _APPLY, _PROVEN, _LOST, _WAIT = range(6)
_DEPTH, _CLEAR, _TRADE, _EMPTY = int(Kind.DEPTH), int(Kind.CLEAR), int(Kind.TRADE), int(Kind.EMPTY)
_GAP, _HEARTBEAT = int(Kind.GAP), int(Kind.HEARTBEAT)
_END, _SNAPSHOT_FLAG = int(EventFlag.END), int(EventFlag.SNAPSHOT)
_MS = 1_000_000


@kernel
def run(text, table, at, memory, space, written):
    """Take in frames from `at` on.

    Parameters
    ----------
    text : bytes                the frames, a NUL behind each
    table : int64[n, 4]         begin and end of each in the text, local_ts, and FRAME, CONNECTION, …
    at : int
    memory : int64[]            STATE[1]; as plain numbers, because to hand over a record array takes longer
    space : int64[]             EVENT[], likewise
    written : int               events that are there already

    Returns
    -------
    (next, written, why) : (int, int, int)      the first frame not taken in; DONE, UNREAD, FULL or HOLE
    """
    state = memory.view(STATE)[0]
    s, m, b = state.stream, state.market, state.book
    events = space.view(EVENT)
    for i in range(at, table.shape[0]):
        begin, end, local_ts = table[i, 0], table[i, 1], table[i, 2]
        if written + room(b, end - begin) > events.shape[0]:
            return i, written, FULL
        if s.now != 0 and local_ts - s.now > LONGEST_HOLE_NS:
            return i, written, HOLE
        _move_time(s, local_ts)
        if table[i, 3] == FRAME:
            after = scan(text, begin, end, m, events, written)
            if after == REFUSED:
                return i, written, UNREAD
            written = take_in(s, m, b, events, written, after)
        elif table[i, 3] == TIME:
            written = _say(s, events, written, _HEARTBEAT)
        else:
            s.interrupted += 1
            s.proof_until = 0
            if table[i, 3] == CONNECTION:  # what comes on another one is not older, whatever its clocks say
                s.seq = 0
                s.ts = 0
            written = _lose(s, b, events, written)
        s.frames += 1
        s.bytes += end - begin
    return table.shape[0], written, DONE


@kernel
def room(b, size):
    """Most events that a frame of so many bytes can make: its own, one deletion for each, and the book as it stands."""
    return 2 * (size // SHORTEST_LEVEL) + b.n[0] + b.n[1] + 4


@kernel
def _move_time(s, local_ts):
    if local_ts > s.now:
        s.now = local_ts
    if s.proof_until != 0 and s.now > s.proof_until:
        s.proof_until = 0


@kernel
def doubt(memory, space, written):
    """A frame that could not be read was consumed: it may have been the book's, or a trade. Returns `written`."""
    state = memory.view(STATE)[0]
    s, b = state.stream, state.book
    if b.usable:
        s.proof_until = s.now + PROOF_NS
    return _lose(s, b, space.view(EVENT), written)


@kernel
def take_in_other(memory, space, first, written):
    """Take in a message that another decoder has read, as `scan` would have written it."""
    state = memory.view(STATE)[0]
    return take_in(state.stream, state.market, state.book, space.view(EVENT), first, written)


@kernel
def take_in(s, m, b, events, first, written):
    """Take in the message whose head is `m` and whose events are events[first:written]; returns the new `written`."""
    if m.what == TRADES:
        return _trades(s, m, events, first, written)
    verdict = _judge(s, m, b)
    if verdict == _IGNORE:
        return _say(s, events, first, _HEARTBEAT)
    s.seq = m.seq
    s.ts = m.ts
    if verdict in (_LOST, _WAIT):
        s.proof_until = 0
        if verdict == _LOST:
            s.gaps += 1
        else:
            s.waiting += 1
        return _lose(s, b, events, first)
    if verdict == _REPLACE:
        s.snapshots += 1
        written = _replace(s, m, b, events, first, written)
    else:
        s.deltas += 1
        if verdict == _PROVEN:
            s.proven += 1
        for i in range(first, written):
            e = events[i]
            set_level(b, 0 if e.side > 0 else 1, e.side * e.ticks, e.lots)
            e.flags = 0
        written = _cut(s, b, events, written)
        if verdict == _PROVEN:
            written = _tell_book(b, events, first)
    s.proof_until = 0
    if _is_crossed(b):
        s.crossed += 1
        return _lose(s, b, events, first)
    if b.usable == 0 and s.losses > 0:
        s.resyncs += 1
    b.usable = 1
    s.u = m.u
    if written == first:
        written = _put(events, first, _EMPTY, 0, 0, 0, 0)
    exch_ts = (m.cts if m.cts != 0 else m.ts) * _MS
    for i in range(first, written):
        e = events[i]
        e.exch_ts = exch_ts
        e.send_ts = m.ts * _MS
        e.local_ts = s.now
        e.mono_ts = 0
        e.update_id = m.u
        e.pad = 0
    events[written - 1].flags |= _END
    return written


@kernel
def _judge(s, m, b):
    """What to do with a book message."""
    snapshot = m.what == SNAPSHOT or m.u == 1  # u = 1: the service was restarted
    if m.seq < s.seq and m.ts < s.ts:  # both clocks say so, whatever `u` is since a restart
        s.stale += 1
        return _IGNORE
    if b.usable or s.proof_until != 0:
        if m.u <= s.u and m.seq <= s.seq and m.ts <= s.ts:
            if m.u == s.u:
                s.duplicates += 1
            else:
                s.stale += 1
            return _IGNORE
        if snapshot and b.usable and m.u == s.u and m.seq == s.seq:  # a quiet book of depth 1, every 3 s
            s.duplicates += 1
            return _IGNORE
        if not snapshot and m.u == s.u + 1 and m.seq >= s.seq:
            return _APPLY if b.usable else _PROVEN
    if snapshot:
        return _REPLACE
    return _LOST if b.usable else _WAIT


@kernel
def _lose(s, b, events, written):
    """The book is not to be used: a GAP event where it was, else nothing but the time."""
    if b.usable == 0:
        return _say(s, events, written, _HEARTBEAT)
    b.usable = 0
    s.losses += 1
    return _say(s, events, written, _GAP)


@kernel
def _say(s, events, at, kind):
    """Write one event that is a message by itself and has no stamp but ours."""
    written = _put(events, at, kind, 0, 0, 0, _END)
    e = events[at]
    e.exch_ts = 0
    e.send_ts = 0
    e.local_ts = s.now
    e.mono_ts = 0
    e.update_id = 0
    e.pad = 0
    return written


@kernel
def _put(events, at, kind, side, ticks, lots, flags):
    e = events[at]
    e.kind = kind
    e.side = side
    e.ticks = ticks
    e.lots = lots
    e.flags = flags
    return at + 1


@kernel
def _replace(s, m, b, events, first, written):
    """The levels of a snapshot in place of the book's; returns the new `written`."""
    # the service that sends the best prices alone sends nothing but snapshots: their differences are its flow
    differences = s.depth == 1 and b.usable and m.u > s.u
    bid, ask = _best(b, 0), _best(b, 1)
    b.n[0] = 0
    b.n[1] = 0
    for i in range(first, written):
        e = events[i]
        set_level(b, 0 if e.side > 0 else 1, e.side * e.ticks, e.lots)
    _cut(s, b, events, written)
    if not differences:
        return _tell_book(b, events, first)
    written = _tell_best(b, 0, bid, events, first)
    return _tell_best(b, 1, ask, events, written)


@kernel
def _best(b, side):
    """Key and lots of the best level, (0, 0) where there is none."""
    n = b.n[side]
    if n == 0:
        return 0, 0
    return b.key[side, n - 1], b.lots[side, n - 1]


@kernel
def _tell_best(b, side, before, events, at):
    """Events that lead from one best level to the one in the book."""
    sign = 1 if side == 0 else -1
    key, lots = _best(b, side)
    if before[0] != 0 and before[0] != key:
        at = _put(events, at, _DEPTH, sign, sign * before[0], 0, 0)
    if key != 0 and (before[0] != key or before[1] != lots):
        at = _put(events, at, _DEPTH, sign, sign * key, lots, 0)
    return at


@kernel
def _tell_book(b, events, at):
    """The whole book as a snapshot, best levels first."""
    at = _put(events, at, _CLEAR, 0, 0, 0, _SNAPSHOT_FLAG)
    for side in range(2):
        sign = 1 if side == 0 else -1
        for k in range(b.n[side] - 1, -1, -1):
            at = _put(events, at, _DEPTH, sign, sign * b.key[side, k], b.lots[side, k], _SNAPSHOT_FLAG)
    return at


@kernel
def _cut(s, b, events, written):
    """Delete, with an event for each, the levels beyond the depth that the exchange keeps us informed of."""
    for side in range(2):
        over = b.n[side] - s.depth
        if over <= 0:
            continue
        sign = 1 if side == 0 else -1
        for k in range(over):
            written = _put(events, written, _DEPTH, sign, sign * b.key[side, k], 0, 0)
        for k in range(s.depth):
            b.key[side, k] = b.key[side, k + over]
            b.lots[side, k] = b.lots[side, k + over]
        b.n[side] = s.depth
        s.cut_levels += over
    return written


@kernel
def _is_crossed(b):
    """Whether the best bid is at or above the best ask."""
    n_bid, n_ask = b.n[0], b.n[1]
    return n_bid > 0 and n_ask > 0 and b.key[0, n_bid - 1] >= -b.key[1, n_ask - 1]


@kernel
def _trades(s, m, events, first, written):
    """Keep the trades that have not come before; returns the new `written`."""
    s.block_trades += m.blocks
    at = first
    for i in range(first, written):
        e = events[i]
        if _is_new(s, e.mono_ts):
            kept = _put(events, at, _TRADE, e.side, e.ticks, e.lots, 0)
            events[at].exch_ts = e.exch_ts
            events[at].update_id = e.update_id
            at = kept
        else:
            s.duplicate_trades += 1
    if at == first:
        return _say(s, events, first, _HEARTBEAT)
    s.trades += at - first
    for i in range(first, at):
        e = events[i]
        e.send_ts = m.ts * _MS
        e.local_ts = s.now
        e.mono_ts = 0
        e.pad = 0
    events[at - 1].flags |= _END
    return at


@kernel
def _is_new(s, key):
    """Whether a trade's hash is in neither table; it is put into the one being filled, and the older is forgotten in time."""
    key = key if key != 0 else 1
    for table in range(2):
        at = key & (SLOTS - 1)
        while s.seen[table, at] != 0:
            if s.seen[table, at] == key:
                return False
            at = (at + 1) & (SLOTS - 1)
    if s.filled == SLOTS // 2:
        s.table = 1 - s.table
        s.filled = 0
        for k in range(SLOTS):
            s.seen[s.table, k] = 0
    at = key & (SLOTS - 1)
    while s.seen[s.table, at] != 0:
        at = (at + 1) & (SLOTS - 1)
    s.seen[s.table, at] = key
    s.filled += 1
    return True
