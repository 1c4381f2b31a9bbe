"""Builds: who may make one, when it is whole, which there are, and away with what was left behind."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
import sqlalchemy as sa

from btcframe.errors import StoreError
from btcframe.stores.batches import check_name
from btcframe.stores.postgres.catalogue import fixed, key, lock, make_schema, rows_of
from btcframe.stores.postgres.connection import Access, connect, reported, session
from btcframe.stores.postgres.schema_version import ready


@contextlib.contextmanager
def claimed(access: Access, build: str, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the right to make a build among all that use the database, on any machine.

    The lock is the server's and goes with the connection: a crash leaves nothing behind, and a machine that vanished
    is noticed within two minutes. Should the connection be cut, another may claim the same build: both then write the
    same rows, which the key keeps apart, and no more can be sealed than were written, nor less.
    """
    with reported(access, f"build {build} cannot be claimed"):
        # a build may take hours
        connection = connect(access._replace(statement_ms=0, lock_ms=0), autocommit=True)
    number = (key(f"claim of {access.schema} {build}"),)
    with connection:
        with reported(access, f"build {build} cannot be claimed"):
            taken = connection.execute("SELECT pg_try_advisory_lock(%s)", number).fetchone()
            if taken != (True,):
                waiting()
                connection.execute("SELECT pg_advisory_lock(%s)", number)
        try:
            yield
        finally:
            with contextlib.suppress(psycopg.Error):  # the connection is gone, and the lock with it
                connection.execute("SELECT pg_advisory_unlock(%s)", number)


def seal(access: Access, build: str, manifest: Mapping[str, Any]) -> None:
    """Declare a build whole, once its tables hold as many rows as the manifest's "tables" say.

    Counted is what was written: raw rows that retention (`store.keep_rows`) took meanwhile are no loss.

    Raises
    ------
    StoreError
        If rows are missing or too many, or the build was sealed with another manifest.
    """
    check_name("build", build)
    plain = json.loads(json.dumps(manifest))
    with session(access, f"build {build} cannot be sealed") as connection:
        make_schema(connection, access.schema)
        lock_build(connection, access, build)
        known = manifests(connection, access.schema, build)
        if build in known:
            if known[build] != plain:
                raise StoreError(f"build {build} is sealed with another manifest", where=str(access))
            return
        counts = _counts(connection, access.schema, build)
        for table, expected in manifest.get("tables", {}).items():
            rows = counts.get(table, 0)
            if rows != expected:
                raise StoreError(
                    f"build {build} is not whole: {table} holds {rows:,} rows, {expected:,} were written",
                    where=str(access),
                    hint="Another process may have discarded or written to the same build.",
                    next="Run it again.",
                )
        connection.execute(fixed(access.schema).builds.insert().values(build=build, manifest=plain))


def builds(access: Access) -> dict[str, dict[str, Any]]:
    """Manifests of the sealed builds by id."""
    with session(access, "the list of builds cannot be read") as connection:
        return manifests(connection, access.schema) if ready(connection, access.schema) else {}


def discard(access: Access, build: str) -> None:
    """Remove the rows of an unsealed build. Raises StoreError for a sealed one."""
    check_name("build", build)
    with session(access, f"build {build} cannot be discarded") as connection:
        if not ready(connection, access.schema):
            return
        lock_build(connection, access, build)
        if is_sealed(connection, access.schema, build):
            raise StoreError(
                f"build {build} is sealed and cannot be discarded",
                where=str(access),
                hint="Only what an interrupted build left behind is discarded.",
            )
        for table in written(connection, access.schema, build):
            rows = rows_of(access.schema, table)
            connection.execute(sa.delete(rows).where(rows.c.build == build))
        tables = fixed(access.schema).build_tables
        connection.execute(sa.delete(tables).where(tables.c.build == build))


def lock_build(connection: sa.Connection, access: Access, build: str) -> None:
    """Let nobody else write, seal or discard the build until the transaction ends."""
    lock(connection, f"build of {access.schema} {build}")


def is_sealed(connection: sa.Connection, schema: str, build: str) -> bool:
    """Whether the build is whole."""
    sealed = fixed(schema).builds
    return bool(connection.execute(sa.select(sa.exists().where(sealed.c.build == build))).scalar())


def written(connection: sa.Connection, schema: str, build: str) -> dict[str, list[str]]:
    """Columns that a build wrote, sealed or not, by table."""
    tables = fixed(schema).build_tables
    asked = sa.select(tables.c.table_name, tables.c.columns).where(tables.c.build == build)
    return {row.table_name: row.columns for row in connection.execute(asked)}


def _counts(connection: sa.Connection, schema: str, build: str) -> dict[str, int]:
    """Rows of a build by table, as they were counted when they were written."""
    tables = fixed(schema).build_tables
    asked = sa.select(tables.c.table_name, tables.c.rows).where(tables.c.build == build)
    return {row.table_name: row.rows for row in connection.execute(asked)}


def sealed_builds(connection: sa.Connection, schema: str) -> list[str]:
    """Ids of the sealed builds."""
    return list(connection.execute(sa.select(fixed(schema).builds.c.build)).scalars())


def manifests(connection: sa.Connection, schema: str, build: str | None = None) -> dict[str, dict[str, Any]]:
    """Manifests of all sealed builds, or of one, by id, in the order in which they were sealed."""
    sealed = fixed(schema).builds
    asked = sa.select(sealed.c.build, sealed.c.manifest)
    if build is not None:
        asked = asked.where(sealed.c.build == build)
    asked = asked.order_by(sealed.c.sealed_at, sealed.c.build)
    return {row.build: row.manifest for row in connection.execute(asked)}
