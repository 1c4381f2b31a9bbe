"""Rows into a table: those that are not there yet, by binary COPY, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects.postgresql import insert

from btcframe.errors import RefusedError
from btcframe.stores.batches import check_name, ordered, plain, utc, without
from btcframe.stores.postgres.builds import is_sealed, lock_build, written
from btcframe.stores.postgres.catalogue import fixed, prepare, rows_of
from btcframe.stores.postgres.connection import Access, driver, session
from btcframe.stores.postgres.copy_binary import HEADER, TRAILER, encode
from btcframe.stores.postgres.hypertables import Layout
from btcframe.stores.postgres.kinds import KINDS, STAMP


def write(access: Access, build: str, table: str, batch: pa.Table, layout: Layout) -> None:
    """Append the rows whose (symbol, row_ns) the build does not hold yet.

    Writers of one build take turns, so that what is looked up stays true until the rows are in; writers of different
    builds do not wait for each other. A crash leaves the whole batch or nothing.

    Raises
    ------
    StoreError
        If the build is sealed and the batch has new rows, a column cannot be kept, or the server fails.
    """
    check_name("build", build)
    check_name("table", table)
    if batch.num_rows == 0:
        return
    batch = plain(batch)
    kinds = {field.name: str(field.type) for field in batch.schema}
    prepare(access, table, kinds, layout)
    batch = ordered(batch)
    with session(access, f"table {table} cannot be written") as connection:
        lock_build(connection, access, build)
        fresh = _unseen(connection, access.schema, build, table, batch)
        if fresh.num_rows and is_sealed(connection, access.schema, build):
            raise RefusedError(
                f"build {build} is sealed, and {fresh.num_rows:,} of these rows are not in it",
                where=f"{access}, table {table}",
                hint="A sealed build never changes: write to another build.",
            )
        _note(connection, access.schema, build, table, list(kinds), fresh.num_rows)
        _copy(connection, access.schema, build, table, list(kinds.values()), fresh)


def _unseen(connection: sa.Connection, schema: str, build: str, table: str, batch: pa.Table) -> pa.Table:
    """The rows of the batch whose key the build does not hold."""
    rows = rows_of(schema, table)
    first, last = (int(batch["row_ns"][at].as_py()) for at in (0, -1))
    time = sa.column("row_time", sa.DateTime(timezone=True))
    asked = sa.select(rows.c.symbol, rows.c.row_ns).where(
        rows.c.build == build, rows.c.row_ns.between(first, last), time.between(utc(first), utc(last))
    )
    there = connection.execute(asked).all()
    if not there:
        return batch
    symbols, stamps = zip(*there, strict=True)
    return without(batch, pa.table({"symbol": pa.array(symbols), "row_ns": pa.array(stamps)}))


def _note(
    connection: sa.Connection, schema: str, build: str, table: str, columns: Sequence[str], rows: int
) -> None:
    """Keep which columns the build has, and that it has so many rows more."""
    known = written(connection, schema, build).get(table, [])
    tables = fixed(schema).build_tables
    names = list(dict.fromkeys([*known, *columns]))
    row = insert(tables).values(build=build, table_name=table, columns=names, rows=rows)
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["build", "table_name"], set_={"columns": names, "rows": tables.c.rows + rows}
        )
    )


def _copy(
    connection: sa.Connection, schema: str, build: str, table: str, kinds: Sequence[str], rows: pa.Table
) -> None:
    if rows.num_rows == 0:
        return
    names = ["build", "row_time", *rows.column_names]
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(schema, table), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with driver(connection).cursor().copy(statement) as copy:
        copy.write(HEADER)
        for part in rows.combine_chunks().to_batches():
            for piece in encode(["string", STAMP, *kinds], _with_ours(build, part)):
                copy.write(piece)
        copy.write(TRAILER)


def _with_ours(build: str, part: pa.RecordBatch) -> pa.RecordBatch:
    """The rows with the columns `build` and `row_time` before them."""
    row_time = pa.array(part.column("row_ns").to_numpy() // 1000).view(KINDS[STAMP].arrow)
    arrays = [pa.repeat(build, part.num_rows), row_time, *part.columns]
    return pa.RecordBatch.from_arrays(arrays, ["build", "row_time", *part.schema.names])
