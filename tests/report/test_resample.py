"""Ratios over blocks of time."""

from __future__ import annotations

import math

import numpy as np

from btcframe.report.metrics import MAX_BLOCKS, MIN_BLOCKS
from btcframe.report.resample import block_of, ratio, ratios


def test_blocks_are_equal_and_take_in_what_lies_outside() -> None:
    ns = np.array([-5, 0, 24, 25, 99, 100, 700])
    block, blocks = block_of(ns, 0, 100, 25)
    assert blocks == 4
    assert block.tolist() == [0, 0, 0, 1, 3, 3, 3]
    assert block_of(ns, 0, 100, 1)[1] == MAX_BLOCKS
    assert block_of(ns, 0, 100, 101)[1] == 1
    assert block_of(np.empty(0, np.int64), 0, 0, 10)[1] == 1


def test_a_ratio_is_of_the_totals_and_few_blocks_give_no_interval() -> None:
    rng = np.random.default_rng(1)
    n = 4000
    weights, values = rng.exponential(1, n), rng.normal(2, 1, n)
    block, blocks = np.arange(n) * 50 // n, 50
    e = ratio(weights * values, weights, block, blocks, seed=1)
    assert math.isclose(e.value, (weights * values).sum() / weights.sum())
    assert e.low < 2 < e.high
    assert math.isnan(ratio(weights, weights, block // 2, MIN_BLOCKS - 1, seed=1).low)
    nothing = ratio(np.empty(0), np.empty(0), np.empty(0, np.int64), 50, seed=1)
    assert math.isnan(nothing.value) and math.isnan(nothing.low)


def test_a_column_that_few_blocks_hold_has_no_interval() -> None:
    top = np.ones((MAX_BLOCKS, 2)) + np.arange(MAX_BLOCKS)[:, None] % 3
    bottom = np.ones_like(top)
    bottom[: MAX_BLOCKS - MIN_BLOCKS + 1, 1] = top[: MAX_BLOCKS - MIN_BLOCKS + 1, 1] = 0
    full, rare = ratios(top, bottom, seed=1)
    assert math.isfinite(full.low) and math.isfinite(rare.value) and math.isnan(rare.low)


def test_intervals_cover() -> None:
    missed = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        moods = np.repeat(rng.standard_normal(60), 20)  # what is close together is alike
        e = ratio(moods + rng.standard_normal(1200), np.ones(1200), np.arange(1200) // 20, 60, seed=7)
        missed += not e.low <= 0 <= e.high
    assert 2 <= missed <= 22
