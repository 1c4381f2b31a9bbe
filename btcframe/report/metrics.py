"""How good predictions were, with honest intervals.

**About zero.** IC, rank IC, hits and R² are all taken about zero, not about the means of the test window. A prediction
is acted on as it stands, and nobody knows the window's means beforehand. Subtracting them also does harm: the
correlation of a slow prediction with the returns after it is then biased (Stambaugh, Journal of Financial Economics
54, 1999) and spreads more than blocks can show, so that an interval claims a find in a market where there is none
about every tenth time. About zero, the sum behind it, Σ p·y, has the mean 0 in any market that cannot be predicted,
however slow the prediction.

**Intervals.** Labels of neighbouring rows overlap, so rows are not independent. Blocks of at least `BLOCK_HORIZONS`
horizons, at most `MAX_BLOCKS` of them, are drawn with replacement (Carlstein, Annals of Statistics 14, 1986), and the
95 % interval is the symmetric studentised one: value ± q·se, where se is the jackknife's over blocks and q the 95 %
quantile of |drawn − value| / se drawn (Hall, The Bootstrap and Edgeworth Expansion, 1992, §3.5). Plain percentiles
are too narrow where blocks are few or unlike each other. Below `MIN_BLOCKS` no interval is given.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from btcframe.scratch import forget, pieces
from btcframe.types import Floats, Ints, duration_name

Bools = npt.NDArray[np.bool_]

RESAMPLES = 1000
BLOCK_HORIZONS = 5
MIN_BLOCKS, MAX_BLOCKS = 30, 100
LEVEL = 0.95


class Estimate(NamedTuple):
    """A value and its 95 % interval; NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan


class Metrics(NamedTuple):
    """Predictions of one horizon against what happened."""

    horizon_ns: int
    rows: int  # with a prediction and a label
    blocks: int  # stretches that are drawn for the intervals
    ic: Estimate  # correlation of prediction and label about zero: Σpy / √(Σp²·Σy²)
    rank_ic: Estimate  # the same of their signed ranks: Spearman's of the sample and its mirror image
    hit_rate: Estimate  # share of right signs, where neither is 0
    r2: Estimate  # 1 − Σ(y − p)²/Σy²: against predicting 0
    mean_abs_prediction: float  # bps
    mean_abs_label: float  # bps


class Found(NamedTuple):
    """Predictions of one horizon against the oracle's, on the rows that have both and a label.

    The oracle's is the expected return given everything that is hidden. What the prediction leaves of it cannot be
    told from noise, so IC = found · (the oracle's IC), but for chance.
    """

    oracle: Metrics  # the oracle's expectation in place of the prediction
    found: Estimate  # correlation of prediction and expectation about zero: the share of what can be known
    gap: Estimate  # the oracle's IC less the prediction's, drawn together


def evaluate(
    prediction: Floats, y: Floats, row_ns: Ints, horizon_ns: int, *, seed: int, where: Bools | None = None
) -> Metrics:
    """Metrics of one horizon.

    Parameters
    ----------
    prediction : float64[n]    bps, NaN where there is none
    y : float64[n]             label, bps, NaN where unknown
    row_ns : int64[n]          increasing
    horizon_ns : int
    seed : int                 of the bootstrap
    where : bool[n], optional  only these rows
    """
    known = finite(prediction, y)
    if where is not None:
        known &= where
    return _evaluate(known, prediction, y, row_ns, horizon_ns, seed)


def _evaluate(
    known: Bools, prediction: Floats, y: Floats, row_ns: Ints, horizon_ns: int, seed: int
) -> Metrics:
    rows = int(np.count_nonzero(known))
    if rows == 0:
        none = Estimate(math.nan)
        return Metrics(horizon_ns, 0, 0, none, none, none, none, math.nan, math.nan)
    sizes_p, sizes_y = _sizes(known, prediction), _sizes(known, y)

    def moments(p: Floats, y: Floats) -> Iterable[Floats]:
        yield from (p * p, y * y, p * y)
        rank_p, rank_y = signed_ranks(p, sizes_p), signed_ranks(y, sizes_y)
        yield from (rank_p * rank_p, rank_y * rank_y, rank_p * rank_y)
        agree = np.sign(p) * np.sign(y)
        yield from ((agree > 0).astype(float), (agree != 0).astype(float))
        yield (y - p) ** 2

    sums = block_sums(moments, known, (prediction, y), row_ns, horizon_ns)
    ic, rank_ic, hit_rate, r2 = intervals(
        sums, _metrics, seed=[seed, horizon_ns], least=(-1, -1, 0, -math.inf)
    )
    means = float(sizes_p.mean()), float(sizes_y.mean())
    return Metrics(horizon_ns, rows, len(sums), ic, rank_ic, hit_rate, r2, *means)


