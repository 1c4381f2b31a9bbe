"""`btcframe doctor` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from btcframe.cli.doctor import lines, main
from btcframe.cli.main import SUBCOMMANDS
from btcframe.doctor import Finding, Level
from btcframe.errors import BtcframeError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def test_it_says_how_all_of_it_stands_without_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["source.endpoint=local", "source.port=1"]) == 10
    told = capsys.readouterr().out
    assert "ok       python" in told and "fail     exchange" in told and "→ " in told
    assert max(map(len, told.splitlines())) <= 80 or "/" in told  # a path is not broken


def test_a_script_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--json", "source=synthetic"])
    found = json.loads(capsys.readouterr().out)["findings"]
    assert {"name", "level", "said", "do"} == set(found[0]) and code in (0, 10)
    assert code == (10 if any(f["level"] == "fail" for f in found) else 0)


def test_its_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cfg", "job", "store.path=elsewhere"]) == 0
    told = capsys.readouterr().out
    assert (
        "path: elsewhere" in told
        and "plugin: bybit" in told
        and "plugin: sim" in told
        and "model" not in told
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--jsn"], "Did you mean --json?"),
        (["now"], "btcframe doctor takes no 'now'"),
        (["model=ridge"], "btcframe doctor does not look at it"),
    ],
)
def test_what_it_refuses(arguments: list[str], said: str) -> None:
    with pytest.raises(BtcframeError) as caught:
        main(arguments)
    assert said in str(caught.value)


def test_the_command_line_knows_its_flags() -> None:
    from btcframe.cli.doctor import FLAGS

    assert set(SUBCOMMANDS["doctor"]) == set(FLAGS)


def test_a_finding_fits_the_terminal() -> None:
    long = Finding("store", Level.FAIL, "it is away " * 12, "look " * 30)
    shown = [line.plain for line in lines(long, 60)]
    assert max(map(len, shown)) <= 60 and shown[0].startswith("fail     store     it is away")
    assert sum("→" in line for line in shown) == 1
