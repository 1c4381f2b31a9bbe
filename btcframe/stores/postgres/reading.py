"""Rows out of a table, in order of time: one binary COPY, decoded as it arrives, so memory stays flat."""

from __future__ import annotations

import select
from collections.abc import Iterator, Sequence

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

from btcframe.stores.batches import asked
from btcframe.stores.postgres.builds import sealed_builds, written
from btcframe.stores.postgres.catalogue import columns_of, has_builds
from btcframe.stores.postgres.connection import Access, driver, session
from btcframe.stores.postgres.copy_binary import HEADER, TRAILER, decode
from btcframe.stores.postgres.kinds import KINDS

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
) -> Iterator[pa.RecordBatch]:
    """Rows of a sealed build with since <= row_ns < until, in order of time.

    Raises
    ------
    StoreError
        If the build is unknown or not sealed, has no such table or column, or the server fails.
    """
    with session(access, f"build {build} cannot be looked up") as connection:
        known: dict[str, dict[str, list[str]]] = {}
        if has_builds(connection, access.schema):
            known = {name: {} for name in sealed_builds(connection, access.schema)}
            if build in known:
                known[build] = written(connection, access.schema, build)
        names = asked(build, table, columns, known, str(access))
        types = columns_of(connection, access.schema, table)
    by_sql = {kind.sql: name for name, kind in KINDS.items()}
    return _batches(access, build, table, {name: by_sql[types[name]] for name in names}, since, until)


def _batches(
    access: Access, build: str, table: str, kinds: dict[str, str], since: int | None, until: int | None
) -> Iterator[pa.RecordBatch]:
    wanted = [sql.SQL("build = {}").format(sql.Literal(build))]
    for bound, compared in ((since, ">="), (until, "<")):
        if bound is not None:
            wanted.append(sql.SQL("row_ns {} {}").format(sql.SQL(compared), sql.Literal(bound)))
    statement = sql.SQL(
        "COPY (SELECT {} FROM {} WHERE {} ORDER BY row_ns, symbol) TO STDOUT (FORMAT BINARY)"
    ).format(
        sql.SQL(", ").join(map(sql.Identifier, kinds)),
        sql.Identifier(access.schema, table),
        sql.SQL(" AND ").join(wanted),
    )
    with session(access._replace(statement_ms=0), f"table {table} cannot be read") as connection:
        # the key's index has the order: to sort a build would take as much disk as the build
        connection.exec_driver_sql("SET LOCAL enable_sort = off")
        connection.exec_driver_sql("SET LOCAL jit = off")
        with driver(connection).cursor().copy(statement) as copy:
            for rows in _pieces(copy):
                yield pa.RecordBatch.from_arrays(decode(list(kinds.values()), rows), list(kinds))


def _pieces(copy: psycopg.Copy) -> Iterator[list[memoryview]]:
    """Rows as they arrive, as many at a time as BYTES and ROWS allow."""
    held: list[memoryview] = []
    size = 0
    for row in _rows(copy):
        held.append(row)
        size += len(row)
        if size >= BYTES or len(held) >= ROWS:
            yield held
            held, size = [], 0
    if held:
        yield held


def _rows(copy: psycopg.Copy) -> Iterator[memoryview]:
    """Each row's bytes, taken from libpq as they arrive: Copy.read() costs several times as much a row."""
    pgconn = copy.connection.pgconn
    start = len(HEADER)  # the header comes in front of the first row
    while True:
        size, row = pgconn.get_copy_data(1)
        if size == 0:
            select.select([pgconn.socket], [], [])
            pgconn.consume_input()
            continue
        if size < 0:  # not the end: that is the trailer
            raise error_from_result(pgconn.get_result() or pgconn.make_empty_result(ExecStatus.FATAL_ERROR))
        row, start = row[start:], 0
        if row == TRAILER:
            copy.read()  # the server's last word
            return
        yield row
