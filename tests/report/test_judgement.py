"""What is said of worth: each sentence follows from its numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from btcframe.report.judgement import after_costs, judged, luck
from btcframe.report.sharpe import sharpe_of
from btcframe.types import NS


def told(*, beyond: float = 0.5, net: tuple[float, ...] = (1.0, 0.5, 1.5), results: Any = (), trials: int = 3) -> Any:  # fmt: skip
    low, high = (None if math.isnan(v) else v for v in net[1:])
    return {
        "horizon_ns": 5 * NS,
        "cost_bps": 11.0,
        "scores": {
            "rows": 1000,
            "beyond": {"value": beyond, "low": None, "high": None},
            "paid": {"value": 0.512, "low": None, "high": None},
            "net_bps": {"value": net[0], "low": low, "high": high},
        },
        "sharpe": {
            k: None if isinstance(v, float) and math.isnan(v) else v
            for k, v in sharpe_of(np.array(results), len(results), trials)._asdict().items()
        },
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (told(beyond=0.0), "No prediction is larger than the 11.0 bps that a round trip costs: none would be acted on."),
        (told(net=(1.0, 0.5, 1.5)), "51.2\N{NARROW NO-BREAK SPACE}% of those pay, +1.00 bps each [+0.500, +1.50]: evidence that they pay."),
        (told(net=(1.0, -0.5, 2.5)), "no evidence that they pay."),
        (told(net=(-1.0, -1.5, -0.5)), "they lose."),
        (told(net=(1.0, math.nan, math.nan)), "too few stretches of time to say more."),
    ],
)  # fmt: skip
def test_after_costs(given: Any, said: str) -> None:
    assert after_costs(given).endswith(said)


def test_without_costs() -> None:
    free = told() | {"cost_bps": 0.0}
    assert after_costs(free).startswith("Nothing is taken to be paid for a round trip; 51.2")


def test_nothing_to_judge() -> None:
    given = told()
    given["scores"]["rows"] = 0
    assert after_costs(given) == "No row has both a prediction and a label."
    assert judged([]) == ""


def test_luck() -> None:
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(1000)
    noise -= noise.mean()
    assert luck(told()) == ""  # nothing was acted on
    assert "30, so no Sharpe ratio" in luck(told(results=noise[:20]))
    assert "all with the same result, so no Sharpe ratio" in luck(told(results=np.full(50, 2.0)))
    assert luck(told(results=noise + 0.2)).endswith(": more than luck.")
    assert luck(told(results=noise + 0.06, trials=2)).endswith(": not more than luck.")
    assert luck(told(results=noise + 0.2, trials=1)).endswith(
        "one configuration was tried, so nothing is deflated."
    )


def test_all_of_it_for_the_terminal() -> None:
    text = judged([told(beyond=0.0), told(results=np.random.default_rng(0).standard_normal(100))])
    first, second, trials = text.splitlines()
    assert first.startswith("5s: No prediction is larger")
    assert "Acted on once a horizon: 100 positions" in second
    assert trials == "3 configurations were tried on this market that this store knows of."
