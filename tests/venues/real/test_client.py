"""What ccxt is asked to do, by our id and without it, and what is made of its answers: with a ccxt that is none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from scripted_venue import INSTRUMENT, asked

from btcframe.types import NS, OrderReason, TimeInForce
from btcframe.venues.real.client import Client
from btcframe.venues.real.dialects import BYBIT, Dialect
from btcframe.venues.real.keys import Keys
from btcframe.venues.real.limits import Limits
from btcframe.venues.real.line import LineError
from btcframe.venues.real.outcomes import Outcome
from btcframe.venues.real.units import Units

ORDER = {
    "id": "v1", "clientOrderId": "bf0123456789ab-1", "side": "buy", "type": "limit", "price": 60000.0, "amount": 0.01,
    "filled": 0.0, "status": "open", "timestamp": 1, "info": {},
}  # fmt: skip


class Ccxt:
    """Answers as it is told to, and remembers what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.asked, self.options = answers, [], {}
        self.has = {"fetchClosedOrders": True, "fetchPositions": True, "fetchPosition": False}
        self.clients: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def method(*args: Any) -> Any:
            self.asked.append((name, *args))
            answer = self.answers.get(name, [])
            if isinstance(answer, list) and answer and isinstance(answer[0], list):
                answer = answer.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return method


def client(ccxt: Ccxt, dialect: Dialect = BYBIT) -> Client:
    units = Units(INSTRUMENT, dialect, least=Decimal("0.001"), settle="USDT")
    return Client(ccxt, units, Keys("the-key", "the-secret", "a test"), Limits(dialect, 600 * NS))


def test_orders_by_our_id() -> None:
    ccxt = Ccxt(createOrder={}, create_order={"id": "v1"}, fetchOpenOrders=[], fetchClosedOrders=[ORDER])
    line = client(ccxt)

    async def test() -> None:
        order = asked(1)
        assert await line.create(order) == "v1"
        await line.create(order._replace(tif=TimeInForce.POST_ONLY, side=-1, reduce_only=True))
        await line.create(order._replace(ticks=0, tif=TimeInForce.IOC))
        await line.amend(order, "v1", 599_995, 25)
        await line.cancel(order, "v1")
        found = await line.find(order.link, "v1", 10**18)
        assert found is not None and found.venue_id == "v1"

    asyncio.run(test())
    link = {"orderLinkId": "bf0123456789ab-1"}
    mine = {"clientOrderId": "bf0123456789ab-1"}
    assert ccxt.asked == [
        ("create_order", "BTC/USDT:USDT", "limit", "buy", "0.01", "60000", {**mine, "timeInForce": "GTC"}),
        (
            "create_order", "BTC/USDT:USDT", "limit", "sell", "0.01", "60000",
            {**mine, "postOnly": True, "reduceOnly": True},
        ),
        ("create_order", "BTC/USDT:USDT", "market", "buy", "0.01", None, mine),
        ("edit_order", None, "BTC/USDT:USDT", "limit", "buy", "0.025", "59999.5", link),
        ("cancel_order", None, "BTC/USDT:USDT", link),
        ("fetchOpenOrders", "BTC/USDT:USDT", None, None, link),
        ("fetchClosedOrders", "BTC/USDT:USDT", None, None, link),
    ]  # fmt: skip


def test_an_exchange_without_a_table_is_asked_by_its_own_ids() -> None:
    ccxt = Ccxt(fetchOpenOrders=[{**ORDER, "clientOrderId": "other", "id": "v2"}], fetchClosedOrders=[ORDER])
    line = client(ccxt, Dialect())

    async def test() -> None:
        order = asked(1)
        await line.amend(order, "v1", 599_995, 25)
        await line.cancel(order, "v1")
        found = await line.find(order.link, "v1", 10**18)
        assert found is not None and found.venue_id == "v1"
        assert await line.find("bf0123456789ab-9", "", 0) is None

    asyncio.run(test())
    assert ccxt.asked[:4] == [
        ("edit_order", "v1", "BTC/USDT:USDT", "limit", "buy", "0.025", "59999.5", {}),
        ("cancel_order", "v1", "BTC/USDT:USDT", {}),
        ("fetchOpenOrders", "BTC/USDT:USDT", None, None, {}),
        ("fetchClosedOrders", "BTC/USDT:USDT", 10**12 - 60_000, None, {}),
    ]


