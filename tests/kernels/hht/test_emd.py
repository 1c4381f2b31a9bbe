"""EMD against PyEMD, and what is no signal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from btcframe.kernels.hht import emd

PyEMD = pytest.importorskip("PyEMD", reason="the reference, EMD-signal, is not installed")


def kinds(n, seed):
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    walk = np.cumsum(rng.normal(size=n))
    spike = rng.normal(size=n)
    spike[n // 3] = 1e9
    flat = walk.copy()
    flat[n // 4 : n // 2] = flat[n // 4]
    return {
        "walk": walk,
        "noise": rng.normal(size=n),
        "tones": np.sin(2 * np.pi * t / 11) + 0.5 * np.sin(2 * np.pi * t / 53) + 1e-3 * t,
        "plateaus": np.round(walk),
        "steps": (t // 40 % 3).astype(float) + 0.01 * np.sin(t),
        "partly constant": flat,
        "spike": spike,
        "price": 30_000 * np.exp(1e-3 * walk),
    }


def reference(x, max_imf=-1, **settings):
    with np.errstate(all="ignore"):  # PyEMD divides by samples that may be 0
        peer = PyEMD.EMD(**settings)
        peer.emd(x.copy(), None, max_imf)
    return np.vstack([peer.imfs, peer.residue])


@pytest.mark.parametrize("n", [128, 511, 1024, 4096])
@pytest.mark.parametrize("kind", kinds(128, 0))
@pytest.mark.parametrize("fixed", [0, 10])
def test_equals_pyemd(n, kind, fixed):
    x = kinds(n, n)[kind]
    theirs = reference(x, FIXE=fixed)
    ours = emd(x, stop="fixed" if fixed else "pyemd")
    assert ours.imfs.shape == (len(theirs) - 1, n)
    assert np.abs(np.vstack(ours) - theirs).max() <= 1e-12 * x.std()
    assert np.abs(ours.imfs.sum(0) + ours.residue - x).max() <= 1e-10 * np.abs(x).max()


@given(
    x=st.lists(st.integers(-3, 3), min_size=3, max_size=60),
    walk=st.booleans(),
    fixed=st.sampled_from([0, 1, 7]),
    most=st.sampled_from([-1, 1, 3]),
)
@settings(derandomize=True, max_examples=150, deadline=None)
def test_equals_pyemd_where_neighbours_are_equal(x, walk, fixed, most):
    x = np.cumsum(x).astype(float) if walk else np.array(x, float)
    try:
        theirs = reference(x, most, FIXE=fixed)
    except ValueError:
        assume(False)  # an envelope of PyEMD's does not reach the ends
    ours = emd(x, max_imfs=None if most < 0 else most, stop="fixed" if fixed else "pyemd", sifts=fixed or 1)
    assert ours.imfs.shape == (len(theirs) - 1, len(x))
    assert np.allclose(np.vstack(ours), theirs, rtol=0, atol=1e-9)


def test_a_long_first_swing_before_short_ones():
    """The mirror at the first extremum does not reach the end: the envelopes are made apart."""
    t = np.linspace(0, 1, 600)
    x = np.sin(2 * np.pi * (3 * t + 60 * t**4)) + 0.3 * t
    for signal in (x, x[::-1].copy(), np.concatenate((np.linspace(-5, 0, 200), x))):
        theirs = reference(signal, FIXE=4)
        assert np.allclose(np.vstack(emd(signal, stop="fixed", sifts=4)), theirs, rtol=0, atol=1e-12)


def test_long_signals_scale_their_pivots():
    """Products of pivots are scaled back each 256 steps."""
    x = np.random.default_rng(5).normal(size=20_000)
    theirs = reference(x, 2, FIXE=3)
    ours = emd(x, max_imfs=2, stop="fixed", sifts=3)
    assert np.allclose(np.vstack(ours), theirs, rtol=0, atol=1e-12)


def plain_rilling(x, most):
    """Rilling's rule as it is written down, with PyEMD's envelopes."""
    peer, t, left, modes = PyEMD.EMD(), np.arange(float(len(x))), x.copy(), []
    while len(modes) < most:
        h = left.copy()
        while True:
            top, _, bottom, _, crossings = peer.find_extrema(t, h)
            count = len(top) + len(bottom)
            if count <= 2:
                return modes
            upper, lower, _, _ = peer.extract_max_min_spline(t, h)
            mean, amplitude = (upper + lower) / 2, np.abs(upper - lower) / 2
            ratio = np.abs(mean) / amplitude
            if abs(count - len(crossings)) < 2 and (ratio > 0.05).mean() <= 0.05 and not (ratio > 0.5).any():
                break
            h = h - mean
        modes.append(h)
        left = left - h
    return modes


@pytest.mark.parametrize("kind", ["walk", "tones", "noise"])
def test_rillings_rule(kind):
    x = kinds(512, 3)[kind]
    theirs = np.array(plain_rilling(x, 3))
    ours = emd(x, max_imfs=3, stop="rilling")
    assert np.allclose(ours.imfs, theirs[: len(ours.imfs)], rtol=0, atol=1e-10) and len(ours.imfs) == len(
        theirs
    )


@pytest.mark.parametrize("n", range(1, 17))
def test_very_short(n):
    x = np.random.default_rng(n).normal(size=n)
    done = emd(x)
    assert np.allclose(done.imfs.sum(0) + done.residue, x, rtol=0, atol=1e-12)
    assert done.imfs.shape[1] == n


@pytest.mark.parametrize("x", [np.full(100, 7.5), np.arange(100.0), -np.exp(np.arange(50.0)), np.zeros(9)])
def test_without_extrema_a_signal_is_its_own_residue(x):
    done = emd(x)
    assert done.imfs.shape == (0, len(x)) and (done.residue == x).all()


def test_any_kind_of_array():
    x = np.random.default_rng(1).integers(-9, 9, 300)
    expected = emd(x.astype(float))
    frozen = x.astype(float)
    frozen.flags.writeable = False
    strided = np.repeat(x.astype(float), 2)[::2]
    for given_ in (x, list(map(int, x)), frozen, strided, x.astype(np.float32), x.astype(">f8")):
        assert all(np.array_equal(a, b) for a, b in zip(emd(given_), expected, strict=True))


def test_neither_too_loud_nor_too_quiet_to_end():
    x = np.random.default_rng(2).normal(size=200)
    assert np.isfinite(emd(1e149 * x).imfs).all()
    assert emd(1e-300 * x).imfs.shape[0] <= 2  # next to nothing is left of it at once


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([1.0, np.nan, 2.0], r"x\[1\] is nan; samples are finite"),
        ([1.0, 2.0, -np.inf], r"x\[2\] is -inf"),
        ([0.0, 1e200], r"x\[1\] is 1e\+200; samples are finite and below 1e\+150"),
        ([[1.0, 2.0]], r"shape \(1, 2\); a signal has one dimension"),
        ([], "x is empty"),
        ([1j, 2j], "complex128; a signal is of real numbers"),
        (["a"], "real numbers"),
        (np.ma.masked_greater([1.0, 9.0, 2.0], 5.0), "x has masked samples"),
    ],
)
def test_no_signal(x, message):
    with pytest.raises(ValueError, match=message):
        emd(x)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"stop": "never"}, "no stop rule 'never'; there are pyemd, fixed, rilling"),
        ({"max_imfs": 0}, "max_imfs is 0; it is from 1 to 1,000,000"),
        ({"stop": "fixed", "sifts": 0}, "sifts is 0; it is from 1 to 999"),
        ({"stop": "fixed", "sifts": "a"}, "sifts is 'a'; it is a whole number"),
        ({"max_imfs": 1.5}, "max_imfs is 1.5; it is a whole number"),
    ],
)
def test_no_setting(given_, message):
    with pytest.raises(ValueError, match=message):
        emd(np.arange(9.0), **given_)


def test_more_modes_allowed_than_there_are():
    x = np.random.default_rng(4).standard_normal(300)
    free, bounded = emd(x), emd(x, max_imfs=10**6)  # a matrix of so many rows would not fit the memory
    assert free.imfs.tobytes() == bounded.imfs.tobytes()
    assert free.residue.tobytes() == bounded.residue.tobytes()
