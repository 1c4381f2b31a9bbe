"""Random markets of few prices and random orders in them, so that everything a venue may meet happens."""

from __future__ import annotations

from typing import Any

import numpy as np

from btcframe.api import Action, Gateway, Intent
from btcframe.types import EVENT, FILL, FUNDING, ORDER, EventArray, EventFlag, Kind, TimeInForce

MS = 1_000_000
START = 1_000_000 * MS
Request = tuple[int, int, Intent]


def market(rng: np.random.Generator, messages: int) -> EventArray:
    """Gaps, snapshots, crossed books, sweeps, prints, heartbeats; stamped unevenly, some not at all."""
    out: list[tuple[int, ...]] = []
    ns, mid = START, 1000
    end, snap = int(EventFlag.END), int(EventFlag.SNAPSHOT)
    exchange = 0

    def put(kind: Kind, side: int, ticks: int, lots: int, flags: int) -> None:
        out.append((ns, exchange, kind, side, ticks, lots, flags))

    def snapshot() -> None:
        put(Kind.CLEAR, 0, 0, 0, snap)
        levels = [(s, mid - s * k) for s in (1, -1) for k in range(1, 26) if rng.random() < 0.9]
        for n, (side, ticks) in enumerate(levels):
            put(
                Kind.DEPTH,
                side,
                ticks,
                int(rng.integers(1, 30)),
                snap | (end if n == len(levels) - 1 else 0),
            )

    snapshot()
    for _ in range(messages):
        ns += int(rng.integers(0, 3)) * MS
        # the exchange's clock is 7 ms ahead of ours, and its messages come 0 to 6 ms late, in no order
        exchange = 0 if rng.random() < 0.1 else ns + 7 * MS - int(rng.integers(0, 7)) * MS
        draw = rng.random()
        if draw < 0.02:
            put(Kind.GAP, 0, 0, 0, end)
        elif draw < 0.04:
            put(Kind.HEARTBEAT, 0, 0, 0, end)
        elif draw < 0.07:
            mid += int(rng.integers(-4, 5))
            snapshot()
        elif draw < 0.35:
            side = int(rng.choice([1, -1]))
            put(Kind.TRADE, side, mid + int(rng.integers(-4, 5)), int(rng.integers(1, 20)), end)
        else:
            mid += int(rng.choice([-1, 0, 0, 0, 1]))
            # the other side is cleared up to the new mid, most of the time, so that books cross now and then only
            changes = [(s, mid + s * k, 0) for s in (1, -1) for k in range(5) if rng.random() < 0.95]
            for _ in range(int(rng.integers(1, 6))):
                side = int(rng.choice([1, -1]))
                lots = int(rng.choice([0, 0, 5, 10, 25]))
                changes.append((side, mid - side * int(rng.geometric(0.3)), lots))
            for n, (side, ticks, lots) in enumerate(changes):
                put(Kind.DEPTH, side, ticks, lots, end if n == len(changes) - 1 else 0)
    events = np.zeros(len(out), EVENT)
    for name, column in zip(
        ("local_ts", "exch_ts", "kind", "side", "ticks", "lots", "flags"), zip(*out, strict=True), strict=True
    ):
        events[name] = column
    return events


def ours(rng: np.random.Generator, span: int, orders: int) -> list[Request]:
    """Orders of every kind at any time, half of them amended or canceled, some twice, and all in the end."""
    out: list[Request] = []
    for order_id in range(1, orders + 1):
        ns = START + int(rng.integers(0, span // MS)) * MS
        tif = TimeInForce(int(rng.integers(1, 5)))
        priceless = tif in (TimeInForce.IOC, TimeInForce.FOK) and rng.random() < 0.4
        ticks = 0 if priceless else 1000 + int(rng.integers(-12, 13))
        if tif in (TimeInForce.GTC, TimeInForce.IOC) and rng.random() < 0.1:
            ticks = int(rng.choice([900, 1100]))  # far through the book, one way or the other
        side, lots = int(rng.choice([1, -1])), int(rng.choice([1, 7, 30, 400]))
        intent = Intent(Action.SUBMIT, side, lots, ticks, tif, bool(rng.random() < 0.3))
        out.append((ns, order_id, intent))
        if rng.random() < 0.3:
            ns += int(rng.integers(0, 30)) * MS
            lots, ticks = int(rng.integers(1, 60)), 1000 + int(rng.integers(-6, 7))
            out.append((ns, order_id, Intent(Action.AMEND, lots=lots, ticks=ticks)))
        late = [ns + int(rng.integers(0, 30)) * MS for _ in range(int(rng.integers(0, 3)))]
        out += [(at, order_id, Intent(Action.CANCEL)) for at in (*late, START + span + 100 * MS)]
    return sorted(out, key=lambda request: request[0])


def send(gateway: Gateway, order_id: int, intent: Intent, ns: int) -> None:
    if intent.action == Action.SUBMIT:
        gateway.submit(order_id, intent, ns)
    elif intent.action == Action.AMEND:
        gateway.amend(order_id, intent.ticks, intent.lots, ns)
    else:
        gateway.cancel(order_id, ns)


def play(
    gateway: Gateway, events: EventArray, requests: list[Request], cuts: Any = (), *, until: int = 0
) -> tuple[Any, Any, Any]:
    """Everything the venue reports, whatever the cuts; checks that reports come when they are due."""
    told: tuple[list[Any], ...] = ([np.empty(0, ORDER)], [np.empty(0, FILL)], [np.empty(0, FUNDING)])
    at = 0

    def go(stop: int, until: int) -> None:
        nonlocal at
        while True:
            taken, reports = gateway.advance(events[at:stop], until)
            at += taken
            if at < stop:  # it stopped for what is known before the next event and not before the last one
                moments = {ns for table in reports for ns in table["ns"].tolist()}
                assert len(moments) == 1
                assert moments.pop() <= events["local_ts"][at]
            for table, heard in zip(reports, told, strict=True):
                assert (table["ns"] <= until).all()
                assert at == 0 or taken == 0 or (table["ns"] > events["local_ts"][at - 1]).all()
                heard.append(table)
            if at == stop:
                return

    for ns, order_id, intent in requests:
        stop = int(np.searchsorted(events["local_ts"], ns, side="right"))
        for cut in sorted(c for c in cuts if at < c < stop):
            if cut > at:
                go(cut, int(events["local_ts"][cut - 1]))
        if at < stop:
            go(stop, int(events["local_ts"][stop - 1]))
        send(gateway, order_id, intent, ns)
    for cut in sorted(c for c in cuts if at < c):
        if at < cut < len(events):
            go(cut, int(events["local_ts"][cut - 1]))
    go(len(events), until or 10**15)
    return tuple(map(np.concatenate, told))  # type: ignore[return-value]
