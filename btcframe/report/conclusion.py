"""Whether a backtest is evidence of an edge after costs: yes, no, or not enough data. One fixed rule.

1. The time traded out of sample is cut into equal blocks, as many as fit but at most `MOST_BLOCKS`, none shorter than
   an hour or than five mean holding times. A block's result is the change of equity over it, after costs.
2. **Not enough data** below `MIN_BLOCKS` blocks in which the account moved, or below `MIN_TRIPS` round trips.
3. **Yes** if the lower 95 % bound of the mean result of a block is above 0. **No** otherwise.

Why these numbers (docs/report.md has the table that was measured):

- *An hour, five holding times*: a position that is still open at the edge ties two blocks together; so it does to a
  fifth of their length at most. At most 60 blocks: on long data they become days, which outlast a good hour.
- *30 blocks*: below, the bounds depend on the shape of the distribution, which so few blocks do not tell.
- *100 round trips*: a loss that strikes once in 33 trips or more often is then seen with 95 % probability (the rule
  of three: 3/n). What is rarer stays unseen, however good the figures look.
- *The bound* is the lower of two: Student's t, which rare large losses deceive, and the studentised bootstrap (Efron &
  Tibshirani 1993, ch. 12.5), which heavy tails deceive. Good and bad hours come in rows: blocks that resemble their
  neighbours count as fewer (`worth`). Without an edge, yes comes in 1 to 3 % of the runs.

The rule knows one run. The best of twenty settings says yes without any edge in up to four cases of ten.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from btcframe.report.metrics import Estimate
from btcframe.report.words import counted, rounded, span_text
from btcframe.types import NS, Floats, Ints

HOUR_NS = 3600 * NS
HOLDINGS = 5
MOST_BLOCKS = 60
MIN_BLOCKS = 30
MIN_TRIPS = 100
RESAMPLES = 2000

YES, NO, OPEN = "yes", "no", "not enough data"


class Evidence(NamedTuple):
    """What the rule looks at.

    Parameters
    ----------
    span_ns : int             traded out of sample
    block_ns : int            length of a block, 0 where not one fits
    results : tuple of float  of each block, quote
    trips : int               round trips
    orders : int              sent
    net : float               result of the whole span, quote
    """

    span_ns: int
    block_ns: int
    results: tuple[float, ...]
    trips: int
    orders: int
    net: float

    @property
    def active(self) -> int:
        """Blocks in which the account moved."""
        return sum(result != 0 for result in self.results)


class Verdict(NamedTuple):
    """The answer, the sentence that says it, and the mean result of an hour behind it (quote, 95 % interval)."""

    answer: str
    sentence: str
    hourly: Estimate

    def plain(self) -> Mapping[str, Any]:
        """Plain values, for a manifest; NaN as null."""
        hourly = {k: None if math.isnan(v) else v for k, v in self.hourly._asdict().items()}
        return {"answer": self.answer, "sentence": self.sentence, "net_per_hour": hourly}


def cut(row_ns: Ints, equity: Floats, first_ns: int, last_ns: int, holding_ns: float) -> tuple[int, Floats]:
    """Results of equal blocks of time.

    Parameters
    ----------
    row_ns : int64[n]         of the equity
    equity : float64[n]       quote
    first_ns, last_ns : int   the traded span; what comes after it belongs to its last block
    holding_ns : float        mean time a position was held, NaN where none was

    Returns
    -------
    (block_ns, results) : (int, float64[blocks])
        0 and nothing where not one block fits.
    """
    shortest = max(float(HOUR_NS), 0.0 if math.isnan(holding_ns) else HOLDINGS * holding_ns)
    span = last_ns - first_ns
    blocks = min(int(span / shortest), MOST_BLOCKS)
    if blocks < 1:
        return 0, np.empty(0)
    edges = first_ns + span * np.arange(blocks + 1) // blocks
    at = np.maximum(np.searchsorted(row_ns, edges, side="right") - 1, 0)
    at[-1] = len(row_ns) - 1
    return span // blocks, np.diff(np.asarray(equity[at], np.float64))


def worth(results: Floats) -> float:
    """How many independent blocks as many that resemble their neighbours are worth: n · (1 − ρ)/(1 + ρ).

    ρ is the correlation of neighbours, corrected for its bias (r + (1 + 4r)/n: Kendall, Biometrika 41, 1954) and taken
    as 0 where it is negative. 2 at least, so that there is an error left.
    """
    n = len(results)
    away = results - results.mean()
    total = float(away @ away)
    if n < 3 or total == 0:
        return float(n)
    r = float(away[1:] @ away[:-1]) / total
    rho = min(max(r + (1 + 4 * r) / n, 0.0), 0.99)
    return max(n * (1 - rho) / (1 + rho), 2.0)


def bounds(results: Floats, *, seed: int) -> Estimate:
    """Mean of the blocks' results with the wider of two 95 % intervals: Student's t and studentised bootstrap.

    Parameters
    ----------
    results : float64[n]
    seed : int
    """
    from scipy.special import stdtrit  # scipy.stats would take a second to import

    n, independent = len(results), worth(results)
    mean = float(results.mean())
    if n < 2:
        return Estimate(mean)
    spread = float(results.std(ddof=1))
    if spread == 0:
        return Estimate(mean, mean, mean)
    drawn = results[np.random.default_rng([seed, n]).integers(n, size=(RESAMPLES, n))]
    errors = drawn.std(axis=1, ddof=1) / math.sqrt(n)
    valid = errors > 1e-9 * spread  # a sample of one value drawn n times has no t
    t = (drawn.mean(axis=1)[valid] - mean) / errors[valid]
    low_t, high_t = np.quantile(t, (0.025, 0.975)).tolist()
    q = float(stdtrit(independent - 1, 0.975))
    error = spread / math.sqrt(independent)
    return Estimate(mean, mean - error * max(q, high_t), mean + error * max(q, -low_t))


def conclude(
    evidence: Evidence, market: str, quote: str, *, seed: int, at: str = "a simulated venue"
) -> Verdict:
    """The verdict on a session.

    Parameters
    ----------
    evidence : Evidence
    market : str       what was traded and where it comes from, for the sentence
    quote : str        currency
    seed : int         of the bootstrap
    at : str           where, for the sentence, see `place`
    """
    e = evidence
    per_hour = HOUR_NS / e.block_ns if e.block_ns else math.nan
    found = bounds(np.array(e.results), seed=seed) if len(e.results) else Estimate(math.nan)
    hourly = Estimate(*(per_hour * value for value in found))
    where = f"{span_text(e.span_ns)} of one market ({market}), traded out of sample at {at}"
    if not e.orders:
        sentence = f"{where}: no order was sent, so there is nothing to judge."
        return Verdict(OPEN, sentence, Estimate(math.nan))
    if e.active < MIN_BLOCKS or e.trips < MIN_TRIPS:
        sentence = (
            f"{where}, prove nothing about profit: {_blocks(e)} and {counted(e.trips, 'round trip')}, "
            f"where at least {MIN_BLOCKS} and {MIN_TRIPS} are needed."
        )
        return Verdict(OPEN, sentence, hourly._replace(low=math.nan, high=math.nan))
    value, low, high = rounded(hourly)
    result = f"{value} {quote} an hour after costs [{low}, {high}] in {counted(e.trips, 'round trip')}"
    if hourly.low > 0:
        return Verdict(YES, f"{where}: {result}. The lower bound is above 0.", hourly)
    if hourly.high < 0:
        return Verdict(NO, f"{where}: {result}. It loses money.", hourly)
    return Verdict(NO, f"{where}: {result}. That cannot be told from nothing.", hourly)


def place(venue: Mapping[str, Any]) -> str:
    """Where a config's venue trades, in words: an exchange is named by its endpoint."""
    if "endpoint" not in venue:
        return "a simulated venue"
    return f"{venue.get('exchange', 'an exchange')}, {venue['endpoint']}"


def _blocks(e: Evidence) -> str:
    if not e.results:
        return "not one block of time"
    return f"{counted(e.active, 'block')} of {span_text(e.block_ns)} with trading"


def not_traded() -> Verdict:
    """The verdict on a run that only trained."""
    return Verdict(
        OPEN, "Nothing was traded: this is a training, and it says nothing about profit.", Estimate(math.nan)
    )
