"""What an account begins with at a real venue, whatever was saved before."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.api import Position, Recovered
from btcframe.live.recovering import account_at, differs
from btcframe.trading.account import Ledger
from btcframe.types import FILL, Instrument

LINEAR = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
INVERSE = Instrument("BTC/USD:BTC", Decimal("0.5"), Decimal("1"), "inverse")


def found(lots: int, price: float, cash: float) -> Recovered:
    return Recovered(Position(lots, price if lots else 0.0), cash, np.empty(0, FILL))


fills = st.lists(
    st.tuples(st.sampled_from([1, -1]), st.integers(500_000, 700_000), st.integers(1, 50), st.floats(0, 5)),
    max_size=8,
)


@pytest.mark.parametrize("instrument", [LINEAR, INVERSE], ids=["linear", "inverse"])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(fills, st.integers(-80, 80), st.floats(5e4, 7e4), st.floats(100, 1e6))
def test_the_exchange_is_the_truth_and_what_was_earned_goes_on(
    instrument: Instrument, traded: list, lots: int, price: float, cash: float
) -> None:
    before = Ledger(instrument, 1e5)
    for fill in traded:
        before.fill(*fill)
    before.peak_equity, before.day, before.day_equity = 2e6, 7, 1e6
    saved = {
        "symbol": instrument.symbol, "saved_ns": 5, "ledger": before.save(), "orders": 12,
        "stops": {"causes": [], "contained": {}}, "flattening": False,
    }  # fmt: skip
    account = account_at(found(lots, price, cash), saved, instrument)
    now = Ledger(instrument, 0.0)
    now.restore(account["ledger"])
    assert (now.position_lots, account["orders"]) == (lots, 12)
    assert now.cash == pytest.approx(cash, rel=1e-9)
    assert now.average_price == pytest.approx(price if lots else 0.0)
    assert now.realised == pytest.approx(before.realised, abs=1e-6)
    assert (now.fees, now.peak_equity, now.day) == (before.fees, 2e6, 7)


@pytest.mark.parametrize(
    ("instrument", "worth"), [(LINEAR, 10_000 - 12 * 60), (INVERSE, 10_000 + 12 / 60_000)]
)
def test_without_an_earlier_session_it_begins_with_what_the_exchange_says(
    instrument: Instrument, worth: float
) -> None:
    account = account_at(found(-12, 60_000.0, 10_000.0), None, instrument)
    now = Ledger(instrument, 0.0)
    now.restore(account["ledger"])
    assert now.realised == pytest.approx(0.0, abs=1e-9)
    assert now.peak_equity == pytest.approx(worth)
    assert (account["orders"], account["stops"]["causes"]) == (0, [])


def test_another_position_than_was_saved_is_said() -> None:
    saved = {"ledger": {"position_lots": 2}}
    assert differs(found(2, 1.0, 1.0), saved) == differs(found(3, 1.0, 1.0), None) == ""
    assert differs(found(3, 1.0, 1.0), saved).startswith(
        "the exchange holds +3 lots, the session before had saved +2"
    )
