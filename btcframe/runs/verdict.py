"""What a ranking allows to be said: nothing, that there is an edge, or that there is a winner. One fixed rule.

1. **Nothing**, unless the best is above what the best of so many trials reaches by luck: deflated Sharpe ratio of at
   least `SURE`. So it is where too few periods moved to tell.
2. **A winner**, if the best is ahead of the median run by more than the best of so many is by chance (p ≤ 1 − `SURE`),
   and the choice holds out of sample: probability of backtest overfitting of at most 1 − `SURE`.
3. **An edge, and no winner** otherwise: what was tried earns something, and which of it is best cannot be told.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from btcframe.report.judgement import SURE
from btcframe.report.words import counted, number, percent, significant, span_text
from btcframe.runs.comparison import IC, NET, Comparison
from btcframe.runs.luck import MIN_PERIODS, Ahead
from btcframe.runs.overfitting import LEAST_GROUPS, PER_GROUP

NOTHING, EDGE, WINNER = "nothing", "an edge, and no winner", "a winner"


class Verdict(NamedTuple):
    """The answer, why, and what else whoever reads the ranking must know.

    Parameters
    ----------
    answer : str
    sentence : str
    warnings : tuple of str
    """

    answer: str
    sentence: str
    warnings: tuple[str, ...]


def likely(p: float) -> str:
    """A probability that is never certain."""
    if p > 0.999:
        return f"more than {percent(0.999, 1)}"
    return f"less than {percent(0.001, 1)}" if p < 0.001 else percent(p, 1)


def judged(found: Comparison) -> Verdict:
    """The verdict on a ranking."""
    warnings = tuple(_warnings(found))
    luck, best = found.luck, found.rows[0].run.name
    tried = counted(luck.trials, "configuration")
    if not luck.active and found.by == NET and found.rows[0].ratio == 0:
        return Verdict(
            NOTHING,
            f"The best is {best}, which earned nothing and lost nothing; none of the others earned anything.",
            warnings,
        )
    if math.isnan(luck.deflated):
        why = (
            f"{span_text(int(found.edges[-1] - found.edges[0]))} are {counted(luck.periods, 'period')} of "
            f"{span_text(found.period_ns)}, and the best run, {best}, moved in {luck.active}; at least {MIN_PERIODS} are needed"
            if luck.active < MIN_PERIODS
            else f"the best run, {best}, came to the same in every period"
        )
        return Verdict(NOTHING, f"Nothing can be told from luck: {why}.", warnings)
    mean = significant(luck.ratio)
    above = f"with {likely(luck.deflated)} probability"
    if luck.deflated < SURE:
        if luck.ratio <= 0:
            what = "predicts nothing" if found.by == IC else "earns nothing after costs"
            return Verdict(
                NOTHING,
                f"Even the best of {tried}, {best}, {what}: Sharpe ratio of a period {mean}.",
                warnings,
            )
        return Verdict(
            NOTHING,
            f"The best, {best}, has a Sharpe ratio of {mean} a period; the best of {tried} without any skill reaches "
            f"{significant(luck.hurdle)} by luck. It is above that {above} only.",
            warnings,
        )
    held = f"The best, {best}, is above what the best of {tried} reaches by luck {above}"
    ahead, over = found.ahead, found.overfitting
    if ahead and over and ahead.p <= 1 - SURE and over.probability <= 1 - SURE:
        return Verdict(
            WINNER,
            f"{held}, and ahead of the median run by more than chance among {len(found.rows)} gives.{_alike(ahead)}",
            warnings,
        )
    return Verdict(EDGE, f"{held}; that it is better than the others cannot be said.", warnings)


def _alike(ahead: Ahead) -> str:
    n = len(ahead.alike)
    return f" {'One other' if n == 1 else f'{n:,} others'} cannot be told from it." if n else ""


def _warnings(found: Comparison) -> list[str]:
    said = []
    ahead, over, n = found.ahead, found.overfitting, len(found.rows)
    if n == 1:
        said.append("One run is no ranking.")
    elif ahead is None:
        said.append("Whether the best is ahead of the median run cannot be told: too little moved.")
    elif ahead.p > 1 - SURE:
        said.append(
            f"The winner is within noise of the median: a lead like its own, {number(ahead.difference, 3, sign=True)} in the Sharpe ratio "
            f"of a period, comes by chance with {likely(ahead.p)} among {n} runs."
        )
    if over is None and n > 1:
        least = LEAST_GROUPS * PER_GROUP
        why = (
            f"{found.periods} periods, and {least} are needed"
            if found.periods < least
            else "all runs did the same"
        )
        said.append(f"The probability of backtest overfitting cannot be told: {why}.")
    elif over and over.probability > 1 - SURE:
        said.append(
            f"Whoever had chosen the best on one half of the time would have had one no better than the median on the other "
            f"in {percent(over.probability, 0)} of {over.splits:,} splits."
        )
    codes = [row.run.manifest.get("code", {}) for row in found.rows]
    if other := sorted({name for code in codes for name in code if code[name] != codes[0].get(name)}):
        said.append(
            f"The runs were not made by the same code: {', '.join(other)}. A difference may be the code's."
        )
    if found.trials.unknown:
        said.append(f"How much was tried is not known, at least this much: {found.trials.unknown}.")
    return said
