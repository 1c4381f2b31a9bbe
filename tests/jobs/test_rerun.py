"""A manifest is enough to run it again to the same bits."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from btcframe import jobs
from btcframe.errors import ConfigError, DataError, ReplayError
from btcframe.models.artefacts import read_manifest
from btcframe.plugins import discover
from btcframe.run import MANIFEST, Run, load_manifest
from btcframe.sessions.session import TABLES
from btcframe.trading.audit import load_tables
from btcframe.trading.differences import first_difference

# thresholds below the cost, so that there are orders, vetoes, fills and partial fills to compare
SETTINGS = (
    "source.duration=40m", "source.volatility=2", "policy.fee_bps=-3", "validation.folds=3", "validation.min_train=300",
    "label.horizons=[2s,5s]", "validation.embargo=10s", "risk.max_position.size=0.02",
    "backtest.flatten=true",
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run made on the command line."""
    import sys

    folder = tmp_path_factory.mktemp("finished")
    command = (
        sys.executable,
        "-m",
        "btcframe",
        "run",
        f"hydra.run.dir={folder}/run",
        f"store.path={folder}/lake",
    )
    done = subprocess.run([*command, *SETTINGS], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "run"


def contents(directory: Path) -> dict[str, str]:
    """Checksums of the models' files; of a manifest, which names its run, the digest of what was fitted."""
    return {
        str(p.relative_to(directory)): read_manifest(p.parent)["digest"]
        if p.name == MANIFEST
        else hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted((directory / "models").rglob("*"))
        if p.is_file()
    }


def again(finished: Path, directory: Path) -> Path:
    """What a rerun is: the manifest's config, a new directory, a new store."""
    config = load_manifest(finished)["config"] | {
        "store": {"plugin": "delta", "path": str(directory / "lake")}
    }
    with Run(directory / "run", config, discover()).recorded() as run:
        jobs.start(run)
    return directory / "run"


def test_the_same_bits_from_the_manifest_alone(finished: Path, tmp_path: Path) -> None:
    second = again(finished, tmp_path)
    assert contents(finished) == contents(second)
    assert (finished / "predictions.parquet").read_bytes() == (second / "predictions.parquet").read_bytes()
    tables = load_tables(finished / TABLES)
    assert len(tables["fills"]) > 10, "the run must trade, or nothing is compared"
    assert tables["equity"]["position_lots"][-1] == 0, "backtest.flatten"
    assert first_difference(tables, load_tables(second / TABLES)) == ""
    assert load_manifest(finished)["config_hash"] == load_manifest(second)["config_hash"]  # another store
    one, two = load_manifest(finished)["results"], load_manifest(second)["results"]
    assert one["build"]["id"] == two["build"]["id"]
    assert one["backtest"] == two["backtest"]
    assert one["train"] == two["train"]


def test_the_manifest_names_what_made_it(finished: Path) -> None:
    manifest = load_manifest(finished)
    assert manifest["status"] == "complete"
    assert manifest["seed"] == 7
    assert len(manifest["config_hash"]) == 64
    assert {"numpy", "numba", "llvmlite", "zstandard", "deltalake"} <= set(manifest["packages"])
    assert {"btcframe", "btcframe_features", "btcframe_models", "btcframe_execution"} <= set(manifest["code"])
    assert manifest["results"]["build"]["data"] == ""  # made from config and seed
    assert {"btcframe-features", "btcframe-models"} <= set(manifest["plugins"])
    assert manifest["results"]["build"]["id"]
    assert manifest["machine"]["cpu"]
    assert set(manifest["kernels"]) == {"compiled", "seconds", "loaded", "cache"}
    assert manifest["git"] is None or len(manifest["git"]["commit"]) == 40


def test_it_replays_to_the_same_intents(
    finished: Path, btcframe: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = btcframe("replay", str(finished))
    assert done.returncode == 0, done.stderr
    assert "The same" in done.stdout


def test_a_replay_that_differs_names_the_first_difference(finished: Path, tmp_path: Path) -> None:
    import shutil

    import numpy as np

    other = tmp_path / "other"
    shutil.copytree(finished, other)
    np.load(other / TABLES / "intents.npy", mmap_mode="r+")["lots"][3] += 1
    config = {"verb": "replay", "seed": 7, "session": str(other)}
    with (
        pytest.raises(ReplayError, match=r"(?s)intents\[3\] differs, .*  lots  ") as caught,
        Run(tmp_path / "r", config, discover()).recorded() as run,
    ):
        jobs.start(run)
    assert caught.value.exit_code == 7


def test_no_session_or_a_broken_one(tmp_path: Path, finished: Path) -> None:
    def replay(session: str, number: int) -> None:
        config = {"verb": "replay", "seed": 7, "session": session}
        with Run(tmp_path / f"r{number}", config, discover()).recorded() as run:
            jobs.start(run)

    with pytest.raises(ConfigError, match="no session to replay"):
        replay("", 0)
    with pytest.raises(DataError, match="is not a run"):
        replay(str(tmp_path), 1)
    manifest = json.loads((finished / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps(manifest | {"status": "interrupted"}))
    with pytest.raises(DataError, match="is not whole"):
        replay(str(tmp_path), 2)


def test_a_run_never_writes_over_another(finished: Path) -> None:
    with (
        pytest.raises(ConfigError, match="already holds a run"),
        Run(finished, {"verb": "run", "seed": 1}, discover()).recorded(),
    ):
        raise AssertionError("must not get here")
