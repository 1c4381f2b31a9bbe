"""The volatility regime against a plain loop."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.errors import ModelError
from btcframe_regimes.volatility import Volatility, VolatilityLabeler

from .streams import describe, walk


def run(regime: Volatility, mid: np.ndarray, sizes: list[int] | None = None) -> np.ndarray:
    return describe(regime, mid, sizes)[:, 0]


def naive(mid: np.ndarray, n: int) -> list[float]:
    """1e4·sqrt(mean of valid r² of the last n rows); NaN by the 0.8 rule and before row n."""
    found = []
    for t in range(len(mid)):
        window = [
            math.log(mid[s]) - math.log(mid[s - 1]) if s > 0 else math.nan for s in range(t - n + 1, t + 1)
        ]
        valid = [r * r for r in window if not math.isnan(r)]
        own = not math.isnan(window[-1])
        warm = t >= n and own and len(valid) >= math.ceil(0.8 * n)
        found.append(1e4 * math.sqrt(sum(valid) / len(valid)) if warm else math.nan)
    return found


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    n=st.integers(1, 120),
    window=st.integers(2, 30),
    seed=st.integers(0, 99),
    bad=st.sampled_from([0.0, 0.03, 0.3]),
    sizes=st.lists(st.integers(0, 30), max_size=6),
)
def test_equals_the_plain_loop_in_any_chunks(
    n: int, window: int, seed: int, bad: float, sizes: list[int]
) -> None:
    mid, regime = walk(n, seed, bad), Volatility(window=window)
    whole = run(regime, mid)
    np.testing.assert_allclose(whole, naive(mid, window), rtol=1e-12)
    assert run(regime, mid, sizes).tobytes() == whole.tobytes()


def test_a_bad_row_costs_itself_and_the_next_only() -> None:
    mid = walk(100, 0, 0.0)
    mid[60] = np.nan
    v = run(Volatility(window=20), mid)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(v[20:])) + 20, [60, 61])


def test_no_drift_after_an_outlier() -> None:
    mid = walk(3000, 1, 0.0)
    mid[1000:] *= 1e3
    v = run(Volatility(window=50), mid)
    fresh = run(Volatility(window=50), mid[1000:])
    assert fresh[51:].tobytes() == v[1051:].tobytes()


def test_descriptor_column() -> None:
    (column,) = Volatility(window=60).columns()
    assert (column.name, column.warmup, column.low) == ("regime_vol_60", 60, 0.0)


def test_thresholds_are_quantiles_of_the_training_rows() -> None:
    v = np.array([[np.nan], *[[float(i)] for i in range(101)]])
    labeler = Volatility(low=0.25, high=0.75).fit(v, seed=0)
    assert (labeler.low, labeler.high) == (25.0, 75.0)


def labels(labeler: VolatilityLabeler, v: list[float]) -> str:
    """l, n, h per row, ? where unknown; the same row by row."""
    values = np.array(v)[:, None]
    out = np.zeros((len(v), 3))
    labeler.update(values, labeler.state(), out)
    single, state = np.zeros((len(v), 3)), labeler.state()
    for i in range(len(v)):
        labeler.update(values[i : i + 1], state, single[i : i + 1])
    np.testing.assert_array_equal(single, out)
    assert (out.sum(axis=1)[~np.isnan(out[:, 0])] == 1).all()
    return "".join("?" if np.isnan(row[0]) else "lnh"[int(row.argmax())] for row in out)


def test_a_regime_is_left_only_by_more_than_the_hysteresis() -> None:
    labeler = VolatilityLabeler(low=10.0, high=20.0, hysteresis=0.1)
    assert labels(labeler, [10, 10.5, 11.1, 9.5, 8.9, 11.5]) == "llnnln"
    assert labels(labeler, [15, 21, 22.1, 19, 17.9, 5]) == "nnhhnl"
    assert labels(labeler, [math.nan, 21, math.nan, 19, 5, 25]) == "?h?hlh"


def test_saved_and_loaded(tmp_path: Path) -> None:
    labeler = Volatility(hysteresis=0.1).fit(np.random.default_rng(0).random((100, 1)), seed=0)
    labeler.save(tmp_path)
    assert Volatility().load(tmp_path) == labeler


def test_too_few_descriptors() -> None:
    with pytest.raises(
        ModelError, match="19 of 400 training rows have a volatility, 20 are needed"
    ) as caught:
        Volatility().fit(np.array([[1.0]] * 19 + [[np.nan]] * 381), seed=0)
    assert "300 rows to warm up" in caught.value.hint


@pytest.mark.parametrize(
    "wrong", [{"window": 1}, {"window": 10**20}, {"low": 0.7}, {"high": 1.0}, {"hysteresis": 1.0}]
)
def test_bad_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Volatility(**wrong)  # type: ignore[arg-type]
