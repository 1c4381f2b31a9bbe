"""Rows out of a table, in order of time: one binary COPY, decoded as it arrives, so memory stays flat."""

from __future__ import annotations

import select
from collections.abc import Iterator, Sequence

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

from btcframe.stores.batches import asked, utc
from btcframe.stores.postgres.builds import sealed_builds, written
from btcframe.stores.postgres.catalogue import columns_of
from btcframe.stores.postgres.connection import Access, driver, session
from btcframe.stores.postgres.copy_binary import HEADER, TRAILER, decode
from btcframe.stores.postgres.kinds import KINDS
from btcframe.stores.postgres.schema_version import ready

BYTES = 1 << 21
ROWS = 65_536
"""What is decoded at a time, at most: as much as stays in the processor's cache."""


def scan(
    access: Access,
    build: str,
    table: str,
    columns: Sequence[str] | None,
    since: int | None,
    until: int | None,
    *,
    whole: bool,
) -> Iterator[pa.RecordBatch]:
    """Rows of a build with since <= row_ns < until, in order of time.

    Raises
    ------
    StoreError
        If the build is unknown or, unless `whole` is false, not sealed, has no such table or column, or the server
        fails.
    """
    with session(access, f"build {build} cannot be looked up") as connection:
        known: dict[str, dict[str, list[str]]] = {}
        if ready(connection, access.schema):
            known = {name: {} for name in sealed_builds(connection, access.schema)}
            tables = written(connection, access.schema, build)
            if build in known or (tables and not whole):
                known[build] = tables
        names = asked(build, table, columns, known, str(access), whole=whole)
        types = columns_of(connection, access.schema, table)
    by_sql = {kind.sql: name for name, kind in KINDS.items()}
    return _batches(access, build, table, {name: by_sql[types[name]] for name in names}, since, until)


def _batches(
    access: Access, build: str, table: str, kinds: dict[str, str], since: int | None, until: int | None
) -> Iterator[pa.RecordBatch]:
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT BINARY)").format(
        question(access.schema, build, table, list(kinds), since, until)
    )
    with session(access._replace(statement_ms=0), f"table {table} cannot be read") as connection:
        # the key's index has the order: to sort a build would take as much disk as the build
        connection.exec_driver_sql("SET LOCAL enable_sort = off")
        connection.exec_driver_sql("SET LOCAL jit = off")
        with driver(connection).cursor().copy(statement) as copy:
            for rows in pieces(copy):
                yield pa.RecordBatch.from_arrays(decode(list(kinds.values()), rows), list(kinds))


def question(
    schema: str, build: str, table: str, columns: Sequence[str], since: int | None, until: int | None
) -> sql.Composed:
    """The query of a scan."""
    wanted = [sql.SQL("build = {}").format(sql.Literal(build))]
    # row_time says nothing that row_ns does not, but a hypertable leaves out the chunks that it is not in
    if since is not None:
        wanted.append(sql.SQL("row_ns >= {} AND row_time >= {}").format(since, utc(since)))
    if until is not None:
        wanted.append(sql.SQL("row_ns < {} AND row_time <= {}").format(until, utc(until)))
    return sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY row_ns, symbol").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.Identifier(schema, table),
        sql.SQL(" AND ").join(wanted),
    )


def pieces(copy: psycopg.Copy) -> Iterator[list[memoryview]]:
    """Rows as they arrive, as many at a time as BYTES and ROWS allow.

    They are taken from libpq itself: Copy.read() costs several times as much a row.
    """
    pgconn = copy.connection.pgconn
    take, sockets = pgconn.get_copy_data, [pgconn.socket]
    held: list[memoryview] = []
    size, start = 0, len(HEADER)  # the header comes in front of the first row
    while True:
        length, row = take(1)
        if length == 0:  # nothing is there yet
            select.select(sockets, [], [])
            pgconn.consume_input()
            continue
        if length < 0:  # not the end: that is the trailer
            raise error_from_result(pgconn.get_result() or pgconn.make_empty_result(ExecStatus.FATAL_ERROR))
        if start:
            row, length, start = row[start:], length - start, 0
        if length == len(TRAILER) and row == TRAILER:
            if held:
                yield held
            copy.read()  # the server's last word
            return
        held.append(row)
        size += length
        if size >= BYTES or len(held) >= ROWS:
            yield held
            held, size = [], 0
