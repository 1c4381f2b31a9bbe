"""What the section `validation` can ask of a training: windows of a length, groups, weights, a last fit, and baselines."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from btcframe import jobs
from btcframe.errors import ConfigError, ModelError
from btcframe.jobs import backtest, build, train
from btcframe.learning.folds import saved_folds
from btcframe.learning.tables import TrainingTable, read_training
from btcframe.learning.training import TrainResult
from btcframe.models.artefacts import load_model, read_manifest
from btcframe.models.profile import load_profile
from btcframe.plugins import Catalog, discover
from btcframe.run import Run
from btcframe.settings import check_settings
from btcframe.types import NS, PREDICTION
from btcframe_models.persistence import Persistence

from . import small

BOTH = {"book": {"plugin": "book"}, "returns": {"plugin": "returns"}}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def trained(
    folder: Path, catalog: Catalog, name: str = "run", features: Any = BOTH, **validation: Any
) -> tuple[Run, TrainResult, TrainingTable]:
    settings = {"folds": 3, "embargo": "10s", "min_train": 200, "expanding": True} | validation
    run = small.make_run(folder, catalog, name, verb="train", validation=settings, features=features)
    result = train.main(run)
    built = build.build(run)
    return run, result, read_training(run.component("store"), built.id, built.layout, built.rows)


def test_the_baseline_stands_beside_the_predictions(tmp_path: Path, catalog: Catalog) -> None:
    run, result, table = trained(tmp_path, catalog)
    written = pq.read_table(run.dir / "predictions.parquet")
    at = np.searchsorted(table.row_ns, result.row_ns)
    returns = {n: table.x[at, table.layout.columns.index(f"log_return_{n}")] for n in (5, 10)}
    # 5 rows ahead as in the last 5; 15 ahead as in the last 10: of the windows 1, 5, 10, 30 … the nearest by ratio
    np.testing.assert_allclose(written["persistence_5s"].to_numpy(), 1e4 * returns[5], rtol=1e-12)
    np.testing.assert_allclose(written["persistence_15s"].to_numpy(), 1e4 * returns[10] * 1.5, rtol=1e-12)
    told = run.manifest["results"]["train"]
    assert told["scheme"] == "walk_forward" and list(told["baselines"]) == ["persistence"]
    baseline = told["baselines"]["persistence"]
    assert [b["rows"] for b in baseline] == [m["rows"] for m in told["metrics"]]
    y, p = written["y_5s"].to_numpy(), written["persistence_5s"].to_numpy()
    known = np.isfinite(y) & np.isfinite(p)
    about_zero = 1 - np.sum((y - p)[known] ** 2) / np.sum(y[known] ** 2)
    assert baseline[0]["r2"]["value"] == pytest.approx(about_zero, rel=1e-9)
    assert [w["horizon_ns"] for w in told["worth"]] == [5 * NS, 15 * NS]
    ends = {fold.index: fold.train_end_ns for fold in result.folds}
    expected = [
        row - ends[fold] for row, fold in zip(result.row_ns, written["fold"].to_pylist(), strict=True)
    ]
    assert written["age_ns"].to_pylist() == expected and min(expected) > 10 * NS


def test_without_past_returns_there_is_no_baseline_and_it_is_said(tmp_path: Path, catalog: Catalog) -> None:
    run, _, _ = trained(tmp_path, catalog, features={"book": {"plugin": "book"}})
    assert run.manifest["results"]["train"]["baselines"] == {}
    assert not any(
        name.startswith("persistence") for name in pq.read_table(run.dir / "predictions.parquet").column_names
    )
    assert any("no column log_return_N" in line for line in run.console.lines)  # type: ignore[attr-defined]


def test_an_installation_without_the_baseline_trains_all_the_same(tmp_path: Path, catalog: Catalog) -> None:
    models = {k: v for k, v in catalog.components["model"].items() if k != "persistence"}
    bare = dataclasses.replace(catalog, components={**catalog.components, "model": models})
    run, _, _ = trained(tmp_path, bare)
    assert run.manifest["results"]["train"]["baselines"] == {}
    assert any(
        line.startswith("Without the baseline persistence: ")
        for line in run.console.lines  # type: ignore[attr-defined]
    )


def test_a_new_model_every_so_often(tmp_path: Path, catalog: Catalog) -> None:
    run, result, _ = trained(tmp_path, catalog, every="2m")
    starts = np.array([fold.test_start_ns for fold in result.folds])
    assert len(starts) > 3 and (np.diff(starts) == 120 * NS).all()
    assert saved_folds(run.dir) == result.folds
    traded = small.make_run(tmp_path, catalog, "traded", trained=str(run.dir), features=BOTH)
    run.manifest["status"] = "complete"
    (run.dir / "manifest.json").write_text(json.dumps(WRITTEN | run.manifest))
    tables = backtest.main(traded).tables
    assert tables["predictions"].tobytes() == result.predictions.ravel().tobytes()


WRITTEN = {
    "btcframe": "", "verb": "train", "seed": 7, "config": {}, "machine": {}, "packages": {}, "plugins": {}, "command": [],
}  # fmt: skip


def test_combinatorial_paths(tmp_path: Path, catalog: Catalog) -> None:
    pytest.importorskip("skfolio", reason="the extra btcframe[combinatorial] is not installed")
    run, result, table = trained(
        tmp_path, catalog, scheme="combinatorial", groups=4, test_groups=2, final=True
    )
    assert result.folds == () and len(result.row_ns) == len(table)  # a path goes over all rows
    np.testing.assert_array_equal(result.row_ns, table.row_ns)
    told = run.manifest["results"]["train"]
    assert told["scheme"] == "combinatorial" and told["folds"] == []
    assert [[m["horizon_ns"] for m in path] for path in told["paths"]] == [[5 * NS, 15 * NS]] * 3
    assert told["paths"][0] == told["metrics"] != told["paths"][1]
    assert [p.name for p in (run.dir / "models").iterdir()] == ["final"]
    written = pq.read_table(run.dir / "predictions.parquet")
    assert "age_ns" not in written.column_names and set(written["fold"].to_pylist()) <= set(range(6))
    with pytest.raises(ModelError, match="no trained models") as caught:
        saved_folds(run.dir / "elsewhere")
    assert "combinatorial" in caught.value.hint


def test_a_combinatorial_training_is_not_traded(tmp_path: Path, catalog: Catalog) -> None:
    run = small.make_run(tmp_path, catalog, validation={"scheme": "combinatorial", "embargo": "10s"})
    with pytest.raises(ModelError, match="cannot be traded: they have seen what came after") as caught:
        backtest.main(run)
    assert "validation.scheme=walk_forward" in caught.value.hint and "btcframe train" in caught.value.next
    assert not list(run.dir.iterdir())


def test_a_last_fit_on_all_rows(tmp_path: Path, catalog: Catalog) -> None:
    run, result, table = trained(tmp_path, catalog, final=True)
    artefact = run.dir / run.manifest["results"]["train"]["final"]
    manifest = read_manifest(artefact)
    assert manifest["fold"] is None and manifest["final"] is True
    assert (manifest["train_start_ns"], manifest["train_end_ns"]) == (table.row_ns[0], table.row_ns[-1] + 1)
    assert manifest["metrics"] == run.manifest["results"]["train"]["metrics"]
    model = load_model(artefact, catalog)
    assert model.index == 3
    later, earlier = np.zeros((50, 2), PREDICTION), np.zeros((50, 2), PREDICTION)
    last = slice(-50, None)
    for fitted, out in ((model, later), (load_model(result.folds[0].artefact, catalog), earlier)):
        fitted.scorer().update(
            table.x[last], table.descriptors[last], table.row_ns[last], np.empty((50, 3)), out
        )
    assert np.isfinite(later["mean"]).all() and (later["mean"] != earlier["mean"]).any()
    assert len(saved_folds(run.dir)) == 3  # it is no fold
    for place, rows in ((artefact, table.quality > 0), (result.folds[0].artefact, None)):
        known = load_profile(place)
        assert known is not None and len(known.counts) == len(table.layout.columns)
        assert rows is None or (known.counts.sum(axis=1) == rows.sum()).all()


def test_weights_by_uniqueness(tmp_path: Path, catalog: Catalog) -> None:
    _, plain, _ = trained(tmp_path, catalog)
    _, same, _ = trained(tmp_path, catalog, "on", uniqueness=True)
    _, off, _ = trained(tmp_path, catalog, "off", uniqueness=False)
    assert plain.predictions.tobytes() == same.predictions.tobytes()  # it is on
    one, other = plain.predictions["mean"], off.predictions["mean"]
    assert (one != other).any() and np.corrcoef(one[:, 0], other[:, 0])[0, 1] > 0.99


def test_two_folds_at_a_time_are_the_same_run(tmp_path: Path, catalog: Catalog) -> None:
    one, first, _ = trained(tmp_path, catalog)
    two, second, _ = trained(tmp_path, catalog, "two", jobs=2)
    assert first.predictions.tobytes() == second.predictions.tobytes()
    for file in (p for p in one.dir.rglob("*") if p.is_file()):
        assert (two.dir / file.relative_to(one.dir)).read_bytes() == file.read_bytes()
    assert not list(two.dir.rglob(".*"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scheme": "combinatoral"}, "'combinatoral' is neither"),
        ({"every": "soon"}, "validation.every: 'soon' is not a duration"),
        ({"jobs": 0}, "validation.jobs: 0 is not a number of folds at a time"),
        ({"scheme": "combinatorial", "groups": 2}, "groups: 2 is less than 3"),
    ],
)
def test_senseless_settings(tmp_path: Path, catalog: Catalog, changes: dict[str, Any], message: str) -> None:
    run = small.make_run(tmp_path, catalog, validation={"folds": 3, "embargo": "10s"} | changes)
    with pytest.raises(ConfigError, match=message):
        check_settings(run.config)


def test_the_baseline_is_the_catalog_s(catalog: Catalog) -> None:
    assert catalog.build("model", {"plugin": train.BASELINE}) == Persistence()


def test_a_dead_cluster_is_told_before_anything_is_built(tmp_path: Path, catalog: Catalog) -> None:
    pytest.importorskip("ray", reason="the extra btcframe[ray] is not installed")
    run = small.make_run(tmp_path, catalog, verb="train", engine={"kind": "ray", "address": "127.0.0.1:1"})
    with pytest.raises(ConfigError, match="no Ray cluster answers"):
        jobs.start(run)
    assert not (tmp_path / "lake").exists() and not run.manifest.get("results")
