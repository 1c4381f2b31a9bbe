"""The matching kernel against the obvious venue, and what must hold whatever happens."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_venue import NaiveVenue

from btcframe.api import Action, Gateway, Intent
from btcframe.types import (
    EVENT,
    FILL,
    ORDER,
    EventArray,
    EventFlag,
    Instrument,
    Kind,
    OrderState,
    TimeInForce,
)
from btcframe.venues.sim import Sim

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
MS = 1_000_000
LATENCY, REPORT = 3 * MS, 2 * MS
Request = tuple[int, int, Intent]


def market(rng: np.random.Generator, messages: int) -> EventArray:
    """A market of few prices, so that everything happens: gaps, snapshots, crossed books, sweeps, prints."""
    out: list[tuple[int, ...]] = []
    ns, mid = 0, 1000
    end, snap = int(EventFlag.END), int(EventFlag.SNAPSHOT)

    def snapshot() -> None:
        out.append((ns, Kind.CLEAR, 0, 0, 0, snap))
        levels = [(s, mid - s * k) for s in (1, -1) for k in range(1, 26) if rng.random() < 0.9]
        for n, (side, ticks) in enumerate(levels):
            flags = snap | (end if n == len(levels) - 1 else 0)
            out.append((ns, Kind.DEPTH, side, ticks, int(rng.integers(1, 30)), flags))

    snapshot()
    for _ in range(messages):
        ns += int(rng.integers(0, 3)) * MS
        draw = rng.random()
        if draw < 0.02:
            out.append((ns, Kind.GAP, 0, 0, 0, end))
        elif draw < 0.05:
            mid += int(rng.integers(-4, 5))
            snapshot()
        elif draw < 0.3:
            side = int(rng.choice([1, -1]))
            out.append((ns, Kind.TRADE, side, mid + int(rng.integers(-4, 5)), int(rng.integers(1, 20)), end))
        else:
            mid += int(rng.choice([-1, 0, 0, 0, 1]))
            # the other side is cleared up to the new mid, most of the time, so that books cross now and then only
            changes = [(s, mid + s * k, 0) for s in (1, -1) for k in range(5) if rng.random() < 0.95]
            for _ in range(int(rng.integers(1, 6))):
                side = int(rng.choice([1, -1]))
                lots = int(rng.choice([0, 0, 5, 10, 25]))
                changes.append((side, mid - side * int(rng.geometric(0.3)), lots))
            for n, (side, ticks, lots) in enumerate(changes):
                out.append((ns, Kind.DEPTH, side, ticks, lots, end if n == len(changes) - 1 else 0))
    events = np.zeros(len(out), EVENT)
    for n, (at, kind, side, ticks, lots, flags) in enumerate(out):
        events[n]["local_ts"], events[n]["kind"], events[n]["side"] = at, kind, side
        events[n]["ticks"], events[n]["lots"], events[n]["flags"] = ticks, lots, flags
    return events


def ours(rng: np.random.Generator, span: int, orders: int) -> list[Request]:
    """Orders of every kind at any time, half of them amended or canceled, some twice, and all in the end."""
    out: list[Request] = []
    for order_id in range(1, orders + 1):
        ns = int(rng.integers(0, span // MS)) * MS
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
            change = Intent(
                Action.AMEND, lots=int(rng.integers(1, 60)), ticks=1000 + int(rng.integers(-6, 7))
            )
            out.append((ns, order_id, change))
        late = [ns + int(rng.integers(0, 30)) * MS for _ in range(int(rng.integers(0, 3)))]
        out += [(at, order_id, Intent(Action.CANCEL)) for at in (*late, span + 100 * MS)]
    return sorted(out, key=lambda request: request[0])


def send(gateway: Gateway, order_id: int, intent: Intent, ns: int) -> None:
    if intent.action == Action.SUBMIT:
        gateway.submit(order_id, intent, ns)
    elif intent.action == Action.AMEND:
        gateway.amend(order_id, intent.ticks, intent.lots, ns)
    else:
        gateway.cancel(order_id, ns)


def play(gateway: Gateway, events: EventArray, requests: list[Request], cuts: Any = ()) -> tuple[Any, Any]:
    """Everything the venue reports, whatever the cuts; checks that reports come when they are due."""
    orders, fills = [np.empty(0, ORDER)], [np.empty(0, FILL)]
    at = 0

    def go(stop: int, until: int) -> None:
        nonlocal at
        while True:
            taken, reports = gateway.advance(events[at:stop], until)
            at += taken
            if at < stop:  # it stopped for what is known before the next event and not before the last one
                moments = set(reports.orders["ns"].tolist() + reports.fills["ns"].tolist())
                assert len(moments) == 1
                assert moments.pop() <= events["local_ts"][at]
            for table in reports:
                assert (table["ns"] <= until).all()
                assert taken == 0 or (table["ns"] > events["local_ts"][at - 1]).all()
            orders.append(reports.orders)
            fills.append(reports.fills)
            if at == stop:
                return

    for ns, order_id, intent in requests:
        until = int(np.searchsorted(events["local_ts"], ns, side="right"))
        for cut in sorted(c for c in cuts if at < c < until):
            if cut > at:
                go(cut, int(events["local_ts"][cut - 1]))
        go(until, ns)
        send(gateway, order_id, intent, ns)
    go(len(events), 10**15)
    assert not gateway.busy
    return np.concatenate(orders), np.concatenate(fills)


def gateway() -> Gateway:
    return Sim(latency="3ms", report_latency="2ms").open(INSTRUMENT, seed=0)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), messages=st.integers(1, 150), orders=st.integers(1, 25))
def test_matches_the_obvious_venue_and_conserves(seed: int, messages: int, orders: int) -> None:
    rng = np.random.default_rng(seed)
    events = market(rng, messages)
    requests = ours(rng, int(events["local_ts"][-1]) + 20 * MS, orders)
    simulated = gateway()
    got_orders, got_fills = play(simulated, events, requests)

    reference = NaiveVenue(LATENCY, REPORT)
    reference.run(events, requests)
    fields = ["order_id", "ns", "ticks", "lots", "filled_lots", "state"]
    assert got_orders[fields].tolist() == reference.orders
    fields = ["order_id", "ns", "ticks", "lots", "side", "maker"]
    assert got_fills[fields].tolist() == reference.fills

    # what must hold of any venue, said without the reference
    submitted = {i: (ns, intent) for ns, i, intent in requests if intent.action == Action.SUBMIT}
    assert simulated.reconcile().lots == int((got_fills["side"] * got_fills["lots"]).sum())
    assert (got_fills["lots"] > 0).all()
    rate = np.where(got_fills["maker"] == 1, 2e-4, 5.5e-4)
    notional = got_fills["ticks"] * 0.1 * got_fills["lots"] * 0.001
    assert got_fills["fee"] == pytest.approx(notional * rate, rel=1e-12)
    limits: dict[int, list[int]] = {i: [intent.ticks] for i, (_, intent) in submitted.items()}
    for _, i, intent in requests:
        if intent.action == Action.AMEND:
            limits[i].append(intent.ticks)
    for fill in got_fills:
        sent, intent = submitted[int(fill["order_id"])]
        assert fill["ns"] > sent + LATENCY - 1 + REPORT
        if intent.ticks:
            worst = max(intent.side * t for t in limits[int(fill["order_id"])])
            assert intent.side * fill["ticks"] <= worst
        if intent.tif == TimeInForce.POST_ONLY:
            assert fill["maker"]
    signed = got_fills["side"] * got_fills["lots"]
    for after, change, fill in zip(np.cumsum(signed), signed, got_fills, strict=True):
        if submitted[int(fill["order_id"])][1].reduce_only:
            assert abs(after) < abs(after - change)
            assert (after - change) * after >= 0
    for i in submitted:
        states = got_orders[got_orders["order_id"] == i]
        final = [OrderState(s).final for s in states["state"]]
        assert final == [False] * (len(states) - 1) + [True], "one final state, the last"
        filled = int(got_fills["lots"][got_fills["order_id"] == i].sum())
        assert (states["filled_lots"] <= states["lots"]).all()
        assert states["filled_lots"][-1] == filled
        assert (states["state"][-1] == OrderState.FILLED) == (filled == states["lots"][-1])
        if submitted[i][1].tif == TimeInForce.FOK:
            assert filled in (0, submitted[i][1].lots)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 400), max_size=12))
def test_any_split_gives_the_same_reports(seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    events = market(rng, 60)
    requests = ours(rng, int(events["local_ts"][-1]), 12)
    whole = play(gateway(), events, requests)
    for split in (cuts, range(1, len(events))):
        parts = play(gateway(), events, requests, split)
        assert whole[0].tobytes() == parts[0].tobytes()
        assert whole[1].tobytes() == parts[1].tobytes()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_prints_are_not_shared_twice(seed: int) -> None:
    """Where nothing but prints happened, our maker fills add up to no more than they did."""
    rng = np.random.default_rng(seed)
    events = market(rng, 120)
    _, fills = play(gateway(), events, ours(rng, int(events["local_ts"][-1]), 25))
    for ns in np.unique(fills["venue_ns"]):
        now = events[events["local_ts"] == ns]
        if (now["kind"] == Kind.TRADE).all():
            made = fills["lots"][(fills["venue_ns"] == ns) & (fills["maker"] == 1)]
            assert made.sum() <= now["lots"].sum()


def test_the_random_markets_exercise_everything() -> None:
    """The properties above mean something: every state, both kinds of fill, and every refusal occur."""
    states: set[tuple[int, int]] = set()
    makers = np.zeros(2, int)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        events = market(rng, 120)
        orders, fills = play(gateway(), events, ours(rng, int(events["local_ts"][-1]), 25))
        states |= set(zip(orders["state"].tolist(), orders["tif"].tolist(), strict=True))
        makers += np.bincount(fills["maker"], minlength=2)
    assert makers.min() > 100
    assert {(OrderState.REJECTED, tif) for tif in TimeInForce} <= states
    assert {(OrderState.FILLED, tif) for tif in TimeInForce} <= states
    assert {(OrderState.CANCELED, tif) for tif in TimeInForce} <= states
    assert {
        (OrderState.PARTIALLY_FILLED, TimeInForce.GTC),
        (OrderState.ACCEPTED, TimeInForce.POST_ONLY),
    } <= states
