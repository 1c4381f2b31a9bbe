"""What must hold of an account before the first order, and what is said where it does not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from real_venue import INSTRUMENT, QUICK, Local, local, session

from btcframe.endpoints import Endpoint
from btcframe.errors import BtcframeError, ConfigError, DataError
from btcframe.exchange.private.account import Holder
from btcframe.venues.ccxt import Ccxt
from btcframe.venues.real.checks import leverage_check, mode_check, rights_check
from btcframe.venues.real.keys import Keys

pytest.importorskip("ccxt")

KEY, SECRET = "canary-key-77d1", "canary-secret-5f3a9c1e"

HOLDERS = {
    "good": Holder("good", SECRET),
    KEY: Holder(KEY, SECRET),
    "reader": Holder("reader", SECRET, read_only=True),
    "noorders": Holder("noorders", SECRET, rights=("Position",)),
    "hedger": Holder("hedger", SECRET, hedge=True),
    "five": Holder("five", SECRET, leverage=Decimal(5)),
    "poor": Holder("poor", SECRET, balances={"USDT": Decimal(0)}),
}


@pytest.fixture(scope="module")
def exchange() -> Iterator[Local]:
    with local(*HOLDERS.values()) as made:
        yield made


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Any:
    def chosen(key: str, secret: str = SECRET) -> None:
        monkeypatch.setenv("BTCFRAME_BYBIT_LOCAL_KEY", key)
        monkeypatch.setenv("BTCFRAME_BYBIT_LOCAL_SECRET", secret)

    return chosen


@pytest.mark.parametrize(
    ("key", "settings", "message"),
    [
        ("reader", {}, "rights: the key may only read"),
        ("noorders", {}, "the key lacks the right ContractTrade: Order"),
        ("hedger", {}, "mode: the market is in hedge mode"),
        ("five", {"leverage": 10.0}, "the leverage is 5, venue.leverage says 10"),
        ("poor", {}, "money: 0 USDT"),
        ("nobody", {}, "10003"),
    ],
)
def test_an_account_that_is_refused(
    exchange: Local, account: Any, tmp_path: Path, key: str, settings: dict[str, Any], message: str
) -> None:
    account(key)
    with pytest.raises(ConfigError) as refused, session(exchange.at.port, tmp_path, **settings):
        pass
    assert message in str(refused.value) and SECRET not in str(refused.value)
    venue = Ccxt(port=exchange.at.port, journal=str(tmp_path), **{**QUICK, **settings})
    failed = [check for check in venue.checks(INSTRUMENT) if not check.ok]
    assert len(failed) == 1 and failed[0].do and SECRET not in str(failed)


def test_a_wrong_secret_is_said_without_it(exchange: Local, account: Any, tmp_path: Path) -> None:
    account("good", "another-" + SECRET)
    with pytest.raises(ConfigError, match="10004") as refused, session(exchange.at.port, tmp_path):
        pass
    told = _everything(refused.value)
    assert SECRET not in told and "good" not in refused.value.what


def test_key_and_secret_are_in_nothing_that_a_session_leaves(
    exchange: Local, account: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    account(KEY)
    with caplog.at_level("DEBUG"), session(exchange.at.port, tmp_path) as s:
        exchange.inject("reply_lost:create")
        s.comes_to(s.submit(), "ACCEPTED")
        exchange.inject("error_10016_before:cancel", "stream_down+100ms")
        s.gateway.cancel(1, 0)
        s.comes_to(1, "CANCELED")
        said = [repr(s.gateway), *map(str, (s.recovered, s.logged, s.told, s.stops)), caplog.text]
    files = [path.read_bytes().decode(errors="replace") for path in tmp_path.iterdir()]
    assert files
    for text in (*said, *files):
        assert SECRET not in text and KEY not in text


def test_what_is_good_is_good(exchange: Local, account: Any) -> None:
    account("five")
    checks = Ccxt(port=exchange.at.port, leverage=5.0, **QUICK).checks(INSTRUMENT)
    assert [c.name for c in checks] == ["keys", "instrument", "clock", "rights", "mode", "leverage", "money"]
    assert all(c.ok for c in checks) and SECRET not in str(checks)


def test_another_instrument_than_the_sources(exchange: Local, account: Any, tmp_path: Path) -> None:
    account("good")
    venue = Ccxt(port=exchange.at.port, journal=str(tmp_path), **QUICK)
    (failed,) = (c for c in venue.checks(INSTRUMENT._replace(tick=Decimal("0.5"))) if not c.ok)
    assert "tick 0.1 (source: 0.5)" in failed.said
    (failed,) = (c for c in venue.checks(INSTRUMENT._replace(symbol="BTC/USDC:USDC")) if not c.ok)
    assert "no market BTC/USDC:USDC" in failed.said
    (failed,) = (c for c in venue.checks(INSTRUMENT._replace(symbol="BTC/USDT", contract="spot")) if not c.ok)
    assert "trades contracts" in failed.said


def test_an_exchange_that_is_not_there(account: Any, tmp_path: Path) -> None:
    account("good")
    with pytest.raises(DataError, match="does not tell its markets") as refused, session(1, tmp_path):
        pass
    assert "btcframe exchange" in str(refused.value) and SECRET not in _everything(refused.value)
    assert [c.name for c in Ccxt(port=1, **QUICK).checks(INSTRUMENT)] == ["exchange"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"exchange": "bybitt"}, "Did you mean bybit"),
        ({"exchange": "coinbaseexchange", "rest": "http://h", "ws": "ws://h"}, "ccxt"),
        ({"exchange": "okx"}, "there is no local okx"),
        ({"exchange": "kraken", "endpoint": Endpoint.demo}, "no demo of kraken"),
        ({"exchange": "kraken", "endpoint": Endpoint.testnet}, "no testnet of kraken"),
    ],
)
def test_an_exchange_or_endpoint_that_ccxt_does_not_have(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], message: str
) -> None:
    for end in ("KEY", "SECRET"):
        name, endpoint = settings["exchange"], settings.get("endpoint", Endpoint.local)
        monkeypatch.setenv(f"BTCFRAME_{name}_{endpoint.name}_{end}".upper(), SECRET)
    (check,) = Ccxt(**{**QUICK, **settings}).checks(INSTRUMENT)
    assert not check.ok and message in check.said + check.do


def test_a_line_that_failed_is_dialled_again_at_our_pace() -> None:
    """Not after ccxt's half minute: its login is signed before, and good for ten seconds."""
    from btcframe.venues.real.dial import Address, exchange_of

    exchange = exchange_of(Address("bybit", Endpoint.testnet), Keys("k", "s", "a test"), INSTRUMENT)
    url = "wss://somewhere"
    exchange.ws_dial_backoff = {url: {"attempts": 9, "until": exchange.milliseconds() + 30_000}}
    assert exchange.ws_dial_delay(url) == 0


