"""The mid: how often it moves, how far, how heavy the tails are, and how its size clusters.

Returns over h are r_h(t) = 10⁴ · ln(m_t / m_{t−h}) bps, taken at every row, so they overlap; the observations given
count them once. What Cont (2001) lists as stylised facts of asset returns.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from btcframe.facts.definitions import Fact, Figure, Section
from btcframe.facts.statistics import (
    POSITIVE,
    SHARE,
    Autocorrelation,
    Line,
    LogHistogram,
    Measured,
    Scale,
    Sums,
    Tail,
    lagged,
)
from btcframe.types import NS, Floats, Ints, RowArray, duration_ns

HORIZONS = ("100ms", "1s", "5s", "10s", "30s", "60s")
GRID = ("100ms", "200ms", "500ms", "1s", "2s", "5s", "10s", "20s", "30s", "60s", "120s", "300s")
TAILS = ("1s", "10s")
TAIL_SHARE = 0.05
TAIL_FROM = 0.2
"""Standard deviations: what is smaller is no tail."""
LAGS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600)
MIN_RETURNS, MIN_EXTREMES, MIN_KURTOSIS = 8, 20, 40
"""With fewer that do not overlap there is no figure: it would be noise."""

SECTION = Section(
    "Price",
    (
        Fact("moves", "mid moves", "1/s", "book messages that changed the mid"),
        Fact("reversals", "reversals", "share", "mid moves against the direction of the move before"),
        Fact("jump_ticks", "size of a move", "ticks", "mean |Δm| over a row (100 ms) in which the mid changed"),
        Fact("jump_bps", "size of a move", "bps", "the same in bps"),
        Fact("still", "seconds without a move", "share", "1 s in which the mid ends where it began"),
        *(Fact(f"sd_{h}", f"return sd, {h}", "bps", "√ mean r_h²") for h in HORIZONS),
        Fact("signature", "fine / coarse variance", "1", "realised variance per second at 100 ms over that at 60 s; "
             "1 for a martingale (Andersen, Bollerslev, Diebold & Labys 2000)"),
        *(Fact(f"kurtosis_{h}", f"kurtosis, {h}", "1", "of returns: mean r⁴/(mean r²)²; 3 for a Gaussian")
          for h in HORIZONS),
        Fact("hill", "tail index, 1 s", "1", "Hill (1975) over the largest 5 % of |r_1s|; about 3 in most markets"),
        Fact("return_acf_1", "return ACF, 1 s", "1", "autocorrelation of 1 s returns that do not overlap, lag 1"),
        *(Fact(f"absolute_acf_{k}", f"|return| ACF, {k} s", "1", "autocorrelation of |1 s returns|: volatility clustering")
          for k in (1, 10, 60, 300)),
    ),
    (
        Figure(("sd",), "Standard deviation of returns", "horizon, s", "bps", "√ mean r_h²", "xy"),
        Figure(("signature_plot",), "Signature plot", "sampling interval, s", "bps² per second",
               "realised variance, mean r_h²/h: flat for a martingale, rising to the left for bounce, to the right for trends", "x"),
        Figure(("kurtosis",), "Kurtosis", "horizon, s", "kurtosis", "3 is Gaussian", "xy"),
        Figure(("tail_1s", "tail_10s"), "Tails", "|return| / standard deviation", "share at least as large",
               "solid: 1 s; dotted: 10 s", "xy"),
        Figure(("return_acf",), "Autocorrelation of returns", "lag, s", "autocorrelation", "1 s returns that do not overlap", "x"),
        Figure(("absolute_acf",), "Volatility clustering", "lag, s", "autocorrelation",
               "|1 s returns| that do not overlap", "x"),
    ),
)  # fmt: skip


class PriceFacts:
    """Facts of the mid from a stream of evenly spaced rows.

    Parameters
    ----------
    tick : float
    period_ns : int     length of a row; horizons that are no multiple of it are not known
    """

    def __init__(self, tick: float, period_ns: int) -> None:
        self._tick, self._period_ns = tick, period_ns
        names = dict.fromkeys([*GRID, *HORIZONS])
        self._rows_of = {h: duration_ns(h) // period_ns for h in names if duration_ns(h) % period_ns == 0}
        self._tail = Tail(max(self._rows_of.values(), default=1), 1)
        self._moments = {h: Sums(5) for h in self._rows_of}  # n, r, r², r⁴, zeros
        self._moves = Sums(6)  # rows counted, moves, reversals, rows that moved, |Δm| in ticks, in bps
        self._sizes = {h: LogHistogram() for h in TAILS if h in self._rows_of}
        self._returns = Autocorrelation(LAGS[:7])
        self._absolute = Autocorrelation(LAGS)

    def add(self, rows: RowArray) -> None:
        """Add the rows of a chunk."""
        ns = np.ascontiguousarray(rows["row_ns"])
        joined, kept = self._tail.join(np.log(rows["mid"])[:, None] * 1e4)
        for h, lag in {"": 1, **self._rows_of}.items():
            now, then = lagged(joined, kept, lag)
            r = (now - then)[:, 0]
            at = ns[len(ns) - len(r) :]
            if not h:
                self._add_moves(rows[len(ns) - len(r) :], at, r)
                continue
            self._add_moments(h, at, r)
            if h == "1s":
                seconds = at % NS == 0
                self._returns.add(at[seconds], r[seconds])
                self._absolute.add(at[seconds], np.abs(r[seconds]))

    def _add_moments(self, h: str, ns: Ints, r: Floats) -> None:
        known = np.isfinite(r)
        value = np.where(known, r, 0.0)
        square = value * value
        still = (known & (value == 0)).astype(float)
        self._moments[h].add(ns, [known.astype(float), value, square, square * square, still])
        if h in self._sizes:
            self._sizes[h].add(np.abs(r))

    def _add_moves(self, rows: RowArray, ns: Ints, r: Floats) -> None:
        moves, reversals = rows["mid_moves"], rows["mid_reversals"]
        counted = np.isfinite(moves)
        moved = np.isfinite(r) & (r != 0)
        bps = np.where(moved, np.abs(r), 0.0)
        by = rows["mid"] * np.abs(np.expm1(-r * 1e-4))  # |m_t − m_{t−1}|
        ticks = np.where(moved, by / self._tick, 0.0)
        columns = [
            counted,
            np.where(counted, moves, 0.0),
            np.where(counted, reversals, 0.0),
            moved,
            ticks,
            bps,
        ]
        self._moves.add(ns, [np.asarray(c, float) for c in columns])

    def facts(self) -> dict[str, Measured]:
        """The facts of `SECTION` by key."""
        rows, moves, _, moved, *_ = self._moves.total
        seconds = self._period_ns / NS
        tail, extremes = self._sizes["1s"].hill(TAIL_SHARE) if "1s" in self._sizes else (math.nan, 0.0)
        extremes *= seconds
        return {
            "moves": self._moves.measured(lambda s: s[:, 1] / s[:, 0] / seconds, rows, scale=POSITIVE),
            "reversals": self._moves.measured(lambda s: s[:, 2] / s[:, 1], moves, scale=SHARE),
            "jump_ticks": self._moves.measured(lambda s: s[:, 4] / s[:, 3], moved, scale=POSITIVE),
            "jump_bps": self._moves.measured(lambda s: s[:, 5] / s[:, 3], moved, scale=POSITIVE),
            "still": self._of_returns("1s", lambda s: s[:, 4] / s[:, 0], MIN_RETURNS, SHARE),
            **{f"sd_{h}": self._of_returns(h, _sd, MIN_RETURNS) for h in HORIZONS},
            "signature": Measured(self._signature(), n=self._count("60s")),
            **{f"kurtosis_{h}": self._of_returns(h, _kurtosis, MIN_KURTOSIS) for h in HORIZONS},
            "hill": Measured(tail if extremes >= MIN_EXTREMES else math.nan, n=extremes),
            "return_acf_1": self._returns.at(1, NS),
            **{f"absolute_acf_{k}": self._absolute.at(k, NS) for k in (1, 10, 60, 300)},
        }

    def lines(self) -> dict[str, Line]:
        """The curves of `SECTION` by key."""
        return {
            "sd": self._over_horizons(_sd, MIN_RETURNS),
            "signature_plot": self._over_horizons(_variance, MIN_RETURNS, per_second=True),
            "kurtosis": self._over_horizons(_kurtosis, MIN_KURTOSIS),
            **{f"tail_{h}": self._tail_line(h) for h in TAILS},
            "return_acf": self._returns.line(1.0, NS),
            "absolute_acf": self._absolute.line(1.0, NS),
        }

    def _count(self, h: str) -> float:
        """Returns over h that do not overlap."""
        return float(self._moments[h].total[0]) / self._rows_of[h] if h in self._rows_of else 0.0

    def _of_returns(
        self, h: str, of: Callable[[Floats], Floats], fewest: int, scale: Scale = POSITIVE
    ) -> Measured:
        n = self._count(h)
        if n < fewest:
            return Measured(math.nan, n=n)
        return self._moments[h].measured(of, n, duration_ns(h), scale)

    def _over_horizons(
        self, of: Callable[[Floats], Floats], fewest: int, *, per_second: bool = False
    ) -> Line:
        known = [h for h in GRID if self._count(h) >= fewest]
        seconds = np.array([duration_ns(h) / NS for h in known])
        y, low, high, n = np.array([self._of_returns(h, of, fewest) for h in known]).reshape(-1, 4).T
        by = seconds if per_second else 1.0
        return Line(seconds, y / by, low / by, high / by, n)

    def _signature(self) -> float:
        if self._count("60s") < MIN_RETURNS or "100ms" not in self._rows_of:
            return math.nan
        fine, coarse = (float(_variance(self._moments[h].total[None])[0]) for h in ("100ms", "60s"))
        return fine * 600 / coarse if coarse else math.nan

    def _tail_line(self, h: str) -> Line:
        n = self._count(h)
        sd = float(_sd(self._moments[h].total[None])[0]) if n >= MIN_RETURNS else 0.0
        x, y = self._sizes[h].tail(TAIL_FROM * sd) if sd else (np.empty(0), np.empty(0))
        return Line.of(x / (sd or 1.0), y, n)


def _variance(sums: Floats) -> Floats:
    result: Floats = sums[:, 2] / sums[:, 0]
    return result


def _sd(sums: Floats) -> Floats:
    return np.sqrt(_variance(sums))


def _kurtosis(sums: Floats) -> Floats:
    result: Floats = sums[:, 3] * sums[:, 0] / sums[:, 2] ** 2
    return result
