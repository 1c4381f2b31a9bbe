"""The hand-over: whatever the two threads do, frames come out as they went in, and no more wait than may."""

from __future__ import annotations

import asyncio
import itertools
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.sources.live.counters import Tally
from btcframe.sources.live.handover import COST, Clocks, Handover

COUNTING = Clocks(wall=lambda: 5000, mono=itertools.repeat(0).__next__)


def handover(limit: int = 1 << 20, clocks: Clocks = COUNTING) -> Handover:
    return Handover(limit, Tally(), clocks)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    sizes=st.lists(st.integers(0, 400), max_size=60),
    limit=st.integers(COST, 4000),
)
def test_two_threads(sizes: list[int], limit: int) -> None:
    tally = Tally()
    queue = Handover(limit, tally, Clocks())
    sent = [(str(i), b"x" * size) for i, size in enumerate(sizes)]

    async def produce() -> None:
        for stream, data in sent:
            if not queue.put(stream, data):
                await queue.room()
        queue.end()

    thread = threading.Thread(target=asyncio.run, args=(produce(),))
    thread.start()
    came = []
    while True:
        frames, mono = queue.take()
        if not frames:
            break
        assert len(mono) == len(frames)
        came += frames
    thread.join()
    assert [(frame.stream, frame.data) for frame in came] == sent
    stamps = [frame.local_ts for frame in came]
    assert all(a < b for a, b in itertools.pairwise(stamps))
    assert tally.read().most_waiting < limit + 400 + COST


def test_no_two_stamps_are_the_same() -> None:
    queue = handover()
    for _ in range(3):
        queue.put("book", b"")
    frames, mono = queue.take()
    assert [frame.local_ts for frame in frames] == [5000, 5001, 5002]
    assert mono == [0, 0, 0]


def test_room_is_there_again_when_the_consumer_has_come_back() -> None:
    queue = handover(2 * COST)
    assert queue.put("", b"")
    assert not queue.put("", b"")
    queue.take()
    assert not queue.has_room  # the consumer is still at it
    queue.put("", b"")
    queue.take()
    assert queue.has_room


def test_an_error_comes_after_what_waits_and_only_once() -> None:
    queue = handover()
    queue.put("", b"last")
    queue.end(ValueError("why"))
    assert queue.take()[0][0].data == b"last"
    with pytest.raises(ValueError, match="why"):
        queue.take()
    assert queue.take() == ([], [])


def test_nothing_after_closing() -> None:
    queue = handover()
    queue.put("", b"dropped")
    queue.close()
    assert queue.put("", b"late")
    queue.end(ValueError("late"))
    assert queue.take() == ([], [])


def test_closing_lets_the_socket_go_on() -> None:
    queue = handover(COST)

    async def wait() -> None:
        assert not queue.put("", b"")
        closing = threading.Timer(0.05, queue.close)
        closing.start()
        await queue.room()
        closing.join()

    asyncio.run(asyncio.wait_for(wait(), 60))
