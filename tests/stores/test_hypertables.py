"""Chunks, compression and retention on TimescaleDB; retention on plain PostgreSQL; settings that change later."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pyarrow as pa
import pytest
from stores.every_row import START, read, rows, same
from stores.test_aggregates import check, connect, market, reference
from stores.test_aggregates import read as read_aggregate

from btcframe.errors import StoreError
from btcframe.learning.stored_rows import TABLE, to_table
from btcframe.stores.postgres import hypertables, retention
from btcframe.stores.postgres.connection import session
from btcframe.stores.timescale import Timescale
from btcframe.types import NS

MINUTE = 60 * NS
DAY = 86_400 * NS


def apply(store: Timescale) -> list[str]:
    """What `btcframe db migrate` does to the tables of rows."""
    with session(store._access(), "the tables cannot be changed") as connection:
        return hypertables.apply(connection, store.schema, store._layout())


def policies(store: Timescale, table: str) -> str:
    with session(store._access(), "the table cannot be looked at") as connection:
        return hypertables.policies(connection, store.schema, table)


def run_jobs(store: Timescale, table: str) -> None:
    """What the server's background workers do, and `btcframe db compact`."""
    with session(store._access(), "the table cannot be looked at") as connection:
        jobs = hypertables.due(connection, store.schema, table)
    with connect(store) as below:
        for job in jobs:
            below.execute("CALL run_job(%s)", (job,))


def chunks(store: Timescale, table: str) -> tuple[int, int]:
    """Chunks of a table, and how many of them are compressed."""
    with connect(store) as below:
        return below.execute(  # type: ignore[return-value]
            "SELECT count(*), count(*) FILTER (WHERE is_compressed) FROM timescaledb_information.chunks "
            "WHERE hypertable_schema = %s AND hypertable_name = %s",
            (store.schema, table),
        ).fetchone()


def test_rows_come_back_from_compressed_chunks_and_open_builds_go_on_in_them(hyper: Timescale) -> None:
    half = rows(0, 300, step=MINUTE)
    hyper.write("a", "t", half)
    run_jobs(hyper, "t")
    assert chunks(hyper, "t") == (5, 5)  # five hours, chunk=1h, and all of them are older than compress_after
    hyper.write("a", "t", half)  # again: every row is there
    hyper.write("a", "t", rows(200, 400, step=MINUTE))  # overlaps, and goes on
    hyper.write("b", "t", rows(0, 60, step=MINUTE, more=np.arange(60.0)))  # widens the compressed table
    hyper.write("c", "t", half)
    hyper.discard("c")
    run_jobs(hyper, "t")
    hyper.seal("a", {"tables": {"t": 600}})
    hyper.seal("b", {"tables": {"t": 60}})
    assert same(read(hyper, "a"), rows(0, 600, step=MINUTE))
    assert same(read(hyper, "b"), rows(0, 60, step=MINUTE, more=np.arange(60.0)))
    assert chunks(hyper, "t") == (10, 10)
    assert policies(hyper, "t") == "compressed after 1d"


def test_settings_that_change_later(hyper: Timescale) -> None:
    first = dataclasses.replace(hyper, compress_after="", aggregates=("1m",))
    first.write("b", TABLE, to_table(market(300), "BTC"))
    first.write("b", "t", rows(0, 10))
    assert apply(first) == []
    other = dataclasses.replace(
        hyper, chunk="2h", compress_after="2d", keep_rows="90d", aggregates=("1m", "1h"), refresh="5m"
    )
    assert apply(other) == [
        "l2_rows: new chunks span 2h",
        "l2_rows: compression of chunks older than 2d",
        "l2_rows: retention of chunks older than 90d",
        "l2_rows: l2_rows_1m is refreshed every 5m",
        "l2_rows: l2_rows_1h is a continuous aggregate",
        "l2_rows: l2_rows_1h is refreshed every 5m",
        "t: new chunks span 2h",
        "t: compression of chunks older than 2d",
    ]
    assert apply(other) == []
    assert policies(other, TABLE) == (
        "l2_rows_1m refreshed every 5m, l2_rows_1h refreshed every 5m, compressed after 2d, dropped after 90d"
    )
    assert policies(other, "t") == "compressed after 2d"
    assert apply(dataclasses.replace(other, compress_after="", keep_rows="", aggregates=())) == [
        "l2_rows: no compression any more",
        "l2_rows: no retention any more",
        "t: no compression any more",
    ]
    assert len(read_aggregate(other, "l2_rows_1h", "b", "BTC")) == 1  # what holds data stays


