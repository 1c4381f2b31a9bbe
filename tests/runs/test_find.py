"""Which runs are found, whatever state they are in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_runs import CONFIG, manifest

from btcframe.errors import ConfigError, DataError
from btcframe.run import load_manifest, manifest_of
from btcframe.runs.find import run_named, runs_in
from btcframe.sweeps.ledger import COMPLETE, FAILED, WAITING, Job, Ledger


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_a_sweep_and_all_below(here: Path) -> None:
    alone = manifest(here / "runs" / "one", CONFIG)
    for k in (0, 2, 10):
        manifest(here / "runs" / "many" / str(k), CONFIG)
    manifest(here / "runs" / "many" / "2.failed-1", CONFIG, status="failed")  # was made again since
    manifest(alone / "models" / "fold-0", CONFIG)  # an artefact has a manifest, too, and is no run
    assert [run.directory for run in runs_in(alone)] == [alone]
    many = here / "runs" / "many"
    assert [run.name for run in runs_in(many)] == ["many/0", "many/2", "many/10"]
    assert [run.name for run in runs_in(here / "runs")] == ["many/0", "many/2", "many/10", "one"]


def test_what_cannot_be_read_is_found_with_the_reason(here: Path) -> None:
    (manifest(here / "runs" / "broken", CONFIG) / "manifest.json").write_text('{"verb": "run"')
    manifest(here / "runs" / "half", CONFIG, status="running")
    (here / "runs" / "sweep" / "0" / ".hydra").mkdir(parents=True)
    broken, half, died = runs_in(here / "runs")
    assert "manifest.json cannot be read" in broken.trouble and broken.status == "unreadable"
    assert (half.trouble, half.status) == ("", "running")
    assert (died.name, died.trouble) == (
        "sweep/0", "it left no manifest.json: the job ended before its run began",
    )  # fmt: skip


def test_a_sweeps_ledger_tells_of_jobs_that_left_nothing(here: Path) -> None:
    place = here / "runs" / "sweep"
    manifest(place / "0", CONFIG)
    jobs = [
        Job(0, ("seed=1",), "0"),
        Job(1, ("seed=2",), "1", state=FAILED, error="no data\nmore"),
        Job(2, ("seed=3",), "2", state=WAITING),
        Job(3, ("seed=4",), "3", state=COMPLETE),
    ]
    Ledger(place, "run", ("seed=1,2,3", "-m"), str(here), {}, "2026", jobs).write()
    found = runs_in(here / "runs")
    assert [run.status for run in found] == [
        "complete",
        "failed",
        "waiting",
        "died",
    ]  # whatever the ledger says
    assert found[1].trouble == "it left no manifest.json; its sweep has it as failed: no data"
    (place / "sweep.json").write_text("{")
    assert "sweep.json cannot be read" in runs_in(place)[0].trouble


def test_a_run_of_a_newer_version_says_so_whether_it_could_be_read_or_not(here: Path) -> None:
    run = manifest(here / "runs" / "new", CONFIG, btcframe="99.1")
    told = json.loads((run / "manifest.json").read_text())
    for text in (json.dumps(told), json.dumps(told | {"config": "elsewhere"})):
        (run / "manifest.json").write_text(text)
        for read in (manifest_of, load_manifest):  # looked at, or used: reported, traded, replayed
            with pytest.raises(
                DataError, match=r"made by btcframe 99\.1, which is newer than this one"
            ) as caught:
                read(run)
            assert caught.value.next == "pip install --upgrade btcframe"
        assert "newer than this one" in runs_in(run)[0].trouble
    (run / "manifest.json").write_text(json.dumps(told | {"btcframe": "0.0.1"}))
    assert manifest_of(run)["btcframe"] == "0.0.1"
    (run / "manifest.json").write_text("[]")
    with pytest.raises(DataError, match="it has no config"):
        manifest_of(run)


def test_a_run_is_named_by_its_path_or_how_its_name_or_id_begins(here: Path) -> None:
    one = manifest(here / "runs" / "2026-one", CONFIG, id="20261123T01-run-abc")
    manifest(here / "runs" / "2026-two", CONFIG, id="20261123T02-run-def")
    assert run_named(str(one)) == one
    assert run_named("2026-o") == run_named("20261123T01") == Path("runs/2026-one")
    with pytest.raises(ConfigError, match="2 runs begin with '2026'") as several:
        run_named("2026")
    assert "runs/2026-one, runs/2026-two" in str(several.value)
    with pytest.raises(DataError, match="2026-tow: there is no such run\nDid you mean runs/2026-two"):
        run_named("2026-tow")
    with pytest.raises(
        DataError,
        match=r"runs is not one run: it holds 2\nName one of them\.\nAll of them: btcframe runs list runs",
    ):
        run_named("runs")
    with pytest.raises(DataError, match="nowhere: there is no such directory"):
        runs_in(here / "nowhere")
