"""What followed each regime, and how much of it the regime told: with intervals over blocks of time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from btcframe import scratch
from btcframe.regime_study.ahead import log_volatility
from btcframe.regime_study.rows import Rows
from btcframe.regime_study.walk import Walked
from btcframe.report.metrics import BLOCK_HORIZONS, Estimate, intervals
from btcframe.report.resample import block_edges, ratios
from btcframe.types import Floats, Ints

ROUNDING = 1e-9
"""Difference of two logarithms of a volatility that is none: a market that stands still has no variance to tell."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Followed(NamedTuple):
    """What followed one regime over one horizon.

    Parameters
    ----------
    rows : int
    mean : Estimate           of the return, bps
    volatility : Estimate     realised over the horizon, bps: √(mean of Σ r²)
    quantiles : tuple         of the return, at QUANTILES, bps; empty without rows
    up : float                share of returns above 0; NaN without rows
    """

    rows: int
    mean: Estimate
    volatility: Estimate
    quantiles: tuple[float, ...]
    up: float


class Compared(NamedTuple):
    """One number per method, and how far each two differ.

    Parameters
    ----------
    value : mapping        by method
    difference : mapping   first − second, by (first, second), drawn together
    """

    value: Mapping[str, Estimate]
    difference: Mapping[tuple[str, str], Estimate]


class Sample(NamedTuple):
    """The test rows on which all methods have a label and the future of one horizon is known.

    Parameters
    ----------
    horizon : int           its index
    rows : int
    edges : int64[b − 1]    ns, between blocks of time
    """

    horizon: int
    rows: int
    edges: Ints

    @property
    def blocks(self) -> int:
        """How many there are."""
        return len(self.edges) + 1


class Piece(NamedTuple):
    """Some rows of a sample.

    Parameters
    ----------
    at : int64[m]       which of all rows
    block : int64[m]    the block of time each lies in
    y : float64[m]      return, bps
    u : float64[m]      mean square of the row returns within the horizon, bps²
    """

    at: Ints
    block: Ints
    y: Floats
    u: Floats


def sample(rows: Rows, forward: Floats, walked: Walked, horizon: int) -> Sample:
    """Rows that every method is judged on, cut into blocks of at least five horizons, at most 100 of them."""
    first, last = (int(rows.row_ns[at]) for at in (walked.test.start, walked.test.stop - 1))
    edges = block_edges(first, last, BLOCK_HORIZONS * rows.horizons_ns[horizon])
    on = Sample(horizon, 0, edges)
    return on._replace(rows=sum(len(piece.at) for piece in _pieces(rows, forward, walked, on)))


def _pieces(rows: Rows, forward: Floats, walked: Walked, on: Sample) -> Iterator[Piece]:
    """The sample a piece at a time, so that no array of its length is needed."""
    start = walked.test.start
    for part in scratch.pieces(walked.test.stop - start, rows.y, forward, rows.row_ns):
        here = slice(start + part.start, start + part.stop)
        known = np.isfinite(rows.y[here, on.horizon]) & np.isfinite(forward[here, on.horizon])
        for told in walked.told.values():
            known &= told.at[here] >= 0
        at = here.start + np.flatnonzero(known)
        block = np.searchsorted(on.edges, rows.row_ns[at], side="right")
        yield Piece(at, block, rows.y[at, on.horizon], forward[at, on.horizon])


def followed(
    rows: Rows, forward: Floats, walked: Walked, name: str, on: Sample, *, seed: int
) -> list[Followed]:
    """What followed each regime of a method."""
    told = walked.told[name]
    k = len(told.labels)
    steps = rows.horizons_ns[on.horizon] / rows.period_ns
    sums = np.zeros((3, on.blocks, k))  # rows, returns, squares
    returns: list[list[Floats]] = [[] for _ in range(k)]
    for piece in _pieces(rows, forward, walked, on):
        label = told.at[piece.at].astype(np.int64)
        cell = piece.block * k + label
        for moment, weights in enumerate((None, piece.y, piece.u * steps)):
            sums[moment] += np.bincount(cell, weights, on.blocks * k).reshape(on.blocks, k)
        for r in range(k):
            returns[r].append(piece.y[label == r])
    mean = ratios(sums[1], sums[0], seed=seed)
    variance = ratios(sums[2], sums[0], seed=seed, least=0.0)
    found = []
    for r in range(k):
        mine = np.concatenate(returns[r])
        quantiles = tuple(np.quantile(mine, QUANTILES).tolist()) if len(mine) else ()
        up = float((mine > 0).mean()) if len(mine) else math.nan
        volatility = Estimate(*(math.sqrt(v) for v in variance[r]))
        found.append(Followed(len(mine), mean[r], volatility, quantiles, up))
    return found


def explained(rows: Rows, forward: Floats, walked: Walked, on: Sample, *, seed: int) -> Compared:
    """Share of the variance of ln forward volatility that each method's regime tells, out of sample.

    R² = 1 − Σ(v − p)²/Σ(v − b)²: v = ½ ln(u + 0.01²) over the horizon, p the mean of v that the row's regime had in the
    training rows, b that of all training rows. Below 0 the regime is worse than knowing nothing. More regimes do not
    raise it by themselves, as they would the share within the sample (η²).
    """
    promises = {name: told.volatility for name, told in walked.told.items()}
    return _told(rows, forward, walked, on, promises, seed)


