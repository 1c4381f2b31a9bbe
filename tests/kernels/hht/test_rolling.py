"""The causal transform against emd and scipy, in one piece and bar by bar."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.kernels.hht import emd, rolling_hht, rolling_push, rolling_state

BANDS = (5.0, 15.0, 40.0)


def walk(n, seed=0):
    return np.cumsum(np.random.default_rng(seed).normal(size=n))


def period(mode):
    steps = np.diff(mode)
    extrema = np.nonzero(steps[1:] * steps[:-1] < 0)[0]
    return 2 * (extrema[-1] - extrema[0]) / (len(extrema) - 1)


def forecast(x, order, ahead):
    """Burg's autoregression of the changes (Burg 1975), written as the book has it."""
    changes = list(np.diff(x))
    forwards, backwards = np.diff(x)[1:], np.diff(x)[:-1]
    polynomial = np.ones(1)
    for _ in range(order):
        k = -2 * (forwards @ backwards) / (forwards @ forwards + backwards @ backwards)
        polynomial = np.append(polynomial, 0.0)
        polynomial = polynomial + k * polynomial[::-1]
        forwards, backwards = (forwards + k * backwards)[1:], (backwards + k * forwards)[:-1]
    for _ in range(ahead):
        changes.append(-polynomial[1:] @ changes[: -order - 1 : -1])
    return np.concatenate((x, x[-1] + np.cumsum(changes[len(x) - 1 :])))


@pytest.mark.parametrize(("window", "lag"), [(128, 0), (127, 0), (128, 20)])
@pytest.mark.parametrize("stop", ["fixed", "pyemd"])
@pytest.mark.parametrize("edge", [{}, {"edge": "ar", "order": 9, "ahead": 20}])
def test_each_row_is_its_window_decomposed(window, lag, stop, edge):
    x, stride = walk(400), 13
    got = rolling_hht(x, window=window, stride=stride, bands=BANDS, lag=lag, stop=stop, **edge)
    assert len(got.residue) == (400 - window) // stride + 1
    read = window - 1 - lag
    for row in range(len(got.residue)):
        part = x[row * stride : row * stride + window]
        if edge:
            part = forecast(part, 9, 20)
        modes, residue = emd(part, max_imfs=8, stop=stop)
        band_of = np.searchsorted(BANDS, [period(mode) for mode in modes], side="right")
        assert got.modes[row] == len(modes)
        assert np.isclose(got.residue[row], residue[read])
        assert np.isclose(got.slope[row], residue[read] - residue[read - 1])
        for band in range(len(BANDS) + 1):
            if not (band_of == band).any():
                assert got.energy[row, band] == got.amplitude[row, band] == 0
                assert np.isnan(got.frequency[row, band]) and np.isnan(got.phase[row, band])
                continue
            line = modes[band_of == band].sum(0)
            analytic = scipy.signal.hilbert(line)
            turn = analytic[read] * np.conj(analytic[read - 1])
            expected = [
                (line[:window] ** 2).mean(),
                abs(analytic[read]),
                np.angle(turn) / 2 / np.pi,
                np.angle(analytic[read]),
            ]
            told = [v[row, band] for v in (got.energy, got.amplitude, got.frequency, got.phase)]
            assert np.allclose(told, expected, rtol=1e-10, atol=1e-12)


@given(
    cuts=st.lists(st.integers(1, 60), max_size=12),
    stride=st.sampled_from([1, 3, 70]),
    window=st.sampled_from([16, 33, 64]),
    edge=st.sampled_from(["mirror", "ar"]),
)
@settings(derandomize=True, max_examples=40, deadline=None)
def test_bar_by_bar_gives_the_same_bits(cuts, stride, window, edge):
    x = walk(300, seed=2)
    x[150] = np.nan
    asked = {
        "window": window,
        "stride": stride,
        "bands": BANDS,
        "lag": 2,
        "edge": edge,
        "order": 8,
        "ahead": 16,
    }
    whole = rolling_hht(x, **asked, threads=1)
    state = rolling_state(**asked)
    pieces = np.split(x, np.cumsum(cuts).clip(0, len(x)))
    parts = [rolling_push(piece, state) for piece in pieces]
    for name in whole._fields:
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert np.array_equal(joined, getattr(whole, name), equal_nan=True)


