"""What a run leaves in its store, beside what it left in its directory."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from jobs.small import make_run

from btcframe import jobs
from btcframe.api import Store
from btcframe.errors import DataError, StoreError
from btcframe.jobs import backtest
from btcframe.plugins import Catalog, discover
from btcframe.run import Run, load_manifest, new_id
from btcframe.session_log import SessionWriter
from btcframe.sessions import records
from btcframe.sessions.session import SESSION, header
from btcframe.spool import drain
from btcframe.stores.records import TABLES
from btcframe.trading.audit import EQUITY, FILL, INTENT, ORDER, Audit, load_tables
from btcframe.trading.audit import TABLES as AUDITED
from btcframe.types import Instrument, StateArray

SIDES = {1: "buy", -1: "sell", 0: None}
TIFS = {1: "gtc", 2: "ioc", 3: "fok", 4: "post_only"}
ACTIONS = {1: "submit", 2: "amend", 3: "cancel"}
STATES = dict(
    enumerate(
        (
            "submitted",
            "accepted",
            "partially_filled",
            "filled",
            "pending_cancel",
            "canceled",
            "rejected",
            "denied",
            "expired",
        ),
        1,
    )
)


REASONS = {0: None, 1: "asked", 2: "post_only", 3: "reduce_only", 4: "unfilled", 5: "fok", 6: "beyond_book"}
DOING = {0: "active", 1: "reducing", 2: "halted"}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def finished(folder: Path, catalog: Catalog, name: str, **changes: Any) -> Run:
    """A run that ended, as the command line would have run it."""
    run = make_run(folder, catalog, name, **changes)
    with run.recorded():
        jobs.start(run)
    return run


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, catalog: Catalog) -> Run:
    """A run of the main job; some of its intents are vetoed."""
    risk = {"sure": {"plugin": "confidence", "cost_bps": 0.5}}
    return finished(tmp_path_factory.mktemp("home"), catalog, "ended", verb="run", risk=risk)


def in_store(run: Run, table: str) -> pa.Table:
    store: Store = run.component("store")
    return pa.Table.from_batches(store.records(table, run.manifest["id"]), TABLES[table])


def number(steps: int, step: Decimal) -> float:
    """A price or size from its decimal digits."""
    return float(steps * step)


def expected(name: str, table: StateArray, instrument: Instrument) -> list[dict[str, Any]]:
    """The records of a table, value by value."""
    out = []
    for n, row in enumerate(
        {f: value.item() for f, value in zip(table.dtype.names or (), r, strict=True)} for r in table
    ):
        told = {"n": n, "symbol": instrument.symbol} | {
            k: v for k, v in row.items() if not k.startswith("pad")
        }
        for lots, size in (
            ("lots", "size"),
            ("sent_lots", "sent"),
            ("filled_lots", "filled"),
            ("position_lots", "position"),
        ):
            if lots in row:
                told[size] = number(row[lots], instrument.lot)
        if "ticks" in row:
            told["price"] = number(row["ticks"], instrument.tick) if row["ticks"] else None
        for code, names in (("side", SIDES), ("tif", TIFS), ("action", ACTIONS), ("state", STATES)):
            if code in row and (code != "state" or name == "orders"):
                told[code] = names[row[code]]
        for flag in ("reduce_only", "maker"):
            if flag in row:
                told[flag] = row[flag] == 1
        if "reason" in row:
            told["reason"] = row["reason"].decode()
            for side in ("bid", "ask"):
                ticks = row[f"{side}_ticks"]
                told[side] = number(ticks, instrument.tick) if ticks else None
        for text in ("veto", "cut", "digest", "build", "name", "code", "why"):
            if isinstance(row.get(text), bytes):
                told[text] = row[text].decode() or None
        if "model" in row:
            told["model"] = None if row["model"] == -1 else row["model"]
        if name == "orders":
            told["venue_ns"] = row["venue_ns"] or None
            told["why"] = REASONS[row["why"]]
        if name == "equity":
            told["regime"] = None if row["regime"] == -1 else row["regime"]
            told["trader_state"] = DOING[row["state"]]
        if name == "stops":
            told["state"] = DOING[row["state"]]
        out.append(told)
    return out


def same(found: pa.Table, wanted: list[dict[str, Any]]) -> bool:
    """Whether the values are the same, and of the same type; NaN equals NaN, and not null."""
    rows = found.to_pylist()
    return [{k: repr(v) for k, v in r.items() if k != "run"} for r in rows] == [
        {k: repr(w[k]) for k in found.column_names if k != "run"} for w in wanted
    ]


def test_the_store_has_what_the_tables_have(ended: Run) -> None:
    instrument = ended.component("source").open(seed=7).instrument
    tables = load_tables(ended.dir / "tables")
    for name in AUDITED:
        found = in_store(ended, name)
        assert same(found, expected(name, tables[name], instrument)), name
        assert set(found["run"].to_pylist()) <= {ended.manifest["id"]}
    assert {name for name in AUDITED if len(tables[name])} >= {
        "intents",
        "orders",
        "fills",
        "equity",
        "predictions",
        "promotions",
    }
    vetoes = in_store(ended, "intents")["veto"].to_pylist()
    assert vetoes.count("confidence") > 5


def test_the_store_has_the_reports_numbers(ended: Run) -> None:
    told = load_manifest(ended.dir)["results"]["backtest"]
    fills, equity = in_store(ended, "fills"), in_store(ended, "equity")
    assert len(fills) == told["fills"] > 20
    assert sum(fills["fee"].to_pylist()) == pytest.approx(told["fees"], rel=1e-12)
    assert equity["equity"][-1].as_py() - 50_000 == told["net"]
    assert equity["fees"][-1].as_py() == pytest.approx(told["fees"], rel=1e-12)


def test_the_run_and_its_models(ended: Run) -> None:
    manifest = load_manifest(ended.dir)
    [row] = in_store(ended, "runs").to_pylist()
    assert row["run"] == manifest["id"] and row["verb"] == "run" and row["status"] == "complete"
    assert row["build"] == manifest["results"]["build"]["id"] and row["symbol"] == "BTC/USDT:USDT"
    assert row["verdict"] == manifest["results"]["report"]["verdict"]["answer"]
    assert Path(row["directory"]) == ended.dir.resolve() and row["error"] is None
    assert row["seed"] == 7 and row["config_hash"] == manifest["config_hash"]
    assert row["finished_ns"] >= row["started_ns"] > 1.7e18
    kept = json.loads(row["manifest"])
    assert kept["results"] == manifest["results"] and kept["status"] == "complete"
    assert manifest["records"] == {
        "store": "delta",
        "rows": {name: len(in_store(ended, name)) for name in TABLES if len(in_store(ended, name))},
    }
    models = in_store(ended, "models").to_pylist()
    assert [m["digest"] for m in models] == manifest["results"]["backtest"]["models"]
    for before, model in zip([None, *models], models, strict=False):
        assert (
            model["train_from_ns"] < model["train_until_ns"] <= model["test_from_ns"] < model["test_until_ns"]
        )
        assert model["plugin"] == "ridge" and (Path(model["directory"]) / "manifest.json").is_file()
        assert before is None or before["test_until_ns"] <= model["test_from_ns"]
    assert {m for m in in_store(ended, "intents")["model"].to_pylist() if m is not None} <= {
        m["n"] for m in models
    }


def test_a_backtest_names_the_models_and_the_build_of_the_run_it_trades(ended: Run, catalog: Catalog) -> None:
    traded = finished(ended.dir.parent, catalog, "traded", trained=str(ended.dir))
    assert in_store(traded, "models").drop(["run"]).equals(in_store(ended, "models").drop(["run"]))
    [row] = in_store(traded, "runs").to_pylist()
    assert row["build"] == ended.manifest["results"]["build"]["id"] and row["verb"] == "backtest"
    assert row["symbol"] == "BTC/USDT:USDT"


def test_verbs_that_do_not_trade(ended: Run, catalog: Catalog) -> None:
    home = ended.dir.parent
    train = finished(home, catalog, "train", verb="train")
    assert train.manifest["records"]["rows"] == {"models": 3, "runs": 1}
    build = finished(home, catalog, "build", verb="build")
    assert build.manifest["records"]["rows"] == {"runs": 1}
    replay = finished(home, catalog, "replay", verb="replay", session=str(ended.dir))
    assert "records" not in replay.manifest and len(in_store(replay, "runs")) == 0


def test_recorded_again_it_is_there_once(ended: Run) -> None:
    store: Store = ended.component("store")
    before = {name: in_store(ended, name) for name in TABLES}
    for table, part in records.records_of(ended):
        store.record(ended.manifest["id"], table, part)
    assert all(same(in_store(ended, name), before[name].to_pylist()) for name in TABLES)


def test_a_failure_is_told_and_the_first_error_is_the_one_that_counts(
    tmp_path: Path, catalog: Catalog
) -> None:
    failing = make_run(tmp_path, catalog, "failing", verb="train", validation={
        "folds": 3, "embargo": "10s", "min_train": 100_000, "expanding": True,
    })  # fmt: skip
    with pytest.raises(Exception, match="rows") as caught, failing.recorded():
        jobs.start(failing)
    [row] = in_store(failing, "runs").to_pylist()
    assert row["status"] == "failed" and row["error"] == str(caught.value)
    assert row["verdict"] is None and json.loads(row["manifest"])["error"] == str(caught.value)
    assert len(in_store(failing, "models")) == 0
    for number, (raised, status) in enumerate(
        ((KeyboardInterrupt(), "interrupted"), (ZeroDivisionError(), "failed"))
    ):
        run = make_run(tmp_path, catalog, f"run{number}", verb="build")
        with pytest.raises(type(raised)), run.recorded(), records.told(run):
            raise raised
        [row] = in_store(run, "runs").to_pylist()
        assert (row["status"], row["error"]) == (status, type(raised).__name__)
        assert json.loads((run.dir / "manifest.json").read_text())["status"] == status
    shutil.rmtree(tmp_path / "lake")
    (tmp_path / "lake").write_text("in the way")
    run = make_run(tmp_path, catalog, "last", verb="build")
    with pytest.raises(DataError, match="the first"), run.recorded(), records.told(run):
        raise DataError("the first")
    assert not (tmp_path / "spool").exists()


def test_a_store_that_is_down_does_not_fail_the_run(tmp_path: Path, catalog: Catalog) -> None:
    run = make_run(tmp_path, catalog, "run")
    down = tmp_path / "lake"
    with run.recorded(), records.told(run):
        backtest.main(run)
        down.rename(tmp_path / "away")  # the directory of the store is gone, and a file is in its place
        down.write_text("in the way")
    manifest = load_manifest(run.dir)
    assert manifest["records"]["store"] == "delta" and "cannot be" in manifest["records"]["error"]
    said = "\n".join(run.console.lines)  # type: ignore[attr-defined]
    assert "The store was not told of this run" in said and "btcframe db drain" in said
    assert Path(manifest["records"]["spool"]).is_relative_to(tmp_path / "spool")
    down.unlink()
    (tmp_path / "away").rename(down)
    drained = drain(run.config["spool"], run.component("store"))
    assert drained.left == drained.apart == 0
    wanted: dict[str, list[dict[str, Any]]] = {}
    for table, part in records.session_records(run.dir):
        wanted.setdefault(table, []).extend(part.to_pylist())
    assert set(wanted) >= {"intents", "orders", "fills", "equity", "predictions", "promotions"}
    assert all(same(in_store(run, table), rows) for table, rows in wanted.items())
    assert len(in_store(run, "runs")) == 1 and len(in_store(run, "models")) == 3


def test_neither_store_nor_spool(tmp_path: Path, catalog: Catalog) -> None:
    for name in ("lake", "spool"):
        (tmp_path / name).write_text("in the way")
    run = make_run(tmp_path, catalog, "run", verb="build")
    with run.recorded(), records.told(run):
        pass
    manifest = load_manifest(run.dir)
    assert {"store", "error", "spool_error"} == manifest["records"].keys()
    assert "The run's own directory has all of it." in run.console.lines[-1]  # type: ignore[attr-defined]


class Breaking:
    """A store that goes away after a number of calls."""

    def __init__(self, store: Any, calls: int) -> None:
        self.store, self.calls = store, calls

    def record(self, run: str, table: str, rows: pa.Table) -> None:
        if self.calls == 0:
            raise StoreError("gone")
        self.calls -= 1
        self.store.record(run, table, rows)


def test_a_crash_between_any_two_pieces_and_again(
    ended: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "PIECE", 100)
    parts = list(records.records_of(ended))
    assert len(parts) > 20
    whole = {name: in_store(ended, name).to_pylist() for name in TABLES if name != "runs"}
    other = type(ended.component("store"))(str(tmp_path / "lake"))
    for calls in (0, 1, 4, 9, 10**9):
        breaking = Breaking(other, calls)
        try:
            for table, part in parts:
                breaking.record("again", table, part)
        except StoreError:
            assert list(other.records("runs", "again")) == []  # nothing says that it is whole
    for name, rows in whole.items():
        assert same(pa.Table.from_batches(other.records(name, "again"), TABLES[name]), rows)


def session(folder: Path, instrument: Instrument, **tables: list[tuple[Any, ...]]) -> Path:
    """A run's directory with a session in it."""
    folder.mkdir()
    with SessionWriter(folder / SESSION, header(instrument)):
        pass
    audit = Audit(folder / "tables")
    dtypes = {"intents": INTENT, "orders": ORDER, "fills": FILL, "equity": EQUITY}
    for name, rows in tables.items():
        rest = np.zeros(1, dtypes[name])[0].item()  # of fields that a test has nothing to say of
        getattr(audit, name).extend(np.array([row + rest[len(row) :] for row in rows], dtypes[name]))
    audit.flush()
    return folder


