"""Gaussian hidden Markov chain: the forward filter, and its fit by expectation and maximisation.

A row's state s_t is one of k and follows a Markov chain, P(s_t = j | s_{t−1} = i) = A_ij; what is seen of it is
x_t ~ N(μ_s, Σ_s). A row where x_t is not known (any NaN) says nothing of the state: the chain runs on over it.

The fit is ours and not hmmlearn's, though equal to it to the digits that EM leaves: theirs (0.3.3, "limited maintenance")
takes no missing rows, keeps some arrays of the length of the market, starts from a random k-means, and takes four to six
times as long (benchmarks/regimes.py). The filter has to be a kernel of ours in any case, the same bits live and in batch;
the fit's E-step is that filter and a pass back.

References
----------
Rabiner, A tutorial on hidden Markov models, Proceedings of the IEEE 77, 1989; Hamilton, Econometrica 57, 1989 (regimes);
Baum, Petrie, Soules & Weiss, Annals of Mathematical Statistics 41, 1970 (the fit).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from btcframe.kernels import kernel
from btcframe.types import Floats

SEGMENT = 65_536
"""Rows of which the forward probabilities are kept for the pass back: memory does not grow with the market."""

ENOUGH = 1e-5
"""Gain of log likelihood per row below which a fit has converged."""


class Chain(NamedTuple):
    """Parameters of a chain of k states seen through d numbers.

    Parameters
    ----------
    transition : float64[k, k]       A, rows sum to 1
    means : float64[k, d]            μ
    covariances : float64[k, d, d]   Σ
    """

    transition: Floats
    means: Floats
    covariances: Floats


class Fit(NamedTuple):
    """A fitted chain and how it came about.

    Parameters
    ----------
    chain : Chain
    visits : float64[k]      expected share of the rows in each state
    likelihood : float64[i]  log likelihood per known row, before each step; its last is that of the chain before the last
    """

    chain: Chain
    visits: Floats
    likelihood: Floats


def stationary(transition: Floats) -> Floats:
    """The shares π = πA in which a chain visits its states in the long run, float64[k].

    Parameters
    ----------
    transition : float64[k, k]    of a chain whose states all reach each other
    """
    k = len(transition)
    system = np.vstack([transition.T - np.eye(k), np.ones(k)])
    solved: Floats = np.linalg.lstsq(system, np.r_[np.zeros(k), 1.0], rcond=None)[0]
    shares = np.clip(solved, 0.0, None)
    return np.asarray(shares / shares.sum())


def whitening(covariances: Floats) -> tuple[Floats, Floats]:
    """What a density is computed with: L⁻¹ of each Σ = LLᵀ, float64[k, d, d], and −½ ln |2πΣ|, float64[k].

    Raises
    ------
    numpy.linalg.LinAlgError
        If a Σ is not positive definite.
    """
    factors = np.linalg.cholesky(covariances)
    d = covariances.shape[1]
    logs = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1) + 0.5 * d * math.log(2 * math.pi)
    return np.linalg.inv(factors), -logs


def fit_chain(sequences: Sequence[Floats], start: Chain, *, floor: Floats, steps: int) -> Fit:
    """Expectation and maximisation from a first guess until a step gains less than ENOUGH per row.

    Parameters
    ----------
    sequences : float64[n, d] each    one chain's parameters hold for all; NaN where nothing is known, not everywhere
    start : Chain
    floor : float64[d]                added to the variances, so that no state shrinks onto a point
    steps : int                       at most

    Raises
    ------
    ValueError
        If a state is left without rows.
    """
    k, d = start.means.shape
    known = sum(int(np.isfinite(x).all(axis=1).sum()) for x in sequences)
    forward = np.empty((min(SEGMENT, max(len(x) for x in sequences)), k))
    chain, likelihood, gamma = start, [], np.zeros(k)
    for _ in range(steps):
        pi = stationary(chain.transition)
        factors, offsets = whitening(chain.covariances)
        gamma, moves = np.zeros(k), np.zeros((k, k))
        first, second = np.zeros((k, d)), np.zeros((k, d, d))
        total = 0.0
        for x in _segments(sequences):
            total += expect(
                x, pi, chain.transition, chain.means, factors, offsets, forward, gamma, moves, first, second
            )
        likelihood.append(total / known)
        chain = _maximise(gamma, moves, first, second, chain.means, floor)
        if len(likelihood) > 1 and likelihood[-1] - likelihood[-2] < ENOUGH:
            break
    return Fit(chain, gamma / gamma.sum(), np.array(likelihood))


def _segments(sequences: Sequence[Floats]) -> Iterator[Floats]:
    """At most SEGMENT rows at a time, each a sequence of its own that begins with the chain's stationary shares."""
    for x in sequences:
        for at in range(0, len(x), SEGMENT):
            yield np.ascontiguousarray(x[at : at + SEGMENT])


