"""Whether a model looks as if it had been told what it should find out: three questions to out-of-sample predictions.

A leak is a column that knows something of what comes after its row. What it leaves behind:

1. **Implausible.** A leak that reaches k rows ahead knows the move over those k rows, however weak it looks over the
   whole horizon of H rows: of independent moves its IC there is √(k/H) only. So the prediction is held against the
   move over 1, 2, 4, … rows, and over the horizon. If it explains more than half of any of them, correlation about zero
   above `PLAUSIBLE` = √½ with its 95 % interval, that is not knowledge of the past.
2. **Gone when lagged.** A predictor knows one row; on the columns of a row earlier it says what it said a row earlier.
   A signal fades over a time of its own, a leak of one row is gone: what is left of the IC, its interval included, is less
   than `LEFT`. A signal that lasts no longer than a row looks the same, and is of as little use: no order is there in time.
3. **One column.** What part of the prediction's variance is lost with a column, by Jansen's estimate
   E(f(x) − f(x with column j shuffled))² / 2 Var f; if one of at least `FEW` columns that count has more than `MOST` of the sum
   of all. No label is needed for it, so it has hardly any noise.

The last two are asked only where the IC's interval is above 0: of a model that knows nothing they would be answered by
chance.

References
----------
Kaufman, Rosset & Perlich, Leakage in data mining, KDD 2011. Jansen, Analysis of variance designs for model output,
Computer Physics Communications 117, 1999.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from btcframe import scratch
from btcframe.learning.folds import OutOfSample
from btcframe.learning.tables import TrainingTable
from btcframe.models.artefacts import FittedModel
from btcframe.report.metrics import Estimate, block_sums, finite, intervals
from btcframe.types import PREDICTION, Floats, Ints, duration_name

PLAUSIBLE = math.sqrt(0.5)
LEFT = 0.25
MOST, FEW = 0.9, 5
SHUFFLED = 2000
"""Rows, evenly spaced, that tell how much of a prediction is a column's."""

IMPLAUSIBLE, GONE, ONE_COLUMN = "implausible", "gone_when_lagged", "one_column"


class Suspicion(NamedTuple):
    """Something that looks like a leak.

    Parameters
    ----------
    kind : str          implausible, gone_when_lagged, one_column
    horizon_ns : int    of the prediction
    value : float       what was found: a correlation, a share of the IC, a share of the variance
    bound : float       what it should not be above; for a share of the IC that is left, below
    words : str         for people
    """

    kind: str
    horizon_ns: int
    value: float
    bound: float
    words: str


class _Lagged(NamedTuple):
    ic: Estimate
    left: Estimate  # share of the IC with predictions of a row earlier


def suspicions(
    table: TrainingTable, found: OutOfSample, last: FittedModel | None, *, seed: int
) -> tuple[Suspicion, ...]:
    """What looks like a leak, by horizon.

    Parameters
    ----------
    table : TrainingTable
    found : OutOfSample            rows in order of time
    last : FittedModel or None     made the predictions of the last test window; None: no column is looked at
    seed : int                     of resampling and shuffling
    """
    row_ns, mid = (scratch.take(array, found.rows, table.directory) for array in (table.row_ns, table.mid))
    period = int(np.median(np.diff(row_ns))) if len(row_ns) > 1 else 0
    if not period:
        return ()
    shares = None if last is None else column_shares(table, found, last, seed=seed)
    told: list[Suspicion] = []
    for h, horizon in enumerate(table.layout.horizons_ns):
        mean = np.ascontiguousarray(found.predictions["mean"][:, h])
        y = scratch.take(table.y[:, h], found.rows, table.directory)
        told += _implausible(mean, y, mid, row_ns, period, horizon, seed)
        lagged = _lagged(mean, y, row_ns, period, horizon, seed)
        if not lagged.ic.low > 0:
            continue
        told += _gone(lagged, period, horizon)
        if shares is not None:
            told += _one_column(shares[h], table.layout.columns, horizon)
    return tuple(told)


def plain(suspicion: Suspicion) -> dict[str, Any]:
    """As plain values, for a manifest."""
    return suspicion._asdict()


# ---------------------------------------------------------------------------------------------- implausible


