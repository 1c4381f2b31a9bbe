"""`btcframe models` as a user meets it: a registry of small models, in 80 columns and as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from models.small_models import artefact, finished_run, worth

from btcframe.cli import completion
from btcframe.cli import main as cli
from btcframe.cli.models import COMMANDS, main
from btcframe.errors import ConfigError, ModelError, PromotionError, StoreError
from btcframe.models.registry import Registry

Said = Callable[..., str]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """What a command prints; it ends with exit code 0, and no line is wider than 80 columns."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        assert main(arguments) == 0
        text = capsys.readouterr().out
        if "--json" not in arguments:
            assert max(map(len, text.splitlines())) <= 80, text
        return text

    return run


@pytest.fixture
def runs(said: Said, tmp_path: Path) -> dict[str, str]:
    """Two trainings, the first promoted, the second not good enough; the digits of their final models."""
    finished_run(tmp_path / "runs" / "good", worth(), worth(300_000_000_000, ic=0.05))
    bad = worth(ic=0.001, r2=-0.0001, r2_persistence=0.001, ic_gap=-0.001)
    finished_run(tmp_path / "runs" / "poor", bad, offset=0.1, model={"plugin": "ridge", "alpha": 3.0})
    said("promote", "runs/good")
    with pytest.raises(PromotionError):
        main(["promote", "runs/poor"])
    registry = Registry(Path("models"))
    good = registry.alias("production")
    assert good is not None
    (poor,) = {entry.model for entry in registry.models()} - {good}
    return {"good": good, "poor": poor}


def test_nothing_yet(said: Said) -> None:
    assert said("list") == said() == (
        "There is no model in models yet.\n"
        "Train one and put it there: btcframe train promote.to=production\n"
        "Or one that is trained:     btcframe models promote RUN\n"
    )  # fmt: skip
    assert json.loads(said("list", "--json")) == []
    with pytest.raises(ModelError, match="there is no model 'production'"):
        main(["show"])
    assert not Path("models").exists()


def test_the_list_tells_what_each_model_is_and_is_worth(said: Said, runs: dict[str, str]) -> None:
    poor, good = said("list").rstrip().split("\n\n")
    assert good.splitlines()[0] == f"{runs['good']}  production  my_model on BTC/USDT:USDT"
    assert "  until 1970-01-02 00:00, 2" in good and "d ago" in good
    assert "20261122T000000Z-train-00000000good" in good
    assert "  1m      IC 0.1000 [0.0800, 0.1200]    R² 0.01000 [-0.01000, 0.03000]" in good
    assert "  5m      IC 0.0500 [0.0300, 0.0700]" in good
    assert poor.splitlines()[0] == f"{runs['poor']}  ridge on BTC/USDT:USDT"
    told = {one["model"]: one for one in json.loads(said("list", "--json"))}
    assert told[runs["good"]]["aliases"] == ["production"] and told[runs["poor"]]["aliases"] == []
    assert told[runs["good"]]["horizons"][0]["ic"] == {"value": 0.1, "low": 0.08, "high": 0.12000000000000001}
    assert told[runs["good"]]["trained_until_ns"] == 86_400_000_000_000


def test_damaged_models_and_dangling_aliases_stand_in_the_list(said: Said, runs: dict[str, str]) -> None:
    (Path("models") / runs["poor"] / "run.json").write_text("{")
    assert f"{runs['poor']}\n  the model is damaged: run.json cannot be read" in said("list")
    (Path("models") / runs["good"]).rename("away")
    assert f"production points to {runs['good']}, which is not among the models." in said("list")


