"""What is in the five wheels: the code, its types, its config files, its entry point, and no tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "btcframe": ".",
    "btcframe_features": "plugins/features",
    "btcframe_regimes": "plugins/regimes",
    "btcframe_models": "plugins/models",
    "btcframe_execution": "plugins/execution",
}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_wheel_is_whole(package: str, tmp_path: Path) -> None:
    source = ROOT / PACKAGES[package]
    copy = tmp_path / "source"
    copy.mkdir()
    for name in (package, "pyproject.toml", "README.md", "LICENSE"):
        if (source / name).is_dir():
            shutil.copytree(source / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source / name, copy / name)
    command = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    built = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry = next(archive.read(n).decode() for n in names if n.endswith("entry_points.txt"))
    assert f"{package}/py.typed" in names
    assert "[btcframe]" in entry
    assert any(n.endswith("licenses/LICENSE") for n in names)
    template = {p.relative_to(source).as_posix() for p in (source / package / "new_plugin").rglob("*.jinja")}
    assert template <= names  # a new plugin's, its tests too
    assert not [n for n in names - template if "/tests/" in n or n.startswith("tests")]
    modules = {p.relative_to(source).as_posix() for p in (source / package).rglob("*.py")}
    assert modules <= names  # those that nothing imports by name, too: migrations of a schema
    configs = {p.relative_to(source).as_posix() for p in (source / package).rglob("*.yaml")}
    assert configs <= names
    assert bool(configs) == (package == "btcframe")
