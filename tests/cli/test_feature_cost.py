"""What a component costs: of every component, on rows that are ordinary, and told when kernels are compiled."""

from __future__ import annotations

import numba
import numpy as np

from btcframe.api import Column
from btcframe.cli import feature_cost
from btcframe.testing import markets


class Slow:
    """Sums a row of squares as often as it is told."""

    def __init__(self, times: int) -> None:
        self.times = times

    def columns(self) -> tuple[Column, ...]:
        return (Column(f"slow_{self.times}"),)

    def state(self, instrument):
        return np.zeros(1, [("none", "u1")])

    def update(self, rows, state, out) -> None:
        for _ in range(self.times):
            out[:, 0] = (rows["bid_sz"] ** 2).sum(axis=1)


class Broken(Slow):
    def update(self, rows, state, out) -> None:
        raise ArithmeticError("never works")


def test_the_dearer_costs_more() -> None:
    rows = markets.clean_rows(4096)
    cost = feature_cost.costs({"once": Slow(1), "often": Slow(40)}, rows, markets.INSTRUMENT, passes=3)
    assert list(cost) == ["once", "often"]
    assert 0 < cost["once"] < cost["often"]


def test_rows_are_ordinary() -> None:
    rows, _ = feature_cost.ordinary_rows(300)
    assert len(rows) == 300
    assert (np.diff(rows["row_ns"]) == 10**9).all()
    assert not np.isnan(rows["mid"]).any() and not np.isnan(rows["ofi"][1:]).any()


def test_one_that_fails_costs_nothing_and_stops_nobody() -> None:
    cost, failures = feature_cost.measured({"broken": Broken(1), "once": Slow(1)}, lambda: None)
    assert list(cost) == ["once"]
    assert str(failures["broken"]) == "never works"


def test_compiling_is_told_once() -> None:
    told = []
    one, two = numba.njit(lambda x: x + 1), numba.njit(lambda x: x + 2)
    with feature_cost.told_of_compiling(lambda: told.append("compiling")):
        assert one(1) + two(1) == 5
        assert one(2) == 3  # compiled by now
    assert told == ["compiling"]
    numba.njit(lambda x: x + 3)(1)
    assert told == ["compiling"]
