from __future__ import annotations

import json
from pathlib import Path

import pytest

from btcframe.cli import feature_list, nouns
from btcframe.errors import ConfigError
from btcframe.plugins import Catalog, discover

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def test_the_page_is_the_one_that_is_made(catalog: Catalog) -> None:
    ours = [c for c in feature_list.listed(catalog) if c.component.distribution == "btcframe-features"]
    made = feature_list.as_markdown(ours)
    assert PAGE.read_text() == made, "make it again: btcframe features --markdown > docs/features.md"


def test_some_of_them(catalog: Catalog) -> None:
    columns = feature_list.listed(catalog, ["rv_*", "toxicity"])
    assert {c.component.name for c in columns} == {"volatility", "toxicity"}
    told = json.loads(feature_list.as_json(columns, {"toxicity": 43.21}))
    (vpin,) = [each for each in told if each["name"] == "vpin_50"]
    assert vpin["awaits"] == "50 full buckets" and vpin["distribution"] == "btcframe-features"
    assert {"name", "family", "unit", "low", "high", "warmup", "inputs", "formula", "source"} <= vpin.keys()
    assert (vpin["cost_ns"], vpin["component_columns"]) == (43.2, 5)
    (rv,) = [each for each in told if each["name"] == "rv_60"]
    assert rv["cost_ns"] is None
    with pytest.raises(ConfigError, match="Did you mean rv_60"):
        feature_list.listed(catalog, ["rv_61"])


@pytest.mark.parametrize("width", [80, 120, 200])
def test_everything_is_shown_in_any_window(
    catalog: Catalog, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    columns = feature_list.listed(catalog)
    feature_list.show(columns, {"toxicity": 43.21}, "measured here")
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= width
    assert "toxicity  btcframe-features 0.1.0  43 ns a row for 5 columns" in shown
    assert "Cost together: 43 ns a row, measured here." in shown
    words = set(shown.split())
    for _, c in columns:
        told = f"{c.name} {c.unit} {c.awaits} {c.formula} {' '.join(c.inputs)} {c.source}"
        if width == 80:  # a table folds within words
            assert all({word, f"{word},", f"{word};"} & words for word in told.split()), c.name
        assert c.name in words


def test_no_cost_unless_it_is_asked_for(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    assert nouns.features(catalog, ["rv_60", "--no-cost"], as_json=False) == 0
    shown = capsys.readouterr()
    assert "ns a row" not in shown.out and shown.err == ""
    with pytest.raises(ConfigError, match="takes no '--cost'"):
        nouns.features(catalog, ["--cost"], as_json=False)


def test_cost_of_what_is_listed(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    assert nouns.features(catalog, ["hour_sin"], as_json=True) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["component"] == "calendar" and told["component_columns"] == 4 and told["cost_ns"] > 0


def test_every_column_tells_what_it_is(catalog: Catalog) -> None:
    for component, column in feature_list.listed(catalog):
        if component.distribution.startswith("btcframe"):
            assert all((column.unit, column.formula, column.source, column.family)), column.name
            assert column.inputs or component.name == "calendar", column.name
