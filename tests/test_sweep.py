"""Sweeps on the real command line: the same results whatever launches them, whoever fails, and however often it is gone on with."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., subprocess.CompletedProcess[str]]
SMALL = ("source.duration=20m", "validation.folds=2")
FATAL = '''
import os, signal
from dataclasses import dataclass
import btcframe_models
from btcframe_models.zero import Zero
from btcframe.hookspecs import hookimpl

@dataclass(frozen=True)
class Fatal(Zero):
    """Does harm, unless it is told not to.

    Parameters
    ----------
    harm : int    what it does; 0 changes what others may find in their process
    """

    harm: int = 0

    def fit(self, data):
        mine = str(os.getpid())
        if {getattr(btcframe_models, "CHANGED", mine), os.environ.get("CHANGED", mine)} != {mine}:
            raise RuntimeError("another job was here")
        btcframe_models.CHANGED = os.environ["CHANGED"] = mine
        if "HARMLESS" not in os.environ:
            if self.harm == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            if self.harm == 2:
                raise ValueError("it cannot be fitted")
        return super().fit(data)

@hookimpl
def btcframe_components():
    return {"model": {"fatal": Fatal}}
'''


def ledger(sweep: Path) -> list[dict[str, Any]]:
    return json.loads((sweep / "sweep.json").read_text())["jobs"]


def results(sweep: Path) -> dict[str, Any]:
    found = {}
    for path in sorted(sweep.glob("?/manifest.json")):
        manifest = json.loads(path.read_text())
        assert manifest["status"] == "complete"
        assert "-m" not in manifest["command"]  # its own command line, which gives it again
        told = found[path.parent.name] = manifest["results"]["train"]
        for worth in told["worth"]:  # how many settings were tried depends on which of the runs ended first
            del worth["sharpe"]["trials"], worth["sharpe"]["hurdle"], worth["sharpe"]["deflated"]
    return found


def test_basic_and_joblib_give_the_same(btcframe: Run, tmp_path: Path) -> None:
    swept = ("train", "model.alpha=1,10", *SMALL, "-m")
    basic = btcframe(*swept, "hydra/launcher=basic", f"hydra.sweep.dir={tmp_path}/basic")
    assert basic.returncode == 0, basic.stderr
    assert "Out of sample" in basic.stdout  # one after the other: what they say is seen
    parallel = btcframe(*swept, "hydra.launcher.n_jobs=2", f"hydra.sweep.dir={tmp_path}/joblib")
    assert parallel.returncode == 0, parallel.stderr
    assert "2 jobs: 2 complete" in parallel.stdout
    assert "Out of sample" not in parallel.stdout
    assert "Out of sample" in (tmp_path / "joblib" / "1" / "output.txt").read_text()
    one, two = results(tmp_path / "basic"), results(tmp_path / "joblib")
    assert set(one) == {"0", "1"}
    assert one == two
    assert one["0"]["metrics"] != one["1"]["metrics"]


def test_jobs_fail_alone_and_are_done_again(
    btcframe: Run, distribution: Callable[..., Path], tmp_path: Path
) -> None:
    site = distribution("btcframe-fatal", FATAL)
    sweep = tmp_path / "work" / "sweep"
    swept = ("train", "model=fatal", "model.harm=1,2,0,3", *SMALL, "hydra.sweep.dir=sweep", "-m")
    done = btcframe(*swept, site=site)
    assert done.returncode == 11, done.stderr
    assert "2 of 4 jobs are not complete" in done.stderr
    assert "#0: its process was ended by SIGKILL" in done.stderr
    assert "#1: " in done.stderr
    assert "it cannot be fitted" in done.stderr
    assert [job["state"] for job in ledger(sweep)] == ["died", "failed", "complete", "complete"]
    whole = (sweep / "2" / "manifest.json").read_bytes()

    other = btcframe(*swept, site=site)
    assert other.returncode == 2
    assert "already holds a sweep" in other.stderr

    again = btcframe("runs", "resume", "sweep", site=site, env={"HARMLESS": "1"})
    assert again.returncode == 0, again.stderr
    assert [job["state"] for job in ledger(sweep)] == ["complete"] * 4
    assert (sweep / "2" / "manifest.json").read_bytes() == whole
    assert {path.name for path in sweep.iterdir() if path.is_dir()} == {
        "0",
        "1",
        "2",
        "3",
        "0.failed-1",
        "1.failed-1",
    }
    assert "it cannot be fitted" in (sweep / "1.failed-1" / "manifest.json").read_text()

    (site / "btcframe_fatal" / "__init__.py").write_text(FATAL + "\n# changed\n")
    shutil.rmtree(sweep / "3")
    refused = btcframe("runs", "resume", "sweep", site=site)
    assert refused.returncode == 2
    assert "the code is not what the sweep was begun with: btcframe_fatal" in refused.stderr
    assert "btcframe runs resume sweep --force" in refused.stderr


def test_a_typo_stops_a_sweep_before_its_first_job(btcframe: Run, tmp_path: Path) -> None:
    done = btcframe("train", "model=ridge,rigde", "-m")
    assert done.returncode == 3
    assert "Did you mean model=ridge?" in done.stderr
    assert not (tmp_path / "work" / "runs").exists()
