"""What a session leaves, and what the next one makes of it: at the local exchange, by kills that are no farewell."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import sys
import time
import urllib.request
import warnings
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from real_venue import INSTRUMENT, QUICK, Local, local, session

from btcframe.endpoints import LOCAL_KEY, LOCAL_SECRET
from btcframe.errors import ConfigError, DataError, StoreError
from btcframe.exchange.faults import parse
from btcframe.exchange.private.account import Holder
from btcframe.types import TimeInForce
from btcframe.venues.ccxt import Ccxt
from btcframe.venues.real import gateway, recovery
from btcframe.venues.real.journal import journal_of
from btcframe.venues.real.records import Asked

pytest.importorskip("ccxt")

LATER = "a-b-ba9876543210"


@pytest.fixture(scope="module")
def exchange() -> Iterator[Local]:
    with local() as made:
        yield made


def by_hand(exchange: Local, **order: Any) -> dict[str, Any]:
    """An order that is not sent by us, in the exchange's own words."""
    body = {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Limit",
        "qty": "0.001",
        "price": "59000",
    }
    return _post(exchange, "/v5/order/create", {**body, **order})


def _post(exchange: Local, path: str, body: dict[str, Any]) -> dict[str, Any]:
    data, stamp = json.dumps(body), str(time.time_ns() // 1_000_000)
    text = f"{stamp}{LOCAL_KEY}5000{data}"
    headers = {
        "X-BAPI-API-KEY": LOCAL_KEY, "X-BAPI-TIMESTAMP": stamp, "X-BAPI-RECV-WINDOW": "5000",
        "X-BAPI-SIGN": hmac.new(LOCAL_SECRET.encode(), text.encode(), hashlib.sha256).hexdigest(),
        "Content-Type": "application/json",
    }  # fmt: skip
    request = urllib.request.Request(f"http://127.0.0.1:{exchange.at.port}{path}", data.encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        told: dict[str, Any] = json.load(reply)
    assert told["retCode"] == 0, told
    return told


def test_the_next_session_cancels_what_works_and_takes_in_what_was_missed(
    exchange: Local, tmp_path: Path
) -> None:
    with session(exchange.at.port, tmp_path, settle="20s") as s:
        rests, filled = s.submit(), s.submit()
        s.comes_to(filled, "ACCEPTED")
        s.comes_to(rests, "ACCEPTED")
        exchange.inject("stream_down+10s")
        exchange.inject("fill_in_cancel")
        _post(
            exchange,
            "/v5/order/cancel",
            {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": f"bf0123456789ab-{filled}"},
        )
        assert s.filled == {}
    exchange.at.call(exchange.exchange.heal)
    with session(exchange.at.port, tmp_path, LATER) as s:
        assert exchange.truth()["open"] == []
        recovered = s.recovered
        assert recovered.fills["order_id"].tolist() == [filled] and recovered.fills["lots"].tolist() == [10]
        assert recovered.position.lots == exchange.lots == 10
        assert recovered.position.average_price == pytest.approx(59_000, rel=0.05)
        equity = recovered.cash + 0.01 * recovered.position.average_price
        assert equity == pytest.approx(float(exchange.truth()["wallet"]["USDT"]))
        assert any(
            f"bf0123456789ab-{rests} still worked, and was canceled" in note for note in recovered.notes
        )
        assert s.stops == [] and s.states == {}
        s.comes_to(s.submit(-1, 10, 0, tif=TimeInForce.IOC, reduce_only=True), "FILLED")
        assert s.gateway.reconcile().lots == 0


def test_what_a_person_does_is_left_alone_and_stops_the_trader(exchange: Local, tmp_path: Path) -> None:
    by_hand(exchange, orderLinkId="by-hand")
    with session(exchange.at.port, tmp_path) as s:
        assert any("somebody else work" in note for note in s.recovered.notes)
        assert len(exchange.truth()["open"]) == 1
        by_hand(exchange, orderType="Market", qty="0.002")
        s.until(lambda: any(code == "reconcile" for code, _ in s.stops))
        assert "an order of somebody else" in s.stops[0][1]
    with session(exchange.at.port, tmp_path, LATER) as s:  # and the next one starts from what is there
        assert s.recovered.position.lots == 2 and s.stops == []
    by_hand(exchange, orderType="Market", side="Sell", qty="0.002")
    _post(exchange, "/v5/order/cancel-all", {"category": "linear", "symbol": "BTCUSDT"})


def test_orders_of_another_btcframe(exchange: Local, tmp_path: Path) -> None:
    by_hand(exchange, orderLinkId="bffedcba987654-3")
    with pytest.raises(ConfigError, match="bffedcba987654-3") as refused, session(exchange.at.port, tmp_path):
        pass
    assert "btcframe session flatten" in str(refused.value)
    with session(exchange.at.port, tmp_path, opening=False):
        assert exchange.truth()["open"] == []


def test_shut_out_for_a_while(exchange: Local, tmp_path: Path) -> None:
    with session(exchange.at.port, tmp_path, "a-b-00shutout", penalty="1s", patience="200ms") as s:
        rests = s.submit()
        s.comes_to(rests, "ACCEPTED")
        exchange.inject("ban+500ms")
        refused = s.submit()
        s.gateway.cancel(rests, 0)  # it is asked for again when we are let in
        s.comes_to(refused, "REJECTED")
        assert s.last(refused) == ("REJECTED", "RATE")
        s.comes_to(rests, "CANCELED")
        s.comes_to(s.submit(), "ACCEPTED")
        s.gateway.cancel(3, 0)
        s.comes_to(3, "CANCELED")
        assert s.stops == []


def test_a_clock_that_is_three_seconds_off(exchange: Local, tmp_path: Path) -> None:
    for skew in (3000, -3000):
        exchange.inject(f"skew*{skew}")
        with session(exchange.at.port, tmp_path, f"a-b-clock{skew % 7}") as s:
            s.comes_to(s.market(1, 3), "FILLED")
            s.comes_to(s.market(-1, 3), "FILLED")
            assert s.stops == [] and s.gateway.counters()["limited"] == 0
        exchange.at.call(exchange.exchange.heal)


def test_a_clock_that_is_minutes_off_is_refused_but_for_a_flatten(exchange: Local, tmp_path: Path) -> None:
    exchange.inject("skew*-300000")
    with (
        pytest.raises(DataError, match=r"our clock is \+\d{6} ms off the exchange's"),
        session(exchange.at.port, tmp_path),
    ):
        pass
    with session(exchange.at.port, tmp_path, opening=False) as s:
        assert s.gateway.reconcile().lots == 0
    exchange.at.call(exchange.exchange.heal)


def test_an_exchange_that_goes_away_at_the_start_is_not_waited_for_in_silence(
    exchange: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with session(exchange.at.port, tmp_path, "a-b-away00000001") as s:
        s.comes_to(s.submit(), "ACCEPTED")
    monkeypatch.setattr(gateway, "SETTLED_S", 0.3)
    asked = recovery._ended

    async def away(office: Any, order: Any) -> str:
        exchange.exchange.inject(parse("outage+60s"))
        return await asked(office, order)

    monkeypatch.setattr(recovery, "_ended", away)
    with (
        pytest.raises(DataError, match="what became of an earlier session's orders") as refused,
        session(exchange.at.port, tmp_path, "a-b-away00000002"),
    ):
        pass
    assert "bfaway00000001-1" in str(refused.value)
    exchange.at.call(exchange.exchange.heal)
    monkeypatch.undo()
    with session(exchange.at.port, tmp_path, "a-b-away00000003"):
        assert exchange.truth()["open"] == []


def test_orders_on_another_market_are_settled_first(tmp_path: Path) -> None:
    with journal_of(tmp_path / "account.sqlite", "BTC/USD:BTC") as journal:
        journal.asked("earlier", Asked("bf0123456789ab-1", 1, 1, 600_000, 1, TimeInForce.GTC, False, 7))
        journal.commit()
        assert journal.elsewhere() == {}
    with journal_of(tmp_path / "account.sqlite", "BTC/USDT:USDT") as journal:
        assert journal.elsewhere() == {"BTC/USD:BTC": ["bf0123456789ab-1"]}
        with pytest.raises(ConfigError, match="1 orders on BTC/USD:BTC are not settled: bf0123456789ab-1"):
            recovery._elsewhere(journal, opening=True)
        assert recovery._elsewhere(journal, opening=False) != []


def test_an_inverse_contract(tmp_path: Path) -> None:
    """Sizes in dollars, money in coins."""
    symbol = "BTC/USD:BTC"
    holder = Holder(LOCAL_KEY, LOCAL_SECRET, balances={"BTC": Decimal(2)})
    with local(holder, symbol=symbol) as exchange:
        with session(exchange.at.port, tmp_path, symbol=symbol) as s:
            assert s.recovered.cash == 2.0
            s.comes_to(s.submit(1, 1000, 0, TimeInForce.IOC), "FILLED")
            s.comes_to(s.submit(ticks=110_000, lots=500), "ACCEPTED")
            assert s.gateway.reconcile().lots == 1000
        with session(exchange.at.port, tmp_path, LATER, symbol=symbol) as s:
            truth = exchange.truth()
            position, wallet = s.recovered.position, float(truth["wallet"]["BTC"])
            assert truth["open"] == [] and position.lots == 1000 and s.stops == []
            assert s.recovered.cash == pytest.approx(wallet + 1000 / position.average_price)


def test_a_second_trader_is_refused(exchange: Local, tmp_path: Path) -> None:
    with (
        session(exchange.at.port, tmp_path),
        pytest.raises(StoreError, match=f"process {os.getpid()}"),
        session(exchange.at.port, tmp_path, LATER),
    ):
        pass


def killed_at(step: str, exchange: Local, journal: Path, name: str) -> int:
    """How a process ends that sends an order and cancels it, and is told to die at a step. It is forked: ccxt is loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child has one thread, and makes its own
        pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    os.environ["BTCFRAME_KILL_AT"] = step
    with session(exchange.at.port, journal, name) as s:
        n = s.market() if step.startswith("execution") else s.submit()
        s.until(lambda: bool(s.last(n)[0]))
        s.gateway.cancel(n, 0)
        s.until(lambda: False)
    os._exit(1)


@pytest.mark.parametrize(
    "step", ["submit.journaled", "submit.replied", "cancel.journaled", "execution.heard"]
)
def test_a_kill_at_a_step_of_an_orders_life(exchange: Local, tmp_path: Path, step: str) -> None:
    before, orders = exchange.lots, len(exchange.truth()["orders"])
    status = killed_at(step, exchange, tmp_path, "a-b-" + step.replace(".", ""))
    assert os.WTERMSIG(status) == signal.SIGKILL
    with session(exchange.at.port, tmp_path, LATER) as s:
        truth = exchange.truth()
        assert truth["open"] == [] and s.recovered.position.lots == exchange.lots
        assert len(truth["orders"]) - orders == (step != "submit.journaled")
        assert s.recovered.fills["lots"].sum() == exchange.lots - before
        assert s.stops == []


def test_constructed_without_ccxt_and_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    assert Ccxt(**QUICK).real is False
    with pytest.raises(ConfigError, match="only btcframe trade does that"):
        Ccxt().open(INSTRUMENT, seed=0)
