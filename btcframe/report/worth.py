"""What predictions are worth: everything that is measured of them, per horizon, as values that a manifest keeps.

Out of sample. Correlations and their like are taken about zero, with intervals from blocks of time, as in `metrics`.
Docs: docs/models.md, "What a prediction is worth".
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from btcframe.report.binned import SAMPLED, Sums, edges_of
from btcframe.report.metrics import BLOCK_HORIZONS, Bools, Estimate, Metrics, evaluate, finite
from btcframe.report.outcomes import likeliest
from btcframe.report.resample import block_edges
from btcframe.report.scores import Scores, Told, rises_known, scores
from btcframe.report.sharpe import Sharpe, Turnover, results_of, sharpe_of, turnover_of
from btcframe.scratch import pieces
from btcframe.types import DAY, Floats, Ints, StateArray

MOST_DAYS = 31
"""Days that are told one by one; of more, as many stretches of whole days."""

AGES = 5
"""Bins of the model's age, of equally many rows."""


class Part(NamedTuple):
    """Some of the rows.

    Parameters
    ----------
    name : str         of the regime, or the day
    scores : Scores
    """

    name: str
    scores: Scores


class Aged(NamedTuple):
    """Predictions of models of some age: time since the end of their training window.

    Parameters
    ----------
    since_ns, until_ns : int    the youngest and the oldest
    mean_ns : float
    rows : int                  with a prediction and a label
    ic, rank_ic : Estimate      as in `Scores`
    """

    since_ns: int
    until_ns: int
    mean_ns: float
    rows: int
    ic: Estimate
    rank_ic: Estimate


class Bin(NamedTuple):
    """Predictions that called a rise about as probable.

    Parameters
    ----------
    rows : int
    p : float            mean probability given
    rose : Estimate      share that rose; moves of exactly 0 are left out
    """

    rows: int
    p: float
    rose: Estimate


