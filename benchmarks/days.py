"""Claim: days of a recording are built side by side at little more work a row than in one pass, so that free cores are used.

`btcframe build`, whole processes, of four files of an hour, depth 200, ten messages of the book and ten trades a second,
with `engine.jobs=2` against one pass. Parity first: the same table, to the bit. Work is processor time, because on cores
that others use only that means anything; what it takes to start, the processes included, a build of two short files tells.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import archive_days
import pyarrow as pa

from benchmarks.frame import table
from btcframe.learning.tables import TABLE
from btcframe.stores.delta import Delta

DAYS, SECONDS, SHORT = 4, 3600, 600


class Done(NamedTuple):
    seconds: float
    cpu: float
    rows: int
    table: bytes


def build(source: Any, folder: Path, name: str, *words: str) -> Done:
    """A build, its cost with all the processes it had, and its table."""
    folder = folder / name
    folder.mkdir()
    command = [
        sys.executable, "-m", "btcframe", "build", "source=bybit_archive", f"source.books=[{','.join(source.books)}]",
        f"source.trades=[{','.join(source.trades)}]", "build.partition=10m", "build.threads=1",
        f"store.path={folder / 'lake'}", f"hydra.run.dir={folder / 'run'}", *words,
    ]  # fmt: skip
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, command
    store = Delta(str(folder / "lake"))
    (made,) = store.builds()
    rows = pa.Table.from_batches(store.scan(made, TABLE)).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    cpu = usage.ru_utime + usage.ru_stime
    return Done(seconds, cpu, len(rows), sink.getvalue().to_pybytes())


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "days").mkdir()
        (folder / "short").mkdir()
        source = archive_days.archive(folder / "days", DAYS, SECONDS, depth=200, every_ms=100)
        short = archive_days.archive(folder / "short", 2, SHORT, depth=200, every_ms=100)
        for every in ("1s", "100ms"):
            clock = f"clock.every={every}"
            build(short, folder, f"{every}-first", clock)  # may compile
            done = {}
            for name, words in (("one pass", ()), ("by days, engine.jobs=2", ("engine.jobs=2",))):
                start = build(short, folder, f"{every}-{len(done)}-start", clock, *words)
                whole = build(source, folder, f"{every}-{len(done)}", clock, *words)
                done[name] = whole, 1e6 * (whole.cpu - start.cpu) / (whole.rows - start.rows)
            (one, peer), (two, _) = done.values()
            assert two.table == one.table, "another table"
            for name, (whole, each) in done.items():
                costs = (
                    f"{whole.seconds:.1f} s",
                    f"{whole.cpu:.1f} s",
                    f"{each:.0f} µs",
                    f"{each / peer:.2f}×",
                )
                rows.append((f"{name}, rows of {every}", *costs))
    table(
        "A build by days, the whole command", "", "clock", "work", "work a row", "× one pass",
        rows=rows, note="The same table every time, to the bit. A row's work is told without the start.",
    )  # fmt: skip
