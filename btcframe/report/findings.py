"""Everything a report says, as plain values: computed from a run's tables, drawn and written down elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from btcframe.models.members import Inside
from btcframe.report.beside import Beside
from btcframe.report.conclusion import HOUR_NS, Evidence, Verdict, cut
from btcframe.report.execution import Execution, of_execution
from btcframe.report.metrics import Estimate
from btcframe.report.outcomes import Outcome
from btcframe.report.resample import block_of, ratio
from btcframe.report.returns import Annual, annual, hourly_returns
from btcframe.report.trading import (
    TradingMetrics,
    held_first,
    notionals,
    round_trips,
    slippage_bps,
    summarize,
    traded_span,
)
from btcframe.report.varied import Varied
from btcframe.types import NS, Floats, Instrument, Ints, StateArray

MINUTE_NS = 60 * NS


@dataclass(frozen=True)
class Market:
    """What was traded.

    Parameters
    ----------
    symbol : str
    quote : str      currency of prices
    base : str       what sizes are counted in
    source : str     name of the source component
    money : str      currency of the account
    digits : int     decimals of money
    """

    symbol: str
    quote: str
    base: str
    source: str
    money: str
    digits: int = 2

    @classmethod
    def of(cls, symbol: str, source: str) -> Market:
        """From a ccxt symbol: BASE/QUOTE or BASE/QUOTE:SETTLE. What settles in its base is an inverse contract."""
        base, _, rest = symbol.partition("/")
        quote, _, settle = rest.partition(":")
        if settle and settle == base:
            return cls(symbol, quote, f"contracts of {quote}", source, base, 8)
        return cls(symbol, quote or "quote", base or "base", source, quote or "quote")


@dataclass(frozen=True)
class Session:
    """What a trading session came to.

    Parameters
    ----------
    tables : mapping             as `audit.load_tables` gives them
    instrument : Instrument
    cash : float                 at the start, quote
    metrics : TradingMetrics
    trips : TRIP[m]              round trips
    slippage : float64[fills]    bps of the mid decided on, see `trading.slippage_bps`
    taker, maker : Estimate      mean slippage, weighted by notional, bps
    paid : Estimate              share of round trips that earned more than their fees
    per_trip : Estimate          mean result of a round trip, quote
    annual : Annual or None      None where there is too little to say
    hours : int                  hourly returns there are
    evidence : Evidence          what the verdict rests on
    span : (int, int)            first and last row traded, ns
    execution : Execution
    """

    tables: Mapping[str, StateArray]
    instrument: Instrument
    cash: float
    metrics: TradingMetrics
    trips: StateArray
    slippage: Floats
    taker: Estimate
    maker: Estimate
    paid: Estimate
    per_trip: Estimate
    annual: Annual | None
    hours: int
    evidence: Evidence
    span: tuple[int, int]
    execution: Execution


class Regimes(NamedTuple):
    """Regimes that the labeler found.

    Parameters
    ----------
    names : tuple of str
    rows : int64[r]                 test rows in each; unknown ones left out
    unknown : int                   test rows without a regime
    truth : int64[t, r] or None     rows by true and found regime, where the truth is known
    """

    names: tuple[str, ...]
    rows: Ints
    unknown: int
    truth: Ints | None


class About(NamedTuple):
    """What a component says of itself.

    Parameters
    ----------
    slot, name : str
    doc : str             its docstring, "" where it is not installed here
    settings : mapping    as configured
    """

    slot: str
    name: str
    doc: str
    settings: Mapping[str, Any]


class View(NamedTuple):
    """A stretch of the session's rows, to be drawn.

    Parameters
    ----------
    rows : int64[p]       indices into the table `equity`
    regime : int64[p]     index of the regime found there, −1 without
    total : int           rows of the stretch
    """

    rows: Ints
    regime: Ints
    total: int


@dataclass(frozen=True)
class Findings:
    """A run's report, before it is a page. What is missing is None, and `missing` says why.

    Parameters
    ----------
    manifest : mapping            of the run
    name : str                    its directory's name
    market : Market
    verdict : Verdict
    session : Session or None
    price : View or None          the price over the whole session
    close : View or None          a stretch of it at full resolution
    training : mapping or None    results.train of the run that made the predictions
    outcomes : list of Outcome    empty where there are no predictions
    members : list of Inside      what each fold's model is made of; empty where it does not tell
    regimes : Regimes or None
    build : mapping or None       manifest of the training table
    about : list of About
    beside : Beside or None       another run, laid over this one
    varied : list or None         what the session came to at other venues
    missing : mapping             reason by name of what is None or empty
    """

    manifest: Mapping[str, Any]
    name: str
    market: Market
    verdict: Verdict
    session: Session | None
    price: View | None
    close: View | None
    training: Mapping[str, Any] | None
    outcomes: Sequence[Outcome]
    members: Sequence[Inside]
    regimes: Regimes | None
    build: Mapping[str, Any] | None
    about: Sequence[About]
    beside: Beside | None
    varied: Sequence[Varied] | None
    missing: Mapping[str, str]


def of_session(
    tables: Mapping[str, StateArray],
    instrument: Instrument,
    cash: float,
    *,
    seed: int,
    regimes: tuple[str, ...] = (),
) -> Session:
    """What a session's tables say.

    Parameters
    ----------
    tables : mapping
    instrument : Instrument
    cash : float             at the start, quote
    seed : int               of the intervals
    regimes : tuple of str   names of the regimes, in the order of EQUITY.regime
    """
    equity, fills = tables["equity"], tables["fills"]
    metrics = summarize(tables, instrument, cash)
    trips = round_trips(fills, instrument, held_first(equity))
    span = traded_span(tables)
    block_ns, results = cut(equity["row_ns"], equity["equity"], *span, metrics.holding_s * NS)
    evidence = Evidence(
        span[1] - span[0], block_ns, tuple(results.tolist()), metrics.trades, metrics.orders, metrics.net
    )
    # minutes, or the time in which ten positions come and go: neighbouring fills share the market's mood
    shortest = max(5 * MINUTE_NS, int(10 * metrics.holding_s * NS) if metrics.trades else 0)
    slippage = slippage_bps(tables, instrument)
    notional = notionals(fills, instrument)
    block, blocks = block_of(fills["venue_ns"], *span, shortest)
    taker, maker = (
        _weighted(slippage, np.where(fills["maker"] == kind, notional, 0.0), block, blocks, seed)
        for kind in (0, 1)
    )
    execution = of_execution(tables, instrument, cash, span, regimes, block, blocks, seed=seed)
    closed, blocks = block_of(trips["close_ns"], *span, shortest)
    ones = np.ones(len(trips))
    returns = hourly_returns(equity["row_ns"], equity["equity"], *span) if span[1] else np.empty(0)
    return Session(
        tables=tables,
        instrument=instrument,
        cash=cash,
        metrics=metrics,
        trips=trips,
        slippage=slippage,
        taker=taker,
        maker=maker,
        paid=ratio((trips["net"] > 0).astype(np.float64), ones, closed, blocks, seed=seed, least=0, most=1),
        per_trip=ratio(trips["net"], ones, closed, blocks, seed=seed),
        annual=annual(returns, seed=seed),
        hours=(span[1] - span[0]) // HOUR_NS,
        evidence=evidence,
        span=span,
        execution=execution,
    )


def _weighted(values: Floats, weights: Floats, block: Ints, blocks: int, seed: int) -> Estimate:
    known = np.isfinite(values)
    return ratio(
        np.where(known, values * weights, 0.0), np.where(known, weights, 0.0), block, blocks, seed=seed
    )
