"""`btcframe runs` as a user meets it: in 80 columns and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_runs import CONFIG, manifest, sweep, traded

from btcframe.cli import completion
from btcframe.cli import main as cli
from btcframe.cli.runs import COMMANDS, main
from btcframe.errors import ConfigError, DataError

Said = Callable[..., str]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """What a command prints; it ends with exit code 0, and no line is wider than 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str) -> str:
        assert main(arguments) == 0
        text = capsys.readouterr().out
        if "--json" not in arguments:
            assert max(map(len, text.splitlines())) <= 80, text
        return text

    return run


@pytest.fixture
def runs(said: Said) -> Path:
    """A sweep of four without any edge, of which two more jobs failed, and a training that runs."""
    place = Path("runs/2026-sweep")
    sweep(place, 1e-4 * np.random.default_rng(1).standard_normal((120, 4)))
    for k in (4, 5):
        manifest(place / str(k), CONFIG, status="failed", error="no data\nat all")
    manifest(
        Path("runs/2026-later"),
        CONFIG | {"verb": "train"},
        status="running",
        started="2026-11-24T00:00:00+00:00",
    )
    return place


def test_nothing_yet(said: Said) -> None:
    assert said("list") == said() == "There is no run in runs yet.\nMake one: btcframe run\n"
    assert json.loads(said("list", "--json")) == []


def test_the_list_is_short_and_newest_first(said: Said, runs: Path) -> None:
    assert said() == (
        "2026-11-24 00:00  running     train    runs/2026-later\n"
        "  model=ridge\n"
        "2026-11-23 00:00  4 of 6      run      runs/2026-sweep\n"
        "  model.alpha=0,1,2,3\n"
        "  4, 5: failed: no data\n"
    )
    jobs = said("list", str(runs)).splitlines()
    assert jobs[:2] == ["2026-11-23 00:00  complete    run      runs/2026-sweep/0", "  model.alpha=0"]
    assert jobs[-1] == "  no data" and len(jobs) == 14
    told = json.loads(said("list", "--json"))
    assert [one["status"] for one in told] == ["running", *["complete"] * 4, *["failed"] * 2]
    assert told[1]["sweep"] == "runs/2026-sweep" and told[1]["overrides"] == ["model=ridge"]


def test_show_and_diff(said: Said, runs: Path) -> None:
    text = said("show", "2026-sweep/1")
    assert (
        text.splitlines()[0].endswith("-run-1  complete")
        and "  directory                runs/2026-sweep/1" in text
    )
    assert json.loads(said("show", "2026-sweep/1", "--json"))["manifest"]["config"]["model"]["alpha"] == 1
    text = said("diff", "2026-sweep/0", "2026-sweep/2")
    assert (
        "config\n  model.alpha  0 → 2  (+2.00)" in text
        and "\ndata: the same\n\ncode: the same\n\nmetrics\n  net  " in text
    )
    told = json.loads(said("diff", "2026-sweep/0", "2026-sweep/2", "--json"))
    assert (told["config"], told["data"]) == ({"model.alpha": [0.0, 2.0]}, {})


def test_compare_says_nothing_of_noise(said: Said, runs: Path) -> None:
    text = said("compare", str(runs), "--html", "page.html")
    flat = " ".join(text.split())
    for expected in (
        "4 runs on BTC/USDT:USDT, source random_walk: 2 hours out of sample, 120 periods of 60 seconds", "They differ in model.alpha.",
        "Trials: 4 configurations on this market, all of them here.", "Deflated Sharpe ratio: ", "(CSCV): ", "of 12,870 splits of 16 groups",
        "What this has found: nothing.", "The winner is within noise of the median", "Left out: 2 runs", "runs/2026-sweep/4: its status is 'failed': no data",
        "Page: page.html",
    ):  # fmt: skip
        assert expected in flat, expected
    assert Path("page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    told = json.loads(said("compare", f"{runs}/0", f"{runs}/1", "--json"))
    assert [market["verdict"]["answer"] for market in told["markets"]] == ["nothing"]
    assert "--by" not in said("compare", str(runs), "--by=net")


def test_a_long_ranking_is_cut_and_several_markets_are_named(said: Said) -> None:
    sweep(Path("a"), 1e-4 * np.random.default_rng(1).standard_normal((60, 30)))
    traded(Path("b/0"), np.zeros(60), CONFIG | {"seed": 8})
    text = said("compare", "a", "b")
    assert "10 more runs not shown: --json, --html FILE." in text and "\nThe median run is " in text
    assert text.startswith("BTC/USDT:USDT seed=7\n") and "\nBTC/USDT:USDT seed=8\n" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lsit"], "btcframe runs lsit: there is no such command\nDid you mean btcframe runs list"),
        (["show"], "btcframe runs show takes a run, not 0 words"),
        (["diff", "a"], "btcframe runs diff takes two runs, not 1 words"),
        (["compare"], "takes directories of sweeps and runs, not 0 words"),
        (["list", "--html", "x"], "btcframe runs list takes no '--html'"),
        (["compare", "a", "--html"], "btcframe runs compare --html needs a value"),
        (["compare", "a", "--by", "luck"], "--by luck: runs are not ranked by that\nValid: net .*, ic "),
        (["compare", "a", "--by", "net", "--horizon", "5s"], "--horizon goes with --by ic"),
        (["compare", "a", "--horizon", "soon"], "--horizon: 'soon' is not a duration"),
        (["rerun", "a", "b"], "btcframe runs rerun takes a run, not 2 words"),
        (["resume"], "takes a sweep's directory, not 0 words"),
    ],
)
def test_wrong_words_are_answered(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        main(arguments)


def test_what_is_not_there_is_a_data_error(
    said: Said, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments in (["show", "x"], ["compare", "x"], ["list", "x"], ["rerun", "x"]):
        with pytest.raises(DataError, match=r"x: there is no such (run|directory)"):
            main(arguments)
    with pytest.raises(DataError, match="is not a sweep"):
        main(["resume", "x"])
    Path("empty").mkdir()
    with pytest.raises(DataError, match="there is no run to compare"):
        main(["compare", "empty"])
    monkeypatch.setattr(sys, "argv", ["btcframe", "runs", "show", "x"])
    assert cli.main() == 4
    assert capsys.readouterr().err == "x: there is no such run\nWhich there are: btcframe runs list\n"


def test_it_is_completed(said: Said, runs: Path) -> None:
    def complete(line: str) -> list[str]:
        return completion.complete("bash", line, tuple(cli.VERBS), cli.SUBCOMMANDS)

    assert complete("btcframe runs ") == list(COMMANDS) == list(cli.SUBCOMMANDS["runs"])
    assert complete("btcframe runs show runs/2026-l") == ["runs/2026-later"]
    (runs / "sweep.json").write_text("{}")
    assert complete("btcframe runs compare r") == ["runs/2026-sweep", "runs/2026-later"]
