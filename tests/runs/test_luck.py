"""The deflated Sharpe ratio of the best, and its lead over the median run."""

from __future__ import annotations

import math

import numpy as np
import pytest

from btcframe.report.sharpe import sharpe_of
from btcframe.runs.luck import MIN_PERIODS, ahead, deflated, sharpe_ratios
from btcframe.types import Floats


def test_the_deflated_ratio_is_the_reports_own_where_periods_do_not_resemble_each_other() -> None:
    """`report.sharpe` counts every result; it divides by n − 1, and so is a little further from 0."""
    values = np.random.default_rng(5).standard_normal(200) + 0.2
    values[1::2] -= values[::2] * 0.2  # neighbours that part are not worth more than as many that do not
    found, told = deflated(values[:, None], 0, 12), sharpe_of(values, 200, 12)
    assert found.independent == 200
    assert found.ratio == pytest.approx(told.sharpe * math.sqrt(200 / 199))
    assert found.hurdle == pytest.approx(told.hurdle)
    assert found.deflated == pytest.approx(told.deflated, abs=0.005)
    assert found.probabilistic == pytest.approx(told.probabilistic, abs=0.005)


def test_more_trials_deflate_and_periods_alike_count_as_fewer() -> None:
    values = np.random.default_rng(6).standard_normal(100) + 0.3
    told = [deflated(values[:, None], 0, trials).deflated for trials in (1, 2, 10, 1000)]
    assert told == sorted(told, reverse=True) and told[0] == deflated(values[:, None], 0, 1).probabilistic
    moods = np.repeat(values[:25], 4)[:, None]
    mixed = moods[np.random.default_rng(0).permutation(100)]
    assert deflated(moods, 0, 5).independent < 50
    assert deflated(moods, 0, 5).deflated < deflated(mixed, 0, 5).deflated


def test_below_thirty_periods_that_moved_nothing_is_told() -> None:
    values = np.zeros((100, 1))
    values[: MIN_PERIODS - 1] = 1.0
    found = deflated(values, 0, 3)
    assert (found.periods, found.active) == (100, MIN_PERIODS - 1) and math.isnan(found.deflated)
    assert math.isnan(deflated(np.full((100, 1), 0.1), 0, 3).deflated)  # all alike: no spread
    assert math.isnan(deflated(np.empty((0, 1)), 0, 1).deflated)
    values[MIN_PERIODS] = -1.0
    assert not math.isnan(deflated(values, 0, 3).deflated)


def test_losses_that_the_best_was_spared_count() -> None:
    """Of so many that rarely lose, the best has not lost yet: what it is worth, the others show."""
    own, all_of_them = [], []
    for seed in range(60):
        drawn = np.random.default_rng([seed, 2]).exponential(size=(60, 200))
        returns = math.gamma(2.5) - drawn**1.5  # skewness −4.6, mean 0
        best = int(np.argmax(sharpe_ratios(returns)))
        own.append(deflated(returns[:, [best]], 0, 200).deflated > 0.95)
        all_of_them.append(deflated(returns, best, 200).deflated > 0.95)
    assert sum(all_of_them) <= 6 < sum(own)  # 3 are expected; 7 or more come in one of 30 such studies


def test_who_did_next_to_nothing_says_nothing_of_the_best() -> None:
    returns = np.random.default_rng(8).standard_normal((120, 3)) + 0.2
    returns[3:, 1], returns[:, 2] = 0.0, 0.1  # moved three times; all alike
    assert deflated(returns, 0, 3) == pytest.approx(deflated(returns[:, :1], 0, 3))


def lead(returns: Floats, seed: int = 0) -> float:
    """p of the best against the median one."""
    order = np.argsort(-sharpe_ratios(returns), kind="stable")
    found = ahead(returns, int(order[0]), int(order[len(order) // 2]), seed=seed)
    assert found is not None
    return found.p


def test_the_best_of_noise_is_rarely_clearly_ahead_although_a_single_test_would_say_so() -> None:
    told, single = [], []
    for seed in range(60):
        returns = np.random.default_rng([seed, 1]).standard_normal((60, 40))
        told.append(lead(returns))
        best, *rest = sorted(returns.sum(axis=0), reverse=True)
        single.append((best - np.median(rest)) / math.sqrt(2 * 60) > 1.645)
    assert sum(p <= 0.05 for p in told) <= 6  # 3 are expected; 7 or more come in one of 30 such studies
    assert sum(single) > 12


def test_a_winner_that_was_planted_is_ahead() -> None:
    returns = np.random.default_rng(2).standard_normal((120, 12))
    returns[:, 4] += 0.6
    assert lead(returns) < 0.01


def test_who_did_as_the_winner_or_nearly_so_cannot_be_told_from_it() -> None:
    rng = np.random.default_rng(7)
    returns = rng.standard_normal((120, 6))
    returns[:, 1] += 0.8
    returns[:, 2] = returns[:, 1]
    returns[:, 4] = returns[:, 1] + 0.1 * rng.standard_normal(120)
    found = ahead(returns, 1, 0, seed=0)
    assert found is not None and found.p < 0.01 and found.alike == (2, 4)


def test_what_all_have_in_common_is_no_noise() -> None:
    """The same market moves all of them: only their difference counts."""
    rng = np.random.default_rng(3)
    common = 5 * rng.standard_normal((60, 1))
    returns = common + 0.3 * rng.standard_normal((60, 6))
    returns[:, 2] += 1.0
    assert lead(returns) < 0.01


def test_the_lead_is_that_of_the_ratios_and_its_error_near_the_textbooks() -> None:
    returns = np.random.default_rng(4).standard_normal((240, 2)) + np.array([0.5, 0.0])
    found = ahead(returns, 0, 1, seed=1)
    assert found is not None and found == ahead(returns, 0, 1, seed=1)
    a, b = sharpe_ratios(returns)
    assert found.difference == pytest.approx(a - b)
    # Lo 2002: the error of one ratio is √((1 + S²/2)/T); these two have nothing to do with each other
    textbook = math.sqrt((2 + (a**2 + b**2) / 2) / 240)
    assert found.error == pytest.approx(textbook, rel=0.2)
    assert found.block == 7


def test_what_cannot_be_told_is_not() -> None:
    rng = np.random.default_rng(5)
    assert ahead(rng.standard_normal((MIN_PERIODS - 1, 3)), 0, 1, seed=0) is None
    assert ahead(rng.standard_normal((100, 3)), 1, 1, seed=0) is None
    assert ahead(np.zeros((100, 3)), 0, 1, seed=0) is None
    same = np.tile(rng.standard_normal((100, 1)), 3)
    assert ahead(same, 0, 1, seed=0) is None
