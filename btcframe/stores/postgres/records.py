"""Records of runs in fixed tables: written by binary COPY, read by it in order of the key."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql

from btcframe.stores.postgres.catalogue import fixed, lock, make_schema
from btcframe.stores.postgres.connection import Access, driver, session
from btcframe.stores.postgres.copy_binary import HEADER, TRAILER, decode, encode
from btcframe.stores.postgres.reading import pieces
from btcframe.stores.postgres.schema_version import ready
from btcframe.stores.records import TABLES, check_table, checked, unseen


def record(access: Access, run: str, table: str, rows: pa.Table) -> None:
    """Append the rows of a run that are not there yet, in one transaction.

    Writers of one run take turns, so that how many rows are there stays true until the others are in.

    Raises
    ------
    StoreError
        If the rows are none of the table's, leave some of the run out, or the server fails.
    """
    rows = checked(run, table, rows)
    with session(access, f"table {table} cannot be written") as connection:
        make_schema(connection, access.schema)
        lock(connection, f"run of {access.schema} {run}")
        kept = fixed(access.schema).records[table]
        asked = sa.select(sa.func.coalesce(sa.func.max(kept.c.n) + 1, 0)).where(kept.c.run == run)
        fresh = unseen(run, table, rows, connection.execute(asked).scalar_one())
        if len(fresh):
            _copy(connection, access.schema, table, fresh)


def _copy(connection: sa.Connection, schema: str, table: str, rows: pa.Table) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(schema, table), sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
    )
    kinds = _kinds(table)
    with driver(connection).cursor().copy(statement) as copy:
        copy.write(HEADER)
        for part in rows.combine_chunks().to_batches():
            for piece in encode(kinds, part):
                copy.write(piece)
        copy.write(TRAILER)


def records(access: Access, table: str, run: str | None) -> Iterator[pa.RecordBatch]:
    """Rows run after run, each in order of n, as they arrive.

    Raises
    ------
    StoreError
        If there is no such table, or the server fails.
    """
    check_table(table)
    return _batches(access, table, run)


def _batches(access: Access, table: str, run: str | None) -> Iterator[pa.RecordBatch]:
    schema = TABLES[table]
    wanted = sql.SQL("WHERE run = {}").format(sql.Literal(run)) if run is not None else sql.SQL("")
    statement = sql.SQL("COPY (SELECT {} FROM {} {} ORDER BY run, n) TO STDOUT (FORMAT BINARY)").format(
        sql.SQL(", ").join(map(sql.Identifier, schema.names)), sql.Identifier(access.schema, table), wanted
    )
    with session(access._replace(statement_ms=0), f"table {table} cannot be read") as connection:
        if not ready(connection, access.schema):
            return
        # the key's index has the order: to sort a table would take as much disk as the table
        connection.exec_driver_sql("SET LOCAL enable_sort = off")
        connection.exec_driver_sql("SET LOCAL jit = off")
        with driver(connection).cursor().copy(statement) as copy:
            for rows in pieces(copy):
                yield pa.RecordBatch.from_arrays(decode(_kinds(table), rows), schema=schema)


def _kinds(table: str) -> list[str]:
    return [str(field.type) for field in TABLES[table]]
