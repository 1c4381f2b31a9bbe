"""Estimates from a stream: each of these sees the data once, in chunks, and keeps what does not grow with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from btcframe.types import NS, Floats, Ints

STRETCHES = 64
"""Stretches of time that sums are kept for at most."""

FIRST_NS = 30 * NS
"""Length of a stretch at first; it doubles whenever there are more than `STRETCHES`."""

MIN_STRETCHES = 8
"""Fewer give no interval."""

BLOCK_HORIZONS = 5
"""Horizons that a stretch must span for an interval: shorter ones are not independent of each other."""

Bools = np.typing.NDArray[np.bool_]


class Measured(NamedTuple):
    """A value, its 95 % interval (NaN where the data do not give one), and the observations behind it."""

    value: float
    low: float = math.nan
    high: float = math.nan
    n: float = math.nan  # independent observations: overlapping ones are counted once


class Line(NamedTuple):
    """A curve: y at x, its 95 % interval where there is one, and the observations behind each point."""

    x: Floats
    y: Floats
    low: Floats
    high: Floats
    n: Floats

    @classmethod
    def of(cls, x: Sequence[float] | Floats, y: Floats, n: float | Floats = math.nan) -> Line:
        """A line without intervals."""
        none = np.full(len(y), np.nan)
        return cls(np.asarray(x, float), y, none, none, np.broadcast_to(np.asarray(n, float), y.shape))


class Scale(NamedTuple):
    """Where an error is symmetric: a function and its inverse."""

    to: Callable[[Floats], Floats]
    back: Callable[[Floats], Floats]


PLAIN = Scale(lambda x: x, lambda x: x)
POSITIVE = Scale(np.log, np.exp)
SHARE = Scale(lambda x: np.log(x / (1 - x)), lambda x: 1 / (1 + np.exp(-x)))
CORRELATION = Scale(np.arctanh, np.tanh)
"""Fisher's z."""


