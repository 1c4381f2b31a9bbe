"""What each risk rule says, and where it says it."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from btcframe.api import Intent, Stop, TraderState, Veto
from btcframe.errors import ConfigError
from btcframe.types import DAY, TimeInForce
from btcframe_execution.collar import Collar
from btcframe_execution.daily_loss import DailyLoss
from btcframe_execution.drawdown import Drawdown
from btcframe_execution.edge import Edge, taking_bps
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
    INSTRUMENT,
    NAN,
    NOW,
    RULES,
    account,
    buy,
    market,
    vetoed,
    working,
)


def test_an_order_that_only_reduces_may_fill_first() -> None:
    """At one lot long, with a reduce-only sell of it working, another sell of one lot is a short of one."""
    rule = type(RULES["max_position"])(0.0)
    sell = buy(1, side=-1)
    assert rule.check(sell, account(1), market()) == sell
    assert vetoed(rule.check(sell, account(1, working(-1, 1, reduce_only=True)), market()), "max_position")


def test_notional_cuts_orders_and_the_position() -> None:
    rule = Notional(order=50.0, position=80.0)  # a lot is worth 10.00005 at the mid, and 5 of them 50.0003
    assert rule.check(buy(9), account(), market()) == buy(4)
    assert rule.check(buy(2), account(6), market()) == buy(1)
    assert vetoed(
        rule.check(buy(1), account(7), market()), "notional", "7 lots held or on their way, limit 7"
    )
    assert rule.check(buy(9, 200_000), account(), market()) == buy(2, 200_000)  # valued at its limit
    blind = market(usable=False)
    assert vetoed(rule.check(buy(1, 0), account(), blind), "notional", "price of nan")
    inverse = market(instrument=INSTRUMENT._replace(contract="inverse", lot=Decimal(1)))
    assert rule.check(buy(90), account(), inverse) == buy(50)  # a contract is a dollar


def test_funds_pay_for_what_is_opened() -> None:
    rule = Funds(fee_bps=0.0)
    assert rule.check(buy(200), account(), market()) == buy(99)  # 1000 at 10.00005 a lot
    assert rule.check(buy(99), account(50, working(1, 40)), market()) == buy(9)
    assert vetoed(rule.check(buy(), account(99), market()), "funds", "99 lots held")
    assert vetoed(rule.check(buy(), account(equity=0.0), market()), "funds", "pays for nothing")
    assert vetoed(rule.check(buy(), account(equity=NAN), market()), "funds", "pays for nothing")
    assert Funds(leverage=2.0, fee_bps=0.0).check(buy(500), account(), market()) == buy(199)
    assert Funds(fee_bps=100.0).check(buy(200), account(), market()) == buy(99)  # 1000/1.01/10.00005 = 99.0
    assert Funds(fee_bps=101.0).check(buy(200), account(), market()) == buy(98)
    spot = market(instrument=INSTRUMENT._replace(contract="spot"))
    assert Funds(leverage=9.0, fee_bps=0.0).check(buy(200), account(), spot) == buy(99)
    sell = buy(5, side=-1)
    assert vetoed(rule.check(sell, account(), spot), "funds")
    assert rule.check(sell, account(3), spot) == sell._replace(lots=3)
    inverse = market(instrument=INSTRUMENT._replace(contract="inverse", lot=Decimal(1)))
    assert rule.check(buy(10_000), account(equity=0.5), inverse) == buy(5000)  # half a coin at 10,000.05


def test_edge_is_what_is_left_of_the_prediction() -> None:
    half = 1e4 * 0.05 / 10_000.05
    maker = buy(tif=TimeInForce.POST_ONLY)
    cost = 2.0 + 5.5 + half
    rule = Edge(min_edge_bps=1.0)
    assert rule.check(maker, account(), market(cost + 1.001)) == maker
    assert vetoed(rule.check(maker, account(), market(cost + 0.999)), "edge", "wanted 1.00")
    patient = Edge(min_edge_bps=1.0, exit_maker=True)
    assert patient.check(maker, account(), market(2 + 2 + 1.001)) == maker
    taker = buy(8, 0, tif=TimeInForce.IOC)  # 5 lots at the best ask, 3 a tick worse
    entry = 1e4 * (5 * 0.05 + 3 * 0.15) / 8 / 10_000.05
    assert taking_bps(taker, market()) == pytest.approx(entry)
    assert taking_bps(buy(8, 100_001), market()) == pytest.approx(half)  # not beyond its limit
    assert taking_bps(buy(8, 100_000), market()) == 0.0
    cost = 5.5 + entry + 5.5 + half
    assert rule.check(taker, account(), market(cost + 1.001)) == taker
    assert vetoed(rule.check(taker, account(), market(cost + 0.999)), "edge")
    assert vetoed(rule.check(taker._replace(side=-1), account(), market(50.0)), "edge")
    assert vetoed(rule.check(taker, account(), market(NAN)), "edge", "nan")
    assert vetoed(rule.check(taker, account(), market(50.0, usable=False)), "edge", "not usable")


def test_vol_target_gives_a_wild_market_less() -> None:
    rule = VolTarget(target_bps=1.0, floor_bps=0.5)  # 1 bps of 1000 is 0.1: a notional of 1000 at σ = 1 bps

    def at(sigma: float, equity: float = 1000.0) -> Intent | Veto:
        return rule.check(buy(10_000), account(equity=equity), market(x=np.array([sigma])))

    assert at(1e-4) == buy(99)
    assert at(4e-4) == buy(24)
    assert at(0.0) == at(5e-5) == buy(199)  # no less than the floor
    assert vetoed(at(NAN), "vol_target", "rv_60 is not known")
    assert vetoed(at(1.0), "vol_target", "not a lot")
    assert vetoed(at(1e-4, NAN), "vol_target")
    assert rule.reads == ("rv_60",)


def test_drawdown_reduces_then_halts() -> None:
    rule = Drawdown(reduce=0.1, halt=0.2)
    for equity, state in (
        (1000.0, None),
        (901.0, None),
        (900.0, TraderState.REDUCING),
        (800.0, TraderState.HALTED),
    ):
        stop = rule.stop(account(equity=equity), market())
        assert (stop and stop.state) == state
        assert vetoed(rule.check(buy(), account(equity=equity), market()), "drawdown") == (state is not None)
    assert rule.stop(account(equity=850.0), market()) == Stop(
        TraderState.REDUCING, "drawdown", "15% of 1,000 is lost"
    )
    assert (
        rule.stop(account(equity=NAN), market()) is None
    )  # not known: stale data and the book are others' matter
    assert rule.stop(account(equity=-5.0, peak_equity=0.0), market()) is None


def test_daily_loss_ends_with_the_day() -> None:
    rule = DailyLoss(reduce=0.03, halt=0.05)
    stop = rule.stop(account(equity=965.0), market())
    assert stop == Stop(TraderState.REDUCING, "daily_loss", "3.5% of 1,000 is lost", NOW // DAY * DAY + DAY)
    assert vetoed(rule.check(buy(), account(equity=965.0), market()), "daily_loss", "3.5%")
    assert rule.stop(account(equity=950.0), market()).state == TraderState.HALTED  # type: ignore[union-attr]
    assert rule.stop(account(equity=965.0, day_equity=NAN), market()) is None
    assert rule.check(buy(), account(equity=965.0, day_equity=980.0), market()) == buy()


def test_order_rate_counts_seconds_and_minutes() -> None:
    rule = OrderRate(second=10, minute=100, runaway=50)
    assert rule.check(buy(), account(last_second=9, last_minute=99), market()) == buy()
    assert vetoed(
        rule.check(buy(), account(last_second=10), market()), "order_rate", "within a second, limit 10"
    )
    assert vetoed(
        rule.check(buy(), account(last_minute=100), market()), "order_rate", "within a minute, limit 100"
    )
    assert rule.stop(account(last_second=50), market()) is None
    assert rule.stop(account(last_second=51), market()).state == TraderState.HALTED  # type: ignore[union-attr]


def test_collar_keeps_prices_near_the_book() -> None:
    rule = Collar(through_bps=2.0, away_bps=10.0)  # 20 ticks beyond the best ask, 100 behind the best bid
    assert rule.check(buy(1, 100_021), account(), market()) == buy(1, 100_021)
    assert vetoed(rule.check(buy(1, 100_022), account(), market()), "collar", "through the best price")
    assert rule.check(buy(1, 99_900), account(), market()) == buy(1, 99_900)
    assert vetoed(rule.check(buy(1, 99_899), account(), market()), "collar", "behind the best price")
    sell = buy(1, 99_980, side=-1)
    assert rule.check(sell, account(), market()) == sell
    assert vetoed(rule.check(sell._replace(ticks=99_979), account(), market()), "collar", "through")
    assert vetoed(rule.check(buy(101, 0), account(), market()), "collar", "more than are seen")
    assert rule.check(buy(100, 0), account(), market()) == buy(100, 0)  # the last level is 19 ticks beyond
    assert vetoed(Collar(through_bps=1.0).check(buy(100, 0), account(), market()), "collar", "through")
    assert vetoed(rule.check(buy(), account(), market(usable=False)), "collar", "not usable")


def test_stale_data_counts_from_the_last_book_message() -> None:
    rule = StaleData(max_age="1100ms")  # the row is 1 s ago, its book was 100 ms old
    assert rule.check(buy(), account(), market()) == buy()
    assert vetoed(
        StaleData("1099ms").check(buy(), account(), market()), "stale_data", "1.1 s old, limit 1099ms"
    )
    assert StaleData("1h", "20ms").check(buy(), account(), market()) == buy()
    assert vetoed(StaleData("1h", "19ms").check(buy(), account(), market()), "stale_data", "20 ms late")


def test_stale_model_counts_from_the_end_of_its_data() -> None:
    assert StaleModel("1d").check(buy(), account(), market()) == buy()
    assert vetoed(StaleModel("23h").check(buy(), account(), market()), "stale_model", "24.0 h ago")
    unknown = market(model_ns=0)
    assert StaleModel().check(buy(), account(), unknown) == buy()
    assert vetoed(StaleModel(known=True).check(buy(), account(), unknown), "stale_model", "not known")
    none = market().prediction.copy()
    none["model"] = -1
    assert vetoed(StaleModel().check(buy(), account(), market(prediction=none)), "stale_model", "no model")


def test_quality_gates() -> None:
    assert Quality(0.9).check(buy(), account(), market()) == buy()
    assert vetoed(Quality(0.91).check(buy(), account(), market()), "quality", "0.90, wanted 0.91")


def test_regime_gates() -> None:
    assert RegimeGate().check(buy(), account(), market(regimes=(), regime=np.empty(0))) == buy()
    assert RegimeGate(("calm",), 0.7).check(buy(), account(), market()) == buy()
    assert RegimeGate(("calm", "wild"), 0.99).check(buy(), account(), market()) == buy()
    assert vetoed(
        RegimeGate(("wild",)).check(buy(), account(), market()), "regime", "wild: 0.30, wanted 0.50"
    )
    unknown = market(regime=np.array([NAN, NAN]))
    assert vetoed(RegimeGate(("calm",)).check(buy(), account(), unknown), "regime")
    nobody = market(regimes=(), regime=np.empty(0))
    assert vetoed(RegimeGate(("calm",)).check(buy(), account(), nobody), "regime", "no model")
    with pytest.raises(ConfigError, match=r"(?s)the model knows no regime clam.*Did you mean calm"):
        RegimeGate(("clam",)).check(buy(), account(), market())


def test_spread_and_depth_gate() -> None:
    spread = 1e4 * 0.1 / 10_000.05
    assert SpreadDepth(spread + 1e-6).check(buy(), account(), market()) == buy()
    assert vetoed(
        SpreadDepth(spread - 1e-6).check(buy(), account(), market()), "spread_depth", "a spread of 0.1 bps"
    )
    # within 1 bps of the best price lie its level and 10 more, 5 lots each
    assert SpreadDepth(10.0, 0.055, 1.0).check(buy(), account(), market()) == buy()
    assert vetoed(
        SpreadDepth(10.0, 0.056, 1.0).check(buy(), account(), market()), "spread_depth", "55 lots on the bid"
    )
    thin = market(ask_lots=np.full(20, 4))
    assert vetoed(
        SpreadDepth(10.0, 0.055, 1.0).check(buy(), account(), thin), "spread_depth", "44 lots on the ask"
    )
    assert vetoed(SpreadDepth().check(buy(), account(), market(usable=False)), "spread_depth", "not usable")
