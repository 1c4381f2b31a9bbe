"""`btcframe trade` end to end on the local exchange: what it leaves, what it survives, and that a replay repeats it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from live_sessions import MOODS, SETTINGS, Flaky, Place, busy, catalog, down, once, place

from btcframe.api import TraderState
from btcframe.control import SHED
from btcframe.errors import DataError, SessionError
from btcframe.jobs import replay as replay_job
from btcframe.jobs import train as train_job
from btcframe.learning.stored_rows import TABLE as ROWS
from btcframe.learning.stored_rows import to_rows
from btcframe.plugins import Catalog
from btcframe.run import Run, load_manifest
from btcframe.session_log import CommandItem, FrameItem, SessionLog, files
from btcframe.session_log.reader import part_paths
from btcframe.sessions.session import ACCOUNT, SESSION, TABLES
from btcframe.spool import drain
from btcframe.stores.records import TABLES as RECORDS
from btcframe.trading.audit import COMPARED, load_tables
from btcframe.types import RowFlag

from jobs.small import make_run  # isort: skip


@pytest.fixture(scope="module")
def found() -> Catalog:
    return catalog()


@pytest.fixture
def here(tmp_path: Path, found: Catalog) -> Iterator[Place]:
    with place(tmp_path, found) as at:
        yield at


@pytest.fixture(autouse=True)
def calm() -> Iterator[None]:
    yield
    Flaky.HAPPENS.clear()
    for mood in [mood for mood in MOODS if mood != "calm"]:
        del MOODS[mood]


def told(run: Run) -> dict[str, Any]:
    results: dict[str, Any] = load_manifest(run.dir)["results"]["trade"]
    return results


def replayed(run: Run, name: str = "again") -> int:
    """Replay a session; how many intents it had. Raises where anything differs."""
    again = make_run(
        run.dir.parent, run.catalog, f"{run.dir.name}-{name}", verb="replay", session=str(run.dir)
    )
    return replay_job.main(again).intents


def rows_of(run: Run) -> Any:
    """The raw rows in the store."""
    store, build = run.component("store"), told(run)["rows"]
    return np.concatenate([to_rows(batch) for batch in store.scan(build, ROWS)])


def records_of(run: Run, table: str) -> pa.Table:
    return pa.Table.from_batches(run.component("store").records(table, run.manifest["id"]), RECORDS[table])


def everything_arrived(run: Run) -> None:
    """All rows and records are in the store, once, and the session replays."""
    tables, rows = load_tables(run.dir / TABLES), rows_of(run)
    for name, table in tables.items():
        assert len(records_of(run, name)) == len(table), name
    assert (np.diff(rows["row_ns"]) == 100_000_000).all()
    assert rows["row_ns"].tolist() == tables["equity"]["row_ns"][:-1].tolist()
    [row] = records_of(run, "runs").to_pylist()
    assert (row["status"], row["verb"], row["symbol"]) == ("complete", "trade", "BTC/USDT:USDT")
    assert replayed(run) == len(tables["intents"])


def commands(run: Run) -> list[str]:
    return [item.name for item in SessionLog(run.dir / SESSION) if isinstance(item, CommandItem)]


def streams(run: Run) -> list[str]:
    return [item.stream for item in SessionLog(run.dir / SESSION) if isinstance(item, FrameItem)]


# -------------------------------------------------------------------------------------------------- end to end


def test_a_session_leaves_everything_and_replays(here: Place) -> None:
    run = here.session(2.5, **SETTINGS)
    results, said = told(run), here.said(run)
    assert results["stopped"] == "duration" and results["fills"] > 2
    assert results["counters"]["lane"]["held_bytes"] == 0 and results["counters"]["shed"]["shed"] == 0
    assert set(results["latency"]) >= {"decode", "book", "row", "signal", "total"}
    everything_arrived(run)
    assert "No model (trained=runs/…): nothing is predicted" in said
    assert "Over after 0:00:0" in said and f"as build {results['rows']}" in said
    assert "fills" in run.console.shown or "fill" in run.console.shown  # type: ignore[attr-defined]
    status = json.loads((run.dir / "status.json").read_text())
    assert status["status"] == "ended" and status["counters"]["lane"]["held_bytes"] == 0
    what_a_session_that_died_left_replays(run)


def what_a_session_that_died_left_replays(run: Run) -> None:
    """A session's directory as it is when the process is killed: tables behind the log, and that without its end."""
    manifest = run.dir / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"status": "running"}))
    tables = load_tables(run.dir / TABLES)
    kept = len(tables["intents"]) - 1
    for name in COMPARED:
        path = run.dir / TABLES / f"{name}.npy"
        np.save(path, tables[name][: max(0, len(tables[name]) - 2) if name != "intents" else kept].copy())
    [log] = part_paths(run.dir / SESSION)
    log.write_bytes(log.read_bytes()[:-20])
    assert replayed(run, "died") == kept
    status = run.dir / "status.json"
    status.write_text(json.dumps(json.loads(status.read_text()) | {"status": "running"}))
    with pytest.raises(SessionError, match=r"still runs\n.*ended\.\nHow it stands: btcframe session status"):
        replayed(run, "runs")
    with pytest.raises(DataError, match="go on from it: btcframe trade warm_start="):
        load_manifest(run.dir)


