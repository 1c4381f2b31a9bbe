"""What trades say of a market, against markets made to say it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from btcframe.facts.trades import TradeFacts
from btcframe.types import EVENT, NS, EventArray, Kind

PERIOD = NS // 10
TICK = 0.1
START = 1_700_000_000 * NS


def trades(side: np.ndarray, stamp: np.ndarray, lots: np.ndarray) -> EventArray:
    events = np.zeros(len(side), EVENT)
    events["kind"], events["side"], events["lots"] = Kind.TRADE, side, lots
    events["exch_ts"], events["local_ts"] = stamp, stamp + 5_000_000
    return events


def added(events: EventArray, step: int) -> TradeFacts:
    part = TradeFacts(0.001)
    for at in range(0, len(events), step):
        part.add(events[at : at + step])
    return part


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_prints_of_one_stamp_and_side_are_one_order(step: int) -> None:
    side = np.array([1, 1, -1, -1, -1, 1] * 50)
    stamp = START + np.repeat(np.arange(50), 6) * NS + np.tile([0, 0, 0, 0, 9, 9], 50)
    found = added(trades(side, stamp, np.tile([1, 2, 3, 4, 50, 600], 50)), step).facts()
    assert found["prints_per_order"].value == pytest.approx(6 / 4)  # 1+2, 3+4, 50, 600
    assert found["buys"].value == pytest.approx(0.5)
    assert found["order_mean"].n == 4 * 50 - 1  # the last one may go on
    assert found["order_p50"].value == pytest.approx(0.007, rel=0.01)
    assert found["latency_p50"].value == pytest.approx(5.0)
    assert found["latency_high"].value == 0


def test_signs_that_persist_by_a_known_amount() -> None:
    rng = np.random.default_rng(6)
    keeps = rng.random(60_000) < 0.8  # a Markov chain: autocorrelation 0.6^k
    side = np.cumprod(np.where(keeps, 1, -1))
    found = added(trades(side, START + np.arange(60_000) * NS, np.ones(60_000)), 7_000).facts()
    assert found["sign_acf_1"].value == pytest.approx(0.6, abs=0.02)
    assert found["sign_acf_10"].value == pytest.approx(0.6**10, abs=0.03)
    assert found["sign_acf_1"].low < 0.6 < found["sign_acf_1"].high


def test_a_power_law_of_signs_is_found() -> None:
    """Runs of one sign with P(length > l) = l^-1.5: autocorrelation falls like lag^-0.5 (Lillo, Mike & Farmer 2005)."""
    rng = np.random.default_rng(8)
    lengths = np.ceil(rng.random(80_000) ** (-1 / 1.5)).astype(int)
    side = np.repeat(rng.choice([-1, 1], size=80_000), lengths)[:200_000]
    found = added(trades(side, START + np.arange(len(side)) * NS, np.ones(len(side))), 65_536).facts()
    assert 0.3 < found["sign_decay"].value < 0.75


def test_no_trades_and_no_stamps() -> None:
    part = TradeFacts(0.001)
    assert len(part.add(np.zeros(3, EVENT))) == 0
    found = part.facts()
    assert math.isnan(found["buys"].value) and math.isnan(found["latency_p50"].value)
    assert len(part.lines()["latency"].x) == 0
