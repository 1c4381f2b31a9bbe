"""All that is measured of predictions on some rows: of all of them, of those in one regime, of those of one day."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from btcframe.report.metrics import MIN_BLOCKS, Bools, Estimate, block_sums, evaluate, finite, intervals
from btcframe.types import Floats, Ints, StateArray

NONE = Estimate(math.nan)

Moment = Floats | Bools
"""What is summed over rows."""


class Told(NamedTuple):
    """What was told of one horizon, and what became of it.

    Parameters
    ----------
    horizon_ns : int
    row_ns : int64[n]           increasing
    said : PREDICTION[n]
    persistence : float64[n]    what the baseline of that name predicted, bps; NaN where it is not known
    rises : float64[n]          share of rises among the labels that were known at the row; see `rises_known`
    y : float64[n]              label, bps, NaN where unknown
    """

    horizon_ns: int
    row_ns: Ints
    said: StateArray
    persistence: Floats
    rises: Floats
    y: Floats

    def part(self, rows: slice) -> Told:
        """Some rows that follow each other."""
        return Told(
            self.horizon_ns, self.row_ns[rows], self.said[rows], self.persistence[rows], self.rises[rows], self.y[rows]
        )  # fmt: skip


class Scores(NamedTuple):
    """How good predictions of one horizon were. NaN: not known; an interval is NaN where there are too few blocks.

    Parameters
    ----------
    rows : int                 with a prediction and a label
    blocks : int               stretches of time that are drawn for the intervals
    ic, rank_ic : Estimate     correlation about zero of prediction and label (Pearson's) and of their signed ranks (Spearman's)
    hit_rate : Estimate        share of right signs, where neither is 0
    r2 : Estimate              1 − Σ(y − p)²/Σy²: against predicting 0
    r2_persistence : Estimate  1 − Σ(y − p)²/Σ(y − q)²: against persistence's q, on the rows that have it
    ic_gap : Estimate          IC less persistence's on the same rows, drawn together
    log_loss : Estimate        −mean of ln P(what happened), nats, where there is a probability and the price moved
    log_loss_base : Estimate   the same of the share of rises known at the row
    log_loss_gain : Estimate   log_loss_base − log_loss, drawn together: above 0 the model's probability tells more
    beyond : Estimate          share of predictions beyond the cost: |p| > cost
    paid : Estimate            profit ratio: share of those that pay after the cost: sign(p)·y > cost
    net_bps : Estimate         mean of sign(p)·y − cost over those, bps
    inside, below, above : Estimate     share of labels within the model's interval, below it, above it
    """

    rows: int
    blocks: int
    ic: Estimate
    rank_ic: Estimate
    hit_rate: Estimate
    r2: Estimate
    r2_persistence: Estimate
    ic_gap: Estimate
    log_loss: Estimate
    log_loss_base: Estimate
    log_loss_gain: Estimate
    beyond: Estimate
    paid: Estimate
    net_bps: Estimate
    inside: Estimate
    below: Estimate
    above: Estimate


_LEAST = (-math.inf, -2.0, 0.0, 0.0, -math.inf, 0.0, 0.0, -math.inf, 0.0, 0.0, 0.0)
_MOST = (1.0, 2.0, math.inf, math.inf, math.inf, 1.0, 1.0, math.inf, 1.0, 1.0, 1.0)
_NEEDS = (0, 0, 7, 7, 7, 10, 11, 11, 14, 14, 14)
"""Of each estimate behind R²: the least and the most it can be, and the moment without which a block tells nothing."""


def scores(told: Told, *, cost_bps: float, seed: int, where: Bools | None = None) -> Scores:
    """The scores of some rows.

    Parameters
    ----------
    told : Told
    cost_bps : float           of a round trip
    seed : int                 of the intervals
    where : bool[n], optional  only these rows
    """
    mean, y = told.said["mean"], told.y
    found = evaluate(mean, y, told.row_ns, told.horizon_ns, seed=seed, where=where)
    about = found.ic, found.rank_ic, found.hit_rate, found.r2
    if not found.rows:
        return Scores(0, 0, *about, *(NONE,) * len(_NEEDS))
    known = finite(mean, y)
    if where is not None:
        known &= where
    columns = (told.said["p_up"], told.said["low"], told.said["high"])
    sums = block_sums(
        lambda *values: _moments(cost_bps, *values),
        known, (mean, y, told.persistence, told.rises, *columns), told.row_ns, told.horizon_ns,
    )  # fmt: skip
    made = intervals(sums, _estimates, seed=[seed, told.horizon_ns, 1], least=_LEAST, most=_MOST)
    held = np.count_nonzero(sums[:, _NEEDS], axis=0).tolist()
    rest = (e if n >= MIN_BLOCKS else Estimate(e.value) for e, n in zip(made, held, strict=True))
    return Scores(found.rows, found.blocks, *about, *rest)


def _moments(
    cost_bps: float, p: Floats, y: Floats, q: Floats, rises: Floats, p_up: Floats, low: Floats, high: Floats
) -> Iterable[Moment]:
    """What is summed over the known rows of a block."""
    both = np.isfinite(q)
    p0, y0, q0 = (np.where(both, values, 0.0) for values in (p, y, q))
    yield from (q0 * q0, y0 * y0, p0 * p0, q0 * y0, p0 * y0, (y0 - p0) ** 2, (y0 - q0) ** 2)
    probable = np.isfinite(p_up) & (y != 0)
    yield probable
    for chance in (p_up, rises):
        yield np.where(probable, _surprise(chance, y > 0), 0.0)
    yield np.ones(len(p))
    beyond = np.abs(p) > cost_bps
    net = np.where(beyond, np.sign(p) * y - cost_bps, 0.0)
    yield from (beyond, net > 0, net)
    bounded = np.isfinite(low) & np.isfinite(high)
    under, over = bounded & (y < low), bounded & (y > high)
    yield from (bounded, bounded & ~under & ~over, under, over)


def _surprise(chance: Floats, rose: Bools) -> Floats:
    """−ln of the probability of what happened; a certainty that was wrong costs as much as a number can tell."""
    right = np.where(rose, chance, 1 - chance)
    surprise: Floats = -np.log(np.maximum(right, np.finfo(np.float64).eps))
    return surprise


def _estimates(sums: Floats) -> Floats:
    """From the sums of `_moments`."""
    qq, yy, pp, qy, py, left, left_by_q, probable, loss, base, rows, beyond, paid, net, bounded, *where = (
        np.moveaxis(sums, -1, 0)
    )
    columns = (
        1 - _over(left, left_by_q),
        _over(py, np.sqrt(pp * yy)) - _over(qy, np.sqrt(qq * yy)),
        _over(loss, probable),
        _over(base, probable),
        _over(base - loss, probable),
        _over(beyond, rows),
        _over(paid, beyond),
        _over(net, beyond),
        *(_over(share, bounded) for share in where),
    )
    return np.stack(columns, axis=-1)


def _over(top: Floats, bottom: Floats) -> Floats:
    """Their ratio, NaN where nothing is divided by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Floats = np.where(bottom > 0, top / bottom, np.nan)
    return ratio


def rises_known(y: Floats, row_ns: Ints, horizon_ns: int) -> Floats:
    """The share of rises among the moves that were known at each row, float64[n]: what a probability has to beat.

    (½ + rises)/(1 + moves) over the rows at least a horizon before (Krichevsky & Trofimov, IEEE Transactions on
    Information Theory 27, 1981): a half at first, and never sure. A judge that had to learn the share
    itself, on the same rows, so that nothing of the future is in it.
    """
    moved = np.isfinite(y) & (y != 0)
    rises, moves = (
        np.concatenate(([0], np.cumsum(counted, dtype=np.int64))) for counted in (moved & (y > 0), moved)
    )
    before = np.searchsorted(row_ns, row_ns - horizon_ns, side="right")
    share: Floats = (0.5 + rises[before]) / (1 + moves[before])
    return share