def test_a_copied_state_restarts():
    x = walk(200)
    state = rolling_state(window=64)
    rolling_push(x[:150], state)
    saved = np.frombuffer(state.tobytes(), state.dtype)[0].copy()
    saved = np.array(saved, state.dtype)
    one, other = rolling_push(x[150:], state), rolling_push(x[150:], saved)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


def test_one_number_is_a_bar():
    x = walk(65)
    state = rolling_state(window=64)
    assert len(rolling_push(x[:63], state).residue) == 0
    assert [len(rolling_push(v, state).residue) for v in x[63:]] == [1, 1]


def test_causal():
    """A row knows nothing of the bars behind it."""
    x = walk(300)
    changed = x.copy()
    changed[200:] += 100
    one, other = (rolling_hht(v, window=64, bands=BANDS) for v in (x, changed))
    known = 200 - 64 + 1
    assert all(np.array_equal(a[:known], b[:known], equal_nan=True) for a, b in zip(one, other, strict=True))
    assert not np.array_equal(one.energy[known], other.energy[known])


def test_threads_give_the_same_bits():
    x = walk(1500)
    one, three = (rolling_hht(x, window=64, threads=k) for k in (1, 3))
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, three, strict=True))


def test_gaps_and_flat_windows():
    x = walk(200)
    x[100], x[150:] = np.inf, 5.0
    got = rolling_hht(x, window=32, bands=BANDS)
    broken = np.zeros(len(got.residue), bool)
    broken[100 - 31 : 101] = True
    assert (np.isnan(got.energy).all(1) == broken).all() and (np.isnan(got.residue) == broken).all()
    assert (
        (got.energy[-1] == 0).all() and got.residue[-1] == 5.0 and got.slope[-1] == 0 and got.modes[-1] == 0
    )


@pytest.mark.parametrize("window", [8, 9, 18, 33])
def test_a_forecast_of_the_shortest_windows(window):
    x = np.concatenate((walk(60), np.full(60, 3.0)))
    got = rolling_hht(x, window=window, bands=BANDS, edge="ar", order=window // 2, ahead=7)
    assert np.isfinite(got.residue).all() and np.isfinite(got.energy).all()
    assert got.residue[-1] == 3.0 and (got.energy[-1] == 0).all()


def test_a_forecast_helps_the_last_bar():
    """A bar's fastest band, read as the last one, is nearer to what the same bar is known to be 256 bars later."""
    x = walk(20_000, seed=5)

    def swing(lag, begin, edge):
        rows = rolling_hht(x[begin:], window=512, stride=29, lag=lag, edge=edge)
        return rows.amplitude[:600, 0] * np.cos(rows.phase[:600, 0])

    now = {edge: swing(0, 0, edge) for edge in ("mirror", "ar")}
    agreement = {edge: np.corrcoef(now[edge], swing(256, 256, edge))[0, 1] for edge in now}
    assert agreement["ar"] > agreement["mirror"] + 0.1


def test_shorter_than_a_window():
    got = rolling_hht(walk(20), window=64, bands=BANDS)
    assert got.energy.shape == (0, 4) and got.residue.shape == (0,)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"window": 7}, "window is 7; it is from 8 to"),
        ({"stride": 0}, "stride is 0"),
        ({"lag": -1}, "lag is -1"),
        ({"window": 16, "lag": 15}, "lag is 15; it is from 0 to 14"),
        ({"bands": (15.0, 5.0)}, r"bands is \(15.0, 5.0\); edges between periods are positive and rise"),
        ({"max_imfs": 0}, "max_imfs is 0"),
        ({"stop": "x"}, "no stop rule"),
        ({"threads": 0}, "threads is 0"),
        ({"edge": "flat"}, "there is no edge 'flat'; there are mirror, ar"),
        ({"edge": "ar", "order": 0}, "order is 0; it is from 1"),
        ({"edge": "ar", "ahead": 0}, "ahead is 0; it is from 1"),
        ({"edge": "ar", "window": 20, "order": 11}, "order is 11; it is half the window at most: 10"),
    ],
)
def test_no_setting(given_, message):
    with pytest.raises(ValueError, match=message):
        rolling_hht(np.zeros(50), **given_)


def test_no_series():
    with pytest.raises(ValueError, match="pass real numbers in one dimension"):
        rolling_hht(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="pass real numbers in one dimension"):
        rolling_push(["a"], rolling_state())
