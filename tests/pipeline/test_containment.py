"""A pipeline whose feature or regime raises or stalls: off for good, named, everything else untouched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driven import CLOCK, Collected, Running, drive
from event_streams import INSTRUMENT, PERIOD, START, depth, ladder, snapshot, to_events

from btcframe.api import Wakes
from btcframe.errors import ConfigError
from btcframe.pipeline import Pipeline
from btcframe.pipeline.containment import LONGEST, Containment
from btcframe.sessions.saved_state import SavedState, read_state, write_state
from btcframe.types import EventArray, RowArray

ROWS = 40
AT = 13  # the row at which it goes wrong


class Cheats(Running):
    """A feature that is good until one row, and then does not what it should."""

    def __init__(
        self, prefix: str = "cheat_", at: int = AT, error: type[BaseException] = RuntimeError
    ) -> None:
        super().__init__(prefix)
        self.at, self.error = at, error

    def update(self, rows: RowArray, state: np.ndarray, out: np.ndarray) -> None:
        for i in range(len(rows)):
            super().update(rows[i : i + 1], state, out[i : i + 1])
            if state["count"][0] > self.at:
                raise self.error("no more of this")


def market() -> EventArray:
    changes = [depth(START + k * PERIOD + 7, (1, 1000, 5 + k)) for k in range(1, ROWS)]
    return to_events(snapshot(START, *ladder()), *changes)


def pipeline(**other: Any) -> Pipeline:
    settings = {
        "features": {"good": Running(), "cheat": Cheats()},
        "regime": Running("regime_"),
        "contain": True,
    }
    settings |= other
    return Pipeline(INSTRUMENT, CLOCK, settings.pop("features"), settings.pop("regime"), **settings)


def whole(
    subject: Pipeline, events: EventArray | None = None
) -> tuple[np.ndarray, np.ndarray, tuple[bytes, ...]]:
    out = Collected()
    drive(subject, market() if events is None else events, out)
    return np.concatenate(out.x), np.concatenate(out.descriptors), out.bits()


def memory(subject: Pipeline) -> dict[str, bytes]:
    """What is left in it; the ring of looked-ahead events is another's way, not another's end."""
    return {name: array.tobytes() for name, array in subject.save().items() if name != "ahead"}


@pytest.mark.parametrize("wakes", [None, Wakes(), Wakes(best=True)])
def test_a_feature_that_raises_is_off_from_that_row_on_and_nothing_else_is(wakes: Wakes | None) -> None:
    subject, sound = pipeline(wakes=wakes), pipeline(features={"good": Running()})
    x, descriptors, _ = whole(subject)
    others, regime, _ = whole(sound)
    assert len(x) == ROWS
    np.testing.assert_array_equal(x[:, :2], others)
    np.testing.assert_array_equal(descriptors, regime)
    np.testing.assert_array_equal(x[:AT, 2:], others[:AT])
    assert np.isnan(x[AT:, 2:]).all()
    assert list(subject.contained) == ["features.cheat"]
    assert subject.contained["features.cheat"].startswith(
        "RuntimeError: no more of this (test_containment.py, line "
    )


def test_live_replay_and_batch_give_the_same_bits_and_the_same_memory() -> None:
    live, again, batch, small = (
        pipeline(wakes=Wakes(best=True)), pipeline(wakes=Wakes(best=True)), pipeline(), pipeline(capacity=5)
    )  # fmt: skip
    _, _, bits = whole(live)
    for other in (again, batch, small):
        assert whole(other)[2] == bits
        assert memory(other) == memory(live)
        assert other.contained == live.contained


def test_a_regime_that_raises_is_off_too() -> None:
    subject = pipeline(features={"good": Running()}, regime=Cheats("regime_"), wakes=Wakes())
    x, descriptors, _ = whole(subject)
    assert not np.isnan(x).any() and not np.isnan(descriptors[:AT]).any()
    assert np.isnan(descriptors[AT:]).all()
    assert list(subject.contained) == ["regime"]


def test_without_containment_the_error_goes_on() -> None:
    for wakes in (None, Wakes()):
        with pytest.raises(RuntimeError, match="no more of this"):
            whole(pipeline(contain=False, wakes=wakes))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_who_leaves_is_let_go(error: type[BaseException]) -> None:
    for wakes in (None, Wakes()):
        with pytest.raises(error):
            whole(pipeline(features={"cheat": Cheats(error=error)}, wakes=wakes))


def test_one_that_stalls_is_switched_off_from_outside_and_replay_does_it_at_the_same_row() -> None:
    def session(until: int) -> tuple[bytes, ...]:
        ticks = iter(range(0, 10**9, 1000))

        class Stalls(Running):
            def update(self, rows: RowArray, state: np.ndarray, out: np.ndarray) -> None:
                super().update(rows, state, out)
                if until < 0 and state["count"][0] == AT:
                    for _ in range(99):
                        next(ticks)

        watch = (lambda: next(ticks)) if until < 0 else None
        subject = pipeline(
            features={"stalls": Stalls(), "good": Running("b_")}, wakes=Wakes(), stopwatch=watch
        )
        events, at, wake, rows, out = market(), 0, True, 0, Collected()
        while at < len(events) or wake:
            at, wake = subject.push(events, at)  # type: ignore[assignment]
            out.take(subject)
            if wake:
                rows += 1
                name, ns = subject.slowest
                if ns > 50_000 or rows == until:
                    assert name == ("" if watch is None else "features.stalls")
                    subject.switch_off("features.stalls", "it took 100 µs")
                    commands.append(rows)
        assert dict(subject.contained) == {"features.stalls": "it took 100 µs"}
        assert np.isnan(np.concatenate(out.x)[:, 0]).tolist() == [False] * AT + [True] * (ROWS - AT)
        return out.bits()

    commands: list[int] = []
    live = session(-1)
    assert commands == [AT]
    assert session(commands[0]) == live


def test_what_is_off_stays_off_over_a_restart(tmp_path: Path) -> None:
    events, cut = market(), 51 + 20  # twenty changes after the snapshot
    uncut = pipeline(wakes=Wakes())
    *_, expected = whole(uncut)
    first, parts = pipeline(wakes=Wakes()), Collected()
    drive(first, events[:cut], parts)
    write_state(tmp_path / "state", SavedState.of(first, {}, cut))
    second = pipeline(wakes=Wakes())
    second.restore(read_state(tmp_path / "state").memory)
    assert second.contained == first.contained != {}
    drive(second, events[cut:], parts)
    assert parts.bits() == expected
    fresh = pipeline(wakes=Wakes())
    second.restore(fresh.save())
    assert not second.contained
    assert whole(second)[2] == expected


def test_switching_off_what_is_not_there_names_what_is() -> None:
    with pytest.raises(ConfigError) as caught:
        pipeline().switch_off("features.cheet", "")
    assert "no part of the pipeline is called 'features.cheet'" in str(caught.value)
    assert "features.cheat" in str(caught.value)


def test_the_first_reason_stands_and_is_kept_as_long_as_it_fits() -> None:
    off = Containment(["a", "b"], catches=True)
    off.switch_off("a", f"{'ü' * LONGEST}\nand more")
    off.switch_off("a", "another")
    kept = off.told["a"]
    assert kept == "ü" * (LONGEST // 2)
    again = Containment(["a", "b"], catches=False)
    again.memory[:] = off.memory
    again.read_back()
    assert dict(again.told) == {"a": kept}
