"""Claim: whoever has rows hands them over in microseconds, and batches are safe sooner than in SQLite with its WAL.

A single row that is awaited before the next one comes takes longer than in SQLite if nobody waits for the disk: a
thread is woken for it. Rows that follow each other are gathered.

Both take the same rows of 115 columns and promise the same: each batch is acknowledged once the operating system has
it (fsync never, SQLite's synchronous=OFF), or the disk (always, FULL). SQLite gets its rows as tuples, made before the
clock runs. The store behind the spool takes nothing while it is measured; afterwards everything is drained and
compared.
"""

from __future__ import annotations

import contextlib
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.frame import Timing, ratio, table
from benchmarks.inputs import SEED
from btcframe.spool import ROWS, Entry, Spool
from btcframe.spool.settings import Settings
from btcframe.types import NS

COLUMNS = 115
SIZES = ((1, 1_000), (60, 200), (65_536, 2))
"""Rows of a batch, and how many of them."""

POLICIES = (("never", "OFF"), ("always", "FULL"))


def frame(rows: int) -> pa.Table:
    rng = np.random.default_rng(SEED)
    values = rng.normal(size=(rows, COLUMNS - 2))
    keys = {"row_ns": NS * np.arange(1, rows + 1), "symbol": pa.repeat("BTC/USDT:USDT", rows)}
    return pa.table(keys | {f"c{j}": values[:, j] for j in range(COLUMNS - 2)})


class Taken:
    """A store that keeps what it is given, in order."""

    def __init__(self) -> None:
        self.tables: list[pa.Table] = []

    def address(self) -> str:
        return "taken"

    def write(self, build: str, name: str, batch: pa.Table) -> None:
        self.tables.append(batch)


def spooled(
    folder: Path, batches: list[pa.Table], fsync: str, wait: bool
) -> tuple[float, float, list[pa.Table]]:
    """Seconds until all batches are acknowledged, the median of one `put`, and what was drained afterwards.

    `wait` puts each batch only once the one before is acknowledged.
    """
    taken, puts = Taken(), []
    settings = Settings(str(folder), fsync, NS, 3600 * NS, 1 << 40, 1 << 40, 1 << 40)
    with Spool(taken, settings).running() as spool:  # type: ignore[arg-type]
        began = time.perf_counter()
        for batch in batches:
            start = time.perf_counter()
            receipt = spool.put(Entry(ROWS, "b", "t", batch))
            puts.append(time.perf_counter() - start)
            if wait:
                spool.wait(receipt)
        spool.wait(receipt)
        took = time.perf_counter() - began
        assert not taken.tables, "rows were drained while the clock ran"
    return took, statistics.median(puts), taken.tables


def sqlite(path: Path, batches: list[list[tuple[Any, ...]]], synchronous: str) -> tuple[float, list[Any]]:
    """Seconds for a transaction a batch, and what is there afterwards."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as base:
        base.execute("PRAGMA journal_mode=WAL")
        base.execute(f"PRAGMA synchronous={synchronous}")
        base.execute(f"CREATE TABLE t ({', '.join(f'c{j}' for j in range(COLUMNS))})")
        insert = f"INSERT INTO t VALUES ({', '.join('?' * COLUMNS)})"
        began = time.perf_counter()
        for batch in batches:
            base.execute("BEGIN")
            base.executemany(insert, batch)
            base.execute("COMMIT")
        took = time.perf_counter() - began
        return took, base.execute("SELECT * FROM t ORDER BY rowid").fetchall()


def main() -> None:
    shown = []
    for rows, n in SIZES:
        whole = frame(rows * n)
        batches = [whole.slice(i * rows, rows) for i in range(n)]
        tuples = list(zip(*(column.to_pylist() for column in whole.columns), strict=True))
        given = [tuples[i * rows : (i + 1) * rows] for i in range(n)]
        for fsync, synchronous in POLICIES:
            times: list[list[float]] = [[], [], [], []]
            for turn in range(3):
                with tempfile.TemporaryDirectory(dir=".") as name:  # a disk, not memory
                    folder = Path(name)
                    each, put, came = spooled(folder / "each", batches, fsync, True)
                    many, _, also = spooled(folder / "many", batches, fsync, False)
                    theirs, there = sqlite(folder / "base", given, synchronous)
                if turn == 0:
                    for tables in (came, also):
                        assert pa.concat_tables(tables).equals(whole), "other rows came out of the spool"
                    assert there == tuples, "other rows came out of SQLite"
                for kept, took in zip(times, (each, many, theirs, put), strict=True):
                    kept.append(took)
            ours, gathered, peer, puts = (Timing(tuple(kept)) for kept in times)
            shown.append((
                f"{rows:,} rows, fsync {fsync}", puts.each(1), ours.rate(rows * n), gathered.rate(rows * n),
                peer.rate(rows * n), ratio(ours, peer), ratio(gathered, peer),
            ))  # fmt: skip
    table(
        f"Spool, {COLUMNS} columns, rows acknowledged", "batches of", "put", "each awaited", "the last awaited",
        "SQLite, WAL", "×", "×", rows=shown,
        note="Afterwards both hold the same rows, bit for bit. put is what a caller waits for at least: it hands over.",
    )  # fmt: skip
