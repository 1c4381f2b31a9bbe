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


@pytest.mark.parametrize(("window", "lag"), [(128, 0), (127, 0), (128, 20)])
@pytest.mark.parametrize("stop", ["fixed", "pyemd"])
def test_each_row_is_its_window_decomposed(window, lag, stop):
    x, stride = walk(400), 13
    got = rolling_hht(x, window=window, stride=stride, bands=BANDS, lag=lag, stop=stop)
    assert len(got.residue) == (400 - window) // stride + 1
    read = window - 1 - lag
    for row in range(len(got.residue)):
        part = x[row * stride : row * stride + window]
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
                (line**2).mean(),
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
)
@settings(derandomize=True, max_examples=25, deadline=None)
def test_bar_by_bar_gives_the_same_bits(cuts, stride, window):
    x = walk(300, seed=2)
    x[150] = np.nan
    asked = {"window": window, "stride": stride, "bands": BANDS, "lag": 2}
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


def test_shorter_than_a_window():
    got = rolling_hht(walk(20), window=64, bands=BANDS)
    assert got.energy.shape == (0, 4) and got.residue.shape == (0,)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"window": 7}, "window is 7; it is 8 or more"),
        ({"stride": 0}, "stride is 0"),
        ({"lag": -1}, "lag is -1"),
        ({"window": 16, "lag": 15}, "window − lag is 1; it is 2 or more"),
        ({"bands": (15.0, 5.0)}, r"bands is \(15.0, 5.0\); edges between periods are positive and rise"),
        ({"max_imfs": 0}, "max_imfs is 0"),
        ({"stop": "x"}, "no stop rule"),
        ({"threads": 0}, "threads is 0"),
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