def test_an_order_of_weeks_ago_is_asked_for_where_it_began() -> None:
    """Of orders that are over an exchange tells the last week, unless it is told from when on."""
    ccxt = Ccxt(fetchClosedOrders=[[], [], []])
    line, link = client(ccxt), {"orderLinkId": "bf0123456789ab-1"}
    week_ms, now_ms = 7 * 86_400_000, time.time_ns() // 1_000_000

    async def test() -> None:
        await line.find(asked(1).link, "v1", (now_ms - 8 * 86_400_000) * 1_000_000)
        assert [call[2] for call in ccxt.asked] == [None, None, now_ms - 8 * 86_400_000 - 60_000]
        assert all(call[-1] == link for call in ccxt.asked)
        ccxt.asked.clear()
        await line.find(asked(1).link, "v1", (now_ms - week_ms + 120_000) * 1_000_000)
        await line.find(asked(1).link, "v1", 0)
        assert [call[2] for call in ccxt.asked] == [None] * 4

    asyncio.run(test())


def test_pages_are_asked_for_until_there_are_no_more() -> None:
    def page(n: int, cursor: str) -> list[dict[str, Any]]:
        return [{**ORDER, "id": f"v{n}", "info": {"nextPageCursor": cursor}}]

    ccxt = Ccxt(fetchOpenOrders=[page(1, "a"), page(2, "b"), page(3, "")])
    orders = asyncio.run(client(ccxt).open_orders())
    assert [order.venue_id for order in orders] == ["v1", "v2", "v3"]
    assert [asked[-1] for asked in ccxt.asked] == [{}, {"cursor": "a"}, {"cursor": "b"}]


def test_what_cannot_be_read_is_unknown_and_without_keys() -> None:
    async def test() -> None:
        with pytest.raises(LineError) as failed:
            await client(Ccxt(fetchOpenOrders=[{**ORDER, "price": "the-secret"}])).open_orders()
        assert failed.value.answer.outcome is Outcome.UNKNOWN
        assert "the-secret" not in str(failed.value) and failed.value.__cause__ is None
        for odd in ({"amount": None}, {"amount": [1]}, {"filled": "NaN"}, {"timestamp": "x"}):
            with pytest.raises(LineError, match="it cannot be read"):
                await client(Ccxt(fetchOpenOrders=[{**ORDER, **odd}])).open_orders()
        with pytest.raises(LineError) as failed:
            await client(Ccxt(create_order=KeyError("the-key"))).create(asked(1))
        assert failed.value.answer.outcome is Outcome.UNKNOWN and "the-key" not in str(failed.value)

    asyncio.run(test())


def test_an_order_over_the_limit_is_not_sent() -> None:
    async def test() -> None:
        ccxt = Ccxt(create_order={"id": "v1"})
        line = client(ccxt)
        for _ in range(10):
            await line.create(asked(1))
        with pytest.raises(LineError) as failed:
            await line.create(asked(1))
        assert failed.value.answer[:2] == (Outcome.LIMITED, OrderReason.RATE)
        assert len(ccxt.asked) == 10 and 0 < line.due_ns("create") <= NS // 5

    asyncio.run(test())


def test_shut_out_is_heard_from_any_answer() -> None:
    ccxt = Ccxt()
    line = client(ccxt)
    ccxt.on_rest_response(403, "", "http://h/v5/order/create", "POST", {}, " too frequent ")  # type: ignore[unused-coroutine]
    assert line.due_ns("create") > 590 * NS