def added(rows: Rows, forward: Floats, walked: Walked, on: Sample, *, seed: int) -> dict[str, Estimate]:
    """What the first method tells beside each other one: R² of both regimes together less that of the other alone."""
    found = {}
    for name, joint in walked.joint.items():
        promises = {"both": joint, "alone": walked.told[name].volatility}
        compared = _told(rows, forward, walked, on, promises, seed)
        found[name] = compared.difference["both", "alone"]
    return found


def _told(
    rows: Rows, forward: Floats, walked: Walked, on: Sample, promises: Mapping[str, Floats], seed: int
) -> Compared:
    """R² of each promise of ln forward volatility, see `explained`."""

    def moments(piece: Piece) -> Iterator[Floats]:
        v = log_volatility(piece.u)
        for promised in (walked.base, *promises.values()):
            away = v - promised[piece.at]
            yield np.where(np.abs(away) < ROUNDING, 0.0, away * away)

    def of(sums: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            share: Floats = np.where(sums[..., :1] > 0, 1 - sums[..., 1:] / sums[..., :1], np.nan)
        return share

    sums = _block_sums(_pieces(rows, forward, walked, on), moments, on)
    return _compared(sums, of, list(promises), seed=[seed, on.horizon], least=-math.inf)


def directed(rows: Rows, forward: Floats, walked: Walked, on: Sample, *, seed: int) -> Compared:
    """Correlation about zero of the return with the mean return that the row's regime had in the training rows."""

    def moments(piece: Piece) -> Iterator[Floats]:
        yield piece.y * piece.y
        for told in walked.told.values():
            p = told.means[piece.at, on.horizon]
            yield p * p
            yield p * piece.y

    def of(sums: Floats) -> Floats:
        yy, pp, py = sums[..., :1], sums[..., 1::2], sums[..., 2::2]
        with np.errstate(divide="ignore", invalid="ignore"):
            ic: Floats = py / np.sqrt(pp * yy)
        return ic

    sums = _block_sums(_pieces(rows, forward, walked, on), moments, on)
    return _compared(sums, of, list(walked.told), seed=[seed, on.horizon], least=-1.0)


def revised(rows: Rows, walked: Walked, name: str, later: int, *, seed: int) -> tuple[int, Estimate]:
    """Share of labels that are others once later rows are known, and of how many rows."""
    told, start = walked.told[name], walked.test.start
    if told.later is None:
        return 0, Estimate(math.nan)
    first, last = int(rows.row_ns[start]), int(rows.row_ns[walked.test.stop - 1])
    reach = max(later * rows.period_ns, max(rows.horizons_ns))
    edges = block_edges(first, last, BLOCK_HORIZONS * reach)
    changed, asked = np.zeros((2, len(edges) + 1))
    for part in scratch.pieces(walked.test.stop - start, rows.row_ns):
        here = slice(start + part.start, start + part.stop)
        now, then = told.at[here], told.later[here]
        known = (now >= 0) & (then >= 0)
        block = np.searchsorted(edges, rows.row_ns[here][known], side="right")
        asked += np.bincount(block, minlength=len(asked))
        changed += np.bincount(block, (now != then)[known], len(asked))
    share = ratios(changed[:, None], asked[:, None], seed=seed, least=0.0, most=1.0)[0]
    return int(asked.sum()), share


def _block_sums(pieces: Iterable[Piece], moments: Callable[[Piece], Iterable[Floats]], on: Sample) -> Floats:
    """Sums of each moment over each block that holds a row, float64[b, m]."""
    sums, rows = [], np.zeros(on.blocks)
    for piece in pieces:
        sums.append(np.array([np.bincount(piece.block, m, on.blocks) for m in moments(piece)]))
        rows += np.bincount(piece.block, minlength=on.blocks)
    total: Floats = np.sum(sums, axis=0)
    return total.T[rows > 0]


def _compared(
    sums: Floats, of: Callable[[Floats], Floats], names: Sequence[str], *, seed: list[int], least: float
) -> Compared:
    """Estimates per method, of 1 at most, from sums of moments over blocks, and the differences of each two."""
    pairs = list(itertools.combinations(range(len(names)), 2))
    if not len(sums):
        none = Estimate(math.nan)
        return Compared(dict.fromkeys(names, none), {(names[i], names[j]): none for i, j in pairs})

    def both(sums: Floats) -> Floats:
        value = of(sums)
        return np.concatenate((value, *(value[..., [i]] - value[..., [j]] for i, j in pairs)), axis=-1)

    width = 1 - least
    found = intervals(
        sums, both, seed=seed,
        least=[least] * len(names) + [-width] * len(pairs), most=[1.0] * len(names) + [width] * len(pairs),
    )  # fmt: skip
    values, apart = found[: len(names)], found[len(names) :]
    difference = {(names[i], names[j]): e for (i, j), e in zip(pairs, apart, strict=True)}
    return Compared(dict(zip(names, values, strict=True)), difference)
