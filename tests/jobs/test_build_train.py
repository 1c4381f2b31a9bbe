"""The jobs build and train on the random walk: the same bits again, reuse, and honest numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btcframe.errors import ConfigError, DataError, ModelError
from btcframe.jobs import build, train
from btcframe.learning.folds import saved_folds
from btcframe.learning.predictions import plain_metrics
from btcframe.learning.tables import read_training
from btcframe.models.artefacts import load_model
from btcframe.plugins import Catalog, discover
from btcframe.run import Run
from btcframe.types import NS, PREDICTION

from . import small


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def make_run(folder: Path, catalog: Catalog, name: str = "run", **changes: Any) -> Run:
    longer = {"plugin": "random_walk", "duration": "30m"}
    both = {"book": {"plugin": "book"}, "returns": {"plugin": "returns"}}
    return small.make_run(
        folder, catalog, name, **({"verb": "train", "source": longer, "features": both} | changes)
    )


def test_build_is_made_once_and_train_reads_it(tmp_path: Path, catalog: Catalog) -> None:
    run = make_run(tmp_path, catalog)
    result = train.main(run)
    again = make_run(tmp_path, catalog, "again", build={"batch": 70, "rows": False, "threads": 3})
    second = train.main(again)
    assert second.build == result.build
    assert again.manifest["results"]["build"]["reused"] and not run.manifest["results"]["build"]["reused"]
    assert second.predictions.tobytes() == result.predictions.tobytes()
    assert [plain_metrics(m) for m in second.metrics] == [plain_metrics(m) for m in result.metrics]
    for file in (run.dir / "models").rglob("*"):
        if file.is_file():
            assert (again.dir / file.relative_to(run.dir)).read_bytes() == file.read_bytes()
    assert (again.dir / "predictions.parquet").read_bytes() == (run.dir / "predictions.parquet").read_bytes()
    assert saved_folds(run.dir) == result.folds and len(result.folds) == 3
    # a random walk has nothing to find, and the verdict must not claim otherwise
    verdicts = [line for line in run.console.lines if "IC" in line]  # type: ignore[attr-defined]
    assert verdicts and "better than predicting 0" not in verdicts[0]


def test_batch_size_does_not_change_the_table(tmp_path: Path, catalog: Catalog) -> None:
    tables = []
    for name, batch in (("one", 100_000), ("two", 33)):
        (tmp_path / name).mkdir()
        run = make_run(tmp_path / name, catalog, build={"batch": batch, "rows": False})
        built = build.build(run)
        tables.append(read_training(run.component("store"), built.id, built.layout, built.rows))
    for field in ("row_ns", "quality", "mid", "x", "descriptors", "y", "t_end"):
        assert getattr(tables[0], field).tobytes() == getattr(tables[1], field).tobytes()
    assert np.isfinite(tables[0].y[:-15]).mean() > 0.99


def test_saved_models_give_the_out_of_sample_predictions(tmp_path: Path, catalog: Catalog) -> None:
    run = make_run(tmp_path, catalog)
    result = train.main(run)
    built = build.build(run)
    table = read_training(run.component("store"), built.id, built.layout, built.rows)
    for fold in result.folds:
        rows = (table.row_ns >= fold.test_start_ns) & (table.row_ns < fold.test_end_ns)
        model = load_model(fold.artefact, catalog)
        model.check_columns(built.layout.columns, built.layout.regime_columns)
        out = np.zeros((fold.test_rows, 2), PREDICTION)
        regime = np.empty((fold.test_rows, 3))
        model.scorer().update(table.x[rows], table.descriptors[rows], table.row_ns[rows], regime, out)
        mine = (result.row_ns >= fold.test_start_ns) & (result.row_ns < fold.test_end_ns)
        assert result.predictions[mine].tobytes() == out.tobytes()
    np.testing.assert_array_equal(result.t_end[:, 1] - result.row_ns, 15 * NS)


def test_zero_is_judged_like_any_model(tmp_path: Path, catalog: Catalog) -> None:
    result = train.main(make_run(tmp_path, catalog, model={"plugin": "zero"}))
    assert [m.r2.value for m in result.metrics] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"source": {"plugin": "random_walk", "duration": "30s"}}, DataError, "rows are too few"),
        ({"label": {"plugin": "forward_return", "horizons": ["1h"]}}, DataError, "the label looks 1h ahead"),
        ({"label": {"plugin": "forward_return", "horizons": ["500ms"]}}, ConfigError, "but a row lasts 1s"),
        (
            {"validation": {"folds": 5, "embargo": "1m", "min_train": 5000, "expanding": True}},
            ModelError,
            "5,000 to train on",
        ),
    ],
)
def test_too_little_data_is_said_and_leaves_no_build(
    tmp_path: Path, catalog: Catalog, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    run = make_run(tmp_path, catalog, **changes)
    with pytest.raises(error, match=message):
        train.main(run)
    assert len(run.component("store").builds()) == (1 if error is ModelError else 0)
    assert not (run.dir / "models").exists()
