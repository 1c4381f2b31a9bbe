"""Prices and sizes: exact in both directions, and limits before anything is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_venue import UNITS, asked

from btcframe.types import Instrument, OrderReason, OrderState
from btcframe.venues.real.dialects import BYBIT
from btcframe.venues.real.records import link_of
from btcframe.venues.real.units import ForeignError, Units

ORDER: dict[str, Any] = {
    "id": "v1", "clientOrderId": "bf1-1", "side": "sell", "type": "limit", "price": 60000.1, "amount": 0.01,
    "filled": 0.0, "status": "open", "timestamp": 1000, "lastUpdateTimestamp": 2000, "info": {},
}  # fmt: skip
TRADE: dict[str, Any] = {
    "id": "e1", "order": "v1", "side": "buy", "price": 60000.1, "amount": 0.003, "takerOrMaker": "maker",
    "timestamp": 3000, "fee": {"cost": 0.05, "currency": "USDT"}, "info": {"orderLinkId": "bf1-1"},
}  # fmt: skip


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    st.integers(1, 10**12),
    st.sampled_from(["0.1", "0.5", "0.00001", "1", "5", "100"]),
    st.sampled_from(["0.001", "0.000001", "1", "10"]),
)
def test_there_and_back(steps: int, tick: str, lot: str) -> None:
    units = Units(Instrument("BTC/USDT:USDT", Decimal(tick), Decimal(lot)), BYBIT)
    for text, back, step in ((units.price(steps), units.ticks, tick), (units.size(steps), units.lots, lot)):
        assert Decimal(text) == steps * Decimal(step) and "E" not in text
        assert back(text) == steps


def test_contracts_that_are_not_one_coin() -> None:
    units = Units(
        Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001")), BYBIT, contract=Decimal("0.01")
    )
    assert units.size(7) == "0.7" and units.lots("0.7") == 7


@pytest.mark.parametrize("value", ["0.15", "abc", None, "nan", "inf"])
def test_what_is_no_whole_number_of_steps_is_an_error(value: Any) -> None:
    with pytest.raises(ForeignError, match="the exchange tells a price"):
        UNITS.ticks(value)


@pytest.mark.parametrize(
    ("ticks", "lots", "reduce_only", "why"),
    [
        (600_000, 1, False, ""),
        (1000, 1, False, "0.1 is less than the least value of an order, 5"),
        (1000, 1, True, ""),
        (0, 1, False, ""),
        (600_000, 0, False, "0 is less than the exchange's least, 0.001"),
        (600_000, 100_001, True, "100.001 is more than the exchange's most, 100"),
    ],
)
def test_limits(ticks: int, lots: int, reduce_only: bool, why: str) -> None:
    assert UNITS.refusal(ticks, lots, reduce_only=reduce_only) == why


@pytest.mark.parametrize(
    ("change", "state", "why"),
    [
        ({}, OrderState.ACCEPTED, OrderReason.NONE),
        ({"filled": 0.004}, OrderState.PARTIALLY_FILLED, OrderReason.NONE),
        ({"status": "closed", "filled": 0.01}, OrderState.FILLED, OrderReason.NONE),
        ({"status": "canceled", "filled": 0.004}, OrderState.CANCELED, OrderReason.VENUE),
        ({"status": "closed", "filled": 0.004}, OrderState.CANCELED, OrderReason.VENUE),
        ({"status": "rejected"}, OrderState.REJECTED, OrderReason.VENUE),
        ({"status": "expired"}, OrderState.EXPIRED, OrderReason.VENUE),
        (
            {"status": "canceled", "info": {"rejectReason": "EC_PostOnlyWillTakeLiquidity"}},
            OrderState.CANCELED,
            OrderReason.POST_ONLY,
        ),
        (
            {
                "status": "canceled",
                "info": {"rejectReason": "EC_PerCancelRequest", "cancelType": "CancelByUser"},
            },
            OrderState.CANCELED,
            OrderReason.ASKED,
        ),
    ],
)
def test_an_order_of_ccxt(change: dict[str, Any], state: OrderState, why: OrderReason) -> None:
    stand = UNITS.stand({**ORDER, **change})
    assert (stand.state, stand.why) == (state, why)
    assert (stand.side, stand.ticks, stand.lots, stand.venue_ns) == (-1, 600_001, 10, 2_000_000_000)


def test_a_market_order_has_no_price() -> None:
    assert UNITS.stand({**ORDER, "type": "market", "price": 63002.7}).ticks == 0


def test_a_trade_of_ccxt() -> None:
    e = UNITS.execution(TRADE)
    assert (e.exec_id, e.link, e.venue_id, e.side, e.ticks, e.lots) == ("e1", "bf1-1", "v1", 1, 600_001, 3)
    assert (e.fee, e.maker, e.venue_ns) == (0.05, True, 3_000_000_000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fee": {"cost": 0.1, "currency": "BNB"}}, "a fee is paid in BNB, the market settles in USDT"),
        ({"id": None}, "a fill has no id"),
        ({"side": "both"}, "the exchange tells a side 'both'"),
    ],
)
def test_a_trade_that_cannot_be_booked_is_an_error(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ForeignError, match=message):
        UNITS.execution({**TRADE, **change})


def test_payments() -> None:
    told = {"id": "p", "amount": 0.06, "rate": 0.0001, "timestamp": 2}
    assert UNITS.payment(told) == ("p", 0.06, 0.0001, 2_000_000)
    with pytest.raises(ForeignError, match="a payment has no id"):
        UNITS.payment({**told, "id": None})


def test_positions() -> None:
    assert UNITS.holding({}) == (0, 0.0)
    assert UNITS.holding({"contracts": 0.02, "side": "short", "entryPrice": 60000.5}) == (-20, 60000.5)
    with pytest.raises(ForeignError, match="no side"):
        UNITS.holding({"contracts": 0.02, "side": ""})


def test_an_order_of_an_unknown_status_is_an_error() -> None:
    with pytest.raises(ForeignError, match="status 'maybe'"):
        UNITS.stand({**ORDER, "status": "maybe"})


def test_the_id_of_an_order_is_one_that_exchanges_take() -> None:
    assert link_of("20261122T163325Z-trade-9f86d081884c", 17) == "bf9f86d081884c-17"
    assert asked(3).link == link_of("a-b-0123456789ab", 3)
    for session in ("x" * 40, "ä"):
        with pytest.raises(ValueError, match="no order id that an exchange takes"):
            link_of(session, 1)
