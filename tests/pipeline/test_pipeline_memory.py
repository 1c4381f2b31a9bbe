"""Rows instead of events give the same columns; a memory goes on in a pipeline with other wakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_trader import EVENTS, INSTRUMENT, Book, Flat

from btcframe.api import Wakes
from btcframe.clocks.time import TimeClock
from btcframe.errors import ConfigError
from btcframe.pipeline import Pipeline
from btcframe.types import NS, ROW, RowArray


class Sums(Book):
    """Columns that remember all rows there were."""

    def state(self, instrument: Any) -> Any:
        return np.zeros(1, [("mids", "f8"), ("rows", "i8")])

    def update(self, rows: Any, state: Any, out: Any) -> None:
        sums = np.cumsum(np.concatenate([state["mids"], rows["mid"]]))
        out[:, 0], out[:, 1] = sums[1:], state["rows"][0] + np.arange(len(rows))
        state["mids"], state["rows"] = sums[-1], state["rows"][0] + len(rows)


def pipeline(wakes: Wakes | None = None, **features: Any) -> Pipeline:
    return Pipeline(INSTRUMENT, TimeClock("100ms"), features or {"sums": Sums()}, Flat(), wakes=wakes)


def pushed(subject: Pipeline, events: Any) -> tuple[RowArray, Any, Any]:
    at, wake, parts = 0, True, []
    while at < len(events) or wake:
        at, wake = subject.push(events, at)  # type: ignore[assignment]
        parts.append((subject.rows.copy(), subject.x.copy(), subject.descriptors.copy()))
    rows, x, descriptors = (np.concatenate(part) for part in zip(*parts, strict=True))
    return rows, x, descriptors


@settings(max_examples=20, deadline=None, derandomize=True)
@given(cuts=st.lists(st.integers(0, 400), max_size=5), live=st.booleans())
def test_rows_give_the_columns_that_their_events_gave(cuts: list[int], live: bool) -> None:
    origin = pipeline()
    rows, x, descriptors = pushed(origin, EVENTS)
    assert len(rows) > 350
    subject = pipeline(Wakes() if live else None)
    found = []
    for part in np.split(rows, sorted(cuts)):
        at = 0
        while at < len(part):
            at = subject.push_rows(part, at)
            found.append((subject.rows.tobytes(), subject.x.tobytes(), subject.descriptors.tobytes()))
    expected = rows.tobytes(), x.tobytes(), descriptors.tobytes()
    assert tuple(b"".join(part) for part in zip(*found, strict=True)) == expected
    assert subject.rows_seen == origin.rows_seen == len(rows)
    assert subject.now_ns == rows["row_ns"][-1]
    assert not subject.top()[0]  # there is no book
    ours, theirs = subject.save(), origin.save()
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in ("features.sums", "regime", "seen"))


def test_no_rows_change_nothing() -> None:
    subject = pipeline()
    before = subject.save()
    assert subject.push_rows(np.empty(0, ROW)) == 0
    assert len(subject.rows) == len(subject.x) == 0
    assert all(before[name].tobytes() == array.tobytes() for name, array in subject.save().items())


def test_a_memory_does_not_bring_its_timer_along() -> None:
    half = len(EVENTS) // 2
    batch = pipeline()
    pushed(batch, EVENTS[:half])
    timed = pipeline(Wakes(timer_ns=NS // 2))
    timed.restore(batch.save())
    assert timed.save()["ingest"]["timer_ns"] == NS // 2
    rows, x, _ = pushed(timed, EVENTS[half:])
    expected_rows, expected_x, _ = pushed(batch, EVENTS[half:])
    assert rows.tobytes() == expected_rows.tobytes()
    assert x.tobytes() == expected_x.tobytes()
    back = pipeline()
    back.restore(timed.save())
    assert back.save()["ingest"]["timer_ns"] == 0


def test_a_memory_of_another_shape_or_with_other_parts_is_refused() -> None:
    subject = pipeline()
    memory = subject.save()
    for wrong in (
        memory | {"ahead": memory["ahead"][:2]},
        memory | {"regime": memory["regime"].view("u1")},
        memory | {"features.more": memory["regime"]},
        {name: array for name, array in memory.items() if name != "seen"},
    ):
        with pytest.raises(ConfigError, match="the saved state is another pipeline's"):
            subject.restore(wrong)
    assert all(memory[name].tobytes() == array.tobytes() for name, array in subject.save().items())
