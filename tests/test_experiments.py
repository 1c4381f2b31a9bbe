"""Every preset does what its comments say: its commands compose, and it runs, on little."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jobs.small import Said
from kline_bars import bar, write
from live_sessions import place
from test_conf import EXPERIMENTS, FOLDER, resolved
from typed_commands import try_it, words_of

from btcframe import jobs
from btcframe.cli.hydra_app import register
from btcframe.plugins import Catalog, discover
from btcframe.run import Run, check, load_manifest

COMMANDS = [
    (path.stem, line.removeprefix("#   "))
    for path in sorted((FOLDER / "experiment").glob("*.yaml"))
    for line in path.read_text(encoding="utf-8").splitlines()
    if line.startswith("#   btcframe ")
]

PRESETS = ["baseline", "hht-regimes", "passive-maker", "real-binance", "klines", "paper-local"]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


@pytest.fixture
def run(tmp_path: Path, catalog: Catalog) -> Callable[..., dict[str, Any]]:
    """Run a verb with overrides; its manifest, which is complete."""

    def started(verb: str, *overrides: str) -> dict[str, Any]:
        places = (f"store.path={tmp_path / 'lake'}", f"spool.path={tmp_path / 'spool'}")
        config = resolved(verb, *overrides, *places)
        check(config, catalog)
        job = Run(tmp_path / verb, config, catalog, Said())
        with job.recorded():
            jobs.start(job)
        manifest: dict[str, Any] = load_manifest(job.dir)
        assert manifest["status"] == "complete"
        return manifest

    return started


@pytest.mark.parametrize(("preset", "command"), COMMANDS)
def test_the_commands_of_its_comments_can_be_typed(catalog: Catalog, preset: str, command: str) -> None:
    register(catalog)
    try_it(catalog, words_of(command))


def test_every_preset_shows_how_it_is_used() -> None:
    assert {preset for preset, _ in COMMANDS} == set(EXPERIMENTS)
    page = (Path(__file__).parents[1] / "docs" / "getting-started.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([\w-]+)` \| ", page.split("## Presets")[1], re.MULTILINE) == PRESETS
    assert set(PRESETS) == set(EXPERIMENTS)
    for name in EXPERIMENTS:
        settings = [
            line
            for line in (FOLDER / "experiment" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
            if not line.startswith("#") and re.search(r": \S", line)
        ]
        assert sum("#" in line for line in settings) >= len(settings) // 2, f"{name}: say why"


def test_baseline(run: Callable[..., dict[str, Any]]) -> None:
    results = run("run", "experiment=baseline", "source.duration=20m", "validation.folds=2")["results"]
    assert {"train", "backtest"} <= results.keys()


def test_hht_regimes(run: Callable[..., dict[str, Any]]) -> None:
    small = ("source.duration=20m", "validation.folds=2", "model.members=[ridge,boosting]")
    manifest = run("run", "experiment=hht-regimes", "regime.window=256", "regime.over=64", *small)
    assert manifest["config"]["regime"]["plugin"] == "hht" and manifest["config"]["model"]["prior"] == 5000.0


def test_passive_maker(run: Callable[..., dict[str, Any]]) -> None:
    manifest = run("run", "experiment=passive-maker", "source.duration=20m", "validation.folds=2")
    assert manifest["config"]["policy"]["fee_bps"] == manifest["config"]["venue"]["maker_fee_bps"] == 2.0


def test_klines(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    wave = [20_000 + 10 * (minute % 7) + minute % 13 for minute in range(2_000)]
    bars = (
        bar(minute, close, open=close, high=close + 5, low=close - 5) for minute, close in enumerate(wave)
    )
    file = write(tmp_path / "BTCUSDT-1m-2025-01.csv", *bars)
    few = ("validation.folds=2", "validation.min_train=200")
    assert run("train", "experiment=klines", f"source.paths=['{file}']", *few)["results"]["train"]


@pytest.mark.shared
def test_real_binance(run: Callable[..., dict[str, Any]], market_data: Path) -> None:
    files = sorted((market_data / "raw-binance").glob("usdm_btcusdt_2024*"))
    paths = ",".join(f"'{file}'" for file in files)
    assert run("run", "experiment=real-binance", f"source.paths=[{paths}]", "validation.folds=2")["results"]


def test_paper_local(run: Callable[..., dict[str, Any]], tmp_path: Path, catalog: Catalog) -> None:
    with place(tmp_path, catalog) as at:
        here = (f"source.port={at.at.http.rpartition(':')[2]}", "trade.metrics=''", "trade.duration=2s")
        results = run("trade", "experiment=paper-local", *here, "clock.every=100ms", "state.every=0s")[
            "results"
        ]
    assert results["trade"]["stopped"] == "duration"
