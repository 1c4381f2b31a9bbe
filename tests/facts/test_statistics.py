from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from btcframe.facts.statistics import (
    CORRELATION,
    PLAIN,
    POSITIVE,
    SHARE,
    STRETCHES,
    Autocorrelation,
    Curve,
    LogHistogram,
    Sample,
    Scale,
    Sums,
    Tail,
    correlation,
    lagged,
    moments,
    slope,
)
from btcframe.types import NS

RNG = np.random.default_rng(11)


def pieces(n: int) -> list[slice]:
    """A few chunks of very different length, one of them empty."""
    ends = [0, 1, 2, 2, n // 3, n // 3 + 5, n - 1, n]
    return [slice(a, b) for a, b in pairwise(ends)]


def mean(sums: np.ndarray) -> np.ndarray:
    return sums[:, 1] / sums[:, 0]


def summed(x: np.ndarray, ns: np.ndarray, chunks: list[slice]) -> Sums:
    sums = Sums(2)
    for chunk in chunks:
        sums.add(ns[chunk], [np.ones(len(x[chunk])), x[chunk]])
    return sums


def test_sums_do_not_depend_on_chunks_or_on_length() -> None:
    x = RNG.normal(size=5_000)
    ns = np.arange(len(x)) * 7 * NS  # far more than STRETCHES of 30 s
    whole, parts = summed(x, ns, [slice(None)]), summed(x, ns, pieces(len(x)))
    assert whole.total == pytest.approx([len(x), x.sum()])
    assert whole.measured(mean, 1) == pytest.approx(parts.measured(mean, 1), rel=1e-12)


def test_an_interval_of_a_mean_is_that_of_its_blocks() -> None:
    x = RNG.normal(3, 2, size=64 * 30)
    value, low, high, _ = summed(x, np.arange(len(x)) * NS, [slice(None)]).measured(mean, 1)
    blocks = x.reshape(STRETCHES, -1).mean(axis=1)
    error = blocks.std(ddof=1) / math.sqrt(STRETCHES)
    assert value == pytest.approx(x.mean())
    assert high - value == pytest.approx(1.998 * error, rel=1e-3)  # t with 63 degrees
    assert value - low == pytest.approx(high - value)


@pytest.mark.parametrize("scale", [PLAIN, CORRELATION], ids=["plain", "fisher"])
def test_intervals_cover_what_they_should(scale: Scale) -> None:
    """Of the correlation of noise that remembers: about 95 % of the intervals hold 0."""
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng([5, seed])
        x = np.convolve(rng.normal(size=1209), np.ones(10), "valid")
        y = np.convolve(rng.normal(size=1209), np.ones(10), "valid")
        sums = Sums(6)
        sums.add(np.arange(1200) * NS, moments(x, y, np.ones(1200, bool)))
        found = sums.measured(correlation, 1200, 10 * NS, scale)
        covered += found.low <= 0 <= found.high
    assert 178 <= covered <= 198  # 99.9 % of a binomial with 190 expected


def test_bounds_stay_where_the_value_can_be() -> None:
    x = np.zeros(600)
    x[300] = 50.0  # one stretch holds everything
    rare = summed(x, np.arange(600) * NS, [slice(None)])
    assert rare.measured(mean, 600).low < 0
    assert rare.measured(lambda s: s[:, 1] / s[:, 0] + 1e-3, 600, scale=POSITIVE).low > 0
    shares = rare.measured(lambda s: s[:, 1] / s[:, 0] / 2 + 0.01, 600, scale=SHARE)
    assert 0 < shares.low < shares.value < shares.high < 1


def test_too_short_for_an_interval() -> None:
    x = RNG.normal(size=200)
    value, low, high, _ = summed(x, np.arange(200) * NS, [slice(None)]).measured(mean, 1)
    assert value == pytest.approx(x.mean())
    assert math.isnan(low) and math.isnan(high)
    long = summed(RNG.normal(size=600), np.arange(600) * NS, [slice(None)])
    assert not math.isnan(long.measured(mean, 600).low)
    assert math.isnan(long.measured(mean, 600, 60 * NS).low)  # five horizons a stretch leave two


def test_correlation_and_slope() -> None:
    x = RNG.normal(size=1000)
    y = 3 * x + RNG.normal(size=1000)
    known = RNG.random(1000) < 0.9
    x_missing = np.where(known, x, np.nan)
    sums = np.array([c.sum() for c in moments(x_missing, y, known)])[None]
    assert correlation(sums)[0] == pytest.approx(np.corrcoef(x[known], y[known])[0, 1])
    assert slope(sums)[0] == pytest.approx(np.polyfit(x[known], y[known], 1)[0])


def test_lagged_pairs_are_each_seen_once() -> None:
    x = np.arange(50.0)[:, None]
    tail = Tail(7, 1)
    seen = []
    for chunk in pieces(50):
        now, then = lagged(*tail.join(x[chunk]), 7)
        assert (now - then == 7).all()
        seen += now[:, 0].tolist()
    assert seen == list(range(7, 50))


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_autocorrelation_is_the_naive_one(missing: float) -> None:
    x = RNG.normal(size=900).cumsum() * 0.1 + RNG.normal(size=900)
    x[RNG.random(900) < missing] = np.nan
    found = Autocorrelation((1, 5, 30, 400))
    for chunk in pieces(900):
        found.add(np.arange(900)[chunk] * NS, x[chunk])
    centred = x - np.nanmean(x)
    for lag in (1, 5, 30):
        naive = np.nanmean(centred[lag:] * centred[:-lag]) / np.nanmean(centred**2)
        assert found.at(lag).value == pytest.approx(naive)
    assert math.isnan(found.at(400).value)  # not ten times as long
    assert found.line(0.1).x == pytest.approx([0.1, 0.5, 3.0])
    assert found.line().y == pytest.approx([found.at(k).value for k in (1, 5, 30)])


def test_a_log_histogram_knows_quantiles_to_a_bin() -> None:
    x = np.concatenate([RNG.lognormal(-3, 2, size=20_000), np.zeros(2_000)])
    found = LogHistogram()
    for chunk in pieces(len(x)):
        found.add(x[chunk])
    found.add(np.array([np.nan]))
    assert found.n == len(x)
    assert found.mean == pytest.approx(x.mean())
    assert found.variation == pytest.approx(x.std() / x.mean())
    assert found.quantile(0.05) == 0.0
    for q in (0.2, 0.5, 0.99):
        assert found.quantile(q) == pytest.approx(np.quantile(x, q), rel=0.01)
    at, share = found.tail(above=0.1)
    assert at[0] >= 0.1 and at[-1] == pytest.approx(x.max(), rel=0.011)
    assert share == pytest.approx([(x >= v * (1 - 1e-9)).mean() for v in at])


def test_extreme_numbers_stay_in_the_histogram() -> None:
    found = LogHistogram()
    found.add(np.array([1e-30, 1e30]))
    assert found.n == 2
    assert LogHistogram().n == 0
    assert math.isnan(LogHistogram().mean) and math.isnan(LogHistogram().quantile(0.5))
    assert len(LogHistogram().tail()[0]) == 0


def test_hills_index_of_a_pareto_is_its_exponent() -> None:
    found = LogHistogram()
    found.add(RNG.pareto(3.0, size=100_000) + 1)
    index, used = found.hill(0.05)
    assert used == pytest.approx(5_000, rel=0.05)
    assert index == pytest.approx(3.0, abs=0.15)


def test_a_curve_is_the_mean_by_bin() -> None:
    x = RNG.normal(size=50_000) * 20
    y = 2 * x + RNG.normal(size=50_000)
    curve = Curve()
    for chunk in pieces(len(x)):
        curve.add(x[chunk], y[chunk])
    curve.add(np.array([np.nan, 1.0]), np.array([1.0, np.nan]))
    line = curve.line(11, overlap=10)
    assert len(line.x) == 11
    assert line.y == pytest.approx(2 * line.x, abs=0.2)
    assert line.n == pytest.approx(np.full(11, 50_000 / 11 / 10), rel=0.15)
    assert (line.low < line.y).all() and (line.high > line.y).all()
    every = curve.line(11, overlap=1)  # ten that overlap tell as much as one
    assert line.high - line.low == pytest.approx(math.sqrt(10) * (every.high - every.low))
    edges = np.quantile(x, (5 / 11, 6 / 11))  # the bin in the middle
    inside = y[(x > edges[0]) & (x <= edges[1])]
    half = 1.96 * inside.std() / math.sqrt(len(inside))
    assert every.high[5] - every.y[5] == pytest.approx(half, rel=0.1)
    assert len(Curve().line(11, 1).x) == 0


def test_a_sample_is_every_kth_whatever_the_chunks() -> None:
    x = np.arange(1_000.0)
    whole, parts = Sample(64), Sample(64)
    whole.add(x)
    for chunk in pieces(1_000):
        parts.add(x[chunk])
    assert whole.values.tolist() == parts.values.tolist() == list(range(0, 1000, 16))
