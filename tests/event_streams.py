"""Event streams for tests: a shorthand for messages, and a hypothesis strategy with everything that can go wrong."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from btcframe.types import EVENT, EventArray, Instrument, Kind

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
PERIOD = 100
START = 1_000_000
END, SNAPSHOT, NO_FLOW = 1, 2, 4

Change = tuple[int, int, int]  # side, ticks, lots


def message(
    kind: Kind, ns: int, changes: Iterable[Change] = (), flags: int = 0, exch: int = 0
) -> list[tuple]:
    """One feed message as (kind, side, ticks, lots, flags, local_ts, exch_ts) tuples, the last flagged END."""
    events = [(kind, 0, 0, 0, flags, ns, exch)] if kind != Kind.DEPTH else []
    if kind == Kind.TRADE:
        events = [(kind, *c, flags, ns, exch) for c in changes]
    else:
        events += [(Kind.DEPTH, *c, flags, ns, exch) for c in changes]
    events[-1] = (*events[-1][:4], events[-1][4] | END, *events[-1][5:])
    return events


def depth(ns: int, *changes: Change, flags: int = 0) -> list[tuple]:
    return message(Kind.DEPTH, ns, changes, flags)


def snapshot(ns: int, *changes: Change) -> list[tuple]:
    return message(Kind.CLEAR, ns, changes, SNAPSHOT)


def trade(ns: int, side: int, ticks: int, lots: int) -> list[tuple]:
    return message(Kind.TRADE, ns, [(side, ticks, lots)])


def gap(ns: int) -> list[tuple]:
    return message(Kind.GAP, ns)


def ladder(bid: int = 1000, ask: int = 1001, n: int = 25, lots: int = 10) -> list[Change]:
    """A full book: n levels a side."""
    return [(1, bid - k, lots) for k in range(n)] + [(-1, ask + k, lots) for k in range(n)]


def to_events(*messages: list[tuple]) -> EventArray:
    flat = [event for m in messages for event in m]
    events = np.zeros(len(flat), EVENT)
    for e, (kind, side, ticks, lots, flags, ns, exch) in zip(events, flat, strict=True):
        e["kind"], e["side"], e["ticks"], e["lots"], e["flags"] = kind, side, ticks, lots, flags
        e["local_ts"], e["exch_ts"] = ns, exch
    return events


_price = st.integers(990, 1012)
_change = st.tuples(st.sampled_from([1, -1]), _price, st.integers(0, 4))
_sane = st.integers(0, 24).flatmap(
    lambda k: st.tuples(st.sampled_from([(1, 1000 - k), (-1, 1001 + k)]), st.integers(0, 9)).map(
        lambda c: (*c[0], c[1])
    )
)


def _sweep(side: int, gone: int, changes: list[tuple[int, int]]) -> list[Change]:
    """The best levels go, and what rises in their place changes too, some of it twice."""
    best = 1000 if side > 0 else 1001
    deep = [(side, best - side * level, lots) for level, lots in changes]
    return deep[::2] + [(side, best - side * k, 0) for k in range(gone)] + deep[1::2]


_swept = st.builds(
    _sweep,
    st.sampled_from([1, -1]),
    st.integers(1, 8),
    st.lists(st.tuples(st.integers(8, 16), st.integers(0, 30)), max_size=6),
)
_message = st.one_of(
    st.tuples(st.just(Kind.DEPTH), _swept, st.just(0)),
    st.tuples(st.just(Kind.DEPTH), st.lists(_sane, min_size=1, max_size=8), st.sampled_from([0, 0, 0, NO_FLOW])),
    st.tuples(st.just(Kind.DEPTH), st.lists(_change, min_size=1, max_size=8), st.just(0)),
    st.tuples(st.just(Kind.DEPTH), st.lists(_sane, min_size=1, max_size=30), st.just(0)),
    st.tuples(st.just(Kind.TRADE), st.lists(_change.map(lambda c: (c[0], c[1], c[2] + 1)), min_size=1, max_size=3), st.just(0)),
    st.tuples(st.just(Kind.CLEAR), st.lists(_sane, max_size=40), st.just(SNAPSHOT)),
    st.tuples(st.just(Kind.CLEAR), st.just(ladder(n=22)), st.just(SNAPSHOT)),
    st.tuples(st.sampled_from([Kind.EMPTY, Kind.HEARTBEAT, Kind.GAP]), st.just([]), st.just(0)),
)  # fmt: skip
_step = st.one_of(
    st.just(0), st.integers(0, 40), st.just("edge"), st.integers(-60, -1), st.integers(100, 700)
)


@st.composite
def streams(draw: st.DrawFn) -> EventArray:
    """Messages of every kind; stamps equal, exactly on an edge, far apart or going back; maybe cut in the last one."""
    now = START + draw(st.integers(0, 150))
    flat = []
    if draw(st.booleans()):
        flat.append(snapshot(now, *ladder()))
    for (kind, changes, flags), step in draw(st.lists(st.tuples(_message, _step), min_size=1, max_size=60)):
        now = -(-now // PERIOD) * PERIOD if step == "edge" else now + step
        flat.append(message(kind, now, changes, flags, exch=draw(st.sampled_from([0, now - 7, now + 3]))))
    events = to_events(*flat)
    return events[: len(events) - draw(st.sampled_from([0, 0, 0, 1, 3]))] if len(events) > 4 else events


@st.composite
def chunkings(draw: st.DrawFn, n: int) -> list[slice]:
    """Ways of handing over n events."""
    cuts = sorted(draw(st.sets(st.integers(0, n), max_size=12)) | {0, n})
    return [slice(a, b) for a, b in pairwise(cuts)]
