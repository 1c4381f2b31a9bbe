"""`btcframe db` as a command: what it takes, what it refuses, and that a password on the command line stays there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from btcframe.cli import main as cli
from btcframe.cli.db import COMMANDS

CANARY = "canary-31ab90"
Run = Callable[..., subprocess.CompletedProcess[str]]
Said = Callable[..., str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Said:
    """What a command prints, and with which exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, code: int = 0) -> str:
        monkeypatch.setattr("sys.argv", ["btcframe", *arguments])
        got = cli.main()
        out, err = capsys.readouterr()
        assert got == code, (out, err)
        assert "Traceback" not in err
        return err if code else out

    return run


def test_the_command_line_knows_every_command() -> None:
    assert cli.SUBCOMMANDS["db"] == tuple(COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["int"], 2, ["btcframe db int: there is no such command", "Did you mean btcframe db init?"]),
        (["status", "this"], 2, ["btcframe db status takes no 'this'", "key=value"]),
        (["verify", "a", "b"], 2, ["btcframe db verify takes no 'b'"]),
        (["verify", ""], 2, ["btcframe db: an argument is empty"]),
        ([""], 2, ["btcframe db: an argument is empty"]),
        (["status", "--config-dir", "conf"], 2, ["btcframe db status takes no '--config-dir'"]),
        (["status", "--jsn"], 2, ["btcframe db status takes no '--jsn'", "It takes --json."]),
        (["status", "--retry"], 2, ["btcframe db status takes no '--retry'"]),
        (["status", "stoer=delta"], 2, ["stoer: there is no such setting (command line, 1st override)", "store?"]),
        (["status", "store=timescle"], 3, ["Did you mean store=timescale?"]),
        (["status", "store.pth=x"], 2, ["store.pth: delta has no such setting", "Did you mean store.path?"]),
        (["status", "store=timescale", "store.port=many"], 2, ["store.port"]),
        (["status", "store=timescale", "store.port=0"], 2, ["port: 0 is none"]),
        (["status", "store=timescale,delta"], 2, ["several values make a sweep", "btcframe db makes none"]),
        (["status", "store.path=a?b=c"], 2, ["is not an override", "btcframe db store=…"]),
        (["status", "hydra.run.dir=x"], 2, ["hydra.run.dir: btcframe db is no job"]),
        (["status", "spool.path=file"], 5, ["the spool cannot be used: Not a directory", "spool.path=…"]),
        (["drain", "spool.path=file"], 5, ["the spool cannot be used: Not a directory", "spool.path=…"]),
        (["init", "store.path=file/lake"], 5, ["Not a directory", "store.path=…"]),
        (["verify", "store.path=laek"], 5, ["there is nothing to verify yet (laek)", "db init"]),
        (["migrate", "store.path=laek"], 5, ["there is nothing to migrate yet (laek)", "db init"]),
        (["status", "spool.fsync=some"], 2, ["spool.fsync"]),
        (["status", "model=ridge"], 2, ["model: btcframe db does not look at it", "It looks at store and spool."]),
        (["status", "seed=3"], 2, ["seed: btcframe db does not look at it"]),
        (["--cfg", "all"], 2, ["Write --cfg job."]),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) and all(isinstance(x, str) for x in v) else None,
)  # fmt: skip
def test_typos(said: Said, tmp_path: Path, arguments: list[str], code: int, expected: list[str]) -> None:
    (tmp_path / "file").touch()
    told = said("db", *arguments, code=code)
    for text in expected:
        assert text in told
    assert len(told.strip().splitlines()) <= 4


def test_settings_are_shown_and_nothing_is_made(said: Said, tmp_path: Path) -> None:
    shown = said("db", "init", "--cfg", "job", "store=timescale", "store.host=db")
    assert "plugin: timescale" in shown and "host: db" in shown and "fsync: interval" in shown
    assert "model" not in shown
    assert json.loads(said("db", "--cfg", "job", "--json"))["store"]["plugin"] == "delta"
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]


