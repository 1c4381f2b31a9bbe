"""`btcframe plugins` at the widths of terminals."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from btcframe.cli.nouns import plugins
from btcframe.hookspecs import hookimpl
from btcframe.plugins import Catalog, discover


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    def misspelt() -> dict[str, dict[str, type]]:
        return {}

    broken = SimpleNamespace(__name__="acme-[broken]", btcframe_componets=hookimpl(misspelt))
    return discover([("broken", broken)])


def listed(
    catalog: Catalog, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    assert plugins(catalog, as_json=False) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [40, 80, 200])
def test_everything_is_listed_and_fits(
    catalog: Catalog, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = listed(catalog, width, monkeypatch, capsys)
    assert max(map(len, text.splitlines())) <= width
    dense = "".join(text.split())
    for slot, names in catalog.components.items():
        assert re.search(rf"^{slot}( \(many\))?  btcframe", text, re.MULTILINE), slot
        for component in names.values():
            assert re.search(rf"^  {component.name}( |$)", text, re.MULTILINE), component.name
            assert all(f"{field.name}=" in dense for field in component.fields)
    assert "acme-[broken]" in dense and "1failures" in dense


def test_parameters_stand_beside_their_component_where_there_is_room(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    field = catalog.components["clock"]["time"].fields[0]
    assert re.search(rf"^  time +{field.name}=", listed(catalog, 80, monkeypatch, capsys), re.MULTILINE)
    assert re.search(rf"^  time\n    {field.name}=", listed(catalog, 40, monkeypatch, capsys), re.MULTILINE)
