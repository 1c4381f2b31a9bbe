"""Runs as series over the same periods: what each earned, or how well it predicted, period by period."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from btcframe.errors import BtcframeError, DataError
from btcframe.learning.predictions import PREDICTIONS
from btcframe.report.metrics import BLOCK_HORIZONS, finite
from btcframe.report.outcomes import Predictions
from btcframe.report.trading import drawdown, exposure, notionals, traded_span
from btcframe.run import any_manifest
from btcframe.runs.find import Found
from btcframe.scratch import pieces
from btcframe.sessions.reporting import tables_of, traded
from btcframe.sessions.session import starting
from btcframe.types import NS, Floats, Ints, duration_name

MOST_PERIODS = 240
"""Periods that a span is cut into at most: more would tell no more of it."""

SHORTEST_NS = 60 * NS
HOLDINGS = 2
"""A period is a minute at least, and two of the mean times for which positions are held: one that is open at the edge
ties neighbours together. Those that resemble each other count as fewer where that matters (`luck`)."""

COVERED = 0.5
"""Share of the usual span that a run must have traded to be compared."""


class Market(NamedTuple):
    """What runs have in common that are compared.

    Parameters
    ----------
    symbol : str
    source : str    name of the source component
    key : str       two runs with the same saw the same events
    """

    symbol: str
    source: str
    key: str


class Track(NamedTuple):
    """A run that can be compared.

    Parameters
    ----------
    run : Found
    market : Market
    span : (int, int)      first and last row judged out of sample, ns
    period_ns : float      length of a period in which neighbours hardly tie; NaN where nothing was done
    """

    run: Found
    market: Market
    span: tuple[int, int]
    period_ns: float


class Series(NamedTuple):
    """What a run came to over a span.

    Parameters
    ----------
    values : float64[T]    of each period
    measures : mapping     of the whole span
    """

    values: Floats
    measures: Mapping[str, float]


def whole(run: Found) -> Mapping[str, Any]:
    """The manifest of a run that is complete.

    Raises
    ------
    DataError
        If it cannot be read, or the run is not whole.
    """
    if run.trouble:
        raise DataError(run.trouble)
    if run.status != "complete":
        why = str(run.manifest.get("error", "")).splitlines()
        raise DataError(f"its status is {run.status!r}{': ' + why[0] if why else ''}")
    return run.manifest


def market_of(manifest: Mapping[str, Any], symbol: str) -> Market:
    """The market of a run: the symbol and the data, or, of a market that is made, all that makes it."""
    config = manifest["config"]
    told = manifest.get("results", {}).get("build")
    if told is None and config.get("trained"):
        try:
            told = any_manifest(Path(config["trained"])).get("results", {}).get("build")
        except DataError:
            told = None  # moved since: then the source and the seed must do
    data = (told or {}).get("data", "")
    source = config["source"]
    made = [data] if data else [source, manifest["seed"]]
    return Market(symbol, source["plugin"], json.dumps([symbol, *made], sort_keys=True))


# --------------------------------------------------------------------------------------------------------- money


def money_track(run: Found) -> Track:
    """A run that traded.

    Raises
    ------
    DataError
        If it did not, is not whole, or its tables are damaged.
    """
    manifest = whole(run)
    told = traded(manifest.get("results", {}))
    if told is None:
        raise DataError(f"nothing was traded: it is a {manifest['verb']}")
    tables, instrument = tables_of(run.directory, manifest)
    if len(tables["equity"]) < 2:
        raise DataError("its session has no rows")
    holding = told.get("holding_s")
    period = math.nan if holding is None else max(HOLDINGS * float(holding) * NS, SHORTEST_NS)
    return Track(run, market_of(manifest, instrument.symbol), traded_span(tables), period)


def money_series(track: Track, edges: Ints) -> Series:
    """Its return of each period and what it came to, as shares of the cash it began with.

    Parameters
    ----------
    track : Track
    edges : int64[T + 1]    ns
    """
    manifest = whole(track.run)
    tables, instrument = tables_of(track.run.directory, manifest)
    equity, fills = tables["equity"], tables["fills"]
    cash = starting(track.run.directory, manifest["config"], tables)
    at = np.maximum(np.searchsorted(equity["row_ns"], edges, side="right") - 1, 0)
    if edges[-1] >= track.span[1]:
        at[-1] = len(equity) - 1  # what comes of the last decision after the last row belongs to it
    worth = np.asarray(equity["equity"][at], np.float64)
    stretch = equity[at[0] : at[-1] + 1]
    mine = (fills["ns"] > equity["row_ns"][at[0]]) & (fills["ns"] <= equity["row_ns"][at[-1]])
    measures = {
        "return": float(worth[-1] - worth[0]) / cash,
        "drawdown": drawdown(stretch, float(worth[0])) / cash,
        "turnover": float(notionals(fills[mine], instrument).sum()) / cash,
        "fees": float(equity["fees"][at[-1]] - equity["fees"][at[0]]) / cash,
        "exposure": exposure(equity, (int(edges[0]), int(edges[-1]))),
        "fills": float(mine.sum()),
    }
    return Series(np.diff(worth) / cash, measures)


# --------------------------------------------------------------------------------------------------- predictions


def told_track(run: Found, horizon_ns: int) -> Track:
    """A run that predicted over a horizon.

    Raises
    ------
    DataError
        If it did not, is not whole, or its predictions are damaged.
    """
    manifest = whole(run)
    _metrics(manifest, horizon_ns)
    predictions = Predictions(run.directory / PREDICTIONS)
    symbol = manifest["results"]["build"]["symbol"]
    span = predictions.first_ns, predictions.last_ns
    return Track(run, market_of(manifest, symbol), span, float(BLOCK_HORIZONS * horizon_ns))


def told_series(track: Track, edges: Ints, horizon_ns: int) -> Series:
    """The part of each period in the IC: T·Σ p·y of its rows / √(Σ p²·Σ y²) of all; their mean is the IC about zero.

    Parameters
    ----------
    track : Track
    edges : int64[T + 1]    ns
    horizon_ns : int
    """
    manifest = whole(track.run)
    k, metrics = _metrics(manifest, horizon_ns)
    predictions = Predictions(track.run.directory / PREDICTIONS)
    names = ["row_ns", f"mean_{duration_name(horizon_ns)}", predictions.labels[k]]
    periods = len(edges) - 1
    products, squares = np.zeros(periods), np.zeros(2)
    for row_ns, mean, y in predictions.columns(names):
        for part in pieces(len(row_ns), row_ns, mean, y):
            at = np.searchsorted(edges, row_ns[part], side="right") - 1
            at[row_ns[part] == edges[-1]] = periods - 1
            known = finite(mean[part], y[part]) & (at >= 0) & (at < periods)
            p, outcome = mean[part][known], y[part][known]
            products += np.bincount(at[known], weights=p * outcome, minlength=periods)
            squares += (float(p @ p), float(outcome @ outcome))
    scale = math.sqrt(squares[0] * squares[1])
    values = periods * products / scale if scale else np.zeros(periods)
    measures = {"ic": float(values.mean()) if periods else math.nan}
    for name in ("r2", "hit_rate"):
        value = metrics[name]["value"]
        measures[name] = math.nan if value is None else float(value)
    return Series(values, measures)


def _metrics(manifest: Mapping[str, Any], horizon_ns: int) -> tuple[int, Mapping[str, Any]]:
    """Which of a run's horizons it is, and its metrics."""
    told = manifest.get("results", {}).get("train")
    if told is None:
        raise DataError(f"nothing was predicted in it: it is a {manifest['verb']}")
    for k, metrics in enumerate(told["metrics"]):
        if metrics["horizon_ns"] == horizon_ns:
            return k, metrics
    ahead = ", ".join(duration_name(m["horizon_ns"]) for m in told["metrics"])
    raise DataError(f"it predicts {ahead} ahead, not {duration_name(horizon_ns)}")


