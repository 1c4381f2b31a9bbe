"""A small config of the main job on the random walk, and a console that remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from btcframe.plugins import Catalog
from btcframe.run import Quiet, Run
from btcframe.sections import Record, Spool


class Said(Quiet):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, renderable: Any) -> None:
        self.lines.append(str(renderable))


def make_run(folder: Path, catalog: Catalog, name: str = "run", **changes: Any) -> Run:
    """A run in a directory of its own; `changes` replace whole nodes of the config."""
    config = {
        "verb": "backtest", "seed": 7, "trained": "", "session": "", "warm_start": "", "select": ["*"],
        "build": {"batch": 500, "rows": False},
        "state": {"every": "1m", "fresh": "10m"},
        "spool": vars(Spool(path=str(folder / "spool"))),
        "record": vars(Record()),
        "validation": {"folds": 3, "embargo": "10s", "min_train": 200, "expanding": True},
        "backtest": {"cash": 50_000.0, "flatten": False},
        "source": {"plugin": "random_walk", "duration": "20m"},
        "clock": {"plugin": "time"},
        "store": {"plugin": "delta", "path": str(folder / "lake")},
        "features": {"book": {"plugin": "book"}},
        "regime": {"plugin": "volatility", "window": 60},
        "label": {"plugin": "forward_return", "horizons": ["5s", "15s"]},
        "model": {"plugin": "ridge"},
        "policy": {"plugin": "market", "fee_bps": 0.0, "size": 0.1},
        "risk": {"max": {"plugin": "max_position", "size": 0.15}},
        "venue": {"plugin": "sim"},
    }  # fmt: skip
    directory = folder / name
    directory.mkdir()
    return Run(directory, config | changes, catalog, Said())
