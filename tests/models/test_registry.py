"""The registry: what is added stays as it was, aliases move as the history says, and what is damaged is named."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models.small_models import Catalog, artefact

from btcframe.errors import BtcframeError, ConfigError, ModelError, StoreError
from btcframe.models.artefacts import load_model, read_manifest
from btcframe.models.registry import ALIASES, HISTORY, Registry, check_alias


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models")


@pytest.fixture
def models(registry: Registry, tmp_path: Path) -> list[str]:
    """Three models of the registry."""
    return [
        registry.add(artefact(tmp_path / f"m{i}", 0.1 * i), {"id": f"r{i}", "started": str(i)})
        for i in range(3)
    ]


def test_a_model_is_kept_as_it_was_under_its_digest(registry: Registry, tmp_path: Path) -> None:
    source = artefact(tmp_path / "m")
    model = registry.add(source, {"id": "r"})
    assert model == read_manifest(source)["digest"][:12]
    kept = registry.find(model)
    assert {p.relative_to(kept): p.read_bytes() for p in kept.rglob("*") if p.is_file()} == {
        p.relative_to(source): p.read_bytes() for p in source.rglob("*") if p.is_file()
    }
    assert registry.add(source, {"id": "another"}) == model and registry.entry(model).run == {"id": "r"}
    shutil.rmtree(source)
    assert load_model(registry.find(model), Catalog()).digest.startswith(model)


def test_there_is_nothing_where_there_is_no_registry(registry: Registry) -> None:
    assert registry.models() == registry.history() == []
    assert registry.alias("production") is registry.previous("production") is None
    assert not registry.path.exists()  # looking makes nothing


def test_a_model_is_found_by_alias_digits_and_path(
    registry: Registry, models: list[str], tmp_path: Path
) -> None:
    registry.point("production", models[1], by="me")
    kept = registry.path / models[1] / "artefact"
    full = read_manifest(kept)["digest"]
    for name in ("production", models[1], models[1][:6], full, str(kept), str(kept.parent)):
        assert registry.find(name) == kept
    assert registry.find(str(tmp_path / "m0")) == tmp_path / "m0"
    assert [entry.model for entry in registry.models()] == models[::-1]  # the newest first


def test_an_unknown_name_is_answered_with_the_nearest(registry: Registry, models: list[str]) -> None:
    registry.point("production", models[0], by="me")
    for name, close in (("prodution", "production"), (models[1][:-1] + "x", models[1])):
        with pytest.raises(ModelError, match=f"there is no model '{name}'") as caught:
            registry.find(name)
        assert caught.value.hint == f"Did you mean {close}?" and "btcframe models list" in caught.value.next
    with pytest.raises(ModelError, match="which holds none") as caught:
        Registry(registry.path / "nowhere").find("production")
    assert "btcframe train promote.to=production" in caught.value.next
    with pytest.raises(ModelError, match="there is no model"):
        registry.point("production", "0123456789ab", by="me")


def test_digits_of_several_models_are_not_enough(registry: Registry) -> None:
    for name in ("abcd00000000", "abcd11111111"):
        (registry.path / name).mkdir(parents=True)
    with pytest.raises(ModelError, match="abcd begins several models: abcd00000000, abcd11111111"):
        registry.find("abcd")


@pytest.mark.parametrize("name", ["", "Production", "1st", "a/b", "..", "cafe", "deadbeef", "with space"])
def test_what_is_no_alias_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(repr(name))):
        check_alias(name)


def test_an_alias_remembers_what_it_pointed_to(registry: Registry, models: list[str]) -> None:
    a, b, c = models
    registry.point("production", a, by="r0")
    assert registry.previous("production") is None
    registry.point("shadow", c, by="r0")
    registry.point("production", b, by="r1", forced=True, reason="a trial")
    registry.refuse("production", c, by="r2", reason="no better than zero")
    registry.point("production", b, by="r3")  # again
    assert registry.aliases() == {"production": b, "shadow": c} and registry.previous("production") == a
    assert [(p.model, p.before, p.refused, p.forced) for p in registry.history() if p.alias == "production"] == [
        (a, "", False, False), (b, a, False, True), (c, b, True, False), (b, b, False, False),
    ]  # fmt: skip
    assert registry.history()[2].reason == "a trial" and registry.history()[3].reason == "no better than zero"


def test_a_crash_between_history_and_alias_leaves_the_alias_where_it_was(
    registry: Registry, models: list[str]
) -> None:
    a, b, c = models
    registry.point("production", a, by="r")
    registry.point("production", b, by="r")
    aliases = (registry.path / ALIASES).read_bytes()
    registry.point("production", c, by="r")
    (registry.path / ALIASES).write_bytes(aliases)
    assert registry.alias("production") == b and registry.previous("production") == a
    registry.point("production", c, by="r")
    assert registry.previous("production") == b


def test_a_dangling_alias_is_named(registry: Registry, models: list[str]) -> None:
    registry.point("production", models[0], by="r")
    shutil.rmtree(registry.path / models[0])
    with pytest.raises(
        ModelError, match=f"production points to {models[0]}, which is not among the models"
    ) as caught:
        registry.find("production")
    assert "btcframe models promote NAME --as production" in caught.value.next


@pytest.mark.parametrize("text", ["", "{", "[]", '{"production": 3}', '{"production": "../../etc"}', "\xff"])
def test_damaged_aliases_are_named(registry: Registry, models: list[str], text: str) -> None:
    registry.point("production", models[0], by="r")
    (registry.path / ALIASES).write_bytes(text.encode("latin-1"))
    for work in (
        lambda: registry.find("production"),
        lambda: registry.point("production", models[1], by="r"),
        lambda: registry.previous("production"),
    ):
        with pytest.raises(StoreError, match=r"aliases\.json is damaged") as caught:
            work()
        assert "promotions.jsonl" in caught.value.hint and "btcframe models promote" in caught.value.next
    assert [p.model for p in registry.history()] == models[:1]  # nothing was written on what cannot be read
    (registry.path / ALIASES).unlink()
    registry.point("production", models[1], by="r")  # as the message says
    assert registry.alias("production") == models[1]


def test_a_damaged_history_is_named_with_its_line(registry: Registry, models: list[str]) -> None:
    registry.point("production", models[0], by="r")
    path = registry.path / HISTORY
    whole = path.read_text()
    for text, line in ((whole + "{\n", 2), ('{"at": 1}\n' + whole, 1), (whole[:-20], 1), (whole + "\n", 2)):
        path.write_text(text)
        with pytest.raises(StoreError, match=f"line {line} is damaged"):
            registry.history()
        with pytest.raises(StoreError, match=f"line {line} is damaged"):
            registry.point("production", models[1], by="r")
        assert path.read_text() == text and registry.alias("production") == models[0]


def test_a_registry_that_cannot_be_read_or_written_is_named(
    registry: Registry, models: list[str], tmp_path: Path
) -> None:
    for name, look in ((ALIASES, registry.aliases), (HISTORY, registry.history)):
        (registry.path / name).mkdir()
        with pytest.raises(StoreError, match=r"the registry cannot be read: Is a directory"):
            look()
        (registry.path / name).rmdir()
    (tmp_path / "file").write_text("")
    place = Registry(tmp_path / "file")
    with pytest.raises(StoreError, match="the registry cannot be read: Not a directory"):
        place.models()
    with pytest.raises(StoreError, match="the registry cannot be written: File exists"):
        place.add(tmp_path / "m0", {})


def test_a_damaged_model_is_listed_as_such_and_refused(
    registry: Registry, models: list[str], tmp_path: Path
) -> None:
    a, b, c = models
    (registry.path / a / "artefact" / "predictor" / "p.json").write_text("[]")
    text = (registry.path / b / "run.json").read_text()
    (registry.path / b / "run.json").write_text(text.replace("r1", "r9"))
    shutil.rmtree(registry.path / c / "artefact")
    shutil.copytree(registry.path / a / "artefact", registry.path / c / "artefact")
    damage = {entry.model: entry.damage for entry in registry.models()}
    assert damage[a] == ""  # its manifest is whole; its files are looked at when it is promoted or loaded
    assert damage[b] == "the model is damaged: run.json does not match its checksum"
    assert damage[c] == f"the model is damaged: it lies under the name {c} and is {a}"
    for model, message in (
        (a, "p.json is not what was saved"),
        (b, "run.json"),
        (c, "it lies under the name"),
    ):
        with pytest.raises(ModelError, match=message):
            load_model(registry.find(model), Catalog())
    with pytest.raises(ModelError, match=r"p\.json is not what was saved"):
        registry.point("production", a, by="r")
    with pytest.raises(ModelError, match=r"p\.json is not what was saved"):
        registry.add(tmp_path / "m0", {})
    assert registry.history() == []


def test_a_damaged_artefact_is_not_added(registry: Registry, tmp_path: Path) -> None:
    source = artefact(tmp_path / "m")
    (source / "labeler" / "l.json").write_text("1.5")
    with pytest.raises(ModelError, match=r"labeler/l\.json is not what was saved"):
        registry.add(source, {})
    assert not registry.path.exists()


def test_one_training_at_a_time_for_an_alias(registry: Registry) -> None:
    with registry.training("production"), registry.training("shadow"):
        with pytest.raises(StoreError, match="another training for production has not ended") as caught:
            registry.training("production").__enter__()
        assert "promote.to=NAME" in caught.value.next
    with registry.training("production"):
        pass


def test_processes_that_promote_at_once_lose_nothing(registry: Registry, models: list[str]) -> None:
    """Four processes, each moving its own alias and a common one ten times."""
    children = []
    for who in range(4):
        if (child := os.fork()) == 0:
            code = 1
            try:
                for i in range(5):
                    registry.point(f"own_{who}x", models[i % 3], by=f"p{who}")
                    registry.point("common", models[(i + who) % 3], by=f"p{who}")
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    history = registry.history()
    assert len(history) == 40
    for who in range(4):
        own = [p for p in history if p.by == f"p{who}"]
        assert [p.model for p in own if p.alias == f"own_{who}x"] == [models[i % 3] for i in range(5)]
        assert [p.model for p in own if p.alias == "common"] == [models[(i + who) % 3] for i in range(5)]
    common = [p for p in history if p.alias == "common"]
    assert [p.before for p in common] == [
        "",
        *[p.model for p in common[:-1]],
    ]  # each saw what the one before it did
    assert registry.alias("common") == common[-1].model


_MOVES = st.lists(
    st.tuples(st.sampled_from(["point", "refuse", "add"]), st.sampled_from(["production", "shadow"]), st.integers(0, 2)),
    max_size=12,
)  # fmt: skip


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("sources")
    return [artefact(folder / f"m{i}", 0.1 * i) for i in range(3)]


@settings(max_examples=25, derandomize=True, deadline=None)
@given(moves=_MOVES)
def test_any_sequence_of_moves_comes_to_what_a_dictionary_says(moves: list, sources: list[Path]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder))
        names = [read_manifest(source)["digest"][:12] for source in sources]
        there: set[str] = set()
        stacks: dict[str, list[str]] = {"production": [], "shadow": []}
        told: list[tuple[str, str, bool]] = []
        for move, alias, i in moves:
            if move == "add":
                there.add(registry.add(sources[i], {}))
            elif move == "refuse":
                registry.refuse(alias, names[i], by="me", reason="why")
                told.append((alias, names[i], True))
            elif names[i] in there:
                registry.point(alias, names[i], by="me")
                told.append((alias, names[i], False))
                if stacks[alias][-1:] != [names[i]]:
                    stacks[alias].append(names[i])
            else:
                with pytest.raises(BtcframeError):
                    registry.point(alias, names[i], by="me")
        assert {entry.model for entry in registry.models()} == there
        assert registry.aliases() == {alias: stack[-1] for alias, stack in stacks.items() if stack}
        assert [(p.alias, p.model, p.refused) for p in registry.history()] == told
        for alias, stack in stacks.items():
            assert registry.previous(alias) == (stack[-2] if len(stack) > 1 else None)
        if registry.history():
            assert json.loads((registry.path / HISTORY).read_text().splitlines()[0])["by"] == "me"
