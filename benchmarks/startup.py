"""Claim: with fifty plugins installed, help and completion still answer within half a second.

The plugins are made by `btcframe plugins new`, five of each slot, and lie on the path with the metadata that an
installation leaves. Whole processes, from start to exit, in turns; the peer is a bare interpreter, `python -c pass`.
Completion is warm when its cache of schemas has been written for what is installed now; the first one after an
installation, and `btcframe plugins`, import every plugin once.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.frame import Timing, console, table
from btcframe.new_plugin.making import make
from btcframe.plugins import discover
from btcframe.slots import SLOTS

MOST = 50
GOAL = 0.5
"""Seconds."""

# what a terminal starts: the command itself, without `-m` and its search
COMMAND = (str(Path(sys.executable).with_name("btcframe")),)
COMPLETE = (*COMMAND, "__complete", "zsh", "btcframe run risk=acme")


ROUNDS = 7

PEER, HELP, COMPLETION = "python -c pass", "btcframe --help", "completing the name of a rule, `risk=a…`"


def install(folder: Path, count: int) -> Path:
    """A path with so many plugins, each as pip would have left it."""
    catalog, site = discover(), folder / f"site-{count}"
    site.mkdir()
    for i, slot in enumerate(slot for _ in range(MOST // len(SLOTS)) for slot in SLOTS):
        if i == count:
            break
        name = f"acme-{i:02d}"
        package = name.replace("-", "_")
        (make(name, slot, folder / f"made-{count}", catalog) / package).rename(site / package)
        info = site / f"{package}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
        (info / "entry_points.txt").write_text(f"[btcframe]\n{package} = {package}\n")
    return site


class Answer(NamedTuple):
    """What a command printed, and what it took."""

    text: str
    seconds: float
    cpu: float  # of it, computing: what a busy machine does not stretch


def answer(site: Path, *command: str, cold: bool = False) -> Answer:
    """Run a command to its end, in a process of its own."""
    cache = site.with_name(f"{site.name}-cache")
    for file in cache.rglob("schemas-*.json") if cold else ():
        file.unlink()
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(site)}
    start = time.perf_counter()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    text = child.stdout.read()
    child.stdout.close()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} left with {child.returncode}")
    return Answer(text, seconds, usage.ru_utime + usage.ru_stime)


def main() -> None:
    calls = {
        PEER: (sys.executable, "-c", "pass"),
        HELP: (*COMMAND, "--help"),
        COMPLETION: COMPLETE,
        "the same, first after an installation": COMPLETE,
        "btcframe plugins --json": (*COMMAND, "plugins", "--json"),
    }
    with tempfile.TemporaryDirectory() as folder:
        sites = {count: install(Path(folder), count) for count in (0, 1, MOST)}
        offered = {count: answer(site, *COMPLETE).text.split() for count, site in sites.items()}
        assert len(offered[0]) == 0 and len(offered[MOST]) == MOST // len(SLOTS)  # its five rules
        taken: dict[tuple[str, int], list[Answer]] = {}
        for _ in range(ROUNDS):
            for name, command in calls.items():
                for count, site in sites.items():
                    found = answer(site, *command, cold="first" in name)
                    taken.setdefault((name, count), []).append(found)
    timings = {key: Timing(tuple(a.seconds for a in answers)) for key, answers in taken.items()}
    cpu = {key: statistics.median(a.cpu for a in answers) for key, answers in taken.items()}
    rows = [
        (name, f"{count}", timing.seconds(), f"{cpu[name, count]:.2f} s", f"{cpu[name, count] / cpu[PEER, count]:.1f}")
        for (name, count), timing in timings.items()
    ]  # fmt: skip
    table(
        "startup: what a key press waits for",
        "command", "plugins", "seconds", "computing", "× python -c pass",
        rows=rows, note=f"Goal: help and completion with {MOST} plugins within {GOAL} s.",
    )  # fmt: skip
    slowest = max(timings[name, MOST].median for name in (HELP, COMPLETION))
    style = "green" if slowest <= GOAL else "red"
    console.print(f"The slower of the two took {slowest:.2f} s, of {GOAL} s.", style=style)


if __name__ == "__main__":
    main()
