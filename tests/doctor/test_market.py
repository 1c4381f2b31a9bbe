"""What the doctor finds of an exchange: there, away, with another clock, without the symbol."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from btcframe.doctor.market import MOST_MS, Trip, asked, market, offset
from btcframe.exchange.core import Exchange
from btcframe.exchange.faults import parse
from btcframe.exchange.listed import made
from btcframe.exchange.server import Served, served
from btcframe.plugins import Catalog, discover

MS = 1_000_000


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def levels(findings: Any) -> list[str]:
    return [f"{finding.name} {finding.level}" for finding in findings]


@pytest.fixture(scope="module")
def exchange() -> Iterator[Served]:
    listed = made(["BTC/USDT:USDT"], duration="1m", levels=30)
    with served(Exchange(listed, start_ns=time.time_ns(), limited=False)) as at:
        yield at


def bybit(at: Served, **changes: Any) -> dict[str, Any]:
    node = {"plugin": "bybit", "rest": at.http, "ws": at.ws, "symbol": "BTC/USDT:USDT"}
    return {"source": node | changes}


def test_an_exchange_that_answers(exchange: Served, catalog: Catalog) -> None:
    found = list(market(bybit(exchange), catalog))
    assert levels(found) == ["exchange ok", "clock ok", "exchange ok"]
    assert "price in steps of 0.1" in found[0].said and "/v5/public/linear answers" in found[2].said


def test_a_clock_that_is_off_shows(exchange: Served, catalog: Catalog) -> None:
    exchange.call(exchange.exchange.inject, parse("skew*3000"))
    try:
        found = {f.said: f for f in market(bybit(exchange), catalog) if f.name == "clock"}
    finally:
        exchange.call(exchange.exchange.heal)
    ((said, finding),) = found.items()
    assert finding.level == "fail" and "behind" in said and "NTP" in finding.do


@pytest.mark.parametrize(
    ("off_ms", "took_ms", "level"),
    [(0, 40, "ok"), (-150, 40, "warn"), (150, 400, "ok"), (-900, 40, "fail"), (MOST_MS + 10, 2000, "ok")],
)
def test_a_clock_is_blamed_for_what_is_certain(off_ms: float, took_ms: int, level: str) -> None:
    slower = Trip(10_000 * MS, 5_000 * MS)  # of which nothing can be told
    found = offset([slower, Trip(took_ms * MS, int(off_ms * MS))])
    assert found.level == level and ("behind" in found.said) == (off_ms <= 0)


def test_an_exchange_whose_clock_is_silent() -> None:
    assert asked("http://127.0.0.1:1") == [] and offset([]).level == "warn"


def test_an_exchange_that_is_not_there_takes_no_time(catalog: Catalog) -> None:
    node = {"plugin": "bybit", "endpoint": "local", "port": 1}
    found = list(market({"source": node}, catalog))
    assert levels(found) == ["exchange fail", "clock skipped"] and "cannot be reached" in found[0].said
    assert "btcframe exchange" in found[0].do


def test_a_socket_that_does_not_open(exchange: Served, catalog: Catalog) -> None:
    found = list(market(bybit(exchange, ws="ws://127.0.0.1:1"), catalog))
    assert levels(found) == ["exchange ok", "clock ok", "exchange fail"] and "does not open" in found[2].said


def test_a_symbol_that_is_not_listed_and_a_source_that_asks_nobody(
    exchange: Served, catalog: Catalog
) -> None:
    (found, _) = market(bybit(exchange, symbol="BTC/USDC:USDC"), catalog)
    assert found.level == "fail" and "there is no instrument BTC/USDC:USDC" in found.said
    assert levels(market({"source": {"plugin": "random_walk"}}, catalog)) == ["exchange skipped"]
