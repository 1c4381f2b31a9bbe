"""What the doctor finds of an installation and a machine: each finding brought about, and nothing else said."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from spool.spooled import records

from btcframe.doctor import Finding, Level, checks_for_trading, examined, failed
from btcframe.doctor import account as of_account
from btcframe.doctor.caches import cache_of, caches, folders
from btcframe.doctor.examination import places
from btcframe.doctor.journals import journals
from btcframe.doctor.left import sessions
from btcframe.doctor.machine import Clock, clock, disks, kernel_clock
from btcframe.doctor.software import packages, plugins, python
from btcframe.doctor.storage import spool, store
from btcframe.errors import DoctorError, StoreError
from btcframe.hookspecs import hookimpl
from btcframe.plugins import Catalog, discover
from btcframe.sections import Spool
from btcframe.spool import keep
from btcframe.types import OrderReason, OrderState, TimeInForce
from btcframe.venues.real.journal import journal_of
from btcframe.venues.real.lock import account_lock
from btcframe.venues.real.records import Asked, Stand
from btcframe.watch.processes import this_process
from btcframe.watch.status import write_status
from btcframe.watch.switch import ask

GB = 10**9


class Away:
    """A store that is not there, and one that no test of ours has seen."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def status(self) -> Any:
        raise self.error

    init = migrate = verify = compact = roles = status


class Strange:
    """Components of a plugin that fails in its own way."""

    def __init__(self, made: Any) -> None:
        self.made = made

    def build(self, slot: str, node: Any) -> Any:
        return self.made


def levels(findings: Any) -> list[str]:
    return [f"{finding.name} {finding.level}" for finding in findings]


# --------------------------------------------------------------------------------------------------------- software


@pytest.mark.parametrize(("version", "level"), [("3.11.2", "ok"), ("3.10.9", "fail"), ("3.14.0", "fail")])
def test_the_python_that_it_is_made_for(version: str, level: str) -> None:
    (found,) = python(">=3.11,<3.14", version)
    assert found.level == level and version in found.said and bool(found.do) == (level == "fail")


def test_packages_that_are_missing_or_of_another_version_are_named_with_what_to_type() -> None:
    asked_for = {
        "btcframe": [
            "numpy>=2.0", "hydra-core<1.5,>=1.3.8", "absent>=1", 'ray>=2.40; extra == "ray"',
            'aiohttp<4,>=3.10; extra == "live"', 'pytest>=99; extra == "test"', 'gone>=1; python_version < "3"',
        ],
        "btcframe-models": ['lightgbm>=4; extra == "lightgbm"'],
    }  # fmt: skip
    there = {"numpy": "2.4.6", "hydra-core": "1.2.0", "aiohttp": "4.1", "pytest": "8"}
    found = list(packages(asked_for, there.get))
    wrong = {finding.said: finding.do for finding in failed(found)}
    assert wrong == {
        "hydra-core is 1.2.0; btcframe asks for <1.5,>=1.3.8": "pip install 'hydra-core<1.5,>=1.3.8'",
        "absent is not installed; btcframe asks for >=1": "pip install 'absent>=1'",
        "aiohttp is 4.1; btcframe asks for <4,>=3.10": "pip install 'aiohttp<4,>=3.10'",
    }
    assert found[-1].said == "extras that are there: live; that are not: ray"
    assert found[-1].do == "pip install 'btcframe[ray]'"


def test_a_broken_plugin_is_named(catalog: Catalog) -> None:
    broken = SimpleNamespace(__name__="acme", btcframe_components=hookimpl(lambda: 1 / 0))
    (found,) = plugins(discover([("acme", broken)]))
    assert found.level == "warn" and "acme is broken" in found.said and "ZeroDivisionError" in found.said
    assert levels(plugins(catalog)) == ["plugins ok"]


# ------------------------------------------------------------------------------------------------- caches and machine


