"""Two sessions, one laid over the other."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from session_tables import equity, intent, record

from btcframe.errors import DataError
from btcframe.report.beside import beside
from btcframe.trading.audit import Audit
from btcframe.types import NS, PREDICTION, Instrument, OrderState

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
NAMES = {"name": "other", "verb": "trade", "venue": "sim"}


def session(rows: range, *, gain: float = 1.0, lots: int = 1, first_order: int = 1, ticks: int = 1000) -> Any:
    """A session with a row a second, that earns `gain` a second and sends an order every ten, each filled a second on."""
    audit = Audit()
    order_id = first_order
    for second in rows:
        ns = second * NS
        audit.equity.extend(equity(ns, 100.0, lots if second % 2 else 0, 1000.0 + gain * (second - rows[0])))
        prediction = np.zeros(1, PREDICTION)
        prediction["row_ns"] = ns
        audit.predictions.extend(prediction)
        if second % 10 == 0:
            audit.intents.extend(
                intent(ns=ns, row_ns=ns, order_id=order_id, ticks=ticks, bid_ticks=999, ask_ticks=1001)
            )
            audit.orders.extend(
                record("orders", ns=ns, order_id=order_id, lots=10, state=OrderState.SUBMITTED)
            )
            done = {"ns": ns + NS, "venue_ns": ns + NS // 2, "order_id": order_id, "lots": 10}
            audit.orders.extend(record("orders", **done, filled_lots=10, state=OrderState.FILLED))
            audit.fills.extend(record("fills", **done, ticks=ticks, fee=0.5, side=1))
            order_id += 1
    return audit.tables()


def test_two_sessions_over_the_rows_they_share() -> None:
    """The other began 30 s later and went on for 20 s longer; its orders count from another number."""
    one, other = session(range(100)), session(range(30, 120), gain=0.5, lots=2, first_order=51)
    found = beside(one, other, INSTRUMENT, INSTRUMENT, **NAMES)
    assert (found.rows, found.span) == (70, (30 * NS, 99 * NS))
    assert (found.measures[0].net, found.measures[1].net) == pytest.approx((69.0, 34.5))
    assert found.result.tolist() == [float(s) for s in range(70)]
    assert found.other.tolist() == [s / 2 for s in range(70)]
    assert found.agreed == 0.5  # flat in every other row
    for m in found.measures:  # decided at 30, 40, … 90; those of 0 to 20 lie before
        assert (m.orders, m.fills, m.fees, m.fill_ratio) == (7, 7, 3.5, 1.0)
    assert found.intents == (7, 7) and found.difference == ""


def test_where_their_intents_part() -> None:
    one, other = session(range(100)), session(range(100))
    other["intents"] = other["intents"].copy()
    other["intents"]["lots"][4] = 7
    told = beside(one, other, INSTRUMENT, INSTRUMENT, **NAMES).difference
    assert told.startswith("intents[4] differs, 1970-01-01 00:00:40.") and "  lots  10 here, 7 there" in told
    other["intents"] = other["intents"][:3]
    assert "intents[3] is here only" in beside(one, other, INSTRUMENT, INSTRUMENT, **NAMES).difference


def test_a_session_beside_itself() -> None:
    one = session(range(100))
    found = beside(one, one, INSTRUMENT, INSTRUMENT, **NAMES)
    assert found.measures[0] == found.measures[1] and found.agreed == 1.0 and found.difference == ""
    assert found.result.tolist() == found.other.tolist()


def test_what_cannot_be_laid_over() -> None:
    one = session(range(100))
    for theirs, what in (
        (INSTRUMENT._replace(symbol="ETH/USDT:USDT"), "other traded ETH/USDT:USDT, this run BTC/USDT:USDT"),
        (INSTRUMENT._replace(lot=Decimal("0.01")), "in other ticks or lots than this run"),
    ):
        with pytest.raises(DataError, match=what):
            beside(one, one, INSTRUMENT, theirs, **NAMES)
    with pytest.raises(DataError, match=r"(?s)no rows at the same time.*source=session_log"):
        beside(one, session(range(200, 300)), INSTRUMENT, INSTRUMENT, **NAMES)
