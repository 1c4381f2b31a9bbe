"""What stands in a schema: sealed builds, the columns of each build, and the tables of rows.

`builds`, `build_tables` and the records of runs are fixed, and made by `migrations`. Every other table is one of `Store.write`: real columns, those of all builds,
null where a build has none. Its key is (build, row_ns, symbol): in this order the index gives the rows of a build in
order of time. `row_time` is row_ns to the microsecond, as SQL users and Grafana want it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from btcframe.errors import RefusedError
from btcframe.stores.postgres.connection import Access, session
from btcframe.stores.postgres.hypertables import Layout, has_timescale, settle
from btcframe.stores.postgres.kinds import KINDS, STAMP
from btcframe.stores.postgres.schema_version import VERSION_TABLE, ready
from btcframe.stores.records import DOCUMENTS, TABLES, time_of

log = logging.getLogger(__name__)

OURS = ("build", "row_time")
"""Columns that every table of rows has beside those of its rows."""

NAME_BYTES = 63
COLUMNS = 1600
"""Limits of PostgreSQL: longer names are cut off, and more columns refused."""


class Fixed(NamedTuple):
    """The tables that every schema has; `records` are those of `btcframe.stores.records`, by name."""

    metadata: sa.MetaData
    builds: sa.Table
    build_tables: sa.Table
    records: dict[str, sa.Table]


def fixed(schema: str) -> Fixed:
    """The fixed tables of a schema, as its migrations leave them."""
    metadata = sa.MetaData(schema=schema)
    builds = sa.Table(
        "builds",
        metadata,
        sa.Column("build", sa.Text, primary_key=True),
        sa.Column("manifest", sa.JSON, nullable=False),  # text is kept as it is: jsonb would change numbers
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    build_tables = sa.Table(
        "build_tables",
        metadata,
        sa.Column("build", sa.Text, primary_key=True),
        sa.Column("table_name", sa.Text, primary_key=True),
        sa.Column("columns", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False, server_default="0"),
    )
    return Fixed(metadata, builds, build_tables, {name: _records(metadata, name) for name in TABLES})


def _records(metadata: sa.MetaData, table: str) -> sa.Table:
    """A table of records; the server computes `time`, so nobody writes it."""
    seconds = f"to_timestamp(({time_of(table)} / 1000)::double precision / 1000000)"
    run, n, *columns = TABLES[table]
    return sa.Table(
        table,
        metadata,
        sa.Column(run.name, _type(str(run.type)), primary_key=True),
        sa.Column(n.name, _type(str(n.type)), primary_key=True, autoincrement=False),
        sa.Column("time", sa.DateTime(timezone=True), sa.Computed(seconds, persisted=True), nullable=False),
        *(sa.Column(c.name, sa.JSON() if c.name in DOCUMENTS else _type(str(c.type))) for c in columns),
        sa.Index(f"{table}_time", "time"),
    )


def rows_of(schema: str, table: str) -> sa.TableClause:
    """A table of rows, with its key."""
    return sa.table(table, *(sa.column(name) for name in ("build", "row_ns", "symbol")), schema=schema)


def lock(connection: sa.Connection, purpose: str) -> None:
    """Hold a lock, known by its purpose, until the transaction ends; wait for it."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key(purpose))))


def key(purpose: str) -> int:
    """The number of a lock, int64."""
    return int.from_bytes(hashlib.sha256(f"btcframe {purpose}".encode()).digest()[:8], "big", signed=True)


def columns_of(connection: sa.Connection, schema: str, table: str) -> dict[str, str]:
    """SQL types of a table's columns by name, in order; empty where it does not exist."""
    found = connection.execute(
        sa.text(
            "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a "
            "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = :schema AND c.relname = :table AND a.attnum > 0 AND NOT a.attisdropped "
            "ORDER BY a.attnum"
        ),
        {"schema": schema, "table": table},
    )
    return {row.attname: row.format_type for row in found}


def prepare(access: Access, table: str, kinds: Mapping[str, str], layout: Layout) -> None:
    """Make the table, or add the columns it does not have yet, in a transaction of its own.

    Parameters
    ----------
    access : Access
    table : str
    kinds : mapping     of the columns, by name; see `kinds.KINDS`
    layout : Layout

    Raises
    ------
    StoreError
        If a name cannot be kept, a column has another type in an earlier build, or there are too many.
    """
    _check_names(table, kinds)
    with session(access, f"table {table} cannot be prepared") as connection:
        ready(connection, access.schema)
        there = columns_of(connection, access.schema, table)
        _check_types(access, table, kinds, there)
        if there and all(name in there for name in kinds):
            return
        lock(connection, f"tables of {access.schema}")  # nobody else makes or widens a table meanwhile
        make_schema(connection, access.schema)
        there = columns_of(connection, access.schema, table)
        _check_types(access, table, kinds, there)
        as_owner(connection, access.schema)
        new = {name: kind for name, kind in kinds.items() if name not in there}
        if (total := len(there or OURS) + len(new)) > COLUMNS:
            raise RefusedError(
                f"table {table} would have {total:,} columns, and PostgreSQL keeps {COLUMNS:,}",
                where=str(access),
                hint="It has the columns of all builds: use fewer (select=…), or another schema (store.schema=…).",
            )
        if there:
            _widen(connection, access.schema, table, new)
        else:
            _make(connection, access.schema, table, new, layout)


