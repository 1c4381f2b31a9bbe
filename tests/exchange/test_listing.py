"""Names, steps and numbers as the exchange writes them; instruments-info beside a real reply."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.errors import ConfigError
from btcframe.exchange.listing import Listing, category_of, plain
from btcframe.types import Instrument

SHARED = Path(__file__).parents[3] / "shared/market-data/bybit"


def listing(symbol: str, tick: str = "0.1", lot: str = "0.001") -> Listing:
    return Listing(Instrument(symbol, Decimal(tick), Decimal(lot), category_of(symbol), 5.0))


@pytest.mark.parametrize(
    ("symbol", "category", "pair"),
    [
        ("BTC/USDT", "spot", "BTCUSDT"),
        ("BTC/USDT:USDT", "linear", "BTCUSDT"),
        ("BTC/USDC:USDC", "linear", "BTCPERP"),
        ("BTC/USD:BTC", "inverse", "BTCUSD"),
    ],
)
def test_names(symbol: str, category: str, pair: str) -> None:
    assert (listing(symbol).category, listing(symbol).pair) == (category, pair)


@pytest.mark.parametrize("symbol", ["BTCUSDT", "/USDT", "BTC/", "BTC/USDT:", "BTC/USDT:ETH", ""])
def test_what_is_no_symbol_is_refused(symbol: str) -> None:
    with pytest.raises(ConfigError, match=r"exchange\.symbols: .* is no symbol") as refused:
        listing(symbol)
    assert "BTC/USDT:USDT linear" in str(refused.value)


def test_futures_are_padded_and_spot_is_not() -> None:
    assert [listing("BTC/USDT:USDT").price(651142), listing("BTC/USDT").price(651140)] == [
        "65114.20",
        "65114",
    ]
    assert [listing("SOL/USDT:USDT", "0.010").price(7730), listing("X/USDT:USDT", "0.00001").price(7)] == [
        "77.30",
        "0.00007",
    ]
    assert [listing("BTC/USDT:USDT").size(6050), listing("BTC/USDT", lot="0.000001").size(14000)] == [
        "6.050",
        "0.014",
    ]
    assert [listing(s).size(0) for s in ("BTC/USDT:USDT", "BTC/USDT")] == ["0", "0"]
    assert listing("BTC/USD:BTC", "0.5", "1").size(120) == "120"


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from(["BTC/USDT", "BTC/USDT:USDT"]),
    st.sampled_from(["0.1", "0.5", "0.01", "0.000001", "1", "5", "100", "0.25"]),
    st.integers(1, 10**12),
)
def test_numbers_are_exact(symbol: str, step: str, units: int) -> None:
    one = listing(symbol, step, step)
    for text in (one.price(units), one.size(units)):
        assert Decimal(text) == units * Decimal(step) and "E" not in text


def test_what_a_trade_is_worth() -> None:
    assert listing("BTC/USDT:USDT").turnover(600_000, 2) == Decimal("120")
    assert listing("BTC/USD:BTC", "0.5", "1").turnover(120_000, 30_000) == Decimal("0.5")
    assert [plain(Decimal(x)) for x in ("0.10", "100", "1E+2", "0.0000001")] == [
        "0.1",
        "100",
        "100",
        "0.0000001",
    ]


@pytest.mark.shared
@pytest.mark.parametrize("category", ["linear", "spot"])
def test_instruments_info_is_that_of_a_real_reply(category: str) -> None:
    path = SHARED / f"instruments-info_{category}_20260809.json"
    if not path.exists():
        pytest.skip(f"the recorded reply is missing: {path.name}")
    entries = json.loads(path.read_text())["result"]["list"]
    real = next(entry for entry in entries if entry["symbol"] == "BTCUSDT")
    lot = real["lotSizeFilter"]["qtyStep" if category == "linear" else "basePrecision"]
    symbol = "BTC/USDT:USDT" if category == "linear" else "BTC/USDT"
    ours = listing(symbol, real["priceFilter"]["tickSize"], lot).info()

    def shape(value: Any) -> Any:
        return {k: shape(v) for k, v in value.items()} if isinstance(value, dict) else type(value).__name__

    assert list(ours) == list(real) and shape(ours) == shape(real)
    for path_of in (
        ("priceFilter", "tickSize"),
        ("lotSizeFilter", "minOrderQty"),
        ("status",),
        ("baseCoin",),
    ):
        a: Any = ours
        b: Any = real
        for key in path_of:
            a, b = a[key], b[key]
        assert a == b
