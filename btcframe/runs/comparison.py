"""Many runs on one market side by side, and what the best of them allows to be said."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from btcframe.errors import DataError, StoreError
from btcframe.plugins import Catalog
from btcframe.report.trials import configuration, configurations_of
from btcframe.report.words import counted
from btcframe.runs.find import Found
from btcframe.runs.luck import Ahead, Deflated, ahead, deflated, sharpe_ratios
from btcframe.runs.overfitting import Overfitting, overfitting
from btcframe.runs.settings import varied
from btcframe.runs.tracks import (
    LeftOut,
    Market,
    Series,
    Track,
    common,
    edges_of,
    looked_at,
    money_track,
    series_of,
    told_track,
)
from btcframe.sessions.reporting import traded
from btcframe.types import Floats, Ints

NET, IC = "net", "ic"
"""What runs are ranked by: what they earned after costs, or how well they predicted."""

SEED = 20261123
"""Of the resampling: the same runs always get the same numbers."""

TOLD = 5
"""Runs that cannot be compared of which it is said why, where none can."""


class Trials(NamedTuple):
    """How many different configurations were tried on the market: the best of many looks good by luck alone.

    Parameters
    ----------
    compared : int     among the runs compared
    known : int        with those of other runs that the stores know of
    unknown : str      why a store could not be asked, "" where all could
    """

    compared: int
    known: int
    unknown: str


class Row(NamedTuple):
    """A run in the ranking.

    Parameters
    ----------
    run : Found
    settings : mapping     its own of those in which the runs differ, None where it does not have one
    ratio : float          Sharpe ratio of a period
    measures : mapping     see `tracks`
    front : bool           no other run is at least as good in return, drawdown and turnover and better in one of them
    curve : float64[T + 1] sum of its returns up to each edge
    """

    run: Found
    settings: Mapping[str, Any]
    ratio: float
    measures: Mapping[str, float]
    front: bool
    curve: Floats


@dataclass(frozen=True)
class Comparison:
    """Runs on one market, the best first.

    Parameters
    ----------
    market : Market
    by : str                       `NET` or `IC`
    horizon_ns : int               of the predictions; 0 where `by` is `NET`
    edges : int64[T + 1]           of the periods, ns
    rows : tuple of Row
    median : int                   which of them is in the middle
    settings : tuple of str        in which they differ
    trials : Trials
    luck : Deflated                of the best
    ahead : Ahead or None          the best against the median one; None where that cannot be told
    overfitting : Overfitting or None
    """

    market: Market
    by: str
    horizon_ns: int
    edges: Ints
    rows: tuple[Row, ...]
    median: int
    settings: tuple[str, ...]
    trials: Trials
    luck: Deflated
    ahead: Ahead | None
    overfitting: Overfitting | None

    @property
    def periods(self) -> int:
        """How many."""
        return len(self.edges) - 1

    @property
    def period_ns(self) -> int:
        """Length of one."""
        return int(self.edges[-1] - self.edges[0]) // max(self.periods, 1)


class Compared(NamedTuple):
    """A comparison per market, the one with most runs first, and the runs that are in none."""

    markets: tuple[Comparison, ...]
    left_out: tuple[LeftOut, ...]


def compare(runs: Sequence[Found], catalog: Catalog, *, by: str = "", horizon_ns: int = 0) -> Compared:
    """Rank runs, market by market.

    Parameters
    ----------
    runs : sequence of Found
    catalog : Catalog           to ask their stores how much was tried
    by : str                    `NET` or `IC`; "": by what they earned if any of them traded
    horizon_ns : int            of the predictions they are ranked by; 0: the shortest that the first of them has

    Raises
    ------
    DataError
        If none of them can be compared.
    """
    runs = list({run.directory.resolve(): run for run in runs}.values())
    if not by:
        by = NET if any(traded(run.manifest.get("results", {})) for run in runs) else IC
    ahead_ns = (horizon_ns or _shortest(runs)) if by == IC else 0
    tracks, left = looked_at(runs, money_track if by == NET else lambda run: told_track(run, ahead_ns))
    markets: dict[str, list[Track]] = {}
    for track in tracks:
        markets.setdefault(track.market.key, []).append(track)
    compared = []
    for mine in sorted(markets.values(), key=len, reverse=True):
        kept, others, span = common(mine)
        left += others
        edges = edges_of(kept, span)
        read, unread = series_of(kept, edges, ahead_ns)
        left += unread
        if read:
            compared.append(_compared(read, edges, runs, catalog, by, ahead_ns))
    if not compared:
        more = f"\nand {counted(len(left) - TOLD, 'more run')}" if len(left) > TOLD else ""
        raise DataError(
            "no run can be compared" if runs else "there is no run to compare",
            hint="\n".join(f"{one.run.directory}: {one.why}" for one in left[:TOLD]) + more,
            next="Make some: btcframe run model=ridge,zero -m",
        )
    return Compared(tuple(compared), tuple(left))


def _shortest(runs: Sequence[Found]) -> int:
    for run in runs:
        if metrics := run.manifest.get("results", {}).get("train", {}).get("metrics"):
            return min(int(m["horizon_ns"]) for m in metrics)
    return 0


def _compared(
    read: Sequence[tuple[Track, Series]], edges: Ints, runs: Sequence[Found], catalog: Catalog, by: str, ahead_ns: int
) -> Comparison:  # fmt: skip
    ordered = sorted(read, key=_place)
    tracks, series = [track for track, _ in ordered], [one for _, one in ordered]
    returns = np.column_stack([one.values for one in series])
    found = sharpe_ratios(returns) if len(returns) else np.full(len(tracks), math.nan)
    differ = varied([track.run.manifest["config"] for track in tracks])
    front = _front(series) if by == NET else [False] * len(tracks)
    rows = tuple(
        Row(
            track.run,
            {name: values[k] for name, values in differ.items()},
            float(found[k]),
            one.measures,
            front[k],
            np.concatenate(([0.0], np.cumsum(one.values))),
        )
        for k, (track, one) in enumerate(zip(tracks, series, strict=True))
    )
    trials = _trials(tracks, runs, catalog, traded=by == NET)
    median = len(rows) // 2
    return Comparison(
        market=tracks[0].market,
        by=by,
        horizon_ns=ahead_ns,
        edges=edges,
        rows=rows,
        median=median,
        settings=tuple(differ),
        trials=trials,
        luck=deflated(returns, 0, trials.known),
        ahead=ahead(returns, 0, median, seed=SEED),
        overfitting=overfitting(returns),
    )


def _place(read: tuple[Track, Series]) -> tuple[float, float, str]:
    """What runs are ordered by, the best first: Sharpe ratio, then mean, then name."""
    track, series = read
    if not len(series.values):
        return 0.0, 0.0, str(track.run.directory)
    ratio = float(sharpe_ratios(series.values[:, None])[0])
    return -ratio, -float(series.values.mean()), str(track.run.directory)


def _front(series: Sequence[Series]) -> list[bool]:
    """Which runs lie on the Pareto front: much return, little drawdown, little turnover."""
    points = np.array(
        [[-s.measures["return"], s.measures["drawdown"], s.measures["turnover"]] for s in series]
    )
    return [not bool(((points <= mine).all(axis=1) & (points < mine).any(axis=1)).any()) for mine in points]


def _trials(tracks: Sequence[Track], runs: Sequence[Found], catalog: Catalog, *, traded: bool) -> Trials:
    market = tracks[0].market
    mine = {configuration(track.run.manifest["config"], traded=traded) for track in tracks}
    known = set(mine)
    stores = {
        str(run.manifest["config"]["store"]): run.manifest["config"]["store"] for run in runs if run.manifest
    }
    unknown = ""
    for node in stores.values():
        try:
            known |= configurations_of(
                catalog.build("store", node), market.source, market.symbol, traded=traded
            )
        except StoreError as error:
            unknown = error.what
    return Trials(len(mine), len(known), unknown)
