"""What follows a row: the volatility realised over each horizon."""

from __future__ import annotations

import math

import numpy as np

from btcframe import scratch
from btcframe.regime_study.rows import Rows
from btcframe.types import Floats

QUIET = 0.01
"""bps per row added to a volatility in squares before its logarithm: less than a tick now and then, so that a market
that stands still has a logarithm, and not one far below all others."""

KNOWN = 0.8
"""Share of a horizon's rows whose return must be known."""


def realised(rows: Rows) -> Floats:
    """Mean square of the row returns within each horizon after a row.

    u_h(t) = mean of r² over the rows in (t, t + h], r = 1e4·ln(m_s/m_{s−1}), bps; NaN where the rows do not reach t + h
    or fewer than 80 % of the horizon's rows have a return.

    Returns
    -------
    float64[n, h]    bps² per row
    """
    n, period = len(rows.row_ns), rows.period_ns
    # sums from the first row on, taken off each other: a sum of 1e8 bps² keeps 1e-8, and QUIET² is 1e-4
    squares = scratch.zeros((n + 1,), np.float64, rows.directory)
    counts = scratch.zeros((n + 1,), np.int64, rows.directory)
    for part in scratch.pieces(n, rows.mid, squares, counts):
        first = max(part.start - 1, 0)
        r = np.diff(np.log(rows.mid[first : part.stop])) * 1e4
        if part.start == 0:
            r = np.concatenate(([np.nan], r))
        known = np.isfinite(r)
        here = slice(part.start + 1, part.stop + 1)
        squares[here] = squares[part.start] + np.cumsum(np.where(known, r * r, 0.0))
        counts[here] = counts[part.start] + np.cumsum(known)
    out = scratch.zeros((n, len(rows.horizons_ns)), np.float64, rows.directory)
    for h, horizon in enumerate(rows.horizons_ns):
        need = max(1, math.ceil(KNOWN * horizon / period))
        for part in scratch.pieces(n, rows.row_ns, squares, counts, out):
            end = rows.row_ns[part] + horizon
            upto = np.searchsorted(rows.row_ns, end, side="right")
            since = np.arange(part.start, part.stop) + 1
            count = counts[upto] - counts[since]
            with np.errstate(divide="ignore", invalid="ignore"):
                mean = np.maximum(squares[upto] - squares[since], 0.0) / count
            out[part, h] = np.where((count >= need) & (end <= rows.row_ns[-1]), mean, np.nan)
    return out


def log_volatility(mean_square: Floats) -> Floats:
    """½ ln(u + 0.01²), ln bps per row."""
    found: Floats = 0.5 * np.log(mean_square + QUIET * QUIET)
    return found
