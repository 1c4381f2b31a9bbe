"""From the bytes of Bybit's V5 messages to EVENT records: a scanner that refuses what it does not recognise.

It reads ``orderbook.{depth}.{symbol}`` and ``publicTrade.{symbol}`` of one symbol, with their keys in any order, as
the exchange writes them: no white space, no escapes, no key it does not know, none twice. Whatever else comes is
refused to the last byte; `btcframe.sources.bybit.messages`, slower and more lenient, then has its turn. What the
scanner takes, that decoder takes with the same result.

A frame ends with a NUL, and every test is for equality with, or a range of, something else (`btcframe.kernels.scanning`).
So no loop runs past the end, and frames that lie behind one another, each with its NUL, cannot run into each other.
"""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel
from btcframe.kernels.scanning import integer, name_at, number, text_hash, truth, word, word_of
from btcframe.types import Kind

LONGEST_NAME = 64
"""Bytes of a topic or symbol at most."""

MARKET = np.dtype(
    [
        # what is read
        ("book_topic", "u1", (LONGEST_NAME,)),
        ("trade_topic", "u1", (LONGEST_NAME,)),
        ("symbol", "u1", (LONGEST_NAME,)),
        ("lengths", "i8", (3,)),  # of these three
        ("price_decimals", "i8"),  # `quotes.grid` of the tick …
        ("price_units", "i8"),
        ("size_decimals", "i8"),  # … and of the lot
        ("size_units", "i8"),
        # what the frame at hand says beside its events
        ("what", "i8"),  # SNAPSHOT, DELTA or TRADES
        ("u", "i8"),
        ("seq", "i8"),  # 0 without
        ("ts", "i8"),  # ms
        ("cts", "i8"),  # ms, 0 without
        ("blocks", "i8"),  # block trades, which make no events
    ],
    align=True,
)
"""One market on one socket, and the head of the frame that was read last."""

SNAPSHOT, DELTA, TRADES = range(3)
"""What a frame is."""

REFUSED = -1
"""What `scan` says of a frame that it does not recognise."""

SHORTEST_LEVEL = 10
"""Bytes that an event takes at least, ``["1","0"]``: so many events a text can make."""

LATEST_MS = 4 * 10**12
"""The latest stamp of the exchange, in the year 2096."""

_DEPTH, _TRADE = int(Kind.DEPTH), int(Kind.TRADE)
_MS = 1_000_000
_QUOTE, _OPEN, _CLOSE, _BEGIN, _FINISH, _COMMA, _COLON = (ord(c) for c in '"[]{},:')

_TOPIC_KEY, _TYPE_KEY, _TS_KEY, _DATA_KEY, _CTS_KEY = (
    word_of(k) for k in ("topic", "type", "ts", "data", "cts")
)
_SYMBOL_KEY, _BIDS_KEY, _ASKS_KEY, _U_KEY, _SEQ_KEY = (word_of(k) for k in ("s", "b", "a", "u", "seq"))
_TIME_KEY, _SIDE_KEY, _SIZE_KEY, _PRICE_KEY = (word_of(k) for k in ("T", "S", "v", "p"))
_DIRECTION_KEY, _ID_KEY, _BLOCK_KEY, _RPI_KEY = (word_of(k) for k in ("L", "i", "BT", "RPI"))
_SNAPSHOT_TYPE, _DELTA_TYPE, _BUY, _SELL = (word_of(w) for w in ("snapshot", "delta", "Buy", "Sell"))


