"""A comparison of regimes of a small synthetic market, as its file holds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jobs.small import make_run

from btcframe.jobs import regimes as regimes_job
from btcframe.plugins import Catalog


def compared(folder: Path, catalog: Catalog) -> Path:
    """The directory of a finished run."""
    run = make_run(
        folder, catalog, "regimes", verb="regimes", later=30,
        source={"plugin": "synthetic", "duration": "30m", "dwell": "5m"},
        regimes={
            "hht": {"plugin": "hht", "window": 64, "every": 8, "over": 64, "bands": [5, 15], "slow": 15},
            "volatility": {"plugin": "volatility", "window": 60},
        },
    )  # fmt: skip
    with run.recorded():
        regimes_job.main(run)
    return run.dir


def found_in(directory: Path) -> dict[str, Any]:
    """What it left."""
    found: dict[str, Any] = json.loads((directory / "regimes.json").read_text())
    return found
