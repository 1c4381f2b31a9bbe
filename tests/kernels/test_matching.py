"""The matching kernel against the obvious venue under every setting, and what must hold whatever happens."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_venue import NaiveVenue
from venue_markets import MS, START, market, ours, play

from btcframe.api import Action, Gateway, Intent
from btcframe.types import (
    Instrument,
    Kind,
    LatencyModel,
    OrderReason,
    OrderState,
    QueueModel,
    TimeInForce,
)
from btcframe.venues.sim import Sim

FUNDED_NS = 25 * MS
SPOT = Instrument("BTC/USDT", Decimal("0.1"), Decimal("0.001"), "spot")
# the smallest value is that of 3 lots at about 1000 ticks
LINEAR = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"), "linear", 0.3, FUNDED_NS)

SETTINGS = st.fixed_dictionaries(
    {
        "queue": st.sampled_from(QueueModel),
        "queue_power": st.sampled_from([0.5, 1.0, 3.0]),
        "bounded": st.booleans(),
        "impact": st.booleans(),
        "levels": st.sampled_from([3, 20]),
        "latencies": st.sampled_from(LatencyModel),
        "latency": st.sampled_from(["0s", "3ms"]),
        "report_latency": st.sampled_from(["0s", "2ms", "9ms"]),
        "feed_latency": st.sampled_from(["0s", "2ms"]),
        "funding_bps": st.sampled_from([1.0, -3.0]),
        "receive_funding": st.booleans(),
    }
)


def milliseconds(text: str) -> int:
    return int(text.rstrip("ms")) * MS


def plain(chosen: dict[str, Any], seed: int, instrument: Instrument) -> NaiveVenue:
    """The obvious venue with the same settings; money in ticks·lots."""
    told = {name: chosen[name] for name in ("queue", "bounded", "impact", "levels", "latencies")}
    return NaiveVenue(
        **told,
        latency=milliseconds(chosen["latency"]),
        report_latency=milliseconds(chosen["report_latency"]),
        feed_latency=milliseconds(chosen["feed_latency"]),
        seed=seed,
        power=chosen["queue_power"],
        least=round(instrument.min_notional / 1e-4),
        funding_ns=0 if instrument is SPOT else FUNDED_NS,
        funding_rate=chosen["funding_bps"] / 1e4,
        receives=chosen["receive_funding"],
    )


def gateway(instrument: Instrument = SPOT, levels: int = 20) -> Gateway:
    quick = Sim(
        latency="3ms", report_latency="2ms", feed_latency="0s", latencies=LatencyModel.constant, levels=levels
    )
    return quick.open(instrument, seed=0)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32), messages=st.integers(1, 150), orders=st.integers(1, 25),
    chosen=SETTINGS, instrument=st.sampled_from([SPOT, LINEAR]),
)  # fmt: skip
def test_matches_the_obvious_venue(
    seed: int, messages: int, orders: int, chosen: dict[str, Any], instrument: Instrument
) -> None:
    rng = np.random.default_rng(seed)
    events = market(rng, messages)
    last = int(events["local_ts"][-1])
    requests = ours(rng, last - START + 20 * MS, orders)
    until = last + 5_000 * MS
    simulated = Sim(**chosen).open(instrument, seed=seed)
    got_orders, got_fills, got_funding = play(simulated, events, requests, until=until)

    reference = plain(chosen, seed, instrument)
    reference.run(events, requests, until)
    fields = ["order_id", "ns", "venue_ns", "ticks", "lots", "filled_lots", "state", "why"]
    assert got_orders[fields].tolist() == [o for o in reference.orders if o[1] <= until]
    fields = ["order_id", "ns", "venue_ns", "ticks", "lots", "side", "maker"]
    assert got_fills[fields].tolist() == [f for f in reference.fills if f[1] <= until]
    expected = [f for f in reference.funding if f[0] <= until]
    assert got_funding[["ns", "venue_ns", "position_lots"]].tolist() == [f[:3] for f in expected]
    assert got_funding["amount"] == pytest.approx([1e-4 * f[3] for f in expected], rel=1e-12)
    assert simulated.reconcile().lots == reference.position
    assert not simulated.busy


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), chosen=SETTINGS)
def test_what_must_hold_of_any_venue(seed: int, chosen: dict[str, Any]) -> None:
    rng = np.random.default_rng(seed)
    events = market(rng, 100)
    requests = ours(rng, int(events["local_ts"][-1]) - START, 25)
    simulated = Sim(**chosen).open(SPOT, seed=seed)
    orders, fills, _ = play(simulated, events, requests)

    submitted = {i: (ns, intent) for ns, i, intent in requests if intent.action == Action.SUBMIT}
    assert simulated.reconcile().lots == int((fills["side"] * fills["lots"]).sum())
    assert (fills["lots"] > 0).all()
    for table in (orders, fills):
        assert (np.diff(table["ns"]) >= 0).all()
        assert (np.diff(table["venue_ns"]) >= 0).all()
        assert (table["ns"] >= table["venue_ns"]).all()
    rate = np.where(fills["maker"] == 1, 2e-4, 5.5e-4)
    notional = fills["ticks"] * 0.1 * fills["lots"] * 0.001
    assert fills["fee"] == pytest.approx(notional * rate, rel=1e-12)
    limits: dict[int, list[int]] = {i: [intent.ticks] for i, (_, intent) in submitted.items()}
    for _, i, intent in requests:
        if intent.action == Action.AMEND:
            limits[i].append(intent.ticks)
    for fill in fills:
        sent, intent = submitted[int(fill["order_id"])]
        assert fill["venue_ns"] >= sent
        if intent.ticks:
            worst = max(intent.side * t for t in limits[int(fill["order_id"])])
            assert intent.side * fill["ticks"] <= worst
        if intent.tif == TimeInForce.POST_ONLY:
            assert fill["maker"]
    signed = fills["side"] * fills["lots"]
    for after, change, fill in zip(np.cumsum(signed), signed, fills, strict=True):
        if submitted[int(fill["order_id"])][1].reduce_only:
            assert abs(after) < abs(after - change)
            assert (after - change) * after >= 0
    for i in submitted:
        states = orders[orders["order_id"] == i]
        final = [OrderState(s).final for s in states["state"]]
        assert final == [False] * (len(states) - 1) + [True], "one final state, the last"
        filled = int(fills["lots"][fills["order_id"] == i].sum())
        assert (states["filled_lots"] <= states["lots"]).all()
        assert states["filled_lots"][-1] == filled
        assert (states["state"][-1] == OrderState.FILLED) == (filled == states["lots"][-1])
        ended = states["state"][-1] in (OrderState.CANCELED, OrderState.REJECTED)
        assert (states["why"][-1] != OrderReason.NONE) == ended, "what ends without a fill says why"
        if submitted[i][1].tif == TimeInForce.FOK:
            assert filled in (0, submitted[i][1].lots)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 400), max_size=12), chosen=SETTINGS)
def test_any_split_gives_the_same_reports(seed: int, cuts: list[int], chosen: dict[str, Any]) -> None:
    rng = np.random.default_rng(seed)
    events = market(rng, 60)
    last = int(events["local_ts"][-1])
    requests = ours(rng, last - START, 12)
    until = last + 5_000 * MS
    whole = play(Sim(**chosen).open(LINEAR, seed=seed), events, requests, until=until)
    for split in (cuts, range(1, len(events))):
        parts = play(Sim(**chosen).open(LINEAR, seed=seed), events, requests, split, until=until)
        assert [t.tobytes() for t in whole] == [t.tobytes() for t in parts]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_prints_are_not_shared_twice(seed: int) -> None:
    """Where nothing but prints happened, our maker fills add up to no more than they did."""
    rng = np.random.default_rng(seed)
    events = market(rng, 120)
    _, fills, _ = play(gateway(), events, ours(rng, int(events["local_ts"][-1]) - START, 25))
    for ns in np.unique(fills["venue_ns"]):
        now = events[events["local_ts"] == ns]
        if len(now) and (now["kind"] == Kind.TRADE).all():
            made = fills["lots"][(fills["venue_ns"] == ns) & (fills["maker"] == 1)]
            assert made.sum() <= now["lots"].sum()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_the_more_cautious_queue_fills_no_more(seed: int) -> None:
    """One order at a time in the same market: through ≤ trades ≤ risk_averse ≤ the share of the cancels."""
    rng = np.random.default_rng(seed)
    events = market(rng, 150)
    side, ticks = int(rng.choice([1, -1])), 1000 + int(rng.integers(-6, 7))
    order = [(START, 1, Intent(Action.SUBMIT, side, 40, ticks, TimeInForce.POST_ONLY))]
    filled = []
    for queue in (QueueModel.through, QueueModel.trades, QueueModel.risk_averse, QueueModel.power):
        venue = Sim(queue=queue, feed_latency="0s", latency="0s", report_latency="0s")
        filled.append(int(play(venue.open(SPOT, seed=0), events, order)[1]["lots"].sum()))
    assert filled == sorted(filled)


def test_the_random_markets_exercise_everything() -> None:
    """The properties above mean something: every state, both kinds of fill, and every refusal occur."""
    states: set[tuple[int, int]] = set()
    reasons: set[int] = set()
    makers = np.zeros(2, int)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        events = market(rng, 120)
        requests = ours(rng, int(events["local_ts"][-1]) - START, 25)
        orders, fills, _ = play(
            gateway(LINEAR, 3 if seed % 2 else 20),
            events,
            requests,
            until=int(events["local_ts"][-1]) + 5_000 * MS,
        )
        states |= set(zip(orders["state"].tolist(), orders["tif"].tolist(), strict=True))
        reasons |= set(orders["why"].tolist())
        makers += np.bincount(fills["maker"], minlength=2)
    assert makers.min() > 100
    assert {(OrderState.REJECTED, tif) for tif in TimeInForce} <= states
    assert {(OrderState.FILLED, tif) for tif in TimeInForce} <= states
    assert {(OrderState.CANCELED, tif) for tif in TimeInForce} <= states
    assert {
        (OrderState.PARTIALLY_FILLED, TimeInForce.GTC),
        (OrderState.ACCEPTED, TimeInForce.POST_ONLY),
    } <= states
    theirs = {reason for reason in OrderReason if reason <= OrderReason.SELF} - {
        OrderReason.FUNDS
    }  # then: an exchange's
    assert reasons == theirs
