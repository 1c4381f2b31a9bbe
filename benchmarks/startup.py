"""Claim: with fifty plugins installed, help and completion still answer within half a second.

The plugins are made by `btcframe plugins new`, five of each slot, and lie on the path with the metadata that an
installation leaves. Whole processes, from start to exit, in turns; the peer is a bare interpreter, `python -c pass`.
Completion is warm when its cache of schemas has been written for what is installed now; the first one after an
installation, and `btcframe plugins`, import every plugin once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.frame import Timing, console, ratio, table, take_turns
from btcframe.new_plugin.making import make
from btcframe.plugins import discover
from btcframe.slots import SLOTS

MOST = 50
GOAL = 0.5
"""Seconds."""

# what a terminal starts: the command itself, without `-m` and its search
COMMAND = (str(Path(sys.executable).with_name("btcframe")),)
COMPLETE = (*COMMAND, "__complete", "zsh", "btcframe run risk=acme")


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


def answer(site: Path, *command: str, cold: bool = False) -> str:
    """What a command prints, in a process of its own."""
    cache = site.with_name(f"{site.name}-cache")
    if cold:
        for file in cache.rglob("schemas-*.json"):
            file.unlink()
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(site)}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        sites = {count: install(Path(folder), count) for count in (0, 1, MOST)}
        offered = {count: answer(site, *COMPLETE).split() for count, site in sites.items()}
        assert len(offered[0]) == 0 and len(offered[MOST]) == MOST // len(SLOTS)  # its five rules
        bare = partial(answer, sites[0], sys.executable, "-c", "pass")
        what = {
            "btcframe --help": (*COMMAND, "--help"),
            "completing `btcframe run risk=acme`": COMPLETE,
            "the same, first after an installation": COMPLETE,
            "btcframe plugins --json": (*COMMAND, "plugins", "--json"),
        }
        calls = [
            (name, count, partial(answer, site, *command, cold="first" in name))
            for name, command in what.items()
            for count, site in sites.items()
        ]
        peer, *timings = take_turns(bare, *(call for _, _, call in calls))
    table(
        "startup: what a key press waits for",
        "command", "plugins", "seconds", "× python -c pass",
        rows=[
            *((name, f"{count}", timing.seconds(), ratio(timing, peer)) for (name, count, _), timing in zip(calls, timings, strict=True)),
            ("python -c pass", "", peer.seconds(), "1"),
        ],
        note=f"Goal: help and warm completion with {MOST} plugins within {GOAL} s.",
    )  # fmt: skip
    waited = {name: timing for (name, count, _), timing in zip(calls, timings, strict=True) if count == MOST}
    _judge(waited["btcframe --help"], waited["completing `btcframe run risk=acme`"])


def _judge(*timings: Timing) -> None:
    slowest = max(timing.median for timing in timings)
    style = "green" if slowest <= GOAL else "red"
    console.print(f"The slower of the two took {slowest:.2f} s, of {GOAL} s.", style=style)


if __name__ == "__main__":
    main()