@kernel
def scan(text, at, end, market, events, written):
    """Read the frame text[at:end].

    Parameters
    ----------
    text : bytes                        text[end] is NUL
    market : MARKET record              its head is written
    events : EVENT[written + (end - at) / SHORTEST_LEVEL or more]
        DEPTH events, bids first, or TRADE events, whose `mono_ts` then holds `hash_of` of the
        trade's id. The message's stamps, and the flags, are written by who takes it in.

    Returns
    -------
    int     the place behind the last event written, or REFUSED
    """
    topic = kind = -1
    has_ts = has_cts = False
    market.u = -1
    market.seq = 0
    market.ts = 0
    market.cts = 0
    market.blocks = 0
    data = -1
    if text[at] != _BEGIN:
        return REFUSED
    while True:
        key, at = word(text, at + 1)
        if key < 0 or text[at] != _COLON:
            return REFUSED
        at += 1
        if key == _DATA_KEY and data < 0:
            if text[at] == _BEGIN:
                data = DELTA
                written, at = _book(text, at, market, events, written)
            else:
                data = TRADES
                written, at = _trades(text, at, market, events, written)
        elif key == _TOPIC_KEY and topic < 0:
            topic, at = _topic(text, at, market)
        elif key == _TYPE_KEY and kind < 0:
            kind, at = word(text, at)
        elif key == _TS_KEY and not has_ts:
            has_ts = True
            market.ts, at = integer(text, at)
        elif key == _CTS_KEY and not has_cts:
            has_cts = True
            market.cts, at = integer(text, at)
        else:
            return REFUSED
        if at < 0:
            return REFUSED
        if text[at] != _COMMA:
            break
    if text[at] != _FINISH or at + 1 != end or not has_ts or market.ts > LATEST_MS or market.cts > LATEST_MS:
        return REFUSED
    if data < 0 or topic != data or (kind != _SNAPSHOT_TYPE and (kind != _DELTA_TYPE or data == TRADES)):
        return REFUSED
    if data == TRADES and has_cts:  # a trade has a time of its own
        return REFUSED
    market.what = SNAPSHOT if kind == _SNAPSHOT_TYPE and data == DELTA else data
    return written


@kernel
def _topic(text, at, market):
    """DELTA of the book's topic or TRADES of the trades', and the position after it; (-1, -1) for any other."""
    after = name_at(text, at, market.book_topic, market.lengths[0])
    if after >= 0:
        return DELTA, after
    after = name_at(text, at, market.trade_topic, market.lengths[1])
    if after >= 0:
        return TRADES, after
    return -1, -1


@kernel
def _book(text, at, market, events, written):
    """Read ``{"s":…,"b":[…],"a":[…],"u":…,"seq":…}``; returns (written, position after it), -1 for a position where it is none."""
    first = written
    bids = asks = -1
    asks_first = 0
    has_symbol = has_seq = False
    while True:
        key, at = word(text, at + 1)
        if key < 0 or text[at] != _COLON:
            return written, -1
        at += 1
        if key == _BIDS_KEY and bids < 0:
            before = written
            written, at = _levels(text, at, 1, market, events, written)
            bids = written - before
        elif key == _ASKS_KEY and asks < 0:
            asks_first = bids
            before = written
            written, at = _levels(text, at, -1, market, events, written)
            asks = written - before
        elif key == _SYMBOL_KEY and not has_symbol:
            has_symbol = True
            at = name_at(text, at, market.symbol, market.lengths[2])
        elif key == _U_KEY and market.u < 0:
            market.u, at = integer(text, at)
        elif key == _SEQ_KEY and not has_seq:
            has_seq = True
            market.seq, at = integer(text, at)
        else:
            return written, -1
        if at < 0:
            return written, -1
        if text[at] != _COMMA:
            break
    if text[at] != _FINISH or not has_symbol or bids < 0 or asks < 0 or market.u < 0:
        return written, -1
    if asks_first < 0 and asks > 0 and bids > 0:
        _turn(events, first, first + asks, written)
    return written, at + 1


@kernel
def _turn(events, first, middle, end):
    """Put events[middle:end] before events[first:middle], each in its order."""
    _reverse(events, first, middle)
    _reverse(events, middle, end)
    _reverse(events, first, end)


