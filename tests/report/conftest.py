"""Finished runs to report on, and a browser to look at their pages with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jobs.small import make_run

from btcframe.jobs import run as run_job
from btcframe.jobs import train as train_job
from btcframe.plugins import Catalog, discover

CHEAP: dict[str, Any] = {
    "verb": "run",
    "source": {"plugin": "synthetic", "duration": "40m", "alpha": 3.0},
    "policy": {"plugin": "market", "fee_bps": 0.0, "size": 0.1},
    "venue": {"plugin": "sim", "maker_fee_bps": 0.0, "taker_fee_bps": 0.0},
    "risk": {"max": {"plugin": "max_position", "size": 0.15}},
}
"""A market with a strong signal and a venue without fees: it trades."""


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return discover()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reported")


@pytest.fixture(scope="session")
def finished(home: Path, catalog: Catalog) -> Path:
    """The directory of a finished run that traded, on a market whose truth is known."""
    run = make_run(home, catalog, "traded", **CHEAP)
    with run.recorded():
        run_job.main(run)
    return run.dir


@pytest.fixture(scope="session")
def untraded(home: Path, catalog: Catalog) -> Path:
    """The directory of a finished run whose policy asked for nothing."""
    policy = {"plugin": "market", "threshold_bps": 1e6}
    run = make_run(home, catalog, "untraded", **CHEAP | {"policy": policy})
    with run.recorded():
        run_job.main(run)
    return run.dir


@pytest.fixture(scope="session")
def training(home: Path, catalog: Catalog) -> Path:
    """The directory of a finished training."""
    run = make_run(home, catalog, "training", **CHEAP | {"verb": "train"})
    with run.recorded():
        train_job.main(run)
    return run.dir


@dataclass
class Opened:
    """A page in a browser, and what it complained about or asked the network for."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def evaluate(self, script: str) -> Any:
        return self.page.evaluate(script)


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Open a page and wait until its figures are drawn; keyword arguments as for a playwright context."""
    contexts = []

    def open_page(path: Path, **settings: Any) -> Opened:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | settings)
        contexts.append(context)
        seen = Opened(context.new_page())
        seen.page.on("console", lambda message: seen.complaints.append(f"{message.type}: {message.text}"))
        seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        seen.page.on("request", lambda request: seen.requests.append(request.url))
        seen.page.on("dialog", lambda dialog: seen.complaints.append(f"dialog: {dialog.message}"))
        seen.page.goto(path.as_uri())
        seen.page.wait_for_selector("html[data-drawn]", state="attached")
        return seen

    yield open_page
    for context in contexts:
        context.close()
