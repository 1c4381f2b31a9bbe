"""The fixed tables: migrations end in what the code uses, from every revision, with rows in them; other versions."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from database_servers import Postgres
from stores.every_row import read, rows, same

from btcframe.errors import StoreError
from btcframe.stores.postgres import migrations
from btcframe.stores.postgres.catalogue import fixed, make_schema
from btcframe.stores.postgres.connection import session
from btcframe.stores.postgres.schema_version import HEAD, REVISIONS, VERSION_TABLE, revision
from btcframe.stores.timescale import Timescale

OLD = """
CREATE SCHEMA {schema};
CREATE TABLE {schema}.builds (
    build TEXT NOT NULL, manifest JSON NOT NULL, sealed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (build)
);
CREATE TABLE {schema}.build_tables (
    build TEXT NOT NULL, table_name TEXT NOT NULL, columns TEXT[] NOT NULL, PRIMARY KEY (build, table_name)
);
INSERT INTO {schema}.builds VALUES ('old', '{{"tables": {{"t": 0}}, "n": 1.0}}');
"""
"""What a btcframe before there were migrations made, as the server's log had it."""


def described(store: Timescale) -> dict[str, Any]:
    """Every column, constraint and index of a schema but the version's, as the server spells them."""
    with session(store._access(), "the schema cannot be described") as connection:
        columns = connection.execute(
            sa.text(
                "SELECT c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, "
                "a.attgenerated, pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a "
                "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
                "LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum WHERE n.nspname = :schema "
                "AND c.relkind = 'r' AND a.attnum > 0 AND c.relname <> :version ORDER BY 1, 2"
            ),
            {"schema": store.schema, "version": VERSION_TABLE},
        ).all()
        indexes = connection.execute(
            sa.text(
                "SELECT tablename, indexname, replace(indexdef, quote_ident(schemaname), 'S') FROM pg_indexes "
                "WHERE schemaname = :schema AND tablename <> :version ORDER BY 1, 2"
            ),
            {"schema": store.schema, "version": VERSION_TABLE},
        ).all()
    return {"columns": [tuple(c) for c in columns], "indexes": [tuple(i) for i in indexes]}


def declared(store: Timescale) -> Timescale:
    """A schema made from the metadata, without migrations."""
    other = dataclasses.replace(store, schema=f"{store.schema} declared")
    with session(other._access(), "the schema cannot be declared") as connection:
        connection.execute(sa.schema.CreateSchema(other.schema))
        fixed(other.schema).metadata.create_all(connection)
    return other


def up_to(store: Timescale, to: str) -> None:
    """A schema of a revision, with a row in each table."""
    with session(store._access(), "the schema cannot be made") as connection:
        connection.execute(sa.schema.CreateSchema(store.schema))
        migrations.upgrade(connection, store.schema, to)
        tables = fixed(store.schema)
        noted = {"build": "old", "table_name": "t", "columns": ["a"]}
        connection.execute(tables.builds.insert().values(build="old", manifest={"tables": {"t": 0}}))
        connection.execute(
            sa.insert(sa.table("build_tables", *map(sa.column, noted), schema=store.schema)), noted
        )


def test_the_list_of_revisions_is_the_files() -> None:
    files = sorted((Path(migrations.__file__).parent / "versions").glob("[0-9]*.py"))
    assert [file.name.partition("_")[0] for file in files] == list(REVISIONS)


@pytest.mark.parametrize("start", ["", *REVISIONS])
def test_migrations_end_in_what_the_code_uses(plain: Timescale, start: str) -> None:
    """From nothing, and from every revision with rows in it."""
    if start:
        up_to(plain, start)
    expected = list(REVISIONS[REVISIONS.index(start) + 1 if start else 0 :])
    if start == HEAD or not start:
        assert plain.init() == [f"revision {name} of schema {plain.schema}" for name in expected]
    assert len(plain.migrate()) == (len(expected) if start and start != HEAD else 0)
    assert described(plain) == described(declared(plain))
    assert dict(plain.builds()) == ({"old": {"tables": {"t": 0}}} if start else {})
    assert plain.init() == plain.migrate() == []


def test_a_schema_from_before_there_were_migrations(plain: Timescale, postgres_server: Postgres) -> None:
    with postgres_server.connect() as connection:
        connection.execute(OLD.format(schema=f'"{plain.schema}"'))  # type: ignore[arg-type]
    for refused in (
        plain.builds,
        plain.init,
        lambda: plain.write("b", "t", rows(0, 10)),
        lambda: plain.scan("old", "t"),
        lambda: plain.seal("b", {}),
        lambda: plain.discard("b"),
        lambda: plain.verify(),
    ):
        with pytest.raises(
            StoreError, match=f"is of revision 0001, and this btcframe needs {HEAD}"
        ) as caught:
            refused()
        assert "btcframe db migrate store=timescale" in caught.value.next
    status = plain.status()
    assert (status.revision, status.head) == ("0001", HEAD)
    assert [(t.name, t.rows) for t in status.tables] == [("build_tables", 0), ("builds", 1)]
    assert plain.migrate() == [f"revision {name} of schema {plain.schema}" for name in REVISIONS[1:]]
    assert described(plain) == described(declared(plain))
    assert json.dumps(plain.builds()["old"]) == '{"tables": {"t": 0}, "n": 1.0}'
    plain.write("b", "t", rows(0, 10))
    plain.seal("b", {"tables": {"t": 10}})
    assert same(read(plain, "b"), rows(0, 10))


