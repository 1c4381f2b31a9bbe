"""What the risk rules promise, all of them together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.api import Account, Action, Intent, Market, Position, Veto
from btcframe.types import NS, TimeInForce
from btcframe_execution.collar import Collar
from btcframe_execution.daily_loss import DailyLoss
from btcframe_execution.drawdown import Drawdown
from btcframe_execution.edge import Edge
from btcframe_execution.funds import Funds
from btcframe_execution.notional import Notional
from btcframe_execution.order_rate import OrderRate
from btcframe_execution.quality import Quality
from btcframe_execution.regime import RegimeGate
from btcframe_execution.spread_depth import SpreadDepth
from btcframe_execution.stale_data import StaleData
from btcframe_execution.stale_model import StaleModel
from btcframe_execution.vol_target import VolTarget

from .risk_cases import (
    NAN,
    NOT_ALWAYS,
    RULES,
    STRICT,
    account,
    aged,
    buy,
    market,
    vetoed,
    working,
)

# ------------------------------------------------------------------------------------------------- all of them

orders = st.lists(
    st.builds(
        lambda side, lots, share, reduce_only, n: working(
            side, lots, int(share * (lots - 1)), n, reduce_only=reduce_only
        ),
        st.sampled_from([1, -1]), st.integers(1, 60), st.floats(0, 1), st.booleans(), st.integers(1, 99),
    ),
    max_size=3, unique_by=lambda order: order.order_id,
).map(tuple)  # fmt: skip
accounts = st.builds(
    lambda lots, own, equity, day, sent: account(
        lots, *own, equity=equity, day_equity=day, last_second=sent, last_minute=sent
    ),
    st.integers(-40, 40), orders, st.sampled_from([1000.0, 900.0, 1.0, -50.0, NAN]),
    st.sampled_from([1000.0, NAN]), st.sampled_from([0, 500]),
)  # fmt: skip
markets = st.builds(
    lambda mean, usable, age, sigma, regime: market(
        mean, usable=usable, row=aged(age), x=np.array([sigma]), regime=np.array([regime, 1 - regime])
    ),
    st.sampled_from([10.0, -10.0, 0.1, NAN]), st.booleans(), st.sampled_from([10, 100 * NS]),
    st.sampled_from([1e-4, 0.0, NAN]), st.sampled_from([0.9, 0.1, NAN]),
)  # fmt: skip


def intents(account: Account) -> st.SearchStrategy[Intent]:
    submit = st.builds(
        lambda side, lots, ticks, tif, reduce_only: Intent(Action.SUBMIT, side, lots, ticks, tif, reduce_only),
        st.sampled_from([1, -1]), st.integers(1, 60), st.sampled_from([0, 100_000, 1_000_000, 10]),
        st.sampled_from(TimeInForce), st.booleans(),
    )  # fmt: skip
    own = account.position.working
    if not own:
        return submit
    change = st.builds(
        lambda order, lots, action: Intent(
            action, order.side, lots, 100_000, order_id=order.order_id, reduce_only=order.reduce_only
        ),
        st.sampled_from(own), st.integers(1, 60), st.sampled_from([Action.AMEND, Action.CANCEL]),
    )  # fmt: skip
    return submit | change


def can_only_reduce(intent: Intent, position: Position) -> bool:
    """Told the long way: fill everything of that side in full, and see whether the position ever grows or turns."""
    if intent.action == Action.CANCEL or intent.reduce_only:
        return True
    lots = 0
    for order in position.working:
        if order.side == intent.side and not (
            intent.action == Action.AMEND and order.order_id == intent.order_id
        ):
            lots += order.lots - order.filled_lots
    filled = sum(
        o.filled_lots
        for o in position.working
        if intent.action == Action.AMEND and o.order_id == intent.order_id
    )
    if intent.action == Action.AMEND and intent.lots <= filled:
        return True  # as a cancel
    after = position.lots + intent.side * (lots + intent.lots - filled)
    return position.lots * intent.side < 0 and position.lots * after >= 0


@settings(max_examples=200, deadline=None, derandomize=True)
@given(account=accounts, view=markets, data=st.data())
def test_no_rule_is_ever_in_the_way_of_an_order_that_reduces(
    account: Account, view: Market, data: st.DataObject
) -> None:
    intent = data.draw(intents(account))
    assert account.position.reduces(intent) == can_only_reduce(intent, account.position)
    for name in RULES:
        for rule in (RULES[name], STRICT[name]):
            answer = rule.check(intent, account, view)
            if can_only_reduce(intent, account.position):
                assert answer == intent, name
            elif rule is STRICT[name] and name not in NOT_ALWAYS:
                assert vetoed(answer, name) or account.position.reduces(answer), name  # type: ignore[arg-type]
            elif isinstance(answer, Veto):
                assert answer.code == name
            else:
                assert 0 < answer.lots <= intent.lots
                assert answer._replace(lots=intent.lots) == intent


def test_every_rule_is_here() -> None:
    assert RULES.keys() == STRICT.keys()


def test_an_ordinary_order_passes_every_rule_as_it_comes() -> None:
    for name, rule in RULES.items():
        assert (
            rule.check(buy(), account(equity=1e6, peak_equity=1e6, day_equity=1e6), market(20.0)) == buy()
        ), name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Collar(through_bps=-1), "through_bps: -1 must be at least 0"),
        (lambda: DailyLoss(reduce=0.0), "reduce: 0.0 is not a share above 0"),
        (lambda: DailyLoss(reduce=0.05, halt=0.03), "halt: 0.03 must be at least reduce, 0.05"),
        (lambda: Drawdown(reduce=NAN), "reduce: nan is not a share"),
        (lambda: Drawdown(halt=1.5), "halt: 1.5 must be at least reduce, 0.1, and at most 1"),
        (lambda: Edge(horizon="soon"), "horizon: 'soon' is not a duration"),
        (lambda: Edge(taker_fee_bps=NAN), "taker_fee_bps: nan must be at least"),
        (lambda: Funds(leverage=0.0), "leverage: 0.0 must be at least 0.01"),
        (lambda: Notional(order=-5.0), r"order: -5.0 must be at least 0"),
        (lambda: OrderRate(second=0), "second: 0 must be at least 1"),
        (lambda: Quality(1.1), "min_quality: 1.1 must be at least 0 and at most 1"),
        (lambda: RegimeGate(min_probability=2.0), "min_probability: 2.0 must be at least 0 and at most 1"),
        (lambda: SpreadDepth(max_spread_bps=NAN), "max_spread_bps: nan must be at least 0"),
        (lambda: StaleData(max_age="5"), "max_age: '5' is not a duration"),
        (lambda: StaleData(max_latency="x"), "max_latency: 'x' is not a duration"),
        (lambda: StaleModel("never"), "max_age: 'never' is not a duration"),
        (lambda: VolTarget(column=""), "column: name the feature column"),
        (lambda: VolTarget(floor_bps=0.0), "floor_bps: 0.0 must be at least 0.001"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# ------------------------------------------------------------------------------------------------ one by one
