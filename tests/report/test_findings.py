"""What a session's tables say, by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from session_tables import equity, intent

from btcframe.report.findings import Market, Session, of_session
from btcframe.trading.audit import Audit
from btcframe.types import FILL, NS, PREDICTION, Instrument

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
CASH = 1000.0


def filled(*items: tuple[int, int, int, int]) -> Session:
    """A session of 10 s with fills of (side, ticks, lots, maker), one a second, all decided on at a mid of 100."""
    audit = Audit()
    fills = np.zeros(len(items), FILL)
    for n, (side, ticks, lots, maker) in enumerate(items):
        fills[n]["order_id"], fills[n]["venue_ns"] = n + 1, (n + 1) * NS
        for name, value in (
            ("side", side),
            ("ticks", ticks),
            ("lots", lots),
            ("maker", maker),
            ("fee", 0.01),
        ):
            fills[n][name] = value
        audit.intents.extend(intent(order_id=n + 1, lots=lots, side=side, bid_ticks=999, ask_ticks=1001))
    audit.fills.extend(fills)
    for n in range(11):
        audit.equity.extend(equity(n * NS, value=CASH))
    predictions: Any = np.zeros(11, PREDICTION)
    predictions["row_ns"] = NS * np.arange(11)
    audit.predictions.extend(predictions)
    return of_session(audit.tables(), INSTRUMENT, CASH, seed=1)


def test_slippage_of_takers_and_makers_apart_and_by_notional() -> None:
    session = filled((1, 1010, 10, 0), (-1, 1020, 10, 1), (1, 1030, 30, 0), (-1, 1010, 30, 1))
    assert session.slippage == pytest.approx([100, -200, 300, -100])  # bps of 100
    assert session.taker.value == pytest.approx((101 * 100 + 309 * 300) / (101 + 309))
    assert session.maker.value == pytest.approx(-(102 * 200 + 303 * 100) / (102 + 303))


def test_round_trips_that_paid() -> None:
    session = filled((1, 1000, 10, 0), (-1, 1100, 10, 0), (1, 1000, 10, 0), (-1, 999, 10, 0))
    assert session.paid.value == 0.5
    assert session.per_trip.value == pytest.approx((0.1 - 0.001) / 2 - 0.02)
    assert session.annual is None and session.span == (0, 10 * NS)


def test_what_a_symbol_says() -> None:
    assert Market.of("BTC/USDT:USDT", "s") == Market("BTC/USDT:USDT", "USDT", "BTC", "s", "USDT", 2)
    assert Market.of("BTC/USD:BTC", "s") == Market("BTC/USD:BTC", "USD", "contracts of USD", "s", "BTC", 8)
    assert Market.of("ETH/EUR", "s").quote == "EUR"
    assert (Market.of("X", "s").base, Market.of("X", "s").quote) == ("X", "quote")
