"""Keys: where they come from, what is said where there are none, and that they are in no text."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from btcframe.endpoints import LOCAL_KEY, Endpoint
from btcframe.errors import ConfigError, PluginError
from btcframe.venues.real.keys import Keys, KeySource, keys_of

CANARY = "canary-5f3a9c"


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BTCFRAME_BYBIT_TESTNET_KEY", "the-key ")
    with pytest.raises(ConfigError, match="no BTCFRAME_BYBIT_TESTNET_SECRET"):
        keys_of("bybit", Endpoint.testnet, KeySource.env)
    monkeypatch.setenv("BTCFRAME_BYBIT_TESTNET_SECRET", CANARY)
    keys = keys_of("bybit", Endpoint.testnet, KeySource.env)
    assert (keys.key, keys.secret, keys.where) == ("the-key", CANARY, "the environment")


def test_the_local_exchange_has_a_published_key_and_the_others_have_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for endpoint in Endpoint:
        for end in ("KEY", "SECRET"):
            monkeypatch.delenv(f"BTCFRAME_BYBIT_{endpoint.name.upper()}_{end}", raising=False)
    assert keys_of("bybit", Endpoint.local, KeySource.env).key == LOCAL_KEY
    for endpoint in (Endpoint.mainnet, Endpoint.testnet, Endpoint.demo):
        with pytest.raises(ConfigError) as refused:
            keys_of("bybit", endpoint, KeySource.env)
        assert f"export BTCFRAME_BYBIT_{endpoint.name.upper()}_KEY=" in str(refused.value)


def test_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring")
    kept: dict[tuple[str, str], str] = {}
    monkeypatch.setattr(keyring, "get_password", lambda service, user: kept.get((service, user)))
    with pytest.raises(ConfigError, match="keyring has no key and secret under 'btcframe bybit demo'"):
        keys_of("bybit", Endpoint.demo, KeySource.keyring)
    kept |= {("btcframe bybit demo", "key"): "k", ("btcframe bybit demo", "secret"): CANARY}
    assert keys_of("bybit", Endpoint.demo, KeySource.keyring).where == "the keyring"

    def broken(service: str, user: str) -> str:
        raise keyring.errors.KeyringError(CANARY)

    monkeypatch.setattr(keyring, "get_password", broken)
    with pytest.raises(ConfigError, match="KeyringError") as refused:
        keys_of("bybit", Endpoint.demo, KeySource.keyring)
    assert CANARY not in str(refused.value)


def test_without_the_package_of_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises((PluginError, ConfigError), match="keyring"):
        keys_of("bybit", Endpoint.demo, KeySource.keyring)


def test_they_are_in_no_text() -> None:
    keys: Any = Keys("the-key", CANARY, "a test")
    assert CANARY not in repr(keys) and "the-key" not in repr(keys) and CANARY not in f"{keys}"
    assert keys.scrubbed(f"sign(the-key, {CANARY}) failed") == "sign(***, ***) failed"
    assert len(keys.mark) == 8 and keys.mark != Keys("other", CANARY, "").mark
