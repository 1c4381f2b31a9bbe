"""Metrics of a session, by hand."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from btcframe.api import Action
from btcframe.audit import EQUITY, Audit
from btcframe.report.trading import (
    decision_mids,
    describe_trading,
    drawdown,
    exposure,
    round_trips,
    slippage_bps,
    summarize,
)
from btcframe.types import FILL, NS, PREDICTION, Instrument

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
UNIT = 1e-4


def fills(*items: tuple[int, int, int, float, int]) -> Any:
    """(side, ticks, lots, fee, maker), one a second, each of an order of its own."""
    out = np.zeros(len(items), FILL)
    for n, item in enumerate(items):
        for name, value in zip(("side", "ticks", "lots", "fee", "maker"), item, strict=True):
            out[n][name] = value
        out[n]["order_id"], out[n]["venue_ns"] = n + 1, n * NS
    return out


def test_round_trips() -> None:
    trades = fills(
        (1, 1000, 10, 0.1, 0), (-1, 1100, 4, 0.1, 0), (-1, 900, 6, 0.1, 0),  # +400 − 600 tick·lots
        (-1, 1000, 5, 0.1, 1), (1, 900, 20, 0.4, 1),  # +500, and 15 long
        (-1, 950, 10, 0.1, 0),  # still open
    )  # fmt: skip
    trips = round_trips(trades, UNIT)
    assert trips["net"] == pytest.approx([-200 * UNIT - 0.3, 500 * UNIT - 0.2])
    assert trips[["open_ns", "close_ns", "lots", "side"]].tolist() == [
        (0, 2 * NS, 10, 1),
        (3 * NS, 4 * NS, 5, -1),
    ]
    assert len(round_trips(trades[:0], UNIT)) == 0


def submitted(
    audit: Audit, ns: int, row_ns: int, order_id: int, action: Action = Action.SUBMIT, veto: bytes = b""
) -> None:
    audit.intents.append(
        (ns, row_ns, order_id, 0, 10, 0 if veto else 10, action, 1, 2, 0, 0, b"signal", veto)
    )


def test_a_session_by_hand() -> None:
    audit = Audit()
    audit.fills.extend(fills((1, 1000, 100, 0.5, 0), (-1, 1100, 50, 0.25, 1)))
    for n, veto in enumerate((b"", b"", b"max_position")):
        submitted(audit, -1, 0, n + 1, veto=veto)
    submitted(audit, 5, 0, 1, Action.CANCEL)
    accounts = (
        (100.0, 0, 1000.0),
        (100.0, 100, 999.5),
        (98.0, 100, 999.3),
        (110.0, 100, 1000.5),
        (110.0, 50, 1000.25),
    )
    for n, (mid, position, equity) in enumerate(accounts):
        audit.equity.append((n, mid, position, 0.0, equity, 0.0))
    audit.predictions.extend(predicted(0, 1, 2, 3))  # the last record is the end of the session, not a row
    metrics = summarize(audit.tables(), INSTRUMENT, 1000.0)
    assert (metrics.net, metrics.gross, metrics.fees) == pytest.approx((0.25, 1.0, 0.75))
    # bought at the mid of 100, sold at 110 when 100 was seen: 10 a coin earned on 0.05
    assert metrics.slippage == pytest.approx(-0.5)
    assert (metrics.orders, metrics.denied, metrics.fills, metrics.trades) == (2, 1, 2, 0)
    assert math.isnan(metrics.hit_rate) and math.isnan(metrics.holding_s)
    assert metrics.maker_share == pytest.approx(5.5 / 15.5)
    assert metrics.turnover == pytest.approx(15.5 / 1000)
    assert metrics.max_drawdown == pytest.approx(0.7)
    assert (metrics.exposure, metrics.open_lots) == (0.75, 50)
    text = describe_trading(metrics, INSTRUMENT, 1000.0)
    assert "Net +0.25 (+0.025%) = gross +1.00 less fees 0.75" in text
    assert "2 orders, 1 denied, 2 fills; 0 round trips, 35% of the volume as maker." in text
    assert "+0.05 are still held" in text


def predicted(*row_ns: int) -> Any:
    out = np.zeros(len(row_ns), PREDICTION)
    out["row_ns"] = row_ns
    return out


def test_exposure_counts_the_traded_rows_only() -> None:
    audit = Audit()
    for n in range(10):
        audit.equity.append((n, 1.0, int(n in (6, 7)), 0.0, 1.0, 0.0))
    equity = audit.tables()["equity"]
    assert exposure(equity, (4, 7)) == 0.5
    assert math.isnan(exposure(equity, (0, 0)))


def test_slippage_is_against_the_last_decision_before_the_fill() -> None:
    audit = Audit()
    for n, mid in enumerate((100.0, 101.0, 102.0, math.nan)):
        audit.equity.append((n * NS, mid, 0, 0.0, 1000.0, 0.0))
    submitted(audit, 100, 0, 1)
    submitted(audit, NS + 100, NS, 1, Action.AMEND)
    submitted(audit, NS + 200, NS, 2)
    submitted(audit, 3 * NS + 100, 2 * NS, 1, Action.AMEND)  # after the fill
    submitted(audit, 3 * NS + 100, 3 * NS, 3)  # no mid was known
    filled = fills((1, 1020, 1, 0, 1), (-1, 1000, 1, 0, 0), (1, 1000, 1, 0, 0), (1, 1000, 1, 0, 0))
    filled["venue_ns"] = 2 * NS, 2 * NS, 4 * NS, 4 * NS
    audit.fills.extend(filled)  # the fourth is of an order nobody decided on
    tables = audit.tables()
    np.testing.assert_array_equal(decision_mids(tables), [101, 101, np.nan, np.nan])
    np.testing.assert_allclose(slippage_bps(tables, INSTRUMENT)[:2], [1 / 101 * 1e4, 1 / 101 * 1e4])


def test_the_deepest_drawdown_is_empyricals() -> None:
    """Over several pieces, and from the cash at the start on."""
    import empyrical

    rng = np.random.default_rng(4)
    equity = np.zeros(200_000, EQUITY)
    equity["equity"] = 1e5 * np.exp(np.cumsum(rng.standard_normal(len(equity)) * 1e-4) - 1e-3)
    path = np.concatenate(([1e5], equity["equity"]))
    deepest = drawdown(equity, 1e5)
    peaks = np.maximum.accumulate(path)
    at = np.argmax(peaks - path)
    assert deepest == pytest.approx(peaks[at] - path[at])
    share = empyrical.max_drawdown(np.diff(path) / path[:-1])
    assert -share == pytest.approx(((peaks - path) / peaks).max())
    assert deepest == pytest.approx(-share * peaks[at], rel=0.05)  # the same fall, of nearly the same peak


def test_nothing_happened() -> None:
    metrics = summarize(Audit().tables(), INSTRUMENT, 1000.0)
    assert (metrics.net, metrics.fills, metrics.max_drawdown, metrics.open_lots) == (0.0, 0, 0.0, 0)
    assert math.isnan(metrics.exposure)
    assert describe_trading(metrics, INSTRUMENT, 1000.0) == "No order was sent: the policy asked for none."
    assert "all 3 were denied" in describe_trading(metrics._replace(denied=3), INSTRUMENT, 1000.0)
