"""The first order, against the local exchange: every step of its life, and that nothing is left where a step fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.doctor import Finding
from btcframe.doctor import smoke as module
from btcframe.doctor.smoke import smallest, smoke_order
from btcframe.errors import ConfigError, DoctorError
from btcframe.exchange.core import Exchange
from btcframe.exchange.faults import parse
from btcframe.exchange.listed import made
from btcframe.exchange.server import Served, served
from btcframe.plugins import Catalog, discover


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


@pytest.fixture
def at() -> Iterator[Served]:
    listed = made(["BTC/USDT:USDT"], duration="5m", levels=60)
    with served(Exchange(listed, start_ns=time.time_ns(), limited=False)) as exchange:
        yield exchange


def ordered(at: Served, catalog: Catalog, folder: Path, *faults: str) -> list[Finding]:
    for fault in faults:
        at.call(at.exchange.inject, parse(fault))
    return list(smoke_order(config(at, folder), catalog))


def config(at: Served, folder: Path, **venue: Any) -> dict[str, Any]:
    where = {"rest": at.http, "ws": at.ws}
    return {
        "source": {"plugin": "bybit", **where},
        "venue": {"plugin": "ccxt", **where, "journal": str(folder / "journals"), **venue},
        "trade": {"confirm_live": False},
    }


def truth(at: Served) -> dict[str, Any]:
    told: dict[str, Any] = at.call(at.exchange.private.service.truth, at.exchange.private.account())
    return told


def test_an_order_is_placed_seen_asked_for_amended_and_canceled(
    at: Served, catalog: Catalog, tmp_path: Path
) -> None:
    found = ordered(at, catalog, tmp_path)
    assert [finding.level for finding in found] == len(found) * ["ok"]
    told = "\n".join(finding.said for finding in found)
    for step in ("placed: buy", "private stream", "by asking", "amended to", "canceled", "nothing is left"):
        assert step in told
    ((order,), open_orders) = truth(at)["orders"], truth(at)["open"]
    assert not open_orders and not truth(at)["executions"]
    assert order["orderStatus"] == "Cancelled" and order["timeInForce"] == "PostOnly"
    assert order["orderLinkId"].startswith("bf") and float(order["qty"]) * float(order["price"]) >= 5


def test_a_reply_that_is_lost_and_one_that_is_refused_leave_nothing(
    at: Served, catalog: Catalog, tmp_path: Path
) -> None:
    found = ordered(at, catalog, tmp_path, "reply_lost:create")
    assert [finding.level for finding in found] == len(found) * ["ok"]
    found = ordered(at, catalog, tmp_path, "reject")
    assert "fail" in [finding.level for finding in found] and found[-1].level == "ok"
    assert "rejected" in "\n".join(finding.said for finding in found) and "nothing is left" in found[-1].said
    assert not truth(at)["open"] and len(truth(at)["orders"]) == 2


def test_what_is_left_is_said_with_what_to_do(
    at: Served, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nobody(*_: Any) -> None:
        raise module.DoctorError("the line is cut")

    monkeypatch.setattr("btcframe.venues.real.gateway.RealGateway.cancel", lambda *_: None)
    monkeypatch.setattr("btcframe.doctor.beside._Line.cancel", nobody)
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    found = ordered(at, catalog, tmp_path)
    assert found[-1].level == "fail" and "1 orders work (bf" in found[-1].said
    assert "its start cancels what is ours" in found[-1].do and "the cancel is not heard of" in found[-3].said
    monkeypatch.undo()
    found = ordered(at, catalog, tmp_path)  # as it was told to
    assert "nothing is left" in found[-1].said and not truth(at)["open"] and len(truth(at)["orders"]) == 2


@pytest.mark.parametrize(
    ("venue", "said"),
    [
        ({"plugin": "sim"}, "a smoke order needs a venue that sends orders to an exchange; sim sends none"),
        (
            {"plugin": "ccxt", "endpoint": "mainnet"},
            "this is real money, and nobody has said that it is meant",
        ),
    ],
)
def test_it_is_refused_before_anything_is_asked(venue: dict[str, Any], said: str, catalog: Catalog) -> None:
    with pytest.raises(ConfigError) as caught:
        next(smoke_order({"venue": venue, "trade": {"confirm_live": False}}, catalog))
    assert said in str(caught.value) and "testnet" in str(caught.value)


class Least:
    """An exchange that takes so many lots at least."""

    def __init__(self, lots: int) -> None:
        self.lots = lots

    def refusal(self, ticks: int, lots: int) -> str:
        return "too small" if lots < self.lots else ""


@given(st.integers(1, 1 << 39))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_the_smallest_order_is_the_smallest(lots: int) -> None:
    asking: Any = Least(lots)
    assert smallest(asking, 1) == lots


def test_an_exchange_that_takes_nothing_is_said_to() -> None:
    asking: Any = Least(1 << 60)
    with pytest.raises(DoctorError, match="takes no order at that price: too small"):
        smallest(asking, 1)
