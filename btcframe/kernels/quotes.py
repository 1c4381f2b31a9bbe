"""From the decimal text of an exchange's messages to EVENT records, exactly.

A price or size is read digit by digit into an integer and divided by the tick or lot; what is not a multiple is an
error, never a rounding. The grammar is JSON's for a list of ``["price","size"]`` pairs and nothing more.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from btcframe.kernels import kernel
from btcframe.types import EventFlag, Kind

MESSAGE = np.dtype(
    [
        ("kind", "u1"),  # Kind; CLEAR for a whole snapshot, DEPTH for a diff
        ("side", "i1"),  # of a trade's aggressor
        ("flags", "u2"),  # EventFlag for all its events; END is set here
        ("pad", "u4"),
        ("origin", "i8"),  # ordinal of its frame, for error messages
        ("exch_ts", "i8"),
        ("send_ts", "i8"),
        ("local_ts", "i8"),
        ("update_id", "i8"),
        ("bids_end", "i8"),  # its text ends here: the bids (a trade's price) …
        ("asks_end", "i8"),  # … and, after them, the asks (a trade's size)
    ],
    align=True,
)
"""One feed message; the text of all messages lies in one buffer, in order."""

OK, MALFORMED, OFF_TICK, OFF_LOT = range(4)
"""What `write_events` found."""

_DEPTH, _CLEAR, _TRADE, _EMPTY = int(Kind.DEPTH), int(Kind.CLEAR), int(Kind.TRADE), int(Kind.EMPTY)
_END = int(EventFlag.END)
_QUOTE, _OPEN, _CLOSE, _COMMA, _POINT, _ZERO = (ord(c) for c in '"[],.0')
_MAX_DIGITS = 18


def grid(step: Decimal) -> tuple[int, int]:
    """A tick or lot as (decimals, units): 0.25 is (2, 25)."""
    decimals = max(0, -int(step.normalize().as_tuple().exponent))
    return decimals, int(step.scaleb(decimals))


@kernel
def count_events(messages, text):
    """Most events the messages can make: a quarter of the quotation marks, and one each."""
    quotes = 0
    for i in range(text.shape[0]):
        quotes += text[i] == _QUOTE
    return quotes // 4 + messages.shape[0]


@kernel
def write_events(messages, text, price_grid, size_grid, events):
    """Write the events of all messages.

    Parameters
    ----------
    messages : MESSAGE[m]
    text : uint8[t]
    price_grid, size_grid : (int, int)      `grid` of tick and lot
    events : EVENT[>= count_events(...)]    zeroed

    Returns
    -------
    (written, code, at) : (int, int, int)
        events written; OK, or what is wrong with the number or mark at text[at]
    """
    written = 0
    at = 0
    for i in range(messages.shape[0]):
        m = messages[i]
        first = written
        if m.kind == _TRADE:
            ticks, at, code = _number(text, at, m.bids_end, price_grid, OFF_TICK)
            if code == OK and ticks == 0:
                code = MALFORMED
            if code == OK:
                lots, at, code = _number(text, at, m.asks_end, size_grid, OFF_LOT)
            if code != OK:
                return written, code, at
            written = _put(events, written, m, _TRADE, m.side, ticks, lots)
        elif m.kind == _CLEAR or m.kind == _DEPTH:
            if m.kind == _CLEAR:
                written = _put(events, written, m, _CLEAR, 0, 0, 0)
            written, at, code = _levels(text, at, m.bids_end, m, 1, price_grid, size_grid, events, written)
            if code == OK:
                written, at, code = _levels(
                    text, at, m.asks_end, m, -1, price_grid, size_grid, events, written
                )
            if code != OK:
                return written, code, at
            if written == first:
                written = _put(events, written, m, _EMPTY, 0, 0, 0)
        else:
            written = _put(events, written, m, m.kind, 0, 0, 0)
        events[written - 1].flags |= _END
    return written, OK, at


@kernel
def _put(events, at, m, kind, side, ticks, lots):
    e = events[at]
    e.exch_ts = m.exch_ts
    e.send_ts = m.send_ts
    e.local_ts = m.local_ts
    e.update_id = m.update_id
    e.ticks = ticks
    e.lots = lots
    e.kind = kind
    e.side = side
    e.flags = m.flags
    return at + 1


@kernel
def _levels(text, at, end, m, side, price_grid, size_grid, events, written):
    """Parse ``[["p","q"],…]`` that fills text[at:end]."""
    at, code = _expect(text, at, end, _OPEN)
    if code != OK:
        return written, at, code
    at = _skip(text, at, end)
    if at < end and text[at] == _CLOSE:
        return written, end, OK
    while True:
        at, code = _expect(text, at, end, _OPEN)
        if code != OK:
            return written, at, code
        ticks, at, code = _number(text, at, end, price_grid, OFF_TICK)
        if code == OK and ticks == 0:
            code = MALFORMED
        if code == OK:
            at, code = _expect(text, at, end, _COMMA)
        if code != OK:
            return written, at, code
        lots, at, code = _number(text, at, end, size_grid, OFF_LOT)
        if code == OK:
            at, code = _expect(text, at, end, _CLOSE)
        if code != OK:
            return written, at, code
        written = _put(events, written, m, _DEPTH, side, ticks, lots)
        at = _skip(text, at, end)
        if at < end and text[at] == _CLOSE:
            return written, end, OK
        at, code = _expect(text, at, end, _COMMA)
        if code != OK:
            return written, at, code


@kernel
def _skip(text, at, end):
    while at < end and (text[at] == 32 or (text[at] >= 9 and text[at] <= 13)):
        at += 1
    return at


@kernel
def _expect(text, at, end, char):
    at = _skip(text, at, end)
    if at < end and text[at] == char:
        return at + 1, OK
    return at, MALFORMED


@kernel
def _number(text, at, end, grid, off_grid):
    """A quoted decimal as a multiple of the grid's step; returns (multiple, position after it, code)."""
    decimals, step = grid
    at, code = _expect(text, at, end, _QUOTE)
    if code != OK:
        return 0, at, code
    start = at
    value = np.int64(0)
    digits = 0
    after = -1  # digits behind the point, -1 before it
    on_grid = True
    while at < end and text[at] != _QUOTE:
        digit = np.int64(text[at]) - _ZERO
        if text[at] == _POINT and after < 0 and digits > 0:
            after = 0
        elif digit < 0 or digit > 9 or digits == _MAX_DIGITS:
            return 0, start, MALFORMED
        elif after >= 0 and after == decimals:
            on_grid = on_grid and digit == 0  # padding, as in 28165.47000000
        else:
            value = value * 10 + digit
            digits += 1
            if after >= 0:
                after += 1
        at += 1
    if at == end or digits == 0 or digits + decimals - max(after, 0) > _MAX_DIGITS:
        return 0, start, MALFORMED
    for _ in range(decimals - max(after, 0)):
        value *= 10
    if not on_grid or value % step != 0:
        return 0, start, off_grid
    return value // step, at + 1, OK
