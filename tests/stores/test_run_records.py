"""Records of runs in every store: pieces in any order of compaction, processes side by side, and bad rows."""

from __future__ import annotations

import multiprocessing
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import pyarrow as pa
import pytest
from database_servers import Postgres
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jobs.small import make_run
from stores.every_row import rows

from btcframe import jobs
from btcframe.api import Store
from btcframe.errors import StoreError
from btcframe.plugins import discover
from btcframe.sessions.records import records_of
from btcframe.stores import lake_records
from btcframe.stores.delta import Delta
from btcframe.stores.lake import Lake
from btcframe.stores.lake_log import create
from btcframe.stores.records import TABLES, checked, time_of
from btcframe.stores.timescale import Timescale


def equity(first: int, n: int) -> pa.Table:
    """Rows of the equity of a run, from row `first` on."""
    number = np.arange(first, first + n)
    return pa.table({"n": number, "row_ns": number * 7, "mid": np.where(number % 5 == 2, np.nan, number / 3)})


def read(store: Store, table: str, run: str | None = None) -> pa.Table:
    return pa.Table.from_batches(store.records(table, run), TABLES[table])


def runs_in(found: pa.Table) -> list[tuple[str, int]]:
    """(run, rows) in the order in which they come; each run once, its rows in order of n from 0."""
    names, n = found["run"].to_pylist(), found["n"].to_pylist()
    order = list(dict.fromkeys(names))
    expected = [(run, k) for run in order for k in range(names.count(run))]
    assert list(zip(names, n, strict=True)) == expected
    return [(run, names.count(run)) for run in order]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (equity(0, 3).append_column("fee", pa.array([1.0] * 3)), "table equity has no column fee"),
        (equity(0, 3).append_column("run", pa.array(["r"] * 3)), "table equity has no column run"),
        (
            equity(0, 3).append_column("cash", pa.array([1] * 3)),
            "column cash of table equity is double, not int64",
        ),
        (equity(0, 3).drop(["n"]), "rows of table equity come without n"),
        (pa.table({"n": pa.array([0, None], pa.int64())}), "rows of table equity come without n"),
        (equity(0, 3).take([0, 2]), "rows of table equity are not in order of n"),
        (equity(0, 3).take([0, 1, 1]), "rows of table equity are not in order of n"),
        (equity(4, 2), "table equity has 3 rows of run r, and these begin at n = 4"),
    ],
)
def test_rows_that_are_none_of_the_tables(tmp_path: Path, bad: pa.Table, message: str) -> None:
    store = Delta(str(tmp_path / "lake"))
    store.record("r", "equity", equity(0, 3))
    with pytest.raises(StoreError, match=re.escape(message)):
        store.record("r", "equity", bad)
    assert runs_in(read(store, "equity")) == [("r", 3)]


def test_names_that_are_none(store: Store) -> None:
    with pytest.raises(StoreError, match="a run has no table equitty") as caught:
        store.record("r", "equitty", equity(0, 3))
    assert caught.value.hint == "Did you mean equity?"
    with pytest.raises(StoreError, match="a run has no table trades"):
        list(store.records("trades"))
    with pytest.raises(StoreError, match="is not a name for a run"):
        store.record("r/../x", "equity", equity(0, 3))
    with pytest.raises(StoreError, match="fills"):
        store.write("b", "fills", rows(0, 3))  # what is kept of runs is no table of a build


def test_what_is_left_out_is_null_and_every_column_is_there() -> None:
    whole = checked("r", "runs", pa.table({"n": pa.array([0]), "verb": ["run"]}))
    assert whole.schema == TABLES["runs"]
    [row] = whole.to_pylist()
    assert {k: v for k, v in row.items() if v is not None} == {"run": "r", "n": 0, "verb": "run"}
    assert all(time_of(table) in TABLES[table].names for table in TABLES)


def test_large_pieces_of_a_run(store: Store) -> None:
    for first in (0, 40_000):
        store.record("big", "equity", equity(first, 40_000))
    store.record("small", "equity", equity(0, 10))
    found = read(store, "equity", "big")
    assert runs_in(found) == [("big", 80_000)]
    assert found["mid"].to_numpy().tobytes() == equity(0, 80_000)["mid"].to_numpy().tobytes()
    assert max(len(batch) for batch in store.records("equity", "big")) <= 65_536


@settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["a", "b", "c", "join"]), st.integers(0, 8), st.integers(1, 12)),
        max_size=14,
    ),
    full=st.sampled_from([4, 16, 1 << 18]),
)
def test_joining_files_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]], full: int
) -> None:
    store = Delta(str(tmp_path_factory.mktemp("lake")))
    there = dict.fromkeys("abc", 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lake_records, "FULL", full)
        for run, back, n in steps:
            if run == "join":
                before, after = lake_records.join(store._lake, "equity")
                assert after <= before
                continue
            first = max(0, there[run] - back)  # some of it again
            store.record(run, "equity", equity(first, n))
            there[run] = max(there[run], first + n)
        assert runs_in(read(store, "equity")) == [(run, n) for run, n in there.items() if n]
        for run, n in there.items():
            found = read(store, "equity", run)
            assert found["mid"].to_numpy().tobytes() == equity(0, n)["mid"].to_numpy().tobytes()
            store.record(run, "equity", equity(0, n + 1))  # and what is there is still known
        assert runs_in(read(store, "equity")) == [(run, n + 1) for run, n in there.items()]


def test_thirty_runs_become_one_file(tmp_path: Path) -> None:
    store = Delta(str(tmp_path / "lake"))
    for number in range(30):
        store.record(f"r{number:03}", "equity", equity(0, 20))
    reader = store.records("equity")
    assert len(next(reader)) == 20
    assert lake_records.join(store._lake, "equity") == (30, 1)
    assert sum(len(batch) for batch in reader) == 29 * 20  # who began before goes on
    assert runs_in(read(store, "equity")) == [(f"r{number:03}", 20) for number in range(30)]
    assert lake_records.join(store._lake, "equity") == (1, 1)
    assert lake_records.join(store._lake, "fills") == (0, 0)


def _record(store: Delta, names: list[str], together: Any, queue: Any) -> None:
    schema = pa.schema([(names[-1], pa.float64())])  # a column of its own
    try:
        for number in range(20):
            together.wait(60)
            create(f"{store.path}-tables/{number}", schema, ())
        for name in names:
            for table in ("equity", "runs"):
                for first in (0, 300):
                    part = (
                        equity(first, 300)
                        if table == "equity"
                        else pa.table({"n": np.arange(first, first + 300)})
                    )
                    store.record(name, table, part)
        queue.put("done")
    except StoreError as error:
        queue.put(str(error))


def test_processes_that_sweep_into_a_lake_that_is_not_there_yet(tmp_path: Path) -> None:
    """Each records a run of its own, and all of them one run more; of those that make a table one does."""
    store = Delta(str(tmp_path / "lake"))
    context = multiprocessing.get_context("spawn")
    queue, together = context.Queue(), context.Barrier(3)
    sweep = [
        context.Process(target=_record, args=(store, ["one", f"p{i}"], together, queue)) for i in range(3)
    ]
    for process in sweep:
        process.start()
    assert [queue.get(timeout=60) for _ in sweep] == ["done"] * 3
    for process in sweep:
        process.join(timeout=60)
    expected = [("one", 600), *((f"p{i}", 600) for i in range(3))]
    assert runs_in(read(store, "equity")) == expected == runs_in(read(store, "runs"))
    # a second commit would have put the columns of who came second in the place of the first one's
    commits = [path.parts[-3] for path in (tmp_path / "lake-tables").glob("*/_delta_log/*.json")]
    assert sorted(commits, key=int) == [str(number) for number in range(20)]


def test_four_that_make_one_table_at_the_same_moment(tmp_path: Path) -> None:
    """Several looked and saw none: whoever comes second takes the first one's."""
    lakes = [Delta(str(tmp_path / "lake"))._lake for _ in range(4)]
    for table in ("equity", "runs", "intents", "fills"):
        together = threading.Barrier(len(lakes), timeout=60)

        def make(lake: Lake, table: str = table, together: threading.Barrier = together) -> list[str]:
            together.wait()
            return lake_records._made(lake, table).schema().names

        with ThreadPoolExecutor(len(lakes)) as threads:
            assert list(threads.map(make, lakes)) == [TABLES[table].names] * len(lakes)


