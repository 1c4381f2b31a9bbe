"""Claim: where no run has an edge, `btcframe runs compare` says nothing; where one has, it finds it.

Returns of N runs over T periods, made up, 120 times each: without any edge (independent, with heavy tails, with rare
losses, all alike, with good and bad times), with one run that is better, and with all good and alike. The columns of verdicts say in how many of
them it was said.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from benchmarks.frame import table
from btcframe.report.judgement import SURE
from btcframe.runs.luck import ahead, deflated, sharpe_ratios
from btcframe.runs.overfitting import overfitting
from btcframe.types import Floats

SIZES = ((30, 8), (60, 8), (120, 20))
TIMES = 120

Shape = Callable[[np.random.Generator, int, int], Floats]


def _alike(rng: np.random.Generator, periods: int, runs: int) -> Floats:
    return 0.9 * rng.standard_normal((periods, 1)) + np.sqrt(1 - 0.81) * rng.standard_normal((periods, runs))


def _moods(rng: np.random.Generator, periods: int, runs: int) -> Floats:
    noise = rng.standard_normal((periods + 50, runs))
    values = np.zeros_like(noise)
    for t in range(1, periods + 50):
        values[t] = 0.4 * values[t - 1] + noise[t]
    return values[50:]


def _spared(rng: np.random.Generator, periods: int, runs: int) -> Floats:
    return math.gamma(2.5) - rng.exponential(size=(periods, runs)) ** 1.5


def _planted(rng: np.random.Generator, periods: int, runs: int) -> Floats:
    values = rng.standard_normal((periods, runs))
    values[:, 3] += 0.4
    return values


SHAPES: dict[str, Shape] = {
    "no edge, independent": lambda rng, t, n: rng.standard_normal((t, n)),
    "no edge, heavy tails (t, 3 degrees)": lambda rng, t, n: rng.standard_t(3, (t, n)),
    "no edge, rare losses (skewness −4.6)": _spared,
    "no edge, alike (correlation 0.81)": _alike,
    "no edge, moods (0.4 from period to period)": _moods,
    "one run with a ratio of 0.4": _planted,
    "all with a ratio of 0.4, alike": lambda rng, t, n: 0.4 + _alike(rng, t, n),
}


def main() -> None:
    rows = []
    for periods, runs in SIZES:
        for name, shape in SHAPES.items():
            told = np.array(
                [
                    _said(shape(np.random.default_rng([k, periods, runs]), periods, runs), k)
                    for k in range(TIMES)
                ]
            )
            over, edge, lead, winner = told.mean(axis=0)
            rows.append(
                (f"{periods} × {runs}", name, f"{over:.2f}", f"{lead:.0%}", f"{edge:.0%}", f"{winner:.0%}")
            )
    columns = ("periods × runs", "returns", "mean PBO", "lead, p ≤ 5 %", "at least an edge", "a winner")
    table("What is said of sweeps that are made up", *columns, rows=rows, note=f"{TIMES} of each.")


def _said(returns: Floats, seed: int) -> tuple[float, bool, bool, bool]:
    order = np.argsort(-sharpe_ratios(returns), kind="stable")
    best, median, runs = int(order[0]), int(order[returns.shape[1] // 2]), returns.shape[1]
    over, lead = overfitting(returns), ahead(returns, best, median, seed=seed)
    assert over is not None and lead is not None
    edge = deflated(returns, best, runs).deflated >= SURE
    clear = lead.p <= 1 - SURE
    return over.probability, edge, clear, edge and clear and over.probability <= 1 - SURE