def test_a_store_of_a_third_party_that_has_none_of_it(
    btcframe: Run, distribution: Callable[..., Path]
) -> None:
    code = (
        "from dataclasses import dataclass\nfrom btcframe.hookspecs import hookimpl\nfrom btcframe.slots import SLOTS\n"
        "@dataclass(frozen=True)\nclass Bare:\n    '''A store.'''\n"
        "for name in SLOTS['store'].methods:\n    setattr(Bare, name, lambda self, *a, **k: None)\n"
        "@hookimpl\ndef btcframe_components(): return {'store': {'bare': Bare}}\n"
    )
    done = btcframe("db", "status", "store=bare", site=distribution("acme-bare", code))
    assert done.returncode == 2 and "the store bare has nothing for btcframe db" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


SECRETS = (
    ("store=timescale", f"store.host=postgresql://u:{CANARY}@db/market"),
    ("store=timescale", f"store.host='host=db password={CANARY}'"),
    ("store=timescale", f"store.database='dbname=market password = {CANARY}'"),
    ("store=timescale", f"store.database=host=db PASSWORD={CANARY} x"),
    ("store=timescale", f"store.user=me:{CANARY}@db"),
    ("store=timescale", f"+store.password={CANARY}"),
    ("store=timescale", f"store.password={CANARY}"),
    ("store=timescale", f"++store.password={CANARY}"),
    (f"store={{plugin: timescale, host: 'postgresql://u:{CANARY}@db'}}",),
    (f"store.path=s3://key:{CANARY}@bucket/lake",),
)


@pytest.mark.parametrize("secret", SECRETS, ids=lambda s: s[-1].replace(CANARY, "…"))
def test_a_password_on_the_command_line_is_not_repeated(
    said: Said, secret: tuple[str, ...], tmp_path: Path
) -> None:
    for command in (("status",), ("--cfg", "job")):
        assert CANARY not in said("db", *command, *secret, code=2)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and CANARY in p.read_text(errors="replace")]


@pytest.mark.parametrize("secret", [SECRETS[0], SECRETS[6]], ids=lambda s: s[-1].replace(CANARY, "…"))
def test_a_run_refuses_it_before_anything_is_written(
    btcframe: Run, tmp_path: Path, secret: tuple[str, ...]
) -> None:
    done = btcframe("run", *secret)
    assert done.returncode == 2, done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.parametrize(
    "how", [["--config-dir", "mine"], ["--config-dir=mine", "--cfg", "job"], ["-cd", "mine", "-m"]]
)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("experiment/own", f"store:\n  host: postgresql://u:{CANARY}@db/market\n"),
        ("experiment/own", f"store: {{host: 'host=db password={CANARY}'}}\n"),
        ("store/own", f"path: s3://key:{CANARY}@bucket/lake\n"),
    ],
)
def test_a_password_in_a_config_file_is_refused_before_it_is_copied(
    said: Said, tmp_path: Path, name: str, text: str, how: list[str]
) -> None:
    for each in ("experiment", "store"):
        (tmp_path / "mine" / each).mkdir(parents=True)
    (tmp_path / "mine/experiment/own.yaml").write_text("# @package _global_\nseed: 3\n")
    path = tmp_path / "mine" / f"{name}.yaml"
    path.write_text(f"# @package _global_\n{text}")
    told = said("train", "experiment=own", *how, code=2)
    assert "there is a password in a config file" in told and f"{name}.yaml, line " in told
    assert CANARY not in told
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "mine"]


def test_a_config_file_without_one_is_taken(said: Said, tmp_path: Path) -> None:
    (tmp_path / "mine/experiment").mkdir(parents=True)
    (tmp_path / "mine/experiment/own.yaml").write_text(
        "# @package _global_\n# not postgresql://u:p@db\ndefaults:\n  - override /store: timescale\n"
        "store:\n  host: db\n  user: me\n"
    )
    shown = said("train", "experiment=own", "--config-dir", "mine", "--cfg", "job")
    assert "host: db" in shown and "user: me" in shown


@pytest.mark.parametrize(
    "value", ["s3://bucket/lake", "abfss://box@account.dfs.example/lake", "/srv/me@home/lake", "lake:2"]
)
def test_an_address_without_a_password_is_none(said: Said, value: str) -> None:
    assert f"path: {value}\n" in said("db", "--cfg", "job", f"store.path='{value}'")