def source(folder: Path) -> Path:
    folder.mkdir()
    (folder / "book.py").write_text("import x\n\n\n@kernel\ndef apply(a):\n    return a\n")
    (folder / "__pycache__").mkdir()
    return folder


def test_compiled_kernels_of_what_has_moved_or_gone_are_told_from_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    folder = source(tmp_path / "kernels")
    tag = f"py{sys.version_info.major}{sys.version_info.minor}"
    kept = [f"book.apply-4.{tag}.nbi", f"book.apply-4.{tag}.1.nbc"]
    left = [f"book.apply-9.{tag}.nbi", f"gone.apply-4.{tag}.nbi", "book.apply-4.py27.nbi", f"odd.{tag}.nbc"]
    for name in kept + left:
        (folder / "__pycache__" / name).write_bytes(b"12345")
    found = cache_of(folder)
    assert found.writable and found.folder == folder / "__pycache__"
    assert (found.files, found.bytes) == (6, 30) and [path.name for path in found.stale] == sorted(left)


def test_the_folder_that_numba_itself_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core.caching import _CacheLocator

    folder = source(tmp_path / "kernels")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    named = _CacheLocator.get_suitable_cache_subpath(str(folder / "book.py"))
    assert cache_of(folder).folder == tmp_path / "cache" / named


def test_kernels_that_cannot_be_kept_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btcframe.doctor.caches._writable", lambda folder: False)
    found = list(caches(["btcframe"]))
    assert found[0].level == "warn" and "NUMBA_CACHE_DIR" in found[0].do
    assert {"kernels", "hht", "matching"} <= {folder.name for folder in folders("btcframe")}
    assert levels(caches([])) == ["kernels skipped"]


@pytest.mark.parametrize(
    ("said", "level"),
    [
        (Clock(True, 900), "ok"),
        (Clock(True, 900_000), "warn"),
        (Clock(False, 900), "warn"),
        (None, "skipped"),
    ],
)
def test_the_machines_clock(said: Clock | None, level: str) -> None:
    def read() -> Clock:
        if said is None:
            raise OSError("this system does not tell")
        return said

    (found,) = clock(read)
    assert found.level == level and ("NTP" in found.do) == (level == "warn")


def test_the_kernel_tells_of_its_clock() -> None:
    assert kernel_clock().most_us >= 0


