"""Metrics of a session, by hand."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from session_tables import equity, intent, record

from btcframe.api import Action, TraderState
from btcframe.report.trading import (
    arrival_mids,
    describe_trading,
    drawdown,
    exposure,
    last_before,
    notionals,
    round_trips,
    said,
    slippage_bps,
    summarize,
    traded_span,
)
from btcframe.report.words import MINUS, NARROW
from btcframe.trading.audit import EQUITY, Audit
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
    trips = round_trips(trades, INSTRUMENT)
    assert trips["net"] == pytest.approx([-200 * UNIT - 0.3, 500 * UNIT - 0.2])
    assert trips[["open_ns", "close_ns", "lots", "side"]].tolist() == [
        (0, 2 * NS, 10, 1),
        (3 * NS, 4 * NS, 5, -1),
    ]
    assert len(round_trips(trades[:0], INSTRUMENT)) == 0


def test_a_round_trip_that_began_before_the_session_is_not_counted() -> None:
    """Who holds 10 and sells 25 is 15 short: what the 10 had cost is not known here."""
    trades = fills((-1, 1000, 25, 0.5, 0), (1, 900, 15, 0.1, 0), (1, 900, 5, 0.1, 0), (-1, 910, 5, 0.1, 0))
    trips = round_trips(trades, INSTRUMENT, 10)
    assert trips["net"] == pytest.approx([1500 * UNIT - 0.3 - 0.1, 50 * UNIT - 0.2])
    assert round_trips(trades[:0], INSTRUMENT, 10).tolist() == []


def submitted(audit: Audit, ns: int, order_id: int, mid_ticks: int = 1000, **fields: Any) -> None:
    """An intent that was decided on at a book two ticks wide; 0: on none."""
    best = {"bid_ticks": mid_ticks - 1, "ask_ticks": mid_ticks + 1} if mid_ticks else {}
    audit.intents.extend(intent(ns=ns, order_id=order_id, **best, **fields))


def test_a_session_by_hand() -> None:
    audit = Audit()
    audit.fills.extend(fills((1, 1000, 100, 0.5, 0), (-1, 1100, 50, 0.25, 1)))
    for n, (mid_ticks, veto) in enumerate(((1000, b""), (1100, b""), (1000, b"max_position"))):
        submitted(audit, -1, n + 1, mid_ticks, veto=veto)
    submitted(audit, 5, 1, action=Action.CANCEL)
    for order_id, lots, filled, state in ((1, 100, 100, 4), (2, 70, 50, 6), (3, 10, 0, 8)):
        audit.orders.extend(record("orders", order_id=order_id, lots=lots, state=1 if filled else state))
        if filled:
            audit.orders.extend(
                record("orders", order_id=order_id, lots=lots, filled_lots=filled, state=state)
            )
    audit.funding.extend(record("funding", amount=0.125))
    accounts = (
        (100.0, 0, 1000.0),
        (100.0, 100, 999.5),
        (98.0, 100, 999.3),
        (110.0, 100, 1000.5),
        (110.0, 50, 1000.25),
    )
    for n, (mid, position, value) in enumerate(accounts):
        audit.equity.extend(equity(n, mid, position, value))
    audit.predictions.extend(predicted(0, 1, 2, 3))  # the last record is the end of the session, not a row
    metrics = summarize(audit.tables(), INSTRUMENT, 1000.0)
    assert (metrics.net, metrics.gross, metrics.fees) == pytest.approx((0.25, 1.125, 0.75))
    assert (metrics.funding, metrics.fill_ratio) == (0.125, 150 / 170)
    assert metrics.slippage == pytest.approx(0.0)  # bought at the mid of 100, sold at that of 110
    assert (metrics.orders, metrics.denied, metrics.fills, metrics.trades) == (2, 1, 2, 0)
    assert math.isnan(metrics.hit_rate) and math.isnan(metrics.holding_s)
    assert metrics.maker_share == pytest.approx(5.5 / 15.5)
    assert metrics.turnover == pytest.approx(15.5 / 1000)
    assert metrics.max_drawdown == pytest.approx(0.7)
    assert (metrics.exposure, metrics.open_lots) == (0.75, 50)
    text = describe_trading(metrics, audit.tables(), INSTRUMENT, 1000.0)
    assert f"Net +0.25 (+0.0250{NARROW}%) = gross +1.12 less fees 0.75 and funding 0.12" in text
    assert f"2 orders, 1 denied, 2 fills; 0 round trips, 35{NARROW}% of the volume as maker." in text
    assert "+0.05 are still held" in text


def predicted(*row_ns: int) -> Any:
    out = np.zeros(len(row_ns), PREDICTION)
    out["row_ns"] = row_ns
    return out


def test_exposure_counts_the_traded_rows_only() -> None:
    audit = Audit()
    for n in range(10):
        audit.equity.extend(equity(n, 1.0, int(n in (6, 7)), 1.0))
    rows = audit.tables()["equity"]
    assert exposure(rows, (4, 7)) == 0.5
    assert math.isnan(exposure(rows, (0, 0)))


def test_what_was_traded_is_from_the_first_row_with_a_model_on_and_all_where_there_never_was_one() -> None:
    audit = Audit()
    assert traded_span(audit.tables()) == (0, 0)
    for n in range(3, 10):
        audit.equity.extend(equity(n, 1.0, 0, 1.0))
    assert traded_span(audit.tables()) == (3, 9)
    audit.predictions.extend(predicted(4, 4, 7))
    assert traded_span(audit.tables()) == (4, 7)


def test_slippage_is_against_the_last_decision_before_the_fill() -> None:
    audit = Audit()
    submitted(audit, 100, 1, 1000)
    submitted(audit, NS + 100, 1, 1010, action=Action.AMEND)
    submitted(audit, NS + 150, 1, 1015, action=Action.AMEND, veto=b"price")  # denied: it changed nothing
    submitted(audit, NS + 200, 2, 1010)
    submitted(audit, 3 * NS + 100, 1, 1020, action=Action.AMEND)  # after the fill
    submitted(audit, 3 * NS + 100, 3, 0)  # no book could be used
    submitted(audit, 5 * NS, 5, 990)  # filled before it was decided on, by the venue's clock
    filled = fills(*(2 * [(1, 1020, 1, 0, 1), (-1, 1000, 1, 0, 0)]), (1, 1000, 1, 0, 0))
    filled["venue_ns"] = 2 * NS, 2 * NS, 4 * NS, 4 * NS, 4 * NS
    audit.fills.extend(filled)  # the fourth is of an order nobody decided on
    tables = audit.tables()
    np.testing.assert_array_equal(arrival_mids(tables, INSTRUMENT), [101, 101, np.nan, np.nan, 99])
    np.testing.assert_allclose(slippage_bps(tables, INSTRUMENT)[:2], [1 / 101 * 1e4, 1 / 101 * 1e4])


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 9)), max_size=12),
    st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 10)), max_size=12),
)
def test_the_last_before(known: list[tuple[int, int]], sought: list[tuple[int, int]]) -> None:
    known = sorted(known, key=lambda pair: pair[1])
    ids, ns = (np.array([pair[k] for pair in known], np.int64) for k in (0, 1))
    of_ids, of_ns = (np.array([pair[k] for pair in sought], np.int64) for k in (0, 1))
    expected = [
        max((n for n, (i, t) in enumerate(known) if i == of_id and t <= of_t), default=-1)
        for of_id, of_t in sought
    ]
    assert last_before(ids, ns, of_ids, of_ns).tolist() == expected


def test_an_inverse_contract_pays_in_coin() -> None:
    """Long 1,000 dollars from 20,000 to 25,000: 1000·(1/20000 − 1/25000) = 0.01 coins."""
    inverse = Instrument("BTC/USD:BTC", Decimal("0.5"), Decimal(100), "inverse")
    trades = fills((1, 40_000, 10, 1e-5, 0), (-1, 50_000, 10, 1e-5, 0))
    assert round_trips(trades, inverse)["net"] == pytest.approx([0.01 - 2e-5])
    assert notionals(trades, inverse) == pytest.approx([0.05, 0.04])
    audit = Audit()
    submitted(audit, 0, 1, 40_000)
    submitted(audit, 0, 2, 50_500)
    audit.fills.extend(trades)
    metrics = summarize(audit.tables(), inverse, 1.0)
    assert metrics.slippage == pytest.approx(1000 * (1 / 25_000 - 1 / 25_250))  # sold 250 below the mid
    assert metrics.turnover == pytest.approx(0.09)


def test_the_deepest_drawdown_is_empyricals() -> None:
    """Over several pieces, and from the cash at the start on."""
    import empyrical

    rng = np.random.default_rng(4)
    table = np.zeros(200_000, EQUITY)
    table["equity"] = 1e5 * np.exp(np.cumsum(rng.standard_normal(len(table)) * 1e-4) - 1e-3)
    path = np.concatenate(([1e5], table["equity"]))
    deepest = drawdown(table, 1e5)
    peaks = np.maximum.accumulate(path)
    at = np.argmax(peaks - path)
    assert deepest == pytest.approx(peaks[at] - path[at])
    share = empyrical.max_drawdown(np.diff(path) / path[:-1])
    assert -share == pytest.approx(((peaks - path) / peaks).max())
    assert deepest == pytest.approx(-share * peaks[at], rel=0.05)  # the same fall, of nearly the same peak


def test_nothing_happened() -> None:
    tables = Audit().tables()
    metrics = summarize(tables, INSTRUMENT, 1000.0)
    assert (metrics.net, metrics.fills, metrics.max_drawdown, metrics.open_lots) == (0.0, 0, 0.0, 0)
    assert math.isnan(metrics.exposure)
    assert (
        describe_trading(metrics, tables, INSTRUMENT, 1000.0)
        == "No order was sent: the policy asked for none."
    )


def test_the_terminal_tells_who_said_no_and_who_stopped_it() -> None:
    audit = Audit()
    for n, (veto, cut) in enumerate([(b"edge", b""), (b"edge", b""), (b"funds", b""), (b"", b"notional")]):
        submitted(audit, n, n + 1, 1000, veto=veto, cut=cut)
    tables = audit.tables()
    assert said(tables["intents"]) == {"edge": (2, 0), "funds": (1, 0), "notional": (0, 1)}
    lines = describe_trading(summarize(tables, INSTRUMENT, 1.0), tables, INSTRUMENT, 1.0).splitlines()
    assert lines[-2:] == ["Denied by edge 2, funds 1.", "Made smaller or reduce-only by notional 1."]

    for n in range(4):
        audit.stops.append((n * NS, 0, TraderState.HALTED, 0, 0, 0, b"halt", b"by hand" * (n > 0)))
    tables = audit.tables()
    lines = describe_trading(summarize(tables, INSTRUMENT, 1.0), tables, INSTRUMENT, 1.0).splitlines()
    assert lines[-4:] == [
        "HALTED from 1970-01-01 00:00:00 UTC: halt.",
        "HALTED from 1970-01-01 00:00:01 UTC: halt, by hand.",
        "HALTED from 1970-01-01 00:00:02 UTC: halt, by hand.",
        "1 more stop: btcframe report tells them.",
    ]


def test_an_inverse_result_is_told_in_coins() -> None:
    inverse = Instrument("BTC/USD:BTC", Decimal("0.5"), Decimal(100), "inverse")
    audit = Audit()
    submitted(audit, 0, 1, 40_000)
    audit.fills.extend(fills((1, 40_000, 10, 1e-5, 0)))
    audit.equity.extend(equity(0, 20_000.0, 10, 0.99999))
    tables = audit.tables()
    text = describe_trading(summarize(tables, inverse, 1.0), tables, inverse, 1.0)
    assert text.startswith(f"Net {MINUS}0.000010 ({MINUS}0.00100")
    assert f"{NARROW}%) = gross 0.000000 less fees 0.000010 (base coin)." in text
