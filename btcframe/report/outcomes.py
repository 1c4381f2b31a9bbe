"""Out-of-sample predictions against what happened, and against the oracle, in bins: read as a stream.

Bins hold equally many rows. The mean of each has an interval from blocks of time of five horizons or more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from btcframe.errors import DataError
from btcframe.report.binned import SAMPLED, Binned, Sums, edges_of
from btcframe.report.metrics import BLOCK_HORIZONS
from btcframe.report.resample import block_of
from btcframe.types import Floats, Ints, duration_name

_FIXED = ("row_ns", "fold", "age_ns")
_PREFIXES = ("regime_", "mean_", "p_up_", "low_", "high_", "oracle_", "persistence_")


class Outcome(NamedTuple):
    """Predictions of one horizon.

    Parameters
    ----------
    horizon_ns : int
    rows : int                           of the test windows
    predicted, labelled, both : int      rows with a prediction, with a label, with both
    outcome : Binned                     label by prediction, bps
    expected : Binned or None            oracle's expectation by prediction, bps; None without an oracle
    oracle : Binned or None              label by oracle's expectation, bps
    """

    horizon_ns: int
    rows: int
    predicted: int
    labelled: int
    both: int
    outcome: Binned
    expected: Binned | None
    oracle: Binned | None


class Predictions:
    """A run's file of out-of-sample predictions.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        If it cannot be read or is not such a file.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            # buffered, the whole file is kept in memory
            self._file = pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, error) from error
        self._path = path
        self.names: tuple[str, ...] = tuple(self._file.schema_arrow.names)
        self.rows: int = self._file.metadata.num_rows
        self.regimes = tuple(n.removeprefix("regime_") for n in self.names if n.startswith("regime_"))
        self.labels = tuple(n for n in self.names if n not in _FIXED and not n.startswith(_PREFIXES))
        if "row_ns" not in self.names:
            raise DataError("these are not predictions: there is no column row_ns", where=str(path))
        ends = [int(ns) for (batch,) in self.columns(["row_ns"]) for ns in batch[[0, -1]]]
        self.first_ns, self.last_ns = (ends[0], ends[-1]) if ends else (0, 0)

    def columns(self, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Some columns, batch by batch.

        Raises
        ------
        DataError
            If the file lacks one, or is damaged.
        """
        import pyarrow as pa

        batches = self._file.iter_batches(columns=list(names))
        while True:
            try:
                batch = next(batches, None)
                if batch is None:
                    return
                arrays = tuple(batch.column(name).to_numpy(zero_copy_only=False) for name in names)
            except (OSError, KeyError, pa.ArrowException) as error:
                raise _unreadable(self._path, error) from error
            if batch.num_rows:
                yield arrays

    def regime(self) -> Iterator[tuple[Ints, Ints]]:
        """Times of rows and the likeliest regime's index, −1 where there is none, batch by batch."""
        for row_ns, *probabilities in self.columns(["row_ns", *(f"regime_{r}" for r in self.regimes)]):
            yield row_ns, likeliest(np.column_stack(probabilities))


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"the predictions cannot be read: {error}", where=str(path))


def likeliest(probabilities: Floats) -> Ints:
    """Index of the largest probability in each row, −1 where they are unknown."""
    unknown = np.isnan(probabilities).any(axis=1)
    index: Ints = np.where(unknown, -1, np.nan_to_num(probabilities, nan=-1.0).argmax(axis=1))
    return index


def read_outcomes(predictions: Predictions, horizons_ns: Sequence[int], *, seed: int) -> list[Outcome]:
    """What became of the predictions, per horizon.

    Parameters
    ----------
    predictions : Predictions
    horizons_ns : sequence of int     one per label, in their order
    seed : int                        of the intervals

    Raises
    ------
    DataError
        If the predictions are damaged, or of other horizons.
    """
    if len(horizons_ns) != len(predictions.labels):
        raise DataError(
            f"the predictions have {len(predictions.labels)} labels, and the run was trained on {len(horizons_ns)} horizons",
            hint="The file is another run's.",
        )
    pairs = zip(horizons_ns, predictions.labels, strict=True)
    return [_outcome(predictions, horizon, label, seed) for horizon, label in pairs]


def _outcome(predictions: Predictions, horizon_ns: int, label: str, seed: int) -> Outcome:
    name = duration_name(horizon_ns)
    names = ["row_ns", f"mean_{name}", label]
    if f"oracle_{name}" in predictions.names:
        names.append(f"oracle_{name}")
    first, last = predictions.first_ns, predictions.last_ns
    shortest = BLOCK_HORIZONS * horizon_ns
    _, blocks = block_of(np.empty(0, np.int64), first, last, shortest)
    edges = _edges(predictions, [f"mean_{name}", *names[3:]])
    outcome, expected, oracle = (Sums(edges[k], blocks) for k in (0, 0, -1))
    predicted = labelled = both = 0
    for row_ns, mean, y, *rest in predictions.columns(names):
        block, _ = block_of(row_ns, first, last, shortest)
        truth = rest[0] if rest else np.full(len(mean), np.nan)
        predicted += int(np.isfinite(mean).sum())
        labelled += int(np.isfinite(y).sum())
        both += int((np.isfinite(mean) & np.isfinite(y)).sum())
        outcome.add(mean, y, block)
        expected.add(mean, truth, block)
        oracle.add(truth, y, block)
    return Outcome(
        horizon_ns,
        predictions.rows,
        predicted,
        labelled,
        both,
        outcome.means(seed),
        expected.means(seed) if expected.any else None,
        oracle.means(seed) if oracle.any else None,
    )


def _edges(predictions: Predictions, names: Sequence[str]) -> list[Floats]:
    """Inner edges of the bins of some columns."""
    step = max(1, predictions.rows // SAMPLED)
    sampled: list[list[Floats]] = [[] for _ in names]
    at = 0
    for batch in predictions.columns(names):
        for found, values in zip(sampled, batch, strict=True):
            found.append(values[-at % step :: step].copy())  # a view would keep the whole batch
        at += len(batch[0])
    return [edges_of(np.concatenate(found) if found else np.empty(0)) for found in sampled]