def test_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BTCFRAME_BYBIT_TESTNET_KEY", raising=False)
    (check,) = Ccxt(endpoint=Endpoint.testnet).checks(INSTRUMENT)
    assert (check.name, check.ok) == ("keys", False) and "export BTCFRAME_BYBIT_TESTNET_KEY" in check.do


@pytest.mark.parametrize(
    ("told", "real", "ok", "said"),
    [
        ({"permissions": {"ContractTrade": ["Order", "Position"]}}, True, True, "bound to no address"),
        (
            {"permissions": {"ContractTrade": ["Order", "Position"]}, "ips": ["1.2.3.4"]},
            True,
            True,
            "not withdraw",
        ),
        ({"permissions": {"Derivatives": ["DerivativesTrade"]}}, True, True, "may trade"),
        (
            {"permissions": {"ContractTrade": ["Order", "Position"], "Wallet": ["Withdraw"]}},
            True,
            False,
            "withdraw",
        ),
        (
            {"permissions": {"ContractTrade": ["Order", "Position"], "Wallet": ["Withdraw"]}},
            False,
            True,
            "withdraw",
        ),
        ({"permissions": {}}, False, False, "Order, Position"),
        ({"readOnly": 1, "permissions": {"ContractTrade": ["Order", "Position"]}}, False, False, "only read"),
    ],
)
def test_rights(told: dict[str, Any], real: bool, ok: bool, said: str) -> None:
    check = rights_check(told, real)
    assert check.ok is ok and said in check.said


def test_mode_and_leverage_that_are_not_told() -> None:
    assert mode_check({}).ok and not mode_check({"hedged": True}).ok
    assert leverage_check({}, 0.0).said == "the leverage is unset"
    assert leverage_check({"leverage": 10.0}, 0.0).ok and leverage_check({"leverage": 10.0}, 10.0).ok


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"port": 0}, "port: 0 is not a port"),
        ({"in_flight": 0}, "in_flight: 0 does not lie between 1 and 64"),
        ({"leverage": -1.0}, "leverage: -1.0 is not one"),
        ({"exchange": ""}, "exchange: say which"),
        ({"rest": "api.example"}, "rest: 'api.example' does not begin with http:// or https://"),
        ({"settle": "soon"}, "settle: 'soon' is not a duration"),
        ({"timeout": "0s"}, "timeout: '0s' is not a duration"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Ccxt(**settings)


def test_only_mainnet_is_real() -> None:
    assert [e for e in Endpoint if Ccxt(endpoint=e).real] == [Endpoint.mainnet]


def _everything(error: BtcframeError) -> str:
    """All that a traceback would show of an error, causes and all."""
    import traceback

    with contextlib.redirect_stdout(None):
        return "".join(traceback.format_exception(error))
