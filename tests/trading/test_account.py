"""The ledger against exact arithmetic."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.trading.account import Ledger
from btcframe.types import Instrument

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
INVERSE = Instrument("BTC/USD:BTC", Decimal("0.1"), Decimal("1"), "inverse")
TICK, LOT = Fraction(1, 10), Fraction(1, 1000)

fills = st.lists(
    st.tuples(
        st.sampled_from([1, -1]), st.integers(1, 1_000_000), st.integers(1, 100_000), st.floats(-5.0, 5.0)
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(fills=fills, mid=st.floats(1.0, 100_000.0))
def test_money_is_conserved(fills: list[tuple[int, int, int, float]], mid: float) -> None:
    ledger = Ledger(INSTRUMENT, 10_000.0)
    cash, position, fees = Fraction(10_000), 0, Fraction(0)
    cost, realised = Fraction(0), Fraction(0)  # by average price, the long way
    for side, ticks, lots, fee in fills:
        ledger.fill(side, ticks, lots, fee)
        cash -= side * ticks * TICK * lots * LOT
        fees += Fraction(fee)
        closing = min(lots, abs(position)) if position * side < 0 else 0
        if closing:
            average = cost / position
            realised += -side * closing * (ticks * TICK - average) * LOT
            cost += side * closing * average
            position += side * closing
        cost += side * (lots - closing) * ticks * TICK
        position += side * (lots - closing)
    traded = sum(ticks * lots for _, ticks, lots, _ in fills) * float(TICK * LOT) + 10_000
    close = {"rel": 1e-12, "abs": 1e-12 * traded}
    assert ledger.position_lots == position
    assert ledger.cash == pytest.approx(float(cash - fees), **close)
    assert ledger.equity(mid) == pytest.approx(
        float(cash - fees + position * LOT * Fraction(mid)),
        rel=1e-12,
        abs=1e-12 * (traded + abs(position) * mid),
    )
    assert ledger.average_price == pytest.approx(float(cost / position) if position else 0.0, rel=1e-9)
    assert ledger.realised == pytest.approx(float(realised), rel=1e-9, abs=1e-9 * traded)


def test_a_round_trip_by_hand() -> None:
    ledger = Ledger(INSTRUMENT, 1000.0)
    ledger.fill(1, 1000, 10, 0.5)  # 0.01 at 100
    ledger.fill(1, 1100, 10, 0.5)  # 0.01 at 110
    assert (ledger.position_lots, ledger.average_price) == (20, pytest.approx(105.0))
    assert ledger.mark(120.0, 0) == pytest.approx(1000 - 1 - 2.1 + 0.02 * 120)
    ledger.fill(-1, 1200, 30, 1.0)  # sells 0.02 at 120, and 0.01 short
    assert (ledger.position_lots, ledger.average_price) == (-10, pytest.approx(120.0))
    assert ledger.realised == pytest.approx(0.02 * 15)
    ledger.fill(1, 1300, 10, 0.0)
    assert (ledger.position_lots, ledger.average_price) == (0, 0.0)
    assert ledger.cash == ledger.equity(float("nan")) == pytest.approx(1000 - 2 + 0.3 - 0.1)
    view = ledger.view(ledger.position(()), 50.0)
    assert view.peak_equity == pytest.approx(1000.0)
    assert view.equity == view.cash == ledger.cash


@settings(max_examples=200, deadline=None, derandomize=True)
@given(fills=fills, mid=st.floats(1.0, 100_000.0))
def test_an_inverse_contract_is_paid_in_base_coin(
    fills: list[tuple[int, int, int, float]], mid: float
) -> None:
    """Contracts of 1 quote each: a long one bought at p and worth m earns 1/p − 1/m coins."""
    ledger = Ledger(INVERSE, 3.0)
    coins, contracts, realised = Fraction(3), 0, Fraction(0)
    owed = Fraction(0)  # Σ contracts / entry price of what is open
    for side, ticks, lots, fee in fills:
        ledger.fill(side, ticks, lots, fee)
        price = ticks * TICK
        coins += side * lots / price - Fraction(fee)
        closing = min(lots, abs(contracts)) if contracts * side < 0 else 0
        if closing:
            entry = contracts / owed
            realised += side * closing * (1 / price - 1 / entry)
            owed += side * closing / entry
            contracts += side * closing
        owed += side * (lots - closing) / price
        contracts += side * (lots - closing)
    traded = float(sum(lots / (ticks * TICK) for _, ticks, lots, _ in fills)) + 3.0
    assert ledger.position_lots == contracts
    assert ledger.cash == pytest.approx(float(coins), rel=1e-11, abs=1e-11 * traded)
    worth = float(coins - contracts / Fraction(mid))
    assert ledger.equity(mid) == pytest.approx(worth, rel=1e-11, abs=1e-11 * (traded + abs(contracts) / mid))
    assert ledger.average_price == pytest.approx(float(contracts / owed) if contracts else 0.0, rel=1e-9)
    assert ledger.realised == pytest.approx(float(realised), rel=1e-9, abs=1e-9 * traded)


def test_an_inverse_round_trip_by_hand() -> None:
    ledger = Ledger(INVERSE, 1.0)
    ledger.fill(1, 100_000, 1000, 0.0)  # 1,000 contracts of 1 USD at 10,000: 0.1 coins
    assert ledger.equity(12_500.0) == pytest.approx(1.0 + 0.1 - 0.08)
    ledger.pay(0.001)
    ledger.fill(-1, 125_000, 1000, 0.0)
    assert ledger.cash == ledger.equity(float("nan")) == pytest.approx(1.0 + 0.02 - 0.001)
    assert ledger.realised == pytest.approx(0.02)


def test_notional_is_in_quote() -> None:
    assert INSTRUMENT.notional(10, 20_000.0) == pytest.approx(200.0)
    assert INVERSE.notional(10, 20_000.0) == 10.0
