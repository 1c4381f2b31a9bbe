"""Settings of the synthetic market that cannot be, refused before any work."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from btcframe.sources.synthetic import Synthetic


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"duration": "0s"}, "duration: '0s' is not a duration"),
        ({"duration": "long"}, "duration"),
        ({"duration": "200000d"}, "longer than"),
        ({"rate": -1.0}, "rate: -1.0 is not a positive number"),
        ({"rate": float("nan")}, "rate"),
        ({"rate": 0.5}, "rate: 0.5 orders per second are too few for a volatility of 1.2 bps"),
        ({"rate": 1e9}, "rate: 1e+09 is not from 0 to 100000 orders per second"),
        ({"excitation": 1.0}, "from 1 on every order causes another"),
        ({"excitation": -0.1}, "excitation"),
        ({"levels": 0}, "levels: 0 is not between 20 and 500"),
        ({"levels": 19}, "levels"),
        ({"alpha": -1.0}, "alpha"),
        ({"alpha": float("inf")}, "alpha"),
        ({"volatility": 0.0}, "volatility"),
        ({"season": 1.0}, "season"),
        ({"regimes": ()}, "regimes: there are 0"),
        ({"regimes": (1.0,) * 9}, "regimes: there are 9"),
        ({"regimes": (1.0, -1.0)}, "regimes: -1.0"),
        ({"dwell": "1ms"}, "dwell: 1ms is shorter than the market's step"),
        ({"memory": "0s"}, "memory"),
        ({"truth_every": "1ms"}, "truth_every"),
        ({"jitter": "5s"}, "jitter: 5s is longer than 1s"),
        ({"latency": "-1ms"}, "latency"),
        ({"price": 10.0}, "price: 10 is 100 ticks of 0.1"),
        ({"tick": 1e-12}, "more than 1e+12 ticks"),
        ({"lot": 0.0}, "lot"),
        ({"best_size": 1e9}, "best_size"),
        ({"wide": 1.5}, "wide"),
        ({"gap": 0.5}, "gap"),
        ({"fragments": 0.0}, "fragments"),
        ({"seed_offset": -1}, "seed_offset"),
    ],
)
def test_impossible_parameters(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        dataclasses.replace(Synthetic(), **settings)
    assert says in str(error.value)
