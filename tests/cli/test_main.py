"""The command line as a user meets it: help, typos at every level, exit codes, no traceback unless asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
SMALL = ("source.duration=15m", "validation.folds=2")


def test_help_imports_nothing_and_names_every_command(btcframe: Run) -> None:
    done = btcframe("--help")
    assert done.returncode == 0
    for word in ("run", "build", "train", "backtest", "replay", "facts", "plugins", "features", "completion"):
        assert f"\n  {word} " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["trian"], 2, ["there is no such command", "Did you mean btcframe train?"]),
        (["train", "modle=ridge"], 2, ["modle: there is no such setting (command line, 1st override)", "mean model?"]),
        (["train", "seed=1", "model=rigde"], 3, ["command line, 2nd override", "Did you mean model=ridge?"]),
        (["train", "model.aplha=1"], 2, ["model.aplha: ridge has no such setting", "Did you mean model.alpha?"]),
        (["train", "model=zero", "model.alpha=1"], 2, ["model.alpha: zero has no such setting"]),
        (["train", "features=[bok,returns]"], 3, ["features=bok: there is no such features", "mean features=book?"]),
        (["train", "features.book.levls=3"], 2, ["features.book.levls: book has no such setting"]),
        (["train", "validation.fold=3"], 2, ["Did you mean validation.folds?"]),
        (["train", "model.alpha=much"], 2, ["model.alpha", "could not be converted to Float"]),
        (["train", "clock.every=soon"], 2, ["clock", "is not a duration"]),
        (["train", "experiment=real-binanse"], 2, ["Did you mean experiment=real-binance?"]),
        (["train", "model=ridge,zero"], 2, ["several values make a sweep", "Add -m"]),
        (["train", "model.alpha=[1"], 2, ["is not an override"]),
        (["train", "model.plugin=zero"], 2, ["Write model=zero"]),
        (["train", "+model.extra=1"], 2, ["model.extra: ridge has no such setting (command line, 1st override)"]),
        (["train", "+features.mine={plugin: bok}"], 3, ["features=bok", "Did you mean features=book?"]),
        (["train", "+features.mine={_target_: os.system}"], 2, ["features.mine: this is not a component"]),
        (["train", "features.bok.bands=['1']"], 2, ["no component of that name is chosen (command line, 1st", "features.book?"]),
        (["train", "hydra.run.dri=x"], 2, ["Did you mean hydra.run.dir?"]),
        (["train", "hydra/launcher=jolib", "seed=1,2", "-m"], 2, ["Did you mean hydra/launcher=joblib?"]),
        (["train", "hydra.verbose=3"], 2, ["hydra.verbose=3", "true, false or a list"]),
        (["train", "seed=-1"], 2, ["seed: -1 is not a seed"]),
        (["train", "build=${seed}"], 2, ["build: 7 is not a section"]),
        (["train", "model.alpha=-1"], 2, ["model.alpha: -1.0 is not greater than 0"]),
        (["train", "clock.every=99999999999d"], 2, ["clock.every: '99999999999d' is longer than"]),
        (["plugins", "lst"], 2, ["Did you mean btcframe plugins list?"]),
        (["plugins", "check", "btcframe_featurs"], 3, ["btcframe"]),
        (["completion", "fish"], 2, ["Valid: bash, zsh."]),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) and all(isinstance(x, str) for x in v) else None,
)  # fmt: skip
def test_typos(btcframe: Run, arguments: list[str], code: int, expected: list[str]) -> None:
    done = btcframe(*arguments)
    assert done.returncode == code, done.stderr
    for text in expected:
        assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 4


def test_flags_stand_anywhere(btcframe: Run) -> None:
    done = btcframe("train", "seed=3", "--cfg", "job", "model.alpha=2.5", "--resolve", "validation.folds=4")
    assert done.returncode == 0, done.stderr
    for line in ("seed: 3", "  alpha: 2.5", "  folds: 4"):
        assert line in done.stdout.splitlines()


def test_what_begins_with_an_exclamation_mark_wants_quotes(btcframe: Run) -> None:
    done = btcframe("train", "select=[!book]")
    assert done.returncode == 2 and """'select=["!book"]'""" in done.stderr


def test_a_setting_of_an_experiment_for_what_is_not_chosen(btcframe: Run) -> None:
    done = btcframe("build", "experiment=klines", "source.paths=[a.csv]", "features=[returns]")
    assert done.returncode == 2 and "leave it out: '~features.trades'" in done.stderr


def test_a_terminal_without_unicode(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "btcframe", "features", "spread_bps", "--no-cost"]
    environment = os.environ | {
        "PYTHONIOENCODING": "ascii",
        "XDG_CACHE_HOME": str(tmp_path),
        "COLUMNS": "200",
    }
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "bps(a_1 \\u2212 b_1)" in done.stdout


def test_without_standard_output(tmp_path: Path) -> None:
    command = f"exec '{sys.executable}' -m btcframe --version >&-"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_features_as_one_thing_at_a_time(btcframe: Run) -> None:
    done = btcframe("features", "--json", "--markdown")
    assert done.returncode == 2 and "not both" in done.stderr


def test_a_typo_inside_an_experiment_file_names_the_file(
    btcframe: Run, distribution: Callable[..., Path]
) -> None:
    code = "from btcframe.hookspecs import hookimpl\n@hookimpl\ndef btcframe_config_paths(): return ['pkg://acme.conf']\n"
    files = {
        "conf/__init__.py": "",
        "conf/experiment/typo.yaml": "# @package _global_\nmodel:\n  lerning_rate: 3\n",
        "conf/experiment/choice.yaml": "# @package _global_\ndefaults:\n  - override /model: rigde\n",
        "conf/experiment/root.yaml": "# @package _global_\nsead: 3\n",
    }
    site = distribution("acme", code, files=files)
    for experiment, expected in {
        "typo": ("model.lerning_rate: ridge has no such setting", "experiment/typo"),
        "choice": ("model=rigde", "Did you mean model=ridge?"),
        "root": ("sead", "Did you mean seed?"),
    }.items():
        done = btcframe("train", f"experiment={experiment}", site=site)
        assert done.returncode in (2, 3), done.stderr
        for text in expected:
            assert text in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_a_config_directory_of_the_users_own(btcframe: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    files = {
        "typo": "# @package _global_\nmodel:\n  aplha: 3\n",
        "open": "model: [\n",
        "package": "model:\n  alpha: 3\n",
        "other": "# @package _global_\ndefaults:\n  - override /features: [bok]\n",
        "good": "# @package _global_\nmodel:\n  alpha: 3\n",
    }
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    (folder / "bytes.yaml").write_bytes(b"\xff\xfe")
    for name, code, expected in (
        ("typo", 2, "Did you mean model.alpha?"),
        ("open", 2, "open.yaml, line 2"),
        ("package", 2, "# @package _global_"),
        ("other", 3, "experiment/other.yaml"),
        ("bytes", 2, "cannot be composed"),
        ("tpyo", 2, "Did you mean experiment=typo?"),
        ("good", 0, ""),
    ):
        done = btcframe("train", "--config-dir", str(tmp_path / "mine"), f"experiment={name}", "--cfg", "job")
        assert done.returncode == code, (name, done.stderr)
        assert expected in done.stderr
        assert "Traceback" not in done.stderr
    assert "alpha: 3" in done.stdout


def test_help_for_every_command(btcframe: Run) -> None:
    for noun in ("plugins", "features", "db", "completion"):
        done = btcframe(noun, "--help")
        assert done.returncode == 0, done.stderr
        assert f"btcframe {noun}" in done.stdout
    done = btcframe("train", "--help")
    assert done.returncode == 0, done.stderr
    assert "model: boosting, ensemble, extra_trees" in done.stdout
    assert "btcframe train --cfg job" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "unbuffered"),
    [
        (["plugins"], ""), (["plugins"], "1"), (["build", *SMALL], ""), (["build", *SMALL], "1"),
        (["train", "--info"], ""), (["train", "--hydra-help"], "1"),
    ],
)  # fmt: skip
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, arguments: list[str], unbuffered: str) -> None:
    """``| head -1``: a pipe whose other end is closed at once."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as stdout:
        done = subprocess.run(
            [sys.executable, "-m", "btcframe", *arguments],
            stdout=stdout, stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False,
            env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    for manifest in (tmp_path / "runs").glob("*/manifest.json"):
        assert json.loads(manifest.read_text())["status"] == "complete"


def test_a_broken_plugin_breaks_only_itself(btcframe: Run, distribution: Callable[..., Path]) -> None:
    site = distribution("acme-broken", "import no_such_library\n")
    listed = btcframe("plugins", "--json", site=site)
    assert listed.returncode == 0
    assert json.loads(listed.stdout)["failures"][0]["distribution"] == "acme-broken"
    asked = btcframe("train", "model=theirs", site=site)
    assert asked.returncode == 3
    assert "acme-broken" in asked.stderr
    works = btcframe("train", "--cfg", "job", site=site)
    assert works.returncode == 0


def test_tracebacks_when_asked(btcframe: Run) -> None:
    done = btcframe("train", "clock.every=soon", "hydra.verbose=true")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_hydras_own_grammar_is_untouched(btcframe: Run) -> None:
    shown = btcframe("train", "model=zero", "--cfg", "job", "--resolve")
    assert shown.returncode == 0, shown.stderr
    assert "model:\n  plugin: zero" in shown.stdout
    assert btcframe("train", "--info", "defaults").returncode == 0


def test_plugins_lists_slot_name_distribution_version_parameters(btcframe: Run) -> None:
    table = btcframe("plugins")
    assert table.returncode == 0
    for text in ("features", "btcframe-features", "0.1.0", "alpha=1.0"):
        assert text in table.stdout
    components = json.loads(btcframe("plugins", "list", "--json").stdout)["components"]
    ridge = next(c for c in components if (c["slot"], c["name"]) == ("model", "ridge"))
    assert {"name", "type", "required", "default", "choices", "doc"} == set(ridge["parameters"][0])


def test_features_lists_every_column(btcframe: Run) -> None:
    columns = json.loads(btcframe("features", "--json").stdout)
    names = [c["name"] for c in columns]
    assert len(names) == len(set(names)) >= 23
    for column in columns:
        assert column["formula"], column
    assert "imbalance_1" in btcframe("features").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["source=binance_raw"], 2, "paths"),
        (["source=binance_raw", "source.paths=[nothere.gz]"], 4, "nothere.gz"),
        (["source.duration=2s"], 4, ""),
        (["source.duration=1m", "label.horizons=[5m]"], 4, ""),
        (["source.duration=20m", "validation.folds=5000"], 6, "folds"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else None,
)
def test_data_that_cannot_do(btcframe: Run, arguments: list[str], code: int, expected: str) -> None:
    done = btcframe("run", *arguments)
    assert done.returncode == code, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unwritable_place_is_one_message(btcframe: Run, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    for option in (f"store.path={blocked}/lake", f"hydra.run.dir={blocked}/run", f"hydra.run.dir={blocked}"):
        done = btcframe("run", option, *SMALL)
        assert done.returncode == 5, (option, done.stderr)
        assert str(blocked) in done.stderr
        assert "Traceback" not in done.stderr