def _check_names(table: str, kinds: Mapping[str, str]) -> None:
    if table in (VERSION_TABLE, "builds", "build_tables", *TABLES):
        raise RefusedError(
            f"a table of rows cannot be called {table}", hint="The store itself has one of this name."
        )
    for name in (table, *kinds):
        if (size := len(name.encode())) > NAME_BYTES:
            raise RefusedError(
                f"the name {name} has {size} bytes, and PostgreSQL keeps {NAME_BYTES}",
                hint="Use a shorter one.",
            )
    for name in kinds:
        if not name or "\0" in name or name in OURS:
            raise RefusedError(
                f"{name!r} cannot be a column of a table of rows", hint=f"Taken: {', '.join(OURS)}."
            )
    for name in ("row_ns", "symbol"):
        if name not in kinds:
            raise RefusedError(
                f"the rows of table {table} have no column {name}", hint="It is a part of their key."
            )


def _check_types(access: Access, table: str, kinds: Mapping[str, str], there: Mapping[str, str]) -> None:
    for name, kind in kinds.items():
        have = there.get(name, KINDS[kind].sql)
        if have != KINDS[kind].sql:
            known = next((str(k.arrow) for k in KINDS.values() if k.sql == have), have)
            raise RefusedError(
                f"column {name} is {kind}, and {known} in an earlier build",
                where=f"{access}, table {table}",
                hint="A column keeps its type in all builds: rename it.",
            )


def make_schema(connection: sa.Connection, schema: str) -> list[str]:
    """Make the schema and its fixed tables where they are not there yet.

    Returns
    -------
    list of str
        The revisions that were run: none where all was there.

    Raises
    ------
    StoreError
        If an older or a newer btcframe made the schema.
    """
    if ready(connection, schema):
        return []
    lock(connection, f"tables of {schema}")
    if ready(connection, schema):  # made by another while this one waited
        return []
    if not sa.inspect(connection).has_schema(schema):
        connection.execute(sa.schema.CreateSchema(schema))
    as_owner(connection, schema)
    from btcframe.stores.postgres.migrations import upgrade  # alembic, which only this needs

    done = upgrade(connection, schema)
    if not has_timescale(connection):
        log.warning(
            "this database has no TimescaleDB: tables are plain PostgreSQL, without chunks, compression and policies, "
            "and it is `btcframe db compact` that deletes what store.keep_rows says. Where the server has it, "
            "`CREATE EXTENSION timescaledb`, then `btcframe db migrate`, makes hypertables of them."
        )
    return done


def as_owner(connection: sa.Connection, schema: str) -> None:
    """Act as the owner of the schema until the transaction ends, where this role is a member of it.

    So every table has one owner, whoever made it: PostgreSQL lets only the owner widen a table, and gives rights to
    tables made later by who makes them.
    """
    owner = owner_of(connection, schema)
    if owner is not None:
        connection.execute(sa.text("SELECT set_config('role', :owner, true)"), {"owner": owner})


def owner_of(connection: sa.Connection, schema: str) -> str | None:
    """The owner of the schema, where this role is a member of it, and not it."""
    found: str | None = connection.execute(
        sa.text(
            "SELECT o.rolname FROM pg_namespace n JOIN pg_roles o ON o.oid = n.nspowner "
            "WHERE n.nspname = :schema AND o.rolname <> current_user AND pg_has_role(o.oid, 'MEMBER')"
        ),
        {"schema": schema},
    ).scalar_one_or_none()
    return found


def _make(
    connection: sa.Connection, schema: str, table: str, kinds: Mapping[str, str], layout: Layout
) -> None:
    made = sa.Table(
        table,
        sa.MetaData(schema=schema),
        sa.Column("build", sa.Text, nullable=False),
        sa.Column("row_time", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, _type(kind)) for name, kind in kinds.items()),
        sa.PrimaryKeyConstraint("build", "row_ns", "symbol"),
    )
    made.create(connection)
    settle(connection, schema, table, layout)


def _widen(connection: sa.Connection, schema: str, table: str, kinds: Mapping[str, str]) -> None:
    quote = connection.dialect.identifier_preparer
    name = quote.format_table(sa.table(table, schema=schema))
    for column, kind in kinds.items():  # one by one: a compressed hypertable takes no more at a time
        connection.exec_driver_sql(
            f"ALTER TABLE {name} ADD COLUMN {quote.quote_identifier(column)} {KINDS[kind].sql}"
        )


def _type(kind: str) -> Any:
    """SQLAlchemy's type of a kind."""
    types = {
        "int16": sa.SmallInteger, "int32": sa.Integer, "int64": sa.BigInteger,
        "float": sa.REAL, "double": sa.DOUBLE_PRECISION, "bool": sa.Boolean, "string": sa.Text,
        STAMP: sa.DateTime(timezone=True),
    }  # fmt: skip
    return types[kind]
