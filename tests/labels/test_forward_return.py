"""The label forward_return against a plain loop, and its look-ahead."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.labels.forward_return import ForwardReturn, Price
from btcframe.types import NS, ROW


def rows_at(times: list[int], mid: list[float]) -> np.ndarray:
    rows = np.zeros(len(times), ROW)
    rows["row_ns"], rows["mid"] = times, mid
    rows["microprice"] = rows["mid"] * 1.001
    return rows


def naive(rows: np.ndarray, horizon: int, max_age: int) -> list[float]:
    """p(t+h) is the last price with row_ns <= t+h, provided rows reach t+h and it is no older than max_age."""
    found = []
    for row in rows:
        end = row["row_ns"] + horizon
        known = [r for r in rows if r["row_ns"] <= end]
        usable = rows["row_ns"][-1] >= end and end - known[-1]["row_ns"] <= max_age
        found.append(1e4 * math.log(known[-1]["mid"] / row["mid"]) if usable else math.nan)
    return found


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    steps=st.lists(st.integers(1, 5 * NS), min_size=1, max_size=40),
    seed=st.integers(0, 99),
    horizon=st.integers(1, 8),
)
def test_equals_the_plain_loop(steps: list[int], seed: int, horizon: int) -> None:
    rng = np.random.default_rng(seed)
    mid = 100 * np.exp(0.01 * rng.standard_normal(len(steps)))
    mid[rng.random(len(steps)) < 0.1] = np.nan
    rows = rows_at(np.cumsum(steps).tolist(), mid.tolist())
    y, t_end = ForwardReturn(horizons=(f"{horizon}s", "1s") if horizon != 1 else ("1s",)).label(rows)
    np.testing.assert_allclose(y[:, 0], naive(rows, horizon * NS, 2 * NS), rtol=1e-12)
    np.testing.assert_array_equal(t_end[:, 0], rows["row_ns"] + horizon * NS)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(seed=st.integers(0, 99), cut=st.integers(0, 59))
def test_nothing_after_t_end_is_used(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.integers(1, 2 * NS, 60))
    rows = rows_at(times.tolist(), (100 + rng.random(60)).tolist())
    label = ForwardReturn(horizons=("2s", "5s"))
    y, t_end = label.label(rows)
    other = rows.copy()
    other["mid"][cut + 1 :] += 50
    other["row_ns"][cut + 1 :] += rng.integers(0, NS)
    known = t_end <= rows["row_ns"][cut]
    for changed in (other, rows[: cut + 1]):
        again, _ = label.label(changed)
        both = known[: len(again)]
        np.testing.assert_array_equal(again[both], y[: len(again)][both])


def test_a_known_case() -> None:
    rows = rows_at([NS, 2 * NS, 3 * NS, 4 * NS], [100.0, 101.0, np.nan, 102.0])
    y, _ = ForwardReturn(horizons=("1s", "2s")).label(rows)
    assert y[0, 0] == pytest.approx(1e4 * math.log(1.01))
    assert np.isnan(y[1, 0]) and np.isnan(y[2, 0])  # to and from a missing price
    assert y[1, 1] == pytest.approx(1e4 * math.log(102 / 101))
    assert np.isnan(y[2:, 1]).all()  # the rows do not reach that far


def test_no_label_across_a_hole_in_the_rows() -> None:
    rows = rows_at([NS, 2 * NS, 100 * NS, 101 * NS], [100.0, 101.0, 110.0, 111.0])
    y, _ = ForwardReturn(horizons=("5s",), max_age="2s").label(rows)
    assert np.isnan(y).all()


def test_names_and_horizons() -> None:
    label = ForwardReturn(horizons=("100ms", "5s"), price=Price.microprice)
    assert [c.name for c in label.columns()] == ["y_100ms", "y_5s"]
    assert label.horizons_ns == (NS // 10, 5 * NS)
    assert label.max_horizon_ns == 5 * NS
    assert label.columns()[0].inputs == ("row_ns", "microprice")
    y, t_end = label.label(rows_at([], []))
    assert y.shape == t_end.shape == (0, 2)


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"horizons": ()}, "horizons: at least one"),
        ({"horizons": ("5x",)}, "horizons: '5x' is not a duration"),
        ({"horizons": ("60s", "1m")}, "horizons: 1m is given twice"),
        ({"max_age": "soon"}, "max_age: 'soon' is not a duration"),
    ],
)
def test_bad_settings_are_refused(settings_: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ForwardReturn(**settings_)  # type: ignore[arg-type]


def test_a_move_that_does_not_pay_counts_as_none() -> None:
    rows = rows_at([NS, 2 * NS, 3 * NS, 4 * NS], [100.0, 100.2, 100.19, 100.0])
    plain, t_end = ForwardReturn(horizons=("1s",)).label(rows)
    y, ends = ForwardReturn(horizons=("1s",), cost_bps=5).label(rows)
    np.testing.assert_allclose(y[:, 0], [plain[0, 0] - 5, 0.0, plain[2, 0] + 5, np.nan])
    np.testing.assert_array_equal(ends, t_end)
    with pytest.raises(ValueError, match=r"cost_bps: -1 is not a cost"):
        ForwardReturn(cost_bps=-1)
