"""A training on a market whose truth is known: judged against the oracle, and not helped by it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from btcframe.api import Batch
from btcframe.jobs import build, train
from btcframe.learning.training import TrainResult
from btcframe.plugins import Catalog, discover
from btcframe.report.metrics import compare, evaluate
from btcframe.report.prediction import metrics_table, verdicts
from btcframe.report.words import percent
from btcframe.run import Run
from btcframe.sources.synthetic import Synthetic
from btcframe.truth import STATE, read_truth
from btcframe.types import NS

from .small import make_run

SOURCE = {"plugin": "synthetic", "duration": "80m"}


class Silent(Synthetic):
    """The same market, its truth untold."""

    def open(self, *, seed: int) -> Any:
        return _Untold(super().open(seed=seed))


class _Untold:
    def __init__(self, feed: Any) -> None:
        self.instrument, self._feed = feed.instrument, feed

    def __iter__(self) -> Iterator[Batch]:
        return (batch._replace(truth=None) for batch in self._feed)

    def close(self) -> None:
        self._feed.close()


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """With the source `silent`."""
    found = discover()
    silent = dataclasses.replace(found.get("source", "synthetic"), name="silent", cls=Silent)
    sources = {**found.components["source"], "silent": silent}
    return dataclasses.replace(found, components={**found.components, "source": sources})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def trained(home: Path, catalog: Catalog) -> tuple[Run, TrainResult]:
    run = make_run(home, catalog, "told", source=SOURCE)
    with run.recorded():
        return run, train.main(run)


def test_the_oracle_is_judged_on_the_same_rows(trained: tuple[Run, TrainResult]) -> None:
    run, result = trained
    built = build.build(run)
    names = ["expected_5s", "expected_15s"]
    truth = read_truth(run.component("store"), built.id, names, result.row_ns)
    assert all(np.isfinite(truth[name]).all() for name in names)
    for h, (model, found) in enumerate(zip(result.metrics, result.oracle, strict=True)):
        expected, y, horizon = truth[names[h]], result.y[:, h], model.horizon_ns
        mean = result.predictions["mean"][:, h]
        assert found == compare(mean, expected, y, result.row_ns, horizon, seed=run.seed)
        assert found.oracle.rows == model.rows
        assert found.oracle.ic.value > model.ic.value
        seen = np.isfinite(mean)
        alone = evaluate(expected[seen], y[seen], result.row_ns[seen], horizon, seed=run.seed)
        assert found.oracle == alone


def test_it_stands_in_the_manifest_and_the_predictions(trained: tuple[Run, TrainResult]) -> None:
    run, result = trained
    told = json.loads((run.dir / "manifest.json").read_text())["results"]
    assert told["build"]["rows"] == 4800
    for plain, found, model in zip(
        told["train"]["oracle"], result.oracle, told["train"]["metrics"], strict=True
    ):
        assert set(plain) == {*model, "found", "gap"}
        assert plain["ic"]["value"] == found.oracle.ic.value
        assert plain["found"]["low"] == found.found.low
        assert plain["gap"] == found.gap._asdict()
    table = pq.read_table(run.dir / "predictions.parquet")
    assert table.column_names[-1] == "oracle_15s" and "oracle_5s" in table.column_names
    built = build.build(run)
    truth = read_truth(run.component("store"), built.id, ["expected_5s"], result.row_ns)["expected_5s"]
    np.testing.assert_array_equal(table["oracle_5s"].to_numpy(), truth)


def test_it_is_shown(trained: tuple[Run, TrainResult]) -> None:
    _, result = trained
    long = [m._replace(rows=162_475, mean_abs_label=14.7123) for m in result.metrics]
    console = Console(width=80)
    with console.capture() as capture:
        console.print(metrics_table(long, result.oracle, {"persistence": long}))
    text = capture.get()
    assert (
        " oracle " in text and " persistence " in text and f"{result.oracle[0].oracle.ic.value:+.3f}" in text
    )
    assert percent(result.oracle[0].found.value) in text
    assert "…" not in text  # nothing is cut off
    assert verdicts(result.metrics, result.oracle).count("The oracle's IC is") == 2


def test_truth_helps_nobody(trained: tuple[Run, TrainResult], home: Path, catalog: Catalog) -> None:
    """The same market, untold: the same training table, models and predictions, to the bit."""
    run, result = trained
    other = make_run(home, catalog, "untold", source=SOURCE | {"plugin": "silent"})
    with other.recorded():
        untold = train.main(other)
    assert untold.oracle == () and "oracle" not in other.manifest["results"]["train"]
    assert untold.predictions.tobytes() == result.predictions.tobytes()
    assert untold.y.tobytes() == result.y.tobytes()
    assert untold.metrics == result.metrics
    for artefact in ("ridge.json", "ridge.npz"):
        for one, two in zip(result.folds, untold.folds, strict=True):
            found = [next(fold.artefact.rglob(artefact)).read_bytes() for fold in (one, two)]
            assert found[0] == found[1]
    columns = pq.read_table(other.dir / "predictions.parquet").column_names
    assert not [name for name in columns if name.startswith("oracle")]
    layout = build.build(run).layout
    assert not set(STATE) & {*layout.columns, *layout.regime_columns, *layout.labels}


def test_rows_of_another_clock_are_joined_where_they_meet(home: Path, catalog: Catalog) -> None:
    run = make_run(home, catalog, "slow", source=SOURCE | {"truth_every": "3s"})
    result = train.main(run)
    for model, found in zip(result.metrics, result.oracle, strict=True):
        assert found.oracle.rows == pytest.approx(model.rows / 3, abs=2)
    assert "rows with their truth" in verdicts(result.metrics, result.oracle)
    assert run.manifest["results"]["train"]["oracle"][0]["rows"] == result.oracle[0].oracle.rows


def test_in_a_null_market_the_oracle_is_silent(home: Path, catalog: Catalog) -> None:
    run = make_run(home, catalog, "null", source=SOURCE | {"null": True})
    result = train.main(run)
    assert all(math.isnan(found.oracle.ic.value) for found in result.oracle)
    assert run.manifest["results"]["train"]["oracle"][0]["ic"]["value"] is None
    assert verdicts(result.metrics, result.oracle).count("here is nothing to predict") == 2
    assert all(found.oracle.horizon_ns in (5 * NS, 15 * NS) for found in result.oracle)