@pytest.mark.parametrize("contract", ["linear", "inverse"])
def test_what_there_is_none_of_and_what_was_not_known(tmp_path: Path, contract: str) -> None:
    instrument = Instrument("BTC/USD:BTC", Decimal("0.5"), Decimal("100"), contract)
    nan = float("nan")
    big = 2**52 + 1
    intents = [
        (5, 4, 1, 0, 3, 3, 1, 1, 2, 0, -1, b"signal", b""),  # at the market, without a model
        (6, 4, 1, 0, 0, 0, 3, 0, 1, 1, 2, "größer".encode(), b"not_working"),
        (7, 4, 2, 3, 7, 0, 2, -1, 4, 0, 0, "ü".encode()[:1], b"a\0b"),  # cut within a letter
    ]
    orders = [(1, 5, 0, 4, big, 3, 0, 1, 1, 2, 0, -1), (1, 6, 5, 4, 7, 3, 1, 3, 1, 2, 1, 4)]
    fills = [(1, 6, 5, 7, 3, -0.25, -1, 1, 0, 0)]
    equity = [(4, nan, 0, 10.0, 10.0, 0.0), (5, 3.5, -3, 0.1, 0.2, 0.3)]
    folder = session(tmp_path / "run", instrument, intents=intents, orders=orders, fills=fills, equity=equity)
    found = dict(records.session_records(folder))
    assert found["intents"]["price"].to_pylist() == [None, None, 1.5]
    assert found["intents"]["size"].to_pylist() == [300.0, 0.0, 700.0]  # of an inverse contract, contracts
    assert found["intents"]["model"].to_pylist() == [None, 2, 0]
    assert found["intents"]["side"].to_pylist() == ["buy", None, "sell"]
    assert found["intents"]["action"].to_pylist() == ["submit", "cancel", "amend"]
    assert found["intents"]["reason"].to_pylist() == ["signal", "größer", "\N{REPLACEMENT CHARACTER}"]
    assert found["intents"]["veto"].to_pylist() == [None, "not_working", "a\\0b"]
    assert found["orders"]["venue_ns"].to_pylist() == [None, 5]
    assert found["orders"]["ticks"].to_pylist() == [big, 7]
    assert found["orders"]["price"].to_pylist() == [big / 2, 3.5]
    assert found["fills"].select(["price", "size", "fee", "maker"]).to_pylist() == [
        {"price": 3.5, "size": 300.0, "fee": -0.25, "maker": True}
    ]
    mid = found["equity"]["mid"]
    assert mid.null_count == 0 and np.isnan(mid[0].as_py()) and mid[1].as_py() == 3.5
    assert found["equity"]["position"].to_pylist() == [0.0, -300.0]


