"""Claim: the hidden Markov chain is fitted several times as fast as by hmmlearn, to the same parameters.

Peer: hmmlearn's GaussianHMM, full covariances, the same first guess and as many steps of expectation and maximisation.
The other figures have no peer: what each regime takes for a market of two years of minutes, and for one row.
"""

from __future__ import annotations

import logging
import time
from functools import partial

import numpy as np
from hmmlearn.hmm import GaussianHMM

from benchmarks.frame import first, ratio, table, take_turns
from benchmarks.inputs import SEED
from btcframe.testing import markets
from btcframe.types import ROW
from btcframe_regimes import Hht, Hmm, Volatility, markov
from btcframe_regimes.markov import Chain, fit_chain, stationary

ROWS = 1_050_000
CHUNK = 512  # rows a pipeline gives at a time
STEPS = 5
ONE = 4000


def mids():
    """Rows with a mid: a walk whose volatility changes every thousand rows or so."""
    rng = np.random.default_rng(SEED)
    size = np.repeat(rng.lognormal(0.0, 0.7, ROWS // 1000), 1000)
    rows = np.zeros(ROWS, ROW)
    rows["mid"] = 60_000 * np.exp(np.cumsum(1e-4 * size * rng.standard_normal(ROWS)))
    return rows


def described(rows, regime):
    state = regime.state(markets.INSTRUMENT)
    out = np.full((len(rows), len(regime.columns())), np.nan)
    for at in range(0, len(rows), CHUNK):
        regime.update(rows[at : at + CHUNK], state, out[at : at + CHUNK])
    return out


def guess(x):
    groups = np.array_split(x[np.argsort(x[:, 0], kind="stable")], 3)
    transition = np.full((3, 3), 0.005) + 0.985 * np.eye(3)
    return Chain(
        transition, np.array([g.mean(axis=0) for g in groups]), np.array([np.cov(g.T) for g in groups])
    )


def by_hmmlearn(x, start):
    model = GaussianHMM(
        3,
        "full",
        n_iter=STEPS,
        tol=-np.inf,
        init_params="",
        params="tmc",
        transmat_prior=2.0,
        covars_prior=0.0,
    )
    model.startprob_ = stationary(start.transition)
    model.transmat_, model.means_, model.covars_ = start
    return model.fit(x)


def one_row_us(rows, regime):
    state = regime.state(markets.INSTRUMENT)
    out = np.full((1, len(regime.columns())), np.nan)
    taken = []
    for t in range(len(rows)):
        row = rows[t : t + 1]
        start = time.perf_counter_ns()
        regime.update(row, state, out)
        taken.append((time.perf_counter_ns() - start) / 1000)
    return np.percentile(taken, (50, 99))


def main() -> None:
    logging.getLogger("hmmlearn").setLevel(logging.CRITICAL)
    rows = mids()
    x = described(rows, Hmm())
    x = np.ascontiguousarray(x[np.isfinite(x).all(axis=1)])
    start = guess(x)
    markov.ENOUGH = -np.inf  # as many steps as hmmlearn
    markov.SEGMENT = len(x)  # and one sequence
    fit = partial(fit_chain, [x], start, floor=np.zeros(2), steps=STEPS)
    started, found = first(fit)
    peer = by_hmmlearn(x, start)
    worst = max(
        float(np.abs(a - b).max())
        for a, b in zip(found.chain, (peer.transmat_, peer.means_, peer.covars_), strict=True)
    )
    assert worst <= 1e-6, f"the chains differ by {worst:.1e}"
    fast, slow = take_turns(fit, partial(by_hmmlearn, x, start), repeats=3)
    table(
        f"Hidden Markov chain: {STEPS} steps of the fit over {len(x):,} rows, one thread", "who", "seconds", "× hmmlearn",
        rows=[("ours", fast.seconds(), ratio(fast, slow)), ("hmmlearn 0.3.3", slow.seconds(), "1×")],
        note=f"The chains agree within {worst:.0e}. {started}",
    )  # fmt: skip
    shown = []
    for regime in (Volatility(), Hmm(), Hht()):
        (all_rows,) = take_turns(partial(described, rows, regime), repeats=1)
        p50, p99 = one_row_us(rows[:ONE], regime)
        shown.append((type(regime).__name__.lower(), all_rows.seconds(), f"{p50:.1f} µs", f"{p99:.1f} µs"))
    table(
        f"Descriptors of {ROWS:,} rows, {CHUNK} at a time, one thread", "regime", "seconds", "one row, median", "99 %",
        rows=shown,
    )  # fmt: skip
