"""What stands in a tutorial is true: its code is one module, which is imported and held to the contract of its slot."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hydra.core.config_store import ConfigStore
from typed_commands import commands, try_it, words_of

from btcframe.cli.hydra_app import register
from btcframe.plugins import Catalog, discover
from btcframe.slots import SLOTS
from btcframe.testing import NotApplicable, cases
from btcframe.testing.stores import together

PAGES = Path(__file__).parents[1] / "docs" / "tutorials"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)

LEFT_OUT = {
    "docstring",
    "light_import",
    *(check.__name__.removeprefix("check_") for check in together.CHECKS),
}
"""What a page does not show, what imports it in a process of its own, what works in several of them."""


def code_of(slot: str) -> str:
    """The Python blocks of a page, in order; lines stand where they stand on the page."""
    page = (PAGES / f"{slot}.md").read_text(encoding="utf-8")
    lines = [""] * (page.count("\n") + 1)
    for block in BLOCK.finditer(page):
        first = page[: block.start(1)].count("\n")
        part = block[1].splitlines()
        lines[first : first + len(part)] = part
    return "\n".join(lines) + "\n"


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.chdir(tmp_path)
    names = []

    def imported(slot: str) -> ModuleType:
        name = f"tutorial_of_{slot}"
        (tmp_path / f"{name}.py").write_text(code_of(slot), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, tmp_path / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # a dataclass looks itself up
        names.append(name)
        spec.loader.exec_module(module)
        return module

    yield imported
    for name in names:
        del sys.modules[name]


def test_there_is_a_page_for_every_slot_and_the_contents_name_it() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == {*SLOTS, "README"}
    contents = (PAGES / "README.md").read_text(encoding="utf-8")
    assert [slot for slot in SLOTS if f"[{slot}.md]({slot}.md)" not in contents] == []


@pytest.mark.parametrize("slot", SLOTS)
def test_a_page_is_true(slot: str, imported, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    module = imported(slot)  # it runs
    catalog = discover(extra=[(module.__name__, module)])
    assert catalog.failures == ()
    assert "config_roundtrip" in passed(slot, module, catalog)
    store = ConfigStore.instance()
    monkeypatch.setattr(store, "repo", copy.deepcopy(store.repo))
    register(catalog)
    shown = commands((PAGES / f"{slot}.md").read_text(encoding="utf-8"))
    assert any(command.startswith("btcframe plugins new acme-") for command in shown)
    for command in shown:
        try_it(catalog, words_of(command))


def passed(slot: str, module: ModuleType, catalog: Catalog) -> set[str]:
    """The checks that its component passes; one that fails raises."""
    found = cases(module.__name__, catalog, settings=getattr(module, "SETTINGS", None))
    assert {case.component.partition("/")[0] for case in found} == {slot}
    names = set()
    for case in found:
        if case.check not in LEFT_OUT:
            with contextlib.suppress(NotApplicable):
                case.run()
                names.add(case.check)
    return names


def test_lines_of_code_keep_their_places() -> None:
    page = (PAGES / "risk.md").read_text(encoding="utf-8").splitlines()
    for line, code in zip(page, code_of("risk").splitlines(), strict=False):
        assert code in ("", line)
