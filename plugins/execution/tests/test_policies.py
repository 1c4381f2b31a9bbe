"""What each policy decides, situation by situation: the tables of docs/policies.md."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.api import Action, Intent, Market, Position, Working
from btcframe.errors import ConfigError
from btcframe.types import NS, OrderState, TimeInForce
from btcframe_execution import Adaptive, MarketPolicy, Passive, Twap
from btcframe_execution.taking import within
from btcframe_execution.target import worst_price

from .books import NAN, NOW, ended, resting, view

EVERY = (MarketPolicy(), Passive(), Adaptive(), Twap())
CANCELED, REJECTED, DENIED, FILLED = (
    OrderState.CANCELED, OrderState.REJECTED, OrderState.DENIED, OrderState.FILLED,
)  # fmt: skip


def asked(policy: Any, market: Market, position: Position) -> Intent | None:
    """The only intent of a decision, None without."""
    intents = list(policy.decide(market, position))
    assert len(intents) <= 1
    return intents[0] if intents else None


def sole(policy: Any, market: Market, position: Position) -> Intent:
    intent = asked(policy, market, position)
    assert intent is not None
    return intent


def at_work(*working: Working, lots: int = 0) -> Position:
    return Position(lots, 0.0, working)


# ------------------------------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("policy", EVERY)
def test_nothing_is_opened_on_what_is_not_known(policy: Any) -> None:
    for market in (
        view(NAN), view(NAN, model=-1), view(50.0, usable=False), view(0.0), view(50.0, row_mid=NAN),
        view(50.0)._replace(prediction=view().prediction[:0]),
    ):  # fmt: skip
        assert not policy.decide(market, Position())


@pytest.mark.parametrize("policy", EVERY)
def test_a_position_is_held_until_the_sign_changes_and_closed_then(policy: Any) -> None:
    for market in (view(0.1), view(NAN), view(0.0)):
        assert not policy.decide(market, Position(10))
    for market, reason in ((view(-3.0), "signal flipped"), (view(NAN, model=-1), "no model")):
        intent = sole(policy, market, Position(4))
        assert (intent.action, intent.side, intent.reduce_only) == (Action.SUBMIT, -1, True)
        assert intent.lots == (2 if isinstance(policy, Twap) else 4)
        assert intent.reason == reason or (isinstance(policy, Adaptive) and intent.reason == "urgent")


@pytest.mark.parametrize("policy", EVERY)
def test_what_was_refused_is_asked_for_again_when_a_row_has_closed(policy: Any) -> None:
    market = view(50.0, now_ns=NOW + NS // 10, row_ns=NOW)
    post_only = policy.decide(market, Position())[0].tif == TimeInForce.POST_ONLY
    tif = TimeInForce.POST_ONLY if post_only else TimeInForce.IOC
    refused = resting(1, 100_000, ns=NOW, tif=tif)
    for state in (REJECTED, DENIED):
        last = ended(refused, state, NOW + NS // 20)
        assert not policy.decide(market, Position(0, 0.0, (), last))
        later = view(50.0, now_ns=NOW + NS // 10, row_ns=NOW + NS // 10)
        assert policy.decide(later, Position(0, 0.0, (), last)) or isinstance(policy, Twap)


@pytest.mark.parametrize("policy", EVERY)
def test_no_entry_follows_a_market_that_ran_away_with_the_prediction(policy: Any) -> None:
    assert policy.decide(view(20.0, bid=100_000, row_mid=100_000.5), Position())
    assert not policy.decide(view(20.0, bid=100_201, row_mid=100_000.5), Position())
    assert not policy.decide(view(-20.0, bid=99_799, row_mid=100_000.5), Position())
    assert policy.decide(view(-20.0, bid=100_201, row_mid=100_000.5), Position())


@pytest.mark.parametrize("policy", EVERY)
def test_a_book_of_one_level_is_enough(policy: Any) -> None:
    assert policy.decide(view(50.0, levels=1), Position())
    assert policy.decide(view(-50.0, levels=1), Position(10))


@pytest.mark.parametrize("policy", EVERY)
def test_the_horizon_is_chosen_by_name(policy: Any) -> None:
    market = view(40.0)  # 20 at 1s, 40 at 5s

    def over(horizon: str) -> Any:
        return type(policy)(horizon=horizon, threshold_bps=25.0).decide(market, Position())

    assert over("5s") == over("") != ()
    assert not over("1s")
    with pytest.raises(ConfigError, match="horizon: there is no prediction over 2s"):
        over("2s")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    mid=st.integers(2, 10**7), side=st.sampled_from([1, -1]), mean=st.floats(-500, 500),
    cost=st.floats(0, 500),
)  # fmt: skip
def test_the_worst_price_leaves_what_it_costs(mid: int, side: int, mean: float, cost: float) -> None:
    market = view(mean, row_mid=mid / 2)
    worst = worst_price(market, side, mean, cost)
    promised = mid / 2 * (1 + mean / 1e4)
    earned_bps = side * (promised - worst) / (mid / 2) * 1e4
    assert math.isclose(earned_bps, cost, rel_tol=1e-6, abs_tol=1e-6)


# ------------------------------------------------------------------------------------------------------ market


def test_market_opens_holds_flips_and_closes() -> None:
    policy = MarketPolicy(size=0.01, fee_bps=5.5, threshold_bps=1.0)
    cost = 2 * 5.5 + 1e4 / 100_000.5 + 1.0  # fees, the spread of one tick, the margin
    intent = sole(policy, view(cost + 0.01), Position())
    assert (intent.side, intent.lots, intent.ticks, intent.tif) == (1, 10, 100_001, TimeInForce.IOC)
    assert asked(policy, view(cost - 0.01), Position()) is None
    intent = sole(policy, view(-0.1), Position(10))
    assert (intent.side, intent.lots, intent.reduce_only, intent.ticks) == (-1, 10, True, 100_000 - 19)
    intent = sole(policy, view(-50.0), Position(-4))  # the rest
    assert (intent.side, intent.lots, intent.reduce_only) == (-1, 6, False)
    assert asked(policy, view(50.0), at_work(resting(1, 100_000))) is None  # one order at a time


def test_market_pays_no_level_that_the_prediction_does_not() -> None:
    policy = MarketPolicy(size=1.0, fee_bps=0.0, slippage_bps=1000.0)
    intent = sole(policy, view(2.0, gap=5, spread=2), Position())
    # m = 100_001; the prediction is worth 20 ticks, half the spread is 1: up to 100_020
    assert (intent.ticks, intent.lots) == (100_017, 4 * 50)
    assert sole(policy, view(2000.0, gap=5, spread=2), Position()).ticks == 100_002 + 19 * 5


def test_market_asks_for_no_more_than_is_offered_within_the_slippage() -> None:
    ticks, lots = np.array([1000, 1001, 1003, 1010]), np.array([1, 2, 4, 8])
    anything = math.inf
    assert within(ticks, lots, 1, 0.0, anything) == (1000, 1)
    assert within(ticks, lots, 1, 30.0, anything) == (1003, 7)
    assert within(ticks, lots, 1, 30.0, 1002.9) == (1001, 3)
    assert within(ticks, lots, 1, 1000.0, anything) == (1010, 15)
    assert within(ticks, lots, 1, 1000.0, 999.0) == (0, 0)
    assert within(ticks[::-1], lots, -1, 70.0, -anything) == (1003, 3)


# ---------------------------------------------------------------------------------------------------- passive


def test_an_amendment_that_was_denied_waits_for_a_row() -> None:
    policy = Passive(size=0.01, fee_bps=2.0, patience="5s")
    order = resting(1, 99_990, denied_ns=NOW)
    assert asked(policy, view(4.1, row_ns=NOW - 1), at_work(order)) is None
    assert sole(policy, view(4.1, row_ns=NOW), at_work(order)).action == Action.AMEND


def test_passive_joins_follows_gives_up_and_leaves() -> None:
    policy = Passive(size=0.01, fee_bps=2.0, patience="5s")
    intent = sole(policy, view(4.1), Position())
    assert (intent.side, intent.lots, intent.ticks, intent.tif) == (1, 10, 100_000, TimeInForce.POST_ONLY)
    assert asked(policy, view(3.9), Position()) is None
    assert asked(policy, view(4.1), at_work(resting(1, 100_000))) is None
    intent = sole(policy, view(4.1), at_work(resting(1, 99_990, filled=3), lots=3))
    assert (intent.action, intent.ticks, intent.lots, intent.order_id) == (Action.AMEND, 100_000, 10, 1)
    assert sole(policy, view(4.1), at_work(resting(1, 100_000, ns=NOW - 5 * NS))).reason == "patience"
    assert sole(policy, view(0.1), at_work(resting(1, 100_000))).reason == "not wanted"
    assert sole(policy, view(4.1, usable=False), at_work(resting(1, 100_000))).reason == "book unusable"
    closing = resting(-1, 100_001, reduce_only=True, ns=0)
    assert asked(policy, view(-0.1), at_work(closing, lots=10)) is None  # patience is for opening
    intent = sole(policy, view(-0.1), Position(10))
    assert (intent.side, intent.lots, intent.ticks, intent.reduce_only) == (-1, 10, 100_001, True)


def test_passive_goes_inside_a_wide_spread_and_outbids_nobody_that_is_itself() -> None:
    policy = Passive(size=0.01, fee_bps=2.0)
    assert sole(policy, view(6.0, spread=4), Position()).ticks == 100_001
    assert sole(policy, view(-6.0, spread=4), Position()).ticks == 100_003
    ours = resting(1, 100_001)
    assert asked(policy, view(6.0, spread=4), at_work(ours)) is None  # not in the book, or all of its best
    assert asked(policy, view(6.0, spread=3, bid=100_001, lots=10), at_work(ours)) is None


def test_passive_buys_no_higher_than_the_prediction_pays() -> None:
    policy = Passive(size=0.01, fee_bps=2.0)
    # 4.3 bps are promised, 4 are fees: 3 ticks above the mid of the row are left
    assert sole(policy, view(4.3, bid=100_003, row_mid=100_000.5), Position()).ticks == 100_003
    assert asked(policy, view(4.3, bid=100_004, row_mid=100_000.5), Position()) is None
    inside = view(4.3, bid=100_003, spread=5, row_mid=100_000.5)
    assert sole(policy, inside, Position()).ticks == 100_003  # one tick inside is one too many
    stays = at_work(resting(1, 100_002))
    assert asked(policy, view(4.3, bid=100_004, row_mid=100_000.5), stays) is None
    intent = sole(policy, view(4.3, row_mid=99_990.0), stays)
    assert (intent.action, intent.reason) == (Action.CANCEL, "worst price")


def test_passive_with_a_rebate_wants_no_edge_and_is_paid_for_no_loss() -> None:
    policy = Passive(fee_bps=-1.0)
    assert sole(policy, view(0.3), Position()).ticks == 100_000
    assert asked(policy, view(0.0), Position()) is None
    assert asked(policy, view(0.3, bid=100_010, row_mid=100_000.5), Position()) is None


def test_passive_leaves_a_side_alone_that_it_gave_up() -> None:
    policy = Passive(patience="5s")
    given_up = ended(resting(1, 100_000, ns=NOW - 6 * NS), CANCELED, NOW - NS)
    market = view(20.0)
    assert asked(policy, market, Position(0, 0.0, (), given_up)) is None
    assert sole(policy, view(-20.0), Position(0, 0.0, (), given_up)).side == -1
    assert asked(policy, view(20.0, now_ns=NOW + 4 * NS), Position(0, 0.0, (), given_up))
    sooner = given_up._replace(ns=NOW - 5 * NS)  # it was canceled for something else
    assert asked(policy, market, Position(0, 0.0, (), sooner))


def test_passive_cancels_what_is_not_its_own_and_touches_nothing_that_ends_by_itself() -> None:
    policy = Passive()
    strange = [
        resting(1, 99_000, tif=TimeInForce.GTC),
        resting(1, 100_000, order_id=2),
        resting(1, 99_999, order_id=3),
    ]
    intents = policy.decide(view(20.0), at_work(*strange))
    assert [(i.action, i.order_id) for i in intents] == [(Action.CANCEL, 1), (Action.CANCEL, 3)]
    for left in (
        resting(1, 100_000, state=int(OrderState.PENDING_CANCEL)), resting(1, 100_010, tif=TimeInForce.IOC),
    ):  # fmt: skip
        assert not policy.decide(view(-20.0), at_work(left))


def test_an_order_too_large_for_what_is_missing_is_made_smaller() -> None:
    intent = sole(Passive(), view(20.0), at_work(resting(1, 100_000, 50, filled=5), lots=4))
    assert (intent.action, intent.lots, intent.ticks) == (Action.AMEND, 11, 100_000)


def test_an_order_that_the_market_has_come_to_is_left_alone() -> None:
    assert asked(Passive(), view(20.0, bid=99_990), at_work(resting(1, 99_995))) is None
    assert asked(Passive(), view(20.0, bid=99_990), at_work(resting(1, 99_995, 50))) is None


def test_a_closing_order_pays_its_fee_anyway_and_is_not_left_behind() -> None:
    closing = resting(-1, 100_050, reduce_only=True)
    intent = sole(Passive(fee_bps=2.0), view(-0.1), at_work(closing, lots=10))
    assert (intent.action, intent.ticks) == (Action.AMEND, 100_001)


# --------------------------------------------------------------------------------------------------- adaptive


def test_adaptive_rests_on_what_pays_a_maker_and_takes_what_it_would_miss() -> None:
    policy = Adaptive(maker_fee_bps=2.0, taker_fee_bps=5.5, patience="2s")
    intent = sole(policy, view(4.5), Position())
    assert (intent.tif, intent.ticks) == (TimeInForce.POST_ONLY, 100_000)
    intent = sole(policy, view(20.0), Position())
    assert (intent.tif, intent.side, intent.reason) == (TimeInForce.IOC, 1, "urgent")
    # 8 bps pay a taker, and half a chance to miss them costs more than 3.5; a third of a chance does not
    assert sole(policy, view(8.0, lots=30, far_lots=20), Position()).tif == TimeInForce.IOC
    assert sole(policy, view(8.0, lots=30, far_lots=120), Position()).tif == TimeInForce.POST_ONLY


def test_adaptive_cancels_what_rests_when_the_prediction_makes_it_urgent() -> None:
    policy, rests = Adaptive(maker_fee_bps=2.0, taker_fee_bps=5.5), at_work(resting(1, 100_000))
    assert asked(policy, view(4.5), rests) is None
    intent = sole(policy, view(20.0), rests)
    assert (intent.action, intent.reason) == (Action.CANCEL, "urgent")
    assert asked(policy, view(12.0, row_mid=99_900.0), rests).reason == "worst price"


def test_adaptive_loses_patience_and_takes_once_the_venue_has_confirmed() -> None:
    policy = Adaptive(maker_fee_bps=2.0, taker_fee_bps=3.0, patience="2s")
    market = view(6.0, lots=10, far_lots=1000)
    waited = resting(1, 100_000, ns=NOW - 2 * NS)
    intent = sole(policy, market, at_work(waited))
    assert (intent.action, intent.reason) == (Action.CANCEL, "urgent")
    assert asked(policy, market, at_work(waited._replace(state=int(OrderState.PENDING_CANCEL)))) is None
    part = ended(waited._replace(filled_lots=3), CANCELED)
    intent = sole(policy, market, Position(3, 0.0, (), part))
    assert (intent.tif, intent.lots, intent.reason) == (TimeInForce.IOC, 7, "urgent")
    tried = ended(resting(1, 100_010, tif=TimeInForce.IOC), CANCELED, NOW + 1)
    assert asked(policy, market, Position(3, 0.0, (), tried)) is None  # until the next row


def test_adaptive_gives_up_where_taking_does_not_pay() -> None:
    policy = Adaptive(maker_fee_bps=2.0, taker_fee_bps=5.5, patience="2s")
    waited = resting(1, 100_000, ns=NOW - 2 * NS)
    assert sole(policy, view(5.0), at_work(waited)).reason == "patience"
    given_up = Position(0, 0.0, (), ended(waited, CANCELED))
    assert asked(policy, view(5.0), given_up) is None
    assert sole(policy, view(50.0), given_up).tif == TimeInForce.IOC  # now it does
    assert sole(policy, view(5.0, now_ns=NOW + 2 * NS), given_up).tif == TimeInForce.POST_ONLY


def test_adaptive_closes_at_any_price_when_its_patience_is_over() -> None:
    policy = Adaptive(patience="2s", slippage_bps=1.0)
    waited = resting(-1, 100_001, reduce_only=True, ns=NOW - 2 * NS)
    assert sole(policy, view(-0.1), at_work(waited, lots=10)).reason == "urgent"
    intent = sole(policy, view(-0.1), Position(10, 0.0, (), ended(waited, CANCELED)))
    assert (intent.tif, intent.lots, intent.ticks, intent.reduce_only) == (TimeInForce.IOC, 10, 99_990, True)


# ------------------------------------------------------------------------------------------------------- twap


TWAP = Twap(size=0.01, maker_fee_bps=1.0, taker_fee_bps=2.0, duration="20s", slices=4, resting=0.6)
"""Slots of 5 s, slices of 3 lots; NOW is the start of one."""


def test_twap_sends_one_slice_in_a_slot() -> None:
    intent = sole(TWAP, view(20.0), Position())
    assert (intent.lots, intent.tif, intent.ticks) == (3, TimeInForce.POST_ONLY, 100_000)
    filled = ended(resting(1, 100_000, 3, 3, ns=NOW), FILLED)
    late = view(20.0, now_ns=NOW + 5 * NS - 1, row_ns=NOW + 4 * NS)
    assert asked(TWAP, late, Position(3, 0.0, (), filled)) is None
    assert sole(TWAP, view(20.0, now_ns=NOW + 5 * NS), Position(3, 0.0, (), filled)).lots == 3
    assert sole(TWAP, view(20.0, now_ns=NOW + 5 * NS), Position(9, 0.0, (), filled)).lots == 1


def test_twap_takes_what_has_rested_for_its_share_of_the_slot() -> None:
    rested = resting(1, 100_000, 3, 1, ns=NOW)
    assert asked(TWAP, view(20.0, now_ns=NOW + 3 * NS - 1), at_work(rested, lots=1)) is None
    late = view(20.0, now_ns=NOW + 3 * NS)
    intent = sole(TWAP, late, at_work(rested, lots=1))
    assert (intent.action, intent.reason) == (Action.CANCEL, "slot")
    intent = sole(TWAP, late, Position(1, 0.0, (), ended(rested, CANCELED, NOW + 3 * NS)))
    assert (intent.tif, intent.lots) == (TimeInForce.IOC, 2)
    tried = ended(resting(1, 100_010, 2, tif=TimeInForce.IOC, ns=NOW + 3 * NS), CANCELED, NOW + 3 * NS)
    assert asked(TWAP, late, Position(1, 0.0, (), tried)) is None
    assert asked(TWAP, view(2.5, now_ns=NOW + 4 * NS), Position()) is None  # pays two makers, not a taker


def test_twap_cancels_what_is_of_an_earlier_slot() -> None:
    old = resting(1, 100_000, 3, ns=NOW - 1)
    assert sole(TWAP, view(20.0), at_work(old)).reason == "slot"


def test_twap_closes_in_slices_too_and_the_larger_a_position_the_larger_they_are() -> None:
    intent = sole(TWAP, view(-5.0), Position(10))
    assert (intent.side, intent.lots, intent.reduce_only) == (-1, 3, True)
    assert sole(TWAP, view(-5.0), Position(400)).lots == 100
    bought = ended(resting(1, 100_000, 3, 3, ns=NOW), FILLED)
    flipped = view(-5.0, now_ns=NOW + NS, row_ns=NOW + NS)
    assert asked(TWAP, flipped, Position(3, 0.0, (), bought)) is None  # this slot has had its slice


def test_twap_is_woken_ten_times_a_slot() -> None:
    assert TWAP.wakes.timer_ns == NS // 2
