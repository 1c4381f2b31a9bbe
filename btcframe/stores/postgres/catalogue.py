"""What stands in a schema: sealed builds, the columns of each build, and the tables of rows.

`builds` and `build_tables` are fixed. Every other table is one of `Store.write`: real columns, those of all builds,
null where a build has none. Its key is (build, row_ns, symbol): in this order the index gives the rows of a build in
order of time. `row_time` is row_ns to the microsecond, as SQL users and Grafana want it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from btcframe.errors import StoreError
from btcframe.stores.postgres.connection import Access, session
from btcframe.stores.postgres.kinds import KINDS

log = logging.getLogger(__name__)

OURS = ("build", "row_time")
"""Columns that every table of rows has beside those of its rows."""

NAME_BYTES = 63
COLUMNS = 1600
"""Limits of PostgreSQL: longer names are cut off, and more columns refused."""


class Fixed(NamedTuple):
    """The tables that every schema has."""

    metadata: sa.MetaData
    builds: sa.Table
    build_tables: sa.Table


class Layout(NamedTuple):
    """How tables of rows are kept where TimescaleDB is there.

    Parameters
    ----------
    chunk_us : int        microseconds that a chunk of a hypertable spans
    compress_us : int     age at which chunks are compressed; 0: never
    """

    chunk_us: int
    compress_us: int


def fixed(schema: str) -> Fixed:
    """The fixed tables of a schema."""
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
    )
    return Fixed(metadata, builds, build_tables)


def rows_of(schema: str, table: str) -> sa.TableClause:
    """A table of rows, with its key."""
    return sa.table(table, *(sa.column(name) for name in ("build", "row_ns", "symbol")), schema=schema)


def lock(connection: sa.Connection, purpose: str) -> None:
    """Hold a lock, known by its purpose, until the transaction ends; wait for it."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key(purpose))))


def key(purpose: str) -> int:
    """The number of a lock, int64."""
    return int.from_bytes(hashlib.sha256(f"btcframe {purpose}".encode()).digest()[:8], "big", signed=True)


def has_builds(connection: sa.Connection, schema: str) -> bool:
    """Whether anything was ever written to the schema."""
    return bool(sa.inspect(connection).has_table("builds", schema=schema))


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
        there = columns_of(connection, access.schema, table)
        _check_types(access, table, kinds, there)
        if there and all(name in there for name in kinds):
            return
        lock(connection, f"tables of {access.schema}")  # nobody else makes or widens a table meanwhile
        make_schema(connection, access.schema)
        there = columns_of(connection, access.schema, table)
        _check_types(access, table, kinds, there)
        new = {name: kind for name, kind in kinds.items() if name not in there}
        if (total := len(there or OURS) + len(new)) > COLUMNS:
            raise StoreError(
                f"table {table} would have {total:,} columns, and PostgreSQL keeps {COLUMNS:,}",
                where=str(access),
                hint="It has the columns of all builds: use fewer (select=…), or another schema (store.schema=…).",
            )
        if there:
            _widen(connection, access.schema, table, new)
        else:
            _make(connection, access.schema, table, new, layout)


def _check_names(table: str, kinds: Mapping[str, str]) -> None:
    if table in ("builds", "build_tables"):
        raise StoreError(
            f"a table of rows cannot be called {table}", hint="The store itself has one of this name."
        )
    for name in (table, *kinds):
        if (size := len(name.encode())) > NAME_BYTES:
            raise StoreError(
                f"the name {name} has {size} bytes, and PostgreSQL keeps {NAME_BYTES}",
                hint="Use a shorter one.",
            )
    for name in kinds:
        if not name or "\0" in name or name in OURS:
            raise StoreError(
                f"{name!r} cannot be a column of a table of rows", hint=f"Taken: {', '.join(OURS)}."
            )
    for name in ("row_ns", "symbol"):
        if name not in kinds:
            raise StoreError(
                f"the rows of table {table} have no column {name}", hint="It is a part of their key."
            )


def _check_types(access: Access, table: str, kinds: Mapping[str, str], there: Mapping[str, str]) -> None:
    for name, kind in kinds.items():
        have = there.get(name, KINDS[kind].sql)
        if have != KINDS[kind].sql:
            known = next((str(k.arrow) for k in KINDS.values() if k.sql == have), have)
            raise StoreError(
                f"column {name} is {kind}, and {known} in an earlier build",
                where=f"{access}, table {table}",
                hint="A column keeps its type in all builds: rename it.",
            )


def make_schema(connection: sa.Connection, schema: str) -> None:
    """Make the schema and its fixed tables where they are not there yet."""
    if has_builds(connection, schema):
        return
    lock(connection, f"tables of {schema}")
    if has_builds(connection, schema):  # made by another while this one waited
        return
    if not sa.inspect(connection).has_schema(schema):
        connection.execute(sa.schema.CreateSchema(schema))
    fixed(schema).metadata.create_all(connection)
    if not has_timescale(connection):
        log.warning(
            "this database has no TimescaleDB: tables are plain PostgreSQL, without chunks and compression. "
            "Where the server has it, `CREATE EXTENSION timescaledb` before the first build makes hypertables."
        )


def has_timescale(connection: sa.Connection) -> bool:
    """Whether the database has the extension."""
    asked = sa.text("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')")
    return bool(connection.execute(asked).scalar())


def _make(
    connection: sa.Connection, schema: str, table: str, kinds: Mapping[str, str], layout: Layout
) -> None:
    hyper = has_timescale(connection)
    made = sa.Table(
        table,
        sa.MetaData(schema=schema),
        sa.Column("build", sa.Text, nullable=False),
        sa.Column("row_time", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, _type(kind)) for name, kind in kinds.items()),
        # a hypertable's key must have the time that it is cut by; row_ns decides it, so the key is the same
        sa.PrimaryKeyConstraint("build", "row_ns", "symbol", *(["row_time"] if hyper else [])),
    )
    made.create(connection)
    if hyper:
        _make_hypertable(connection, made, layout)


def _make_hypertable(connection: sa.Connection, table: sa.Table, layout: Layout) -> None:
    name = connection.dialect.identifier_preparer.format_table(table)
    plain = name.replace("%%", "%")  # quoted for a statement with parameters; here it is one
    interval = "CAST(:us || ' microseconds' AS interval)"
    connection.execute(
        sa.text(f"SELECT create_hypertable(CAST(:name AS regclass), by_range('row_time', {interval}))"),
        {"name": plain, "us": str(layout.chunk_us)},
    )
    if layout.compress_us:
        connection.exec_driver_sql(
            f"ALTER TABLE {name} SET (timescaledb.compress, timescaledb.compress_segmentby = 'build, symbol', "
            "timescaledb.compress_orderby = 'row_ns')"
        )
        connection.execute(
            sa.text(f"SELECT add_compression_policy(CAST(:name AS regclass), {interval})"),
            {"name": plain, "us": str(layout.compress_us)},
        )


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
    }  # fmt: skip
    return types[kind]
