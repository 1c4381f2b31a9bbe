"""Claim: 32 small runs on two cores are done at least 1.8 times as fast as on one, and a sweep costs at most 1.5 s a run over its work.

Each run is `btcframe train` on a build that is there: what a sweep over models is made of. The peers: the same
command lines typed one after the other, a process each, and the work alone, `jobs.start` again and again in one
process that has everything imported and every kernel loaded. Parity first: whatever did them, the runs say the same.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.frame import console, skip, table
from btcframe import jobs
from btcframe.plugins import discover
from btcframe.run import Run
from btcframe.sweeps.ledger import read_ledger

RUNS = 32
SETTINGS = ("source.duration=2h", "validation.folds=4")
GOAL_TIMES, GOAL_SECONDS = 1.8, 1.5
ALONE = 4
"""Command lines typed alone: each is like the others, and they are dear."""


def typed(cores: set[int], folder: Path, *words: str) -> float:
    """Seconds of a command on these cores."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "btcframe", "train", *SETTINGS, *words],
        cwd=folder, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - start


def swept(cores: set[int], folder: Path, name: str, runs: int, *words: str) -> float:
    """Seconds of a sweep over so many settings, as many at a time as there are cores."""
    alphas = ",".join(str(n) for n in range(1, runs + 1))
    at_once = f"hydra.launcher.n_jobs={len(cores)}"
    return typed(cores, folder, f"model.alpha={alphas}", "-m", f"hydra.sweep.dir={name}", at_once, *words)


def said(directory: Path) -> Any:
    """What a run found; how many trials there had been depends on when it was done."""
    train = json.loads((directory / "manifest.json").read_text())["results"]["train"]
    return train["metrics"], train["folds"]


def work(folder: Path, name: str, count: int) -> list[float]:
    """Seconds of each of the sweep's first jobs done again, by nobody but this process."""
    catalog, seconds = discover(), []
    os.chdir(folder)  # the store lies there
    for n in [0, *range(count)]:  # the first loads the kernels
        config = json.loads((folder / name / str(n) / "manifest.json").read_text())["config"]
        start = time.perf_counter()
        again = Run(folder / f"again-{len(seconds)}", config, catalog)
        with contextlib.redirect_stdout(io.StringIO()), again.recorded() as run:
            jobs.start(run)
        seconds.append(time.perf_counter() - start)
    assert said(folder / f"again-{count}") == said(folder / name / str(count - 1))
    return seconds[1:]


def main(runs: int = RUNS) -> None:
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        skip("one core can show nothing of two")
        return
    one, two = {cores[0]}, set(cores)
    with tempfile.TemporaryDirectory() as there:
        folder = Path(there)
        typed(two, folder, "model.alpha=1000", "hydra.run.dir=build")  # the build, and the kernels
        on_one = swept(one, folder, "one", runs)
        on_two = swept(two, folder, "two", runs)
        alone = [
            typed(one, folder, f"model.alpha={n}", f"hydra.run.dir=alone-{n}")
            for n in range(1, min(ALONE, runs) + 1)
        ]
        for n in range(runs):
            assert said(folder / "one" / str(n)) == said(folder / "two" / str(n))
        for n in range(len(alone)):
            assert said(folder / f"alone-{n + 1}") == said(folder / "one" / str(n))
        memory = [job.memory for job in read_ledger(folder / "two").jobs]
        os.sched_setaffinity(0, one)
        working = statistics.median(work(folder, "one", min(8, runs)))
    over = on_one / runs - working
    rows = [
        (f"{runs} runs, one core", on_one / runs, on_one / on_one),
        (f"{runs} runs, two cores, two at a time", on_two / runs, on_one / on_two),
        (f"{len(alone)} command lines, one after the other, one core", statistics.mean(alone), on_one / runs / statistics.mean(alone)),
        ("the work alone, one process, one core", working, on_one / runs / working),
    ]  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
    table(
        "sweeps: what a run of many costs",
        "what", "seconds a run", "× one core",
        rows=[(what, f"{seconds:.2f}", f"{times:.2f}×") for what, seconds, times in rows],
        note=f"Over the work: {over:.2f} s a run. Memory of a job's process: {max(memory) / 1e6:.0f} MB at most, "
        f"{statistics.median(memory) / 1e6:.0f} MB in the middle; of any process {peak:.0f} MB. "
        f"{runs} + {runs} + {len(alone)} runs said the same.",
    )  # fmt: skip
    times = on_one / on_two
    for what, kept in (
        (f"two cores {times:.2f}×, asked for {GOAL_TIMES}×", times >= GOAL_TIMES),
        (f"{over:.2f} s a run over the work, asked for {GOAL_SECONDS} s", over <= GOAL_SECONDS),
    ):
        console.print(f"{'Kept' if kept else 'NOT kept'}: {what}.", style="green" if kept else "red")
