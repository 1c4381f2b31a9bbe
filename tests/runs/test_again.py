"""A run done again: the same to the bit, or what is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from jobs.small import make_run
from small_runs import CONFIG, changed, manifest

from btcframe import jobs
from btcframe.cli.runs import main
from btcframe.errors import ConfigError, DataError, PluginError, ReplayError
from btcframe.plugins import Catalog, discover


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, catalog: Catalog) -> Path:
    """A finished backtest of ten minutes; as an older version would have told it: without sections of later ones."""
    run = make_run(
        tmp_path_factory.mktemp("again"),
        catalog,
        source={"plugin": "random_walk", "duration": "10m"},
        promote={"to": "production"},
    )
    del run.config["promote"]  # type: ignore[attr-defined]
    with run.recorded():
        jobs.start(run)
    return run.dir


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_comes_out_the_same(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rerun", str(whole)]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1].startswith("The same to the bit: 3 models, 7 tables, ")
    (again,) = Path("runs").iterdir()
    told = json.loads((again / "manifest.json").read_text())
    assert told["repeats"] == json.loads((whole / "manifest.json").read_text())["id"]
    assert told["status"] == "complete" and "-backtest-again-" in again.name
    assert main(["diff", str(whole), str(again), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"] == found["data"] == found["code"] == {}


def test_of_a_build_it_says_what_became_of_the_table(
    tmp_path: Path, catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of it is compared but how much it is: so no word of bits."""
    run = make_run(tmp_path, catalog, verb="build", source={"plugin": "random_walk", "duration": "10m"})
    with run.recorded():
        jobs.start(run)
    build = run.manifest["results"]["build"]
    for gone, told in (
        (False, f"The training table stood in the store: btcframe db verify {build['id']} reads it."),
        (True, f"The training table was made again: {build['rows']} rows, as then."),
    ):
        if gone:
            shutil.rmtree(tmp_path / "lake")
        assert main(["rerun", str(run.dir), "--dir", f"again-{gone}"]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == told


def test_what_is_not_the_same_is_named(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed_since = tmp_path / "before"
    shutil.copytree(whole, changed_since)
    told = json.loads((changed_since / "manifest.json").read_text())
    told["results"]["backtest"]["tables"]["fills"] = "00" * 32
    told["results"]["backtest"]["net"] += 1
    told["packages"]["numpy"] = "1.0"
    (changed_since / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(ReplayError, match=r"is not the same as .*before: the table fills; net, ") as caught:
        main(["rerun", str(changed_since), "--dir", "again", "--json"])
    assert caught.value.hint == "Not as it was when it was made: packages.numpy."
    assert caught.value.next.startswith("All that differs: btcframe runs diff ")
    found = json.loads(capsys.readouterr().out)
    assert (found["same"], found["different"], list(found["metrics"])) == (
        False,
        ["the table fills"],
        ["net"],
    )
    with pytest.raises(ConfigError, match="already holds a run"):
        main(["rerun", str(whole), "--dir", "again"])


def test_what_cannot_be_run_again_says_why(tmp_path: Path) -> None:
    session = manifest(tmp_path / "paper", CONFIG | {"verb": "trade"})
    with pytest.raises(ConfigError, match="is a trade, which cannot be run again") as caught:
        main(["rerun", str(session)])
    assert caught.value.next == f"A session is played again from its log: btcframe replay {session}"
    half = manifest(tmp_path / "half", CONFIG, status="interrupted")
    with pytest.raises(ConfigError, match="not whole: its status is 'interrupted'"):
        main(["rerun", str(half)])
    live = manifest(tmp_path / "live", changed(CONFIG, source={"plugin": "bybit"}))
    with pytest.raises(ConfigError, match="read a live source, which will not say the same again"):
        main(["rerun", str(live)])
    gone = manifest(tmp_path / "gone", changed(CONFIG, model={"plugin": "theirs"}))
    with pytest.raises(PluginError, match="theirs"):
        main(["rerun", str(gone)])
    data = manifest(
        tmp_path / "data",
        changed(CONFIG, source={"plugin": "binance_raw", "paths": ["nowhere.gz"], "symbol": "BTC/USDT:USDT"}),
    )
    with pytest.raises((DataError, ConfigError), match="nowhere"):
        main(["rerun", str(data)])
