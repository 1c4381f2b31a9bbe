from __future__ import annotations

import json
from pathlib import Path

import pytest

from btcframe import feature_list
from btcframe.errors import ConfigError
from btcframe.plugins import Catalog, discover

PAGE = Path(__file__).parent.parent / "docs" / "features.md"


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
    told = json.loads(feature_list.as_json(columns))
    (vpin,) = [each for each in told if each["name"] == "vpin_50"]
    assert vpin["awaits"] == "50 full buckets" and vpin["distribution"] == "btcframe-features"
    assert {"name", "family", "unit", "low", "high", "warmup", "inputs", "formula", "source"} <= vpin.keys()
    with pytest.raises(ConfigError, match="Did you mean rv_60"):
        feature_list.listed(catalog, ["rv_61"])


def test_every_column_tells_what_it_is(catalog: Catalog) -> None:
    for component, column in feature_list.listed(catalog):
        if component.distribution.startswith("btcframe"):
            assert all((column.unit, column.formula, column.source, column.family)), column.name
            assert column.inputs or component.name == "calendar", column.name
