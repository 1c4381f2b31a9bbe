"""A stranger's plugin: built as a wheel, installed in an environment of its own, chosen in every way there is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "acme_alpha"


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "200", "XDG_CACHE_HOME": str(cwd / "cache")}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that has the wheel installed and sees this one's libraries."""
    folder = tmp_path_factory.mktemp("stranger")
    shutil.copytree(EXAMPLE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    built = run(
        sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=folder / "source"
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("acme_alpha-*.whl")
    made = run(sys.executable, "-m", "venv", "--without-pip", str(folder / "env"), cwd=folder)
    assert made.returncode == 0, made.stderr
    python = folder / "env" / "bin" / "python"
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    # not a copy of our libraries: a pointer to them, .pth files of the editable installs included
    (site / "libraries.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    pip = (
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        wheel,
    )
    installed = run(*pip, cwd=folder)
    assert installed.returncode == 0, installed.stderr
    assert (site / "acme_alpha").is_dir()
    return python


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path


def manifests(work: Path) -> list[dict[str, object]]:
    found = [*(work / "runs").glob("*/manifest.json"), *(work / "runs").glob("*-sweep-*/*/manifest.json")]
    return [json.loads(p.read_text()) for p in sorted(found)]


SMALL = ("source.duration=20m", "validation.folds=2")


def test_it_is_listed_with_its_distribution(stranger: Path, work: Path) -> None:
    done = run(stranger, "-m", "btcframe", "plugins", "--json", cwd=work)
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    ours = {(c["slot"], c["name"]) for c in listed["components"] if c["distribution"] == "acme-alpha"}
    assert ours == {("features", "queue_surprise"), ("model", "one_column")}
    assert listed["failures"] == []


def test_it_keeps_the_contract(stranger: Path, work: Path) -> None:
    done = run(stranger, "-m", "btcframe", "plugins", "check", "acme-alpha", "--json", cwd=work)
    assert done.returncode == 0, done.stdout
    checks = json.loads(done.stdout)
    assert {c["component"] for c in checks} == {"features/queue_surprise", "model/one_column"}


def test_chosen_on_the_command_line(stranger: Path, work: Path) -> None:
    choice = ("model=one_column", "features=[book,queue_surprise]", "features.queue_surprise.half_life=10")
    done = run(stranger, "-m", "btcframe", "train", *choice, *SMALL, cwd=work)
    assert done.returncode == 0, done.stderr
    (manifest,) = manifests(work)
    assert manifest["status"] == "complete"
    assert manifest["plugins"]["acme-alpha"] == "1.0"  # type: ignore[index]


def test_chosen_in_a_sweep(stranger: Path, work: Path) -> None:
    done = run(stranger, "-m", "btcframe", "train", "model=one_column,ridge", *SMALL, "-m", cwd=work)
    assert done.returncode == 0, done.stderr
    assert sorted(m["config"]["model"]["plugin"] for m in manifests(work)) == ["one_column", "ridge"]  # type: ignore[index]


def test_chosen_by_its_experiment_file(stranger: Path, work: Path) -> None:
    done = run(stranger, "-m", "btcframe", "run", "experiment=acme", *SMALL, cwd=work)
    assert done.returncode == 0, done.stderr
    (manifest,) = manifests(work)
    assert manifest["config"]["model"] == {"plugin": "one_column", "column": "queue_surprise_30"}  # type: ignore[index]


def test_without_it_the_error_says_so(btcframe) -> None:  # type: ignore[no-untyped-def]
    done = btcframe("train", "model=one_column")
    assert done.returncode == 3
    assert "there is no such model plugin" in done.stderr