def finite(*arrays: Floats) -> Bools:
    """bool[n]: where all of them are finite."""
    known = np.ones(len(arrays[0]), np.bool_)
    for part in pieces(len(known), *arrays):
        for array in arrays:
            known[part] &= np.isfinite(array[part])
    return known


def _sizes(known: Bools, values: Floats) -> Floats:
    """The sizes of the known values, in order."""
    sizes = np.empty(np.count_nonzero(known))
    at = 0
    for part in pieces(len(known), values):
        mine = np.abs(values[part][known[part]])
        sizes[at : at + len(mine)] = mine
        at += len(mine)
    sizes.sort()
    return sizes


def compare(
    prediction: Floats, expected: Floats, y: Floats, row_ns: Ints, horizon_ns: int, *, seed: int
) -> Found:
    """A prediction against the oracle's expectation; arguments as in `evaluate`, `expected` in bps."""
    known = finite(prediction, expected, y)
    oracle = _evaluate(known, expected, y, row_ns, horizon_ns, seed)
    if oracle.rows == 0:
        return Found(oracle, Estimate(math.nan), Estimate(math.nan))

    def moments(p: Floats, e: Floats, y: Floats) -> Iterable[Floats]:
        return p * p, y * y, p * y, e * e, e * y, p * e

    sums = block_sums(moments, known, (prediction, expected, y), row_ns, horizon_ns)
    found, gap = intervals(sums, _shares, seed=[seed, horizon_ns], least=(-1, -2), most=(1, 2))
    return Found(oracle, found, gap)


# -------------------------------------------------------------------------------------------------- blocks


