"""Two sessions on the same stretch of market, one beside the other: a backtest and paper, or two settings.

Both are looked at over the rows they share, each from its equity at the first of them on; fills count where they were
heard of in that stretch. Nothing is matched by guessing: what is compared is totals, the equity row by row, and the
position row by row; and where the lists of intents first differ is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from btcframe.errors import DataError
from btcframe.report.measures import Measures, measured
from btcframe.report.thin import extremes
from btcframe.trading.differences import first_difference
from btcframe.types import Floats, Instrument, Ints, StateArray

Tables = Mapping[str, StateArray]


@dataclass(frozen=True)
class Beside:
    """Another session beside this one.

    Parameters
    ----------
    name, verb, venue : str     of the other run
    measures : (Measures, Measures)      this and the other, over the rows they share
    span : (int, int)           first and last shared row, ns
    rows : int                  shared rows
    agreed : float              share of the shared rows at which both held the same position
    row_ns : int64[p]           rows that are drawn
    result, other : float64[p]  equity since the first shared row, this and the other
    difference : str            where the intents first differ; "" where they are the same
    intents : (int, int)        decided in the shared stretch
    """

    name: str
    verb: str
    venue: str
    measures: tuple[Measures, Measures]
    span: tuple[int, int]
    rows: int
    agreed: float
    row_ns: Ints
    result: Floats
    other: Floats
    difference: str
    intents: tuple[int, int]


def beside(
    tables: Tables,
    other: Tables,
    instrument: Instrument,
    theirs: Instrument,
    *,
    name: str,
    verb: str,
    venue: str,
) -> Beside:
    """Compare two sessions.

    Parameters
    ----------
    tables, other : mapping            this session's, and the other's
    instrument, theirs : Instrument
    name, verb, venue : str            of the other run, for the page

    Raises
    ------
    DataError
        If they are of different markets, or share no rows.
    """
    if instrument[:4] != theirs[:4]:
        raise DataError(
            f"{name} traded {theirs.symbol}, this run {instrument.symbol}"
            if theirs.symbol != instrument.symbol
            else f"{name} traded {theirs.symbol} in other ticks or lots than this run",
            hint="Two runs can be laid over each other where they traded the same market at the same time.",
        )
    a, b = tables["equity"], other["equity"]
    shared = np.intersect1d(a["row_ns"], b["row_ns"])
    if len(shared) < 2:
        raise DataError(
            f"{name} and this run have no rows at the same time",
            hint="A session is tried again on its own market with source=session_log source.path=ITS_DIRECTORY.",
        )
    at_a, at_b = (np.searchsorted(one["row_ns"], shared) for one in (a, b))
    span = int(shared[0]), int(shared[-1])
    cut = [_stretch(one, span) for one in (tables, other)]
    money = [float(one["equity"]["equity"][0]) for one in cut]
    result, against = (
        np.asarray(one["equity"][at]) - start
        for one, at, start in zip((a, b), (at_a, at_b), money, strict=True)
    )
    drawn = np.union1d(extremes(result), extremes(against))
    return Beside(
        name=name,
        verb=verb,
        venue=venue,
        measures=(measured(cut[0], instrument, money[0]), measured(cut[1], instrument, money[1])),
        span=span,
        rows=len(shared),
        agreed=float(np.mean(a["position_lots"][at_a] == b["position_lots"][at_b])),
        row_ns=shared[drawn],
        result=result[drawn],
        other=against[drawn],
        difference=_first_intent(cut[0], cut[1]),
        intents=(len(cut[0]["intents"]), len(cut[1]["intents"])),
    )


def _stretch(tables: Tables, span: tuple[int, int]) -> dict[str, StateArray]:
    """The part of a session's tables that lies in a stretch of time; its orders are those that were asked for in it."""
    cut = {}
    for name, table in tables.items():
        ns = table["row_ns" if name in ("equity", "predictions", "promotions") else "ns"]
        start, stop = int(np.searchsorted(ns, span[0])), int(np.searchsorted(ns, span[1], "right"))
        cut[name] = table[start:stop]
    mine = np.unique(cut["intents"]["order_id"])
    cut["orders"] = tables["orders"][np.isin(tables["orders"]["order_id"], mine)]
    return cut


def _first_intent(a: Tables, b: Tables) -> str:
    """Where the intents of two sessions part; their orders may be counted from different numbers."""
    intents = []
    for one in (a["intents"], b["intents"]):
        kept = one.copy()
        kept["order_id"] = np.unique(kept["order_id"], return_inverse=True)[1] + 1
        intents.append(kept)
    nothing = {name: table[:0] for name, table in a.items()}
    return first_difference(
        nothing | {"intents": intents[0]}, nothing | {"intents": intents[1]}, ("here", "there")
    )
