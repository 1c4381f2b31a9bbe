"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from forked_commands import Typist, typist

REPOSITORY = Path(__file__).parents[1]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the tables that studies have recorded."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, text in report.user_properties:
                if name == "table" and report.when == "call":
                    terminalreporter.write_line(f"\n{text}")


@pytest.fixture(scope="session", autouse=True)
def a_user_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Journals and locks of accounts lie with the user: the tests have one of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("user")))
        yield


@pytest.fixture(scope="session")
def market_data() -> Path:
    """The recorded market data beside the checkout; tests that need it skip without it."""
    folder = REPOSITORY.parent / "shared" / "market-data"
    if not folder.is_dir():
        pytest.skip(f"no recorded market data: {folder} is missing")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium of the system; skips without it, unless BTCFRAME_REQUIRE_BROWSER says that it must be there.

    Not for the session: while it is open an event loop runs in this thread, and no other module's test could have one.
    """
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        why = f"no browser to open the pages with: none of {', '.join(names)} is installed"
        if os.environ.get("BTCFRAME_REQUIRE_BROWSER"):
            pytest.fail(why)
        pytest.skip(f"{why} (apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api")
    quiet = ["--disable-background-networking", "--disable-component-update", "--no-first-run"]
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=[*quiet, *root])
        yield launched
        launched.close()


@pytest.fixture
def distribution(tmp_path: Path) -> Callable[..., Path]:
    """Make an installed-looking distribution: a module, its entry point, and metadata, on a path of its own."""

    def make(
        name: str, code: str, *, version: str = "1.0", module: str = "", files: dict[str, str] | None = None
    ) -> Path:
        site = tmp_path / "site"
        module = module or name.replace("-", "_")
        package = site / module
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(code)
        for path, text in (files or {}).items():
            (package / path).parent.mkdir(parents=True, exist_ok=True)
            (package / path).write_text(text)
        info = site / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[btcframe]\n{module} = {module}\n")
        return site

    return make


@pytest.fixture(scope="session")
def somebody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typist]:
    """Who types the commands of all tests."""
    with typist(tmp_path_factory.mktemp("commands")) as somebody:
        yield somebody


@pytest.fixture
def btcframe(tmp_path: Path, somebody: Typist) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command in an empty working directory."""
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)

    def run(
        *arguments: str, site: Path | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"COLUMNS": "200", "XDG_CACHE_HOME": str(tmp_path / "cache")} | (env or {})
        if site is not None:
            environment["PYTHONPATH"] = str(site)
        return somebody.completed(("btcframe", *arguments), work, environment)

    return run