def test_with_a_model_it_predicts_and_goes_on_from_where_it_was(here: Place, tmp_path: Path) -> None:
    settings = SETTINGS | {
        "clock": {"plugin": "time", "every": "100ms"},
        "source": {"plugin": "synthetic", "duration": "5m"},
        "validation": {"folds": 2, "embargo": "10s", "min_train": 200, "expanding": True},
    }
    trained = make_run(tmp_path, here.catalog, "trained", verb="train", **settings)
    with trained.recorded():
        train_job.main(trained)
    first = here.session(2.0, trained=str(trained.dir), **SETTINGS)
    tables = load_tables(first.dir / TABLES)
    model = sorted((trained.dir / "models").iterdir())[-1]
    assert (
        len(tables["predictions"]) == 2 * len(rows_of(first)) and (tables["predictions"]["model"] == 1).all()
    )
    assert told(first)["models"] == [json.loads((model / "manifest.json").read_text())["digest"]]
    assert records_of(first, "promotions")["digest"].to_pylist() == told(first)["models"]
    everything_arrived(first)
    account = json.loads((first.dir / ACCOUNT).read_text())

    second = here.session(2.0, trained=str(trained.dir), warm_start=str(first.dir), **SETTINGS)
    assert load_manifest(second.dir)["results"]["warm_start"]["way"] == "saved state"
    assert commands(second)[:2] == ["warm_start", "restore"]
    begun = load_tables(second.dir / TABLES)
    assert begun["equity"]["cash"][0] == pytest.approx(_cash(account))
    assert begun["orders"]["order_id"].min() == account["orders"] + 1
    lots = account["ledger"]["position_lots"]
    assert (f"{lots:+,} lots held" if lots else "nothing held") in here.said(second)
    everything_arrived(second)


def _cash(account: dict[str, Any]) -> float:
    ledger = account["ledger"]
    return float(ledger["start_cash"] + ledger["flow"] * 0.1 * 0.001 - ledger["fees"] - ledger["funding"])


def test_a_session_on_a_recording_is_the_same_every_time(here: Place) -> None:
    recorded = here.session(2.0, **SETTINGS)
    source = {"plugin": "session_log", "path": str(recorded.dir)}
    runs = [here.session(60.0, instead=source, **SETTINGS) for _ in range(2)]
    assert [told(run)["stopped"] for run in runs] == ["end", "end"]
    assert told(runs[0])["fingerprint"] == told(runs[1])["fingerprint"] == told(recorded)["fingerprint"]
    everything_arrived(runs[0])


