"""The script of `btcframe db roles`, run on a real server: the reader reads, the writer writes, and no more."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import psycopg
import pyarrow as pa
import pytest
from database_servers import Postgres
from stores.every_row import read, rows, same

from btcframe.api import Store
from btcframe.errors import StoreError
from btcframe.stores.records import TABLES
from btcframe.stores.timescale import Timescale


class Roles(NamedTuple):
    """The store as its owner made it, and as each role has it."""

    owner: Timescale
    writer: Timescale
    reader: Timescale


def _as(store: Timescale, server: Postgres, role: str) -> psycopg.Connection:
    """A connection of a role that may log in without a password: through the server's socket."""
    return psycopg.connect(
        host=str(server._data.parent), port=server.port, user=f"{store.schema}_{role}", dbname=store.database,
        autocommit=True,
    )  # fmt: skip


def _grant(store: Timescale, server: Postgres) -> None:
    with server.connect(store.database) as connection:
        connection.execute(store.roles())  # type: ignore[arg-type]


@pytest.fixture(params=["Schema", "od\"d ' schéma %", "before"])
def roles(
    plain: Timescale, postgres_server: Postgres, numbers: Iterator[int], request: pytest.FixtureRequest
) -> Roles:
    """On an initialised schema with a build in it; or before anything is made."""
    owner = dataclasses.replace(
        plain, schema=f"{request.param} {next(numbers)}", host=str(postgres_server._data.parent)
    )
    if request.param != "before":
        owner.init()
        owner.write("old", "t", rows(0, 10))
        owner.seal("old", {"tables": {"t": 10}})
    _grant(owner, postgres_server)
    _grant(owner, postgres_server)  # again: what is there stays
    writer, reader = (dataclasses.replace(owner, user=f"{owner.schema}_{r}") for r in ("writer", "reader"))
    if request.param == "before":
        writer.init()  # which needs no CREATE on the database: the script made the schema
        _grant(owner, postgres_server)
        writer.write("old", "t", rows(0, 10))
        writer.seal("old", {"tables": {"t": 10}})
    return Roles(owner, writer, reader)


def _refused(store: Timescale, server: Postgres, role: str, *statements: str) -> None:
    with _as(store, server, role) as connection:
        for statement in statements:
            quoted = '"' + store.schema.replace('"', '""') + '"'
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.replace("S.", f"{quoted}."))  # type: ignore[arg-type]


def test_the_reader_reads_and_nothing_else(roles: Roles, postgres_server: Postgres) -> None:
    assert same(read(roles.reader, "old"), rows(0, 10))
    assert dict(roles.reader.builds()) == {"old": {"tables": {"t": 10}}}
    assert [v.findings for v in roles.reader.verify()] == [()]
    assert roles.reader.status().facts["role"] == roles.reader.user
    for refused in (
        lambda: roles.reader.write("b", "t", rows(0, 10)),
        lambda: roles.reader.seal("b", {}),
        lambda: roles.reader.write("b", "new", rows(0, 10)),
    ):
        with pytest.raises(StoreError, match=r"permission denied|must be owner") as caught:
            refused()
        assert "btcframe db roles" in caught.value.hint
    _refused(
        roles.owner, postgres_server, "reader",
        "DELETE FROM S.t", "DELETE FROM S.builds", "UPDATE S.t SET f = 0", "INSERT INTO S.builds VALUES ('x', '{}')",
        "DROP TABLE S.t", "CREATE TABLE S.mine (n int)", "TRUNCATE S.t", "CREATE SCHEMA mine",
    )  # fmt: skip


def test_the_writer_writes_and_drops_nothing(roles: Roles, postgres_server: Postgres) -> None:
    writer = roles.writer
    wide = rows(0, 10, g=pa.array(range(10), pa.float64()))
    with writer.claim("new", lambda: pytest.fail("nobody else has it")):
        writer.write("new", "t", wide)  # widens a table
        writer.write("new", "other", rows(0, 10))  # makes one
    writer.seal("new", {"tables": {"t": 10, "other": 10}})
    assert same(read(writer, "new"), wide) and same(read(roles.reader, "new"), wide)
    assert list(roles.reader.scan("new", "other"))
    writer.write("open", "t", rows(0, 10))
    writer.discard("open")
    n, run = pa.array([0], pa.int64()), f"run {roles.owner.schema}"
    for table, schema in TABLES.items():
        given = {f.name: pa.nulls(1, f.type) for f in schema if f.name not in ("run", "n")}
        stamps = {name: n for name in given if name.endswith("ns")}
        writer.record("r", table, pa.table({"n": n} | given | stamps))
        assert sum(batch.num_rows for batch in roles.reader.records(table, "r")) == 1, run
    _refused(
        roles.owner, postgres_server, "writer",
        "DROP TABLE S.t", "DROP TABLE S.builds", "DROP TABLE S.other", "TRUNCATE S.t", "ALTER TABLE S.t DROP COLUMN f",
        "UPDATE S.builds SET manifest = '{}'", "DELETE FROM S.builds", "UPDATE S.t SET f = 0", "DELETE FROM S.fills",
        "UPDATE S.fills SET fee = 0", "UPDATE S.alembic_version SET version_num = '9'", "CREATE TABLE S.mine (n int)",
        "CREATE SCHEMA mine",
    )  # fmt: skip
    assert roles.writer.migrate() == []


