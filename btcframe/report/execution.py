"""How well a session traded what it wanted: orders filled, waits, costs, what came of the fills, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from btcframe.report.buckets import Buckets, by_hour, by_regime
from btcframe.report.markouts import HORIZONS_NS, Markout, markout_bps
from btcframe.report.metrics import Estimate
from btcframe.report.resample import ratio
from btcframe.report.trading import notionals, slippage_bps, worth
from btcframe.report.working import Queue, Sent, queue, sent
from btcframe.scratch import pieces
from btcframe.types import Floats, Instrument, Ints, StateArray

MIDDLE_NS = HORIZONS_NS[1]
"""The horizon of the markout that stands where there is room for one only."""


class Held(NamedTuple):
    """The position over the traded rows; shares are NaN without rows.

    Parameters
    ----------
    long, short : float     share of the rows
    mean, most : float      |position| at the mid, in the currency of the account; the mean is over all rows
    under : int             ns, the longest time that the equity stayed below an earlier peak
    """

    long: float
    short: float
    mean: float
    most: float
    under: int


@dataclass(frozen=True)
class Execution:
    """What became of intents.

    Parameters
    ----------
    resting, taking : Sent          orders that may rest, and those that may not
    queue : Queue
    markouts : tuple of Markout     takers and makers, by horizon
    held : Held
    regimes : tuple of str          names of the regimes of `by_regime`
    by_regime, by_hour : Buckets
    """

    resting: Sent
    taking: Sent
    queue: Queue
    markouts: tuple[Markout, ...]
    held: Held
    regimes: tuple[str, ...]
    by_regime: Buckets
    by_hour: Buckets


def of_execution(
    tables: Mapping[str, StateArray],
    instrument: Instrument,
    cash: float,
    span: tuple[int, int],
    regimes: tuple[str, ...],
    block: Ints,
    blocks: int,
    *,
    seed: int,
) -> Execution:
    """What a session's tables say of its execution.

    Parameters
    ----------
    tables : mapping
    instrument : Instrument
    cash : float                    at the start
    span : (int, int)               first and last row traded, ns
    regimes : tuple of str          names of the regimes, in the order of EQUITY.regime
    block, blocks : int64[fills], int     see `resample.block_of`
    seed : int                      of the intervals
    """
    slippage = slippage_bps(tables, instrument)
    notional = notionals(tables["fills"], instrument)
    is_maker = tables["fills"]["maker"] == 1
    found, middle = [], slippage
    for horizon_ns in HORIZONS_NS:
        values = markout_bps(tables, instrument, horizon_ns)
        if horizon_ns == MIDDLE_NS:
            middle = values
        for maker in (False, True):
            mine = is_maker == maker
            known = mine & np.isfinite(values)
            weights = np.where(known, notional, 0.0)
            mean = (
                ratio(np.where(known, values * weights, 0.0), weights, block, blocks, seed=seed)
                if known.any()
                else Estimate(float("nan"))
            )
            found.append(Markout(horizon_ns, maker, mean, int(known.sum()), int(mine.sum())))
    return Execution(
        resting=sent(tables["orders"], resting=True),
        taking=sent(tables["orders"], resting=False),
        queue=queue(tables),
        markouts=tuple(found),
        held=held(tables["equity"], instrument, cash, span),
        regimes=regimes,
        by_regime=by_regime(tables, instrument, cash, len(regimes), slippage, middle),
        by_hour=by_hour(tables, instrument, cash, slippage, middle),
    )


def held(equity: StateArray, instrument: Instrument, cash: float, span: tuple[int, int]) -> Held:
    """The position over a span of rows, and how long the equity was under water; see Held."""
    start = int(np.searchsorted(equity["row_ns"], span[0]))
    stop = int(np.searchsorted(equity["row_ns"], span[1], "right")) if span[1] else start
    long = short = 0
    total, most = 0.0, 0.0
    peak, peak_ns, under = cash, span[0], 0
    for part in pieces(stop - start, equity):
        rows = equity[start:stop][part]
        lots = rows["position_lots"]
        long += int(np.count_nonzero(lots > 0))
        short += int(np.count_nonzero(lots < 0))
        value = _value(lots, rows["mid"], instrument)
        total += float(value.sum())
        most = max(most, float(value.max()))
        peaks = np.maximum(np.maximum.accumulate(rows["equity"]), peak)
        below = rows["equity"] < peaks
        since = np.maximum.accumulate(np.where(below, peak_ns, rows["row_ns"]))
        under = max(under, int((rows["row_ns"] - since).max()))
        peak, peak_ns = float(peaks[-1]), int(since[-1])
    n = stop - start
    if not n:
        return Held(float("nan"), float("nan"), float("nan"), float("nan"), 0)
    return Held(long / n, short / n, total / n, most, under)


def _value(lots: Ints, mid: Floats, instrument: Instrument) -> Floats:
    """|position| at the mid; 0 where nothing is held."""
    size = np.abs(lots) * float(instrument.lot)
    value: Floats = np.where(size > 0, size * np.abs(worth(np.where(size > 0, mid, 1.0), instrument)), 0.0)
    return value