def _maximise(
    gamma: Floats, moves: Floats, first: Floats, second: Floats, about: Floats, floor: Floats
) -> Chain:
    if (gamma < 1.0).any():
        raise ValueError("one is left without rows")
    shift = first / gamma[:, None]
    covariances = second / gamma[:, None, None] - shift[:, :, None] * shift[:, None, :]
    moves = (
        moves + 1.0
    )  # each move once more than seen: none is impossible, so no row can contradict the filter
    return Chain(moves / moves.sum(axis=1, keepdims=True), about + shift, covariances + np.diag(floor))


@kernel
def densities(x: Floats, means: Floats, factors: Floats, offsets: Floats, out: Floats) -> float:
    """N(x; μ_j, Σ_j) of one row for every state, over the largest of them, into out.

    Parameters
    ----------
    x : float64[d]
    means, factors, offsets : float64[k, d], float64[k, d, d], float64[k]    μ, L⁻¹ and −½ ln |2πΣ|
    out : float64[k]

    Returns
    -------
    float    logarithm of the largest; NaN where x has a NaN, or is beyond all measure: out is then 1 for every state
    """
    k, d = means.shape
    best = -np.inf
    for j in range(k):
        square = 0.0
        for a in range(d):
            z = 0.0
            for b in range(a + 1):
                z += factors[j, a, b] * (x[b] - means[j, b])
            square += z * z
        out[j] = offsets[j] - 0.5 * square
        best = max(best, out[j])
    if not best > -np.inf:  # a NaN loses every comparison
        out[:] = 1.0
        return np.nan
    for j in range(k):
        out[j] = math.exp(out[j] - best)
    return best


@kernel
def step(p: Floats, transition: Floats, seen: Floats, out: Floats) -> float:
    """One row of the filter: out_j ∝ seen_j · Σ_i p_i A_ij. Returns what out was divided by to sum to 1."""
    k = len(p)
    total = 0.0
    for j in range(k):
        came = 0.0
        for i in range(k):
            came += p[i] * transition[i, j]
        out[j] = came * seen[j]
        total += out[j]
    for j in range(k):
        out[j] /= total
    return total


@kernel
def expect(
    x: Floats, pi: Floats, transition: Floats, means: Floats, factors: Floats, offsets: Floats, forward: Floats,
    gamma: Floats, moves: Floats, first: Floats, second: Floats,
) -> float:  # fmt: skip
    """The E-step over one sequence: adds what is expected of the states to the sums, and returns the log likelihood.

    gamma_j += Σ_t P(s_t = j | x), over known rows; moves_ij += Σ_t P(s_t = i, s_{t+1} = j | x), over all;
    first, second += Σ_t P(s_t = j | x) · (x_t − μ_j), · (x_t − μ_j)(x_t − μ_j)ᵀ: about the old mean, so no digits are lost.

    Parameters
    ----------
    x : float64[n, d]
    pi : float64[k]                         shares before the first row
    transition, means, factors, offsets     see `densities` and `step`
    forward : float64[>= n, k]              scratch
    gamma, moves, first, second : float64   [k], [k, k], [k, d], [k, d, d]
    """
    n, d = x.shape
    k = len(pi)
    seen, beta, later = np.empty(k), np.ones(k), np.empty(k)
    likelihood = 0.0
    for t in range(n):
        best = densities(x[t], means, factors, offsets, seen)
        if t == 0:  # the shares themselves, not what follows them
            total = 0.0
            for j in range(k):
                forward[0, j] = pi[j] * seen[j]
                total += forward[0, j]
            for j in range(k):
                forward[0, j] /= total
        else:
            total = step(forward[t - 1], transition, seen, forward[t])
        if best == best:
            likelihood += best + math.log(total)
    for t in range(n - 1, -1, -1):
        best = densities(x[t], means, factors, offsets, seen)
        if best == best:
            total = 0.0
            for j in range(k):
                total += forward[t, j] * beta[j]
            for j in range(k):
                weight = forward[t, j] * beta[j] / total
                gamma[j] += weight
                for a in range(d):
                    da = x[t, a] - means[j, a]
                    first[j, a] += weight * da
                    for b in range(d):
                        second[j, a, b] += weight * da * (x[t, b] - means[j, b])
        if t > 0:
            total = 0.0
            for j in range(k):
                later[j] = seen[j] * beta[j]
            for i in range(k):
                beta[i] = 0.0
                for j in range(k):
                    beta[i] += transition[i, j] * later[j]
                total += forward[t - 1, i] * beta[i]
            for i in range(k):
                for j in range(k):
                    moves[i, j] += forward[t - 1, i] * transition[i, j] * later[j] / total
                beta[i] /= total
    return likelihood
