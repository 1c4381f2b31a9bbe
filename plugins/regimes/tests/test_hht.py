"""The Hilbert-Huang regime: columns against a plain loop over windows, and what made-up markets are called."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.api import Hindsight
from btcframe.errors import ModelError
from btcframe.kernels.hht import emd, hilbert
from btcframe_regimes.hht import Hht
from btcframe_regimes.volatility import Volatility

from .streams import answers, describe, walk

SMALL = Hht(window=64, every=4, lag=0, bands=(5, 15, 30), slow=15, over=16)
LABELS = ("trend_up", "trend_down", "range", "turbulent")


def column(regime: Hht, name: str) -> int:
    return [c.name for c in regime.columns()].index(f"regime_hht_{name}")


def band_of(mode: np.ndarray, bands: tuple[int, ...]) -> int:
    """By twice the mean distance between neighbouring extrema."""
    inner = np.arange(1, len(mode) - 1)
    turns = inner[(np.diff(mode)[:-1] > 0) != (np.diff(mode)[1:] > 0)]
    period = 2 * np.diff(turns).mean() if len(turns) > 1 else len(mode)
    return int(np.searchsorted(bands, period, side="right"))


def naive_window(prices: list[float], r: Hht) -> dict[str, float]:
    """One window: its bands at the bar that is read."""
    x = np.array([1e4 * math.log(p / prices[0]) for p in prices])
    imfs, residue = emd(x, max_imfs=8, stop="fixed", sifts=r.sifts)
    read, b = r.window - 1 - r.lag, len(r.bands) + 1
    sums = np.zeros((b, r.window))
    for mode in imfs:
        sums[band_of(mode, r.bands)] += mode
    energy = (sums**2).mean(axis=1)
    a = hilbert(sums)
    size, angle = np.abs(a.analytic[:, read]), np.angle(a.analytic[:, read])
    turn = np.angle(a.analytic[:, read] * a.analytic[:, read - 1].conj()) / (2 * np.pi)
    edges = [2, *r.bands, r.window]
    period = [
        float(np.clip(1 / f if f > 0 else np.inf, low, high))
        for f, low, high in zip(turn, edges[:-1], edges[1:], strict=True)
    ]
    slow, used = np.arange(b) > r.bands.index(r.slow), size > 0
    share = energy / energy.sum()
    told = {f"share_{k}": share[k] for k in range(b)}
    told["entropy"] = -sum(s * math.log(s) for s in share if s > 0) / math.log(b)
    told["sigma"] = math.sqrt(energy[~slow].sum())
    told["swing"] = math.log(told["sigma"] + 0.01)
    told["log_period"] = float(np.average(np.log(period), weights=size**2))
    told["motion"] = residue[read] + (size * np.cos(angle))[slow & used].sum()
    for name, of in (("cos", np.cos), ("sin", np.sin)):
        told[name] = (size * of(angle))[slow & used].sum() / size[slow].sum() if size[slow].any() else 0.0
    return told


def naive(mid: np.ndarray, r: Hht) -> np.ndarray:
    """All columns, a window at a time."""
    prices: list[float] = []
    had: list[bool] = []
    past: list[tuple[float, float]] = []  # slow motion above the first price of all, ln period
    now = [math.nan] * len(r.columns())
    found = np.full((len(mid), len(now)), np.nan)
    for t, price in enumerate(mid):
        if not prices and math.isnan(price):
            continue
        prices.append(prices[-1] if math.isnan(price) else price)
        had.append(not math.isnan(price))
        if len(prices) >= r.window and (len(prices) - r.window) % r.every == 0:
            now = [math.nan] * len(now)
            if sum(had[-r.window :]) >= 0.8 * r.window:
                told = naive_window(prices[-r.window :], r)
                level = told["motion"] + 1e4 * math.log(prices[-r.window] / prices[0])
                past.append((level, told["log_period"]))
                move = drift = math.nan
                if len(past) > r.over // r.every:
                    before = past[-1 - r.over // r.every]
                    move, drift = level - before[0], before[1] - told["log_period"]
                told["period"] = math.exp(told["log_period"])
                told["drift"], told["slope"] = drift, move / r.over
                told["trend"] = move / (abs(move) + told["sigma"])
                names = [
                    *(f"share_{k}" for k in range(len(r.bands) + 1)),
                    "entropy",
                    "swing",
                    "period",
                    "drift",
                ]
                now = [told[name] for name in (*names, "slope", "trend", "cos", "sin")]
            else:
                past.append(past[-1] if past else (math.nan, math.nan))
        if not math.isnan(price):
            found[t] = now
    return found


@settings(max_examples=12, derandomize=True, deadline=None)
@given(
    n=st.integers(60, 300),
    seed=st.integers(0, 99),
    bad=st.sampled_from([0.0, 0.03, 0.2]),
    lag=st.sampled_from([0, 1, 16]),
    sizes=st.lists(st.integers(0, 70), max_size=6),
)
def test_equals_the_plain_loop_in_any_chunks(
    n: int, seed: int, bad: float, lag: int, sizes: list[int]
) -> None:
    mid, regime = walk(n, seed, bad), dataclasses.replace(SMALL, lag=lag)
    whole = describe(regime, mid)
    np.testing.assert_allclose(whole, naive(mid, regime), rtol=1e-7, atol=1e-9)
    assert describe(regime, mid, sizes).tobytes() == whole.tobytes()


def test_many_rows_in_one_call_are_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    mid = walk(700, 3, 0.01)
    whole = describe(SMALL, mid)
    monkeypatch.setattr("btcframe_regimes.hht.PIECE", 100)
    assert describe(SMALL, mid).tobytes() == whole.tobytes()


def test_bars_of_several_rows_end_with_their_last_mid() -> None:
    mid = walk(900, 4)
    mid[5::9] = np.nan  # never a bar's only row
    wide = dataclasses.replace(SMALL, bar=3)
    found, narrow = (
        describe(wide, mid),
        describe(SMALL, np.array([m[~np.isnan(m)][-1] for m in mid.reshape(-1, 3)])),
    )
    for after, rows in ((0, slice(2, None, 3)), (1, slice(3, None, 3))):
        seen = ~np.isnan(mid[rows])
        np.testing.assert_array_equal(found[rows][seen], narrow[: 300 - after][seen])
    assert np.isnan(found[np.isnan(mid)]).all()


def test_a_gap_is_unknown_until_it_has_left_the_window() -> None:
    mid = walk(600, 5)
    short, long = mid.copy(), mid.copy()
    short[200:206] = np.nan
    long[200:220] = np.nan  # more than a fifth of 64
    swing = column(SMALL, "swing")
    found = describe(SMALL, short)[:, swing]
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(found[63:])) + 63, np.arange(200, 206))
    unknown = np.flatnonzero(np.isnan(describe(SMALL, long)[63:, swing])) + 63
    assert (np.diff(unknown) == 1).all() and unknown[0] == 200 and 200 + 64 <= unknown[-1] + 4 <= 220 + 64


def test_no_digits_are_lost_at_any_price() -> None:
    mid = walk(400, 6)
    np.testing.assert_allclose(describe(SMALL, mid * 1e9), describe(SMALL, mid), rtol=1e-6, atol=1e-9)


def test_a_market_that_stands_still() -> None:
    found = describe(SMALL, np.full(200, 60_000.0))[100]
    expected = {
        "entropy": 0.0,
        "swing": math.log(0.01),
        "period": 64.0,
        "drift": 0.0,
        "slope": 0.0,
        "trend": 0.0,
    }
    for name, value in {**expected, "cos": 0.0, "sin": 0.0, "share_below_5": 0.0}.items():
        assert found[column(SMALL, name)] == pytest.approx(value), name


@pytest.mark.parametrize(("period", "band"), [(4, "below_5"), (10, "5_15"), (40, "15_60"), (100, "60_240")])
def test_a_sine_is_in_its_band_with_its_period_and_phase(period: int, band: str) -> None:
    regime = Hht(lag=16, slow=5, over=16)
    swing = 1e-3 * np.cos(2 * np.pi * np.arange(1200) / period + 0.3)
    found = describe(regime, 60_000 * np.exp(swing))[1199]
    assert found[column(regime, f"share_{band}")] > 0.95
    assert found[column(regime, "period")] == pytest.approx(period, rel=0.15)
    assert found[column(regime, "entropy")] < 0.2
    if period > 5:  # slow
        read = 1199 - (1199 - 511) % regime.every - regime.lag
        for name, of in (("cos", math.cos), ("sin", math.sin)):
            assert found[column(regime, name)] == pytest.approx(of(2 * np.pi * read / period + 0.3), abs=0.2)


def test_four_markets_have_four_names() -> None:
    """Up, down, sideways and wild for 1500 rows each; fitted on all of them."""
    rng = np.random.default_rng(8)
    drift, size = np.repeat([[1.0, 1], [-1, 1], [0, 1], [0, 8]], 1500, axis=0).T
    noise = 2.0 * size * rng.standard_normal(6000)  # about the level: it does not add up
    mid = 60_000 * np.exp(1e-4 * (np.cumsum(drift) + noise))
    regime = Hht(turbulent=0.75, trend=0.5, hysteresis=0.1)
    x = describe(regime, mid)
    labeler = regime.fit(x, seed=0)
    assert labeler.labels == LABELS
    told = answers(labeler, x)
    for k, name in enumerate(("trend_up", "trend_down", "range", "turbulent")):
        settled = told[1500 * k + 1000 : 1500 * (k + 1), LABELS.index(name)]
        assert np.nanmean(settled) > 0.95, name


def test_thresholds_come_from_the_training_rows() -> None:
    x = describe(SMALL, walk(2000, 9))
    labeler = SMALL.fit(x, seed=0)
    swing, trend = (x[~np.isnan(x).any(axis=1), column(SMALL, name)] for name in ("swing", "trend"))
    np.testing.assert_allclose(labeler.turbulent, np.quantile(swing, (0.8, 0.5)))
    np.testing.assert_allclose(labeler.directed, np.quantile(np.abs(trend), (0.6, 0.3)))


def test_hindsight_reads_the_same_bar_in_a_later_window() -> None:
    assert isinstance(SMALL, Hindsight) and isinstance(Volatility(), Hindsight)
    later = SMALL.hindsight(32)
    assert later == dataclasses.replace(SMALL, lag=32)
    assert dataclasses.replace(SMALL, bar=2).hindsight(32) == dataclasses.replace(SMALL, bar=2, lag=16)
    assert Volatility().hindsight(256) is None
    regime = dataclasses.replace(SMALL, lag=16)
    mid = 60_000 * np.exp(1e-3 * np.sin(2 * np.pi * np.arange(800) / 20))
    phase = [column(SMALL, name) for name in ("cos", "sin")]
    then, now = describe(regime, mid)[:, phase], describe(regime.hindsight(16), mid)[:, phase]
    np.testing.assert_allclose(now[316:], then[300:-16], atol=0.1)


def test_hindsight_beyond_the_window() -> None:
    with pytest.raises(ValueError, match="lag: 100 is not a number of bars from 0 to window − 2, 62"):
        SMALL.hindsight(100)
    with pytest.raises(ValueError, match="rows_later: 33 rows are no whole number of bars of 2"):
        dataclasses.replace(SMALL, bar=2).hindsight(33)


def test_saved_and_loaded(tmp_path: Path) -> None:
    labeler = SMALL.fit(describe(SMALL, walk(1000, 2)), seed=0)
    labeler.save(tmp_path)
    assert Hht().load(tmp_path) == labeler


def test_a_forecast_beyond_the_edge_changes_what_is_read_there_and_in_no_chunk_the_bits() -> None:
    mid, regime = walk(300, 5), dataclasses.replace(SMALL, edge="ar")
    whole, mirrored = describe(regime, mid), describe(SMALL, mid)
    known = ~np.isnan(mirrored)
    assert (known == ~np.isnan(whole)).all()
    assert (whole[known] != mirrored[known]).mean() > 0.5
    assert describe(regime, mid, [1, 7, 64]).tobytes() == whole.tobytes()
    later = walk(300, 5)
    later[200:] *= 1.01
    assert describe(regime, later)[:200].tobytes() == whole[:200].tobytes()


def test_too_few_rows() -> None:
    with pytest.raises(ModelError, match="19 of 98 training rows have a trend, 20 are needed") as caught:
        SMALL.fit(describe(SMALL, walk(98, 2)), seed=0)
    assert "It takes 80 rows to warm up" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window", 15), ("window", 10**6), ("bar", 0), ("every", 0), ("sifts", 0), ("lag", 511), ("lag", -1),
        ("bands", ()), ("bands", (15, 5)), ("bands", (2, 9)), ("bands", (5, 15, 512)), ("slow", 20), ("over", 0),
        ("over", 12), ("stop", "never"), ("edge", "flat"), ("turbulent", 1.0), ("trend", 0.0), ("hysteresis", 0.6),
        ("dwell", -1), ("dwell", 2**63),
    ],
)  # fmt: skip
def test_bad_settings_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        Hht(**{name: value})  # type: ignore[arg-type]