def test_it_is_halted_from_outside_and_a_restart_begins_so(here: Place) -> None:
    first = here.session(
        3.0, lambda run, at: (run.dir / "halt.json").touch() if at > 1.0 else None, **SETTINGS
    )
    results = told(first)
    assert results["state"] == "halted" and "halt" in commands(first)
    assert load_tables(first.dir / TABLES)["equity"]["state"][-1] == TraderState.HALTED
    assert "The trader is halted" in here.said(first)
    everything_arrived(first)
    second = here.session(1.5, warm_start=str(first.dir), **SETTINGS)
    assert told(second)["orders"] == 0 and told(second)["state"] == "halted"
    assert "It begins stopped, as it was: halt: asked by" in here.said(second)
    replayed(second)


def test_a_halt_that_stood_before_it_began(here: Place) -> None:
    before = here.folder / "before"
    before.mkdir()
    (before / "halt.json").touch()
    run = here.session(1.0, warm_start=str(before), **SETTINGS)
    results, [stop] = told(run), load_tables(run.dir / TABLES)["stops"]
    assert results["orders"] == 0 and commands(run)[0] == "halt"
    assert stop["ns"] == results["first_ns"]
    replayed(run)


# ------------------------------------------------------------------------------------------------------ faults


def test_a_store_that_is_away_and_comes_back(here: Place) -> None:
    Flaky.HAPPENS.append(down)
    store = {"plugin": "flaky", "path": str(here.folder / "lake")}
    run = here.session(3.0, once(1.5, Flaky.HAPPENS.clear), store=store, **SETTINGS)
    assert told(run)["counters"]["spool"]["lost"] == 0
    everything_arrived(run)


def test_a_store_that_stays_away(here: Place) -> None:
    Flaky.HAPPENS.append(down)
    store = {"plugin": "flaky", "path": str(here.folder / "lake")}
    run = here.session(1.5, store=store, **SETTINGS)
    assert "not all are in the store: the store is away" in here.said(run)
    Flaky.HAPPENS.clear()
    drained = drain(run.config["spool"], run.component("store"))
    assert drained.left == drained.apart == 0
    tables = load_tables(run.dir / TABLES)
    assert all(len(records_of(run, name)) == len(table) for name, table in tables.items())
    batches = run.component("store").scan(told(run)["rows"], ROWS, whole=False)
    assert sum(len(batch) for batch in batches) == len(tables["equity"]) - 1
    assert len(records_of(run, "runs")) == 1


def full_disk(monkeypatch: pytest.MonkeyPatch, since: float, until: float) -> tuple[Any, list[int]]:
    """What makes the disk of the log full for a while, as `then` of a session; and the writes that met it."""
    real, met, full = os.pwrite, list[int](), list[bool]()

    def pwrite(file: int, data: Any, at: int) -> int:
        if full:
            met.append(at)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, data, at)

    def meddle(run: Run, at: float) -> None:
        full[:] = [True] if since < at < until else []

    monkeypatch.setattr(files.os, "pwrite", pwrite)
    return meddle, met