def test_tables_made_before_the_extension_become_hypertables(
    hyper: Timescale, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = to_table(market(9000), "BTC/USDT:USDT")
    with monkeypatch.context() as patch:
        for module in ("hypertables", "catalogue"):
            patch.setattr(f"btcframe.stores.postgres.{module}.has_timescale", lambda connection: False)
        plain = dataclasses.replace(hyper, compress_after="")
        plain.write("a", "t", rows(0, 300, step=MINUTE))
        plain.write("a", TABLE, raw)
    assert chunks(hyper, "t") == (0, 0)
    before = read_aggregate(hyper, "l2_rows_1m", "a")
    done = apply(hyper)
    assert "t: is a hypertable" in done and "l2_rows: l2_rows_1m is a continuous aggregate" in done
    assert chunks(hyper, "t") == (5, 0) and apply(hyper) == []
    check(read_aggregate(hyper, "l2_rows_1m", "a"), before)
    hyper.write("a", "t", rows(250, 100, step=MINUTE))
    hyper.seal("a", {"tables": {"t": 350, TABLE: 9000}})
    assert same(read(hyper, "a"), rows(0, 350, step=MINUTE))
    assert sum(batch.num_rows for batch in hyper.scan("a", TABLE)) == 9000


def recent(n: int, step: int = MINUTE) -> int:
    """Where a market of n rows begins that ends now."""
    return int(time.time_ns()) // DAY * DAY - n * step


def training(raw: pa.Table) -> pa.Table:
    return raw.select(["row_ns", "symbol", "mid"])


def lost(store: Timescale, build: str, expected: int) -> retention.Dropped | None:
    with session(store._access(), "the build cannot be looked at") as connection:
        return retention.dropped(connection, store.schema, build, expected, store._layout())


@pytest.mark.parametrize("server", ["plain", "hyper"])
def test_retention_takes_raw_rows_only_and_is_no_damage(server: str, request: pytest.FixtureRequest) -> None:
    empty: Timescale = request.getfixturevalue(server)
    n = 10 * 24  # hours: ten days
    store = dataclasses.replace(empty, keep_rows="5d", chunk="1d", aggregates=("1h",))
    raw = to_table(market(n, step=60 * MINUTE, since=recent(n, 60 * MINUTE)), "BTC")
    ancient = to_table(market(100), "BTC")
    for build, table in (("new", raw), ("old", ancient)):
        store.write(build, TABLE, table)
        store.write(build, "l2_training_data", training(table))
        store.seal(build, {"tables": {TABLE: len(table), "l2_training_data": len(table)}})
    assert lost(store, "new", n) is None
    (done,) = (table for table in store.compact() if table.table == TABLE)
    assert ("jobs run" if server == "hyper" else "old rows deleted") in done.done
    left = pa.Table.from_batches(store.scan("new", TABLE))
    gone = n - len(left)
    assert 4 * 24 <= gone <= 6 * 24 and same(left, raw.slice(gone))
    for build, expected in (("new", n), ("old", 100)):
        kept = pa.Table.from_batches(store.scan(build, "l2_training_data"))
        assert len(kept) == expected
    assert lost(store, "new", n) == retention.Dropped(gone, left["row_ns"][0].as_py())
    assert "rows before 20" in str(lost(store, "new", n))
    assert str(lost(store, "old", 100)) == "all 100 rows were dropped by retention"
    found = {(table.build, table.table): table for table in store.verify()}
    assert not any(table.findings for table in found.values())
    assert (
        "dropped by retention" in found["old", TABLE].dropped and "dropped by" in found["new", TABLE].dropped
    )
    with connect(store) as below:  # a hole is no retention, nor is a row that is gone too early
        below.execute(
            f'DELETE FROM "{store.schema}".l2_rows WHERE row_ns = %s',  # type: ignore[arg-type]
            (left["row_ns"][5].as_py(),),
        )
    assert lost(store, "new", n) is None
    (damaged,) = (table for table in store.verify("new") if table.findings)
    assert damaged.findings == (f"it holds {len(left) - 1:,} rows, and {n:,} were sealed",)


def test_aggregates_outlive_their_rows(hyper: Timescale) -> None:
    n = 10 * 24
    store = dataclasses.replace(hyper, keep_rows="", chunk="1d", aggregates=("1h",))
    raw = market(n, step=60 * MINUTE, since=recent(n, 60 * MINUTE))
    store.write("b", TABLE, to_table(raw, "BTC/USDT:USDT"))
    run_jobs(store, TABLE)
    short = dataclasses.replace(store, keep_rows="5d")
    assert "l2_rows: l2_rows_1h is refreshed every 10m" in apply(short)
    for _ in range(2):  # what the first turn drops, the second could take out of the aggregate
        run_jobs(short, TABLE)
    assert chunks(short, TABLE)[0] <= 6
    check(read_aggregate(short, "l2_rows_1h", "b"), reference(raw, 60 * MINUTE))


def test_a_build_that_loses_raw_rows_while_it_is_made_is_whole(plain: Timescale) -> None:
    store = dataclasses.replace(plain, keep_rows="5d")
    raw = to_table(market(100), "BTC")
    store.write("b", TABLE, raw)
    store.write("b", "l2_training_data", training(raw))
    with session(store._access(), "rows cannot be deleted") as connection:
        assert retention.cut(connection, store.schema, store._layout()) == 100
    tables = {"tables": {TABLE: 100, "l2_training_data": 100}}
    with pytest.raises(StoreError, match="l2_rows holds 100 rows, 101 were written"):
        store.seal("b", {"tables": {TABLE: 101}})
    store.seal("b", tables)
    assert list(store.builds()) == ["b"]


def test_without_retention_nothing_explains_a_missing_row(plain: Timescale) -> None:
    raw = to_table(market(100), "BTC")
    plain.write("b", TABLE, raw.slice(10))
    plain.write("b", "l2_training_data", training(raw))
    assert lost(plain, "b", 100) is None
    assert lost(dataclasses.replace(plain, keep_rows="1d"), "b", 100) == retention.Dropped(
        10, START + 11 * NS + 7
    )


def test_the_apache_edition_has_chunks_and_plain_views(
    hyper: Timescale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hypertables, "has_policies", lambda connection: False)
    with pytest.raises(StoreError, match="needs the community edition") as caught:
        hyper.write("b", TABLE, to_table(market(300), "BTC"))
    assert "compress_after empty" in caught.value.next
    store = dataclasses.replace(hyper, compress_after="")
    store.write("b", TABLE, to_table(market(300), "BTC"))
    assert chunks(store, TABLE) == (1, 0)
    assert len(read_aggregate(store, "l2_rows_1m", "b", "BTC")) == 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keep_rows": "soon"}, "keep_rows: 'soon' is not a duration"),
        ({"keep_rows": "3h"}, "keep_rows: 3h is shorter than four buckets of 1h"),
        ({"aggregates": ("1m", "x")}, "aggregates: 'x' is not a duration"),
        ({"aggregates": ("1500ms",)}, "aggregates: 1500ms is not a whole number of seconds"),
        ({"refresh": ""}, "refresh: '' is not a duration"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Timescale(**settings)  # type: ignore[arg-type]
