"""Four regimes by swing and trend: thresholds, hysteresis, dwell."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe_regimes.trends import FITTED_ON, LABELS, TrendLabeler, thresholds

from .streams import answers

LETTERS = "ud-T"


def told(labeler: TrendLabeler, rows: list[tuple[float, float]]) -> str:
    """A letter per row: up, down, range, turbulent, ? where unknown; the same row by row."""
    x = np.array(rows)
    found = answers(labeler, x)
    assert answers(labeler, x, [1] * len(x)).tobytes() == found.tobytes()
    assert (found.sum(axis=1)[~np.isnan(found[:, 0])] == 1).all()
    return "".join("?" if np.isnan(row[0]) else LETTERS[int(row.argmax())] for row in found)


def labeler_of(dwell: int = 0) -> TrendLabeler:
    """Turbulent above 2, until 1.5; a trend above 0.5, until 0.3."""
    return TrendLabeler(0, 1, (2.0, 1.5), (0.5, 0.3), dwell)


def test_labels_and_hysteresis() -> None:
    assert LABELS == ("trend_up", "trend_down", "range", "turbulent")
    quiet = [(0.0, d) for d in (0.0, 0.5, 0.51, 0.31, 0.3, -0.4, -0.51, -0.31, -0.3, 0.6, -0.6)]
    assert told(labeler_of(), quiet) == "--uu--dd-ud"
    wild = [(v, 0.6) for v in (1.9, 2.0, 2.1, 1.6, 1.5, 1.9, 2.1)]
    assert told(labeler_of(), wild) == "uuTTuuT"


def test_unknown_rows_keep_the_regime() -> None:
    rows = [(0.0, math.nan), (math.nan, 0.6), (0.0, 0.6), (0.0, math.nan), (0.0, 0.4), (0.0, 0.2)]
    assert told(labeler_of(), rows) == "??u?u-"


def test_a_regime_lasts_its_dwell() -> None:
    swings = [
        (0.0, 0.6),
        (3.0, 0.0),
        (3.0, 0.0),
        (3.0, 0.0),
        (0.0, 0.0),
        (0.0, -0.9),
        (0.0, -0.9),
        (0.0, -0.9),
    ]
    assert told(labeler_of(3), swings) == "uuuTTTdd"
    assert told(labeler_of(1), swings) == told(labeler_of(0), swings) == "uTTT-ddd"


@settings(max_examples=50, derandomize=True, deadline=None)
@given(
    dwell=st.integers(0, 12),
    rows=st.lists(
        st.tuples(st.sampled_from([0.0, 1.7, 3.0, math.nan]), st.sampled_from([-0.6, -0.4, 0.0, 0.4, 0.6])), max_size=80
    ),
)  # fmt: skip
def test_no_regime_is_left_before_its_dwell(dwell: int, rows: list[tuple[float, float]]) -> None:
    x = np.array(rows).reshape(len(rows), 2)
    known = answers(labeler_of(dwell), x)
    last, since = -1, 0
    for t, row in enumerate(known):
        if np.isnan(row[0]):
            continue
        now = int(row.argmax())
        if now != last:
            assert last < 0 or t - since >= dwell
            last, since = now, t


def test_thresholds_are_quantiles_of_rows_that_have_both() -> None:
    both = np.c_[np.arange(101.0), np.linspace(-1, 1, 101)]
    both = np.r_[both, [[math.nan, 9.0], [9e9, math.nan]]]
    found = thresholds(both, (0.8, 0.6), (0.5, 0.25))
    assert found is not None
    np.testing.assert_allclose(found[0], (80.0, 60.0))
    np.testing.assert_allclose(found[1], np.quantile(np.abs(np.linspace(-1, 1, 101)), (0.5, 0.25)))
    assert thresholds(both[:19], (0.8, 0.6), (0.5, 0.25)) is None


def test_thresholds_of_more_rows_than_are_needed() -> None:
    values = np.random.default_rng(0).standard_normal(FITTED_ON + 500_000)
    found = thresholds(np.c_[values, values], (0.8, 0.6), (0.5, 0.25))
    assert found is not None
    np.testing.assert_allclose(found[0], np.quantile(values, (0.8, 0.6)), atol=0.01)


def test_saved_and_loaded(tmp_path: Path) -> None:
    labeler = TrendLabeler(5, 9, (0.1, 1 / 3), (2 / 3, 0.5), 60)
    labeler.save(tmp_path)
    assert TrendLabeler.read(tmp_path) == labeler
