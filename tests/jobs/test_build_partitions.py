"""`btcframe build` with the engine: the table, its manifest and its raw rows are those of one pass, and a death leaves none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import archive_days
import pyarrow as pa
import pytest

from btcframe.errors import ConfigError, DataError
from btcframe.jobs import build
from btcframe.learning import partitions
from btcframe.plugins import Catalog, discover
from btcframe.run import Run
from btcframe.settings import check_settings
from btcframe.stores.delta import Delta

from . import small

TWO = {"kind": "local", "address": "", "jobs": 2}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    source = archive_days.archive(tmp_path_factory.mktemp("days"))
    return {"plugin": "bybit_archive", "books": list(source.books), "trades": list(source.trades)}


def make_run(folder: Path, catalog: Catalog, name: str, **changes: Any) -> Run:
    """A build whose labels look back and forth, and whose features have windows, averages and sums since ever."""
    own = folder / name
    own.mkdir()
    rest = {
        "verb": "build",
        "store": {"plugin": "delta", "path": str(own / "lake")},
        "features": {n: {"plugin": n} for n in ("book", "flow", "returns", "toxicity", "volatility")},
        "label": {"plugin": "triple_barrier", "horizons": ["5s", "60s"]},
        "build": {"batch": 100, "rows": True, "partition": "3m"},
    }
    return small.make_run(own, catalog, "run", **(rest | changes))


def stored(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Manifests of the builds in a lake, and the bytes of their tables."""
    store = Delta(str(folder / "lake"))
    tables = {}
    for name, manifest in store.builds().items():
        for table in manifest["tables"]:
            sink = pa.BufferOutputStream()
            whole = pa.Table.from_batches(store.scan(name, table)).combine_chunks()
            with pa.ipc.new_stream(sink, whole.schema) as writer:
                writer.write_table(whole)
            tables[f"{name}/{table}"] = sink.getvalue().to_pybytes()
    return json.loads(json.dumps(store.builds())), tables


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, catalog: Catalog, market: dict[str, Any]) -> Run:
    """One pass."""
    run = make_run(tmp_path_factory.mktemp("whole"), catalog, "one", source=market)
    build.build(run)
    return run


def test_the_table_is_that_of_one_pass(
    tmp_path: Path, catalog: Catalog, market: dict[str, Any], one: Run
) -> None:
    assert "partitions" not in one.manifest["results"]["build"]
    two = make_run(tmp_path, catalog, "two", source=market, engine=TWO)
    build.build(two)
    assert stored(tmp_path / "two") == stored(one.dir.parent)
    assert len(stored(one.dir.parent)[1]) == 2
    assert two.manifest["results"]["build"].pop("partitions") == {"count": 3, "again": []}
    assert two.manifest["results"]["build"] == one.manifest["results"]["build"]
    assert two.console.lines == one.console.lines  # type: ignore[attr-defined]
    assert not [path for path in two.dir.iterdir() if path.name.startswith(".")]


def test_what_was_made_again_is_told(
    tmp_path: Path, catalog: Catalog, market: dict[str, Any], one: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "disagreement", lambda before, entry: "the row")
    monkeypatch.setattr(partitions, "several", lambda where, work, parts: (work(*part) for part in parts))
    two = make_run(tmp_path, catalog, "two", source=market, engine=TWO)
    build.build(two)
    assert stored(tmp_path / "two") == stored(one.dir.parent)
    again = two.manifest["results"]["build"]["partitions"]["again"]
    assert [each["differs"] for each in again] == ["the row"] * 2
    said = [line for line in two.console.lines if "made again" in line]  # type: ignore[attr-defined]
    assert said[0].startswith("The partition from 2026-08-09T21:30:57Z on is made again: the row differs")


def test_a_market_that_is_not_cut(tmp_path: Path, catalog: Catalog, market: dict[str, Any]) -> None:
    for name, changes, why in (
        ("walk", {"source": {"plugin": "random_walk", "duration": "10m"}}, "cannot be entered in its middle"),
        ("days", {"source": market, "build": {"batch": 500, "rows": False}}, "at no place 1d behind its beginning"),
    ):  # fmt: skip
        run = make_run(tmp_path, catalog, name, engine=TWO, **changes)
        build.build(run)
        assert f"The market is built in one pass: it{'s source' * (name == 'walk')}" in run.console.lines[0]  # type: ignore[attr-defined]
        assert why in run.console.lines[0]  # type: ignore[attr-defined]
        assert "partitions" not in run.manifest["results"]["build"]


def test_a_process_that_dies_leaves_no_build(
    tmp_path: Path, catalog: Catalog, market: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path, catalog, "one", source=market, engine=TWO)
    source = archive_days.Killed(run.component("source"), ())
    monkeypatch.setattr(archive_days.Killed, "fingerprint", lambda self: "0" * 64, raising=False)
    monkeypatch.setattr(
        Run, "component", lambda self, name, of=Run.component: source if name == "source" else of(self, name)
    )
    with pytest.raises(DataError, match="ended without a word") as caught:
        build.build(run)
    assert caught.value.where == "engine.jobs"
    assert stored(tmp_path / "one") == ({}, {})
    assert not [path for path in run.dir.iterdir() if path.name.startswith(".")]


def test_a_length_that_is_none(tmp_path: Path, catalog: Catalog) -> None:
    settings = {"batch": 500, "rows": False, "partition": "a day"}
    with pytest.raises(ConfigError, match=r"build\.partition: 'a day' is not a duration"):
        check_settings(make_run(tmp_path, catalog, "one", build=settings).config)
