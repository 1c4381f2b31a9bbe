"""What became of a fill: how far the mid was from its price a while later.

markout(Δ) = side · (mid(t + Δ) − price)/price · 10⁴ bps, t the moment at which we knew of the fill, and of the market as it
was then; positive is good for us, before fees. mid(t + Δ) is that of the first row that ends Δ or more after t: rows are
all a session keeps of the market, so with rows of a second a markout at 1 s is one at 1 to 2 s, never one earlier than
it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from btcframe.report.metrics import Estimate
from btcframe.types import NS, Floats, Instrument, StateArray

HORIZONS_NS = (NS, 5 * NS, 30 * NS)


class Markout(NamedTuple):
    """Mean markout of the fills of one kind.

    Parameters
    ----------
    horizon_ns : int
    maker : bool
    mean : Estimate     weighted by notional, bps
    known : int         fills whose later mid is known
    fills : int         of the kind
    """

    horizon_ns: int
    maker: bool
    mean: Estimate
    known: int
    fills: int


def markout_bps(tables: Mapping[str, StateArray], instrument: Instrument, horizon_ns: int) -> Floats:
    """The markout of each fill, float64[fills]; positive is good for us.

    NaN where the mid was not known then (a gap, a side without orders, the end of the session), or no row ends between
    one and two horizons after the fill.
    """
    fills, equity = tables["fills"], tables["equity"]
    if not len(equity):
        return np.full(len(fills), np.nan)
    row_ns = equity["row_ns"]
    wanted = fills["ns"] + horizon_ns
    at = np.searchsorted(row_ns, wanted, side="left")
    inside = np.minimum(at, len(equity) - 1)
    there = equity[inside]
    known = (at < len(equity)) & (there["fresh"] == 1) & (there["row_ns"] <= wanted + horizon_ns)
    price = fills["ticks"] * float(instrument.tick)
    bps: Floats = np.where(known, fills["side"] * (there["mid"] - price) / price * 1e4, np.nan)
    return bps
