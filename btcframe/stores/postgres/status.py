"""`btcframe db status` on a server: what stands there, from its catalogue and the ends of its indexes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import sqlalchemy as sa

from btcframe.api import BuildStatus, StoreStatus, TableStatus
from btcframe.stores.postgres.catalogue import fixed, rows_of
from btcframe.stores.postgres.connection import Access, session
from btcframe.stores.postgres.hypertables import has_timescale, policies
from btcframe.stores.postgres.schema_version import HEAD, VERSION_TABLE, revision

COUNTED = 32 << 20
"""Bytes of a table up to which its rows are counted; of a larger one they are the planner's estimate."""


class Pieces(NamedTuple):
    """What a table consists of: its chunks, those of them that are compressed, and bytes. A plain table is one."""

    chunks: int
    compressed: int
    bytes: int


def status(access: Access) -> StoreStatus:
    """How the schema stands. Changes nothing."""
    with session(access, "the store cannot be looked at") as connection:
        found = revision(connection, access.schema)
        names = tables(connection, access.schema) if found else []
        return StoreStatus(
            _facts(connection, access),
            found,
            HEAD,
            tuple(_table(connection, access.schema, name) for name in names),
            tuple(_builds(connection, access.schema, names)) if found == HEAD else (),
        )


def tables(connection: sa.Connection, schema: str) -> list[str]:
    """Names of all tables of the schema but the one with its version."""
    asked = sa.text(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = :schema AND c.relkind = 'r' AND c.relname <> :version ORDER BY c.relname"
    )
    return list(connection.execute(asked, {"schema": schema, "version": VERSION_TABLE}).scalars())


def pieces(connection: sa.Connection, schema: str, table: str) -> Pieces:
    """Chunks and bytes of a table, its indexes with it."""
    name = connection.dialect.identifier_preparer.format_table(sa.table(table, schema=schema))
    asked = {"name": name.replace("%%", "%"), "schema": schema, "table": table}  # %% is for a statement alone
    if has_timescale(connection):
        chunks = sa.text(
            "SELECT (SELECT count(*) FROM timescaledb_information.chunks c WHERE c.hypertable_schema = :schema "
            "AND c.hypertable_name = :table) AS chunks, (SELECT count(*) FROM timescaledb_information.chunks c "
            "WHERE c.hypertable_schema = :schema AND c.hypertable_name = :table AND c.is_compressed) AS compressed, "
            "hypertable_size(CAST(:name AS regclass)) AS bytes FROM timescaledb_information.hypertables h "
            "WHERE h.hypertable_schema = :schema AND h.hypertable_name = :table"
        )
        found = connection.execute(chunks, asked).one_or_none()
        if found is not None:
            return Pieces(found.chunks, found.compressed, int(found.bytes or 0))
    size = sa.text("SELECT pg_total_relation_size(CAST(:name AS regclass))")
    return Pieces(1, 0, int(connection.execute(size, asked).scalar_one()))


def _facts(connection: sa.Connection, access: Access) -> dict[str, str]:
    version = connection.exec_driver_sql("SHOW server_version").scalar_one()
    extension = connection.execute(
        sa.text("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    ).scalar_one_or_none()
    return {
        "store": "timescale",
        "address": str(access),
        "role": str(connection.exec_driver_sql("SELECT current_user").scalar_one()),
        "server": f"PostgreSQL {version}",
        "TimescaleDB": extension or "not in this database: plain tables, without chunks and compression",
    }


def _table(connection: sa.Connection, schema: str, table: str) -> TableStatus:
    of = pieces(connection, schema, table)
    exact = of.bytes <= COUNTED
    if exact:
        counted = sa.select(sa.func.count()).select_from(sa.table(table, schema=schema))
        rows = int(connection.execute(counted).scalar_one())
    else:
        name = connection.dialect.identifier_preparer.format_table(sa.table(table, schema=schema))
        (plan,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) SELECT FROM {name}").scalar_one()
        rows = int(plan["Plan"]["Plan Rows"])
    return TableStatus(
        table, rows, exact, of.bytes, of.chunks, of.compressed, policies(connection, schema, table)
    )


def _builds(connection: sa.Connection, schema: str, there: list[str]) -> Iterator[BuildStatus]:
    """Sealed builds, then the open ones, with the rows that were counted as they were written."""
    sealed, noted = fixed(schema).builds, fixed(schema).build_tables
    whole = list(connection.execute(sa.select(sealed.c.build).order_by(sealed.c.sealed_at)).scalars())
    tables_of: dict[str, list[tuple[str, int]]] = {build: [] for build in whole}
    asked = sa.select(noted.c.build, noted.c.table_name, noted.c.rows).order_by(noted.c.build)
    for build, table, rows in connection.execute(asked):
        tables_of.setdefault(build, []).append((table, rows))
    for build, its in tables_of.items():
        ends: list[int | None] = []
        for table in (name for name, _ in its if name in there):  # one that is gone, `verify` tells
            rows_ = rows_of(schema, table)
            ends += connection.execute(
                sa.select(sa.func.min(rows_.c.row_ns), sa.func.max(rows_.c.row_ns)).where(
                    rows_.c.build == build
                )
            ).one()
        known = [ns for ns in ends if ns is not None]
        yield BuildStatus(
            build,
            build in whole,
            sum(rows for _, rows in its),
            min(known, default=None),
            max(known, default=None),
        )
