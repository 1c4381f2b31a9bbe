"""A session by what the market was like: its results and costs in each regime, and in each hour of the day.

The change of equity between two rows belongs to the bucket of the first of them, whose regime and hour were known when
the position was held; so do the fills that we heard of in between, with their fees. The buckets of a session add up to
the session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from btcframe.report.trading import notionals
from btcframe.scratch import pieces
from btcframe.types import NS, Floats, Instrument, Ints, StateArray

HOURS = 24


class Buckets(NamedTuple):
    """A session's numbers by bucket; money in the currency of the account.

    Parameters
    ----------
    rows : int64[b]
    held : int64[b]             rows at which a position was held
    net : float64[b]            change of equity
    fees : float64[b]
    fills : int64[b]
    notional : float64[b]       traded
    maker : float64[b]          of that, as maker
    slippage : float64[b]       bps, mean weighted by notional; NaN without fills whose mid was known
    markout : float64[b]        bps, the same
    """

    rows: Ints
    held: Ints
    net: Floats
    fees: Floats
    fills: Ints
    notional: Floats
    maker: Floats
    slippage: Floats
    markout: Floats


def by_regime(
    tables: Mapping[str, StateArray],
    instrument: Instrument,
    cash: float,
    regimes: int,
    slippage: Floats,
    markout: Floats,
) -> Buckets:
    """In each of the regimes that the model's labeler found at the time; the last bucket is without a regime.

    Parameters
    ----------
    tables : mapping
    instrument : Instrument
    cash : float                  equity before the first row
    regimes : int                 how many there are
    slippage, markout : float64[fills]      bps of each fill
    """

    def bucket(rows: StateArray) -> Ints:
        index = rows["regime"].astype(np.int64)
        known = (index >= 0) & (index < regimes)
        return np.where(known, index, regimes)

    return _tally(tables, instrument, cash, bucket, regimes + 1, slippage, markout)


def by_hour(
    tables: Mapping[str, StateArray],
    instrument: Instrument,
    cash: float,
    slippage: Floats,
    markout: Floats,
) -> Buckets:
    """In each hour of the day, UTC; see `by_regime`."""

    def bucket(rows: StateArray) -> Ints:
        hours: Ints = rows["row_ns"] // (3600 * NS) % HOURS
        return hours

    return _tally(tables, instrument, cash, bucket, HOURS, slippage, markout)


def _tally(
    tables: Mapping[str, StateArray],
    instrument: Instrument,
    cash: float,
    bucket: Callable[[StateArray], Ints],
    n: int,
    slippage: Floats,
    markout: Floats,
) -> Buckets:
    equity, fills = tables["equity"], tables["fills"]
    rows, held, net = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n)
    for part in pieces(len(equity), equity):
        these = equity[part]
        # the last record is the end of the session: nothing follows it, and it is no row
        stop = min(part.stop + 1, len(equity))
        changes = np.diff(equity["equity"][part.start : stop])
        at = bucket(these)[: len(changes)]
        rows += np.bincount(at, minlength=n)
        held += np.bincount(at[these["position_lots"][: len(at)] != 0], minlength=n)
        net += np.bincount(at, weights=changes, minlength=n)
    if len(equity):  # nothing, but in a session that began with a position
        net[bucket(equity[:1])] += equity["equity"][0] - cash
    notional = notionals(fills, instrument)
    if len(equity):
        row = np.maximum(np.searchsorted(equity["row_ns"], fills["ns"], side="left") - 1, 0)
        at = bucket(equity[row])
    else:
        at = np.zeros(0, np.int64)

    def total(values: Floats) -> Floats:
        return np.bincount(at, weights=values, minlength=n).astype(np.float64)

    def mean(values: Floats) -> Floats:
        known = np.isfinite(values)
        with np.errstate(invalid="ignore"):
            top, bottom = (total(np.where(known, one, 0.0)) for one in (values * notional, notional))
            return top / bottom

    return Buckets(
        rows,
        held,
        net,
        total(fills["fee"]),
        np.bincount(at, minlength=n),
        total(notional),
        total(np.where(fills["maker"] == 1, notional, 0.0)),
        mean(slippage),
        mean(markout),
    )
