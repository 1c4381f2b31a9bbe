"""Which plugins can be used is told by the version of the plugin API they were written for; the others are named."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from btcframe.api import API_VERSION
from btcframe.api.version import misfit, newer
from btcframe.errors import PluginError
from btcframe.plugins import discover

CODE = '''\
"""A plugin."""
{line}
from dataclasses import dataclass
from btcframe.hookspecs import hookimpl
{imports}
@dataclass(frozen=True)
class Rule:
    """A rule."""
    def check(self, intent, account, market): return intent
@hookimpl
def btcframe_components(): return {{"risk": {{"late_rule": Rule}}}}
'''


@pytest.fixture
def plugin(distribution: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    def make(line: str, imports: str = "") -> Path:
        site = distribution("acme-late", CODE.format(line=line, imports=imports))
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(__import__("sys").modules, "acme_late", raising=False)
        return site

    return make


def test_the_version_is_one() -> None:
    assert misfit(API_VERSION) == ("", "")


@pytest.mark.parametrize("line", ["", 'BTCFRAME_API = "1.0"', 'BTCFRAME_API = "1.7"'])
def test_of_this_major_it_is_used(plugin: Callable[..., Path], line: str) -> None:
    plugin(line)
    catalog = discover()
    assert "late_rule" in catalog.names("risk")
    assert catalog.failures == ()


@pytest.mark.parametrize(
    ("line", "what", "cure"),
    [
        (
            'BTCFRAME_API = "2.0"',
            f"it is written for plugin API 2.0, this btcframe has {API_VERSION}",
            "a newer btcframe",
        ),
        ('BTCFRAME_API = "0.9"', "it is written for plugin API 0.9", "a newer version of the plugin"),
        ('BTCFRAME_API = "one"', "BTCFRAME_API = 'one' is no version of the plugin API", "MAJOR.MINOR"),
        ("BTCFRAME_API = 1.0", "BTCFRAME_API = 1.0 is no version of the plugin API", "MAJOR.MINOR"),
    ],
)
def test_of_another_major_it_is_named_and_the_rest_works(
    plugin: Callable[..., Path], line: str, what: str, cure: str
) -> None:
    plugin(line)
    catalog = discover()
    (failure,) = catalog.failures
    assert failure.distribution == "acme-late"
    assert what in failure.what
    assert cure in failure.detail
    assert "max_position" in catalog.names("risk")
    with pytest.raises(PluginError, match=r"failed to load: acme-late \(.*plugin API"):
        catalog.get("risk", "late_rule")


def test_a_newer_one_that_cannot_be_imported_says_why(plugin: Callable[..., Path]) -> None:
    plugin('BTCFRAME_API = "1.4"', "from btcframe.api import WhatComesNext")
    (failure,) = discover().failures
    assert failure.what.startswith(
        f"it is written for plugin API 1.4, this btcframe has {API_VERSION}: import failed: ImportError"
    )
    assert "WhatComesNext" in failure.what


def test_one_of_today_that_cannot_be_imported_is_not_called_new(plugin: Callable[..., Path]) -> None:
    plugin('BTCFRAME_API = "1.0"', "import nothing_of_that_name")
    (failure,) = discover().failures
    assert failure.what == "import failed: ModuleNotFoundError: No module named 'nothing_of_that_name'"


def test_a_module_that_is_not_there_is_no_more_than_that(
    distribution: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = distribution("acme-gone", "")
    (site / "acme_gone-1.0.dist-info" / "entry_points.txt").write_text(
        "[btcframe]\nx = acme_absent.deep.inside\n"
    )
    monkeypatch.syspath_prepend(str(site))
    (failure,) = discover().failures
    assert failure.what == "import failed: ModuleNotFoundError: No module named 'acme_absent'"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('BTCFRAME_API = "1.9"  # why', "it is written for plugin API 1.9"),
        ("BTCFRAME_API: str = '3.0'", "it is written for plugin API 3.0"),
        ('    BTCFRAME_API = "9.0"', ""),
        ('BTCFRAME_API = "1.0"', ""),
        ('BTCFRAME_API = version("x")', ""),
    ],
)
def test_what_is_read_without_importing(line: str, told: str) -> None:
    said = newer(f'"""A plugin."""\nimport x\n{line}\n')
    assert said.startswith(told) and bool(said) == bool(told)


def test_the_command_shows_it(
    btcframe: Callable[..., subprocess.CompletedProcess[str]], plugin: Callable[..., Path]
) -> None:
    site = plugin('BTCFRAME_API = "2.0"')
    done = btcframe("plugins", site=site)
    assert done.returncode == 0
    assert "acme-late: it is written for plugin API 2.0" in done.stdout