def test_the_writer_compacts_as_the_owner_and_the_reader_may_not(
    roles: Roles, postgres_server: Postgres
) -> None:
    vacuumed = "SELECT count(*) FROM pg_stat_user_tables WHERE schemaname = %s AND vacuum_count = %s"
    told = {c.table: c.done for c in roles.writer.compact()}
    assert told["t"] == told["builds"] == "vacuumed and analysed"
    with postgres_server.connect(roles.owner.database) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        assert connection.execute(vacuumed, (roles.owner.schema, 1)).fetchone() == (len(told),)
    with pytest.raises(
        StoreError, match=r"the tables cannot be compacted: table .* is another role's"
    ) as caught:
        roles.reader.compact()
    assert "btcframe db roles" in caught.value.next


def test_every_table_has_one_owner(roles: Roles, postgres_server: Postgres) -> None:
    """So any writer may widen what another made."""
    roles.writer.write("a", "by_writer", rows(0, 10))
    roles.owner.write("b", "by_superuser", rows(0, 10))
    with postgres_server.connect() as connection:
        owners = connection.execute(
            "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = %s", (roles.owner.schema,)
        ).fetchall()
    assert owners == [(f"{roles.owner.schema}_owner",)]
    roles.owner.write("b", "by_writer", rows(0, 10, g=pa.array(range(10), pa.float64())))


def test_without_the_script_a_role_needs_create(plain: Timescale, postgres_server: Postgres) -> None:
    name = f"nobody {plain.schema}"
    with postgres_server.connect() as connection:
        connection.execute(f'CREATE ROLE "{name}" LOGIN')  # type: ignore[arg-type]
    alone: Store = dataclasses.replace(plain, user=name, host=str(postgres_server._data.parent))
    with pytest.raises(StoreError, match="permission denied for database") as caught:
        alone.write("b", "t", rows(0, 10))
    assert "btcframe db roles" in caught.value.hint


def test_a_schema_whose_name_is_too_long_for_roles(plain: Timescale) -> None:
    with pytest.raises(StoreError, match="more than 63 bytes"):
        dataclasses.replace(plain, schema="s" * 60).roles()


def test_on_timescaledb(hyper: Timescale, timescale_port: int) -> None:
    hyper.init()
    hyper.write("old", "t", rows(0, 10))
    hyper.seal("old", {"tables": {"t": 10}})
    parameters = {"host": "127.0.0.1", "port": timescale_port, "user": "postgres", "dbname": "postgres"}
    with psycopg.connect(**parameters, sslmode="disable", autocommit=True) as connection:
        connection.execute(hyper.roles())  # type: ignore[arg-type]
        quoted = f'"{hyper.schema}'
        connection.execute(f'SET ROLE {quoted}_reader"')  # type: ignore[arg-type]
        try:
            counted = connection.execute(f'SELECT count(*) FROM {quoted}".t').fetchone()  # type: ignore[arg-type]
            assert counted == (10,)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f'DELETE FROM {quoted}".t')  # type: ignore[arg-type]
        finally:
            with contextlib.suppress(psycopg.Error):
                connection.execute("RESET ROLE")
    hyper.write(
        "new", "t", rows(0, 10, g=pa.array(range(10), pa.float64()))
    )  # as the owner now, hypertable too
    hyper.write("new", "later", rows(0, 10))
    kept = dataclasses.replace(hyper, compress_after="1d")
    # who logs in is a superuser here, and acts as the owner: the job of "t" was made by the superuser
    with pytest.raises(StoreError, match="insufficient permissions to run job") as caught:
        kept.compact()
    assert "btcframe db migrate" in caught.value.hint
    assert "t: compression of chunks older than 1d" in kept.migrate()
    assert kept.migrate() == []
    assert {c.table: c.done for c in kept.compact()}["t"] == "1 job run, vacuumed and analysed"