@dataclass(frozen=True)
class Worth:
    """What the predictions of one horizon are worth.

    Parameters
    ----------
    horizon_ns : int
    rows : int                          of the test windows
    predicted, labelled, both : int     rows with a prediction, with a label, with both: only those are judged
    cost_bps : float                    what a round trip is taken to cost, bps
    scores : Scores
    persistence : Metrics or None       the baseline of that name on the same terms; None where it was not told
    regimes : tuple of Part             by the likeliest regime at the row; rows without one are in none
    days : tuple of Part                by UTC day, or by several at a time
    ages : tuple of Aged                by the model's age, the youngest first; empty where it was not told
    reliability : tuple of Bin          by the probability given; empty where there is none
    calibration_error : float           mean distance of probability and share over these bins; NaN without
    turnover : Turnover
    sharpe : Sharpe
    """

    horizon_ns: int
    rows: int
    predicted: int
    labelled: int
    both: int
    cost_bps: float
    scores: Scores
    persistence: Metrics | None
    regimes: tuple[Part, ...]
    days: tuple[Part, ...]
    ages: tuple[Aged, ...]
    reliability: tuple[Bin, ...]
    calibration_error: float
    turnover: Turnover
    sharpe: Sharpe

    def plain(self) -> dict[str, Any]:
        """Plain values, for a manifest; NaN as null."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


def round_trip_bps(venue: Mapping[str, Any]) -> float:
    """What a round trip costs by the settings of a venue, bps: its taker's fee twice; 0 where it names none.

    Half the spread on either side is not in it: it is the market's, and the book's own.
    """
    return 2 * float(venue.get("taker_fee_bps", 0.0))


def worth_of(
    predictions: StateArray,
    persistence: Sequence[Floats],
    y: Floats,
    t_end: Ints,
    row_ns: Ints,
    age_ns: Ints | None,
    regime: Floats,
    regimes: Sequence[str],
    *,
    horizons_ns: Sequence[int],
    cost_bps: float,
    trials: int,
    seed: int,
) -> tuple[Worth, ...]:
    """What out-of-sample predictions are worth, per horizon.

    Arrays may be larger than the memory: they are gone through in pieces, and what is kept is a few numbers of 8 bytes a
    row, one horizon after the other.

    Parameters
    ----------
    predictions : PREDICTION[n, h]
    persistence : sequence of float64[n]   the baseline's predictions, bps, a horizon each; empty where it was not fitted
    y : float64[n, h]                      labels, bps, NaN where unknown
    t_end : int64[n, h]                    when they end
    row_ns : int64[n]                      increasing
    age_ns : int64[n] or None              since the end of the training window of the model that predicted the row
    regime : float64[n, r]                 probabilities, NaN where there are none
    regimes : sequence of str              their names
    horizons_ns : sequence of int
    cost_bps : float                       of a round trip
    trials : int                           settings tried on this market, this one included
    seed : int                             of the intervals

    Raises
    ------
    ValueError
        If the cost is no number of 0 or more, or nothing was tried.
    """
    if not 0 <= cost_bps < math.inf:
        raise ValueError(f"cost_bps: {cost_bps} is not a cost: it is 0 or greater")
    if trials < 1:
        raise ValueError(f"trials: {trials}; at least this setting was tried")
    n = len(row_ns)
    unknown = np.broadcast_to(np.nan, n)
    state = _likeliest(regime)
    found = []
    for h, horizon in enumerate(horizons_ns):
        q = persistence[h] if len(persistence) else unknown
        rises = rises_known(y[:, h], row_ns, horizon)
        told = Told(horizon, row_ns, predictions[:, h], q, rises, y[:, h])
        known = finite(told.said["mean"], told.y)
        results, acted = results_of(told.said["mean"], told.y, t_end[:, h], row_ns, known, cost_bps)
        bins = _reliability(told, seed)
        found.append(
            Worth(
                horizon_ns=horizon,
                rows=n,
                predicted=int(np.count_nonzero(finite(told.said["mean"]))),
                labelled=int(np.count_nonzero(finite(told.y))),
                both=int(np.count_nonzero(known)),
                cost_bps=cost_bps,
                scores=scores(told, cost_bps=cost_bps, seed=seed),
                persistence=evaluate(q, told.y, row_ns, horizon, seed=seed) if len(persistence) else None,
                regimes=tuple(
                    Part(name, scores(told, cost_bps=cost_bps, seed=seed, where=state == r))
                    for r, name in enumerate(regimes)
                ),
                days=tuple(
                    Part(name, scores(told.part(rows), cost_bps=cost_bps, seed=seed))
                    for name, rows in _days(row_ns)
                ),
                ages=() if age_ns is None else tuple(_aged(told, known, age_ns, seed)),
                reliability=bins,
                calibration_error=_calibration_error(bins),
                turnover=turnover_of(told.said["mean"], row_ns, cost_bps),
                sharpe=sharpe_of(results, acted, trials),
            )
        )
    return tuple(found)


def _likeliest(regime: Floats) -> npt.NDArray[np.int8]:
    """The likeliest regime of each row, −1 where there is none."""
    state = np.full(len(regime), -1, np.int8)
    if regime.shape[1]:
        for part in pieces(len(regime), regime):
            state[part] = likeliest(regime[part])
    return state


def _days(row_ns: Ints) -> Iterator[tuple[str, slice]]:
    """UTC days with rows, and which these are; of more than `MOST_DAYS`, several days at a time."""
    if not len(row_ns):
        return
    first, last = int(row_ns[0]) // DAY, int(row_ns[-1]) // DAY
    together = -(-(last - first + 1) // MOST_DAYS)
    for day in range(first, last + 1, together):
        until = min(day + together, last + 1)
        start, stop = np.searchsorted(row_ns, (day * DAY, until * DAY)).tolist()
        if start < stop:
            name = _date(day) if together == 1 else f"{_date(day)} to {_date(until - 1)}"
            yield name, slice(start, stop)


def _date(day: int) -> str:
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=day)).isoformat()


def _aged(told: Told, known: Bools, age_ns: Ints, seed: int) -> Iterator[Aged]:
    """By the model's age.

    Rows of one age lie apart, fold by fold. Time between them is left out: blocks of what is put together so are as long
    and as independent as any.
    """
    ages = np.asarray(age_ns[known], np.float64)  # nanoseconds of a hundred years keep their milliseconds
    if not len(ages):
        return
    edges = edges_of(ages[:: max(1, len(ages) // SAMPLED)], AGES)
    which = np.full(len(known), -1, np.int8)
    which[known] = np.searchsorted(edges, ages, side="right")
    for k in range(len(edges) + 1):
        mine = np.flatnonzero(which == k)
        if not len(mine):
            continue
        steps = np.minimum(np.diff(told.row_ns[mine]), told.horizon_ns)
        ns = np.concatenate(([0], np.cumsum(steps)))
        found = evaluate(told.said["mean"][mine], told.y[mine], ns, told.horizon_ns, seed=seed)
        own = age_ns[mine]
        yield Aged(int(own.min()), int(own.max()), float(own.mean()), found.rows, found.ic, found.rank_ic)


def _reliability(told: Told, seed: int) -> tuple[Bin, ...]:
    """How often the price rose, by the probability given."""
    n = len(told.row_ns)
    sample = told.said["p_up"][:: max(1, n // SAMPLED)]
    if not np.isfinite(sample).any():
        return ()
    edges = block_edges(int(told.row_ns[0]), int(told.row_ns[-1]), BLOCK_HORIZONS * told.horizon_ns)
    sums = Sums(edges_of(sample), len(edges) + 1)
    for part in pieces(n, told.said, told.y):
        y = told.y[part]
        rose = np.where(np.isfinite(y) & (y != 0), y > 0, np.nan)
        sums.add(told.said["p_up"][part], rose, np.searchsorted(edges, told.row_ns[part], side="right"))
    if not sums.any:
        return ()
    binned = sums.means(seed, least=0.0, most=1.0)
    return tuple(
        Bin(rows, p, rose)
        for rows, p, rose in zip(binned.rows.tolist(), binned.x.tolist(), binned.y, strict=True)
    )


def _calibration_error(bins: Sequence[Bin]) -> float:
    """Mean distance of probability and share, each bin by its rows (Naeini, Cooper & Hauskrecht, AAAI 2015)."""
    rows = sum(b.rows for b in bins)
    return sum(b.rows * abs(b.p - b.rose.value) for b in bins) / rows if rows else math.nan


def _plain(value: Any) -> Any:
    """Named tuples as mappings, NaN as null."""
    if hasattr(value, "_asdict"):
        return {name: _plain(each) for name, each in value._asdict().items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
