"""Balances, positions and fees against sums over every fill."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from local_exchange import SYMBOLS

from btcframe.exchange.listing import Listing
from btcframe.exchange.private.account import Account, Holder, Position
from btcframe.exchange.private.orders import Order

MARK = Decimal(60_000)
FILLS = st.lists(
    st.tuples(st.sampled_from((1, -1)), st.integers(1, 500), st.integers(550_000, 650_000)),
    min_size=1,
    max_size=30,
)


def account(**options: object) -> Account:
    return Account(
        Holder("k", "s", balances={"USDT": Decimal(1000), "BTC": Decimal(3)}, **options), lambda _: MARK
    )  # type: ignore[arg-type]


def order(
    listing: Listing, side: int, lots: int, ticks: int = 600_000, *, reduce_only: bool = False
) -> Order:
    return Order(listing, 1, 1, "id", "", side, ticks, lots, False, reduce_only, "GTC", 0)


@pytest.mark.parametrize("symbol", SYMBOLS)
@settings(max_examples=60, derandomize=True, deadline=None)
@given(FILLS)
def test_money_adds_up(symbol: str, fills: list[tuple[int, int, int]]) -> None:
    listing, held = Listing(SYMBOLS[symbol]), account()
    lot, tick = Fraction(listing.instrument.lot), Fraction(listing.instrument.tick)
    paid: dict[str, Fraction] = {}
    flow = base = Fraction(0)  # of quote coin, or of an inverse contract's base coin; and of what is held
    for side, lots, ticks in fills:
        value = listing.turnover(ticks, lots)
        exact = lots * lot / (ticks * tick) if symbol == "BTC/USD:BTC" else lots * lot * ticks * tick
        assert abs(Fraction(value) - exact) <= Fraction(1, 10**8)
        one = order(listing, side, lots)
        fee, coin = held.fee(one, lots, value, maker=False)
        closed = held.settle(one, lots, value, fee, 7, 8)
        before = base / lot
        assert closed == (0 if symbol == "BTC/USDT" or before * side >= 0 else min(lots, abs(before)))
        paid[coin] = paid.get(coin, Fraction(0)) + Fraction(fee)
        flow -= side * Fraction(value)
        base += side * lots * lot
    wallet = {coin: Fraction(amount) for coin, amount in held.wallet.items()}
    begun = {"USDT": Fraction(1000), "BTC": Fraction(3)}
    if symbol == "BTC/USDT":
        assert wallet["USDT"] == begun["USDT"] + flow - paid.get("USDT", 0)
        assert wallet["BTC"] == begun["BTC"] + base - paid.get("BTC", 0)
        return
    position = held.position(listing)
    assert position.lots * lot == base and (position.cost == 0) == (base == 0)
    coin = listing.settle
    if symbol == "BTC/USD:BTC":  # it is bought with base coin: value flows the other way
        worth, flow = -base / Fraction(MARK), -flow
    else:
        worth = base * Fraction(MARK)
    total = wallet[coin] + Fraction(held.profit(coin)) + paid[coin] - begun[coin]
    assert abs(total - (flow + worth)) < Fraction(1, 10**18)
    assert abs(Fraction(held.gained[coin]) - (wallet[coin] - begun[coin])) < Fraction(1, 10**18)


def test_the_entry_is_the_average_of_what_opened_it() -> None:
    position = Position(Listing(SYMBOLS["BTC/USDT:USDT"]), Decimal(10))
    for lots, price in ((10, 60_000), (30, 62_000)):
        position.add(lots, lots * Decimal("0.001") * price)
    assert position.entry == 61_500 and position.profit(Decimal(60_000)) == -60
    assert position.add(-20, Decimal("0.020") * 61_000) == (Decimal("-10.000"), 20)
    assert (position.lots, position.entry) == (20, 61_500)
    gained, closed = position.add(-50, Decimal("0.050") * 62_500)  # through nothing, to the other side
    assert (gained, closed, position.lots, position.entry) == (20, 20, -30, 62_500)
    inverse = Position(Listing(SYMBOLS["BTC/USD:BTC"]), Decimal(10))
    inverse.add(300, Decimal(300) / 60_000)
    inverse.add(300, Decimal(300) / 40_000)
    assert inverse.entry == 48_000 and inverse.profit(Decimal(50_000)) == Decimal("0.0005")


def test_fees_are_paid_in_what_bybit_takes() -> None:
    held = account()
    for symbol, side, value, fee in (
        ("BTC/USDT:USDT", 1, "60", ("0.03300000", "USDT")),
        ("BTC/USDT", 1, "0.06", ("0.00000001", "BTC")),
        ("BTC/USDT", -1, "0.06", ("0.00006000", "USDT")),
        ("BTC/USD:BTC", -1, "0.00001667", ("0.00000001", "BTC")),
    ):
        one = order(Listing(SYMBOLS[symbol]), side, 1)
        amount, coin = held.fee(one, 1, Decimal(value), maker=False)
        assert (f"{amount:f}", coin) == fee
    assert (
        str(held.fee(order(Listing(SYMBOLS["BTC/USDT:USDT"]), 1, 1), 1, Decimal(60), maker=True)[0])
        == "0.01200000"
    )


def test_margin_is_of_the_larger_side() -> None:
    listing, held = Listing(SYMBOLS["BTC/USDT:USDT"]), account(leverage=Decimal(5))
    held.position(listing).add(20, Decimal("0.020") * 60_000)
    assert held.bound_by_positions("USDT") == held.bound("USDT") == 240
    for number, (side, lots, reduce_only) in enumerate(((1, 10, False), (-1, 25, False), (-1, 20, True))):
        held.working[str(number)] = order(listing, side, lots, reduce_only=reduce_only)
    assert held.bound("USDT") == 360 and held.free("USDT") == 640
    assert held.margin(listing, order(listing, -1, 60)) == 780


def test_spot_orders_hold_back_what_they_spend() -> None:
    listing, held = Listing(SYMBOLS["BTC/USDT"]), account()
    held.working["a"] = order(listing, 1, 1000)  # 0.001 at 60,000
    held.working["b"] = order(listing, -1, 500_000)
    assert (held.locked("USDT"), held.locked("BTC")) == (60, Decimal("0.5"))
    assert (held.free("USDT"), held.free("BTC")) == (940, Decimal("2.5"))
