"""Many small runs on markets whose truth is known: nothing must be found where nothing is, and more where there is more.

Every run is the real job `train` on the source `synthetic`: build, store, features book and returns, ridge, walk-forward,
`evaluate`. What is run stands here beforehand, and no seed is chosen.
"""

from __future__ import annotations

import functools
import math
import multiprocessing
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jobs.small import make_run

from btcframe.jobs import train
from btcframe.plugins import Catalog, discover
from btcframe.report.metrics import Found, Metrics
from btcframe.run import Run
from btcframe.types import duration_name

NULL_SEEDS = tuple(range(1, 101))
ALPHA_SEEDS = tuple(range(1, 21))
ALPHAS = (0.0, 0.5, 1.0, 2.0)
DURATION = "4h"
OUTSIDE = 0.001
"""Share of honest studies whose number of misses lies outside the band."""


class Trial(NamedTuple):
    """One run: a horizon each."""

    metrics: tuple[Metrics, ...]
    oracle: tuple[Found, ...]


@functools.lru_cache(1)
def catalog() -> Catalog:
    """What is installed, looked up once a process."""
    return discover()


def study_run(folder: Path, seed: int, market: dict[str, Any], **changes: Any) -> Run:
    """The run that a trial is."""
    config: dict[str, Any] = {
        "source": {"plugin": "synthetic", "duration": DURATION} | market,
        "features": {"book": {"plugin": "book"}, "returns": {"plugin": "returns"}},
        "regime": {"plugin": "volatility"}, "label": {"plugin": "forward_return"}, "model": {"plugin": "ridge"},
        "validation": {"folds": 5, "embargo": "1m", "min_train": 500, "expanding": True},
        "build": {"batch": 65_536, "rows": False},
    }  # fmt: skip
    return make_run(folder, catalog(), seed=seed, **config | changes)


def trial(seed: int, market: dict[str, Any], **changes: Any) -> Trial:
    """Train on a market of the source synthetic with these settings; `changes` replace nodes of the config."""
    with tempfile.TemporaryDirectory() as folder:
        result = train.main(study_run(Path(folder), seed, market, **changes))
    return Trial(result.metrics, result.oracle)


def trials(seeds: Iterable[int], market: dict[str, Any], processes: int = 2, **changes: Any) -> list[Trial]:
    """A trial each; with one process, in this one."""
    job = functools.partial(trial, market=market, **changes)
    if processes == 1:
        return [job(seed) for seed in seeds]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(job, seeds))


# ------------------------------------------------------------------------------------------------- the null


def band(n: int, p: float = 0.05, outside: float = OUTSIDE) -> tuple[int, int]:
    """Least and greatest number of n independent events of probability p that leaves outside/2 beyond it."""
    tails = np.cumsum([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])
    return int(np.searchsorted(tails, outside / 2, side="right")), int(
        np.searchsorted(tails, 1 - outside / 2)
    )


def misses(found: Sequence[Trial], horizon: int) -> int:
    """How many of the IC's intervals do not hold 0. A run that predicts 0 throughout has found nothing and has no IC; any
    other without an interval is no evidence, and an error.
    """
    said = [t.metrics[horizon] for t in found if t.metrics[horizon].mean_abs_prediction > 0]
    assert all(math.isfinite(m.ic.low) for m in said)
    return sum(not m.ic.low <= 0 <= m.ic.high for m in said)


def null_table(found: Sequence[Trial]) -> str:
    """The study of the null market as text."""
    low, high = band(len(found))
    lines = [
        f"Null market, {len(found)} runs of {DURATION}: how often a 95 % interval of the IC misses 0",
        f"{'horizon':>8} {'rows':>7} {'blocks':>7} {'misses':>7} {'allowed':>8} {'mean IC':>8} {'its sd':>7}",
    ]
    for h, m in enumerate(found[0].metrics):
        ics = np.array([t.metrics[h].ic.value for t in found])
        ics = ics[np.isfinite(ics)]
        lines.append(
            f"{duration_name(m.horizon_ns):>8} {m.rows:>7,} {m.blocks:>7} {misses(found, h):>7} {f'{low} - {high}':>8} "
            f"{ics.mean():>+8.4f} {ics.std(ddof=1):>7.4f}"
            + (f"  {len(found) - len(ics)} predict 0 throughout" if len(ics) < len(found) else "")
        )
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------------ the signal


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of independent values with its 95 % interval (Student)."""
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return float(np.mean(values)), float(np.mean(values) - half), float(np.mean(values) + half)


def growth(found: dict[float, list[Trial]], horizon: int) -> list[tuple[float, float, float]]:
    """By how much the IC is above that of the first alpha, seed by seed, with its interval."""
    ics = [np.array([t.metrics[horizon].ic.value for t in of_alpha]) for of_alpha in found.values()]
    return [interval((ic - ics[0]).tolist()) for ic in ics[1:]]


def gaps(found: dict[float, list[Trial]], horizon: int) -> list[tuple[float, float, float]]:
    """How far the IC stays under the oracle's at each alpha, with its interval."""
    return [interval([t.oracle[horizon].gap.value for t in of_alpha]) for of_alpha in found.values()]


def alpha_table(found: dict[float, list[Trial]]) -> str:
    """The study of the signal as text."""
    runs = len(next(iter(found.values())))
    lines = [
        f"Signal of strength alpha, {runs} runs of {DURATION} each: mean over the runs [95 % interval]",
        f"{'horizon':>8} {'alpha':>6} {'IC':>24} {'oracle IC':>10} {'found':>6} {'oracle IC - IC':>24}",
    ]
    for h, m in enumerate(next(iter(found.values()))[0].metrics):
        for (alpha, of_alpha), gap in zip(found.items(), gaps(found, h), strict=True):
            ic = interval([t.metrics[h].ic.value for t in of_alpha])
            oracle = np.mean([t.oracle[h].oracle.ic.value for t in of_alpha])
            share = np.mean([t.oracle[h].found.value for t in of_alpha])
            lines.append(
                f"{duration_name(m.horizon_ns):>8} {alpha:>6g} {_text(ic):>24} {oracle:>+10.3f} {share:>6.0%} {_text(gap):>24}"
            )
    return "\n".join(lines)


def _text(of: tuple[float, float, float]) -> str:
    return f"{of[0]:+.3f} [{of[1]:+.3f}, {of[2]:+.3f}]"