def block_sums(
    moments: Callable[..., Iterable[Floats | Bools]], known: Bools, arrays: Sequence[Floats], row_ns: Ints, horizon_ns: int
) -> Floats:  # fmt: skip
    """Sums of each moment over each block of time in which a row is known, float64[blocks, moments].

    Parameters
    ----------
    moments : callable            the known values of `arrays` in a block → its moments, float64[m] each
    known : bool[n]               rows to be counted; at least one
    arrays : float64[n] each      one block of them is held at a time
    row_ns : int64[n]             increasing
    horizon_ns : int
    """
    first, last = int(np.argmax(known)), len(known) - 1 - int(np.argmax(known[::-1]))
    since, until = int(row_ns[first]), int(row_ns[last])
    length = max(BLOCK_HORIZONS * horizon_ns, (until - since) // MAX_BLOCKS + 1)
    starts = np.searchsorted(row_ns, np.arange(since, until + 1, length))
    sums = []
    for start, stop in itertools.pairwise((*starts.tolist(), last + 1)):
        mine = known[start:stop]
        if mine.any():
            sums.append([values.sum() for values in moments(*(a[start:stop][mine] for a in arrays))])
        forget(*arrays, row_ns)
    return np.array(sums)


def intervals(
    sums: Floats, of: Callable[[Floats], Floats], *, seed: list[int], least: Iterable[float], most: Iterable[float] = (),
) -> list[Estimate]:  # fmt: skip
    """Estimates that are functions of summed moments, with their intervals; see the module.

    Parameters
    ----------
    sums : float64[b, m]       of each block
    of : callable              float64[…, m] → float64[…, k], NaN where undefined
    seed : list of int
    least, most : k floats     that an estimate can be; `most` is 1 for each unless said otherwise
    """
    n = len(sums)
    total = sums.sum(axis=0)
    value = of(total)
    width = np.full(len(value), np.nan)
    if n >= MIN_BLOCKS:
        drawn = sums[np.random.default_rng(seed).integers(n, size=(RESAMPLES, n))]
        totals = drawn.sum(axis=1)
        away = np.abs(of(totals) - value)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(away == 0, 0, away / _jackknife(of(totals[:, None] - drawn)))
        error = _jackknife(of(total - sums))
        for j in range(len(value)):
            valid = ratio[np.isfinite(ratio[:, j]), j]
            width[j] = error[j] * np.quantile(valid, LEVEL) if len(valid) else np.nan
    low = np.maximum(value - width, tuple(least))
    high = np.minimum(value + width, tuple(most) or 1.0)
    return [Estimate(*each) for each in zip(value.tolist(), low.tolist(), high.tolist(), strict=True)]


def _jackknife(without: Floats) -> Floats:
    """Standard error from the estimates float64[…, b, k] that each leave one of the b blocks out."""
    with np.errstate(invalid="ignore"):
        error: Floats = without.std(axis=-2) * math.sqrt(without.shape[-2] - 1)
    return error


def _metrics(sums: Floats) -> Floats:
    """Ic, rank ic, hit rate and R² from the moments of `evaluate`."""
    pp, yy, py, rank_pp, rank_yy, rank_py, right, counted, residual = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ic, rank_ic = py / np.sqrt(pp * yy), rank_py / np.sqrt(rank_pp * rank_yy)
        columns = (ic, rank_ic, right / counted, np.where(yy > 0, 1 - residual / yy, np.nan))
    return np.stack(columns, axis=-1)


def _shares(sums: Floats) -> Floats:
    """The share found, and what the oracle's IC is above the prediction's, from the moments of `compare`."""
    pp, yy, py, ee, ey, pe = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = (pe / np.sqrt(pp * ee), ey / np.sqrt(ee * yy) - py / np.sqrt(pp * yy))
    return np.stack(columns, axis=-1)


def signed_ranks(values: Floats, sizes: Floats) -> Floats:
    """Ranks about zero: the sign times the rank of the size, from ½, ties sharing their mean.

    These are the centred ranks in the sample together with its mirror image −values.

    Parameters
    ----------
    values : float64[n]    some of the sample
    sizes : float64[m]     |values| of the whole sample, in order
    """
    size = np.abs(values)
    order = np.argsort(size)  # looked up in order, they are found several times as fast
    below, upto = (np.searchsorted(sizes, size[order], side) for side in ("left", "right"))
    ranks = np.empty(len(values))
    ranks[order] = (below + upto) / 2
    return np.sign(values) * ranks


def verdict(metrics: Metrics, found: Found | None = None) -> str:
    """What the numbers allow to be said about one horizon, in a sentence or two.

    Parameters
    ----------
    metrics : Metrics
    found : Found, optional     against the oracle, where there is one
    """
    said = _verdict(metrics)
    return said if found is None or metrics.rows == 0 else f"{said} {_against(metrics, found)}"


def _verdict(metrics: Metrics) -> str:
    name = duration_name(metrics.horizon_ns)
    ic = metrics.ic
    if metrics.rows == 0:
        return f"{name}: no row has both a prediction and a label."
    if math.isnan(ic.value):
        return f"{name}: the prediction or the label is always 0, so there is nothing to correlate."
    found = f"{name}: IC {ic.value:+.3f}"
    if math.isnan(ic.low):
        stretches = f"{metrics.blocks} independent stretch{'es' if metrics.blocks > 1 else ''}"
        return (
            f"{found} over {stretches} of {BLOCK_HORIZONS} horizons: "
            f"too little data to say anything (at least {MIN_BLOCKS} are needed)."
        )
    found = f"{found} [{ic.low:+.3f}, {ic.high:+.3f}]"
    if ic.low <= 0 <= ic.high:
        return f"{found}: no evidence that it predicts anything."
    if ic.high < 0:
        return f"{found}: it predicts the wrong way round."
    better = metrics.r2.low > 0
    size = "and its size is better than predicting 0" if better else "but not better than 0 in squared error"
    return f"{found}: evidence that it predicts the direction, {size} (R² {metrics.r2.value:+.4f})."


def _against(metrics: Metrics, found: Found) -> str:
    oracle = found.oracle
    if oracle.rows == 0:
        return "No test row has its truth."
    rows = "" if oracle.rows == metrics.rows else f" on the {oracle.rows:,} rows with their truth"
    if math.isnan(oracle.ic.value):
        by_chance = metrics.ic.low > 0 or metrics.ic.high < 0
        return (
            f"But there is nothing to predict{rows}, the oracle knows: a find by chance, as one interval in twenty is."
            if by_chance
            else f"There is nothing to predict{rows}, the oracle knows."
        )
    value, low, high = (f"{100 * part:.0f}\N{NARROW NO-BREAK SPACE}%" for part in found.found)
    share = "" if math.isnan(found.found.value) else f": {value} of it was found"
    if not math.isnan(found.found.low):
        share += f" [{low}, {high}]"
    return f"The oracle's IC is {oracle.ic.value:+.3f}{rows}{share}."
