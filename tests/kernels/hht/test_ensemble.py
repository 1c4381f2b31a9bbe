"""Ensembles against PyEMD with the same noise; seeds and threads."""

from __future__ import annotations

import numpy as np
import pytest

from btcframe.kernels.hht import ceemdan, eemd, emd, noise_bank
from btcframe.kernels.hht.noise import white_noise

KINDS = {
    "walk": lambda n: np.cumsum(np.random.default_rng(1).normal(size=n)),
    "tones": lambda n: np.sin(np.arange(n) / 3) + np.sin(np.arange(n) / 17),
    "price": lambda n: 30_000 + 50 * np.cumsum(np.random.default_rng(2).normal(size=n)),
}


@pytest.fixture
def peers():
    return pytest.importorskip("PyEMD", reason="the reference, EMD-signal, is not installed")


@pytest.mark.parametrize("n", [128, 512])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settings", [{}, {"FIXE": 6}])
def test_eemd_equals_pyemd(peers, n, kind, settings):
    x, noise = KINDS[kind](n), white_noise(11, n, seed=9)
    peer, draws = peers.EEMD(trials=11, parallel=False, **settings), iter(noise)
    peer.generate_noise = lambda scale, size: scale * next(draws)
    with np.errstate(all="ignore"):
        theirs = peer(x)
    ours = eemd(x, noise=noise, stop="fixed" if settings else "pyemd", sifts=6)
    assert ours.imfs.shape == theirs.shape
    assert np.abs(ours.imfs - theirs).max() <= 1e-9 * x.std()
    assert np.abs(ours.residue - peer.residue).max() <= 1e-9 * x.std()


@pytest.mark.parametrize("n", [128, 512])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("most", [-1, 2])
def test_ceemdan_equals_pyemd(peers, n, kind, most):
    x, noise = KINDS[kind](n), white_noise(11, n, seed=9)
    peer = peers.CEEMDAN(trials=11, parallel=False)
    peer.generate_noise = lambda scale, size: noise
    with np.errstate(all="ignore"):
        theirs = peer(x, max_imf=most)
    ours = ceemdan(x, noise=noise, max_imfs=None if most < 0 else most)
    assert len(theirs) == len(ours.imfs) + 1
    assert np.abs(np.vstack(ours) - theirs).max() <= 1e-9 * x.std()


@pytest.mark.parametrize("decompose", [eemd, ceemdan])
def test_bits_do_not_depend_on_threads(decompose):
    x = KINDS["walk"](300)
    one, three = (decompose(x, trials=17, seed=3, threads=k) for k in (1, 3))
    other = decompose(x, trials=17, seed=4, threads=1)
    assert all(np.array_equal(a, b) for a, b in zip(one, three, strict=True))
    assert not np.array_equal(one.residue, other.residue)
    assert np.allclose(one.imfs.sum(0) + one.residue, x, rtol=0, atol=1e-10)


def test_a_bank_serves_many_signals():
    bank = noise_bank(256, trials=9, seed=3)
    for kind in KINDS:
        x = KINDS[kind](256)
        cached, fresh = ceemdan(x, noise=bank), ceemdan(x, trials=9, seed=3)
        assert all(np.array_equal(a, b) for a, b in zip(cached, fresh, strict=True))


