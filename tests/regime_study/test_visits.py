from __future__ import annotations

import itertools
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.regime_study.visits import flicker, transitions, visits

LABELS = st.lists(st.integers(-1, 2), max_size=60)


@settings(derandomize=True, max_examples=100)
@given(LABELS)
def test_visits_are_the_runs_of_known_labels(labels: list[int]) -> None:
    runs = [(label, len(list(same))) for label, same in itertools.groupby(k for k in labels if k >= 0)]
    found = visits(np.array(labels, np.int8))
    assert list(zip(found.label.tolist(), found.rows.tolist(), strict=True)) == runs


@settings(derandomize=True, max_examples=100)
@given(LABELS)
def test_transitions_count_every_change_once(labels: list[int]) -> None:
    known = [k for k in labels if k >= 0]
    expected = np.zeros((3, 3), int)
    for a, b in itertools.pairwise(known):
        expected[a, b] += a != b
    found = visits(np.array(labels, np.int8))
    np.testing.assert_array_equal(transitions(found, 3), expected)
    changes = expected.sum()
    assert math.isnan(flicker(found)) if not known else flicker(found) == 1000 * changes / len(known)


def test_a_row_without_a_label_ends_no_visit() -> None:
    found = visits(np.array([1, 1, -1, -1, 1, 0], np.int8))
    assert found.label.tolist() == [1, 0]
    assert found.rows.tolist() == [3, 1]
