"""The hidden Markov chain against all its paths, against a chain that was drawn, and against hmmlearn."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hmmlearn.hmm import GaussianHMM
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe_regimes import markov
from btcframe_regimes.hmm import HmmLabeler
from btcframe_regimes.markov import Chain, fit_chain, stationary

from .streams import answers


def chain_of(k: int, seed: int) -> Chain:
    """Any chain: means far enough apart to matter, covariances of any shape."""
    rng = np.random.default_rng(seed)
    root = 0.5 * rng.standard_normal((k, 2, 2)) + np.eye(2)
    return Chain(
        rng.dirichlet(np.full(k, 2.0), k), 2 * rng.standard_normal((k, 2)), root @ root.transpose(0, 2, 1)
    )


def drawn(chain: Chain, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """States and what is seen of them."""
    rng = np.random.default_rng(seed)
    states = np.zeros(n, int)
    for t in range(1, n):
        states[t] = rng.choice(len(chain.means), p=chain.transition[states[t - 1]])
    noise = np.array([np.linalg.cholesky(chain.covariances[s]) @ rng.standard_normal(2) for s in states])
    return states, chain.means[states] + noise


def density(x: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> float:
    d = x - mean
    return float(
        np.exp(-0.5 * d @ np.linalg.inv(covariance) @ d) / np.sqrt(np.linalg.det(2 * np.pi * covariance))
    )


def by_all_paths(chain: Chain, x: np.ndarray, about: int) -> np.ndarray:
    """P(s_about | x): every path of states, weighed by what was seen."""
    k = len(chain.means)
    shares = stationary(chain.transition)
    likely = np.array(
        [
            [1.0 if np.isnan(seen).any() else density(seen, m, c) for m, c in zip(*chain[1:], strict=True)]
            for seen in x
        ]
    )
    found = np.zeros(k)
    for path in itertools.product(range(k), repeat=len(x)):
        moves = [chain.transition[one, other] for one, other in itertools.pairwise(path)]
        found[path[about]] += shares[path[0]] * np.prod(moves) * np.prod(likely[range(len(x)), path])
    return found / found.sum()


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    k=st.integers(2, 3), n=st.integers(1, 5), lag=st.integers(0, 3), seed=st.integers(0, 999), missing=st.booleans()
)  # fmt: skip
def test_filter_and_smoother_equal_the_sum_over_all_paths(
    k: int, n: int, lag: int, seed: int, missing: bool
) -> None:
    chain = chain_of(k, seed)
    x = drawn(chain, n, seed)[1]
    if missing and n > 2:
        x[1, seed % 2] = np.nan
    found = answers(HmmLabeler(chain, every=1, lag=lag), x)
    for t in range(n):
        if t < lag or np.isnan(x[t]).any():
            assert np.isnan(found[t]).all()
        else:
            np.testing.assert_allclose(found[t], by_all_paths(chain, x[: t + 1], t - lag), atol=1e-12)


def test_stationary_shares_are_where_the_chain_ends() -> None:
    transition = chain_of(3, 1).transition
    np.testing.assert_allclose(stationary(transition), np.linalg.matrix_power(transition, 200)[0], atol=1e-12)


def test_a_row_beyond_all_measure_says_nothing() -> None:
    chain = chain_of(2, 5)
    x = np.array([[0.1, 0.2], [1e300, -1e300], [0.1, 0.2]])
    hidden = x.copy()
    hidden[1] = np.nan
    labeler = HmmLabeler(chain, every=1)
    np.testing.assert_array_equal(answers(labeler, x)[2], answers(labeler, hidden)[2])
    assert np.isfinite(answers(labeler, x)).all()


def test_a_far_outlier_names_the_nearest_state_and_is_forgotten() -> None:
    chain = Chain(
        np.array([[1 - 1e-6, 1e-6], [1e-6, 1 - 1e-6]]),
        np.array([[0.0, 0], [5, 0]]),
        np.array([np.eye(2)] * 2),
    )
    x = np.zeros((30, 2))
    x[10] = 400.0, 0.0
    found = answers(HmmLabeler(chain, every=1), x)
    assert found[10, 1] > 0.99 and found[-1, 0] > 0.99


def test_fit_finds_the_chain_that_was_drawn() -> None:
    truth = Chain(
        np.array([[0.97, 0.03], [0.06, 0.94]]),
        np.array([[0.0, 0.0], [2.0, 1.0]]),
        np.array([[[1.0, 0.3], [0.3, 0.5]], [[0.5, -0.2], [-0.2, 1.5]]]),
    )
    x = drawn(truth, 20_000, 3)[1]
    x[::50] = np.nan
    guess = Chain(np.full((2, 2), 0.5), np.array([[-1.0, 0], [1, 0]]), np.array([np.eye(2)] * 2))
    fit = fit_chain([x], guess, floor=np.zeros(2), steps=200)
    np.testing.assert_allclose(fit.chain.transition, truth.transition, atol=0.01)
    np.testing.assert_allclose(fit.chain.means, truth.means, atol=0.05)
    np.testing.assert_allclose(fit.chain.covariances, truth.covariances, atol=0.07)
    np.testing.assert_allclose(fit.visits, stationary(truth.transition), atol=0.03)
    assert (np.diff(fit.likelihood) > 0).all() or fit.likelihood[-1] - fit.likelihood[-2] > -markov.ENOUGH


def test_each_step_equals_hmmlearn() -> None:
    """The same chain after one step and after five, from two sequences."""
    x = drawn(chain_of(3, 8), 700, 4)[1]
    sequences, lengths = [x[:400], x[400:]], [400, 300]
    start = Chain(np.full((3, 3), 0.1) + 0.7 * np.eye(3), x[[5, 300, 600]], np.array([np.cov(x.T)] * 3))
    model = GaussianHMM(
        3, "full", n_iter=1, init_params="", params="tmc", transmat_prior=2.0, covars_prior=0.0, min_covar=0.0
    )
    model.transmat_, model.means_, model.covars_ = start
    for done in range(1, 6):
        model.startprob_ = stationary(model.transmat_)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # hmmlearn warns of what it was told not to do
            model.fit(x, lengths)
        ours = fit_chain(sequences, start, floor=np.zeros(2), steps=done)
        if len(ours.likelihood) < done:
            break
        np.testing.assert_allclose(ours.chain.transition, model.transmat_, atol=1e-9)
        np.testing.assert_allclose(ours.chain.means, model.means_, atol=1e-9)
        np.testing.assert_allclose(ours.chain.covariances, model.covars_, atol=1e-9)


def test_long_sequences_are_cut_into_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    x = drawn(chain_of(2, 2), 3000, 6)[1]
    start = Chain(np.full((2, 2), 0.5), x[[0, 9]], np.array([np.cov(x.T)] * 2))
    monkeypatch.setattr(markov, "SEGMENT", 1000)
    cut = fit_chain([x], start, floor=np.zeros(2), steps=5)
    parts = fit_chain([x[:1000], x[1000:2000], x[2000:]], start, floor=np.zeros(2), steps=5)
    assert [a.tobytes() for a in cut.chain] == [b.tobytes() for b in parts.chain]


def test_a_state_without_rows_is_refused() -> None:
    x = drawn(chain_of(2, 2), 200, 6)[1]
    start = Chain(np.full((2, 2), 0.5), np.array([[0.0, 0.0], [1e6, 1e6]]), np.array([np.eye(2)] * 2))
    with pytest.raises(ValueError, match="without rows"):
        fit_chain([x], start, floor=np.zeros(2), steps=5)
