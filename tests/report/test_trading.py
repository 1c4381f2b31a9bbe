"""Metrics of a session, by hand."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from btcframe.audit import Audit
from btcframe.report.trading import describe_trading, round_trips, summarize
from btcframe.types import FILL, Instrument

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
UNIT = 1e-4


def fills(*items: tuple[int, int, int, float, int]) -> Any:
    """(side, ticks, lots, fee, maker)"""
    out = np.zeros(len(items), FILL)
    for n, (side, ticks, lots, fee, maker) in enumerate(items):
        out[n]["side"], out[n]["ticks"], out[n]["lots"], out[n]["fee"], out[n]["maker"] = (
            side,
            ticks,
            lots,
            fee,
            maker,
        )
    return out


def test_round_trips() -> None:
    trades = fills(
        (1, 1000, 10, 0.1, 0), (-1, 1100, 4, 0.1, 0), (-1, 900, 6, 0.1, 0),  # +400 − 600 tick·lots
        (-1, 1000, 5, 0.1, 1), (1, 900, 20, 0.4, 1),  # +500, and 15 long
        (-1, 950, 10, 0.1, 0),  # still open
    )  # fmt: skip
    assert round_trips(trades, UNIT) == pytest.approx([-200 * UNIT - 0.3, 500 * UNIT - 0.2])


def test_a_session_by_hand() -> None:
    audit = Audit()
    audit.fills.extend(fills((1, 1000, 100, 0.5, 0), (-1, 1100, 50, 0.25, 1)))
    for n, veto in enumerate((b"", b"", b"max_position")):
        audit.intents.append((n, 0, n + 1, 0, 10, 10, 1, 1, 2, 0, 0, b"signal", veto))
    audit.intents.append((5, 0, 1, 0, 0, 0, 3, 1, 2, 0, 0, b"", b""))  # a cancel
    for n, (mid, position, equity) in enumerate(
        (
            (100.0, 0, 1000.0),
            (100.0, 100, 999.5),
            (98.0, 100, 999.3),
            (110.0, 100, 1000.5),
            (110.0, 50, 1000.25),
        )
    ):
        audit.equity.append((n, mid, position, 0.0, equity, 0.0))
    metrics = summarize(audit.tables(), INSTRUMENT, 1000.0)
    assert (metrics.net, metrics.gross, metrics.fees) == pytest.approx((0.25, 1.0, 0.75))
    assert (metrics.orders, metrics.denied, metrics.fills, metrics.trades) == (2, 1, 2, 0)
    assert math.isnan(metrics.hit_rate)
    assert metrics.maker_share == pytest.approx(5.5 / 15.5)
    assert metrics.turnover == pytest.approx(15.5 / 1000)
    assert metrics.max_drawdown == pytest.approx(0.7)
    assert (metrics.exposure, metrics.open_lots) == (0.75, 50)
    text = describe_trading(metrics, INSTRUMENT, 1000.0)
    assert "Net +0.25 (+0.025%) = gross +1.00 less fees 0.75" in text
    assert "2 orders, 1 denied, 2 fills; 0 round trips, 35% of the volume as maker." in text
    assert "+0.05 are still held" in text


def test_nothing_happened() -> None:
    metrics = summarize(Audit().tables(), INSTRUMENT, 1000.0)
    assert (metrics.net, metrics.fills, metrics.max_drawdown, metrics.open_lots) == (0.0, 0, 0.0, 0)
    assert math.isnan(metrics.exposure)
    assert describe_trading(metrics, INSTRUMENT, 1000.0) == "No order was sent: the policy asked for none."
    assert "all 3 were denied" in describe_trading(metrics._replace(denied=3), INSTRUMENT, 1000.0)