@kernel
def _reverse(events, first, end):
    for k in range((end - first) // 2):
        a, b = events[first + k], events[end - 1 - k]
        ticks, lots, side = a.ticks, a.lots, a.side
        a.ticks, a.lots, a.side = b.ticks, b.lots, b.side
        b.ticks, b.lots, b.side = ticks, lots, side


@kernel
def _levels(text, at, side, market, events, written):
    """Read ``[["price","size"],…]``; returns (written, position after it), -1 for a position where it is none."""
    price_decimals, price_units = market.price_decimals, market.price_units
    size_decimals, size_units = market.size_decimals, market.size_units
    if text[at] != _OPEN:
        return written, -1
    at += 1
    if text[at] == _CLOSE:
        return written, at + 1
    while True:
        if text[at] != _OPEN or text[at + 1] != _QUOTE:
            return written, -1
        ticks, at = number(text, at + 2, price_decimals, price_units)
        if ticks <= 0 or text[at] != _COMMA or text[at + 1] != _QUOTE:
            return written, -1
        lots, at = number(text, at + 2, size_decimals, size_units)
        if lots < 0 or text[at] != _CLOSE:
            return written, -1
        _put(events[written], _DEPTH, side, ticks, lots)
        written += 1
        at += 1
        if text[at] == _CLOSE:
            return written, at + 1
        if text[at] != _COMMA:
            return written, -1
        at += 1


@kernel
def _put(event, kind, side, ticks, lots):
    event.kind = kind
    event.side = side
    event.ticks = ticks
    event.lots = lots


@kernel
def _trades(text, at, market, events, written):
    """Read ``[{…},…]``, the trades of one message; returns (written, position after it), -1 for a position where it is none."""
    if text[at] != _OPEN:
        return written, -1
    while True:
        if text[at + 1] != _BEGIN:
            return written, -1
        written, at = _one_trade(text, at + 1, market, events, written)
        if at < 0:
            return written, -1
        if text[at] == _CLOSE:
            return written, at + 1
        if text[at] != _COMMA:
            return written, -1


@kernel
def _one_trade(text, at, market, events, written):
    ticks = lots = ns = ident = direction = block = rpi = seq = -1
    side = 0
    has_symbol = False
    while True:
        key, at = word(text, at + 1)
        if key < 0 or text[at] != _COLON:
            return written, -1
        at += 1
        if key == _PRICE_KEY and ticks < 0 and text[at] == _QUOTE:
            ticks, at = number(text, at + 1, market.price_decimals, market.price_units)
        elif key == _SIZE_KEY and lots < 0 and text[at] == _QUOTE:
            lots, at = number(text, at + 1, market.size_decimals, market.size_units)
        elif key == _TIME_KEY and ns < 0:
            ns, at = integer(text, at)
        elif key == _SIDE_KEY and side == 0:
            name, at = word(text, at)
            side = 1 if name == _BUY else -1
            if name != _BUY and name != _SELL:
                return written, -1
        elif key == _SYMBOL_KEY and not has_symbol:
            has_symbol = True
            at = name_at(text, at, market.symbol, market.lengths[2])
        elif key == _ID_KEY and ident < 0:
            ident, at = text_hash(text, at)
        elif key == _DIRECTION_KEY and direction < 0:
            direction, at = text_hash(text, at)
        elif key == _BLOCK_KEY and block < 0:
            block, at = truth(text, at)
        elif key == _RPI_KEY and rpi < 0:
            rpi, at = truth(text, at)
        elif key == _SEQ_KEY and seq < 0:
            seq, at = integer(text, at)
        else:
            return written, -1
        if at < 0:
            return written, -1
        if text[at] != _COMMA:
            break
    if text[at] != _FINISH or not has_symbol or ns < 0 or ns > LATEST_MS or ident < 0 or side == 0:
        return written, -1
    if ticks <= 0 or lots < 0:
        return written, -1
    if block == 1:
        market.blocks += 1
        return written, at + 1
    event = events[written]
    _put(event, _TRADE, side, ticks, lots)
    event.exch_ts = ns * _MS
    event.update_id = max(seq, 0)
    event.mono_ts = ident
    return written + 1, at + 1
