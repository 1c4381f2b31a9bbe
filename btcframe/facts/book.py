"""Spread and depth: what the book looks like at the end of a row."""

from __future__ import annotations

import math

import numpy as np

from btcframe.facts.definitions import Fact, Figure, Section
from btcframe.facts.statistics import POSITIVE, SHARE, Line, LogHistogram, Measured, Sums
from btcframe.types import LEVELS, NS, Floats, RowArray

SECTION = Section(
    "Spread and depth",
    (
        Fact("spread_ticks", "spread, mean", "ticks", "a₁ − b₁ at the end of a row"),
        Fact("spread_bps", "spread, mean", "bps", "(a₁ − b₁)/m"),
        Fact("spread_one", "spread of one tick", "share", "rows whose spread is one tick"),
        Fact("spread_p99", "spread, 99 %", "ticks", "99 % of the rows have no wider spread"),
        Fact("best_size", "best size, mean", "base", "B₁ and A₁, pooled"),
        Fact("best_size_median", "best size, median", "base", "B₁ and A₁, pooled, once a second; to 0.5 %"),
        Fact("best_size_cv", "best size, cv", "1", "standard deviation over mean of B₁ and A₁, once a second"),
        Fact("best_share", "best of 20 levels", "share", "mean size of the best over that of all 20 levels"),
        Fact("gap_ticks", "gap between levels", "ticks", "mean distance of neighbouring levels, over levels 1 to 20"),
        Fact("reach_bps", "distance of level 20", "bps", "|price of level 20 − m|/m, mean of both sides"),
    ),
    (
        Figure(("spread_tail",), "Spread", "spread, ticks", "share of rows at least as wide",
               "1 − cumulative distribution over rows", "xy"),
        Figure(("depth_mean", "depth_median"), "Depth by level", "level", "size, base coin",
               "solid: mean; dotted: median (to 0.5 %); both sides pooled, once a second", "y"),
        Figure(("gap",), "Gap between levels", "level", "distance to the level before, ticks",
               "mean, both sides pooled, once a second", "y"),
        Figure(("distance",), "Depth by distance", "distance from the mid, bps", "cumulative size, base coin",
               "mean size down to each level against the mean distance of that level", "xy"),
    ),
)  # fmt: skip

_WIDEST = 10_000
LOOK_NS = NS
"""The sizes of all levels are looked at once a second: neighbouring rows hold nearly the same."""


class BookFacts:
    """Spread and depth of a stream of rows; those without twenty levels a side are left out of the depth.

    Parameters
    ----------
    tick : float        price step, quote
    period_ns : int     length of a row
    """

    def __init__(self, tick: float, period_ns: int) -> None:
        self._tick, self._period_ns = tick, period_ns
        self._spread = np.zeros(_WIDEST + 1)  # rows by spread in ticks; the last bin holds all that are wider
        self._sums = Sums(6)  # rows, ticks, bps, rows at one tick, best sizes, their sum
        self._sizes = [LogHistogram() for _ in range(LEVELS)]
        self._levels = np.zeros((3, LEVELS))  # sums of gap (ticks) and distance (bps) over n rows

    def add(self, rows: RowArray) -> None:
        """Add the rows of a chunk."""
        known = np.isfinite(rows["mid"])
        mid, ns = rows["mid"][known], rows["row_ns"][known]
        ticks = np.rint((rows["ask_px"][:, 0] - rows["bid_px"][:, 0])[known] / self._tick)
        self._spread += np.bincount(np.minimum(ticks, _WIDEST).astype(np.int64), minlength=_WIDEST + 1)
        bps = ticks * self._tick / mid * 1e4
        best = (rows["bid_sz"][:, 0] + rows["ask_sz"][:, 0])[known]
        one = (ticks == 1).astype(float)
        self._sums.add(ns, [np.ones(len(ns)), ticks, bps, one, np.full(len(ns), 2.0), best])
        looked = rows[known & (rows["row_ns"] % LOOK_NS < self._period_ns)]
        for sizes, prices, sign in (("bid_sz", "bid_px", -1), ("ask_sz", "ask_px", 1)):
            self._add_side(looked[sizes], sign * (looked[prices] - looked["mid"][:, None]), looked["mid"])

    def _add_side(self, sizes: Floats, away: Floats, mid: Floats) -> None:
        whole = np.isfinite(sizes[:, -1])
        columns = np.ascontiguousarray(sizes[whole].T)
        for level, histogram in enumerate(self._sizes):
            histogram.add(columns[level])
        away = away[whole]
        self._levels[0] += whole.sum()
        self._levels[1, 1:] += np.diff(away, axis=1).sum(axis=0) / self._tick
        self._levels[2] += (away / mid[whole, None]).sum(axis=0) * 1e4

    def facts(self) -> dict[str, Measured]:
        """The facts of `SECTION` by key."""
        n, (best, *_) = float(self._sums.total[0]), self._sizes
        level = self._levels[1:] / np.maximum(self._levels[0], 1)
        means = [h.mean for h in self._sizes]
        seen = best.n > 0
        return {
            "spread_ticks": self._sums.measured(lambda s: s[:, 1] / s[:, 0], n, scale=POSITIVE),
            "spread_bps": self._sums.measured(lambda s: s[:, 2] / s[:, 0], n, scale=POSITIVE),
            "spread_one": self._sums.measured(lambda s: s[:, 3] / s[:, 0], n, scale=SHARE),
            "spread_p99": Measured(float(np.searchsorted(np.cumsum(self._spread), 0.99 * n)), n=n),
            "best_size": self._sums.measured(lambda s: s[:, 5] / s[:, 4], 2 * n, scale=POSITIVE),
            "best_size_median": Measured(best.quantile(0.5), n=best.n),
            "best_size_cv": Measured(best.variation, n=best.n),
            "best_share": Measured(best.mean / sum(means), n=best.n),
            "gap_ticks": Measured(float(level[0, 1:].mean()) if seen else math.nan, n=best.n),
            "reach_bps": Measured(float(level[1, -1]) if seen else math.nan, n=best.n),
        }

    def lines(self) -> dict[str, Line]:
        """The curves of `SECTION` by key."""
        n = self._spread.sum()
        wide = np.flatnonzero(self._spread)
        at_least = np.cumsum(self._spread[::-1])[::-1][wide] / n
        numbers = np.arange(1.0, LEVELS + 1)
        sizes, (gap, distance) = self._sizes, self._levels[1:] / np.maximum(self._levels[0], 1)
        mean = np.array([h.mean for h in sizes])
        return {
            "spread_tail": Line.of(wide.astype(float), at_least, n),
            "depth_mean": Line.of(numbers, mean, sizes[0].n),
            "depth_median": Line.of(numbers, np.array([h.quantile(0.5) for h in sizes]), sizes[0].n),
            "gap": Line.of(numbers[1:], gap[1:], sizes[0].n),
            "distance": Line.of(distance, np.cumsum(mean), sizes[0].n),
        }
