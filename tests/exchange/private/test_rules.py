"""Every rule that an order must keep to, and the code of who breaks it: of futures and of spot."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from local_exchange import exchange
from private_client import INVERSE, LINEAR, SPOT, Trader

from btcframe.exchange.private.account import Holder
from btcframe.exchange.private.codes import CODES
from btcframe.exchange.private.routes import READS
from btcframe.exchange.private.service import PATHS

LIMIT = {"side": "Buy", "orderType": "Limit", "qty": "0.001", "price": "59990"}
BALANCES = {"USDT": Decimal(10_000), "BTC": Decimal("0.5")}


@pytest.fixture(scope="module")
def trader() -> Trader:
    holder = Holder("local-key", "local-secret", balances=BALANCES)
    return Trader(exchange("BTC/USDT:USDT", "BTC/USDT", "BTC/USD:BTC", holders=(holder,), limited=False))


def test_what_is_well_formed_is_accepted(trader: Trader) -> None:
    for market in (LINEAR, SPOT):
        done = trader.post("order/create", **market, **LIMIT)
        assert (done.code, sorted(done.result)) == (0, ["orderId", "orderLinkId"])
    assert trader.post("order/create", **INVERSE, **{**LIMIT, "qty": "100", "price": "299990"}).code == 0


@pytest.mark.parametrize(
    ("changed", "future", "spot"),
    [
        ({"side": "buy"}, 10001, 170117),
        ({"orderType": "Stop"}, 10001, 170116),
        ({"timeInForce": "GTX"}, 10001, 170115),
        ({"qty": "0.0010005"}, 10001, None),
        ({"qty": "0.0010000005"}, None, 170137),
        ({"qty": "0.0001"}, 10001, None),
        ({"qty": "0.0000001"}, None, 170136),
        ({"qty": "-1"}, 10001, 170137),
        ({"qty": "NaN"}, 10001, 170137),
        ({"qty": 0.001}, 10001, 170137),
        ({"qty": "2000"}, 10001, 170135),
        ({"price": "59990.05"}, 10001, 170134),
        ({"price": ""}, 10001, 170134),
        ({"price": "70000"}, 110003, 170193),
        ({"side": "Sell", "price": "50000"}, 110003, 170194),
        ({"price": "4000"}, 110094, 170140),
        ({"qty": "100"}, 110007, 170131),
        ({"side": "Sell", "price": "60100", "qty": "100"}, 110007, 170131),
        ({"orderLinkId": "x" * 37}, 10001, 10001),
        ({"orderLinkId": "a b"}, 10001, 10001),
        ({"triggerPrice": "61000"}, 10001, 10001),
        ({"reduceOnly": True}, 110017, None),
        ({"positionIdx": 1}, 10001, None),
        ({"positionIdx": 5}, 10001, 10001),
        ({"symbol": "XRPUSDT"}, 10001, 10001),
        ({"category": "option"}, 10001, 10001),
    ],
)
def test_a_rule_and_its_code(
    trader: Trader, changed: dict[str, Any], future: int | None, spot: int | None
) -> None:
    for market, code in ((LINEAR, future), (SPOT, spot)):
        if code is not None:
            answer = trader.post("order/create", **{**market, **LIMIT, **changed})
            assert (answer.code, answer.result) == (code, {}), answer
            assert answer.said


@pytest.mark.parametrize(("market", "code"), [(LINEAR, 110072), (SPOT, 170141)])
def test_a_link_id_is_used_once_even_when_its_order_is_done(
    trader: Trader, market: dict[str, str], code: int
) -> None:
    link = f"once-{code}"
    assert trader.post("order/create", **market, **LIMIT, orderLinkId=link).code == 0
    assert trader.post("order/create", **market, **LIMIT, orderLinkId=link).code == code
    assert trader.post("order/cancel", **market, orderLinkId=link).code == 0
    assert trader.post("order/create", **market, **LIMIT, orderLinkId=link).code == code


@pytest.mark.parametrize(
    ("market", "unknown", "filled", "canceled"),
    [(LINEAR, 110001, 110008, 110010), (SPOT, 170213, 170139, 170142)],
)
def test_orders_that_cannot_be_touched(
    trader: Trader, market: dict[str, str], unknown: int, filled: int, canceled: int
) -> None:
    ends = {"unknown": unknown, f"f-{filled}": filled, f"c-{canceled}": canceled}
    crossing = {**LIMIT, "price": "60010", "timeInForce": "IOC"}
    assert trader.post("order/create", **market, **crossing, orderLinkId=f"f-{filled}").code == 0
    assert trader.of(f"f-{filled}")["orderStatus"] == "Filled"
    assert trader.post("order/create", **market, **LIMIT, orderLinkId=f"c-{canceled}").code == 0
    assert trader.post("order/cancel", **market, orderLinkId=f"c-{canceled}").code == 0
    for link, code in ends.items():
        assert trader.post("order/cancel", **market, orderLinkId=link).code == code
        assert trader.post("order/amend", **market, orderLinkId=link, qty="0.002").code == code
    assert trader.post("order/cancel", **market).code == 10001


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"qty": "0.001"}, 10001),
        ({"qty": "0.0015"}, 10001),
        ({"price": "70000"}, 110003),
        ({"price": "59990.05"}, 10001),
        ({"price": "1000"}, 110094),
        ({"qty": "50"}, 110007),
        ({"qty": "0.003", "price": "59980"}, 0),
    ],
)
def test_an_amendment_keeps_to_the_same_rules(trader: Trader, changed: dict[str, str], code: int) -> None:
    link = trader.order("Buy", "0.001", "59990").result["orderLinkId"]
    before = trader.of(link)
    answer = trader.post("order/amend", **LINEAR, orderLinkId=link, **changed)
    assert answer.code == code, answer
    after = trader.of(link)
    wanted = ("0.003", "59980.00") if code == 0 else (before["qty"], before["price"])
    assert (after["qty"], after["price"], after["orderStatus"]) == (*wanted, "New")


def test_too_many_orders() -> None:
    trader = Trader(exchange(limited=False))
    for _ in range(500):
        assert trader.order("Buy", "0.001", "59000").code == 0
    assert trader.order("Buy", "0.001", "59000").code == 110020
    assert trader.post("order/cancel", **LINEAR, orderLinkId="t-7").code == 0
    assert trader.order("Buy", "0.001", "59000").code == 0


def test_in_hedge_mode_no_order_is_taken_and_positions_come_twice() -> None:
    trader = Trader(exchange())
    assert trader.post("position/switch-mode", category="linear", symbol="BTCUSDT", mode=0).code == 110025
    assert trader.post("position/switch-mode", category="linear", symbol="BTCUSDT", mode=3).code == 0
    assert trader.order("Buy", "0.001", "59990").code == 10001
    assert [row["positionIdx"] for row in trader.get("position/list", **LINEAR).result["list"]] == [1, 2]
    assert trader.post("position/switch-mode", category="linear", symbol="BTCUSDT", mode=0).code == 0
    assert trader.order("Buy", "0.001").code == 0
    assert trader.post("position/switch-mode", category="linear", symbol="BTCUSDT", mode=3).code == 110024
    assert trader.post("position/switch-mode", category="linear", symbol="BTCUSDT", mode=1).code == 10001


def test_leverage() -> None:
    trader = Trader(exchange())

    def asked(buy: str, sell: str = "") -> int:
        return trader.post("position/set-leverage", **LINEAR, buyLeverage=buy, sellLeverage=sell or buy).code

    assert [asked("10"), asked("5"), asked("5"), asked("101"), asked("x"), asked("3", "4")] == [
        110043, 0, 110043, 10001, 10001, 10001,
    ]  # fmt: skip
    assert trader.get("position/list", **LINEAR).result["list"][0]["leverage"] == "5"
    assert trader.order("Buy", "8", "59990").code == 0  # 96,000 of 100,000 at leverage 5
    assert (asked("4"), asked("6")) == (110007, 0)


def test_margin_is_what_an_order_adds() -> None:
    trader = Trader(exchange())
    assert trader.order("Buy", "16", "59990").code == 0
    assert trader.order("Buy", "1", "59990").code == 110007
    assert trader.order("Sell", "16", "60050").code == 0  # the other side binds nothing more
    assert trader.order("Sell", "1", "60050").code == 110007


def test_a_body_that_cannot_be_read() -> None:
    trader = Trader(exchange())
    assert trader.get("order/create").code == 10001
    assert trader.post("order/realtime").code == 10001
    assert trader.get("order/realtime").code == 10001
    assert trader.get("order/realtime", category="linear").code == 10001
    assert trader.get("order/realtime", category="linear", settleCoin="USDT").code == 0
    assert trader.get("account/wallet-balance", accountType="SPOT").code == 10001
    assert trader.get("position/list", category="linear").code == 10001
    assert trader.get("order/history", category="linear", limit="x").code == 10001


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**20),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
    st.sampled_from(
        ("0.001", "59000", "NaN", "Infinity", "-0", "1e999999", "1e-999999", "Buy", "linear", "BTCUSDT")
    ),
)
FIELDS = ("category", "symbol", "side", "orderType", "qty", "price", "timeInForce", "orderLinkId", "orderId",
          "positionIdx", "reduceOnly", "marketUnit", "request", "mode", "buyLeverage", "sellLeverage", "settleCoin")  # fmt: skip


@settings(
    max_examples=120,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.sampled_from(PATHS), st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=4))
def test_whatever_is_asked_is_answered(trader: Trader, path: str, odd: dict[str, Any]) -> None:
    asked = {**LINEAR, **LIMIT, "buyLeverage": "3", "sellLeverage": "3", **odd}
    short = path.removeprefix("/v5/")
    answer = trader.get(short, **asked) if path in READS else trader.post(short, **asked)
    assert isinstance(answer.code, int) and answer.said
    if answer.code:
        assert answer.result == {}


def test_no_code_is_used_for_nothing() -> None:
    assert len(CODES) == len({(code.future, code.spot, code.said) for code in CODES.values()})
