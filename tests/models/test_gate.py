"""The gate: what beats the baselines passes, what does not is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from models.small_models import estimate, worth

from btcframe.models.gate import RULE, may_promote

MINUTE = 60_000_000_000


def test_a_model_that_beats_both_baselines_on_one_horizon_passes() -> None:
    assert may_promote([worth()]) is None
    idle = worth(
        5 * MINUTE, ic=0.01, r2=-0.001, r2_persistence=-0.001, ic_gap=0.0
    )  # nothing found, nothing worse
    assert may_promote([idle, worth()]) is None
    assert may_promote([worth(), idle]) is None


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({"ic": 0.019}, r"at 1m its IC cannot be told from 0, 0\.0190 \[-0\.0010, 0\.0390\]"),
        ({"ic": 0.1, "half": None}, "at 1m its IC has no interval"),
        ({"ic": None}, "at 1m its IC has no interval"),
        ({"r2": -0.01}, r"at 1m its R² against zero is -0\.0100"),
        ({"r2": 0.0}, r"at 1m its R² against zero is 0\.0000"),
        ({"r2_persistence": -0.01}, r"at 1m its R² against persistence is -0\.0100"),
        ({"r2_persistence": None}, "at 1m its R² against persistence is not known"),
        ({"ic_gap": -0.01}, r"at 1m its lead in IC over persistence is -0\.0100"),
    ],
)  # fmt: skip
def test_what_does_not_beat_a_baseline_is_refused(scores: dict, message: str) -> None:
    refusal = may_promote([worth(**scores)])
    assert refusal is not None
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(str(refusal))
    assert str(refusal).startswith("It beats the baselines on no horizon: ")


def test_persistence_that_predicts_nothing_has_no_ic_to_lead() -> None:
    assert may_promote([worth(ic_gap=None)]) is None


@pytest.mark.parametrize("score", ["ic", "r2", "r2_persistence", "ic_gap"])
def test_one_horizon_that_is_worse_beyond_chance_is_enough(score: str) -> None:
    bad = worth(5 * MINUTE)
    bad["scores"][score] = estimate(-0.03, 0.02)
    refusal = may_promote([worth(), bad])
    assert refusal is not None and len(refusal.reasons) == 1
    assert refusal.reasons[0].startswith("At 5m ") and "below 0 beyond chance" in refusal.reasons[0]
    bad["scores"][score] = estimate(-0.03, 0.04)  # by chance
    assert may_promote([worth(), bad]) is None


def test_a_run_that_tells_nothing_is_refused() -> None:
    refusal = may_promote([])
    assert refusal is not None and str(refusal) == "Its run does not tell what it is worth."


def test_the_docs_say_the_rule_as_it_is() -> None:
    assert RULE in (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