def test_without_noise_an_ensemble_is_emd():
    x = KINDS["tones"](200)
    assert np.allclose(eemd(x, trials=6, noise_width=0.0).imfs, np.vstack(emd(x)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("x", [np.full(50, 3.0), np.array([1.0]), np.array([1.0, 2.0])])
def test_nothing_to_decompose(x):
    done = ceemdan(x, trials=3)
    assert done.imfs.shape == (0, len(x)) and (done.residue == x).all()
    assert np.allclose(eemd(x, trials=3).imfs.sum(0) + eemd(x, trials=3).residue, x)


def test_zeros_have_no_mean_rows():
    done = eemd(np.zeros(40), trials=7)
    assert done.imfs.shape == (0, 40) and (done.residue == 0).all()


def test_a_bank_holds_each_trial_decomposed():
    """Its rows are the modes and the residue of `emd`, over the first mode's deviation, and zeros behind."""
    noise = white_noise(8, 300, seed=4)
    noise[3] = np.arange(300.0)
    bank = noise_bank(300, noise=noise)
    for trial in range(8):
        rows = np.vstack(emd(noise[trial]))
        assert np.allclose(bank.rows[: len(rows), trial], rows / rows[0].std(), rtol=1e-13, atol=1e-13)
        assert not bank.rows[len(rows) :, trial].any()


@pytest.mark.parametrize("n", range(3, 17))
def test_the_shortest(n):
    x = np.round(np.random.default_rng(n).normal(size=n), 1)
    for decompose in (eemd, ceemdan):
        done = decompose(x, trials=3)
        assert np.allclose(done.imfs.sum(0) + done.residue, x, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("decompose", "given_", "message"),
    [
        (eemd, {"trials": 0}, "trials is 0; it is from 1 to 1,000,000"),
        (ceemdan, {"trials": 0}, "trials is 0; it is from 1 to 1,000,000"),
        (eemd, {"noise_width": -1.0}, "noise_width is -1.0; it is from 0 to 1000"),
        (eemd, {"noise_width": np.inf}, "noise_width is inf; it is from 0 to 1000"),
        (ceemdan, {"noise_width": "a"}, "noise_width is 'a'"),
        (eemd, {"threads": 0}, "threads is 0"),
        (eemd, {"threads": 1.5}, "threads is 1.5; it is a whole number"),
        (eemd, {"trials": 10**10}, "trials is 10000000000; it is from 1 to 1,000,000"),
        (ceemdan, {"trials": 2.5}, "trials is 2.5; it is a whole number"),
        (eemd, {"seed": -1}, "seed is -1; it is from 0"),
        (ceemdan, {"seed": None}, "seed is None; it is a whole number"),
        (eemd, {"noise": noise_bank(9, trials=2)}, "noise is a noise bank, which ceemdan alone takes"),
        (
            eemd,
            {"noise": np.zeros((3, 8))},
            r"noise has the shape \(3, 8\); one realisation a row is \(trials, 9\)",
        ),
        (ceemdan, {"noise": np.full((3, 9), np.nan)}, r"noise\[0\]\[0\] is nan"),
        (ceemdan, {"stop": "x"}, "no stop rule"),
        (ceemdan, {"max_imfs": 0}, "max_imfs is 0"),
    ],
)
def test_no_setting(decompose, given_, message):
    with pytest.raises(ValueError, match=message):
        decompose(np.arange(9.0) % 4, **given_)


def test_a_bank_for_another_length():
    with pytest.raises(ValueError, match=r"the noise bank is for 64 samples, x has 65: noise_bank\(65\)"):
        ceemdan(np.arange(65.0) % 7, noise=noise_bank(64, trials=2))


def test_noise_is_white_normal_and_addressed():
    noise = white_noise(40, 5000, seed=1)
    assert np.array_equal(noise[7:9], white_noise(2, 5000, seed=1, first=7))
    assert not np.array_equal(noise[:1], white_noise(1, 5000, seed=2))
    n = noise.size
    assert abs(noise.mean()) < 4 / np.sqrt(n) and abs(noise.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs((noise**3).mean()) < 4 * np.sqrt(15 / n) and abs((noise**4).mean() - 3) < 4 * np.sqrt(96 / n)
    assert abs((noise[:, 1:] * noise[:, :-1]).mean()) < 4 / np.sqrt(n)
    assert abs(np.corrcoef(noise[0], noise[1])[0, 1]) < 4 / np.sqrt(5000)
    edges = np.array([-4.5, -3.654, -2.5, -1.0, 0.0, 0.2, 1.0, 2.0, 3.0, 3.654, 4.5])
    below = np.array(
        [
            3.4e-6,
            1.2910e-4,
            6.20967e-3,
            0.158655,
            0.5,
            0.579260,
            0.841345,
            0.977250,
            0.998650,
            0.9998709,
            0.9999966,
        ]
    )
    assert (
        np.abs((noise.ravel()[:, None] < edges).mean(0) - below) < 4 * np.sqrt(below * (1 - below) / n) + 1e-6
    ).all()
