from __future__ import annotations

import numpy as np
import pytest
from event_streams import chunkings, depth, message, streams, to_events
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.clocks.time import TimeClock
from btcframe.types import CUT, NS, EventArray, Kind


def cuts(clock: TimeClock, events: EventArray, chunks: list[slice], capacity: int) -> list[tuple[int, int]]:
    state, out, found_all = clock.state(), np.zeros(capacity, CUT), []
    for chunk in chunks:
        part = events[chunk]
        at = 0
        while True:
            found, at = clock.cuts(part, at, state, out)
            found_all += [(int(c["index"]) + chunk.start, int(c["row_ns"])) for c in out[:found]]
            if at == len(part) and found < capacity:
                break
    return found_all


def beats(*stamps: int) -> EventArray:
    return to_events(*(message(Kind.HEARTBEAT, ns) for ns in stamps))


def test_an_item_on_the_edge_belongs_to_the_row_that_ends_there() -> None:
    events = beats(100, 101, 200, 201)
    assert cuts(TimeClock("100ns"), events, [slice(0, 4)], 10) == [(1, 100), (3, 200)]


def test_a_hole_is_as_many_rows_as_it_is_long() -> None:
    events = beats(150, 520)
    assert cuts(TimeClock("100ns"), events, [slice(0, 2)], 2) == [(1, 200), (1, 300), (1, 400), (1, 500)]


def test_a_stamp_that_goes_back_closes_nothing() -> None:
    assert cuts(TimeClock("100ns"), beats(150, 250, 120, 260), [slice(0, 4)], 9) == [(1, 200)]


def test_a_message_is_never_cut_in_two() -> None:
    events = to_events(depth(150, (1, 1, 1), (1, 2, 1), (1, 3, 1)), depth(350, (1, 1, 1)))
    events["local_ts"][1] = 260
    assert cuts(TimeClock("100ns"), events, [slice(0, 4)], 9) == [(3, 200), (3, 300)]


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.data(), streams(), st.integers(1, 4))
def test_any_chunking_and_any_room_give_the_same_cuts(
    data: st.DataObject, events: EventArray, capacity: int
) -> None:
    clock = TimeClock("100ns")
    whole = cuts(clock, events, [slice(0, len(events))], 1000)
    assert cuts(clock, events, data.draw(chunkings(len(events))), capacity) == whole


def test_period() -> None:
    assert TimeClock().period_ns == NS
    assert TimeClock("100ms").period_ns == NS // 10


@pytest.mark.parametrize("every", ["0s", "1", "fast", "-1s", ""])
def test_bad_period(every: str) -> None:
    with pytest.raises(ValueError, match="every: "):
        TimeClock(every)
