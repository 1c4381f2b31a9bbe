"""What is kept of a stream depends on the stream, not on how it was cut, and needs the same room however long it is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.checkup.thinned import BLOCKS, KEPT, SHORTEST, Blocks, Sample


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    n=st.sampled_from((0, 1, KEPT - 1, KEPT, KEPT + 1, 2 * KEPT, 2 * KEPT + 1, 9 * KEPT + 5)),
    cuts=st.lists(st.integers(0, 9 * KEPT + 5), max_size=12),
)
def test_the_sample_is_every_sth_row(n: int, cuts: list[int]) -> None:
    sample = Sample(1)
    stream = np.arange(n, dtype=np.float64)[:, None]
    for start, stop in pairwise([0, *sorted(c for c in cuts if c < n), n]):
        sample.add(start, stream[start:stop])
    np.testing.assert_array_equal(sample.values, stream[:: sample.stride])
    assert len(sample.values) <= KEPT and (n <= KEPT or len(sample.values) >= KEPT // 2)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(n=st.integers(1, 10 * BLOCKS * SHORTEST), steps=st.lists(st.integers(1, 999), min_size=1, max_size=9))
def test_blocks_hold_the_share_of_known_values(n: int, steps: list[int]) -> None:
    known = np.random.default_rng(n).random((n, 2)) < (0.5, 1.0)
    blocks, at, turn = Blocks(2), 0, 0
    while at < n:
        stop = min(at + steps[turn % len(steps)], at + blocks.room(at), n)
        blocks.add(at, stop - at, np.count_nonzero(known[at:stop], axis=0))
        at, turn = stop, turn + 1
    got = blocks.percent()
    parts = [known[a : a + blocks.span] for a in range(0, n, blocks.span)]
    assert len(got) == len(parts) <= BLOCKS
    assert n <= BLOCKS * SHORTEST or len(parts) >= BLOCKS // 2
    exact = np.array([100 * part.mean(axis=0) for part in parts])
    assert np.abs(got - exact).max() <= 1
    np.testing.assert_array_equal(got == 100, exact == 100)
    np.testing.assert_array_equal(got == 0, exact == 0)
