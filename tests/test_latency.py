import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_trader import INSTRUMENT, Flat

from btcframe.api import Batch, Wake, Wakes
from btcframe.clocks.time import TimeClock
from btcframe.errors import DataError
from btcframe.latency import STAGES, Latency
from btcframe.pipeline import Pipeline
from btcframe.types import EVENT, EventFlag, Kind

MS = 1_000_000
START = 1_700_000_000_000 * MS


class Clock:
    """Monotonic time that stands still until it is moved."""

    def __init__(self) -> None:
        self.ns = 5_000 * MS

    def __call__(self) -> int:
        return self.ns


def message(clock: Clock, *, venue=3 * MS, wire=100 * MS, decode=2 * MS, events=2):
    """The events of one message that arrived `decode` ago."""
    made = np.zeros(events, EVENT)
    made["local_ts"], made["mono_ts"] = START, clock.ns - decode
    made["send_ts"] = START - wire
    made["exch_ts"] = START - wire - venue
    made["flags"][-1] = EventFlag.END
    return made


def test_each_stage_is_timed_from_where_the_last_one_ended():
    clock = Clock()
    latency = Latency(clock)
    events = message(clock)
    latency.decoded(events, offset_ns=20 * MS)
    clock.ns += 5 * MS
    latency.booked(events, 0, 2)
    clock.ns += 6 * MS
    latency.closed()
    clock.ns += 7 * MS
    latency.signalled()
    told = {name: (stage.n, stage.max_ns // MS) for name, stage in latency.summary().items()}
    assert told == {
        "venue": (1, 3), "wire": (1, 80), "decode": (1, 2), "book": (1, 5), "row": (1, 11), "signal": (1, 7),
        "total": (1, 20),
    }  # fmt: skip
    assert list(told) == list(STAGES)


def test_a_message_counts_once_however_many_events_it_has():
    clock = Clock()
    latency = Latency(clock)
    events = np.concatenate([message(clock, events=n) for n in (1, 3, 5)])
    latency.decoded(events)
    latency.booked(events, 0, 4)
    latency.booked(events, 4, 9)
    assert {name: stage.n for name, stage in latency.summary().items()} == {
        "venue": 3, "wire": 3, "decode": 3, "book": 3,
    }  # fmt: skip


def test_what_has_no_stamp_is_not_timed():
    latency = Latency(Clock())
    events = np.zeros(2, EVENT)
    events["flags"] = EventFlag.END
    latency.decoded(events)
    latency.closed()
    latency.signalled()
    assert set(latency.summary()) == {"row", "signal"}
    latency.decoded(events[:0])
    assert set(latency.summary()) == {"row", "signal"}


def test_nothing_timed_is_nothing_told():
    latency = Latency()
    assert latency.summary() == latency.plain() == latency.counts() == {}


def test_an_offset_too_great_is_seen_as_negative():
    clock = Clock()
    latency = Latency(clock)
    latency.decoded(message(clock, wire=MS), offset_ns=3 * MS)
    wire = latency.summary()["wire"]
    assert (wire.n, wire.negative, wire.max_ns) == (1, 1, 0)


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=80), st.integers(0, 80))
@settings(max_examples=40, derandomize=True, deadline=None)
def test_two_that_are_merged_are_one_that_saw_it_all(wires, cut):
    clock = Clock()
    whole, parts = Latency(clock), (Latency(clock), Latency(clock))
    for i, wire in enumerate(wires):
        events = message(clock, wire=wire)
        whole.decoded(events)
        parts[i < cut].decoded(events)
    merged = Latency(clock)
    for part in parts:
        merged.add(json.loads(json.dumps(part.counts())))
    assert merged.counts() == whole.counts()
    assert merged.plain() == whole.plain()
    wire = whole.summary()["wire"]
    assert (wire.n, wire.sum_ns, wire.max_ns) == (len(wires), sum(wires), max(wires))
    exact = np.sort(wires)[max(int(len(wires) * 0.9 + 0.5), 1) - 1]
    assert exact <= wire.p90_ns <= exact * 1.001 + 1


def test_cumulative_counts_for_prometheus():
    clock = Clock()
    latency = Latency(clock)
    for wire in (0, MS, 2 * MS, 900 * MS):
        latency.decoded(message(clock, wire=wire))
    assert latency.at_most("wire", np.array([0, MS, 10 * MS, 1000 * MS])).tolist() == [1, 2, 3, 4]


def test_a_summary_is_plain():
    clock = Clock()
    latency = Latency(clock)
    latency.decoded(message(clock))
    told = json.loads(json.dumps(latency.plain()))
    assert told["venue"] == {
        "n": 1, "negative": 0, "sum_ns": 3 * MS, "p50_ns": 3 * MS, "p90_ns": 3 * MS, "p99_ns": 3 * MS,
        "p99_9_ns": 3 * MS, "max_ns": 3 * MS,
    }  # fmt: skip


def test_the_page_s_example_times_every_stage(capsys):
    page = (Path(__file__).parents[1] / "docs" / "latency.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    clock = Clock()
    events = message(clock, events=4)
    events["kind"], events["flags"] = Kind.EMPTY, EventFlag.END
    events["kind"][0] = Kind.CLEAR
    events["local_ts"] += np.arange(4) * 600 * MS
    pipeline = Pipeline(INSTRUMENT, TimeClock("1s"), {}, Flat(), wakes=Wakes())
    exec(code[1], {"feed": [Batch(events)], "pipeline": pipeline, "Wake": Wake})
    told = capsys.readouterr().out
    assert [stage for stage in STAGES if f"'{stage}'" not in told] == []
    assert "'high_ns'" in told


GOOD = {"n": 1, "sum": 5, "max": 5, "negative": 0, "buckets": [[5, 1]]}


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ({"wire": GOOD, "wier": GOOD}, "no stage 'wier' of latency\nDid you mean wire?"),
        ({"wire": GOOD | {"n": 2}}, "'wire' of latency contradict themselves"),
        ({"wire": GOOD | {"buckets": [[40_000, 1]]}}, "'wire' of latency contradict themselves"),
        ({"wire": GOOD | {"buckets": []}}, "'wire' of latency contradict themselves"),
    ],
)
def test_counts_that_are_none_are_refused_and_nothing_is_merged(counts, says):
    latency = Latency()
    with pytest.raises(DataError) as error:
        latency.add(counts)
    assert says in str(error.value)
    assert latency.counts() == {}
