"""What the README shows is true: its plugin keeps the contract and is swept. Its commands: test_docs_commands.py."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
README = (Path(__file__).parents[1] / "README.md").read_text()
PLUGIN = re.search(r"```python\n# my_alpha/__init__.py\n(.*?)```", README, re.DOTALL)
SWEEPS = [
    line for line in README.splitlines() if line.startswith("    btcframe train ") and line.endswith("-m")
]


@pytest.fixture
def site(distribution: Callable[..., Path]) -> Path:
    assert PLUGIN is not None
    return distribution("my-alpha", PLUGIN[1])


def test_the_first_plugin_keeps_the_contract(btcframe: Run, site: Path) -> None:
    done = btcframe("plugins", "check", "my-alpha", site=site)
    assert done.returncode == 0, done.stdout


def test_the_first_plugin_is_swept(btcframe: Run, site: Path) -> None:
    words = shlex.split(next(line for line in SWEEPS if "tilt" in line))[1:]
    done = btcframe(*words[:-1], "source.duration=20m", "validation.folds=2", "-m", site=site)
    assert done.returncode == 0, done.stderr
