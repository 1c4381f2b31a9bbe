"""What `btcframe plugins new` makes is whole: it keeps the contract, equals its reference and pleases ruff, untouched."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from btcframe.api import API_VERSION
from btcframe.errors import ConfigError, StoreError
from btcframe.new_plugin import making
from btcframe.plugins import Catalog, discover
from btcframe.slots import SLOTS
from btcframe.testing import NotApplicable, cases, checks_of
from btcframe.testing.stores import together

RUFF = Path(sys.executable).with_name("ruff")
Run = Callable[..., subprocess.CompletedProcess[str]]

ELSEWHERE = {"light_import", *(check.__name__.removeprefix("check_") for check in together.CHECKS)}
"""Checks in other processes: seconds each, and every slot's component imports the same; the drill runs them, too."""

NEED_NOT = {"rows", "openings", "truth_form", "truth_seeded", "truth_apart", "oracle"}
"""Checks of what a source may have, and the template's has not."""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


@pytest.fixture
def clean_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test imports from a plugin that it made is forgotten afterwards, as is its place."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in [*sys.modules]:
        monkeypatch.setitem(sys.modules, name, sys.modules[name])
    yield
    for name in ("naive", "test_naive", *(n for n in sys.modules if n.partition(".")[0].startswith("acme_"))):
        sys.modules.pop(name, None)


def imported(place: Path) -> ModuleType:
    sys.path[:0] = [str(place), str(place / "tests")]
    for name in ("naive", "test_naive"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    return importlib.import_module(place.name.replace("-", "_"))


@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.usefixtures("clean_imports")
def test_untouched_it_keeps_the_contract_and_passes_its_own_tests(
    slot: str, tmp_path: Path, catalog: Catalog
) -> None:
    place = making.make("acme-thing", slot, tmp_path, catalog)
    keeps_the_contract(slot, discover(extra=[("acme_thing", imported(place))]))
    tests = importlib.import_module("test_naive")
    passes(tests)
    assert len(tests.component(60)) == len(tests.reference(60)) > 0  # what its benchmark compares
    assert "from test_naive import component, reference" in (place / "benchmarks" / "speed.py").read_text()


def keeps_the_contract(slot: str, catalog: Catalog) -> None:
    found = cases("acme_thing", catalog)
    assert {case.component for case in found} == {f"{slot}/acme_thing"}
    assert len(found) == len(checks_of(slot))
    skipped = set()
    for case in found:
        if case.check in ELSEWHERE and (slot, case.check) != ("features", "light_import"):
            continue
        try:
            case.run()
        except NotApplicable:
            skipped.add(case.check)
    assert skipped == (NEED_NOT if slot == "source" else set())


def passes(tests: ModuleType) -> None:
    """Call every test of a module, with every value it is given."""
    for name, test in vars(tests).items():
        if name.startswith("test_"):
            given: list[tuple[object, ...]] = [()]
            for mark in getattr(test, "pytestmark", ()):
                given = [(*case, value) for case in given for value in mark.args[1]]
            for case in given:
                test(*case)


@pytest.mark.parametrize("name", ["my-x", "a" * 14 + "-" + "b" * 15])
def test_ruff_finds_nothing_whatever_the_name(name: str, tmp_path: Path, catalog: Catalog) -> None:
    for slot in SLOTS:
        place = making.make(name, slot, tmp_path / slot, catalog)
        for command in (("check",), ("format", "--check")):
            done = subprocess.run(
                [RUFF, *command, "--no-cache", "."], cwd=place, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{slot}: {done.stdout}{done.stderr}"


def test_what_lies_there(tmp_path: Path, catalog: Catalog) -> None:
    place = making.make("my_alpha", "risk", tmp_path / "deep" / "down", catalog)
    assert place == tmp_path / "deep" / "down" / "my-alpha"
    files = sorted(str(p.relative_to(place)) for p in place.rglob("*") if p.is_file())
    assert files == [
        "README.md", "benchmarks/speed.py", "my_alpha/__init__.py", "my_alpha/rule.py", "pyproject.toml",
        "tests/naive.py", "tests/test_contract.py", "tests/test_naive.py",
    ]  # fmt: skip
    assert [p.name for p in place.parent.iterdir()] == ["my-alpha"]  # nothing unfinished beside it
    project = (place / "pyproject.toml").read_text()
    assert '[project.entry-points.btcframe]\nmy_alpha = "my_alpha"' in project
    assert "license =" in project and not (place / "LICENSE").exists()  # to be chosen by its author
    assert f'BTCFRAME_API = "{API_VERSION}"' in (place / "my_alpha" / "__init__.py").read_text()


# ----------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("My-Alpha", "'My-Alpha' is not a name for a plugin"),
        ("2fast", "is not a name for a plugin"),
        ("my--alpha", "is not a name for a plugin"),
        ("../alpha", "is not a name for a plugin"),
        ("ä", "is not a name for a plugin"),
        ("a" * 31, "30 at most"),
        ("class", "class is a word of Python's own"),
        ("json", "json is a word of Python's own"),
        ("tests", "tests is what the directory of the plugin's own tests is called"),
        ("book", "features=book exists already: btcframe-features registers it"),
        ("btcframe-models", "btcframe-models 0.1.0 is installed already"),
        ("sklearn", "sklearn is the name of an installed package"),
    ],
)
def test_names_that_will_not_do(name: str, words: str, tmp_path: Path, catalog: Catalog) -> None:
    with pytest.raises(ConfigError) as error:
        making.make(name, "features", tmp_path, catalog)
    assert words in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_slot_that_is_none(tmp_path: Path, catalog: Catalog) -> None:
    with pytest.raises(ConfigError, match="--slot featurs: there is no such slot\nDid you mean features\\?"):
        making.make("my-alpha", "featurs", tmp_path, catalog)


