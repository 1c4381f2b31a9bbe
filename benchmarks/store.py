"""Claim: the store's promises (transactions, sealed builds, idempotent writes) cost less than a factor of four.

Ours: `Delta` writing 65k rows at a time as a build does, sealing, and `scan` into one array. Peers: pandas
`to_parquet`/`read_parquet` with pyarrow at its defaults (snappy, dictionaries), and set as ours is (LZ4, none).
Then the store on a server, see `store_postgres`.
"""

from __future__ import annotations

import shutil
import tempfile
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

ROWS, COLUMNS, BATCH = 195_000, 100, 65_536
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
        note=f"What comes back is what was written, bit for bit. {started}",
    )  # fmt: skip

    store_postgres.main()


def _both(timing: Timing, rival: Timing) -> tuple[str, str]:
    return timing.rate(ROWS), ratio(timing, rival)
