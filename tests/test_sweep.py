"""Sweeps: one run per value, the same results whatever launches them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., subprocess.CompletedProcess[str]]
SWEEP = ("train", "model=ridge", "model.alpha=1,10", "source.duration=20m", "validation.folds=2")


def results(sweep: Path) -> dict[float, Any]:
    found = {}
    for path in sweep.glob("*/manifest.json"):
        manifest = json.loads(path.read_text())
        assert manifest["status"] == "complete"
        told = found[manifest["config"]["model"]["alpha"]] = manifest["results"]["train"]
        for worth in told["worth"]:  # how many settings were tried depends on which of the runs ended first
            assert worth["sharpe"].pop("trials") in (1, 2)
            del worth["sharpe"]["hurdle"], worth["sharpe"]["deflated"]
    return found


def test_basic_and_joblib_give_the_same(btcframe: Run, tmp_path: Path) -> None:
    basic = btcframe(*SWEEP, f"hydra.sweep.dir={tmp_path}/basic", "-m")
    assert basic.returncode == 0, basic.stderr
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", f"hydra.sweep.dir={tmp_path}/joblib")
    parallel = btcframe(*SWEEP, *joblib, f"store.path={tmp_path}/lake", "-m")
    assert parallel.returncode == 0, parallel.stderr
    one, two = results(tmp_path / "basic"), results(tmp_path / "joblib")
    assert set(one) == {1, 10}
    assert one == two
    assert one[1]["metrics"] != one[10]["metrics"]


def test_a_typo_stops_a_sweep_before_its_first_job(btcframe: Run, tmp_path: Path) -> None:
    done = btcframe("train", "model=ridge,rigde", "-m")
    assert done.returncode == 3
    assert "Did you mean model=ridge?" in done.stderr
    assert not (tmp_path / "work" / "runs").exists()
