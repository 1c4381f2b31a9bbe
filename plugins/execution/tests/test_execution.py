"""What the policies and rules promise, in every situation."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.api import Account, Action, Intent, Market, Position, Veto, Working
from btcframe.errors import ConfigError
from btcframe.types import NS, PREDICTION, ROW, Instrument, OrderState, TimeInForce
from btcframe_execution.confidence import Confidence
from btcframe_execution.market import MarketPolicy, within
from btcframe_execution.max_position import MaxPosition
from btcframe_execution.passive import Passive
from btcframe_execution.signal import whole_lots

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
NAN = float("nan")


def market(
    mean: float = 0.0, *, p_up: float = NAN, model: int = 0, spread: int = 1, lots: int = 5, usable: bool = True,
    bid: int = 100_000, now_ns: int = 100 * NS, levels: int = 20,
) -> Market:  # fmt: skip
    prediction = np.zeros(2, PREDICTION)
    prediction["horizon_ns"] = (NS, 5 * NS)
    prediction["mean"], prediction["p_up"], prediction["model"] = (mean / 2, mean), p_up, model
    depth = np.arange(levels if usable else 0)
    sizes = np.full(len(depth), lots)
    return Market(
        now_ns, INSTRUMENT, usable, bid - depth, sizes, bid + spread + depth, sizes,
        np.zeros(1, ROW)[0], np.zeros(2), ("a", "b"), np.zeros(1), prediction,
    )  # fmt: skip


def working(side: int, ticks: int, lots: int = 10, filled: int = 0, **changes: Any) -> Working:
    state = OrderState.PARTIALLY_FILLED if filled else OrderState.ACCEPTED
    order = Working(1, side, ticks, lots, filled, int(state), 99 * NS, False)
    return order._replace(**changes)


means = st.one_of(st.floats(-100, 100), st.just(NAN), st.just(0.0))
sizes = st.sampled_from([0.001, 0.0015, 0.01, 0.29, 1.0])
held = st.integers(-500, 500)
orders = st.lists(
    st.builds(
        lambda side, offset, lots, share, reduce_only, state, age, n: Working(
            n, side, 100_000 + offset, lots, int(share * (lots - 1)), int(state), 100 * NS - age, reduce_only
        ),
        st.sampled_from([1, -1]), st.integers(-30, 30), st.integers(1, 300), st.floats(0, 1), st.booleans(),
        st.sampled_from([OrderState.SUBMITTED, OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.PENDING_CANCEL]),
        st.integers(0, 20 * NS), st.integers(1, 1000),
    ),
    max_size=3, unique_by=lambda order: order.order_id,
).map(tuple)  # fmt: skip
markets = st.builds(
    lambda mean, p_up, model, spread, lots, usable: market(
        mean, p_up=p_up, model=model, spread=spread, lots=lots, usable=usable
    ),
    means, st.floats(0, 1), st.sampled_from([-1, 0, 3]), st.integers(1, 200), st.integers(1, 50),
    st.sampled_from([True, True, True, False]),
)  # fmt: skip


# ----------------------------------------------------------------------------------------------------- market


@settings(max_examples=300, deadline=None, derandomize=True)
@given(view=markets, lots=held, size=sizes, fee=st.floats(-1, 6), slippage=st.floats(0, 30), own=orders)
def test_market_never_exceeds_what_was_asked_nor_its_slippage(
    view: Market, lots: int, size: float, fee: float, slippage: float, own: tuple[Working, ...]
) -> None:
    policy = MarketPolicy(size=size, fee_bps=fee, slippage_bps=slippage)
    intents = policy.decide(view, Position(lots, 0.0, own))
    assert len(intents) <= 1
    if own or not view.usable:
        assert not intents
    for intent in intents:
        assert (intent.action, intent.tif) == (Action.SUBMIT, TimeInForce.IOC)
        assert intent.lots > 0
        best = int((view.ask_ticks if intent.side > 0 else view.bid_ticks)[0])
        assert 0 <= intent.side * (intent.ticks - best) <= slippage * best / 1e4
        prices, offered = (
            (view.ask_ticks, view.ask_lots) if intent.side > 0 else (view.bid_ticks, view.bid_lots)
        )
        assert intent.lots <= offered[intent.side * prices <= intent.side * intent.ticks].sum()
        after = lots + intent.side * intent.lots
        mean = view.prediction["mean"][1]
        if intent.reduce_only:
            assert abs(after) < abs(lots)
            assert after * lots >= 0
            assert view.prediction["model"][1] < 0 or lots * mean < 0
        else:
            assert abs(after) <= whole_lots(INSTRUMENT, size)
            assert lots * after >= 0
            spread = 2e4 * (view.ask_ticks[0] - view.bid_ticks[0]) / (view.ask_ticks[0] + view.bid_ticks[0])
            assert intent.side * mean >= 2 * fee + spread - 1e-9
            assert view.prediction["model"][1] >= 0 or np.isfinite(mean)


def test_market_opens_holds_flips_and_closes() -> None:
    policy = MarketPolicy(size=0.01, fee_bps=5.5, threshold_bps=1.0)
    cost = 2 * 5.5 + 1e4 / 100_000.5 + 1.0  # fees, the spread of one tick, the margin
    (intent,) = policy.decide(market(cost + 0.01, lots=50), Position())
    assert (intent.side, intent.lots, intent.ticks, intent.reduce_only) == (
        1,
        10,
        100_020,
        False,
    )  # the last level seen
    assert policy.decide(market(cost - 0.01, lots=50), Position()) == ()
    assert policy.decide(market(0.5), Position(10)) == ()  # weaker, still the same sign: held
    assert policy.decide(market(NAN), Position(10)) == ()  # nothing known: held
    (intent,) = policy.decide(market(-0.1, lots=50), Position(10))
    assert (intent.side, intent.lots, intent.reduce_only, intent.reason) == (-1, 10, True, "signal flipped")
    (intent,) = policy.decide(market(NAN, model=-1, lots=50), Position(-10))
    assert (intent.side, intent.lots, intent.reduce_only, intent.reason) == (1, 10, True, "no model")
    (intent,) = policy.decide(market(-50.0, lots=50), Position(-4))  # the rest
    assert (intent.side, intent.lots, intent.reduce_only) == (-1, 6, False)


def test_market_asks_for_no_more_than_is_offered_within_the_slippage() -> None:
    ticks, lots = np.array([1000, 1001, 1003, 1010]), np.array([1, 2, 4, 8])
    assert within(ticks, lots, 1, 0.0) == (1000, 1)
    assert within(ticks, lots, 1, 30.0) == (1003, 7)
    assert within(ticks, lots, 1, 1000.0) == (1010, 15)
    assert within(ticks[::-1], lots, -1, 70.0) == (1003, 3)


def test_the_horizon_is_chosen_by_name() -> None:
    view = market(20.0)  # 10 at 1s, 20 at 5s
    assert MarketPolicy(horizon="5s").decide(view, Position()) == MarketPolicy().decide(view, Position())
    assert MarketPolicy(horizon="5s").decide(view, Position())
    assert not MarketPolicy(horizon="1s").decide(view, Position())
    with pytest.raises(ConfigError, match="no prediction over 2s"):
        MarketPolicy(horizon="2s").decide(view, Position())


# ---------------------------------------------------------------------------------------------------- passive


@settings(max_examples=400, deadline=None, derandomize=True)
@given(view=markets, lots=held, size=sizes, fee=st.floats(-3, 6), own=orders)
def test_passive_never_crosses_nor_exceeds_what_was_asked(
    view: Market, lots: int, size: float, fee: float, own: tuple[Working, ...]
) -> None:
    policy = Passive(size=size, fee_bps=fee)
    intents = policy.decide(view, Position(lots, 0.0, own))
    by_id = {order.order_id: order for order in own}
    touched = [intent.order_id for intent in intents if intent.order_id]
    assert len(touched) == len(set(touched))
    for intent in intents:
        if intent.action == Action.CANCEL:
            assert by_id[intent.order_id].state != OrderState.PENDING_CANCEL
            continue
        assert view.usable
        side = by_id[intent.order_id].side if intent.action == Action.AMEND else intent.side
        best, opposite = (view.bid_ticks, view.ask_ticks) if side > 0 else (view.ask_ticks, view.bid_ticks)
        assert intent.ticks == best[0]
        assert side * intent.ticks < side * opposite[0]
        if intent.action == Action.AMEND:
            assert intent.lots == by_id[intent.order_id].lots
            continue
        assert not own, "one order at a time"
        assert intent.tif == TimeInForce.POST_ONLY
        after = lots + side * intent.lots
        if intent.reduce_only:
            assert after == 0
        else:
            assert abs(after) <= whole_lots(INSTRUMENT, size)
            assert lots * after >= 0
            assert side * view.prediction["mean"][1] >= 2 * fee - 1e-9
    if not view.usable:
        alive = [order.order_id for order in own if order.state != OrderState.PENDING_CANCEL]
        assert [intent.order_id for intent in intents] == alive


def test_passive_joins_follows_gives_up_and_leaves() -> None:
    policy = Passive(size=0.01, fee_bps=2.0, patience="5s")
    (intent,) = policy.decide(market(4.1), Position())
    assert (intent.side, intent.lots, intent.ticks, intent.tif) == (1, 10, 100_000, TimeInForce.POST_ONLY)
    assert not policy.decide(market(3.9), Position())
    assert not policy.decide(market(4.1), Position(0, 0.0, (working(1, 100_000),)))
    (intent,) = policy.decide(market(4.1), Position(0, 0.0, (working(1, 99_990),)))
    assert (intent.action, intent.ticks, intent.lots, intent.order_id) == (Action.AMEND, 100_000, 10, 1)
    (intent,) = policy.decide(market(4.1), Position(0, 0.0, (working(1, 100_000, ns=95 * NS),)))
    assert (intent.action, intent.reason) == (Action.CANCEL, "patience")
    (intent,) = policy.decide(market(0.1), Position(0, 0.0, (working(1, 100_000),)))
    assert (intent.action, intent.order_id) == (Action.CANCEL, 1)
    leaving = Position(10, 0.0, (working(-1, 100_001, reduce_only=True, ns=0),))
    assert not policy.decide(market(-0.1), leaving)  # patience is for opening
    (intent,) = policy.decide(market(-0.1), Position(10))
    assert (intent.side, intent.lots, intent.ticks, intent.reduce_only) == (-1, 10, 100_001, True)


# ------------------------------------------------------------------------------------------------------ rules


def account(lots: int = 0, *own: Working) -> Account:
    return Account(Position(lots, 0.0, own), 1e5, 1e5, 1e5, 0.0)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    lots=held, size=sizes, own=orders, side=st.sampled_from([1, -1]), asked=st.integers(1, 1000),
    tif=st.sampled_from(list(TimeInForce)), amended=st.booleans(),
)  # fmt: skip
def test_max_position_holds_whatever_fills(
    lots: int, size: float, own: tuple[Working, ...], side: int, asked: int, tif: TimeInForce, amended: bool
) -> None:
    limit = whole_lots(INSTRUMENT, size)
    intent = Intent(Action.SUBMIT, side, asked, 100_000, tif)
    mine = [order for order in own if order.side == side and not order.reduce_only]
    if amended and mine:
        intent = Intent(Action.AMEND, side, asked, 100_000, tif, order_id=mine[0].order_id)
        mine = mine[1:]
    answer = MaxPosition(size=size).check(intent, account(lots, *own), market())
    filled = next((o.filled_lots for o in own if o.order_id == intent.order_id), 0)
    before = side * lots + sum(order.lots - order.filled_lots for order in mine)
    if isinstance(answer, Veto):
        assert answer.code == "max_position"
        assert before + max(0, asked - filled) > limit
        assert before >= limit or tif == TimeInForce.FOK
    else:
        assert answer._replace(lots=asked) == intent
        assert 0 < answer.lots <= asked
        assert before + answer.lots - filled <= limit
        if answer.lots < asked:
            assert before + answer.lots - filled == limit  # no smaller than it must be


def test_max_position_never_blocks_the_way_out() -> None:
    rule = MaxPosition(size=0.0)
    for intent in (
        Intent(Action.CANCEL, order_id=3),
        Intent(Action.SUBMIT, -1, 500, reduce_only=True),
        Intent(Action.SUBMIT, -1, 400),
    ):
        assert rule.check(intent, account(400), market()) == intent
    assert isinstance(rule.check(Intent(Action.SUBMIT, 1, 1), account(), market()), Veto)


@pytest.mark.parametrize(
    ("side", "mean", "p_up", "passes"),
    [
        (1, 12.0, 0.7, True), (1, 11.9, 0.7, False), (1, 12.0, 0.59, False), (1, 12.0, NAN, False),
        (-1, -12.0, 0.3, True), (-1, -12.0, 0.41, False), (-1, 12.0, 0.3, False), (1, NAN, 0.9, False),
    ],
)  # fmt: skip
def test_confidence(side: int, mean: float, p_up: float, passes: bool) -> None:
    rule = Confidence(cost_bps=11.0, min_edge_bps=1.0, min_probability=0.6)
    intent = Intent(Action.SUBMIT, side, 5, 100_000)
    answer = rule.check(intent, account(), market(mean, p_up=p_up))
    assert answer == intent if passes else isinstance(answer, Veto) and answer.code == "confidence"
    amend = intent._replace(action=Action.AMEND, order_id=1)
    answer = rule.check(amend, account(0, working(side, 1)), market(mean, p_up=p_up))
    assert (answer == amend) == passes


def test_confidence_never_blocks_the_way_out() -> None:
    rule = Confidence(cost_bps=11.0)
    view = market(NAN)
    for intent in (
        Intent(Action.CANCEL, 1, order_id=3), Intent(Action.SUBMIT, -1, 9, reduce_only=True), Intent(Action.SUBMIT, -1, 5),
    ):  # fmt: skip
        assert rule.check(intent, account(5), view) == intent
    # six would open one, and so would five while two more are on their way
    assert isinstance(rule.check(Intent(Action.SUBMIT, -1, 6), account(5), view), Veto)
    assert isinstance(rule.check(Intent(Action.SUBMIT, -1, 5), account(5, working(-1, 1, 2)), view), Veto)


# --------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("size", "lots"), [(0.001, 1), (0.0019, 1), (0.29, 290), (1e-5, 0), (0.3, 300), (2.0, 2000)]
)
def test_sizes_are_rounded_down_as_written(size: float, lots: int) -> None:
    assert whole_lots(INSTRUMENT, size) == lots


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: MarketPolicy(size=-1.0), "size"),
        (lambda: MarketPolicy(size=NAN), "size"),
        (lambda: MarketPolicy(horizon="soon"), "horizon"),
        (lambda: MarketPolicy(slippage_bps=-0.1), "slippage_bps"),
        (lambda: Passive(patience="0s"), "patience"),
        (lambda: Passive(threshold_bps=float("inf")), "threshold_bps"),
        (lambda: Confidence(min_probability=1.1), "min_probability"),
        (lambda: MaxPosition(size=-0.1), "size"),
        (lambda: MarketPolicy(size=1e308), "size"),
        (lambda: Passive(size=1e308), "size"),
        (lambda: MaxPosition(size=1e308), "size"),
    ],
)
def test_impossible_settings(make: Any, field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        make()