def test_a_directory_that_is_there_is_left_alone(tmp_path: Path, catalog: Catalog) -> None:
    (tmp_path / "my-alpha").mkdir()
    (tmp_path / "my-alpha" / "mine").write_text("kept")
    with pytest.raises(ConfigError, match="my-alpha is there already\nNothing was changed"):
        making.make("my-alpha", "risk", tmp_path, catalog)
    assert [p.name for p in (tmp_path / "my-alpha").iterdir()] == ["mine"]


def test_a_place_that_cannot_be_written(tmp_path: Path, catalog: Catalog) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"no directory can be made in .*file"):
        making.make("my-alpha", "risk", tmp_path / "file", catalog)


def test_a_disk_that_is_full_leaves_nothing_behind(
    tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    import copier

    def full(template: str, place: Path, **_: object) -> None:
        (place / "half").write_text("")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copier, "run_copy", full)
    with pytest.raises(StoreError, match="my-alpha cannot be made: No space left on device"):
        making.make("my-alpha", "risk", tmp_path, catalog)
    assert list(tmp_path.iterdir()) == []


def test_without_copier_it_says_what_to_install(
    tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "copier", None)
    with pytest.raises(ConfigError, match=r"pip install 'btcframe\[new\]'"):
        making.make("my-alpha", "risk", tmp_path, catalog)


# ------------------------------------------------------------------------------------------------ the command


def test_the_command_says_what_to_type_next(btcframe: Run, tmp_path: Path) -> None:
    done = btcframe("plugins", "new", "my-alpha", "--slot=risk", "--dir", str(tmp_path / "made"))
    assert done.returncode == 0, done.stderr
    assert f"pip install -e {tmp_path}/made/my-alpha" in done.stdout
    assert "btcframe plugins check my-alpha" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["my-alpha"], "btcframe plugins new needs a slot: --slot source|clock|store|"),
        (["--slot", "risk"], "btcframe plugins new needs one name, and has 0"),
        (["one", "two", "--slot", "risk"], "needs one name, and has 2"),
        (["my-alpha", "--slots", "risk"], "btcframe plugins new takes no '--slots'"),
    ],
)
def test_what_the_command_refuses(words: list[str], message: str, catalog: Catalog) -> None:
    from btcframe.cli import new_plugin

    with pytest.raises(ConfigError) as error:
        new_plugin.main(catalog, words)
    assert message in str(error.value)


# ------------------------------------------------------------------------------------------------ for good


@pytest.mark.drill
@pytest.mark.parametrize("slot", SLOTS)
def test_installed_it_is_found_checked_and_tested(slot: str, tmp_path: Path, catalog: Catalog) -> None:
    place = making.make("acme-thing", slot, tmp_path, catalog)
    site = tmp_path / "site"
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(site), ".")
    environment = os.environ | {"PYTHONPATH": str(site), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for command in (pip, ("-m", "btcframe", "plugins", "check", "acme-thing"), ("-m", "pytest", "-q")):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        shutil.rmtree(place / "acme_thing", ignore_errors=True)  # from here on, what is installed
