"""One trader per account on a machine, wherever it is started; and a start without the account's journal."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_venue import Local, local, session

from btcframe.endpoints import Endpoint
from btcframe.errors import ConfigError, StoreError
from btcframe.venues.ccxt import Ccxt
from btcframe.venues.real.lock import locks_of
from btcframe.venues.real.places import accounts_home, journals_in

pytest.importorskip("ccxt")


@pytest.fixture(scope="module")
def exchange() -> Iterator[Local]:
    with local() as made:
        yield made


def test_the_user_s_own_directory_unless_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert accounts_home() == journals_in("") == tmp_path / "btcframe" / "journals"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert accounts_home() == tmp_path / ".local" / "share" / "btcframe" / "journals"
    monkeypatch.chdir(tmp_path)
    assert journals_in("mine") == tmp_path / "mine"
    assert locks_of(accounts_home() / "a.sqlite") == (accounts_home() / "a.lock",)
    assert locks_of(tmp_path / "a.sqlite") == (accounts_home() / "a.lock", tmp_path / "a.lock")

    def nowhere(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", nowhere)
    with pytest.raises(ConfigError, match="no home directory") as refused:
        accounts_home()
    assert "export XDG_DATA_HOME=DIR" in str(refused.value)


def test_an_account_is_named_by_its_exchange_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEY", "SECRET"):
        monkeypatch.delenv(f"BTCFRAME_BYBIT_LOCAL_{name}", raising=False)
        monkeypatch.setenv(f"BTCFRAME_BYBIT_MAINNET_{name}", "canary")
    files = [Ccxt(port=port).settings(opening=True).file for port in (8765, 8766)]
    assert [file.name.rpartition("-")[0] for file in files] == ["bybit-local8765", "bybit-local8766"]

    elsewhere = Ccxt(endpoint=Endpoint.mainnet, rest="https://elsewhere:444")
    settings = elsewhere.settings(opening=True)
    assert settings.file.name.startswith("bybit-mainnet-") and "canary" not in str(settings.file)


def test_the_second_trader_is_refused_wherever_its_journal_lies(exchange: Local, tmp_path: Path) -> None:
    port = exchange.at.port
    with session(port, tmp_path / "one") as first:
        assert f"journal: {tmp_path / 'one'}" in first.recovered.notes[0]
        for other in (tmp_path / "one", tmp_path / "two"):
            with pytest.raises(StoreError) as refused, session(port, other):
                pass
            assert f"process {os.getpid()}" in str(refused.value) and "one account" in str(refused.value)
    with session(port, tmp_path / "two"):
        pass


def test_a_start_without_the_journal_trades_on_nothing_it_does_not_know(
    exchange: Local, tmp_path: Path
) -> None:
    """An order works, a position is held, and the directory is gone: refused by name; after a flatten it goes on."""
    port, journals = exchange.at.port, tmp_path / "journals"
    with session(port, journals) as s:
        s.comes_to(s.market(1, 20), "FILLED")
        s.comes_to(s.submit(), "ACCEPTED")
        held = exchange.lots
    shutil.rmtree(journals)
    with pytest.raises(ConfigError) as refused, session(port, journals, "a-b-lost"):
        pass
    told = str(refused.value)
    assert (
        "bf0123456789ab-2" in told and "that was lost or lies elsewhere" in told and "session flatten" in told
    )
    assert len(exchange.truth()["open"]) == 1, "what is not known is left alone"
    with session(port, journals, "a-b-flatten", opening=False):
        assert exchange.truth()["open"] == []
    with session(port, journals, "a-b-goeson") as after:
        assert after.recovered.position.lots == exchange.lots == held and after.stops == []
        after.comes_to(after.submit(-1, held, 0, reduce_only=True), "FILLED")
    assert exchange.lots == 0
