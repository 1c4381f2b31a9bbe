"""Trainings, ranked by how well they predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_runs import CONFIG, START_NS, changed, predicted, traded

from btcframe.errors import DataError
from btcframe.plugins import Catalog, discover
from btcframe.runs.comparison import compare
from btcframe.runs.find import runs_in
from btcframe.runs.verdict import EDGE, NOTHING, judged
from btcframe.types import NS

ROWS = 3000


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def test_the_values_are_parts_of_the_ic(tmp_path: Path, catalog: Catalog) -> None:
    rng = np.random.default_rng(1)
    y = rng.standard_normal(ROWS)
    y[::7] = np.nan
    for k in range(3):
        p = rng.standard_normal(ROWS) + 0.1 * k * np.nan_to_num(y)
        p[100:200] = np.nan
        predicted(tmp_path / "s" / str(k), p, y, changed(CONFIG, model__alpha=float(k)))
    (found,), left = compare(runs_in(tmp_path / "s"), catalog)
    assert not left and (found.by, found.horizon_ns, found.period_ns) == ("ic", 5 * NS, 2_999 * NS // 119)
    assert found.periods == 119  # whole periods of five horizons
    for row in found.rows:
        import pyarrow.parquet as pq

        told = pq.read_table(row.run.directory / "predictions.parquet").to_pydict()
        p, known = np.array(told["mean_5s"]), np.isfinite(told["mean_5s"]) & np.isfinite(told["return_5s"])
        ic = (p[known] @ y[known]) / np.sqrt((p[known] @ p[known]) * (y[known] @ y[known]))
        assert row.measures["ic"] == pytest.approx(ic)
        assert row.curve[-1] / found.periods == pytest.approx(ic)
    assert not any(row.front for row in found.rows)
    assert found.rows[0].run.directory.name == "2"


def test_noise_is_nothing_and_a_signal_an_edge(tmp_path: Path, catalog: Catalog) -> None:
    rng = np.random.default_rng(2)
    y = rng.standard_normal(ROWS)
    for k in range(4):
        config = changed(CONFIG, model__alpha=float(k))
        predicted(tmp_path / "noise" / str(k), rng.standard_normal(ROWS), y, config)
        predicted(tmp_path / "signal" / str(k), y + 3 * rng.standard_normal(ROWS), y, config)
    (found,), _ = compare(runs_in(tmp_path / "noise"), catalog)
    assert judged(found).answer == NOTHING
    (found,), _ = compare(runs_in(tmp_path / "signal"), catalog)
    assert judged(found).answer == EDGE
    predicted(tmp_path / "zero" / "0", np.zeros(ROWS), y)
    (found,), _ = compare(runs_in(tmp_path / "zero"), catalog)
    assert judged(found).answer == NOTHING and found.rows[0].measures["ic"] == 0


def test_what_was_asked_for_decides(tmp_path: Path, catalog: Catalog) -> None:
    rng = np.random.default_rng(3)
    predicted(tmp_path / "s" / "0", rng.standard_normal(ROWS), rng.standard_normal(ROWS))
    traded(tmp_path / "s" / "1", rng.standard_normal(60) * 1e-4)
    (found,), left = compare(runs_in(tmp_path / "s"), catalog)
    assert found.by == "net" and [one.why for one in left] == ["nothing was traded: it is a train"]
    (found,), left = compare(runs_in(tmp_path / "s"), catalog, by="ic")
    assert found.by == "ic" and [one.why for one in left] == ["nothing was predicted in it: it is a run"]
    with pytest.raises(DataError, match="it predicts 5s ahead, not 15s"):
        compare(runs_in(tmp_path / "s"), catalog, by="ic", horizon_ns=15 * NS)
    assert found.edges[0] == START_NS


def test_damaged_predictions_are_left_out(tmp_path: Path, catalog: Catalog) -> None:
    rng = np.random.default_rng(4)
    for k in range(2):
        predicted(tmp_path / "s" / str(k), rng.standard_normal(ROWS), rng.standard_normal(ROWS))
    (tmp_path / "s" / "1" / "predictions.parquet").write_bytes(b"no parquet")
    (found,), (left,) = compare(runs_in(tmp_path / "s"), catalog)
    assert len(found.rows) == 1 and left.why.startswith("the predictions cannot be read")
