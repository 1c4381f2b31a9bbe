"""Results of blocks of time without any edge: their mean is 0, their shapes are those that deceive."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from btcframe.report.conclusion import HOUR_NS, MIN_TRIPS, YES, Evidence, conclude
from btcframe.types import Floats

Shape = Callable[[np.random.Generator, int], Floats]


def evidence(results: Floats, *, trips: int = MIN_TRIPS, block_ns: int = HOUR_NS) -> Evidence:
    """What the rule looks at, with just enough round trips."""
    return Evidence(
        len(results) * block_ns, block_ns, tuple(results.tolist()), trips, trips, float(results.sum())
    )


def answer(e: Evidence) -> str:
    """The rule's."""
    return conclude(e, "BTC/USDT, source test", "USDT", seed=7).answer


def said_yes(shape: Shape, blocks: int, runs: int, seed: int) -> int:
    """How many of some runs without an edge the rule says yes to."""
    rng = np.random.default_rng([seed, blocks])
    return sum(answer(evidence(shape(rng, blocks))) == YES for _ in range(runs))


def _payoffs(rng: np.random.Generator, n: int) -> Floats:
    trips = rng.poisson(5, n)
    gains = rng.binomial(trips, 0.9)
    return (gains - 9 * (trips - gains)).astype(float)


def _decaying(rng: np.random.Generator, n: int) -> Floats:
    noise = rng.standard_normal(n + 30)
    x = np.zeros(n + 30)
    for t in range(1, n + 30):
        x[t] = 0.5 * x[t - 1] + noise[t]
    return x[30:]


def _moods(rng: np.random.Generator, n: int) -> Floats:
    turns = np.cumsum(rng.random(n) < 1 / 6)
    mood = np.where((turns + rng.integers(2)) % 2 == 0, 1.0, -1.0)
    return mood + 1.5 * rng.standard_normal(n)


SHAPES: dict[str, Shape] = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "heavy tails (t, 3 degrees)": lambda rng, n: rng.standard_t(3, n),
    "rare large losses (1 − exponential)": lambda rng, n: 1 - rng.exponential(1, n),
    "rare large gains (exponential − 1)": lambda rng, n: rng.exponential(1, n) - 1,
    "nine small gains, one large loss": _payoffs,
    "changing volatility": lambda rng, n: (
        np.exp(0.2 * np.cumsum(rng.standard_normal(n))) * rng.standard_normal(n)
    ),
}
"""Independent results, which the rule asks for."""

TIED: dict[str, Shape] = {
    "neighbours correlated by 0.5, decaying": _decaying,
    "good and bad spells of six blocks": _moods,
}
"""What it does where good blocks come in rows."""
