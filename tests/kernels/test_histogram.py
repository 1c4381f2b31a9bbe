import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.kernels.histogram import (
    BUCKETS,
    HIGHEST,
    at_most,
    bucket,
    lowest,
    new_histograms,
    percentiles,
    record_one,
)

PERCENTS = np.array([0.1, 10.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0])

durations = st.one_of(
    st.integers(0, 5000),
    st.integers(0, HIGHEST),
    st.builds(lambda k, d: min(HIGHEST, max(0, (1 << k) + d)), st.integers(0, 42), st.integers(-2, 2)),
)


def peer() -> HdrHistogram:
    return HdrHistogram(1, HIGHEST, 3)


@given(st.lists(st.tuples(durations, st.integers(1, 1000)), min_size=1, max_size=60))
@settings(max_examples=150, derandomize=True, deadline=None)
def test_counts_and_percentiles_are_those_of_hdrhistogram(recorded):
    ours, theirs = new_histograms(1), peer()
    for value, times in recorded:
        record_one(ours, 0, value, times)
        assert theirs.record_value(value, times)
    assert theirs.counts_len == BUCKETS
    assert ours["counts"][0].tolist() == list(theirs.counts)
    assert ours["n"][0] == theirs.total_count
    assert ours["max"][0] == max(value for value, _ in recorded)
    assert ours["sum"][0] == sum(value * times for value, times in recorded)
    points = np.empty(len(PERCENTS), np.int64)
    percentiles(ours[0], PERCENTS, points)
    assert points.tolist() == [theirs.get_value_at_percentile(percent) for percent in PERCENTS]


@given(durations)
@settings(max_examples=300, derandomize=True, deadline=None)
def test_a_bucket_holds_its_values_and_is_a_thousandth_wide(value):
    index = bucket(value)
    low, next_low = lowest(index), lowest(index + 1)
    assert low <= value < next_low
    assert next_low - low <= max(1, low / 1000)


@given(st.lists(durations, max_size=50), st.lists(durations, min_size=1, max_size=10))
@settings(max_examples=100, derandomize=True, deadline=None)
def test_at_most_is_a_cumulative_count_of_buckets(values, bounds):
    histograms = new_histograms(1)
    for value in values:
        record_one(histograms, 0, value, 1)
    ordered = np.array(sorted(bounds))
    counted = np.empty(len(ordered), np.int64)
    at_most(histograms[0], ordered, counted)
    assert counted.tolist() == [sum(lowest(bucket(value)) <= bound for value in values) for bound in ordered]


def test_what_is_too_long_or_negative_is_counted_at_the_ends():
    histograms = new_histograms(2)
    record_one(histograms, 1, HIGHEST + 5, 2)
    record_one(histograms, 1, -7, 3)
    told = histograms[1]
    assert (told["n"], told["negative"], told["max"]) == (5, 3, HIGHEST)
    assert (told["counts"][0], told["counts"][BUCKETS - 1]) == (3, 2)
    assert not histograms[0]["counts"].any()


@pytest.mark.parametrize("percent", [50.0, 100.0])
def test_nothing_recorded_has_no_percentiles(percent):
    points = np.full(1, -1)
    percentiles(new_histograms(1)[0], np.array([percent]), points)
    assert points[0] == 0
