"""Claim: the memory of `btcframe run` does not grow with the market's length, and its time grows in proportion to it.

Whole processes on the random walk: build, five folds of ridge, backtest, report. Peak memory is the most that was
resident, mapped files and shared libraries included. The peer is the shortest market: × compares rows per second.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.frame import table
from benchmarks.main import BTCFRAME, Done, process

LENGTHS = ("2d", "8d", "32d")


class Long(NamedTuple):
    rows: int
    done: Done
    left: int  # bytes on the disk at the end

    @property
    def rate(self) -> float:
        return self.rows / self.done.seconds


def run(length: str) -> Long:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        places = (f"hydra.run.dir={folder / 'run'}", f"store.path={folder / 'lake'}")
        done = process(*BTCFRAME, "run", "source=random_walk", f"source.duration={length}", *places)
        rows = json.loads((folder / "run" / "manifest.json").read_text())["results"]["build"]["rows"]
        return Long(rows, done, sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()))


def main() -> None:
    run("2h")  # compiles what is not compiled
    found = [run(length) for length in LENGTHS]
    table(
        "btcframe run, random walk, 1 s rows", "length", "rows", "seconds", "rows/s", "×", "peak memory", "on the disk",
        rows=[
            (length, f"{each.rows:,}", f"{each.done.seconds:.1f}", f"{each.rate:,.0f}",
             f"{each.rate / found[0].rate:.1f}×", f"{each.done.megabytes:,.0f} MB", f"{each.left / 1e6:,.0f} MB")
            for length, each in zip(LENGTHS, found, strict=True)
        ],
        note="One process each, kernels compiled before.",
    )  # fmt: skip