def test_writers_of_one_run_on_a_server(plain: Timescale) -> None:
    def write(offset: int) -> None:
        for first in range(0, 600, 100):
            plain.record("one", "equity", equity(first, 100))
            plain.record(f"own{offset}", "equity", equity(first, 100))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert runs_in(read(plain, "equity")) == [("one", 600), *((f"own{i}", 600) for i in range(4))]


def test_a_lake_from_before_a_column_was_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there reads as null, and what comes has it; other programs see the column, too."""
    lake = Delta(str(tmp_path / "lake"))
    now, known = TABLES["orders"], [field for field in TABLES["orders"] if field.name != "why"]
    rows = pa.table({"n": [0, 1], "symbol": ["a", "b"], "ns": [1, 2]})
    with monkeypatch.context() as older:
        older.setitem(TABLES, "orders", pa.schema(known))
        lake.record("r", "orders", rows)
        assert "why" not in read(lake, "orders").column_names
    assert read(lake, "orders")["why"].to_pylist() == [None, None]
    lake.record("r", "orders", pa.table({"n": [1, 2], "symbol": ["b", "c"], "why": ["fok", "asked"]}))
    found = read(lake, "orders")
    assert found.schema == now and found["why"].to_pylist() == [None, None, "asked"]
    assert found["symbol"].to_pylist() == ["a", "b", "c"]
    theirs = deltalake.DeltaTable(tmp_path / "lake/orders").to_pyarrow_table()
    assert sorted(theirs["why"].to_pylist(), key=str) == [None, None, "asked"]
    lake.record("other", "orders", rows)
    lake.compact()
    assert read(lake, "orders", "r")["why"].to_pylist() == [None, None, "asked"]


def test_a_run_is_the_same_in_both_stores_and_in_sql(
    tmp_path: Path, plain: Timescale, postgres_server: Postgres
) -> None:
    run = make_run(tmp_path, discover(), verb="run", risk={"sure": {"plugin": "confidence", "cost_bps": 0.5}})
    with run.recorded():
        jobs.start(run)
    name, traded = run.manifest["id"], run.manifest["results"]["backtest"]
    for _ in range(2):
        for table, part in records_of(run):
            plain.record(name, table, part)
    delta: Store = run.component("store")
    for table in TABLES:
        one, other = (
            read(store, table, name).drop(["manifest"] if table == "runs" else []) for store in (delta, plain)
        )
        if table == "runs":
            one, other = (rows.drop(["finished_ns"]) for rows in (one, other))
        assert (len(one) or table in ("funding", "stops")) and repr(one.to_pydict()) == repr(
            other.to_pydict()
        ), table
    with postgres_server.connect() as connection:
        connection.execute(f'SET search_path = "{plain.schema}"')  # type: ignore[arg-type]
        [(count, fees)] = connection.execute("SELECT count(*), sum(fee) FROM fills").fetchall()
        assert count == traded["fills"] > 20 and fees == pytest.approx(traded["fees"])
        [(net,)] = connection.execute(
            "SELECT last.equity - (r.manifest -> 'config' -> 'backtest' ->> 'cash')::float8 FROM runs r CROSS JOIN "
            "LATERAL (SELECT equity FROM equity e WHERE e.run = r.run ORDER BY n DESC LIMIT 1) last"
        ).fetchall()
        assert net == pytest.approx(traded["net"])
        refused = dict(
            connection.execute(
                "SELECT veto, count(*) FROM intents WHERE veto IS NOT NULL GROUP BY veto"
            ).fetchall()
        )
        assert refused == {"confidence": traded["denied"]} and traded["denied"] > 5
        [(folds,)] = connection.execute(
            "SELECT count(DISTINCT m.digest) FROM fills f JOIN intents i USING (run, order_id) "
            "JOIN models m ON m.run = i.run AND m.n = i.model"
        ).fetchall()
        assert folds >= 2
