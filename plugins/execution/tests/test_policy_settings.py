"""What a policy may be set to, and what refuses the rest by name."""

from __future__ import annotations

import math
from typing import Any

import pytest

from btcframe.api import Position
from btcframe.errors import ConfigError
from btcframe_execution import Adaptive, MarketPolicy, Passive, Twap
from btcframe_execution.signal import whole_lots

from .books import INSTRUMENT, NAN, view

EVERY = (MarketPolicy(), Passive(), Adaptive(), Twap())


@pytest.mark.parametrize(
    ("size", "lots"), [(0.001, 1), (0.0019, 1), (0.29, 290), (1e-5, 0), (0.3, 300), (2.0, 2000)]
)
def test_sizes_are_rounded_down_as_written(size: float, lots: int) -> None:
    assert whole_lots(INSTRUMENT, size) == lots


@pytest.mark.parametrize("policy", EVERY)
def test_a_size_below_one_lot_is_refused(policy: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"^size: 0.0009 is less than a lot of BTC/USDT:USDT\nIts lots are of 0.001"
    ):
        type(policy)(size=0.0009).decide(view(50.0), Position())
    assert not type(policy)(size=0.0).decide(view(50.0), Position())


BAD: list[tuple[dict[str, Any], str]] = [
    ({"size": -1.0}, "size: -1.0 must be at least 0 and at most 1e+09"),
    ({"size": NAN}, "size: nan must be"),
    ({"size": 1e308}, "size: 1e+308 must be"),
    ({"horizon": "soon"}, "horizon: 'soon' is not a duration: write a whole number and a unit, e.g. 100ms"),
    ({"threshold_bps": math.inf}, "threshold_bps: inf must be at least 0"),
    ({"threshold_bps": -0.1}, "threshold_bps: -0.1 must be at least 0"),
    ({"fee_bps": 1001.0}, "fee_bps: 1001.0 must be at least -1000 and at most 1000"),
    ({"maker_fee_bps": NAN}, "maker_fee_bps: nan must be"),
    ({"taker_fee_bps": -2000.0}, "taker_fee_bps: -2000.0 must be"),
    ({"slippage_bps": -0.1}, "slippage_bps: -0.1 must be at least 0 and at most 1000"),
    ({"patience": "0s"}, "patience: '0s' is not a duration"),
    ({"reprice_bps": -1.0}, "reprice_bps: -1.0 must be at least 0"),
    ({"duration": "long"}, "duration: 'long' is not a duration"),
    ({"slices": 0}, "slices: 0 must be at least 1 and at most 10000"),
    ({"duration": "50ns"}, "slices: 5 of 50ns are shorter than 100ms each"),
    ({"resting": 1.5}, "resting: 1.5 must be at least 0 and at most 1"),
]


@pytest.mark.parametrize(("setting", "message"), BAD, ids=[str(bad) for bad, _ in BAD])
def test_impossible_settings_are_refused_by_name(setting: dict[str, Any], message: str) -> None:
    (name,) = setting
    policies = [type(policy) for policy in EVERY if hasattr(policy, name)]
    assert policies
    for policy in policies:
        with pytest.raises(
            ValueError, match=f"^{name if name != 'duration' else '(duration|slices)'}: "
        ) as error:
            policy(**setting)
        assert message in str(error.value)
