"""Nothing is found where nothing is, and more where there is more, but never more than there is."""

from __future__ import annotations

import math
from collections.abc import Callable

import null_study as study
import pytest

Record = Callable[[str, object], None]


def test_the_band_is_the_binomial_one() -> None:
    stats = pytest.importorskip("scipy.stats")
    for n in (8, 10, 100, 240):
        low, high = study.band(n)
        assert stats.binom.cdf(low - 1, n, 0.05) <= 0.0005 < stats.binom.cdf(low, n, 0.05)
        assert stats.binom.sf(high, n, 0.05) <= 0.0005 < stats.binom.sf(high - 1, n, 0.05)
    assert study.band(100) == (0, 13)


def check_null(found: list[study.Trial]) -> None:
    low, high = study.band(len(found))
    for h in range(3):
        assert low <= study.misses(found, h) <= high, study.null_table(found)
    assert all(math.isnan(f.oracle.ic.value) for t in found for f in t.oracle)


def check_signal(found: dict[float, list[study.Trial]]) -> None:
    table = study.alpha_table(found)
    for h in range(3):
        grown = [0.0, *(mean for mean, _, _ in study.growth(found, h))]
        assert grown == sorted(grown), table
        assert study.growth(found, h)[-1][1] > 0, table
        assert all(low > 0 for _, low, _ in study.gaps(found, h)), table


def test_in_a_null_market_nothing_is_found_sample() -> None:
    check_null(study.trials(study.NULL_SEEDS[:4], {"null": True}, processes=1))


def test_a_signal_is_found_sample() -> None:
    seeds = study.ALPHA_SEEDS[:2]
    found = {alpha: study.trials(seeds, {"alpha": alpha}, processes=1) for alpha in (0.5, 2.0)}
    for h in range(3):  # means only: two runs are too few for intervals
        assert study.growth(found, h)[-1][0] > 0, study.alpha_table(found)
        assert all(mean > 0 for mean, _, _ in study.gaps(found, h)), study.alpha_table(found)


@pytest.mark.drill
def test_in_a_null_market_nothing_is_found(record_property: Record) -> None:
    found = study.trials(study.NULL_SEEDS, {"null": True})
    record_property("table", study.null_table(found))
    check_null(found)


@pytest.mark.drill
def test_what_is_found_grows_with_the_signal_and_stays_under_the_oracle(record_property: Record) -> None:
    found = {alpha: study.trials(study.ALPHA_SEEDS, {"alpha": alpha}) for alpha in study.ALPHAS}
    record_property("table", study.alpha_table(found))
    check_signal(found)