# ------------------------------------------------------------------------------------------------------- periods


class LeftOut(NamedTuple):
    """A run that is not compared.

    Parameters
    ----------
    run : Found
    why : str
    """

    run: Found
    why: str


def looked_at(runs: Sequence[Found], look: Callable[[Found], Track]) -> tuple[list[Track], list[LeftOut]]:
    """The runs that can be compared, and the others with the reason."""
    tracks, left = [], []
    for run in runs:
        try:
            tracks.append(look(run))
        except BtcframeError as error:
            left.append(LeftOut(run, error.what))
    return tracks, left


def series_of(
    tracks: Sequence[Track], edges: Ints, horizon_ns: int
) -> tuple[list[tuple[Track, Series]], list[LeftOut]]:
    """Runs with what they came to, and those that turn out to be damaged while they are read.

    Parameters
    ----------
    tracks : sequence of Track
    edges : int64[T + 1]    ns
    horizon_ns : int        of the predictions; 0: what they earned
    """
    found, left = [], []
    for track in tracks:
        try:
            read = told_series(track, edges, horizon_ns) if horizon_ns else money_series(track, edges)
        except BtcframeError as error:
            left.append(LeftOut(track.run, error.what))
        else:
            found.append((track, read))
    return found, left


def common(tracks: Sequence[Track]) -> tuple[list[Track], list[LeftOut], tuple[int, int]]:
    """The runs that share a span of time, those that do not, and the span: the usual one, cut to what all have of it."""
    usual = Counter(track.span for track in tracks).most_common(1)[0][0]
    kept, left = [], []
    for track in tracks:
        shared = min(track.span[1], usual[1]) - max(track.span[0], usual[0])
        if shared >= COVERED * (usual[1] - usual[0]):
            kept.append(track)
        else:
            left.append(
                LeftOut(
                    track.run,
                    f"it was judged on {100 * max(shared, 0) / max(usual[1] - usual[0], 1):.0f} % of the others' time",
                )
            )
    return kept, left, (max(t.span[0] for t in kept), min(t.span[1] for t in kept))


def edges_of(tracks: Sequence[Track], span: tuple[int, int]) -> Ints:
    """Where the periods begin and end, int64[T + 1]: as long as the run in the middle of them asks for."""
    wanted = [track.period_ns for track in tracks if not math.isnan(track.period_ns)]
    shortest = float(np.median(wanted)) if wanted else SHORTEST_NS
    length = span[1] - span[0]
    periods = int(min(max(length // shortest, 0), MOST_PERIODS))
    edges: Ints = span[0] + length * np.arange(periods + 1) // max(periods, 1)
    return edges
