"""A sweep killed in the middle, and gone on with, on the real command line: on this machine and on Ray."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.drill

PATIENCE_S = 600


def jobs(sweep: Path) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads((sweep / "sweep.json").read_text())["jobs"]
    except FileNotFoundError:
        return []
    return found


def when(true: Callable[[], bool], process: subprocess.Popen[bytes] | None) -> None:
    until = time.monotonic() + PATIENCE_S
    while not true():
        assert process is None or process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.05)


def worker_of(output: Path) -> int | None:
    """The process that prints into a file."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if any(fd.readlink() == output for fd in (place / "fd").iterdir()):
                return int(place.name)
        except OSError:  # it has ended, or is not ours
            continue
    return None


@pytest.mark.parametrize("launcher", ["joblib", "ray"])
def test_killed_and_gone_on_with(launcher: str, tmp_path: Path) -> None:
    if launcher == "ray":
        pytest.importorskip("ray", reason="the extra btcframe[ray] is not installed")
    command = (sys.executable, "-m", "btcframe")
    sweep = tmp_path / "sweep"
    swept = (
        "train", "model.alpha=1,2,3,4", "source.duration=2h", "validation.folds=2", f"hydra/launcher={launcher}",
        "hydra.launcher.n_jobs=2", "hydra.sweep.dir=sweep", "-m",
    )  # fmt: skip
    process = subprocess.Popen([*command, *swept], cwd=tmp_path, start_new_session=True)
    try:
        # one job, of two at work
        when(lambda: (sweep / "0" / "manifest.json").exists(), process)
        when(lambda: worker_of(sweep / "0" / "output.txt") is not None, process)
        os.kill(worker_of(sweep / "0" / "output.txt") or -1, signal.SIGKILL)
        when(lambda: any(job["state"] == "died" for job in jobs(sweep)), process)
        # and all of it, once a job is complete and another one at work
        states = {"complete", "running"}
        when(lambda: states <= {job["state"] for job in jobs(sweep)}, process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = {job["number"]: job["state"] for job in jobs(sweep)}
    whole = {n: (sweep / str(n) / "manifest.json").read_bytes() for n, s in before.items() if s == "complete"}
    assert whole and len(whole) < 4
    when(
        lambda: not any(worker_of(sweep / str(n) / "output.txt") for n in range(4)), None
    )  # none is left alone
    done = subprocess.run(
        [*command, "runs", "resume", "sweep"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [job["state"] for job in jobs(sweep)] == ["complete"] * 4
    assert (sweep / "0.failed-1").is_dir()
    for n, manifest in whole.items():
        assert (sweep / str(n) / "manifest.json").read_bytes() == manifest
    again = subprocess.run(
        [*command, "runs", "resume", "sweep"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (again.returncode, "4 jobs: 4 complete" in again.stdout) == (0, True)
