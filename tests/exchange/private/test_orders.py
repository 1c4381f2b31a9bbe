"""What becomes of orders, as replies, streams and the truth tell it."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from local_exchange import exchange
from private_client import INVERSE, LINEAR, SPOT, Trader

from btcframe.exchange.faults import parse
from btcframe.exchange.private.account import Holder
from btcframe.types import NS


def trader(*symbols: str, **options: object) -> Trader:
    made = Trader(exchange(*symbols, **options))  # type: ignore[arg-type]
    made.listen()
    return made


def test_an_order_that_rests_and_is_canceled() -> None:
    one = trader()
    bid, _ = one.best()
    done = one.order("Buy", "0.002", one.price(bid - 50), orderLinkId="mine")
    assert done.result == {"orderId": one.of("mine")["orderId"], "orderLinkId": "mine"}
    assert [row["orderStatus"] for row in one.heard("order")] == ["New"]
    (working,) = one.get("order/realtime", **LINEAR, orderLinkId="mine").result["list"]
    assert (working["qty"], working["leavesQty"], working["price"]) == (
        "0.002",
        "0.002",
        f"{(bid - 50) / 10:.2f}",
    )
    assert one.post("order/cancel", **LINEAR, orderLinkId="mine").result == done.result
    last = one.heard("order")[-1]
    assert (last["orderStatus"], last["cancelType"], last["rejectReason"]) == (
        "Cancelled", "CancelByUser", "EC_PerCancelRequest",
    )  # fmt: skip
    assert one.get("order/realtime", **LINEAR).result["list"] == []
    assert one.get("order/realtime", **LINEAR, openOnly=1).result["list"] == [last]
    assert one.get("order/history", **LINEAR).result["list"] == [last]
    assert [row["size"] for row in one.heard("position")] == ["0", "0"]  # sent, though nothing changed


def test_of_what_is_over_the_last_week_is_told_unless_it_is_said_from_when_on() -> None:
    one, day = trader(), 86_400_000
    begun = one.exchange.now_ms
    one.order("Buy", "0.001")
    one.exchange.inject(parse(f"skew*{8 * day}"))
    for path in ("order/history", "execution/list"):

        def told(path: str = path, **span: int) -> int:
            return len(one.get(path, **LINEAR, **span).result["list"])

        assert told() == 0 == told(startTime=begun - 7 * day - 1) == told(endTime=begun - 1)
        assert told(startTime=begun - day) == 1 == told(startTime=begun, endTime=begun + 7 * day)
        assert told(endTime=begun + 7 * day) == 1
        assert one.get(path, **LINEAR, startTime=begun, endTime=begun + 7 * day + 1).code == 10001
        assert one.get(path, **LINEAR, startTime=begun, endTime=begun - 1).code == 10001


def test_a_market_order_takes_the_book_and_pays() -> None:
    one = trader()
    _, ask = one.best()
    offered = one.exchange.market("BTC/USDT:USDT").book.asks[ask]
    lots = offered + 7
    done = one.order("Buy", str(lots * Decimal("0.001")), orderLinkId="m")
    fills = one.heard("execution")
    assert fills[0]["execPrice"] == f"{ask / 10:.2f}" and len(fills) == 2
    assert sum(Decimal(row["execQty"]) for row in fills) == lots * Decimal("0.001")
    assert all(row["orderId"] == done.result["orderId"] and not row["isMaker"] for row in fills)
    worth = sum(Decimal(row["execQty"]) * Decimal(row["execPrice"]) for row in fills)
    fees = sum(Decimal(row["execFee"]) for row in fills)
    assert abs(fees - worth * Decimal("0.00055")) <= Decimal("0.00000002")
    (order,) = one.heard("order")
    assert (order["orderStatus"], order["leavesQty"], order["cumExecFee"]) == (
        "Filled",
        "0",
        str(fees.normalize()),
    )
    assert order["cumFeeDetail"] == {"USDT": order["cumExecFee"]}
    (position,) = one.get("position/list", **LINEAR).result["list"]
    assert (position["side"], position["size"]) == ("Buy", order["qty"])
    assert Decimal(position["avgPrice"]) == Decimal(order["avgPrice"])
    (wallet,) = one.heard("wallet")
    (coin,) = wallet["coin"]
    assert Decimal(coin["walletBalance"]) == one.money() == 100_000 - fees
    # the book lacks it, and the tape has it
    assert ask not in one.exchange.market("BTC/USDT:USDT").book.asks
    printed = list(one.exchange.market("BTC/USDT:USDT").tape.trades)[-2:]
    assert [(t.side, t.ticks) for t in printed] == [(1, ask), (1, round(float(fills[1]["execPrice"]) * 10))]


def test_an_order_that_rests_is_filled_by_the_flow() -> None:
    one = trader()
    bid, _ = one.best()
    one.order("Buy", "0.200", one.price(bid), orderLinkId="r")
    shown = one.exchange.market("BTC/USDT:USDT").book.view(1)[0][bid]
    assert shown == one.exchange.market("BTC/USDT:USDT").book.bids[bid] + 200
    one.exchange.step(60 * NS)
    order = one.of("r")
    assert order["orderStatus"] in ("Filled", "PartiallyFilled")
    fills = one.heard("execution")
    assert all(row["isMaker"] and row["execPrice"] == order["price"] for row in fills)
    assert sum(Decimal(row["execQty"]) for row in fills) == Decimal(order["cumExecQty"]) > 0
    assert [row["leavesQty"] for row in fills] == sorted((row["leavesQty"] for row in fills), reverse=True)
    left = [row["leavesQty"] for row in one.heard("order")]
    assert left == sorted(left, reverse=True) and left[0] == "0.200"
    assert fills == one.get("execution/list", **LINEAR).result["list"][::-1]


@pytest.mark.parametrize(
    ("tif", "away", "status", "reason"),
    [
        ("PostOnly", 1, "Cancelled", "EC_PostOnlyWillTakeLiquidity"),
        ("PostOnly", -1, "New", "EC_NoError"),
        ("IOC", -1, "Cancelled", "EC_NoImmediateQtyToFill"),
        ("FOK", -1, "Cancelled", "EC_NoEnoughQtyToFill"),
    ],
)
def test_how_long_an_order_stands(tif: str, away: int, status: str, reason: str) -> None:
    one = trader()
    _, ask = one.best()
    done = one.order("Buy", "0.001", one.price(ask + away), timeInForce=tif, orderLinkId="t")
    assert done.code == 0  # accepted, whatever becomes of it
    assert (one.of("t")["orderStatus"], one.of("t")["rejectReason"]) == (status, reason)
    assert one.heard("execution") == [] and one.heard("order")[-1]["orderStatus"] == status


def test_all_or_nothing() -> None:
    one = trader()
    _, ask = one.best()
    offered = one.exchange.market("BTC/USDT:USDT").book.asks[ask] * Decimal("0.001")
    more, all_of_it = str(offered + Decimal("0.001")), str(offered)
    one.order("Buy", more, one.price(ask), timeInForce="FOK", orderLinkId="more")
    assert (one.of("more")["orderStatus"], one.of("more")["cumExecQty"]) == ("Cancelled", "0")
    one.order("Buy", all_of_it, one.price(ask), timeInForce="FOK", orderLinkId="all")
    assert one.of("all")["orderStatus"] == "Filled"


@pytest.mark.parametrize(("market", "status"), [(LINEAR, "Cancelled"), (SPOT, "PartiallyFilledCanceled")])
def test_what_is_left_of_a_part_is_canceled(market: dict[str, str], status: str) -> None:
    one = trader("BTC/USDT:USDT", "BTC/USDT")
    one.market = market
    symbol = "BTC/USDT" if market is SPOT else "BTC/USDT:USDT"
    _, ask = one.best(symbol)
    instrument = one.exchange.market(symbol).listing.instrument
    offered = one.exchange.market(symbol).book.asks[ask] * instrument.lot
    one.order("Buy", str(offered * 2), one.price(ask, symbol), timeInForce="IOC", orderLinkId="p")
    order = one.of("p")
    assert (
        order["orderStatus"] == status
        and Decimal(order["cumExecQty"]) == offered
        and order["leavesQty"] == "0"
    )


def test_an_amended_order_keeps_its_place_only_where_it_gets_smaller() -> None:
    one = trader()
    bid, _ = one.best()
    engine = one.exchange.private.service.engine
    one.order("Buy", "0.005", one.price(bid), orderLinkId="a")
    account = one.exchange.private.account()
    assert account is not None
    order = account.links["a"]
    behind = order.ahead
    order.ahead = 1  # as if prints had served those before it
    one.post("order/amend", **LINEAR, orderLinkId="a", qty="0.004")
    assert order.ahead == 1
    one.post("order/amend", **LINEAR, orderLinkId="a", qty="0.006")
    assert order.ahead == behind and order.lots == 6
    assert [row["qty"] for row in one.heard("order")] == ["0.005", "0.004", "0.006"]
    ask = one.best()[1]
    one.post("order/amend", **LINEAR, orderLinkId="a", price=one.price(ask))
    assert order.status == "Filled" and engine.accounts["local-key"].working == {}


def test_a_smaller_quantity_than_is_filled_is_refused() -> None:
    one = trader()
    _, ask = one.best()
    offered = one.exchange.market("BTC/USDT:USDT").book.asks[ask]
    one.order("Buy", str((offered + 5) * Decimal("0.001")), one.price(ask), orderLinkId="a")
    assert one.of("a")["orderStatus"] == "PartiallyFilled"
    answer = one.post("order/amend", **LINEAR, orderLinkId="a", qty=str(offered * Decimal("0.001")))
    assert answer.code == 110064


def test_reduce_only_never_does_more_than_close() -> None:
    one = trader()
    _, ask = one.best()
    one.order("Buy", "0.010", orderLinkId="open")
    one.order("Sell", "0.050", one.price(ask + 300), reduceOnly=True, orderLinkId="much")
    assert one.of("much")["qty"] == "0.010"
    one.order("Sell", "0.004", reduceOnly=True, orderLinkId="some")
    assert one.of("some")["orderStatus"] == "Filled" and one.of("much")["qty"] == "0.006"
    one.order("Sell", "0.006", orderLinkId="rest")
    order = one.of("much")
    assert (order["orderStatus"], order["cancelType"]) == ("Cancelled", "CancelByReduceOnly")
    assert one.get("position/list", **LINEAR).result["list"][0]["side"] == ""
    assert one.order("Sell", "0.001", reduceOnly=True).code == 110017


def test_spot_buys_for_an_amount_of_quote_coin() -> None:
    one = trader("BTC/USDT")
    one.market = SPOT
    one.order("Buy", "120", orderLinkId="q")
    order = one.of("q")
    assert (order["qty"], order["orderStatus"], order["marketUnit"]) == ("120", "Filled", "quoteCoin")
    assert Decimal(120) - Decimal("0.1") < Decimal(order["cumExecValue"]) <= 120
    assert one.money("BTC") == Decimal(order["cumExecQty"]) - Decimal(order["cumFeeDetail"]["BTC"])
    assert one.money() == 100_000 - Decimal(order["cumExecValue"]) and "tpslMode" not in order
    one.order("Sell", str(one.money("BTC").quantize(Decimal("0.000001")) - Decimal("0.000001")))
    assert list(one.heard("order")[-1]["cumFeeDetail"]) == ["USDT"]
    assert one.get("order/history", category="linear").result["list"] == []
    assert one.order("Sell", "1").code == 170131


def test_inverse_is_settled_in_base_coin() -> None:
    holder = Holder("local-key", "local-secret", balances={"BTC": Decimal(1)})
    one = trader("BTC/USD:BTC", holders=(holder,))
    one.market = INVERSE
    one.order("Sell", "3000", orderLinkId="i")
    order = one.of("i")
    price = Decimal(order["avgPrice"])
    assert abs(Decimal(order["cumExecValue"]) - 3000 / price) < Decimal("0.0000001")
    assert abs(one.money("BTC") - (1 - 3000 / price * Decimal("0.00055"))) < Decimal("0.0000001")
    one.order("Buy", "3000", reduceOnly=True)
    (wallet,) = one.get("account/wallet-balance", accountType="UNIFIED", coin="BTC").result["list"]
    assert Decimal(wallet["coin"][0]["equity"]) == one.money("BTC") < 1


def test_batches_have_a_code_for_each() -> None:
    one = trader()
    order = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001", "price": "59000"}
    done = one.post(
        "order/create-batch", category="linear", request=[{**order, "orderLinkId": link} for link in "aba"]
    )
    assert [code["code"] for code in done.extra["list"]] == [0, 0, 110072]
    assert [row["orderLinkId"] for row in done.result["list"]] == ["a", "b", "a"]
    items = [{"symbol": "BTCUSDT", "orderLinkId": "a", "qty": "0.002"}]
    assert one.post("order/amend-batch", category="linear", request=items).extra["list"][0]["code"] == 0
    items = [{"symbol": "BTCUSDT", "orderLinkId": link} for link in "abc"]
    done = one.post("order/cancel-batch", category="linear", request=items)
    assert [code["code"] for code in done.extra["list"]] == [0, 0, 110001]
    many = one.post("order/create-batch", category="linear", request=[order] * 21)
    assert (
        many.code in (10001, 10006)
        and one.post("order/create-batch", category="linear", request={}).code == 10001
    )


def test_everything_of_a_kind_is_canceled() -> None:
    one = trader("BTC/USDT:USDT", "BTC/USDT")
    for market in (LINEAR, SPOT):
        one.market = market
        for _ in range(2):
            one.order("Buy", "0.001", "59900")
    assert one.post("order/cancel-all", category="linear").code == 10001
    assert len(one.post("order/cancel-all", category="linear", settleCoin="USDT").result["list"]) == 2
    assert len(one.truth()["open"]) == 2
    assert (
        len(one.post("order/cancel-all", category="spot").result["list"]) == 2 and one.truth()["open"] == []
    )


def test_pages_follow_each_other_though_orders_come() -> None:
    one = Trader(exchange(limited=False))
    for _ in range(7):
        one.order("Buy", "0.001", "59000")
    found, cursor = [], ""
    for _ in range(3):
        page = one.get("order/realtime", **LINEAR, limit=3, cursor=cursor).result
        found += [row["orderLinkId"] for row in page["list"]]
        cursor = page["nextPageCursor"]
        one.order("Buy", "0.001", "59000")
    assert found == [f"t-{n}" for n in range(7, 0, -1)] and cursor == ""


def test_funding_is_paid_when_its_time_comes() -> None:
    eight = 8 * 3600 * NS
    one = trader(start_ns=1_786_310_818 * NS // eight * eight + eight - 2 * NS)
    one.order("Buy", "0.010")
    one.exchange.step(NS)
    before = one.money()
    assert [row["execType"] for row in one.heard("execution")] == ["Trade"]
    one.exchange.step(5 * NS)
    paid = one.heard("execution")[-1]
    assert (paid["execType"], paid["execQty"], paid["feeRate"]) == ("Funding", "0.010", "0.0001")
    assert before - one.money() == Decimal(paid["execFee"]) > 0
    assert abs(Decimal(paid["execFee"]) - Decimal("0.06")) < Decimal("0.001")
    assert len(one.truth()["orders"]) == 1
    assert len(one.get("execution/list", **LINEAR, execType="Trade").result["list"]) == 1


def test_the_same_requests_give_the_same_messages() -> None:
    def ran() -> list[object]:
        one = trader(seed=3)
        for n, side in enumerate(("Buy", "Sell") * 4):
            one.order(side, "0.010", one.price(one.best()[side == "Sell"] - 2 + n))
            one.exchange.step((n + 1) * NS)
        return list(one.stream.frames)

    assert ran() == ran()


def test_categorised_topics_tell_of_their_category() -> None:
    one = Trader(exchange("BTC/USDT:USDT", "BTC/USDT"))
    one.listen("order.spot", "execution.linear")
    one.order("Buy", "0.001")
    one.market = SPOT
    one.order("Buy", "100")
    assert {row["category"] for row in one.heard("order.spot")} == {"spot"} and not one.heard("order")
    assert {row["category"] for row in one.heard("execution.linear")} == {"linear"}


def asked(draw: random.Random) -> tuple[str, Any]:
    """Something that a client does."""
    what = draw.choice(("order", "order", "order", "amend", "cancel", "wait"))
    lots, away = draw.randrange(1, 61), draw.randrange(-3, 9)  # ticks beyond the side's own best price
    match what:
        case "order":
            tif = draw.choice(("GTC", "GTC", "GTC", "IOC", "FOK", "PostOnly", "Market"))
            return what, (draw.choice(("Buy", "Sell")), lots, away, tif, draw.random() < 0.3)
        case "amend":
            return what, (draw.randrange(30), lots, away)
        case "cancel":
            return what, draw.randrange(30)
    return what, lots


@settings(max_examples=10, derandomize=True, deadline=None)
@given(st.integers(0, 10**6))
def test_books_orders_and_money_agree_whatever_is_asked(seed: int) -> None:
    draw = random.Random(seed)
    steps = [asked(draw) for _ in range(50)]
    one = Trader(exchange(limited=False))
    book, links = one.exchange.market("BTC/USDT:USDT").book, 0
    for what, value in steps:
        bid, ask = one.best()
        if what == "order":
            side, lots, away, tif, reduce_only = value
            links += 1
            price = "" if tif == "Market" else one.price(bid + away if side == "Buy" else ask - away)
            kind = {} if tif == "Market" else {"timeInForce": tif}
            size = f"{lots / 1000:.3f}"
            done = one.order(side, size, price, reduceOnly=reduce_only, orderLinkId=f"p-{links}", **kind)
            assert done.code in (0, 110017)
        elif what == "amend":
            number, lots, away = value
            size = f"{lots / 1000:.3f}"
            one.post(
                "order/amend", **LINEAR, orderLinkId=f"p-{number}", qty=size, price=one.price(bid + away)
            )
        elif what == "cancel":
            one.post("order/cancel", **LINEAR, orderLinkId=f"p-{value}")
        else:
            one.exchange.step(one.exchange.ns + value * NS // 10)
        truth = one.truth()
        working = [row for row in truth["orders"] if row["orderStatus"] in ("New", "PartiallyFilled")]
        assert sorted(row["orderId"] for row in working) == sorted(truth["open"])
        for side, shown in zip(("Buy", "Sell"), book.shown, strict=True):
            left = [Decimal(row["leavesQty"]) for row in working if row["side"] == side]
            assert sum(shown.values()) * Decimal("0.001") == sum(left)
        buys = [Decimal(row["price"]) for row in working if row["side"] == "Buy"]
        sells = [Decimal(row["price"]) for row in working if row["side"] == "Sell"]
        assert max(buys, default=Decimal(0)) * 10 < min(book.asks)
        assert min(sells, default=Decimal("Infinity")) * 10 > max(book.bids)
        assert max(buys, default=Decimal(0)) < min(sells, default=Decimal("Infinity"))
        signs = {"Buy": 1, "Sell": -1, "": 0}
        held = sum(signs[row["side"]] * Decimal(row["execQty"]) for row in truth["executions"])
        assert held == sum(signs[row["side"]] * Decimal(row["size"]) for row in truth["positions"])
        closing = [row for row in working if row["reduceOnly"]]
        assert all(
            signs[row["side"]] * held < 0 and Decimal(row["leavesQty"]) <= abs(held) for row in closing
        )
    for row in truth["orders"]:
        own = [fill for fill in truth["executions"] if fill["orderId"] == row["orderId"]]
        assert (
            sum(Decimal(fill["execQty"]) for fill in own) == Decimal(row["cumExecQty"]) <= Decimal(row["qty"])
        )
        better = [signs[row["side"]] * (Decimal(row["price"]) - Decimal(fill["execPrice"])) for fill in own]
        assert row["timeInForce"] == "GTC" or all(
            gain >= 0 for gain in better
        )  # an amended one had another limit
