"""Predictions in bins, read from the file that a training writes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from btcframe.errors import DataError
from btcframe.report.binned import BINS
from btcframe.report.outcomes import Predictions, likeliest, read_outcomes
from btcframe.types import NS, Floats, Ints

N = 20_000
H = 5 * NS


def write(path: Path, *, oracle: bool = True, n: int = N) -> tuple[Ints, Floats, Floats]:
    rng = np.random.default_rng(1)
    row_ns = NS * np.arange(1, n + 1)
    mean = rng.standard_normal(n)
    y = 2 * mean + rng.standard_normal(n)
    mean[::50] = np.nan
    y[3::20] = 0.0  # the price did not move
    y[-5:] = np.nan
    columns = {
        "row_ns": row_ns,
        "fold": np.zeros(n, np.int32),
        "regime_calm": np.where(np.arange(n) < n // 2, 0.9, 0.1),
        "regime_wild": np.where(np.arange(n) < n // 2, 0.1, 0.9),
        "mean_5s": mean,
        "p_up_5s": 0.5 + 0.1 * np.sign(mean),
        "low_5s": mean - 1,
        "high_5s": mean + 1,
        "persistence_5s": -mean,
        "y_5s": y,
        "age_ns": row_ns,
    } | ({"oracle_5s": 2 * np.nan_to_num(mean)} if oracle else {})  # fmt: skip
    pq.write_table(pa.table(columns), path, row_group_size=3000)
    return row_ns, mean, y


def test_bins_hold_equally_many_rows_and_their_means(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    row_ns, mean, y = write(path)
    predictions = Predictions(path)
    assert (predictions.rows, predictions.labels, predictions.regimes) == (N, ("y_5s",), ("calm", "wild"))
    assert (predictions.first_ns, predictions.last_ns) == (row_ns[0], row_ns[-1])
    (o,) = read_outcomes(predictions, [H], seed=1)
    both = np.isfinite(mean) & np.isfinite(y)
    assert (o.rows, o.predicted, o.labelled, o.both) == (N, np.isfinite(mean).sum(), N - 5, both.sum())
    assert len(o.outcome.x) == BINS and o.outcome.rows.sum() == both.sum()
    assert np.ptp(o.outcome.rows) <= 5
    low = mean[both] < np.quantile(mean[np.isfinite(mean)], 0.1)
    assert o.outcome.x[0] == pytest.approx(mean[both][low].mean())
    assert o.outcome.y[0].value == pytest.approx(y[both][low].mean())
    for x, e in zip(o.outcome.x, o.outcome.y, strict=True):
        assert e.low <= e.value <= e.high
        assert abs(e.value - 0.95 * 2 * x) < 0.2
    assert o.expected is not None
    np.testing.assert_allclose([e.value for e in o.expected.y], 2 * o.expected.x)
    assert o.oracle is not None


def test_the_predictions_of_another_run_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    write(path, n=400)
    with pytest.raises(DataError, match="1 labels, and the run was trained on 2 horizons"):
        read_outcomes(Predictions(path), [H, 2 * H], seed=1)


def test_without_oracle(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    write(path, oracle=False, n=40)
    (o,) = read_outcomes(Predictions(path), [H], seed=1)
    assert o.expected is None and o.oracle is None
    assert all(math.isnan(e.low) for e in o.outcome.y)  # 40 rows are eight horizons


def test_the_likeliest_regime_of_every_row(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    row_ns, _, _ = write(path)
    told = list(Predictions(path).regime())
    assert np.concatenate([ns for ns, _ in told]).tolist() == row_ns.tolist()
    assert np.concatenate([index for _, index in told]).tolist() == [0] * (N // 2) + [1] * (N - N // 2)
    assert likeliest(np.array([[0.2, 0.8], [np.nan, 0.5]])).tolist() == [1, -1]


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        Predictions(tmp_path / "nothing.parquet")
    (tmp_path / "text").write_text("no parquet")
    with pytest.raises(DataError, match="cannot be read"):
        Predictions(tmp_path / "text")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other")
    with pytest.raises(DataError, match="no column row_ns"):
        Predictions(tmp_path / "other")
