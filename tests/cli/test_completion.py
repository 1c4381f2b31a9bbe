"""Tab completion: what is offered, from the cache, without importing what it completes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from btcframe.cli import completion
from btcframe.cli import main as cli
from btcframe.plugins import discover

Make = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    completion.remember(discover())
    return tmp_path


def offered(line: str, shell: str = "zsh") -> list[str]:
    return completion.complete(shell, line, tuple(cli.VERBS), cli.SUBCOMMANDS)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("btcframe tr", ["train", "trade"]),
        ("btcframe pl", ["plugins"]),
        ("btcframe plugins ch", ["check"]),
        ("btcframe plugins new my-alpha --", ["--slot", "--dir"]),
        ("btcframe plugins new my-alpha --slot re", ["regime"]),
        ("btcframe db mi", ["migrate"]),
        ("btcframe db status st", ["store.", "store="]),
        ("btcframe db status store=ti", ["store=timescale"]),
        ("btcframe db verify store=delta store.pa", ["store.path="]),
        ("btcframe db status --", ["--cfg", "--json"]),
        ("btcframe db status mod", []),
        ("btcframe exch", ["exchange"]),
        ("btcframe sess", ["session"]),
        ("btcframe session re", ["resume"]),
        ("btcframe session halt --", ["--json"]),
        ("btcframe exchange --", ["--cfg", "--faults"]),
        ("btcframe exchange exchange.po", ["exchange.port="]),
        ("btcframe exchange source=synth", ["source=synthetic"]),
        ("btcframe exchange mod", []),
        ("btcframe train model=ri", ["model=ridge"]),
        ("btcframe train model=ridge model.al", ["model.alpha="]),
        ("btcframe train validation.fo", ["validation.folds="]),
        ("btcframe train experiment=real", ["experiment=real-binance"]),
        ("btcframe train label.price=m", ["label.price=microprice", "label.price=mid"]),
        ("btcframe train model=ridge,ze", ["model=ridge,zero"]),
        ("btcframe nonsense mo", []),
    ],
)
def test_what_is_offered(line: str, expected: list[str]) -> None:
    assert offered(line) == expected


def test_bash_gets_only_what_follows_the_equals_sign() -> None:
    assert offered("btcframe train model=ri", "bash") == ["ridge"]


def test_an_open_quote_does_not_hurt() -> None:
    assert offered("btcframe train 'model=ri") in (["model=ridge"], [])


def test_the_cache_follows_what_is_installed(distribution: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    before = completion.cache_file()
    site = distribution("acme-more", "from btcframe.hookspecs import hookimpl\n")
    monkeypatch.syspath_prepend(str(site))
    middle = completion.cache_file()
    assert middle != before
    (site / "acme_more" / "__init__.py").write_text("# changed\n")
    assert completion.cache_file() not in (before, middle)


def test_completing_imports_neither_hydra_nor_a_plugin() -> None:
    code = (
        "import sys; from btcframe.cli import main as cli; cli.dispatch(['__complete', 'bash', 'btcframe train model=']);"
        "bad = {'hydra', 'numpy', 'numba', 'btcframe_models', 'btcframe.api'} & set(sys.modules); assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ridge" in done.stdout.split()


def test_the_cache_is_plain_json(cache: Path) -> None:
    (file,) = (cache / "btcframe").glob("schemas-*.json")
    assert "ridge" in json.loads(file.read_text())["slots"]["model"]


def test_bash_completes_for_real() -> None:
    script = completion.BASH + (
        'COMP_LINE="btcframe trai"; COMP_POINT=${#COMP_LINE}; compopt() { :; }; _btcframe; echo "${COMPREPLY[@]}"'
    )
    bin_dir = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, env={"PATH": f"{bin_dir}:/usr/bin:/bin"}
    )  # fmt: skip
    assert done.stdout.split() == ["train"]
