"""docs/config.md is the page that is made, and leaves out no setting."""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from pathlib import Path

import pytest

from btcframe.api import Model
from btcframe.cli import config_page, nouns
from btcframe.config import Root
from btcframe.errors import ConfigError
from btcframe.plugins import Catalog, Component, discover
from btcframe.schema import fields_of
from btcframe.slots import CHOICES

PAGE = Path(__file__).parents[2] / "docs" / "config.md"
OURS = ("btcframe", "btcframe-features", "btcframe-regimes", "btcframe-models", "btcframe-execution")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def test_the_page_is_the_one_that_is_made(catalog: Catalog) -> None:
    ours = [c for names in catalog.components.values() for c in names.values() if c.distribution in OURS]
    made = config_page.as_markdown(ours)
    assert PAGE.read_text(encoding="utf-8") == made, (
        "make it again: btcframe plugins --markdown > docs/config.md"
    )


def test_every_setting_is_on_it_and_says_what_it_means(catalog: Catalog) -> None:
    sections = [block.splitlines() for block in ("\n" + PAGE.read_text(encoding="utf-8")).split("\n## ")]
    by_name = {
        lines[0]: {line.split("`")[1] for line in lines if line.startswith("| `")} for lines in sections
    }
    root = Root()
    for field in dataclasses.fields(Root):
        value = getattr(root, field.name)
        if dataclasses.is_dataclass(value):
            assert by_name[field.name] == {each.name for each in dataclasses.fields(value)}
        elif field.name not in (*CHOICES, "verb"):
            assert field.name in by_name["Of the whole"]
    for slot, names in catalog.components.items():
        settings = {f.name for c in names.values() if c.distribution in OURS for f in c.fields}
        assert by_name[f"Components: {slot}"] == settings
    rows = [line for lines in sections for line in lines if line.startswith("| `")]
    assert all(len(row.strip("| ").split(" | ")) == 4 for row in rows)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass(frozen=True)
class Odd:
    """What a page might take for markup; see docs/models.md.

    Parameters
    ----------
    colour : Colour     one | of *two* <b>, as in docs/stores.md
    inner : Model       another one
    steps : tuple       `a*b*c` stays
    needed : int        there is no default
    """

    needed: int
    colour: Colour = Colour.BLUE
    inner: Model | None = None
    steps: tuple[float, ...] = (1.0, 2.5)
    text: str = ""


def test_a_component_is_shown_as_it_is_written() -> None:
    page = config_page.as_markdown([Component("model", "odd", Odd, "acme", "1", fields_of(Odd))])
    assert "### model: odd\n\nWhat a page might take for markup; see [models](models.md). (acme)" in page
    assert r"| `colour` | RED, BLUE | `BLUE` | one ∣ of \*two\* \<b>, as in [stores](stores.md) |" in page
    assert "| `inner` | model or null | `null` | another one |" in page
    assert "| `steps` | list[float] | `[1.0,2.5]` | `a*b*c` stays |" in page
    assert "| `needed` | int | `required` | there is no default |" in page
    assert "| `text` | str | `''` |  |" in page


def test_the_command_prints_it(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    assert nouns.plugins(catalog, as_json=False, as_page=True) == 0
    assert capsys.readouterr().out.startswith("# Settings\n")
    with pytest.raises(ConfigError, match="writes --json or --markdown, not both"):
        nouns.plugins(catalog, as_json=True, as_page=True)
