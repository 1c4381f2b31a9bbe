"""The analytic signal against scipy, and the spectrum of known tones."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from btcframe.kernels.hht import hht, hilbert
from btcframe.kernels.hht.analytic import hilbert_weights


@pytest.mark.parametrize("n", [2, 3, 8, 101, 256])
def test_equals_scipy(n):
    x = np.random.default_rng(n).normal(size=(3, n))
    theirs = scipy.signal.hilbert(x)
    ours = hilbert(x)
    assert np.allclose(ours.analytic, theirs, rtol=0, atol=1e-12)
    assert np.allclose(ours.amplitude, np.abs(theirs), rtol=0, atol=1e-12)
    assert np.allclose(np.exp(1j * ours.phase) * ours.amplitude, theirs, rtol=0, atol=1e-12)
    assert np.array_equal(hilbert(x[1]).analytic, hilbert(x[1:2]).analytic[0])


@pytest.mark.parametrize("n", [8, 9, 128, 511])
def test_one_sample_by_a_dot_product(n):
    x = np.random.default_rng(n).normal(size=n)
    theirs = scipy.signal.hilbert(x).imag
    for at in (0, n // 2, n - 1):
        assert np.isclose(hilbert_weights(n, at) @ x, theirs[at], rtol=0, atol=1e-12)


def test_a_tone_has_its_amplitude_and_frequency():
    t = np.arange(1000)
    done = hilbert(3 * np.cos(2 * np.pi * 0.05 * t))
    assert np.allclose(done.amplitude, 3) and np.allclose(done.frequency, 0.05)


def test_spectrum_of_two_tones():
    t = np.arange(4000)
    x = 2 * np.sin(2 * np.pi * 0.11 * t) + np.sin(2 * np.pi * 0.012 * t)
    done = hht(x, bins=50)
    inside = done.energy[:, 400:-400].mean(1)
    assert done.energy.shape == (50, 4000) and np.allclose(done.marginal, done.energy.sum(1))
    assert np.isclose(inside[10:13].sum(), 4, rtol=0.05) and np.isclose(inside[0:3].sum(), 1, rtol=0.05)
    assert np.allclose(done.frequency, np.arange(0.005, 0.5, 0.01))


def test_spectrum_of_given_modes_and_edges():
    t = np.arange(500)
    modes = np.array([np.cos(2 * np.pi * 0.1 * t), 2 * np.cos(2 * np.pi * 0.4 * t)])
    done = hht(modes, bins=[0.05, 0.15, 0.45])
    assert np.allclose(done.energy[0], 1) and np.allclose(done.energy[1], 4, atol=0.1)
    assert hht(np.ones(50)).energy.sum() == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hilbert(np.zeros((2, 2, 2))), r"shape \(2, 2, 2\); pass a signal"),
        (lambda: hilbert([1.0]), "x has 1 sample; a frequency asks for two"),
        (lambda: hilbert([[1.0, 2.0], [1.0, np.nan]]), r"x\[1\]\[1\] is nan"),
        (lambda: hht(np.zeros(9), bins=0), "bins is 0"),
        (lambda: hht(np.zeros(9), bins=[0.2, 0.1]), "edges of bins are two at least, and rise"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
