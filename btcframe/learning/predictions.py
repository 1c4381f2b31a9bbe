"""What a training predicted out of sample: judged, and written down."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from btcframe import scratch
from btcframe.atomic import replacing
from btcframe.learning.folds import OutOfSample
from btcframe.learning.tables import TrainingTable
from btcframe.report.metrics import Estimate, Found, Metrics, compare, evaluate
from btcframe.types import Floats, duration_name

PREDICTIONS = "predictions.parquet"


def judge(table: TrainingTable, found: OutOfSample, *, seed: int) -> tuple[Metrics, ...]:
    """Metrics per horizon over the rows that were predicted."""
    return _judged(table, found, found.predictions["mean"], seed)


def judge_baseline(table: TrainingTable, found: OutOfSample, *, seed: int) -> tuple[Metrics, ...]:
    """The same of what the baseline predicted."""
    return _judged(table, found, found.baseline, seed)


def _judged(table: TrainingTable, found: OutOfSample, mean: Floats, seed: int) -> tuple[Metrics, ...]:
    y, row_ns = (scratch.take(array, found.rows, table.directory) for array in (table.y, table.row_ns))
    return tuple(
        evaluate(mean[:, h], y[:, h], row_ns, horizon, seed=seed)
        for h, horizon in enumerate(table.layout.horizons_ns)
    )


def against_oracle(
    table: TrainingTable, found: OutOfSample, expected: Sequence[Floats], *, seed: int
) -> tuple[Found, ...]:
    """The predictions against what could be known, per horizon.

    Parameters
    ----------
    table : TrainingTable
    found : OutOfSample
    expected : sequence of float64[n]    the oracle's, a horizon each, at the rows that were predicted; NaN: unknown
    seed : int
    """
    mean = found.predictions["mean"]
    y, row_ns = (scratch.take(array, found.rows, table.directory) for array in (table.y, table.row_ns))
    return tuple(
        compare(mean[:, h], values, y[:, h], row_ns, horizon, seed=seed)
        for h, (values, horizon) in enumerate(zip(expected, table.layout.horizons_ns, strict=True))
    )


def write_predictions(
    path: Path, table: TrainingTable, found: OutOfSample, regimes: tuple[str, ...], expected: Sequence[Floats] = (),
    *, baseline: str = "", aged: bool = True,
) -> None:  # fmt: skip
    """Out-of-sample predictions as parquet: a row per row_ns; per horizon mean, p_up, low, high and the label.

    Where the oracle's expectations are known, they stand beside them: oracle_<horizon>, bps.

    Parameters
    ----------
    path : Path
    table : TrainingTable
    found : OutOfSample
    regimes : tuple of str
    expected : sequence of float64[n]    the oracle's, a horizon each
    baseline : str    name of what was fitted beside the model: its column is <name>_<horizon>, bps; "": there is none
    aged : bool       whether to write age_ns, the time since the end of the fold's training window

    Raises
    ------
    StoreError
        If it cannot be written; nothing is left behind then.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    y, row_ns = (scratch.take(array, found.rows, table.directory) for array in (table.y, table.row_ns))

    def batch(part: slice) -> pa.Table:
        predictions = found.predictions[part]
        columns: dict[str, Any] = {"row_ns": row_ns[part], "fold": predictions["model"][:, 0]}
        if aged:
            columns["age_ns"] = found.age_ns[part]
        columns |= {f"regime_{name}": found.regime[part, r] for r, name in enumerate(regimes)}
        for h, (label, horizon) in enumerate(zip(table.layout.labels, table.layout.horizons_ns, strict=True)):
            for field in ("mean", "p_up", "low", "high"):
                columns[f"{field}_{duration_name(horizon)}"] = predictions[field][:, h]
            columns[label] = y[part, h]
            if baseline:
                columns[f"{baseline}_{duration_name(horizon)}"] = found.baseline[part, h]
            if expected:
                columns[f"oracle_{duration_name(horizon)}"] = expected[h][part]
        return pa.table({name: np.ascontiguousarray(column) for name, column in columns.items()})

    with (
        replacing(path, "the predictions") as temporary,
        pq.ParquetWriter(
            temporary, batch(slice(0)).schema, compression="zstd", write_page_checksum=True
        ) as writer,
    ):
        for part in scratch.pieces(
            len(found.rows), y, row_ns, found.predictions, found.regime, found.baseline, *expected
        ):
            writer.write_table(batch(part))


def plain_metrics(metrics: Metrics) -> dict[str, Any]:
    """Metrics as plain values, for a manifest; NaN as null."""
    return _plain(metrics._asdict())


def plain_found(found: Found) -> dict[str, Any]:
    """The oracle's metrics with `found` and `gap`, as plain values."""
    return _plain({**found.oracle._asdict(), "found": found.found, "gap": found.gap})


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    named = {k: v._asdict() if isinstance(v, Estimate) else v for k, v in fields.items()}
    plain: dict[str, Any] = json.loads(json.dumps(named), parse_constant=lambda _: None)
    return plain
