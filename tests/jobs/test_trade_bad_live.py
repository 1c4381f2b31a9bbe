"""What a person gets wrong with real orders: each is refused before the first one, and says what to do."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from live_sessions import SETTINGS, catalog
from local_exchange import market
from real_venue import Local

from btcframe.errors import BtcframeError, ModelError
from btcframe.exchange.core import Exchange
from btcframe.exchange.private.account import Holder
from btcframe.exchange.server import served
from btcframe.jobs import trade
from btcframe.jobs import train as train_job
from btcframe.plugins import Catalog
from btcframe.run import Run
from btcframe.sections import Lane, Trade

from jobs.small import make_run  # isort: skip

pytest.importorskip("ccxt")

SECRET = "canary-secret-90d2"
HOLDERS = (
    Holder("good", SECRET, 1),
    Holder("reader", SECRET, 2, read_only=True),
    Holder("hedger", SECRET, 4, hedge=True),
    Holder("unset", SECRET, 5, leverage=Decimal(0)),
)


@pytest.fixture(scope="module")
def found() -> Catalog:
    return catalog()


@pytest.fixture(scope="module")
def exchange() -> Iterator[Local]:
    markets = [market("BTC/USDT:USDT", 1, seconds=3600.0), market("BTC/USD:BTC", 2, seconds=3600.0)]
    exchange = Exchange(markets, start_ns=time.time_ns(), holders=HOLDERS)
    with served(exchange) as at:
        yield Local(at, exchange)


def session(folder: Path, found: Catalog, exchange: Local, **changes: Any) -> Run:
    """A session that would trade at once, but for what is wrong with it."""
    where = {"ws": exchange.at.ws, "rest": exchange.at.http}
    venue: Mapping[str, Any] = {
        "plugin": "ccxt", "endpoint": "local", **where, "journal": str(folder / "journals"), "settle": "300ms",
    }  # fmt: skip
    source = {"plugin": "bybit", "endpoint": "local", **where, "depth": 50, "heartbeat": "50ms"}
    config = {
        "verb": "trade", "policy": {"plugin": "nervous"}, "risk": {}, "clock": {"plugin": "time", "every": "100ms"},
        "trade": vars(Trade(duration="1s")), "lane": vars(Lane()),
        "venue": {**venue, **changes.pop("venue", {})}, "source": {**source, **changes.pop("source", {})},
    }  # fmt: skip
    return make_run(folder, found, **SETTINGS | config | changes)


def refused(run: Run, kind: type[BtcframeError] = BtcframeError) -> str:
    """What is said of a session that must not begin."""
    with pytest.raises(kind) as caught, run.recorded():
        trade.main(run)
    error = caught.value
    assert error.hint or error.next, f"it does not say what to do: {error}"
    assert SECRET not in str(error)
    return str(error)


def orders_of(exchange: Local, key: str) -> int:
    private = exchange.exchange.private
    told: Mapping[str, Any] = exchange.at.call(lambda: private.service.truth(private.account(key)))
    return len(told["orders"])


@pytest.mark.parametrize(
    ("key", "changes", "said", "do"),
    [
        ("reader", {}, "the key may only read", "Make a key that may do just that"),
        ("hedger", {}, "the market is in hedge mode", "Switch the market to one-way mode at the exchange"),
        ("unset", {}, "the leverage is unset", "Set it at the exchange"),
        ("nobody", {}, "10003", "a key belongs to one endpoint"),
        ("good", {"source": {"symbol": "BTC/USDX:USDX"}}, "there is no instrument BTC/USDX:USDX", "BTC/USDT:USDT"),
        ("good", {"source": {"symbol": "BTCUSDT"}}, "'BTCUSDT' is not ccxt's", "linear BTC/USDT:USDT"),
        ("good", {"venue": {"endpoint": "testnet"}}, "the orders would go to testnet", "source.endpoint=testnet"),
        ("good", {"policy": {"plugin": "market", "size": 0.0001}}, "0.0001 is less than a lot", "lots are of 0.001"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)  # fmt: skip
def test_it_is_refused_before_the_first_order(
    key: str, changes: dict[str, Any], said: str, do: str,
    exchange: Local, found: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("BTCFRAME_BYBIT_LOCAL_KEY", key)
    monkeypatch.setenv("BTCFRAME_BYBIT_LOCAL_SECRET", SECRET)
    told = refused(session(tmp_path, found, exchange, **changes))
    assert said in told and do in told
    assert key == "nobody" or orders_of(exchange, key) == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "no BTCFRAME_BYBIT_TESTNET_KEY and no BTCFRAME_BYBIT_TESTNET_SECRET"),
        ({"BTCFRAME_BYBIT_TESTNET_KEY": "k"}, "no BTCFRAME_BYBIT_TESTNET_SECRET"),
        ({"BTCFRAME_BYBIT_TESTNET_SECRET": SECRET}, "no BTCFRAME_BYBIT_TESTNET_KEY"),
    ],
)
def test_keys_that_are_missing(
    given: dict[str, str],
    said: str,
    exchange: Local,
    found: Catalog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("BTCFRAME_BYBIT_TESTNET_KEY", "BTCFRAME_BYBIT_TESTNET_SECRET"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    told = refused(
        session(tmp_path, found, exchange, venue={"endpoint": "testnet"}, source={"endpoint": "testnet"})
    )
    assert said in told and "export BTCFRAME_BYBIT_TESTNET_KEY=…" in told


def test_a_model_of_another_market(
    exchange: Local, found: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BTCFRAME_BYBIT_LOCAL_KEY", raising=False)
    trained = make_run(tmp_path, found, "trained", verb="train")
    with trained.recorded():
        train_job.main(trained)
    run = session(
        tmp_path,
        found,
        exchange,
        trained=str(trained.dir),
        clock={"plugin": "time"},
        source={"symbol": "BTC/USD:BTC"},
    )
    run.config["features"] = trained.config["features"]
    told = refused(run, ModelError)
    assert "trained on BTC/USDT:USDT, the source is of BTC/USD:BTC" in told
