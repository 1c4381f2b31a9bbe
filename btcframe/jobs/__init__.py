"""The jobs, one story each: what a verb does, in the order in which it happens."""

from __future__ import annotations

import importlib
from typing import Any

from btcframe.run import Run


def start(run: Run) -> Any:
    """Do the job that the run's config names."""
    return importlib.import_module(f"btcframe.jobs.{run.config['verb']}").main(run)
