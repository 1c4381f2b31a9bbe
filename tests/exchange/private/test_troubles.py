"""Faults of the private side: what the client is told, and what is true."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from local_exchange import Client, exchange
from private_client import LINEAR, Trader, auth

from btcframe.errors import ConfigError
from btcframe.exchange.faults import FAULTS, parse
from btcframe.exchange.private.troubles import ON_REQUESTS
from btcframe.types import NS


def trader(*faults: str, **options: Any) -> Trader:
    made = Trader(exchange(**options))
    made.listen()
    for text in faults:
        made.exchange.inject(parse(text))
    return made


@pytest.mark.parametrize("code", [10000, 10016, 170007, 170146])
@pytest.mark.parametrize("before", [False, True])
def test_an_error_that_does_not_tell(code: int, before: bool) -> None:
    one = trader(f"error_{code}{'_before' if before else ''}*2")
    codes = [one.order("Buy", "0.001", "59000").code for _ in range(3)]
    assert codes == [code, code, 0]
    known = [row["orderLinkId"] for row in one.get("order/realtime", **LINEAR).result["list"]]
    assert known == (["t-3"] if before else ["t-3", "t-2", "t-1"])
    assert [row["orderLinkId"] for row in one.heard("order")] == sorted(known)


@pytest.mark.parametrize(("fault", "there"), [("reply_lost", True), ("request_lost", False)])
def test_a_line_that_breaks_before_or_after(fault: str, there: bool) -> None:
    one = trader(f"{fault}:create")
    answer = one.order("Buy", "0.001", "59000")
    assert answer.cut and len(one.truth()["orders"]) == there
    assert not one.order("Buy", "0.001", "59000").cut


def test_a_fault_waits_for_its_operation() -> None:
    one = trader("error_10016:cancel", "reply_lost:amend")
    assert one.order("Buy", "0.001", "59000", orderLinkId="a").code == 0
    assert one.post("order/amend", **LINEAR, orderLinkId="a", qty="0.002").cut
    assert one.post("order/cancel", **LINEAR, orderLinkId="a").code == 10016
    order = one.of("a")
    assert (order["orderStatus"], order["qty"]) == ("Cancelled", "0.002")


def test_accepted_twice_answers_that_it_is_there() -> None:
    one = trader("accepted_twice*2")
    assert one.order("Buy", "0.001", "59000", orderLinkId="a").code == 110072
    assert one.of("a")["orderStatus"] == "New"
    assert one.post("order/cancel", **LINEAR, orderLinkId="a").code == 110010


def test_an_order_is_rejected_after_its_acceptance() -> None:
    one = trader("reject")
    assert one.order("Buy", "0.001", "59000", orderLinkId="a").code == 0
    assert [row["orderStatus"] for row in one.heard("order")] == ["Rejected"] and one.truth()["open"] == []
    assert one.get("order/history", **LINEAR).result["list"][0]["orderStatus"] == "Rejected"


def test_an_order_is_filled_in_part_then_canceled_by_the_exchange() -> None:
    one = trader("partial_cancel")
    one.order("Buy", "0.007", "59000", orderLinkId="a")
    order = one.of("a")
    assert (order["orderStatus"], order["cumExecQty"], order["cancelType"]) == (
        "Cancelled",
        "0.003",
        "CancelByAdmin",
    )
    assert [row["execQty"] for row in one.heard("execution")] == ["0.003"]
    assert one.truth()["positions"][0]["size"] == "0.003"


def test_an_order_is_filled_while_it_is_canceled() -> None:
    one = trader("fill_in_cancel")
    one.order("Buy", "0.002", "59000", orderLinkId="a")
    assert one.post("order/cancel", **LINEAR, orderLinkId="a").code == 0
    states = [(row["orderStatus"], row["rejectReason"]) for row in one.heard("order")]
    assert states == [
        ("New", "EC_NoError"),
        ("Filled", "EC_NoError"),
        ("Filled", "EC_OrigClOrdIDDoesNotExist"),
    ]
    assert one.post("order/cancel", **LINEAR, orderLinkId="a").code == 110008


def test_the_exchange_takes_half_of_a_position_away() -> None:
    one = trader()
    one.order("Sell", "0.005")
    one.exchange.inject(parse("adl"))
    taken = one.heard("execution")[-1]
    assert (taken["execType"], taken["side"], taken["execQty"], taken["orderLinkId"]) == (
        "AdlTrade",
        "Buy",
        "0.003",
        "",
    )
    assert one.heard("position")[-1]["size"] == "0.002"
    assert one.heard("order")[-1]["createType"] == "CreateByAdl_PassThrough"


def test_streams_that_are_down_take_nobody_while_fills_happen() -> None:
    one = trader("stream_down+3s")
    public = Client(one.exchange)
    assert one.stream.gone == "cut" and not public.gone
    assert (one.exchange.admission("private"), one.exchange.admission("trade")) == (503, 200)
    one.order("Buy", "0.005")
    assert len(one.get("execution/list", **LINEAR).result["list"]) >= 1
    one.exchange.step(4 * NS)
    assert one.exchange.admission("private") == 200


def test_a_stream_that_is_silent_loses_what_it_does_not_say() -> None:
    one = trader("stream_silent+3s")
    public = Client(one.exchange)
    public.subscribe("publicTrade.BTCUSDT")
    before = len(one.stream.frames)
    one.order("Buy", "0.005")
    assert one.stream.say({"op": "ping"}) == [] and one.stream.gone == ""
    one.exchange.step(4 * NS)
    assert len(one.stream.frames) == before and public.frames
    one.order("Buy", "0.001", orderLinkId="later")
    assert one.heard("order")[-1]["orderLinkId"] == "later"


def test_a_ban_and_slow_replies_last_as_long_as_they_say() -> None:
    one = trader("ban+2s", "reply_slow*1500+1s")
    side = one.exchange.private
    assert side.banned() and side.slow_ms() == 1500
    one.exchange.step(3 * NS)
    assert not side.banned() and side.slow_ms() == 0
    one.exchange.inject(parse("ban+60s"))
    one.exchange.inject(parse("error_10016*5"))
    one.exchange.heal()
    assert not side.banned() and one.order("Buy", "0.001", "59000").code == 0


@pytest.mark.parametrize(("code", "cut"), [(10003, True), (33004, True), (10005, False), (10006, False)])
def test_who_is_denied_gets_the_code_and_no_stream(code: int, cut: bool) -> None:
    one = trader(f"denied*{code}+2s")
    assert (one.stream.gone == "cut") == cut
    assert [one.order("Buy", "0.001", "59000").code, one.get("position/list", **LINEAR).code] == [code, code]
    said = Client(one.exchange, "private").say(auth(one.exchange.now_ms + 1000))
    assert not said[0]["success"]
    trade = Client(one.exchange, "trade").say(auth(one.exchange.now_ms + 1000))
    assert trade[0]["retCode"] == code
    one.exchange.step(3 * NS)
    assert one.order("Buy", "0.001", "59000").code == 0
    one.exchange.inject(parse(f"denied*{code}"))
    one.exchange.heal()
    assert one.order("Buy", "0.001", "59000").code == 0


def test_after_an_outage_the_last_orders_are_in_the_history_only() -> None:
    one = Trader(exchange())
    one.order("Buy", "0.001", "59000", orderLinkId="open")
    one.order("Buy", "0.001", orderLinkId="done")

    def known(path: str, **more: Any) -> list[str]:
        return [row["orderLinkId"] for row in one.get(path, **LINEAR, **more).result["list"]]

    assert known("order/realtime", openOnly=1) == ["done", "open"]
    one.exchange.inject(parse("outage+1s"))
    one.exchange.step(2 * NS)
    assert known("order/realtime", openOnly=1) == ["open"] and known("order/history") == ["done"]


def test_every_fault_of_requests_is_one() -> None:
    assert {name for name, kind in FAULTS.items() if kind.request} == set(ON_REQUESTS)


def test_an_operation_that_does_not_exist() -> None:
    with pytest.raises(ConfigError, match="there is no operation 'craete'") as refused:
        parse("reply_lost:craete")
    assert "Did you mean create?" in str(refused.value)


def test_limits_are_told_and_kept() -> None:
    one = Trader(exchange())
    answers = [one.order("Buy", "0.001", "59000") for _ in range(11)]
    left = [(a.headers["X-Bapi-Limit"], a.headers["X-Bapi-Limit-Status"]) for a in answers]
    assert left == [("10", str(n)) for n in (*range(9, -1, -1), 0)]
    assert [a.code for a in answers] == [0] * 10 + [10006]
    reset = int(answers[-1].headers["X-Bapi-Limit-Reset-Timestamp"])
    assert 0 < reset - one.exchange.now_ms <= 1000
    assert one.post("order/cancel", **LINEAR, orderLinkId="t-1").code == 0  # a count of its own
    one.exchange.step((reset - one.exchange.now_ms + 10) * 1_000_000)
    assert one.order("Buy", "0.001", "59000").code == 0
    order = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001", "price": "59000"}
    assert (
        one.post("order/create-batch", category="linear", request=[order] * 8).headers["X-Bapi-Limit-Status"]
        == "2"
    )
    assert one.post("order/create-batch", category="linear", request=[order] * 8).code == 10006
    free = Trader(exchange(limited=False))
    assert free.order("Buy", "0.001", "59000").headers == {}


def test_orders_over_the_socket() -> None:
    one = Trader(exchange())
    client = Client(one.exchange, "trade")
    now = one.exchange.now_ms
    body = {
        **LINEAR,
        "side": "Buy",
        "orderType": "Limit",
        "qty": "0.001",
        "price": "59000",
        "orderLinkId": "s",
    }

    def said(op: str, args: object, req_id: str = "", stamp: int = now) -> Any:
        head = {"header": {"X-BAPI-TIMESTAMP": str(stamp)}} if op.startswith("order") else {}
        name = {"reqId": req_id} if req_id else {}
        replies = client.say({"op": op, "args": args, **head, **name})
        return replies[0] if replies else None

    assert said("order.create", [body], "1")["retCode"] == 10004
    assert said("auth", ["x", 1, "y"])["retCode"] == 10003
    assert client.say(auth(now + 1000)) == [
        {"retCode": 0, "retMsg": "OK", "op": "auth", "connId": client.session.conn_id}
    ]
    assert client.say(auth(now + 1000))[0]["retCode"] == 20001
    done = said("order.create", [body], "2")
    assert (done["reqId"], done["retCode"], done["data"]["orderLinkId"]) == ("2", 0, "s")
    assert done["header"]["X-Bapi-Limit-Status"] == "9" and done["header"]["Timenow"] == str(now)
    assert said("order.create", [body], "2")["retCode"] == 20006
    assert said("order.create", [body], "3")["retCode"] == 110072
    assert said("order.create", [body], "4", stamp=now - 6000)["retCode"] == 10002
    assert said("order.everything", [body], "5")["retCode"] == 10404
    assert said("order.create", [], "6")["retCode"] == 10001
    assert said("order.amend", [{**LINEAR, "orderLinkId": "s", "qty": "0.002"}])["data"]["orderLinkId"] == "s"
    assert client.say({"op": "ping"})[0]["data"] == [str(now)]
    one.exchange.inject(parse("reply_lost"))
    assert said("order.cancel", [{**LINEAR, "orderLinkId": "s"}]) is None and client.gone == "cut"
    assert one.of("s")["orderStatus"] == "Cancelled" and one.of("s")["qty"] == "0.002"
    assert said("x", {})["retCode"] == 10404
    assert client.say("[")[0]["retCode"] == 10001


def test_money_adds_up_whatever_goes_wrong() -> None:
    one = trader(seed=5)
    for n in range(12):
        fault = ("partial_cancel", "fill_in_cancel", "adl", "reject", "accepted_twice")[n % 5]
        one.exchange.inject(parse(fault))
        bid, ask = one.best()
        link = one.order(
            "Buy" if n % 2 else "Sell", "0.009", one.price(bid if n % 2 else ask), orderLinkId=f"m-{n}"
        )
        assert link.code in (0, 110072)
        one.exchange.step((n + 1) * NS)
        one.post("order/cancel", **LINEAR, orderLinkId=f"m-{n}")
    truth = one.truth()
    fills = truth["executions"]
    signs = {"Buy": 1, "Sell": -1}
    held = sum(signs[row["side"]] * Decimal(row["execQty"]) for row in fills)
    flow = sum(-signs[row["side"]] * Decimal(row["execValue"]) - Decimal(row["execFee"]) for row in fills)
    (position,) = truth["positions"] or [{"side": "Buy", "size": "0", "positionValue": "0"}]
    assert held == signs[position["side"]] * Decimal(position["size"]) and len(fills) > 8
    cost = signs[position["side"]] * Decimal(position["positionValue"])
    assert abs(one.money() - (100_000 + flow + cost)) < Decimal("0.0000001")
    for row in truth["orders"]:
        own = [Decimal(fill["execQty"]) for fill in fills if fill["orderId"] == row["orderId"]]
        assert sum(own) == Decimal(row["cumExecQty"]) <= Decimal(row["qty"])
