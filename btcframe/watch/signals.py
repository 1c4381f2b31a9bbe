"""What a running session knows now that matters to whoever executes: `get_execution_signals()`.

The trader's thread leaves one immutable snapshot after every batch that it consumed, by swapping a reference; whoever
asks computes the rest from it in a thread of his own. So neither waits for the other, nothing is read half written, and
a trader that stands still shows: every age is of the moment of the call.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from btcframe.api import Account, Market
from btcframe.latency import Latency, Summary
from btcframe.models.production import Standing
from btcframe.types import NS

PRESSURE_LEVELS = 5
"""Levels of `ExecutionSignals.price_pressure`: those of the feature column execution_urgency."""

SLOPE_LEVELS = 10
"""Levels of the slopes: those of the feature columns slope_bid and slope_ask."""

URGENCY = "execution_urgency"
"""The feature column that is `ExecutionSignals.urgency`."""

SUMMED_NS = NS
"""How old the summary of the latencies may become before somebody who asks makes another."""

_NAN = float("nan")
_Side = tuple[list[float], list[int]]


class Seen(NamedTuple):
    """A snapshot as the trader's thread leaves it; nothing that it refers to is changed any more.

    Parameters
    ----------
    mono_ns : int       when the last item consumed was received, monotonic clock
    now_ns : int        its local time, UTC
    book_ns : int       local time of the last message of the book, UTC; 0: there was none
    market : Market
    account : Account
    cause : str         why the trader is not ACTIVE; "" where it is
    contained : mapping     parts that were switched off, and why
    standing : Standing     which of the session's models predicts, and why
    position_known : bool   see ExecutionSignals
    """

    mono_ns: int
    now_ns: int
    book_ns: int
    market: Market
    account: Account
    cause: str = ""
    contained: Mapping[str, str] = {}
    standing: Standing = Standing()
    position_known: bool = True


class Expected(NamedTuple):
    """What the model predicts over one horizon, in the order of PREDICTION; NaN where it says nothing.

    Parameters
    ----------
    horizon_ns : int
    mean_bps : float            expected return of the mid, bps
    p_up : float                probability that it is positive, 0…1
    low_bps, high_bps : float   bounds of its interval, bps
    """

    horizon_ns: int
    mean_bps: float
    p_up: float
    low_bps: float
    high_bps: float


class ExecutionSignals(NamedTuple):
    """What is known of a market and of our place in it, as of `as_of_ns`, which was `age_ns` ago.

    With b_i, a_i the prices (quote) and B_i, A_i the sizes (the instrument's: base coin, contracts where it is inverse)
    of level i, best first, m = (b_1 + a_1)/2, d_i the distance from m in ticks and bps(x) = 1e4·x/m. What rests on the
    book is NaN where it is not usable (one-sided, crossed, or in doubt), what rests on more levels than there are, too.
    Ages are ns at the call, by the monotonic clock; None: there is nothing yet that could have one.

    Parameters
    ----------
    symbol : str
    as_of_ns : int              local time (ns UTC) of the last item consumed, be it a message or a heartbeat
    age_ns : int                since that was received; it grows while the trader stands still or nothing comes
    idle_ns : int               since the trader had consumed it: much shorter than age_ns where the trader is behind
    staleness_ns : int or None  since the last message of the book was received; heartbeats do not make a book younger
    row_age_ns : int or None    since the edge of the last closed row: the age of urgency, predictions, regime, quality
    usable : bool               the book is whole, two-sided and uncrossed
    bid, ask : float            b_1, a_1, quote
    bid_size, ask_size : float  B_1, A_1
    mid : float                 m, quote
    spread_bps : float          bps(a_1 − b_1)
    microprice_gap_bps : float  bps(mp − m), mp = (a_1·B_1 + b_1·A_1)/(B_1 + A_1) (Stoikov 2018)
    price_pressure : float      (Σw_i·B_i − Σw_i·A_i)/(Σw_i·B_i + Σw_i·A_i) over levels 1…5, w_i = 1/(1 + d_i); −1…1,
                                positive: the bids weigh more (Cao, Hansch & Wang 2009)
    slope_bid, slope_ask : float    least-squares slope of the cumulative size on d over levels 1…10, size per tick
    slope_asymmetry : float     (slope_bid − slope_ask)/(slope_bid + slope_ask), −1…1
    urgency : float             the column execution_urgency of the last row, 0…1: 1/(1 + exp(−x)) with x the expected
                                move and the adverse selection less half the effective spread, bps (docs/features.md);
                                NaN where the session does not compute it
    predictions : tuple of Expected     by horizon, made on the last row
    model : int                 which model made them: its index in the session; −1: none
    step : str                  which one that is: production, previous (production has failed), or none (both have, and
                                nothing is opened); "" in a session without a model
    step_why : str              why it took over in the middle of the session; "" for the one it began with
    mock : bool                 they are noise, to try the plumbing
    model_age_ns : int or None  since the data ended that the model was fitted on; None where that is not known
    regime : mapping            probability by the regime's name, 0…1; empty without a model
    quality : float             of the last row, 0…1 (docs/quality.md)
    contained : mapping         parts of the pipeline that were switched off, and why; trading is gated meanwhile
    latency : mapping           summary by stage since the start, ns (docs/latency.md) …
    latency_age_ns : int        … made so long ago
    state : str                 of the trader: active, reducing (nothing is opened) or halted
    cause : str                 why it is not active
    position : float            signed size
    position_lots : int         the same in lots
    average_price : float       of the open position, quote; 0 when flat
    working : int               orders that are not final
    equity : float              cash and position at the mid, quote
    day_profit : float          equity less that at the beginning of the UTC day, quote
    drawdown : float            1 − equity/highest equity, 0…1
    fees : float                paid so far, quote
    position_known : bool       false: the exchange contradicts what our fills add up to (docs/trade.md)
    """

    symbol: str
    as_of_ns: int
    age_ns: int
    idle_ns: int
    staleness_ns: int | None
    row_age_ns: int | None
    usable: bool
    bid: float
    ask: float
    bid_size: float
    ask_size: float
    mid: float
    spread_bps: float
    microprice_gap_bps: float
    price_pressure: float
    slope_bid: float
    slope_ask: float
    slope_asymmetry: float
    urgency: float
    predictions: tuple[Expected, ...]
    model: int
    step: str
    step_why: str
    mock: bool
    model_age_ns: int | None
    regime: Mapping[str, float]
    quality: float
    contained: Mapping[str, str]
    latency: Mapping[str, Summary]
    latency_age_ns: int
    state: str
    cause: str
    position: float
    position_lots: int
    average_price: float
    working: int
    equity: float
    day_profit: float
    drawdown: float
    fees: float
    position_known: bool = True

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it: mappings and lists, None for NaN."""
        told: dict[str, Any] = {name: _plain(value) for name, value in self._asdict().items()}
        told["predictions"] = [
            {name: _plain(value) for name, value in expected._asdict().items()}
            for expected in self.predictions
        ]
        told["regime"] = {name: _plain(value) for name, value in self.regime.items()}
        told["latency"] = {stage: summary._asdict() for stage, summary in self.latency.items()}
        return told | {"contained": dict(self.contained)}


class Signals:
    """Where the trader's thread leaves its snapshots, and everybody else reads.

    Parameters
    ----------
    latency : Latency
    now : callable      the monotonic clock of EVENT.mono_ts, ns
    """

    def __init__(self, latency: Latency, now: Callable[[], int] = time.monotonic_ns) -> None:
        self.now = now
        self._latency = latency
        self._seen: tuple[Seen, int] | None = None  # and when it was left
        self._summary: tuple[int, Mapping[str, Summary]] | None = None  # when it was made, and the stages

    def publish(self, seen: Seen) -> None:
        """Leave a snapshot; the one before is gone. In the trader's thread, whenever it has consumed something."""
        self._seen = (seen, self.now())

    def read(self) -> ExecutionSignals | None:
        """What is known now; from any thread, at any time. None before the first snapshot."""
        left = self._seen  # once: what follows is of one moment
        if left is None:
            return None
        (seen, left_ns), (summed_ns, latency) = left, self._summed()
        now_ns = self.now()
        ages = _Ages(now_ns - seen.mono_ns, now_ns - left_ns, now_ns - summed_ns)
        return _signals(seen, ages, latency)

    def _summed(self) -> tuple[int, Mapping[str, Summary]]:
        summary, now_ns = self._summary, self.now()
        if summary is None or now_ns - summary[0] > SUMMED_NS:
            # two who find it old make it twice, and one of the two stays: both are true
            summary = self._summary = (now_ns, self._latency.copy().summary())
        return summary


class _Ages(NamedTuple):
    item_ns: int
    idle_ns: int
    latency_ns: int


def _signals(seen: Seen, ages: _Ages, latency: Mapping[str, Summary]) -> ExecutionSignals:
    market, account = seen.market, seen.account
    position, instrument, row = account.position, market.instrument, market.row
    ahead_ns = seen.now_ns + ages.item_ns  # local time of the call, as stamps tell it
    prediction = market.prediction
    book = _book(market) if market.usable else _NO_BOOK
    return ExecutionSignals(
        symbol=instrument.symbol,
        as_of_ns=seen.now_ns,
        age_ns=ages.item_ns,
        idle_ns=ages.idle_ns,
        staleness_ns=ahead_ns - seen.book_ns if seen.book_ns else None,
        row_age_ns=None if row is None else ahead_ns - int(row["row_ns"]),
        usable=market.usable,
        **book,
        urgency=_NAN
        if row is None or URGENCY not in market.columns
        else float(market.x[market.columns.index(URGENCY)]),
        predictions=tuple(Expected(*values[1:6]) for values in prediction.tolist()),
        model=int(prediction["model"][0]) if len(prediction) else -1,
        step=seen.standing.step,
        step_why=seen.standing.why,
        mock=seen.standing.mock,
        model_age_ns=ahead_ns - market.model_ns if market.model_ns else None,
        regime=dict(zip(market.regimes, market.regime.tolist(), strict=True)),
        quality=_NAN if row is None else float(row["quality"]),
        contained=seen.contained,
        latency=latency,
        latency_age_ns=ages.latency_ns,
        state=account.state.name.lower(),
        cause=seen.cause,
        position=math.copysign(instrument.size(abs(position.lots)), position.lots),
        position_lots=position.lots,
        average_price=position.average_price,
        working=len(position.working),
        equity=account.equity,
        day_profit=account.equity - account.day_equity,
        drawdown=1 - account.equity / account.peak_equity if account.peak_equity > 0 else _NAN,
        fees=account.fees,
        position_known=seen.position_known,
    )


_NO_BOOK: dict[str, float] = dict.fromkeys(
    (
        "bid", "ask", "bid_size", "ask_size", "mid", "spread_bps", "microprice_gap_bps", "price_pressure", "slope_bid",
        "slope_ask", "slope_asymmetry",
    ),
    _NAN,
)  # fmt: skip


def _book(market: Market) -> dict[str, float]:
    """What a usable book says, by the names of ExecutionSignals."""
    instrument = market.instrument
    bid_ticks, ask_ticks = int(market.bid_ticks[0]), int(market.ask_ticks[0])
    twice_mid = bid_ticks + ask_ticks  # in ticks: whole, so distances are exact
    bids, asks = (
        _depth(market.bid_ticks, market.bid_lots, twice_mid),
        _depth(market.ask_ticks, market.ask_lots, twice_mid),
    )
    num, den = instrument.lot_ratio
    best = float(market.bid_lots[0]), float(market.ask_lots[0])
    spread = ask_ticks - bid_ticks
    slope_bid, slope_ask = _slope(*bids) * num / den, _slope(*asks) * num / den
    return {
        "bid": instrument.price(bid_ticks),
        "ask": instrument.price(ask_ticks),
        "bid_size": instrument.size(int(market.bid_lots[0])),
        "ask_size": instrument.size(int(market.ask_lots[0])),
        "mid": market.mid,
        "spread_bps": 2e4 * spread / twice_mid,
        # mp − m = (a_1 − b_1)/2 · (B_1 − A_1)/(B_1 + A_1)
        "microprice_gap_bps": 1e4 * spread / twice_mid * _share(*best),
        "price_pressure": _share(_weight(*bids), _weight(*asks)),
        "slope_bid": slope_bid,
        "slope_ask": slope_ask,
        "slope_asymmetry": _share(slope_bid, slope_ask),
    }


def _depth(ticks: Any, lots: Any, twice_mid: int) -> _Side:
    """Distances from the mid, ticks, and sizes, lots; as lists, since NumPy takes longer for so few."""
    near = slice(SLOPE_LEVELS)
    return [abs(2 * tick - twice_mid) / 2 for tick in ticks[near].tolist()], lots[near].tolist()


def _weight(distance: Sequence[float], lots: Sequence[int]) -> float:
    if len(lots) < PRESSURE_LEVELS:
        return _NAN
    return sum([n / (1 + d) for d, n in zip(distance[:PRESSURE_LEVELS], lots, strict=False)])


def _slope(distance: Sequence[float], lots: Sequence[int]) -> float:
    if len(lots) < SLOPE_LEVELS:
        return _NAN
    mean = sum(distance) / SLOPE_LEVELS
    off = [d - mean for d in distance]
    return sum([d * n for d, n in zip(off, accumulate(lots), strict=True)]) / sum([d * d for d in off])


def _share(one: float, other: float) -> float:
    """(one − other)/(one + other), 0 of nothing."""
    both = one + other
    return (one - other) / both if both != 0 else 0.0


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
