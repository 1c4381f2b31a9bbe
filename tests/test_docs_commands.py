"""Every `btcframe …` that the README or a page of docs/ shows can be typed: its settings, components, flags and files of settings exist.

Nothing is run. What stands for something of the reader's own (runs/…, DIR, FILE) is taken as it stands.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from typed_commands import WRONG, commands, try_it, words_of

from btcframe.cli.hydra_app import register
from btcframe.plugins import Catalog, discover

DOCS = Path(__file__).parents[1] / "docs"
# tutorials have components of their own: tests/test_tutorials.py types their commands
OF_DOCS = [page for page in sorted(DOCS.rglob("*.md")) if page.parent.name != "tutorials"]
PAGES = [DOCS.parent / "README.md", *OF_DOCS]
HOW_TO = (DOCS / "how-to" / "plugin.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
"""A first plugin, whole."""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """What is installed, and the plugin that the pages tell of: it stands in two of them, and must be one."""
    site = tmp_path_factory.mktemp("site")
    (site / "my_alpha.py").write_text(HOW_TO, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("my_alpha", site / "my_alpha.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "my_alpha", module)  # where the types of a dataclass are looked up
        spec.loader.exec_module(module)
        found = discover([("my_alpha", module)])
    register(found)
    return found


def test_the_plugin_of_the_page_is_that_of_the_readme() -> None:
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert f"```python\n# my_alpha/__init__.py\n{HOW_TO}```" in readme


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS.parent).with_suffix("")))
def test_every_command_can_be_typed(catalog: Catalog, page: Path) -> None:
    wrong = []
    for command in commands(page.read_text(encoding="utf-8")):
        if "COMMAND" in command or command.endswith("="):  # any of them; what a shell is asked to complete
            continue
        try:
            try_it(catalog, words_of(command))
        except (*WRONG, ValueError) as error:
            wrong.append(f"{command}\n    {type(error).__name__}: {error}")
    assert not wrong, "\n".join(wrong)


def test_commands_are_found_wherever_they_stand() -> None:
    text = "a `btcframe db status`\n\n    btcframe run seed=1 # why\n\n```\nbtcframe train -m\nother\n```\n"
    assert commands(text) == ["btcframe run seed=1 # why", "btcframe train -m", "btcframe db status"]
    assert words_of("btcframe run seed=1 # why") == ["run", "seed=1"]
    assert words_of("btcframe db roles a=b | psql -h db") == ["db", "roles", "a=b"]
    assert sum(len(commands(page.read_text(encoding="utf-8"))) for page in PAGES) > 60


@pytest.mark.parametrize(
    "command",
    [
        "btcframe run polcy=market", "btcframe train model.aplha=1", "btcframe trade trade.length=5m",
        "btcframe db stat", "btcframe db status store.hots=x", "btcframe exchange exchange.fault=[drop]",
        "btcframe session stop", "btcframe session status --jsn", "btcframe plugin", "btcframe plugins lst",
        "btcframe report DIR --sensitive", "btcframe backtest policy=twap,twop -m",
    ],
)  # fmt: skip
def test_what_cannot_be_typed_is_found(catalog: Catalog, command: str) -> None:
    with pytest.raises(WRONG):
        try_it(catalog, words_of(command))