class Sums:
    """Sums of columns by stretch of time: at most `STRETCHES`; when there are more, neighbours are merged.

    Parameters
    ----------
    width : int     columns
    """

    def __init__(self, width: int) -> None:
        self._table = np.zeros((STRETCHES, width))
        self._stretch_ns = FIRST_NS
        self._first_ns: int | None = None
        self._used = 0

    def add(self, ns: Ints, columns: Sequence[Floats]) -> None:
        """Add float64[n] columns of observations made at int64[n] times, not decreasing."""
        if not len(ns):
            return
        if self._first_ns is None:
            self._first_ns = int(ns[0])
        while (int(ns[-1]) - self._first_ns) // self._stretch_ns >= STRETCHES:
            merged = self._table[0::2] + self._table[1::2]
            self._table[: STRETCHES // 2], self._table[STRETCHES // 2 :] = merged, 0.0
            self._stretch_ns *= 2
        stretch = (ns - self._first_ns) // self._stretch_ns
        starts = np.flatnonzero(np.diff(stretch, prepend=-1))
        for j, column in enumerate(columns):
            self._table[stretch[starts], j] += np.add.reduceat(column, starts)
        self._used = int(stretch[-1]) + 1

    @property
    def total(self) -> Floats:
        """float64[width]: sums over everything."""
        total: Floats = self._table.sum(axis=0)
        return total

    def measured(
        self, of: Callable[[Floats], Floats], n: float, horizon_ns: int = 0, scale: Scale | None = None
    ) -> Measured:
        """A function of the sums with its 95 % interval, by the delete-one-stretch jackknife.

        se² = (B − 1)/B · Σ (θ₋ᵦ − mean θ₋ᵦ)², interval θ ± t₀.₉₇₅(B − 1)·se (Künsch 1989, with disjoint blocks), on the
        scale g(θ) where one is given, so that the bounds stay where θ can be.

        Parameters
        ----------
        of : callable       float64[b, width] sums → float64[b]
        n : float           observations behind it
        horizon_ns : int    how long what is observed at one time takes; stretches are merged until they span five
        scale : Scale       POSITIVE, SHARE or CORRELATION

        Returns
        -------
        Measured    bounds NaN with fewer than 8 stretches
        """
        scale = scale or PLAIN
        table = self._table[: self._used]
        length = self._stretch_ns
        while length < BLOCK_HORIZONS * horizon_ns and len(table) >= MIN_STRETCHES:
            table = np.add.reduceat(table, np.arange(0, len(table), 2), axis=0)
            length *= 2
        total = self.total
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(of(total[None])[0])
            blocks = len(table)
            if blocks < MIN_STRETCHES or not math.isfinite(value):
                return Measured(value, n=n)
            left = scale.to(of(total - table))
            error = math.sqrt((blocks - 1) / blocks * float(((left - left.mean()) ** 2).sum()))
            middle, away = scale.to(np.array(value)), _t975(blocks - 1) * error
            bounds = scale.back(np.array([middle - away, middle + away]))
        return Measured(value, float(bounds[0]), float(bounds[1]), n)


def _t975(degrees: int) -> float:
    """97.5 % quantile of Student's t (Cornish–Fisher, to 1 % from 7 degrees on)."""
    z = 1.959964
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def moments(x: Floats, y: Floats, valid: Bools) -> tuple[Floats, ...]:
    """Columns n, Σx, Σy, Σx², Σy², Σxy of pairs; the others count nothing."""
    x, y = np.where(valid, x, 0.0), np.where(valid, y, 0.0)
    return valid.astype(float), x, y, x * x, y * y, x * y


def correlation(sums: Floats) -> Floats:
    """Pearson correlation from the six columns of `moments`."""
    n, x, y, xx, yy, xy = sums.T
    result: Floats = (xy - x * y / n) / np.sqrt((xx - x * x / n) * (yy - y * y / n))
    return result


def slope(sums: Floats) -> Floats:
    """Least-squares slope of y on x from the six columns of `moments`."""
    n, x, y, xx, _, xy = sums.T
    result: Floats = (xy - x * y / n) / (xx - x * x / n)
    return result


class Tail:
    """The end of the last chunk, as far back as the longest lag reaches, put before the next one."""

    def __init__(self, longest: int, width: int) -> None:
        self._longest = longest
        self._kept = np.empty((0, width))

    def join(self, chunk: Floats) -> tuple[Floats, int]:
        """(float64[kept + n, width], kept): what was kept with the chunk behind it."""
        kept = len(self._kept)
        joined = np.concatenate([self._kept, chunk])
        self._kept = joined[max(len(joined) - self._longest, 0) :].copy()
        return joined, kept


def lagged(joined: Floats, kept: int, lag: int) -> tuple[Floats, Floats]:
    """(now, then): the observations after `kept` and those `lag` before them; the first ones have none."""
    first = max(kept, lag)
    return joined[first:], joined[first - lag : max(len(joined) - lag, 0)]


class Autocorrelation:
    """Autocorrelation of a series at some lags.

    ρ_k = [Σ (x_t − x̄)(x_{t−k} − x̄)/n_k] / [Σ (x_t − x̄)²/n]

    Parameters
    ----------
    lags : sequence of int
    """

    def __init__(self, lags: Sequence[int]) -> None:
        self.lags = tuple(lags)
        self._tail = Tail(max(lags), 1)
        self._sums = Sums(3 + 4 * len(lags))

    def add(self, ns: Ints, x: Floats) -> None:
        """Add float64[n] observed at int64[n]; NaN is a missing one."""
        joined, kept = self._tail.join(x[:, None])
        known = np.isfinite(joined)
        values = np.where(known, joined, 0.0)
        now = values[kept:, 0]
        columns = [known[kept:, 0].astype(float), now, now * now]
        for lag in self.lags:
            new, old = (a[:, 0] for a in lagged(values, kept, lag))
            both = np.logical_and(*(a[:, 0] for a in lagged(known, kept, lag)))
            missing = len(x) - len(new)
            pairs = (both, both * new, both * old, both * new * old)
            columns += [np.concatenate([np.zeros(missing), column]) for column in pairs]
        self._sums.add(ns, columns)

    def line(self, step: float = 1.0, step_ns: int = 0) -> Line:
        """ρ at every lag that the series is ten times as long as; x is the lag times `step`."""
        n = self._sums.total[0]
        lags = [lag for lag in self.lags if n >= 10 * lag]
        value, low, high, _ = np.array([self.at(lag, step_ns) for lag in lags]).reshape(-1, 4).T
        return Line(np.array(lags, float) * step, value, low, high, n - np.array(lags, float))

    def at(self, lag: int, step_ns: int = 0) -> Measured:
        """ρ at one of the lags; NaN where the series is not ten times as long."""
        n = float(self._sums.total[0])
        if n < 10 * lag:
            return Measured(math.nan, n=n)
        i = self.lags.index(lag)
        return self._sums.measured(lambda sums: self._rho(sums)[:, i], n, lag * step_ns, CORRELATION)

    def _rho(self, sums: Floats) -> Floats:
        n, x, xx = sums[:, :3].T[:, :, None]
        pairs, new, old, product = np.moveaxis(sums[:, 3:].reshape(len(sums), -1, 4), 2, 0)
        mean = x / n
        covariance = (product - mean * (new + old) + mean * mean * pairs) / pairs
        result: Floats = covariance / (xx / n - mean * mean)
        return result


class LogHistogram:
    """Counts of positive numbers in bins 1 % wide: quantiles and tails to half of that, from 1e-9 to 1e9."""

    STEP = 0.01
    LOWEST = -2073  # exp(STEP · LOWEST) = 1e-9
    BINS = 4146

    def __init__(self) -> None:
        self.counts = np.zeros(self.BINS)
        self.zeros = 0.0
        self.sum = 0.0
        self.sum_squares = 0.0

    def add(self, values: Floats) -> None:
        """Add float64[n] >= 0; NaN is skipped."""
        values = values[np.isfinite(values)]
        positive = values[values > 0]
        at = np.floor(np.log(positive) / self.STEP).astype(np.int64) - self.LOWEST
        self.counts += np.bincount(np.clip(at, 0, self.BINS - 1), minlength=self.BINS)
        self.zeros += len(values) - len(positive)
        self.sum += float(positive.sum())
        self.sum_squares += float(positive @ positive)

    @property
    def n(self) -> float:
        """How many were added."""
        return self.zeros + float(self.counts.sum())

    @property
    def mean(self) -> float:
        """Their exact mean."""
        return self.sum / self.n if self.n else math.nan

    @property
    def variation(self) -> float:
        """Their exact standard deviation over their mean."""
        if not self.sum:
            return math.nan
        return math.sqrt(max(self.sum_squares / self.n - self.mean**2, 0.0)) / self.mean

    def quantile(self, q: float) -> float:
        """The middle of the bin that a share q of the numbers does not exceed."""
        if not self.n:
            return math.nan
        at = int(np.searchsorted(self.zeros + np.cumsum(self.counts), q * self.n))
        return 0.0 if q * self.n <= self.zeros else self._middle(at)

    def tail(self, above: float = 0.0, points: int = 60) -> tuple[Floats, Floats]:
        """(x, share of the numbers >= x) at up to `points` bins that hold any, from x = `above` to the largest."""
        held = np.flatnonzero(self.counts)
        held = held[np.exp((held + self.LOWEST) * self.STEP) >= above]
        if not len(held):
            return np.empty(0), np.empty(0)
        larger = np.cumsum(self.counts[::-1])[::-1] / self.n
        wanted = np.unique(np.linspace(held[0], held[-1], points).astype(int))
        chosen = np.unique(held[np.searchsorted(held, wanted)])
        return np.exp((chosen + self.LOWEST) * self.STEP), larger[chosen]

    def hill(self, share: float) -> tuple[float, float]:
        """(Hill's tail index of the largest `share`, how many they are): 1 / mean ln(x/threshold) (Hill 1975)."""
        above = np.cumsum(self.counts[::-1])[::-1]
        within = np.flatnonzero((above <= share * self.n) & (above > 0))
        if not len(within):
            return math.nan, 0.0
        first = within[0]
        excess = (np.arange(first, self.BINS) - first + 0.5) * self.STEP
        mean = float(self.counts[first:] @ excess) / float(above[first])
        return 1 / mean, float(above[first])

    def _middle(self, at: int) -> float:
        return math.exp((at + self.LOWEST + 0.5) * self.STEP)


class Curve:
    """Mean of y by x: fine bins of x (2 %, signed), put together at the end into bins of equal counts."""

    UNIT = 1e-3  # below it bins are of equal width
    STEP = 0.02
    HALF = 1100  # x up to ±1.8e6

    def __init__(self) -> None:
        self._sums = np.zeros((4, 2 * self.HALF + 1))

    def add(self, x: Floats, y: Floats) -> None:
        """Add pairs, float64[n] each; those with a NaN are skipped."""
        both = np.isfinite(x) & np.isfinite(y)
        x, y = x[both], y[both]
        at = np.rint(np.arcsinh(x / self.UNIT) / self.STEP).astype(np.int64) + self.HALF
        at = np.clip(at, 0, 2 * self.HALF)
        for sums, weight in zip(self._sums, (np.ones(len(x)), x, y, y * y), strict=True):
            sums += np.bincount(at, weight, minlength=len(sums))

    def line(self, parts: int, overlap: float) -> Line:
        """Mean of y with ±1.96 standard errors in `parts` bins; each `overlap` observations count as one."""
        n = self._sums[0]
        if not n.any():
            empty = np.empty(0)
            return Line(empty, empty, empty, empty, empty)
        held = self._sums[:, n > 0]
        middle = np.cumsum(held[0]) - held[0] / 2
        group = np.floor(middle / n.sum() * parts)
        n, x, y, yy = np.add.reduceat(held, np.flatnonzero(np.diff(group, prepend=-1)), axis=1)
        independent = np.maximum(n / overlap, 1.0)
        error = 1.959964 * np.sqrt(np.maximum(yy / n - (y / n) ** 2, 0.0) / independent)
        return Line(x / n, y / n, y / n - error, y / n + error, n / overlap)


class Sample:
    """Every k-th number of a stream; k doubles whenever more than `size` are kept."""

    def __init__(self, size: int = 65_536) -> None:
        self._kept = np.empty(0)
        self._size, self._every, self._skip = size, 1, 0

    def add(self, values: Floats) -> None:
        """Add float64[n]."""
        chosen = values[self._skip :: self._every]
        self._skip = (self._skip - len(values)) % self._every
        self._kept = np.concatenate([self._kept, chosen])
        while len(self._kept) > self._size:
            if len(self._kept) % 2:  # the last one stays, so the next is two steps after it
                self._skip += self._every
            self._kept = self._kept[::2]
            self._every *= 2

    @property
    def values(self) -> Floats:
        """What was kept."""
        return self._kept
