"""The policies through the real trader and the simulated venue, on markets with gaps, holes and one-sided books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_trader import EVENTS, HORIZONS, INSTRUMENT, START, model, trader

from btcframe.api import Action, Intent, Market, Position
from btcframe.trading.trader import Promotion, Trader
from btcframe.types import NS, EventArray, EventFlag, Kind, OrderState, TimeInForce
from btcframe.venues.sim import Sim
from btcframe_execution import Adaptive, MarketPolicy, Passive, Twap

SIZE, LOTS = 0.02, 20
SCHEDULE = (
    Promotion(START + 3 * NS, model(30.0, 0)),
    Promotion(START + 24 * NS, model(-40.0, 1)),
    Promotion(START + 35 * NS, None),
)


def policies(patience: str, slices: int, fee: float) -> dict[str, Any]:
    return {
        "market": MarketPolicy(size=SIZE, fee_bps=fee),
        "passive": Passive(size=SIZE, fee_bps=fee / 2, patience=patience),
        "adaptive": Adaptive(size=SIZE, maker_fee_bps=fee / 2, taker_fee_bps=fee, patience=patience),
        "twap": Twap(
            size=SIZE, maker_fee_bps=fee / 2, taker_fee_bps=fee, duration=f"{slices}s", slices=slices
        ),
    }


class Watched:
    """A policy, and everything it was asked and answered."""

    def __init__(self, policy: Any) -> None:
        self.policy, self.wakes = policy, policy.wakes
        self.asked: list[tuple[Market, Position, Sequence[Intent]]] = []

    def decide(self, market: Market, position: Position) -> Sequence[Intent]:
        intents = self.policy.decide(market, position)
        self.asked.append((market, position, intents))
        return intents


def broken(events: EventArray, gaps: Sequence[int], holes: Sequence[int]) -> EventArray:
    """The market with data lost at `gaps` until a snapshot, and all bids taken away and put back at `holes`."""
    parts, at = [], 0
    for where, gap in sorted([(g, True) for g in gaps] + [(h, False) for h in holes]):
        ends = np.flatnonzero(events["flags"][at:where] & EventFlag.END)
        if not len(ends):
            continue
        stop = at + int(ends[-1]) + 1
        parts.append(events[at:stop])
        book = book_of(np.concatenate(parts))
        now = parts[-1][-1:].copy()
        if gap:
            parts.append(lost(now, book))
        else:
            bids = [(side, ticks, 0) for side, ticks, _ in book if side > 0]
            back = [level for level in book if level[0] > 0]
            parts += [message(now, bids), message(now, back, after_ns=NS // 5)]
        at = stop
        events = events.copy()
        events["local_ts"][at:] += NS // 2
    return np.concatenate([*parts, events[at:]])


def book_of(events: EventArray) -> list[tuple[int, int, int]]:
    """The book after these events: (side, ticks, lots)."""
    levels: dict[tuple[int, int], int] = {}
    for kind, side, ticks, lots in zip(
        events["kind"].tolist(), events["side"].tolist(), events["ticks"].tolist(), events["lots"].tolist(), strict=True
    ):  # fmt: skip
        if kind == Kind.CLEAR:
            levels.clear()
        elif kind == Kind.DEPTH:
            levels[side, ticks] = lots
    return [(side, ticks, lots) for (side, ticks), lots in levels.items() if lots]


def message(
    like: EventArray, levels: Sequence[tuple[int, int, int]], *, after_ns: int = 0, flags: int = 0
) -> EventArray:
    out = np.repeat(like, len(levels))
    out["kind"], out["flags"] = Kind.DEPTH, flags
    out["side"], out["ticks"], out["lots"] = np.array(levels).T
    out["local_ts"] += after_ns
    out["flags"][-1] |= int(EventFlag.END)
    return out


def lost(now: EventArray, book: Sequence[tuple[int, int, int]]) -> EventArray:
    """A gap, and a snapshot of the same book 300 ms later."""
    gap, clear = now.copy(), now.copy()
    gap["kind"], gap["flags"] = Kind.GAP, EventFlag.END
    clear["kind"], clear["flags"] = Kind.CLEAR, EventFlag.SNAPSHOT
    clear["local_ts"] += 3 * NS // 10
    snapshot = message(now, book, after_ns=3 * NS // 10, flags=int(EventFlag.SNAPSHOT))
    return np.concatenate([gap, clear, snapshot])


def played(policy: Any, events: EventArray, venue: Sim) -> tuple[Trader, Watched]:
    watched = Watched(policy)
    subject = trader(watched, venue=venue, schedule=SCHEDULE, horizons_ns=HORIZONS)
    subject.consume(events)
    subject.finish()
    return subject, watched


@pytest.mark.parametrize("name", ["market", "passive", "adaptive", "twap"])
@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    gaps=st.lists(st.integers(200, len(EVENTS) - 1), max_size=3),
    holes=st.lists(st.integers(200, len(EVENTS) - 1), max_size=3),
    latency=st.sampled_from(["0s", "1ms", "60ms", "700ms"]),
    patience=st.sampled_from(["200ms", "3s"]),
    slices=st.sampled_from([1, 3]),
    fee=st.sampled_from([0.0, 1.0]),
)
def test_through_the_trader(
    name: str, gaps: list[int], holes: list[int], latency: str, patience: str, slices: int, fee: float
) -> None:
    venue = Sim(latency=latency, report_latency=latency, maker_fee_bps=fee / 2, taker_fee_bps=fee)
    events = broken(EVENTS, gaps, holes)
    subject, watched = played(policies(patience, slices, fee)[name], events, venue)
    tables = subject.audit
    intents, orders, fills = tables.intents.records, tables.orders.records, tables.fills.records

    # every order reaches a final state, once
    last: dict[int, int] = {}
    for order_id, state in zip(orders["order_id"].tolist(), orders["state"].tolist(), strict=True):
        assert order_id not in last or not OrderState(last[order_id]).final
        last[order_id] = state
    assert all(OrderState(state).final for state in last.values())

    # never more than asked, and nothing the trader had to deny
    assert max((abs(position.lots) for _, position, _ in watched.asked), default=0) <= LOTS
    assert not intents["veto"].astype(bool).any(), set(intents["veto"])
    for position in (position for _, position, _ in watched.asked):
        assert len(position.working) <= 1

    # never above the limit, never taking what was meant to rest
    limits = {i: [] for i in last}
    for order_id, ticks, action in zip(
        intents["order_id"].tolist(), intents["ticks"].tolist(), intents["action"].tolist(), strict=True
    ):
        if action != Action.CANCEL:
            limits[order_id].append(ticks)
    tif = dict(zip(orders["order_id"].tolist(), orders["tif"].tolist(), strict=True))
    for order_id, ticks, side, maker in zip(
        fills["order_id"].tolist(), fills["ticks"].tolist(), fills["side"].tolist(), fills["maker"].tolist(), strict=True
    ):  # fmt: skip
        assert side * ticks <= max(side * limit for limit in limits[order_id])
        assert maker == (tif[order_id] == TimeInForce.POST_ONLY)

    # no entry without a prediction, and nothing on a book that cannot be trusted
    for market, position, asked in watched.asked:
        for intent in asked:
            if intent.action == Action.SUBMIT:
                assert market.usable
                assert intent.reduce_only == (position.lots * intent.side < 0)
                assert intent.reduce_only or np.isfinite(market.prediction["mean"]).all()


@pytest.mark.parametrize("name", ["market", "passive", "adaptive", "twap"])
def test_each_trades_and_is_flat_when_the_models_are_gone(name: str) -> None:
    subject, watched = played(policies("2s", 3, 0.0)[name], EVENTS, Sim(latency="5ms", report_latency="5ms"))
    fills = subject.audit.fills.records
    assert {1, -1} <= set(fills["side"].tolist())
    assert max(position.lots for _, position, _ in watched.asked) > 0
    assert min(position.lots for _, position, _ in watched.asked) < 0
    if name != "passive":  # who only ever waits may be left waiting
        assert subject.ledger.position_lots == 0
    share = fills["lots"][fills["maker"] == 1].sum() / fills["lots"].sum()
    assert {"market": share == 0, "passive": share == 1}.get(name, 0 < share < 1), share


@pytest.mark.parametrize("name", ["market", "passive", "adaptive", "twap"])
def test_chunks_do_not_matter(name: str) -> None:
    policy, venue = policies("2s", 3, 0.0)[name], Sim(latency="5ms", report_latency="5ms")
    whole, _ = played(policy, EVENTS, venue)
    parts = trader(policy, venue=venue, schedule=SCHEDULE, horizons_ns=HORIZONS)
    for part in np.array_split(EVENTS, 301):
        parts.consume(part)
    parts.finish()
    assert len(whole.audit.intents.records)
    assert parts.audit.intents.records.tobytes() == whole.audit.intents.records.tobytes()


def test_the_broken_market_is_what_it_is_meant_to_be() -> None:
    events = broken(EVENTS, [800], [1600])
    assert (events["kind"] == Kind.GAP).sum() == 1
    assert (np.diff(events["local_ts"]) >= 0).all()
    assert book_of(events) and sorted(book_of(events)) == sorted(book_of(EVENTS))
    assert INSTRUMENT.lot * LOTS == type(INSTRUMENT.lot)(str(SIZE))