def test_show_tells_everything(said: Said, runs: dict[str, str]) -> None:
    text = said("show")
    assert text == said("show", "production") == said("show", runs["good"][:5])
    for expected in (
        f"{runs['good']} · production",
        "model        my_model",
        "market       BTC/USDT:USDT, time(every=1s)",
        "label        forward_return(horizons=[1m])",
        "1970-01-01 00:00 to 1970-01-02 00:00 UTC",
        "all rows of its run",
        "btcframe 0.1.0, python 3.11, numpy 2.0, scikit-learn 1.5",
        "btcframe abababababab",
        "1m ahead, out of sample",
        "R² against persistence   0.02000 [0.00000, 0.04000]",
        "IC of persistence        0.0100 [-0.0100, 0.0300]",
        "It passes the gate.",
        "2 features",
        "not installed a, b",  # no component of ours has such columns
        "to production",
    ):
        assert expected in text, expected
    told = json.loads(said("show", runs["poor"], "--json"))
    assert told["gate"]["passes"] is False and told["promotions"][0]["refused"]
    assert told["manifest"]["model"] == {"plugin": "ridge", "alpha": 3.0}
    text = said("show", runs["poor"])
    assert "The gate refuses it. It beats the baselines on no horizon" in text
    assert "not to production" in text
    assert "the rows of fold 0" in said("show", "runs/good/models/fold-0")


def test_features_stand_by_the_component_they_come_from(
    said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models import small_models

    columns = ("spread_bps", "elsewhere", "microprice_bps")
    monkeypatch.setattr(small_models, "Sum", lambda: type("Sum", (), {
        "columns": columns, "horizons_ns": (5,), "save": lambda self, directory: None,
    })())  # fmt: skip
    artefact(tmp_path / "m", features={"book": {"plugin": "book"}, "gone": {"plugin": "gone"}})
    lines = [line.split(maxsplit=1) for line in said("show", "m").splitlines() if line.startswith("  ")]
    by = {line[0]: line[1] for line in lines if len(line) == 2}
    from btcframe.plugins import discover

    known = {column.name for column in discover().build("features", {"plugin": "book"}).columns()}
    assert by["book"].split(", ") == [column for column in columns if column in known]
    assert "elsewhere" in by["not"]


def test_compare_says_what_intervals_allow_to_be_said(
    said: Said, runs: dict[str, str], tmp_path: Path
) -> None:
    text = said("compare", "production", runs["poor"])
    assert f"A  {runs['good']}  production" in text and f"B  {runs['poor']}  ridge" in text
    assert "1m ahead\n  IC       A  0.1000 [0.0800, 0.1200]\n  IC       B  0.0010 [-0.0190, 0.0210]" in text
    assert "  A's IC is above B's: their intervals do not overlap." in text
    assert "5m ahead" in text and "B  not predicted" in text
    assert "Judged on the same rows." in text
    assert "  model\n    A  my_model\n    B  ridge(alpha=3.0)\n" in text
    finished_run(tmp_path / "runs" / "near", worth(ic=0.11), build="another")
    text = said("compare", "runs/near", "production", "runs/poor")
    assert "A and B cannot be told apart by IC: their intervals overlap." in text
    assert (
        "B's IC is above C's" in text
        and "Judged on different rows" in text
        and '  build\n    A  "another"' in text
    )
    told = json.loads(said("compare", "runs/near", "production", "--json"))
    assert told["same_rows"] is False and told["differences"]["build"] == ['"another"', '"abc"']
    assert told["horizons"][1]["scores"][0] is None
    assert "Made with the same settings on the same build." in said("compare", "production", "runs/good")


def test_the_gate_refuses_unless_it_is_forced_and_both_are_written_down(
    said: Said, runs: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["btcframe", "models", "promote", runs["poor"]])
    assert cli.main() == 9
    error = capsys.readouterr().err
    assert (
        error.startswith(f"{runs['poor']} was not promoted to production: ")
        and "A model is promoted that" in error
    )
    assert f"production stays {runs['good']}." in error and "--force --reason TEXT" in error
    text = said("promote", runs["poor"], "--force", "--reason", "a trial")
    assert text == f"production is {runs['poor']} (it was {runs['good']}), forced: a trial\n"
    assert "forced: a trial" in " ".join(said("show").split())
    told = json.loads(said("promote", "runs/good", "--as=shadow", "--json"))
    assert (told["alias"], told["model"], told["forced"]) == ("shadow", runs["good"], False)
    assert "It was fitted on the rows of one fold" in said(
        "promote", "runs/good/models/fold-0", "--as", "old"
    )
    assert [p.refused for p in Registry(Path("models")).history()] == [False, True, True, False, False, False]


def test_another_registry(said: Said, runs: dict[str, str]) -> None:
    assert said("list", "--registry", "elsewhere").startswith("There is no model in elsewhere yet.")
    said("promote", "runs/good", "--registry=elsewhere")
    assert runs["good"] in said("list", "--registry", "elsewhere")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lits"], "btcframe models lits: there is no such command"),
        (["list", "x"], "takes 0 of a model's names, not 1"),
        (["compare", "production"], "takes 2 to 26 of a model's names, not 1"),
        (["promote"], "takes 1 of a model's names, not 0"),
        (["list", "--force"], "btcframe models list takes no '--force'"),
        (["promote", "x", "--as"], "btcframe models promote --as needs a value"),
        (["promote", "x", "--force=1"], "takes no '--force=1'"),
        (["promote", "x", "--force"], "--force and --reason belong together"),
        (["promote", "x", "--reason", "y"], "--force and --reason belong together"),
        (["show", ""], "an argument is empty"),
    ],
)
def test_wrong_words_are_answered(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("--", "--")):
        main(arguments)


