"""Claim: the store's promises (transactions, checksums, sealed builds, idempotent writes) cost less than a factor of four.

Ours: `Delta` writing 65k rows at a time as a build does, sealing, and `scan` into one array. Peers: pandas
`to_parquet`/`read_parquet` with pyarrow at its defaults (snappy, dictionaries), and set as ours is (LZ4, none); they
compute no checksum and do not wait for the disk. Then a day of a live session, minute by minute, and the store on a
server, see `store_postgres`.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks import store_postgres
from benchmarks.frame import Timing, first, ratio, table, take_turns
from benchmarks.inputs import SEED
from btcframe.stores.delta import Delta
from btcframe.types import NS

ROWS, COLUMNS, BATCH = 194_974, 115, 65_536
MINUTES, MINUTE = 1_440, 60
AS_OURS = {"compression": "lz4", "use_dictionary": False}


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(SEED)
    values = rng.normal(size=(ROWS, COLUMNS)).cumsum(axis=0)
    names = [f"c{j}" for j in range(COLUMNS)]
    out = pd.DataFrame(values, columns=names)
    out.insert(0, "row_ns", NS * (1_704_067_200 + np.arange(1, ROWS + 1)))
    out.insert(1, "symbol", "BTC/USDT:USDT")
    return out


def write(path: Path, rows: pa.Table) -> None:
    shutil.rmtree(path, ignore_errors=True)
    store = Delta(str(path))
    for at in range(0, ROWS, BATCH):
        store.write("build", "t", rows.slice(at, BATCH))
    store.seal("build", {"tables": {"t": ROWS}})


def read(path: Path, names: list[str]) -> Any:
    out, at = np.empty((ROWS, len(names))), 0
    for batch in Delta(str(path)).scan("build", "t", names):
        for j in range(len(names)):
            out[at : at + batch.num_rows, j] = batch.column(j).to_numpy()
        at += batch.num_rows
    return out


def main() -> None:
    data = frame()
    rows = pa.Table.from_pandas(data, preserve_index=False)
    rows = rows.set_column(1, "symbol", pa.repeat("BTC/USDT:USDT", ROWS))  # as a build writes it
    names = [c for c in data.columns if c.startswith("c")]
    with tempfile.TemporaryDirectory() as folder:
        lake, plain, like = (Path(folder, name) for name in ("lake", "default.parquet", "as_ours.parquet"))
        writing: list[Callable[[], Any]] = [
            lambda: write(lake, rows),
            lambda: data.to_parquet(plain, engine="pyarrow"),
            lambda: data.to_parquet(like, engine="pyarrow", **AS_OURS),
        ]
        reading: list[Callable[[], Any]] = [
            lambda: read(lake, names),
            lambda: pd.read_parquet(plain, columns=names).to_numpy(),
            lambda: pd.read_parquet(like, columns=names).to_numpy(),
        ]
        started, _ = first(writing[0])
        for call in writing[1:]:
            call()
        for call in reading:
            assert np.array_equal(call(), data[names].to_numpy()), "other values came back"
        wrote, got = take_turns(*writing, repeats=3), take_turns(*reading)
        sizes = [sum(f.stat().st_size for f in p.rglob("*.parquet")) if p.is_dir() else p.stat().st_size
                 for p in (lake, plain, like)]  # fmt: skip
    who = ("store delta", "pandas, defaults", "pandas, LZ4, no dictionary")
    table(
        f"Store, {ROWS:,} rows × {COLUMNS} columns", "who", "write rows", "× defaults", "read rows", "× defaults", "MB",
        rows=[(name, *_both(w, wrote[1]), *_both(r, got[1]), f"{size / 1e6:.0f}")
              for name, w, r, size in zip(who, wrote, got, sizes, strict=True)],
        note=f"Goals: 400 k rows/s written, 1 M read. What comes back is what was written, bit for bit. {started}",
    )  # fmt: skip
    minutes(rows)
    store_postgres.main()


def minutes(rows: pa.Table) -> None:
    """A day that comes a minute at a time, and what is left of its files."""
    took = []
    with tempfile.TemporaryDirectory() as folder:
        store = Delta(folder)
        for at in range(0, MINUTES * MINUTE, MINUTE):
            start = time.perf_counter()
            store.write("live", "t", rows.slice(at, MINUTE))
            took.append(1e3 * (time.perf_counter() - start))
        before = store.status().tables[0].pieces
        start = time.perf_counter()
        store.seal("live", {"tables": {"t": MINUTES * MINUTE}})
        sealing = time.perf_counter() - start
        after = next(t.pieces for t in store.status().tables if t.name == "t")
    parts = statistics.quantiles(took, n=100)
    table(
        f"A day of minutes, {MINUTES:,} appends of {MINUTE} rows × {COLUMNS} columns",
        "append, median", "90 %", "99 %", "the longest", "sealing", "files before", "and after",
        rows=[(*(f"{ms:.0f} ms" for ms in (parts[49], parts[89], parts[98], max(took))), f"{sealing:.2f} s",
               str(before), str(after))],
        note="Each append is on the disk when it returns. The longest ones merge what came before.",
    )  # fmt: skip


def _both(timing: Timing, rival: Timing) -> tuple[str, str]:
    return timing.rate(ROWS), ratio(timing, rival)