def _implausible(
    mean: Floats, y: Floats, mid: Floats, row_ns: Ints, period: int, horizon: int, seed: int
) -> list[Suspicion]:
    rows = max(1, horizon // period)
    for k in (1 << power for power in range(rows.bit_length())):
        if k >= rows:
            break
        move = moves(mid, row_ns, k, k * period)
        ic = _correlation(mean, move, row_ns, horizon, seed)
        if ic.low > PLAUSIBLE:
            return [_too_good(horizon, f"the move of the next {duration_name(k * period)}", ic)]
    ic = _correlation(mean, y, row_ns, horizon, seed)
    return [_too_good(horizon, "what followed", ic)] if ic.low > PLAUSIBLE else []


def _too_good(horizon: int, what: str, ic: Estimate) -> Suspicion:
    return Suspicion(
        IMPLAUSIBLE, horizon, ic.value, PLAUSIBLE,
        f"{duration_name(horizon)}: implausibly good. The correlation with {what} is {ic.value:+.2f} "
        f"[{ic.low:+.2f}, {ic.high:+.2f}]: it explains more than half of it. Look for a column that knows what comes "
        "after its row.",
    )  # fmt: skip


def moves(mid: Floats, row_ns: Ints, rows: int, span_ns: int) -> Floats:
    """Log return of the mid over the next so many rows, bps; NaN where they do not span this time.

    Parameters
    ----------
    mid : float64[n]
    row_ns : int64[n]
    rows, span_ns : int
    """
    out = np.full(len(mid), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        out[:-rows] = 1e4 * np.log(mid[rows:] / mid[:-rows])
    out[:-rows][row_ns[rows:] - row_ns[:-rows] != span_ns] = np.nan
    return out


def _correlation(p: Floats, y: Floats, row_ns: Ints, horizon: int, seed: int) -> Estimate:
    """Correlation about zero, with the interval of `report.metrics`."""
    known = finite(p, y)
    if not known.any():
        return Estimate(math.nan)

    def moments(p: Floats, y: Floats) -> Iterable[Floats]:
        return p * p, y * y, p * y

    def of(sums: Floats) -> Floats:
        pp, yy, py = np.moveaxis(sums, -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack((py / np.sqrt(pp * yy),), axis=-1)

    sums = block_sums(moments, known, (p, y), row_ns, horizon)
    return intervals(sums, of, seed=[seed, horizon], least=(-1,))[0]


# ------------------------------------------------------------------------------------------------- lagged


def _lagged(mean: Floats, y: Floats, row_ns: Ints, period: int, horizon: int, seed: int) -> _Lagged:
    """The IC on rows that have a prediction of a row earlier, and what share of it that one has."""
    earlier = np.full(len(mean), np.nan)
    earlier[1:] = np.where(np.diff(row_ns) == period, mean[:-1], np.nan)
    known = finite(mean, earlier, y)
    if not known.any():
        return _Lagged(Estimate(math.nan), Estimate(math.nan))

    def moments(p: Floats, q: Floats, y: Floats) -> Iterable[Floats]:
        return p * p, q * q, y * y, p * y, q * y

    def of(sums: Floats) -> Floats:
        pp, qq, yy, py, qy = np.moveaxis(sums, -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack((py / np.sqrt(pp * yy), qy / py * np.sqrt(pp / qq)), axis=-1)

    sums = block_sums(moments, known, (mean, earlier, y), row_ns, horizon)
    bounds = (-1.0, -math.inf), (1.0, math.inf)
    return _Lagged(*intervals(sums, of, seed=[seed, horizon], least=bounds[0], most=bounds[1]))


def _gone(lagged: _Lagged, period: int, horizon: int) -> list[Suspicion]:
    ic, left = lagged
    if not left.high < LEFT:
        return []
    words = (
        f"{duration_name(horizon)}: gone when lagged. With the columns of one row ({duration_name(period)}) earlier the IC "
        f"of {ic.value:+.3f} is {ic.value * left.value:+.3f}: either a column knows the row that follows, or what it knows "
        "lasts no longer than a row, and no order is there in time."
    )
    return [Suspicion(GONE, horizon, left.value, LEFT, words)]


# --------------------------------------------------------------------------------------------- one column


def column_shares(table: TrainingTable, found: OutOfSample, last: FittedModel, *, seed: int) -> Floats:
    """What part of a prediction's variance each column has, float64[h, k]; their sum is 1, or 0 without variance.

    On rows of the last test window, each column shuffled alone.

    Parameters
    ----------
    table : TrainingTable
    found : OutOfSample
    last : FittedModel    of the last test window
    seed : int
    """
    rng = np.random.default_rng(seed)
    mine = np.flatnonzero(found.predictions["model"][:, 0] == last.index)
    mine = mine[:: max(1, len(mine) // SHUFFLED)]
    x, regime = table.x[found.rows[mine]], found.regime[mine]
    said = _means(last, x, regime)
    lost = np.zeros((len(last.horizons_ns), x.shape[1]))
    for j in range(x.shape[1]):
        kept = x[:, j].copy()
        x[:, j] = rng.permutation(kept)
        change = (_means(last, x, regime) - said) ** 2
        x[:, j] = kept
        known = np.isfinite(change)
        lost[:, j] = np.where(known, change, 0.0).sum(axis=0) / np.maximum(np.count_nonzero(known, axis=0), 1)
    total = lost.sum(axis=1, keepdims=True)
    shares: Floats = lost / np.where(total > 0, total, 1.0)
    return shares


def _means(model: FittedModel, x: Floats, regime: Floats) -> Floats:
    out = np.zeros((len(x), len(model.horizons_ns)), PREDICTION)
    model.predictor.predict(x, regime, out)
    return out["mean"].copy()


def _one_column(shares: Floats, columns: Sequence[str], horizon: int) -> list[Suspicion]:
    top = int(np.argmax(shares))
    if np.count_nonzero(shares) < FEW or not shares[top] > MOST:
        return []
    words = (
        f"{duration_name(horizon)}: one column. {shares[top]:.0%} of what the prediction varies by is {columns[top]}: see "
        "whether it knows what comes after its row."
    )
    return [Suspicion(ONE_COLUMN, horizon, float(shares[top]), MOST, words)]
