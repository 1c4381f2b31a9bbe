"""The main job on a server: every number as with the embedded store, and the password nowhere."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from database_servers import Postgres
from jobs.small import make_run
from stores.every_row import same

from btcframe.errors import StoreError
from btcframe.jobs import run as run_job
from btcframe.plugins import discover
from btcframe.sessions.records import told
from btcframe.sessions.session import TABLES
from btcframe.stores.delta import Delta
from btcframe.stores.records import TABLES as RECORDS
from btcframe.stores.timescale import Timescale
from btcframe.trading.audit import load_tables

OWN = ["run", "directory", "manifest", "started_ns", "finished_ns"]
"""Columns of records that tell one run from another of the same config."""

EMPTY = {"promotions", "funding", "stops"}
"""Records that half an hour of a backtest without a stop leaves without a row."""

CANARY = "canary-9b1f06"


def node(store: Timescale) -> dict[str, Any]:
    return {"plugin": "timescale"} | dataclasses.asdict(store)


def test_a_run_on_a_server_has_the_numbers_of_one_on_the_embedded_store(
    tmp_path: Path, plain: Timescale, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    import pyarrow as pa

    with postgres_server.connect() as connection:
        connection.execute(f"CREATE ROLE trader LOGIN PASSWORD '{CANARY}'")  # type: ignore[arg-type]
        connection.execute("GRANT CREATE ON DATABASE postgres TO trader")
    monkeypatch.setenv("PGPASSWORD", CANARY)
    served = dataclasses.replace(plain, user="trader")
    catalog = discover()
    build = {"batch": 500, "rows": True}
    stores = {"delta": Delta(str(tmp_path / "lake")), "timescale": served}
    runs = {}
    with caplog.at_level(logging.DEBUG):
        for name in stores:
            settings = {} if name == "delta" else {"store": node(served)}
            run = make_run(tmp_path, catalog, name, verb="run", build=build, **settings)
            with run.recorded(), told(run):
                run_job.main(run)
            runs[name] = run
    one, other = runs.values()
    assert one.manifest["config_hash"] == other.manifest["config_hash"]
    assert _numbers(one.manifest["results"]) == _numbers(other.manifest["results"])
    tables = [load_tables(run.dir / TABLES) for run in (one, other)]
    assert {name: t.tobytes() for name, t in tables[0].items()} == {
        name: t.tobytes() for name, t in tables[1].items()
    }
    [(build_id, manifest)] = stores["delta"].builds().items()
    assert stores["timescale"].builds() == {build_id: manifest}
    for table in manifest["tables"]:
        read = [pa.Table.from_batches(store.scan(build_id, table)) for store in stores.values()]
        assert same(*read) and len(read[0]) == manifest["tables"][table]
    for table in RECORDS:
        read = [
            pa.Table.from_batches(store.records(table, runs[name].manifest["id"]), RECORDS[table])
            for name, store in stores.items()
        ]
        one_run = [rows.drop_columns([name for name in OWN if name in rows.column_names]) for rows in read]
        assert same(*one_run) and (len(one_run[0]) or table in EMPTY), table
    # a run that fails says what is wrong, and leaves no password either
    monkeypatch.setenv("PGPASSWORD", f"{CANARY}-wrong")
    failing = make_run(tmp_path, catalog, "failing", verb="run", store=node(served))
    refused = pytest.raises(StoreError, match="password authentication failed")
    with refused, failing.recorded(), told(failing):
        run_job.main(failing)
    said = json.loads((failing.dir / "manifest.json").read_text())
    assert said["status"] == "failed" and "password authentication failed" in said["error"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]
    assert CANARY not in caplog.text + "".join(capfd.readouterr())


def _numbers(results: Any) -> Any:
    """Results without what tells where and how fast: seconds, and files."""
    if isinstance(results, dict):
        return {k: _numbers(v) for k, v in results.items() if "seconds" not in k}
    return results
