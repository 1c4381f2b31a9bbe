"""Claim: the main job takes seconds, most of a first one being compilation; help and completion wait for nothing.

Whole processes, from start to exit, with their peak memory. Cold: an empty kernel cache (NUMBA_CACHE_DIR), so every
kernel is compiled; warm: the cache that left. The peer of help and completion is a bare interpreter, `python -c pass`;
the main job has none that does the same, so its ratio is to its own first time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.frame import Timing, ratio, table
from benchmarks.inputs import recorded_paths

BTCFRAME = (sys.executable, "-m", "btcframe")


class Done(NamedTuple):
    seconds: float
    megabytes: float
    output: str


def process(*command: str, cache: Path | None = None) -> Done:
    """Run a command to its end. Raises if it fails."""
    environment = os.environ | ({"NUMBA_CACHE_DIR": str(cache)} if cache else {})
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        child = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode()
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} left with {child.returncode}:\n{text}")
    return Done(seconds, usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2), text)


def run(options: list[str], folder: Path, cache: Path, name: str) -> tuple[Done, str]:
    """One main job, and the fingerprint of its intents, orders and fills."""
    place = folder / name
    done = process(
        *BTCFRAME, "run", *options, f"hydra.run.dir={place}", f"store.path={folder / name}-lake", cache=cache
    )
    manifest = json.loads((place / "manifest.json").read_text())
    return done, manifest["results"]["backtest"]["fingerprint"]


def main() -> None:
    jobs = {"synthetic, 54 h (the default)": list[str]()}
    if paths := recorded_paths():
        jobs["recorded, 479 s, 100 ms rows"] = [
            "source=binance_raw", f"source.paths=[{','.join(paths)}]", "clock.every=100ms",
        ]  # fmt: skip
    rows = []
    for name, options in jobs.items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            cache = folder / "kernels"
            cache.mkdir()
            (cold, result), *warm = (run(options, folder, cache, f"run-{i}") for i in range(4))
            assert all(again == result for _, again in warm), "another result the second time"
        first, later = Timing((cold.seconds,)), Timing(tuple(done.seconds for done, _ in warm))
        peak = max(done.megabytes for done, _ in warm)
        rows += [
            (f"{name}: cold", f"{cold.seconds:.2f} s", f"{cold.megabytes:,.0f} MB", "1×"),
            (f"{name}: warm", later.seconds(), f"{peak:,.0f} MB", ratio(later, first)),
        ]
    table(
        "btcframe run, the whole process", "market", "seconds", "peak memory", "× cold",
        rows=rows, note="The same intents, orders and fills every time. One cold process, three warm ones.",
    )  # fmt: skip
    waiting()


def waiting() -> None:
    """Help and completion against a bare interpreter."""
    commands = {
        "btcframe --help": (*BTCFRAME, "--help"),
        "completion of `btcframe run model=`": (*BTCFRAME, "__complete", "bash", "btcframe run model="),
        "python -c pass": (sys.executable, "-c", "pass"),
    }
    process(*BTCFRAME, "plugins")  # discovers once, which is what completion reads
    found = process(*commands["completion of `btcframe run model=`"]).output
    assert "ridge" in found, found
    turns = [[process(*command) for command in commands.values()] for _ in range(10)]
    timings = [Timing(tuple(done.seconds for done in column)) for column in zip(*turns, strict=True)]
    table(
        "Waiting at the command line, the whole process", "command", "seconds", "× bare interpreter",
        rows=[(name, t.seconds(), ratio(t, timings[-1])) for name, t in zip(commands, timings, strict=True)],
    )  # fmt: skip
