"""What the README shows is true: its plugin keeps the contract, its commands compose."""

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
LINES = [line.split(" #")[0].strip() for line in README.splitlines() if line.startswith("    btcframe ")]
VERBS = [line for line in LINES if line.split()[1] in ("run", "train", "build", "backtest", "trade")]


@pytest.fixture
def site(distribution: Callable[..., Path]) -> Path:
    assert PLUGIN is not None
    return distribution("my-alpha", PLUGIN[1])


def test_the_first_plugin_keeps_the_contract(btcframe: Run, site: Path) -> None:
    done = btcframe("plugins", "check", "my-alpha", site=site)
    assert done.returncode == 0, done.stdout


def test_the_first_plugin_is_swept(btcframe: Run, site: Path) -> None:
    command = next(line for line in VERBS if "tilt" in line and line.endswith("-m"))
    words = shlex.split(command)[1:]
    done = btcframe(*words[:-1], "source.duration=20m", "validation.folds=2", "-m", site=site)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", VERBS)
def test_every_command_composes(btcframe: Run, site: Path, command: str) -> None:
    words = [w.replace("…", "one") for w in shlex.split(command)[1:] if w not in ("-m", "--cfg", "job")]
    single = [re.sub(r"^(\w[\w.]*)=([^\[,]+),.*", r"\1=\2", w) for w in words]
    done = btcframe(*single, "--cfg", "job", site=site)
    assert done.returncode == 0, done.stderr