class Room(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(("free", "level"), [(20 * GB, "ok"), (5 * GB, "warn"), (GB // 2, "fail")])
def test_room_on_the_disk_counts_once_for_places_that_share_it(tmp_path: Path, free: int, level: str) -> None:
    where = {"spool.path": tmp_path / "a" / "b", "store.path": tmp_path}
    (found,) = disks(where, lambda path: Room(100 * GB, 100 * GB - free, free))
    assert found.level == level and "spool.path, store.path" in found.said


def test_a_place_that_cannot_be_written_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (found,) = disks({"store.path": tmp_path / "file" / "lake"})
    assert (
        found.level == "fail" and "store.path cannot be written" in found.said and "store.path=…" in found.do
    )


# ------------------------------------------------------------------------------------------------------------ storage


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def config(folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "source": {"plugin": "synthetic"},
        "store": {"plugin": "delta", "path": str(folder / "lake")},
        "spool": vars(Spool(path=str(folder / "spool"))),
        "venue": {"plugin": "sim"},
    } | changes


def test_a_store_that_is_not_made_yet_is_well(tmp_path: Path, catalog: Catalog) -> None:
    (found,) = store(config(tmp_path), catalog)
    assert found.level == "ok" and "nothing is made yet" in found.said and str(tmp_path) in found.said


def test_a_store_that_is_away_or_of_another_version(tmp_path: Path) -> None:
    away: Any = Strange(Away(StoreError("no route to host", next="look")))
    assert list(store(config(tmp_path), away)) == [
        Finding("store", Level.FAIL, "delta: no route to host", "look")
    ]
    older = SimpleNamespace(facts={}, revision="0001", head="0003", builds=())
    old: Any = Strange(Away(StoreError("")))
    old.made.status = lambda: older
    (found,) = store(config(tmp_path), old)
    assert found.level == "fail" and "btcframe db migrate" in found.do and "0001" in found.said
    silent: Any = Strange(object())
    assert levels(store(config(tmp_path), silent)) == ["store skipped"]


def test_what_waits_in_the_spool(tmp_path: Path, catalog: Catalog) -> None:
    settings = config(tmp_path)
    assert levels(spool(settings)) == ["spool ok"]
    keep(settings["spool"], catalog.build("store", settings["store"]), [records(0, 2)])
    (found,) = spool(settings)
    assert found.level == "warn" and found.said.startswith("2 rows wait") and "db drain" in found.do


# ------------------------------------------------------------------------------------------ sessions, keys and venue


def session(folder: Path, name: str, *, alive: bool, status: str = "running") -> Path:
    directory = folder / "runs" / name
    directory.mkdir(parents=True)
    process = this_process()._asdict() | ({} if alive else {"started": 1})
    now = {"started_ns": 1, "written_ns": 1, "written_mono_ns": time.monotonic_ns()}
    write_status(directory, {"process": process, "status": status, "signals": None, **now})
    return directory


def test_sessions_that_died_or_are_halted_are_named_with_what_to_do(tmp_path: Path) -> None:
    assert levels(sessions(tmp_path)) == ["sessions ok"]
    session(tmp_path, "ended", alive=False, status="ended")
    assert levels(sessions(tmp_path)) == ["sessions ok"]
    died = session(tmp_path, "died", alive=False)
    ask(died, "halt", "the market is mad")
    found = {finding.said.split(str(died))[1][:12]: finding for finding in sessions(tmp_path)}
    assert [finding.level for finding in found.values()] == ["warn", "warn"]
    assert any(f"warm_start={died}" in f.do for f in found.values())
    assert any("the market is mad" in f.said and "session resume" in f.do for f in found.values())


def test_a_session_that_runs_is_told_of(tmp_path: Path) -> None:
    session(tmp_path, "alive", alive=True)
    (found,) = sessions(tmp_path)
    assert found.level == "ok" and "alive runs" in found.said


def test_journals_say_who_trades_and_what_is_not_over(tmp_path: Path) -> None:
    where = {"venue": {"plugin": "ccxt", "journal": str(tmp_path / "journals")}}
    assert levels(journals({"venue": {"plugin": "sim"}})) == ["journals skipped"]
    assert levels(journals(where)) == ["journals ok"]
    file = tmp_path / "journals" / "bybit-local-1a2b3c4d.sqlite"
    asked = Asked("bf1-1", 1, 1, 600_000, 3, TimeInForce.GTC, False, 1)
    with account_lock(file.with_suffix(".lock"), "one"), journal_of(file, "BTC/USDT:USDT") as journal:
        journal.asked("one", asked)
        assert journal.commit()
        (held,) = journals(where)
        assert held.level == "ok" and f"traded by process {os.getpid()}" in held.said
    (left,) = journals(where)
    assert left.level == "warn" and "1 of its orders" in left.said and "warm_start" in left.do
    with journal_of(file, "BTC/USDT:USDT") as journal:
        over = Stand("bf1-1", "v", 1, 600_000, 3, 0, OrderState.CANCELED, OrderReason.VENUE, 2)
        journal.stands(2, over, complete=True)
        assert journal.commit()
    assert "all its orders are over" in next(journals(where)).said
    file.write_bytes(b"no database at all, and long enough to be told from one" * 20)
    (damaged,) = journals(where)
    assert damaged.level == "fail" and "cannot be read" in damaged.said


def test_keys_are_named_and_never_told() -> None:
    secret = "canary-51f0c2"
    environment = {
        "BTCFRAME_BYBIT_TESTNET_KEY": secret, "BTCFRAME_BYBIT_TESTNET_SECRET": secret,
        "BTCFRAME_BYBIT_MAINNET_SECRET": secret, "BTCFRAME_BYBIT_DEMO_KEY": " ", "OTHER_KEY": secret,
    }  # fmt: skip
    mainnet, testnet = of_account.keys(environment)
    assert testnet.level == "ok" and "bybit testnet: key and secret" in testnet.said
    assert (
        mainnet.level == "warn"
        and "not its key" in mainnet.said
        and "BTCFRAME_BYBIT_MAINNET_KEY" in mainnet.do
    )
    assert secret not in f"{mainnet}{testnet}"
    assert levels(of_account.keys({})) == ["keys ok"]


class Checks(NamedTuple):
    name: str
    ok: bool
    said: str
    do: str


def test_what_a_venue_says_of_itself(tmp_path: Path, catalog: Catalog) -> None:
    class Real:
        def checks(self, instrument: Any) -> Any:
            yield Checks("keys", True, "they are taken", "")
            yield Checks("leverage", False, f"it is not set for {instrument.symbol}", "set it")

    class Both:
        def build(self, slot: str, node: Any) -> Any:
            return Real() if slot == "venue" else catalog.build(slot, {"plugin": "random_walk"})

    both: Any = Both()
    first, second = of_account.venue(config(tmp_path), both)
    assert first == Finding("venue", Level.OK, "keys: they are taken", "")
    assert second.level == "fail" and "BTC/USDT:USDT" in second.said and second.do == "set it"
    assert levels(of_account.venue(config(tmp_path), catalog)) == ["venue skipped"]


# -------------------------------------------------------------------------------------------------- all of it together


def test_the_condition_for_trading_names_everything_that_fails(tmp_path: Path, catalog: Catalog) -> None:
    (tmp_path / "file").touch()
    node = {"plugin": "bybit", "endpoint": "local", "port": 1}
    settings = config(
        tmp_path, source=node, store={"plugin": "delta", "path": str(tmp_path / "file" / "lake")}
    )
    with pytest.raises(DoctorError) as caught:
        checks_for_trading(settings, catalog, tmp_path)
    told = str(caught.value)
    assert "disk: store.path cannot be written" in told and "exchange: the exchange cannot be reached" in told
    assert "store.path=…" in told and "btcframe doctor" in told and caught.value.exit_code == 10


def test_where_nothing_fails_the_findings_are_given(tmp_path: Path, catalog: Catalog) -> None:
    if shutil.disk_usage(tmp_path).free < GB:
        pytest.skip("there is no room on this disk")
    found = checks_for_trading(config(tmp_path), catalog, tmp_path)
    assert {"python", "packages", "disk", "store", "spool", "sessions"} <= {finding.name for finding in found}
    assert not failed(found) and json.dumps([finding._asdict() for finding in found])


def test_a_strangers_component_that_fails_is_one_finding(tmp_path: Path, catalog: Catalog) -> None:
    class Bad:
        def __getattr__(self, name: str) -> Any:
            return getattr(catalog, name)

        def build(self, slot: str, node: Any) -> Any:
            return Away(sqlite3.OperationalError("locked")) if slot == "store" else catalog.build(slot, node)

    bad: Any = Bad()
    found = [finding for finding in examined(config(tmp_path), bad, tmp_path) if finding.level == "fail"]
    assert [finding.name for finding in found] == ["store"]
    assert "OperationalError: locked" in found[0].said and "test_doctor.py, line" in found[0].do


def test_places_are_those_on_a_disk(tmp_path: Path) -> None:
    settings = config(tmp_path, venue={"plugin": "ccxt", "journal": "journals"})
    assert set(places(settings, tmp_path)) == {"hydra.run.dir", "spool.path", "store.path", "venue.journal"}
    assert "store.path" not in places(config(tmp_path, store={"path": "s3://bucket/lake"}), tmp_path)
