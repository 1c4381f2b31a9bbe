"""Every field type a component may have, and every refusal."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, Optional

import pytest

from btcframe.api import Model
from btcframe.errors import ConfigError, PluginError
from btcframe.plugins import Catalog, discover
from btcframe.schema import REQUIRED, convert, fields_of, parameter_docs, to_node


class Side(Enum):
    BID = 1
    ASK = 2


@dataclass(frozen=True)
class Everything:
    """All types.

    Parameters
    ----------
    count : int          how many,
        on two lines
    ratio, other : float  shared text
    """

    must: str
    count: int = 3
    ratio: float = 0.5
    other: float = 1.0
    on: bool = False
    side: Side = Side.BID
    maybe: int | None = None
    old_style: Optional[float] = None  # noqa: UP045 - the older spelling must work too
    names: tuple[str, ...] = ("a", "b")
    numbers: list[float] = field(default_factory=lambda: [1.0])
    sides: tuple[Side, ...] = ()
    limits: tuple[int, ...] | None = None
    inner: Model | None = None


def test_every_allowed_type() -> None:
    by_name = {f.name: f for f in fields_of(Everything)}
    assert by_name["must"].default is REQUIRED
    assert by_name["count"].type_name == "int"
    assert by_name["maybe"].type_name == "int | None"
    assert by_name["old_style"].type_name == "float | None"
    assert by_name["names"].type_name == "tuple[str, ...]"
    assert by_name["numbers"].type_name == "list[float]"
    assert by_name["numbers"].default == [1.0]
    assert by_name["sides"].choices == ("BID", "ASK")
    assert by_name["on"].choices == ("true", "false")
    assert by_name["limits"].type_name == "tuple[int, ...] | None"
    assert by_name["inner"].slot == "model"
    assert by_name["count"].doc == "how many, on two lines"
    assert parameter_docs(Everything)["other"] == "shared text"


def no_component(slot: str, node: Any, path: str) -> Any:
    raise AssertionError("no nested component here")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("count", 4, 4),
        ("ratio", 2, 2.0),
        ("on", True, True),
        ("must", 3, "3"),
        ("side", "ask", Side.ASK),
        ("maybe", None, None),
        ("names", ["x"], ("x",)),
        ("numbers", [1, 2.5], [1.0, 2.5]),
        ("sides", ["BID", "ask"], (Side.BID, Side.ASK)),
        ("limits", None, None),
    ],
)
def test_values_become_what_the_class_expects(name: str, value: Any, expected: Any) -> None:
    spec = next(f for f in fields_of(Everything) if f.name == name)
    result = convert(spec, value, f"x.{name}", no_component)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("count", 1.5, "x.count: 1.5 is not an int"),
        ("count", True, "x.count: True is not an int"),
        ("on", 1, "x.on: 1 is not a bool"),
        ("ratio", "much", "x.ratio: 'much' is not a float"),
        ("count", None, "x.count: null is not a int"),
        ("names", "abc", "x.names: 'abc' is not a list"),
        ("numbers", [1, "b"], "x.numbers[1]: 'b' is not a float"),
    ],
)
def test_wrong_types_are_named(name: str, value: Any, message: str) -> None:
    spec = next(f for f in fields_of(Everything) if f.name == name)
    with pytest.raises(ConfigError) as caught:
        convert(spec, value, f"x.{name}", no_component)
    assert caught.value.what == message


def test_a_wrong_enum_value_gets_a_hint() -> None:
    spec = next(f for f in fields_of(Everything) if f.name == "side")
    with pytest.raises(ConfigError, match="Did you mean ASK"):
        convert(spec, "AKS", "x.side", no_component)


def _class(annotation: Any) -> type:
    return dataclass(frozen=True)(type("Odd", (), {"__annotations__": {"odd": annotation}}))


@pytest.mark.parametrize(
    "annotation",
    [
        Literal["a", "b"],
        dict[str, int],
        Any,
        tuple[int, int],
        list[list[int]],
        int | str,
        bytes,
        list[Model],
        set[int],
    ],
    ids=str,
)
def test_every_other_type_is_refused_by_name(annotation: Any) -> None:
    with pytest.raises(PluginError, match="field 'odd' has a type that has no place in a config"):
        fields_of(_class(annotation))


def test_a_literal_is_told_to_be_an_enum() -> None:
    with pytest.raises(PluginError, match="Write an Enum"):
        fields_of(_class(Literal["a"]))


def test_only_frozen_dataclasses() -> None:
    with pytest.raises(PluginError, match="not a frozen dataclass"):
        fields_of(dataclass(type("Loose", (), {})))
    with pytest.raises(PluginError, match="not a frozen dataclass"):
        fields_of(int)


def test_the_reserved_name_is_refused() -> None:
    with pytest.raises(PluginError, match="may not be called 'plugin'"):
        fields_of(dataclass(frozen=True)(type("Odd", (), {"__annotations__": {"plugin": str}})))


def test_an_unresolvable_type_says_where_to_import_it() -> None:
    with pytest.raises(PluginError, match="Import it at run time"):
        fields_of(_class("Missing"))  # a name that no module defines


def test_node_round_trip() -> None:
    built = Everything("x", names=("q",), side=Side.ASK)
    node = to_node("everything", built)
    assert node["side"] == "ASK"
    assert node["names"] == ["q"]
    assert node["plugin"] == "everything"


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def test_nested_components_are_built_from_their_slot(catalog: Catalog) -> None:
    spec = next(f for f in fields_of(Everything) if f.name == "inner")
    name = catalog.names("model")[0]
    built = convert(spec, {"plugin": name}, "x.inner", catalog.build)
    assert isinstance(built, catalog.get("model", name).cls)
    with pytest.raises(PluginError, match="there is no such model plugin"):
        convert(spec, {"plugin": "nonsense"}, "x.inner", catalog.build)
