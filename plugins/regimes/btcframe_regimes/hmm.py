"""Market regime by a Gaussian hidden Markov chain: the probability of each state, given what was seen so far."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from btcframe.api import Column
from btcframe.errors import ModelError
from btcframe.kernels import kernel
from btcframe.kernels.logs import log_ratio
from btcframe.kernels.windows import enough, slide_sums, sums
from btcframe.types import Floats, Instrument, RowArray, StateArray
from btcframe_regimes.markov import Chain, densities, fit_chain, stationary, step, whitening

LABELS = {2: ("low", "high"), 3: ("low", "normal", "high"), 4: ("low", "normal", "high", "extreme")}

QUIET = 0.01
"""bps per row added to the volatility in squares: less than a tick now and then, so a market that stands still has a
logarithm and no state of its own far below all others."""

LONGEST = 1_000_000
"""Rows a window or a lag may have: its memory is a few floats for each."""

FITTED_ON = 200_000
"""Steps beyond which a fit leaves sequences out (see `Hmm.fit`): more would not tell the states better."""

VISITS = 20
"""Training rows there must be for each state."""

SELDOM = 0.002
"""Share of the training rows below which a state is none: one outage, or one crash."""

STEPS = 200
"""Steps of expectation and maximisation at most."""

SLIGHT = 1e-3
"""Share of a descriptor's variance that every state's own variance has at least."""


@dataclass(frozen=True)
class Hmm:
    """Low, normal or high volatility as hidden states of a Markov chain: the probability of each by the forward filter.

    ::

        regime_hmm_vol_N     v_t = ½ ln(mean r² + 0.01²)      r_t = 1e4·ln(m_t/m_{t−1}), bps
        regime_hmm_drift_N   d_t = √N · mean r                means over the valid returns of the last N rows

    NaN until the window has passed, where the row's own r is NaN, and where fewer than ⌈0.8·N⌉ returns are valid.

    State s follows a Markov chain; (v, d) is normal given the state, with a mean and a full covariance each. Every
    `every` rows the filter takes a step: P(s_t | x_1 … x_t) ∝ N(x_t; μ_s, Σ_s) · Σ_s′ P(s_{t−1} = s′ | …) A_{s′s}; rows
    between keep its answer. A window at every row would show the filter each return `window` times, and it
    would be as sure, and as restless, as if they were all news. A step without a value lets the chain run on; a row
    without one has NaN probabilities.

    Fitting is expectation and maximisation on the training rows (`markov.fit_chain`), from groups of equal size by v,
    so it draws nothing and two fits are equal. States are then ordered and named by their mean v.

    Parameters
    ----------
    window : int    N, rows, at least 2
    states : int    2 (low, high), 3 (low, normal, high) or 4 (and extreme)
    every : int     rows from one step of the filter to the next
    lag : int       rows by which the answer lags: probabilities at row t are then those of row t − lag given what is
                    known at t. 0 is the filter; more is for judging it

    References
    ----------
    Hamilton, Econometrica 57, 1989; Rydén, Teräsvirta & Åsbrink, Journal of Applied Econometrics 13, 1998.

    Outputs: 2 columns, float64 (n,). Causal.
    """

    window: int = 300
    states: int = 3
    every: int = 60
    lag: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.window <= LONGEST:
            raise ValueError(f"window: {self.window} is not a number of rows from 2 to {LONGEST:,}")
        if self.states not in LABELS:
            raise ValueError(f"states: {self.states} is not 2, 3 or 4")
        if not 1 <= self.every <= LONGEST:
            raise ValueError(f"every: {self.every} is not a number of rows from 1 to {LONGEST:,}")
        if not 0 <= self.lag <= LONGEST:
            raise ValueError(f"lag: {self.lag} is not a number of rows from 0 to {LONGEST:,}")

    def columns(self) -> tuple[Column, ...]:
        """Logarithm of the volatility, and drift."""
        n = self.window
        return (
            Column(
                f"regime_hmm_vol_{n}", "ln bps per row", low=math.log(QUIET) - 1e-12, warmup=n, inputs=("mid",),
                formula="½ ln(mean r² + 0.01²), r in bps", source="Andersen et al. 2003", family="regime",
            ),
            Column(
                f"regime_hmm_drift_{n}", "bps per √row", warmup=n, inputs=("mid",), formula=f"√{n} · mean r",
                source="definition", family="regime",
            ),
        )  # fmt: skip

    def state(self, instrument: Instrument) -> StateArray:
        """The last mid, the rows seen, and sums over the window."""
        state = np.zeros(1, [("mid", "f8"), ("rows", "i8"), ("window", sums(self.window, 3))])
        state["mid"] = np.nan
        return state

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        """Advance over rows."""
        _describe(rows, state, out)

    def fit(self, descriptors: Floats, *, seed: int) -> HmmLabeler:
        """A chain fitted on the training rows, `every` rows to a step.

        The steps that begin with the first row, those that begin with the second, and so on are sequences of one chain:
        all are used, or evenly spaced ones of them where together they have more than FITTED_ON steps, but one at least.

        Raises
        ------
        ModelError
            If too few rows are known, they are all alike, or a state is left without rows.
        """
        used = max(1, min(self.every, FITTED_ON * self.every // max(1, len(descriptors))))
        sequences = [
            descriptors[first :: self.every] for first in range(0, self.every, -(-self.every // used))
        ]
        sequences = [x for x in sequences if len(x)]
        spaced = [x[:: -(-sum(map(len, sequences)) // (2 * FITTED_ON))] for x in sequences]
        known = np.concatenate([np.empty((0, 2)), *(x[np.isfinite(x).all(axis=1)] for x in spaced)])
        need = VISITS * self.states
        if len(known) < need:
            raise ModelError(
                f"regime hmm: {len(known)} of {len(descriptors):,} training rows have a volatility, {need} are needed",
                where="regime.window",
                hint=f"It takes {self.window} rows to warm up: use a shorter window or more data.",
            )
        if not (np.ptp(known, axis=0) > 0).all():
            raise ModelError(
                "regime hmm: the market stands still in the training rows, there is nothing to tell states by",
                where="regime=hmm",
                hint="Use other data or a longer clock.",
            )
        floor = SLIGHT * known.var(axis=0)
        try:
            fit = fit_chain(sequences, _guess(known, self.states, floor), floor=floor, steps=STEPS)
        except ValueError as error:
            raise self._too_many_states(f"{error}") from error
        order = np.argsort(fit.chain.means[:, 0], kind="stable")
        visits = fit.visits[order]
        if visits.min() < SELDOM:
            least = LABELS[self.states][int(visits.argmin())]
            raise self._too_many_states(
                f"state {least} is visited in {visits.min():.2%} of the training rows"
            )
        chain = fit.chain
        sorted_chain = Chain(
            chain.transition[np.ix_(order, order)], chain.means[order], chain.covariances[order]
        )
        return HmmLabeler(sorted_chain, self.every, self.lag)

    def _too_many_states(self, why: str) -> ModelError:
        return ModelError(
            f"regime hmm: {self.states} states cannot be told apart: {why}",
            where="regime.states",
            hint="Use fewer states, or more data.",
        )

    def load(self, directory: Path) -> HmmLabeler:
        """Read what `HmmLabeler.save` wrote."""
        saved = json.loads((directory / "hmm.json").read_text(encoding="utf-8"))
        chain = Chain(*(np.array(saved[name]) for name in Chain._fields))
        return HmmLabeler(chain, saved["every"], saved["lag"])

    def hindsight(self, rows_later: int) -> Hmm:
        """The same with the answer `rows_later` rows late: smoothed over a fixed lag."""
        return replace(self, lag=self.lag + rows_later)


@dataclass(frozen=True)
class HmmLabeler:
    """A fitted chain.

    Parameters
    ----------
    chain : Chain    states in order of volatility
    every, lag : int    rows, see `Hmm`
    """

    chain: Chain
    every: int
    lag: int = 0

    @property
    def labels(self) -> tuple[str, ...]:
        """The regimes."""
        return LABELS[len(self.chain.means)]

    @cached_property
    def _densities(self) -> tuple[Floats, Floats]:
        return whitening(self.chain.covariances)

    def state(self) -> StateArray:
        """Rows seen, and of the steps that the lag reaches back, at least two: filtered probabilities and densities."""
        k, kept = len(self.labels), -(-self.lag // self.every) + 2
        state = np.zeros(
            1,
            [("rows", "i8"), ("steps", "i8"), ("answer", "f8", (k,)), ("forward", "f8", (kept, k)), ("seen", "f8", (kept, k))],
        )  # fmt: skip
        state["forward"] = stationary(self.chain.transition)
        state["seen"] = 1.0
        return state

    def update(self, descriptors: Floats, state: StateArray, out: Floats) -> None:
        """descriptors float64[n, 2] → out float64[n, states]."""
        _filter(
            descriptors, self.chain.transition, self.chain.means, *self._densities, self.every, self.lag, state, out
        )  # fmt: skip

    def save(self, directory: Path) -> None:
        """Write hmm.json."""
        plain = {name: values.tolist() for name, values in self.chain._asdict().items()}
        text = json.dumps({**plain, "every": self.every, "lag": self.lag})
        (directory / "hmm.json").write_text(text + "\n", encoding="utf-8")


def _guess(known: Floats, k: int, floor: Floats) -> Chain:
    """k groups of equal size by volatility, seldom left."""
    groups = [known[group] for group in np.array_split(np.argsort(known[:, 0], kind="stable"), k)]
    stay = 0.99
    transition = np.full((k, k), (1 - stay) / (k - 1))
    np.fill_diagonal(transition, stay)
    return Chain(
        transition,
        np.array([group.mean(axis=0) for group in groups]),
        np.array([np.cov(group, rowvar=False, ddof=0) + np.diag(floor) for group in groups]),
    )


@kernel
def _describe(rows: RowArray, state: StateArray, out: Floats) -> None:
    s = state[0]
    w = s.window
    n = len(w.block) - 1
    for i in range(len(rows)):
        mid = rows[i].mid
        r = 1e4 * log_ratio(mid, s.mid) if mid == mid and s.mid == s.mid else np.nan
        s.mid = mid
        known = r == r
        w.new[0] = r * r if known else 0.0
        w.new[1] = r if known else 0.0
        w.new[2] = 1.0 if known else 0.0
        slide_sums(w)
        s.rows += 1
        # the first row has no return, so the window is full of returns with row `n`, counted from 0
        if s.rows <= n or not known or not enough(w.total[2], n):
            continue  # out keeps the caller's NaN
        out[i, 0] = 0.5 * math.log(w.total[0] / w.total[2] + QUIET * QUIET)
        out[i, 1] = math.sqrt(n) * w.total[1] / w.total[2]


@kernel
def _filter(
    x: Floats, transition: Floats, means: Floats, factors: Floats, offsets: Floats,
    every: int, lag: int, state: StateArray, out: Floats,
) -> None:  # fmt: skip
    """The filter over rows; with a lag, the fixed-lag smoother: what came later is passed back over the kept steps."""
    s = state[0]
    kept, k = s.forward.shape
    beta, later = np.empty(k), np.empty(k)
    for t in range(len(x)):
        new = s.rows % every == 0
        if new:
            at = s.steps % kept
            densities(x[t], means, factors, offsets, s.seen[at])
            step(s.forward[(at - 1) % kept], transition, s.seen[at], s.forward[at])
            s.steps += 1
        told = s.rows - lag  # the row that this one tells about
        if told >= 0 and (new or told % every == 0):
            beta[:] = 1.0
            for back in range(s.steps - 1, told // every, -1):
                later[:] = s.seen[back % kept] * beta
                for i in range(k):
                    beta[i] = 0.0
                    for j in range(k):
                        beta[i] += transition[i, j] * later[j]
                beta /= beta.max()
            s.answer[:] = s.forward[told // every % kept] * beta
            s.answer /= s.answer.sum()
        s.rows += 1
        known = True
        for a in range(x.shape[1]):
            known = known and x[t, a] == x[t, a]
        for j in range(k):
            out[t, j] = s.answer[j] if known and told >= 0 else np.nan