def test_a_session_without_a_trade_has_no_rows(tmp_path: Path) -> None:
    folder = session(tmp_path / "run", Instrument("A/B", Decimal(1), Decimal(1)))
    assert list(records.session_records(folder)) == []
    (folder / SESSION).unlink()
    with pytest.raises(DataError, match="no session log"):
        list(records.session_records(folder))


def test_memory_does_not_grow_with_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "PIECE", 5_000)
    rows = np.zeros(300_000, EQUITY)
    rows["row_ns"] = np.arange(len(rows))
    folder = session(tmp_path / "run", Instrument("A/B", Decimal(1), Decimal(1)), equity=rows.tolist())
    before, most, n = pa.total_allocated_bytes(), 0, 0
    for _, part in records.session_records(folder):
        most = max(most, pa.total_allocated_bytes() - before)
        assert part["n"][0].as_py() == n
        n += len(part)
    assert n == len(rows)
    assert most < 4 * 5_000 * 100  # two pieces of nine columns, not sixty


def test_no_two_runs_have_one_id() -> None:
    ids = [new_id("train") for _ in range(1000)]
    assert len(set(ids)) == 1000 and all("-train-" in name for name in ids)
    assert sorted(ids, key=lambda name: name[:16]) == ids  # in order of time


def test_what_no_store_can_keep_is_made_text() -> None:
    assert records._text("a\0b\udce4") == "a\\0b\\udce4"
    assert json.loads(records._json({"a": [float("nan"), 1.5], "b": "ü\0"})) == {"a": [None, 1.5], "b": "ü\0"}
