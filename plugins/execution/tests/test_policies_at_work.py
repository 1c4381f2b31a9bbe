"""Whatever the market and the venue do: no policy pays more, asks for more or crosses more than it says."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from btcframe.api import Action, Intent, Market, Position
from btcframe.types import NS, TimeInForce
from btcframe_execution import Adaptive, MarketPolicy, Passive, Twap

from .adversary import Adversary
from .books import INSTRUMENT, NAN, crosses, view

SIZE, LOTS = 0.01, 10
POLICIES = {
    "market": MarketPolicy(size=SIZE, fee_bps=1.0, slippage_bps=3.0),
    "passive": Passive(size=SIZE, fee_bps=0.5, patience="2s"),
    "adaptive": Adaptive(size=SIZE, maker_fee_bps=0.5, taker_fee_bps=2.0, patience="2s", slippage_bps=3.0),
    "twap": Twap(size=SIZE, maker_fee_bps=0.5, taker_fee_bps=2.0, duration="12s", slices=4, slippage_bps=3.0),
}
ENTRY_COST = {"market": 2.0, "passive": 1.0, "adaptive": 1.0, "twap": 1.0}
"""Bps that an entry must leave of the prediction, at the least: what the fees of the round trip are."""
SLIPPAGE = 3


def unlike(policy: Any, intent: Intent, market: Market, position: Position) -> str:
    """What an intent does that its policy says it never does, "" for nothing."""
    order = next((o for o in position.working if o.order_id == intent.order_id), None)
    if intent.action == Action.CANCEL:
        return ""
    side, tif = (order.side, order.tif) if order else (intent.side, intent.tif)
    reduce_only = order.reduce_only if order else intent.reduce_only
    if not market.usable:
        return "sent on an unusable book"
    if tif == TimeInForce.POST_ONLY:
        if crosses(market, side, intent.ticks):
            return "a resting order that crosses"
        best = market.bid_ticks[0] if side > 0 else market.ask_ticks[0]
        if side * intent.ticks < side * best and not (order and intent.ticks == order.ticks):
            return "rests behind the best"
    elif tif == TimeInForce.IOC:
        best = int((market.ask_ticks if side > 0 else market.bid_ticks)[0])
        if not 0 <= side * (intent.ticks - best) * 10_000 <= SLIPPAGE * best:
            return "takes beyond the slippage"
        prices, offered = (
            (market.ask_ticks, market.ask_lots) if side > 0 else (market.bid_ticks, market.bid_lots)
        )
        if intent.lots > offered[side * prices <= side * intent.ticks].sum():
            return "asks for more than is offered"
    else:
        return "neither rests nor ends by itself"
    if reduce_only:
        return "" if side * position.lots < 0 else "reduces nothing"
    if position.lots * side < 0:
        return "opens against what is held"
    mean, mid = float(market.prediction["mean"][1]), float(market.row["mid"])
    if not math.isfinite(mean) or mean * side <= 0:
        return "opens against the prediction"
    promised = Fraction(mid) * 10 * (1 + Fraction(mean - side * ENTRY_COST[policy]) / 10_000)
    return "" if side * intent.ticks <= side * promised + Fraction(1, 10**6) else "above the limit"


def asked_for(venue: Adversary) -> int:
    """The most the position can become, whatever works fills."""
    opening = [o for o in venue.working.values() if not o.reduce_only]
    return max(
        side * venue.held + sum(o.lots - o.filled_lots for o in opening if o.side == side) for side in (1, -1)
    )


moves = st.tuples(
    st.sampled_from(
        [0, 0, 1, -1, 1, -1, 2, -2, 5, -5, 80, -80]
    ),  # ticks by which the bid moves, at times far
    st.sampled_from([1, 1, 2, 3, 3, 3, 40, 400]),  # spread
    st.integers(1, 30),  # lots of a level
    st.sampled_from([20, 20, 20, 1, 2]),  # levels
    st.sampled_from(9 * [True] + [False]),  # usable
    st.sampled_from([0, 1, 10**6, NS // 10, NS // 3, NS // 2, NS, 5 * NS]),  # time that passes
    st.sampled_from([True, False]),  # whether a row closes
    st.sampled_from(
        [1.5, 1.5, 1.5, -1.5, -1.5, 4.0, -4.0, 30.0, -30.0, 0.6, -0.6, 0.0, NAN]
    ),  # predicted then, bps
    st.sampled_from(15 * [0] + [-1]),  # model
)


@pytest.mark.parametrize("name", POLICIES)
@settings(
    max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)  # fmt: skip
@given(days=st.lists(moves, min_size=20, max_size=60), luck=st.randoms(use_true_random=True))
def test_no_policy_does_what_it_says_it_never_does(name: str, days: list[Any], luck: Any) -> None:
    policy, venue = POLICIES[name], Adversary(luck.randrange)
    now_ns = row_ns = 1_000 * NS
    bid, mean, model, row_mid = 100_000, 0.0, -1, 100_000.5
    tries: dict[tuple[int, int], int] = {}  # of each row, and of each slot of twap
    for move, spread, lots, levels, usable, passes, closes, predicted, which in days:
        bid, now_ns = bid + move, now_ns + passes
        if closes:
            row_ns, row_mid, mean, model = now_ns, bid + spread / 2, predicted, which
            mean = NAN if model < 0 else mean
        market = view(
            mean, model=model, spread=spread, lots=lots, usable=usable, bid=bid, levels=levels, now_ns=now_ns,
            row_ns=row_ns, row_mid=row_mid,
        )  # fmt: skip
        for _ in range(2):
            venue.act(market)
            position = venue.position()
            for intent in policy.decide(market, position):
                assert not (wrong := unlike(name, intent, market, position)), f"{wrong}: {intent}"
                if intent.action == Action.SUBMIT:
                    last = position.last
                    if last and last.filled_lots < last.lots and last.ended_ns > row_ns:
                        when = row_ns, now_ns // (3 * NS) if name == "twap" else 0
                        tries[when] = tries.get(when, 0) + 1
                venue.send(intent, now_ns)
            assert len(venue.working) <= 1
            assert asked_for(venue) <= LOTS
            assert max(tries.values(), default=0) <= 1, "more than one that takes what has rested"
    settled(policy, venue, view(NAN, model=-1, bid=bid, lots=5, spread=3, row_mid=row_mid), now_ns)
    if name == "twap":
        slots: dict[int, int] = {}
        for order, filled, _ in venue.fills:
            slot = order.ns // (3 * NS)
            slots[slot] = slots.get(slot, 0) + filled
        assert max(slots.values(), default=0) <= math.ceil(LOTS / 4)


def settled(policy: Any, venue: Adversary, market: Market, now_ns: int) -> None:
    """When the model is gone and the venue kind, every order ends and nothing is held any more."""
    for _ in range(60):
        now_ns += NS
        row = market.row.copy()
        row["row_ns"] = now_ns
        market = market._replace(now_ns=now_ns, row=row)
        venue.be_kind(market)
        for intent in policy.decide(market, venue.position()):
            venue.send(intent, now_ns)
        if not venue.working and not venue.held:
            return
    pytest.fail(f"still {venue.position()}")


def test_the_settings_are_what_the_checks_say() -> None:
    from btcframe_execution.signal import whole_lots

    assert whole_lots(INSTRUMENT, SIZE) == LOTS
    assert {p.slippage_bps for p in POLICIES.values() if not isinstance(p, Passive)} == {SLIPPAGE}