def test_a_schema_from_the_future(plain: Timescale, postgres_server: Postgres) -> None:
    plain.init()
    with postgres_server.connect() as connection:
        connection.execute(f"UPDATE \"{plain.schema}\".{VERSION_TABLE} SET version_num = '0815'")  # type: ignore[arg-type]
    for refused in (plain.builds, plain.init, plain.migrate, lambda: plain.write("b", "t", rows(0, 10))):
        with pytest.raises(StoreError, match=r"revision 0815, .* it is too old for it") as caught:
            refused()
        assert "pip install --upgrade" in caught.value.next
    assert plain.status().revision == "0815"


def test_nothing_to_migrate(plain: Timescale) -> None:
    with pytest.raises(StoreError, match="there is nothing to migrate yet") as caught:
        plain.migrate()
    assert "btcframe db init" in caught.value.next


def test_a_migration_that_fails_leaves_everything_as_it_was(
    plain: Timescale, postgres_server: Postgres
) -> None:
    up_to(plain, "0001")
    with postgres_server.connect() as connection:  # somebody's own table of a name that we need, the last one
        connection.execute(f'CREATE TABLE "{plain.schema}".equity (mine int)')  # type: ignore[arg-type]
    before = described(plain)
    with pytest.raises(StoreError, match='relation "equity" already exists'):
        plain.migrate()
    assert described(plain) == before and plain.status().revision == "0001"


def _migrate(store: Timescale, start: Any, told: Any) -> None:
    start.wait(30)
    told.put(len(store.migrate()))


def test_two_processes_at_a_time(plain: Timescale) -> None:
    up_to(plain, "0001")
    spawn = multiprocessing.get_context("spawn")
    start, told = spawn.Barrier(2), spawn.Queue()
    both = [spawn.Process(target=_migrate, args=(plain, start, told)) for _ in range(2)]
    for process in both:
        process.start()
    counts = sorted(told.get(timeout=60) for _ in both)
    for process in both:
        process.join(60)
    assert counts == [0, len(REVISIONS) - 1]
    assert described(plain) == described(declared(plain))


def test_on_timescaledb(hyper: Timescale) -> None:
    up_to(hyper, "0001")
    assert hyper.migrate() == [f"revision {name} of schema {hyper.schema}" for name in REVISIONS[1:]]
    assert described(hyper) == described(declared(hyper))


def test_time_is_the_stamp_to_the_microsecond(plain: Timescale) -> None:
    stamps = [0, 999, 1000, 1_700_000_000_123_456_789, 1_999_999_999_999_999_999, 4_000_000_000_000_001_000]
    with session(plain._access(), "rows cannot be written") as connection:
        make_schema(connection, plain.schema)
        fills = fixed(plain.schema).records["fills"]
        connection.execute(fills.insert(), [{"run": "r", "n": n, "ns": ns} for n, ns in enumerate(stamps)])
        asked = sa.select(sa.cast(sa.extract("epoch", fills.c.time) * 1_000_000, sa.BigInteger))
        assert list(connection.execute(asked.order_by(fills.c.n)).scalars()) == [ns // 1000 for ns in stamps]


def test_writing_and_reading_ask_for_no_alembic(plain: Timescale) -> None:
    """It costs a third of a second: only who makes or migrates a schema pays it."""
    plain.init()
    code = (
        "import sys; from btcframe.stores.timescale import Timescale; "
        f"Timescale({plain.host!r}, {plain.port}, 'postgres', 'postgres', schema={plain.schema!r}, "
        "sslmode='disable').builds(); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_revision_of_an_empty_database(plain: Timescale) -> None:
    with session(plain._access(), "nothing") as connection:
        assert revision(connection, plain.schema) == ""
    assert plain.builds() == {} and plain.status().tables == ()
    with pytest.raises(StoreError, match="there is nothing to verify yet"):
        plain.verify()
    assert plain.compact() == []


def test_a_setting_that_needs_the_extension(plain: Timescale) -> None:
    with pytest.raises(
        StoreError, match="compress_after needs TimescaleDB, which this database does not"
    ) as caught:
        dataclasses.replace(plain, compress_after="7d").write("b", "t", rows(0, 10))
    assert "CREATE EXTENSION timescaledb" in caught.value.next
    plain.write("b", "t", rows(0, 10))
