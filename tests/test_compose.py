"""compose.yaml, as far as it can be tried without docker: it parses, and says what README and docs say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from btcframe.stores.timescale import Timescale

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "docs/stores.md"]

SERVICE = {
    "image", "restart", "environment", "ports", "volumes", "shm_size", "stop_grace_period", "healthcheck",
}  # fmt: skip
"""Those keys of the compose specification that are used; a misspelt one is refused by docker only."""


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    """The one service."""
    whole = yaml.safe_load(TEXT)
    assert set(whole) == {"name", "services", "volumes"} and list(whole["services"]) == ["timescale"]
    found: dict[str, Any] = whole["services"]["timescale"]
    volume, _, place = found["volumes"][0].partition(":")
    assert volume in whole["volumes"] and place == "/var/lib/postgresql/data"
    return found


def test_the_keys_are_those_of_the_specification(service: dict[str, Any]) -> None:
    assert set(service) == SERVICE
    assert set(service["healthcheck"]) == {"test", "interval", "timeout", "retries", "start_period"}
    for name in ("interval", "timeout", "start_period"):
        assert re.fullmatch(r"\d+s", service["healthcheck"][name])


def test_the_image_is_pinned(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"timescale/timescaledb:\d+\.\d+\.\d+-pg\d+", service["image"])
    assert all(service["image"] in page.read_text(encoding="utf-8") for page in PAGES[1:])


def test_it_is_reached_from_this_machine_only(service: dict[str, Any]) -> None:
    assert service["ports"] == ["127.0.0.1:${PGPORT:-5432}:5432"]


def test_the_password_is_required_and_written_nowhere(service: dict[str, Any]) -> None:
    assert service["environment"]["POSTGRES_PASSWORD"].startswith("${PGPASSWORD:?")
    assert re.findall(r"\$\{(\w+)", TEXT) == ["PGPASSWORD", "PGPORT"]  # both are libpq's own names


def test_the_commands_that_are_shown_reach_it(service: dict[str, Any]) -> None:
    """The store's defaults are this server, but for the user, whom the pages name."""
    default, environment = Timescale(), service["environment"]
    assert (default.host, str(default.port), default.database) == (
        "localhost",
        "5432",
        environment["POSTGRES_DB"],
    )
    assert environment["POSTGRES_USER"] in " ".join(service["healthcheck"]["test"])
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert "export PGPASSWORD=" in text and "docker compose up --wait" in text
        for verb in ("db init", "run"):
            assert f"btcframe {verb} store=timescale store.user={environment['POSTGRES_USER']}" in text