def test_a_registry_that_cannot_be_read_is_no_model_error(said: Said, runs: dict[str, str]) -> None:
    Path("models/aliases.json").write_text("[]")
    for arguments in (["list"], ["show"], ["compare", "a", "b"], ["promote", "runs/good"]):
        with pytest.raises(StoreError, match=r"aliases\.json is damaged"):
            main(arguments)
    with pytest.raises(ConfigError, match="no name for an alias"):
        main(["promote", "runs/good", "--as", "Production", "--registry", "new"])


def test_completion_and_help(said: Said, runs: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    def complete(line: str) -> list[str]:
        return completion.complete("bash", line, tuple(cli.VERBS), cli.SUBCOMMANDS)

    assert complete("btcframe mod") == ["models"]
    assert complete("btcframe models ") == list(COMMANDS) == list(cli.SUBCOMMANDS["models"])
    assert complete("btcframe models show pro") == ["production"]
    assert set(complete("btcframe models promote ")) == {
        "production", *runs.values(), "runs/good", "runs/poor", "--json"
    }  # fmt: skip
    assert complete("btcframe models list ") == ["--json"]
    Path("models/aliases.json").write_text("[]")
    assert complete("btcframe models show pro") == []
    assert cli.dispatch(["models", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {command}" in text for command in COMMANDS) and "exit code 9" in text


def test_no_hydra_and_nothing_heavy_on_the_way_to_the_list(tmp_path: Path) -> None:
    code = (
        "import sys; from btcframe.cli.main import dispatch; dispatch(['models', 'list']); "
        "print([m for m in ('hydra', 'sklearn', 'plotly', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_model_whose_run_tells_nothing_is_shown_as_such(said: Said, tmp_path: Path) -> None:
    artefact(tmp_path / "m")
    said("promote", "m", "--force", "--reason", "it is all there is")
    assert "  5ns, 9ns: its run does not tell what it is worth" in said("list")
    assert "until unknown, of unknown age, by an unknown run" in said("list")
    text = said("show")
    assert "Its run does not tell what it is worth." in text and "The gate refuses it." in text
    (one,) = json.loads(said("list", "--json"))
    assert (one["horizons"], one["run"], one["symbol"]) == ([], None, None)
    (Path("models") / one["model"] / "run.json").unlink()
    (one,) = json.loads(said("list", "--json"))
    assert one["plugin"] is None and "run.json cannot be read" in one["damage"]


def test_a_training_whose_model_is_refused_ends_with_9_and_is_whole(tmp_path: Path) -> None:
    settings = [
        "promote.to=production", "source=random_walk", "source.duration=20m", "features=[book]", "model=zero",
        "label.horizons=[5s]", "validation.folds=2", "validation.embargo=10s", "hydra.run.dir=run",
    ]  # fmt: skip
    command = [sys.executable, "-m", "btcframe", "train", *settings]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 9, done.stderr
    assert "was not promoted to production: It beats the baselines on no horizon" in done.stderr
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "complete"
    (refused,) = Registry(tmp_path / "models").history()
    assert (
        refused.refused and refused.by == json.loads((tmp_path / "run" / "manifest.json").read_text())["id"]
    )