def test_a_disk_that_is_full_for_a_while(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    meddle, met = full_disk(monkeypatch, 0.5, 1.5)
    run = here.session(3.0, meddle, **SETTINGS)
    assert met and told(run)["counters"]["lane"]["failures"] == 0
    assert told(run)["counters"]["shed"]["shed"] == 0
    everything_arrived(run)


def test_a_disk_that_is_full_until_the_memory_is(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is consumed that the log cannot take, so nothing that was acted upon is lost; then it goes on."""
    meddle, met = full_disk(monkeypatch, 0.5, 3.0)
    small = {"lane": {"latest": "50ms", "memory": 80_000}, "state": {"every": "0s", "fresh": "10m"}}
    run = here.session(5.0, meddle, **small, **SETTINGS)
    lane, shed, rows = *(told(run)["counters"][part] for part in ("lane", "shed")), rows_of(run)
    assert met and shed["shed"] > 5 and shed["shut"] == 0 and SHED in streams(run)
    assert lane["most_bytes"] < 100_000 and lane["held_bytes"] == 0
    assert np.isnan(rows["mid"]).any() and not np.isnan(rows["mid"][-3:]).any()
    everything_arrived(run)


def test_a_receiver_that_is_slower_than_the_market(here: Place) -> None:
    """What has waited too long is left out before it is consumed, said in the log, and the book is whole again after."""
    slow = once(1.0, lambda: here.market_passes(5.0))
    run = here.session(4.0, slow, trade={"duration": "4s", "lag": "400ms"}, **SETTINGS)
    shed, rows = told(run)["counters"]["shed"], rows_of(run)
    assert shed["shed"] > 5 and shed["shut"] == 0
    assert streams(run).count(SHED) >= 1
    assert rows["flags"][np.isnan(rows["mid"])].tolist().count(int(RowFlag.GAP)) >= 1
    assert not np.isnan(rows["mid"][-5:]).any()
    assert "Left out under overload" in here.said(run)
    everything_arrived(run)


def test_a_writer_that_dies(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.pwrite, []

    def pwrite(file: int, data: Any, at: int) -> int:
        calls.append(at)
        if len(calls) in (3, 5):
            raise ZeroDivisionError("a bug in the writer")
        return real(file, data, at)

    monkeypatch.setattr(files.os, "pwrite", pwrite)
    run = here.session(3.0, **SETTINGS)
    assert told(run)["counters"]["lane"]["restarts"] == 2
    assert "its thread was restarted 2 times" in here.said(run)
    everything_arrived(run)


def test_a_feature_that_raises_is_switched_off_and_nothing_more_is_opened(here: Place) -> None:
    def moody(row: int) -> None:
        if row == 12:
            raise ValueError("it has had enough")

    MOODS["sour"] = moody
    features = {"book": {"plugin": "book"}, "moody": {"plugin": "moody", "mood": "sour"}}
    run = here.session(2.5, features=features)
    results = told(run)
    assert list(results["contained"]) == ["features.moody"] and results["state"] == "reducing"
    assert "it has had enough" in results["contained"]["features.moody"]
    assert "Switched off: features.moody" in here.said(run)
    intents = load_tables(run.dir / TABLES)["intents"]
    assert (np.char.startswith(intents["veto"][-2:], b"reducing")).all() or len(intents) < 3
    everything_arrived(run)


def test_a_feature_that_stalls_is_switched_off_in_the_same_place_in_a_replay(here: Place) -> None:
    MOODS["slow"] = lambda row: busy(0.05) if 10 <= row < 20 else None
    features = {"book": {"plugin": "book"}, "moody": {"plugin": "moody", "mood": "slow"}}
    run = here.session(3.0, features=features, trade={"duration": "3s", "stall": "30ms"})
    results = told(run)
    assert results["contained"]["features.moody"].startswith("it stalled: ")
    assert commands(run).count("contain") == 1 and results["state"] == "reducing"
    MOODS["slow"] = lambda row: None  # the replay is told, and need not feel it
    everything_arrived(run)


def test_a_restart_in_the_middle_of_a_gap(here: Place) -> None:
    first = here.session(2.0, once(1.4, lambda: here.inject("outage+10s")), **SETTINGS)
    assert np.isnan(rows_of(first)["mid"][-1]), "it ended within the gap"
    here.until_up()
    second = here.session(2.0, warm_start=str(first.dir), **SETTINGS)
    assert load_manifest(second.dir)["results"]["warm_start"]["way"] == "saved state"
    rows = rows_of(second)
    assert rows["flags"][0] & int(RowFlag.GAP | RowFlag.PARTIAL) and not np.isnan(rows["mid"][-1])
    assert rows["row_ns"][0] > rows_of(first)["row_ns"][-1]
    everything_arrived(second)


# --------------------------------------------------------------------------------------------------- bad input
