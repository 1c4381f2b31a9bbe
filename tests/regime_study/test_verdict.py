from __future__ import annotations

import math

from btcframe.regime_study.verdict import Verdict, verdict
from btcframe.regime_study.worth import Compared
from btcframe.report.metrics import Estimate
from btcframe.types import NS

NO_IC = Estimate(0.001, -0.01, 0.012)
NOTHING = Estimate(0.0)


def judged(values: dict[str, float], apart: dict[tuple[str, str], Estimate], left_out: dict[str, str] | None = None,
           ic: dict[str, Estimate] | None = None, first: str = "hht", more: Estimate = NOTHING) -> Verdict:  # fmt: skip
    worth = Compared({n: Estimate(v, v - 0.1, v + 0.1) for n, v in values.items()}, apart)
    direction = Compared(ic or dict.fromkeys(values, NO_IC), {})
    return verdict(first, worth, dict.fromkeys(values, more), [direction], [60 * NS], left_out or {})


def test_a_baseline_that_beats_it_is_said_plainly() -> None:
    said = judged(
        {"hht": 0.2, "hmm": 0.21, "volatility": 0.4},
        {("hht", "hmm"): Estimate(-0.01, -0.03, 0.01), ("hht", "volatility"): Estimate(-0.2, -0.25, -0.15)},
    )
    assert said.answer == "volatility beats hht"
    assert said.sentences == [
        "No difference between hht and hmm can be told: 20.0\u202f% against 21.0\u202f% of the variance, "
        "difference −1.0 points [−3.0, 1.0].",
        "volatility beats hht: 40.0\u202f% against 20.0\u202f% of the variance, 20.0 points [15.0, 25.0] more.",
        "Direction: no method's regime tells which way the price goes.",
    ]


def test_it_beats_all_or_some_or_none() -> None:
    more, same = Estimate(0.2, 0.1, 0.3), Estimate(0.01, -0.01, 0.03)
    values = {"hht": 0.4, "hmm": 0.2, "volatility": 0.2}
    pairs = [("hht", "hmm"), ("hht", "volatility")]
    assert judged(values, dict.fromkeys(pairs, more)).answer == "hht beats hmm and volatility"
    assert judged(values, dict(zip(pairs, (more, same), strict=True))).answer == (
        "hht beats hmm; from volatility it cannot be told apart"
    )
    assert (
        judged(values, dict.fromkeys(pairs, same)).answer
        == "hht cannot be told apart from hmm and volatility"
    )


def test_the_pair_may_stand_the_other_way_round() -> None:
    said = judged({"volatility": 0.4, "hht": 0.2}, {("volatility", "hht"): Estimate(0.2, 0.15, 0.25)})
    assert said.answer == "volatility beats hht"


def test_too_little_data() -> None:
    said = judged({"hht": 0.4, "hmm": 0.2}, {("hht", "hmm"): Estimate(0.2)})
    assert said.answer == "Too little data to tell hht from hmm"
    assert "too little data for an interval (at least 30 blocks of time are needed)" in said.sentences[0]


def test_alone_left_out_or_nothing_to_explain() -> None:
    assert judged({"hht": 0.1}, {}).answer == "hht is alone: there is nothing to compare it with"
    said = judged({"hmm": 0.1, "volatility": 0.2}, {}, {"hht": "too few rows (fold 0)"})
    assert said.answer == "hht cannot be judged: it could not be fitted"
    assert said.sentences[:2] == [
        "hht is left out: too few rows (fold 0).",
        "Best of the others is volatility.",
    ]
    said = judged({"hht": 0.1}, {}, {"hmm": "why"})
    assert said.sentences[0] == "hmm is left out: why."
    still = judged({"hht": math.nan, "hmm": math.nan}, {("hht", "hmm"): Estimate(math.nan)})
    assert still.answer == "Forward volatility never changes: there is nothing to explain"


def test_direction_is_said_with_the_number_of_tries() -> None:
    ic = {"hht": Estimate(0.03, 0.01, 0.05), "hmm": Estimate(-0.03, -0.05, -0.01)}
    said = judged({"hht": 0.1, "hmm": 0.1}, {("hht", "hmm"): Estimate(0.0, -0.1, 0.1)}, ic=ic)
    assert said.sentences[-1] == (
        "Direction is told by hht over 1m (IC +0.030 [+0.010, +0.050]) and hmm over 1m (IC −0.030 [−0.050, −0.010], "
        "the wrong way round); of 2 intervals one in twenty errs by chance."
    )
    unknown = judged({"hht": 0.1}, {}, ic={"hht": Estimate(0.03)})
    assert unknown.sentences[-1] == "Direction: too little data to say anything."


def test_what_it_adds_beside_another() -> None:
    values, apart = {"hht": 0.2, "hmm": 0.4}, {("hht", "hmm"): Estimate(-0.2, -0.25, -0.15)}
    said = judged(values, apart, more=Estimate(0.02, 0.01, 0.03)).sentences
    assert said[1] == "hht adds 2.0 points [1.0, 3.0] to what hmm tells."
    said = judged(values, apart, more=Estimate(0.001, -0.01, 0.012)).sentences
    assert said[1] == "It cannot be told that hht adds anything to hmm: 0.1 points [−1.0, 1.2]."
    said = judged(values, apart, more=Estimate(-0.02, -0.03, -0.01)).sentences
    assert said[1] == "hht takes 2.0 points [1.0, 3.0] from what hmm tells alone."
