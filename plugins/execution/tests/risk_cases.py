"""Markets, accounts and intents for the rules, and every rule so strict that it says no."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from btcframe.api import Account, Action, Intent, Market, Position, Veto, Working
from btcframe.types import DAY, NS, PREDICTION, ROW, Instrument, OrderState
from btcframe_execution import btcframe_components
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

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
NOW = 20_000 * DAY + 7 * NS
NAN = float("nan")
RULES = {name: rule() for name, rule in btcframe_components()["risk"].items()}
STRICT = {
    "collar": Collar(0.0, 0.0),
    "confidence": type(RULES["confidence"])(cost_bps=100.0, min_probability=1.0),
    "daily_loss": DailyLoss(1e-9, 1e-9),
    "drawdown": Drawdown(1e-9, 1e-9),
    "edge": Edge(1000.0),
    "funds": Funds(keep=1e9),
    "max_position": type(RULES["max_position"])(0.0),
    "notional": Notional(0.0, 0.0),
    "order_rate": OrderRate(1, 1, 1),
    "quality": Quality(1.0),
    "regime": RegimeGate(("calm",), 1.0),
    "spread_depth": SpreadDepth(0.0, 1e6),
    "stale_data": StaleData("1ns", "1ns"),
    "stale_model": StaleModel("1ns", True),
    "vol_target": VolTarget(0.0),
}
"""Every rule so strict that it says no to whatever opens."""

NOT_ALWAYS = ("collar", "daily_loss", "drawdown", "order_rate")
"""Those that say nothing of an order at the best price, while nothing is lost and nothing was sent."""


def market(mean: float = 10.0, **changes: Any) -> Market:
    """A book of 20 levels around 10,000.05, a spread of a tick, 5 lots a level; a row of good quality, 100 ms old."""
    row = np.zeros(1, ROW)
    row["row_ns"], row["age_ns"], row["quality"], row["latency_ns"] = NOW - NS, NS // 10, 0.9, 20_000_000
    prediction = np.zeros(1, PREDICTION)
    prediction["horizon_ns"], prediction["mean"], prediction["p_up"] = NS, mean, 0.9 if mean > 0 else 0.1
    steps = np.arange(20)
    view = Market(
        NOW, INSTRUMENT, True, 100_000 - steps, np.full(20, 5), 100_001 + steps, np.full(20, 5), row[0],
        np.array([1e-4]), ("rv_60",), np.array([0.7, 0.3]), prediction, ("calm", "wild"), NOW - DAY,
    )  # fmt: skip
    return view._replace(**changes)


def account(lots: int = 0, *working: Working, equity: float = 1000.0, **changes: Any) -> Account:
    view = Account(Position(lots, 10_000.0, working), 1000.0, equity, 1000.0, 0.0, 1000.0)
    return view._replace(**changes)


def working(
    side: int, lots: int, filled: int = 0, order_id: int = 1, *, reduce_only: bool = False
) -> Working:
    return Working(order_id, side, 100_000, lots, filled, int(OrderState.ACCEPTED), NOW - NS, reduce_only)


def buy(lots: int = 1, ticks: int = 100_000, **changes: Any) -> Intent:
    return Intent(Action.SUBMIT, 1, lots, ticks)._replace(**changes)


def vetoed(answer: Intent | Veto, code: str, detail: str = "") -> bool:
    return isinstance(answer, Veto) and answer.code == code and detail in answer.detail


def aged(age_ns: int) -> Any:
    row = np.zeros(1, ROW)
    row["row_ns"], row["age_ns"], row["quality"] = NOW, age_ns, 0.9
    return row[0]
