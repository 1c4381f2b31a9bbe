"""The jobs, one story each: what a verb does, in the order in which it happens."""

from __future__ import annotations

import importlib
import os
import re
import shlex
from pathlib import Path
from typing import Any

from btcframe.engine.ray_cluster import check_cluster
from btcframe.pipeline.row_sources import has_book
from btcframe.run import Run
from btcframe.sessions.records import told
from btcframe.settings import engine

_PART = re.compile(r"session\.\d{4,}\.jsonl\.zst")

NEXT = {
    "record": "Use it as a source: btcframe run source=session_log source.path={word}",
    "build": "Every column: report.html. Train on it: btcframe train, with the same source, clock and features",
    "train": "Trade its predictions: btcframe backtest trained={dir}, with the same settings",
    "backtest": "Its page: btcframe report {word}    The same session again, to the bit: btcframe replay {word}",
    "trade": "The same again, to the bit: btcframe replay {word}\nGo on: btcframe trade warm_start={word}, with the same settings",
    "facts": "Beside another market: btcframe facts source=… 'beside=[{dir}]'",
    "regimes": "Open report.html in a browser. Other settings: btcframe regimes regimes.hht.window=1024",
    "run": "Open report.html in a browser. The same session again, to the bit: btcframe replay {word}",
}


def start(run: Run) -> Any:
    """Do the job that the run's config names; say where the result lies and what to type next."""
    verb, where = run.config["verb"], engine(run.config)
    if where.kind == "ray":
        check_cluster(where.address)  # before a build that takes hours
    with told(run):
        result = importlib.import_module(f"btcframe.jobs.{verb}").main(run)
    directory = os.path.relpath(run.dir) if run.dir.is_relative_to(Path.cwd()) else str(run.dir)
    run.say(f"\nIn {directory}: {', '.join(_listed(run.dir))}")
    if verb in NEXT and (verb != "train" or has_book(run.component("source"))):
        run.say(NEXT[verb].format(dir=directory, word=shlex.quote(directory)))
    return result


def _listed(directory: Path) -> list[str]:
    """The names in a run's directory; of a log's parts the first and the last."""
    names = sorted(path.name for path in directory.iterdir() if path.name[0] != ".")
    parts = [name for name in names if _PART.fullmatch(name)]
    if len(parts) < 3:
        return names
    at = names.index(parts[0])
    return [*names[:at], f"{parts[0]} … {parts[-1]}", *names[at + len(parts) :]]
