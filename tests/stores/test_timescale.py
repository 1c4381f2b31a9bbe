"""The store on a server: what SQL sees, hypertables, limits, and settings."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from database_servers import Postgres
from stores.every_row import START, on, read, rows

from btcframe.errors import StoreError
from btcframe.stores.postgres.reading import BYTES, ROWS
from btcframe.stores.timescale import Timescale
from btcframe.types import NS


def ask(store: Timescale, question: str) -> list[tuple[object, ...]]:
    """Rows of a query; {t} is the table `t` of the store."""
    with psycopg.connect(
        host=store.host, port=store.port, user=store.user, dbname=store.database, autocommit=True
    ) as connection:
        return connection.execute(question.format(t=f'"{store.schema}".t')).fetchall()  # type: ignore[arg-type]


def test_people_read_real_columns_with_sql(plain: Timescale) -> None:
    plain.write("b", "t", rows(0, 3))
    plain.write("other", "t", rows(0, 2))
    plain.seal("b", {"seed": 7})
    found = ask(plain, "SELECT row_time::text, row_ns, symbol, f FROM {t} WHERE build = 'b' ORDER BY row_ns")
    assert found[1] == ("2024-07-18 00:00:01+00", START + NS + 123, "BTC/USDT:USDT", 1 / 3)
    manifest = ask(plain, f"SELECT manifest ->> 'seed' FROM \"{plain.schema}\".builds")
    assert manifest == [("7",)]


def test_plain_tables_are_told_of_once(plain: Timescale, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for build in "ab":
            plain.write(build, "t", rows(0, 3))
            plain.write(build, "u", rows(0, 3))
            plain.seal(build, {})
    assert len(caplog.records) == 1
    assert "no TimescaleDB" in caplog.text and "CREATE EXTENSION timescaledb" in caplog.text


def test_timescale_makes_chunks_and_compresses_them(
    hyper: Timescale, caplog: pytest.LogCaptureFixture
) -> None:
    hyper.write("a", "t", rows(0, 300, step=60 * NS))  # five hours, chunk=1h
    assert caplog.records == []
    hyper.seal("a", {"tables": {"t": 300}})
    assert ask(hyper, "SELECT count(*) FROM show_chunks('{t}')") == [(5,)]
    jobs = f"SELECT proc_name FROM timescaledb_information.jobs WHERE hypertable_schema = '{hyper.schema}'"
    assert ask(hyper, jobs) == [("policy_compression",)]
    assert ask(hyper, "SELECT count(compress_chunk(c)) FROM show_chunks('{t}') c") == [(5,)]
    # a compressed table takes a later build, with columns of its own, and gives all rows back in order
    hyper.write("b", "t", rows(100, 300, step=60 * NS, later=np.arange(300), more=np.arange(300)))
    hyper.write("b", "t", rows(100, 350, step=60 * NS, later=np.arange(350), more=np.arange(350)))
    hyper.seal("b", {"tables": {"t": 350}})
    for build, first, n in (("a", 0, 300), ("b", 100, 350)):
        got = read(hyper, build)
        expected = rows(first, n, step=60 * NS)
        assert got["row_ns"].equals(expected["row_ns"])
        np.testing.assert_array_equal(got["f"].to_numpy(), expected["f"].to_numpy())
    hyper.write("half", "t", rows(0, 100, step=60 * NS))
    hyper.discard("half")
    assert ask(hyper, "SELECT count(*) FROM {t}") == [(650,)]


def test_reading_goes_by_the_key_and_sorts_nothing(plain: Timescale) -> None:
    for part in (2, 0, 1):
        plain.write("b", "t", rows(part * 20_000, 20_000, more=np.zeros(20_000)))
    plain.seal("b", {})
    sizes = [(batch.num_rows, batch.nbytes) for batch in plain.scan("b", "t")]
    assert sum(n for n, _ in sizes) == 60_000 and len(sizes) > 1
    assert max(n for n, _ in sizes) <= ROWS and max(size for _, size in sizes) <= BYTES
    with psycopg.connect(host=plain.host, port=plain.port, user="postgres", dbname="postgres") as connection:
        connection.execute("SET LOCAL enable_sort = off")
        plan = connection.execute(
            f"EXPLAIN SELECT f FROM \"{plain.schema}\".t WHERE build = 'b' ORDER BY row_ns, symbol"  # type: ignore[arg-type]
        ).fetchall()
    assert "Index Scan using t_pkey" in str(plan) and "Sort" not in str(plan)


def test_limits_of_postgresql_are_told_before_anything_is_written(plain: Timescale) -> None:
    long = "x" * 63
    plain.write("b", "t", rows(0, 1, **{long: np.zeros(1)}))
    bad = {
        r"xé has 65 bytes, and PostgreSQL keeps 63": {long + "é": np.zeros(1)},
        r"would have 1,601 columns, and PostgreSQL keeps 1,600": {f"c{j}": np.zeros(1) for j in range(1595)},
        r"'row_time' cannot be a column": {"row_time": np.zeros(1)},
        r"column u is uint64, which no store can hold": {"u": np.zeros(1, np.uint64)},
    }
    for message, columns in bad.items():
        with pytest.raises(StoreError, match=message):
            plain.write("b", "t", rows(0, 1, **columns))
    with pytest.raises(StoreError, match="row is too big") as caught:
        plain.write("b", "wide", rows(0, 1, **{f"c{j}": np.ones(1) for j in range(1200)}))
    assert "8 kB" in caught.value.hint
    with pytest.raises(StoreError, match="have no column symbol"):
        plain.write("b", "t", rows(0, 1).drop_columns("symbol"))
    with pytest.raises(StoreError, match="cannot be called builds"):
        plain.write("b", "builds", rows(0, 1))
    with pytest.raises(StoreError, match="null value"):
        plain.write("b", "t", rows(0, 1).set_column(1, "symbol", pa.array([None], pa.string())))
    plain.seal("b", {"tables": {"t": 1}})


def test_a_number_that_is_no_json_is_refused_by_the_server(plain: Timescale) -> None:
    with pytest.raises(StoreError, match="build b cannot be sealed: invalid input syntax for type json"):
        plain.seal("b", {"x": float("nan")})
    assert plain.builds() == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"host": " "}, "host: it is empty"),
        ({"host": "postgresql://me:canary-7@db/x"}, "host: it is a connection string"),
        ({"database": "dbname=x password=canary-7"}, "database: it is a connection string"),
        ({"user": "me:canary-7@db"}, "user: it is a connection string"),
        ({"port": 0}, "port: 0 is none"),
        ({"sslmode": "on"}, "sslmode: 'on' is none of disable"),
        ({"chunk": "1 week"}, "chunk: '1 week' is not a duration"),
        ({"compress_after": "soon"}, "compress_after: 'soon' is not a duration"),
        ({"schema": ""}, "schema: it is empty"),
        ({"schema": "s" * 64}, "63 bytes at most"),
        ({"schema": "pg_mine"}, "pg_ is PostgreSQL's own"),
        ({"lock_timeout": "1us"}, "lock_timeout: 1us is not what a server can keep to: 1ms at least"),
        (
            {"statement_timeout": "25d"},
            "statement_timeout: 25d is not what a server can keep to: 24d at most",
        ),
        ({"chunk": "1ms"}, "chunk: 1ms is not what a server can keep to: 1s at least"),
        ({"keep_rows": "1ns", "aggregates": ()}, "keep_rows: 1ns is not what a server can keep to"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Timescale(**settings)  # type: ignore[arg-type]
    assert "canary-7" not in str(caught.value)


def test_without_the_libraries_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in [name for name in sys.modules if name.startswith("btcframe.stores.postgres.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match="needs SQLAlchemy and psycopg") as caught:
        Timescale().builds()
    assert "btcframe[timescale]" in caught.value.next


def test_two_schemas_of_one_database_do_not_meet(postgres_server: Postgres, numbers: Iterator[int]) -> None:
    one, other = (on(postgres_server.port, next(numbers)) for _ in range(2))
    one.write("b", "t", rows(0, 5))
    one.seal("b", {})
    assert list(other.builds()) == []
    with one.claim("b", lambda: pytest.fail("it waits")), other.claim("b", lambda: pytest.fail("it waits")):
        other.write("b", "t", rows(0, 7))
    other.seal("b", {"tables": {"t": 7}})
    assert len(read(one, "b")) == 5
