"""What plugins rest on only grows: nothing of the recorded surface is gone or changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pytest
from plugin_api.surface import MODULES, RECORDED, as_text, broken, described, surface

from btcframe.api import API_VERSION

BEFORE = json.loads(RECORDED.read_text("utf-8"))


def test_nothing_that_plugins_rest_on_is_gone_or_changed() -> None:
    found = broken(BEFORE, surface())
    assert not found, "a plugin written before would break (docs/plugin-api.md):\n" + "\n".join(found)


def test_it_was_recorded_with_this_version() -> None:
    assert BEFORE["version"] == API_VERSION, "record it anew: python tests/plugin_api/surface.py"


def test_the_page_promises_what_is_recorded() -> None:
    page = (Path(__file__).parents[2] / "docs" / "plugin-api.md").read_text("utf-8")
    assert f"today {API_VERSION}" in page
    for module in MODULES:
        head, helper = ".".join(module.split(".")[:2]), module.split(".")[-1]
        assert f"`{head}`" in page
        assert head != "btcframe.kernels" or f"`{helper}`" in page or helper == "kernels"


def test_it_reads_back_as_it_was_written() -> None:
    assert json.loads(as_text(BEFORE)) == BEFORE


# ------------------------------------------------------------------------------------------ what is seen of a change


class Things:
    """One of each kind, before."""

    class Row(NamedTuple):
        one: int
        two: int = 0

    @dataclass(frozen=True)
    class Set:
        x: int
        seed: int = 0

        def pieces(self, n: int) -> None: ...

    class Way(IntEnum):
        UP = 1

    class Slot(Protocol):
        def update(self, rows: int) -> None: ...

    class Wrong(ValueError):
        def __init__(self, what: str, *, hint: str = "") -> None: ...

    @staticmethod
    def call(a: int, b: int = 0, *, c: int = 0) -> None: ...

    RECORD = np.dtype([("a", "i8"), ("b", "f8", (3,))])
    NUMBER = 20


class Grown:
    """The same, with more."""

    class Row(NamedTuple):
        one: int
        two: int = 0
        three: int = 0

    @dataclass(frozen=True)
    class Set:
        x: int
        seed: int = 0
        more: str = ""

        def pieces(self, n: int, size: int = 1) -> None: ...

        def new(self) -> None: ...

    class Way(IntEnum):
        UP = 1
        DOWN = 2

    Slot = Things.Slot

    class Wrong(ValueError):
        def __init__(self, what: str, *, hint: str = "", next: str = "") -> None: ...

    @staticmethod
    def call(a: int = 1, b: int = 0, *more: int, c: int = 0, d: int = 0) -> None: ...

    RECORD = np.dtype([("new", "u1"), ("a", "i8"), ("b", "f8", (3,))])
    NUMBER = 20

    @staticmethod
    def another(x: int) -> None: ...


def of(things: type) -> dict[str, Any]:
    names = {name: described(thing) for name, thing in vars(things).items() if not name.startswith("_")}
    return {"version": "1.0", "slots": {"risk": {"methods": ["check"], "many": True}}, "names": names}


def test_additions_break_nothing() -> None:
    assert broken(of(Things), of(Grown)) == []


class Shrunk:
    """One way each in which a plugin would break, by name."""

    class Row(NamedTuple):
        two: int = 0

    class RowNeeds(NamedTuple):
        one: int
        two: int

    @dataclass(frozen=True)
    class Set:
        x: int
        new: str
        seed: int = 0

        def pieces(self, n: int) -> None: ...

    class Way(IntEnum):
        UP = 2

    class Slot(Protocol):
        def update(self, rows: int) -> None: ...

        def extra(self) -> None: ...

    class SlotTakes(Protocol):
        def update(self, rows: int, more: int = 0) -> None: ...

    class Wrong(TypeError):
        def __init__(self, what: str, *, hint: str = "") -> None: ...

    @staticmethod
    def call(b: int = 0, a: int = 0, *, c: int = 0) -> None: ...

    @staticmethod
    def call_needs(a: int, b: int = 0, *, c: int = 0, d: int) -> None: ...

    RECORD = np.dtype([("a", "i8"), ("b", "f8", (4,))])
    NUMBER = 21


@pytest.mark.parametrize(
    ("name", "into", "words"),
    [
        ("Row", Shrunk.Row, "Row: field one is gone, or stands elsewhere"),
        ("Row", Shrunk.RowNeeds, "Row: field two must be given now"),
        ("Set", Shrunk.Set, "Set: field seed is gone, or stands elsewhere"),
        ("Way", Shrunk.Way, "Way.UP was 1 and is 2"),
        ("Slot", Shrunk.Slot, "Slot is another protocol: extra; what is optional gets one of its own"),
        ("Slot", Shrunk.SlotTakes, "Slot is another protocol: update"),
        ("Wrong", Shrunk.Wrong, "Wrong is no ValueError any more"),
        ("call", Shrunk.call, "call(a) is passed in another way"),
        ("call", Shrunk.call_needs, "call(d) is new and has no default"),
        ("RECORD", Shrunk.RECORD, "RECORD.b was"),
        ("NUMBER", Shrunk.NUMBER, "NUMBER was 20 and is 21"),
        ("NUMBER", Shrunk.call, "NUMBER was a constant and is a function"),
    ],
)
def test_a_break_is_named(name: str, into: Any, words: str) -> None:
    now = of(Things)
    now["names"][name] = described(into)
    assert any(words in said for said in broken(of(Things), now))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda now: now["names"].pop("call"), "call is gone"),
        (lambda now: now["slots"].pop("risk"), "slot risk is gone"),
        (lambda now: now["slots"]["risk"]["methods"].append("stop"), "slot risk asks for stop"),
    ],
)
def test_what_is_gone_or_asked_for_besides_is_named(change: Callable[[Any], Any], words: str) -> None:
    now = copy.deepcopy(of(Things))
    change(now)
    (said,) = broken(of(Things), now)
    assert words in said
