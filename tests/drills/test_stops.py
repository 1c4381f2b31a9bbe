"""Ctrl-C, kill -9 and a full disk in the middle: one message, and nothing half-written that a later run takes for whole."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

# An observer and a feature that send a signal to their own process at a chosen moment.
BOMB = """
import os, signal
from dataclasses import dataclass
import numpy as np
from btcframe.api import Column
from btcframe.hookspecs import hookimpl

KIND, _, NTH = os.environ.get("BOMB", "never:0").partition(":")
SIGNAL = getattr(signal, os.environ.get("BOMB_SIGNAL", "SIGINT"))
signal.signal(signal.SIGINT, signal.default_int_handler)  # as at a terminal: a job in the background ignores it
seen = {"events": 0}

@hookimpl
def btcframe_event(event):
    if event.kind == KIND:
        seen["events"] += 1
        if seen["events"] > int(NTH):
            os.kill(os.getpid(), SIGNAL)

@dataclass(frozen=True)
class Fuse:
    def columns(self):
        return (Column("fuse"),)
    def state(self, instrument):
        return np.zeros(1, [("rows", "i8")])
    def update(self, rows, state, out):
        out[:] = 0.5 + 0.1 * np.sin(np.arange(len(rows)) + state["rows"][0])[:, None]
        state["rows"] += len(rows)
        if KIND == "row" and state["rows"][0] > int(NTH):
            os.kill(os.getpid(), SIGNAL)

@hookimpl
def btcframe_components():
    return {"features": {"fuse": Fuse}}
"""

COMMAND = (
    "run", "source.duration=30m", "source.volatility=2", "policy.fee_bps=-3", "validation.folds=3",
    "validation.min_train=300", "features=[book,fuse]", "build.batch=256",
)  # fmt: skip

POINTS = [
    "run_started:0", "row:600", "build_done:0", "fold_done:0", "fold_done:2", "promotion:0", "promotion:2",
    "run_finished:0",
]  # fmt: skip
SAMPLE = {("row:600", "SIGINT"), ("fold_done:0", "SIGKILL"), ("promotion:0", "SIGINT")}
CASES = [
    pytest.param(point, name, marks=() if (point, name) in SAMPLE else pytest.mark.drill)
    for point in POINTS
    for name in ("SIGINT", "SIGKILL")
]


def manifests(work: Path) -> list[dict[str, object]]:
    return [json.loads(p.read_text()) for p in sorted((work / "runs").glob("*/manifest.json"))]


@pytest.mark.parametrize(("point", "name"), CASES)
def test_stopped_anywhere(
    btcframe: Run, distribution: Callable[..., Path], tmp_path: Path, point: str, name: str
) -> None:
    site = distribution("acme-bomb", BOMB)
    done = btcframe(*COMMAND, site=site, env={"BOMB": point, "BOMB_SIGNAL": name})
    stopped = manifests(tmp_path / "work")
    if point == "run_finished:0":
        assert [m["status"] for m in stopped] == ["complete"]  # it was whole before the signal
    elif name == "SIGINT":
        assert done.returncode == 130, done.stderr
        assert "Interrupted" in done.stderr
        assert "Traceback" not in done.stderr
        assert [m["status"] for m in stopped] == ["interrupted"]
    else:
        assert done.returncode == -signal.SIGKILL
        assert [m["status"] for m in stopped] == ["running"]
    again = btcframe(*COMMAND, site=site)
    assert again.returncode == 0, again.stderr
    shutil.move(tmp_path / "work", tmp_path / "stopped")
    (tmp_path / "work").mkdir()
    fresh = btcframe(*COMMAND, site=site)
    assert fresh.returncode == 0, fresh.stderr
    after = max(
        manifests(tmp_path / "stopped"), key=lambda m: str(m["finished"]) if m["status"] == "complete" else ""
    )
    (never,) = manifests(tmp_path / "work")
    keys = ("train", "backtest")
    assert {k: after["results"][k] for k in keys} == {k: never["results"][k] for k in keys}  # type: ignore[index]


SIZES = [
    pytest.param(n, marks=() if n == 300 else pytest.mark.drill)
    for n in (4, 60, 150, 300, 400, 600, 900, 4000)
]


@pytest.mark.parametrize("kilobytes", SIZES)
def test_a_disk_that_fills_up(tmp_path: Path, kilobytes: int) -> None:
    """A real, small file system in a mount namespace of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = (
        f"mount -t tmpfs -o size={kilobytes}k tmpfs {disk} || exit 99; cd {disk}; "
        f"{sys.executable} -m btcframe {' '.join(COMMAND[:-2])}; code=$?; "
        f"find {disk}/runs -maxdepth 2 -name manifest.json -exec cp {{}} {tmp_path}/manifest.json \\; ; exit $code"
    )
    if not shutil.which("unshare"):
        pytest.skip("no unshare command: cannot make a small file system")
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, env=environment, check=False
    )  # fmt: skip
    if done.returncode in (1, 99) and ("mount" in done.stderr or "unshare" in done.stderr):
        pytest.skip(f"not allowed to mount a small file system: {done.stderr.strip()}")
    if done.returncode == 0:
        assert json.loads((tmp_path / "manifest.json").read_text())["status"] == "complete"
        assert kilobytes == 4000, "this much should not have been enough"
        return
    assert done.returncode == 5, done.stderr
    assert "space" in done.stderr.lower() or "full" in done.stderr.lower(), done.stderr
    assert "Traceback" not in done.stderr
    # what stands before the message is the embedded store's own library complaining from its threads
    assert "hydra.run.dir=" in done.stderr.splitlines()[-1] or "store.path=" in done.stderr.splitlines()[-1]
    if (tmp_path / "manifest.json").exists():
        text = (tmp_path / "manifest.json").read_text()
        assert not text or json.loads(text)["status"] in ("running", "failed")
