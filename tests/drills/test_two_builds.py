"""The real `btcframe build`, twice at the same time on one store: one of them builds, both end well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from database_servers import postgres

from btcframe.api import Store
from btcframe.stores.delta import Delta
from btcframe.stores.timescale import Timescale

COMMAND = (sys.executable, "-m", "btcframe", "build", "source.duration=30m", "build.batch=256")


@pytest.fixture(params=["delta", pytest.param("timescale", marks=pytest.mark.drill)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, list[str]]]:
    """An empty store, and the overrides that name it."""
    if request.param == "delta":
        yield Delta(str(tmp_path / "lake")), [f"store.path={tmp_path / 'lake'}"]
        return
    with postgres() as server:
        store = Timescale("127.0.0.1", server.port, "postgres", "postgres", sslmode="disable")
        yield store, [
            "store=timescale", "store.host=127.0.0.1", f"store.port={server.port}", "store.database=postgres",
            "store.user=postgres", "store.sslmode=disable",
        ]  # fmt: skip


def test_two_builds_at_once(place: tuple[Store, list[str]], tmp_path: Path) -> None:
    store, overrides = place
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    started = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        started.append(
            subprocess.Popen(
                [*COMMAND, *overrides], cwd=tmp_path / name, env=environment, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
        )  # fmt: skip
    for process in started:
        told, _ = process.communicate(timeout=300)
        assert process.returncode == 0, told
    [(build, manifest)] = store.builds().items()
    runs = [
        json.loads(path.read_text())
        for name in ("one", "other")
        for path in (tmp_path / name / "runs").glob("*/manifest.json")
    ]
    assert [run["status"] for run in runs] == ["complete", "complete"]
    assert {run["results"]["build"]["id"] for run in runs} == {build}
    assert sorted(run["results"]["build"]["reused"] for run in runs) == [False, True]
    for table, rows in manifest["tables"].items():
        row_ns = pa.Table.from_batches(store.scan(build, table))["row_ns"].to_pylist()
        assert len(row_ns) == len(set(row_ns)) == rows
