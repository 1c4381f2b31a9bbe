"""Who predicts: production, previous, none; an alias that is followed; and models that are refused while others stay."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.errors import ModelError, StoreError
from btcframe.models.artefacts import FittedModel
from btcframe.models.drift import ModelWatch
from btcframe.models.mocks import is_mock, refuse_mock
from btcframe.models.production import (
    BLIND,
    Candidate,
    Follower,
    Ladder,
    Production,
    Sentinel,
    Standing,
    rehearse,
)
from btcframe.types import NS

NAN = math.nan


@dataclass(frozen=True)
class Says:
    """Predicts what it is told to."""

    columns: tuple[str, ...] = ("a", "b")
    horizons_ns: tuple[int, ...] = (NS,)
    does: Any = 1.0

    def predict(self, x: Any, regime: Any, out: Any) -> None:
        if isinstance(self.does, Exception):
            raise self.does
        out["mean"] = self.does

    def save(self, directory: Path) -> None: ...


class One:
    """A single regime."""

    labels = ("all",)

    def state(self) -> Any:
        return np.zeros(1, [("n", "i8")])

    def update(self, descriptors: Any, state: Any, probabilities: Any) -> None:
        probabilities[:] = 1.0

    def save(self, directory: Path) -> None: ...


def candidate(digest: str, index: int = 0, *, mock: bool = False, does: Any = 1.0) -> Candidate:
    model = FittedModel(One(), Says(does=does), ("d",), index, digest, mock=mock)  # type: ignore[arg-type]
    return Candidate(model, f"models/{digest}", 5)


BEST, SECOND = candidate("aaaa"), candidate("bbbb", 1)


# ------------------------------------------------------------------------------------------------- the ladder


def test_down_it_goes_step_by_step_and_up_again_when_it_is_told_to() -> None:
    ladder = Ladder((BEST, SECOND))
    assert ladder.standing == Standing("production", "", "aaaa") and not ladder.failed
    assert ladder.down("it raised") is SECOND
    assert ladder.standing == Standing("previous", "it raised", "bbbb") and ladder.failed
    assert ladder.down("so did that") is None and ladder.present is None
    assert ladder.standing == Standing("none", "so did that")
    assert ladder.down("again") is None and ladder.falls == 3
    assert ladder.again("resumed") is BEST and ladder.standing == Standing("production", "resumed", "aaaa")


def test_a_session_without_a_model_has_no_step() -> None:
    ladder = Ladder()
    assert ladder.present is None and ladder.standing == Standing() and not ladder.failed
    assert str(ladder.standing) == "no model"


def test_the_last_ones_that_were_offered_count() -> None:
    ladder = Ladder((BEST,))
    ladder.down("it raised")
    third = candidate("cccc", 2, mock=True)
    ladder.offer((SECOND, BEST), "promoted")
    ladder.offer((third, SECOND), "promoted once more")
    assert ladder.waiting and ladder.standing.step == "none"  # nothing changes before it is taken
    assert ladder.take() is third and not ladder.waiting
    assert ladder.standing == Standing("production", "promoted once more", "cccc", mock=True)
    assert str(ladder.standing) == "MOCK · production cccc · promoted once more"
    assert ladder.down("x") is SECOND


@given(st.lists(st.sampled_from(["down", "again", "one", "two"]), max_size=20))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_step_and_model_always_agree(ops: list[str]) -> None:
    ladder, there, at = Ladder((BEST, SECOND)), [BEST, SECOND], 0
    for op in ops:
        if op == "down":
            now, at = ladder.down(op), min(at + 1, len(there))
        elif op == "again":
            now, at = ladder.again(op), 0
        else:
            there, at = [SECOND, BEST][: 1 if op == "one" else 2], 0
            ladder.offer(there, op)
            now = ladder.take()
        expected = there[at] if at < len(there) else None
        assert now is ladder.present is expected
        step = "none" if expected is None else ("production", "previous")[at]
        digest = "" if expected is None else expected.model.digest
        assert ladder.standing == Standing(step, op, digest) and ladder.failed == (at > 0)


# ------------------------------------------------------------------------------------------------ the sentinel


def test_a_model_that_is_blind_is_noticed() -> None:
    sentinel = Sentinel()
    for _ in range(2):  # it counts anew, for the next model
        assert not any(sentinel.missed(True) for _ in range(BLIND - 1))
        assert f"for {BLIND} rows" in sentinel.missed(True)


def test_it_is_no_fault_where_something_is_missing_or_a_prediction_comes() -> None:
    sentinel = Sentinel()
    assert not any(sentinel.missed(False) for _ in range(3 * BLIND))
    for _ in range(3):
        assert not any(sentinel.missed(True) for _ in range(BLIND - 1))
        sentinel.blind = 0


# ------------------------------------------------------------------------------------------------ the follower


@dataclass
class Registry:
    """Aliases as a test sets them."""

    now: str | None = "aaaa"
    before: str | None = None
    error: Exception | None = None

    def alias(self, name: str) -> str | None:
        if self.error:
            raise self.error
        return self.now

    def previous(self, name: str) -> str | None:
        return self.before

    def find(self, name: str) -> Path:
        return Path(name)


@dataclass
class Followed:
    """A follower, and all that it said and handed over."""

    registry: Registry = field(default_factory=Registry)
    bad: dict[str, Exception] = field(default_factory=dict)
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ladder = Ladder((BEST,))
        self.follower = Follower(
            self.registry, "production", self.load, self.ladder.offer,
            lambda kind, **data: self.told.append((kind, data)), every_ns=NS // 1000, present=(BEST,), target="aaaa",
        )  # fmt: skip

    def load(self, artefact: Path) -> Candidate:
        name = artefact.name
        self.loaded.append(name)
        if name in self.bad:
            raise self.bad[name]
        return candidate(name + "0000")

    def look(self, now: str | None = None, before: str | None = None) -> Candidate | None:
        if now:
            self.registry.now, self.registry.before = now, before
        self.follower.look()
        return self.ladder.take() if self.ladder.waiting else None


def test_a_promotion_is_handed_over_once_with_the_one_before_it() -> None:
    at = Followed()
    assert at.look() is None and at.loaded == []
    new = at.look("bbbb", "aaaa")
    assert new is not None and new.model.digest == "bbbb0000" and new.model.index == 1
    assert at.ladder.standing == Standing("production", "promoted to production", "bbbb0000")
    assert at.ladder.down("it raised") is BEST  # which needed not be read again
    assert at.loaded == ["bbbb"] and at.look() is None
    assert at.follower.counts == {"looks": 3, "promoted": 1, "refused": 0}
    assert [kind for kind, _ in at.told] == ["model_ready"]


def test_each_model_has_a_number_and_keeps_it() -> None:
    at = Followed()
    numbers = {}
    for now, before in (
        ("bbbb", "aaaa"),
        ("cccc", "bbbb"),
        ("aaaa", "cccc"),
        ("dddd", "aaaa"),
        ("bbbb", "dddd"),
    ):
        new = at.look(now, before)
        assert new is not None
        assert numbers.setdefault(new.model.digest[:4], new.model.index) == new.model.index
    assert numbers == {"bbbb": 1, "cccc": 2, "aaaa": 3, "dddd": 4} or numbers["aaaa"] == 0
    assert len(set(numbers.values())) == len(numbers)


def test_a_model_that_does_not_fit_is_refused_once_and_the_present_one_stays() -> None:
    at = Followed(bad={"bbbb": ModelError("the model is damaged: x is missing")})
    for _ in range(3):
        assert at.look("bbbb", "aaaa") is None
    assert at.ladder.present is BEST and at.loaded == ["bbbb"]
    assert at.told == [
        (
            "model_refused",
            {"model": "bbbb", "why": "the model is damaged: x is missing", "step": "production"},
        )
    ]
    assert at.follower.refused == "bbbb: the model is damaged: x is missing"
    assert at.follower.counts["refused"] == 1
    assert at.look("cccc", "bbbb") is not None  # whose predecessor is not sound
    assert at.told[-2:] == [
        ("model_refused", {"model": "bbbb", "why": "the model is damaged: x is missing", "step": "previous"}),
        ("model_ready", {"model": "models/cccc0000", "digest": "cccc0000", "mock": False}),
    ]
    assert at.follower.refused == "" and at.ladder.down("it raised") is None


def test_an_alias_that_goes_back_ends_the_refusal() -> None:
    at = Followed(bad={"bbbb": ModelError("damaged")})
    at.look("bbbb")
    assert at.follower.refused
    assert at.look("aaaa", "bbbb") is None  # it has predicted all the time
    assert at.follower.refused == "" and at.ladder.present is BEST


def test_a_registry_that_cannot_be_read_is_said_once_and_read_again() -> None:
    at = Followed()
    at.registry.error = StoreError("the registry's aliases.json cannot be read")
    for _ in range(3):
        assert at.look() is None
    assert len(at.told) == 1 and "cannot be read" in at.follower.refused
    at.registry.error = None
    assert at.look() is None and at.follower.refused == ""
    assert at.look("bbbb", "aaaa") is not None


def test_an_alias_that_is_gone_changes_nothing() -> None:
    at = Followed()
    at.registry.now = None
    assert at.look() is None and "names no model any more" in at.follower.refused
    assert at.ladder.present is BEST


def test_what_a_plugin_raises_while_it_is_read_does_not_end_the_thread() -> None:
    at = Followed(bad={"bbbb": ZeroDivisionError("oh")})
    at.registry.now = "bbbb"
    assert at.look() is None
    assert at.follower.refused == "bbbb: ZeroDivisionError: oh"


def test_it_looks_in_a_thread_of_its_own() -> None:
    at = Followed()
    looked, names = threading.Event(), []
    at.registry.now, at.registry.before = "bbbb", "aaaa"

    def offer(candidates: Sequence[Candidate], why: str) -> None:
        names.append(threading.current_thread().name)
        looked.set()

    at.follower._hand = offer
    with at.follower.running():
        assert looked.wait(60)
    assert names == ["model-follower"]
    assert not [thread for thread in threading.enumerate() if thread.name == "model-follower"]


def test_the_thread_survives_what_it_did_not_expect() -> None:
    at, survived = Followed(), threading.Event()
    at.registry.error = RecursionError("deep")

    def offer(candidates: Sequence[Candidate], why: str) -> None:
        survived.set()

    def refused(kind: str, **data: Any) -> None:
        at.told.append((kind, data))
        at.registry.error, at.registry.now, at.registry.before = None, "bbbb", "aaaa"

    at.follower._hand, at.follower._tell = offer, refused
    with at.follower.running():
        assert survived.wait(60)
    assert at.told[0] == (
        "model_refused",
        {"model": "production", "why": "RecursionError: deep", "step": "production"},
    )


# -------------------------------------------------------------------------------------------- sound, and mocks


def test_a_model_is_seen_to_work_before_it_predicts() -> None:
    rehearse(BEST)
    rehearse(candidate("x", does=NAN))  # of a row of nothing, nothing is a prediction
    with pytest.raises(ModelError, match=r"raises ZeroDivisionError when it predicts: oh \(models/x\)"):
        rehearse(candidate("x", does=ZeroDivisionError("oh")))


@dataclass(frozen=True)
class Outer:
    inner: Any = None


class Noise:
    mock = True


def test_a_mock_inside_another_model_is_one() -> None:
    assert is_mock(Noise()) and is_mock(Outer(Outer(Noise())))
    assert not is_mock(Outer()) and not is_mock(Outer(Outer(1)))


class RealVenue:
    real = True


def test_a_venue_of_real_money_refuses_a_mock() -> None:
    refuse_mock(object(), True, "models/x")
    refuse_mock(RealVenue(), False, "models/x")
    with pytest.raises(ModelError, match=r"RealVenue trades real money.*noise.*\(models/x\)"):
        refuse_mock(RealVenue(), True, "models/x")


def test_all_of_it_is_plain() -> None:
    watch = ModelWatch(None, NS, ("a",))  # type: ignore[arg-type]
    alone = Production(Ladder((replace_mock(BEST),)), watch)
    assert alone.counts() == {"fallen": 0}
    assert (
        alone.plain()["mock"] is True
        and alone.plain()["refused"] == ""
        and alone.plain()["note"] == "no model"
    )
    at = Followed(bad={"bbbb": ModelError("damaged")})
    at.look("bbbb")
    whole = Production(at.ladder, watch, at.follower)
    assert whole.counts() == {"fallen": 0, "looks": 1, "promoted": 0, "refused": 1}
    assert whole.plain()["refused"] == "bbbb: damaged" and whole.plain()["digest"] == "aaaa"


def replace_mock(candidate: Candidate) -> Candidate:
    return candidate._replace(model=replace(candidate.model, mock=True))
