"""What the rules `max_position` and `confidence` promise, in every situation; the others: test_risk.py."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.api import Account, Action, Intent, Market, Position, Veto, Working
from btcframe.types import NS, PREDICTION, ROW, Instrument, OrderState, TimeInForce
from btcframe_execution.confidence import Confidence
from btcframe_execution.max_position import MaxPosition
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


def account(lots: int = 0, *own: Working) -> Account:
    return Account(Position(lots, 0.0, own), 1e5, 1e5, 1e5, 0.0)


@settings(max_examples=200, deadline=None, derandomize=True)
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
    # in the worst order what only reduces fills first: it takes the position to 0 at most, and the rest comes on top
    closing = sum(o.lots - o.filled_lots for o in own if o.side == side and o.reduce_only)
    before = side * lots if side * lots > 0 else min(0, side * lots + closing)
    before += sum(order.lots - order.filled_lots for order in mine)
    if account(lots, *own).position.reduces(intent):
        assert answer == intent
    elif isinstance(answer, Veto):
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


@pytest.mark.parametrize(
    ("size", "lots"), [(0.001, 1), (0.0019, 1), (0.29, 290), (1e-5, 0), (0.3, 300), (2.0, 2000)]
)
def test_sizes_are_rounded_down_as_written(size: float, lots: int) -> None:
    assert whole_lots(INSTRUMENT, size) == lots


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Confidence(min_probability=1.1), "min_probability"),
        (lambda: MaxPosition(size=-0.1), "size"),
        (lambda: MaxPosition(size=1e308), "size"),
    ],
)
def test_impossible_settings(make: Any, field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        make()
