"""From a frozen dataclass to a config schema, and from a config node back to the dataclass.

The field types a component may use: int, float, bool, str, an Enum, Optional of these, `list[T]` and
`tuple[T, ...]` of these, and a nested component, written as the slot's protocol (`inner: Model`). Anything else
is refused when the class is registered, naming the field.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from btcframe.errors import ConfigError, PluginError, did_you_mean
from btcframe.slots import SLOTS

RESERVED = "plugin"
"""The key of a config node that names its component."""

REQUIRED: Any = dataclasses.MISSING
_SCALARS = (int, float, bool, str)
_SLOT_OF_PROTOCOL = {slot.protocol: slot.name for slot in SLOTS.values()}
_ALLOWED = (
    "int, float, bool, str, Enum, Optional of these, list[T], tuple[T, ...], or a component (e.g. Model)"
)


@dataclass(frozen=True)
class Field:
    """One hyper-parameter.

    Parameters
    ----------
    name : str
    base : type            int, float, bool, str, an Enum class, or the protocol of a nested component
    container : str        "" for a single value, "list" or "tuple"
    optional : bool        whether None is a value
    default : object       REQUIRED where there is none
    doc : str              from the class's docstring
    """

    name: str
    base: type
    container: str = ""
    optional: bool = False
    default: Any = dataclasses.field(default_factory=lambda: REQUIRED)
    doc: str = ""

    @property
    def slot(self) -> str:
        """Slot of a nested component, "" otherwise."""
        return _SLOT_OF_PROTOCOL.get(self.base, "")

    @property
    def choices(self) -> tuple[str, ...]:
        """What can be written, where that is a closed set."""
        if self.base is bool:
            return ("true", "false")
        if isinstance(self.base, type) and issubclass(self.base, enum.Enum):
            return tuple(member.name for member in self.base)
        return ()

    @property
    def type_name(self) -> str:
        """The type as a user would write it."""
        name = self.slot or self.base.__name__
        if self.container:
            name = f"{self.container}[{name}{', ...' if self.container == 'tuple' else ''}]"
        return f"{name} | None" if self.optional else name


def fields_of(cls: type) -> tuple[Field, ...]:
    """Fields of a component class.

    Raises
    ------
    PluginError
        If the class is not a frozen dataclass or a field has a type that has no place in a config.
    """
    where = f"{cls.__module__}.{cls.__qualname__}"
    params = getattr(cls, "__dataclass_params__", None)
    if params is None or not params.frozen:
        raise PluginError(
            f"{cls.__qualname__} is not a frozen dataclass",
            where=where,
            hint="A component's fields are its hyper-parameters: decorate the class with @dataclass(frozen=True).",
        )
    try:
        hints = typing.get_type_hints(cls)
    except NameError as error:
        raise PluginError(
            f"a type of {cls.__qualname__} cannot be resolved: {error}",
            where=where,
            hint="Import it at run time, not under TYPE_CHECKING.",
        ) from error
    docs = parameter_docs(cls)
    return tuple(
        _field(f, hints[f.name], where, docs.get(f.name, "")) for f in dataclasses.fields(cls) if f.init
    )


def _field(raw: dataclasses.Field[Any], hint: Any, where: str, doc: str) -> Field:
    if raw.name == RESERVED:
        raise PluginError(
            f"a field may not be called {RESERVED!r}",
            where=where,
            hint="The key names the component in a config node.",
        )
    default = raw.default
    if raw.default_factory is not dataclasses.MISSING:
        default = raw.default_factory()
    inner, optional = _strip_optional(hint)
    container = ""
    origin, args = typing.get_origin(inner), typing.get_args(inner)
    if origin is list and len(args) == 1:
        container, inner = "list", args[0]
    elif origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        container, inner = "tuple", args[0]
    is_scalar = inner in _SCALARS or (isinstance(inner, type) and issubclass(inner, enum.Enum))
    is_component = not container and inner in _SLOT_OF_PROTOCOL
    if not (is_scalar or is_component):
        raise PluginError(
            f"field {raw.name!r} has a type that has no place in a config: {_spell(hint)}",
            where=where,
            hint=f"Allowed: {_ALLOWED}." + (" Write an Enum." if origin is typing.Literal else ""),
        )
    return Field(raw.name, inner, container, optional, default, doc)


def _strip_optional(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [a for a in typing.get_args(hint) if a is not type(None)]
        if len(rest) == 1 and len(typing.get_args(hint)) == 2:
            return rest[0], True
    return hint, False


def _spell(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)


def parameter_docs(cls: type) -> dict[str, str]:
    """Text of each entry in the numpydoc Parameters section of a class."""
    lines = inspect.cleandoc(cls.__doc__ or "").splitlines()
    docs: dict[str, str] = {}
    name = ""
    inside = False
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if re.fullmatch(r"-{3,}", following.strip()):
            inside = line.strip() == "Parameters"
            continue
        if not inside or re.fullmatch(r"-{3,}", line.strip()):
            continue
        if not line.strip():
            name = ""
        elif head := re.match(r"(\w+(?:, \w+)*) : (\S+(?: \S+)*?)(?:\s{2,}(.*))?$", line):
            for name in head[1].split(", "):
                docs[name] = head[3] or ""
        elif name and line.startswith(" "):
            docs[name] = f"{docs[name]} {line.strip()}".strip()
    return docs


def convert(spec: Field, value: Any, path: str, nested: Any) -> Any:
    """Turn a plain config value into what the class expects.

    `nested(slot, node, path)` builds nested components. Raises ConfigError naming the path and the type.
    """
    if value is None:
        if spec.optional:
            return None
        raise ConfigError(f"{path}: null is not a {spec.type_name}")
    if spec.container:
        if isinstance(value, (str, bytes)) or not isinstance(value, (list, tuple)):
            raise ConfigError(
                f"{path}: {value!r} is not a list", hint=f"Write {path}=[…]; it is a {spec.type_name}."
            )
        items = [_scalar(spec, v, f"{path}[{i}]") for i, v in enumerate(value)]
        return tuple(items) if spec.container == "tuple" else items
    if spec.slot:
        return nested(spec.slot, value, path)
    return _scalar(spec, value, path)


def _scalar(spec: Field, value: Any, path: str) -> Any:
    base = spec.base
    if issubclass(base, enum.Enum):
        if isinstance(value, base):
            return value
        by_name = {m.name.lower(): m for m in base}
        if isinstance(value, str) and value.lower() in by_name:
            return by_name[value.lower()]
        raise ConfigError(
            f"{path}: {value!r} is not one of its values",
            hint=did_you_mean(str(value), [m.name for m in base]),
        )
    if base is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if base is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, base) and (base is bool or not isinstance(value, bool)):
        return value
    raise ConfigError(f"{path}: {value!r} is not {'an' if base is int else 'a'} {base.__name__}")


def to_node(name: str, component: Any) -> dict[str, Any]:
    """The config node that builds this component again: plain values only."""

    def plain(spec: Field, value: Any) -> Any:
        if isinstance(value, enum.Enum):
            return value.name
        if spec.container and value is not None:
            return [plain(dataclasses.replace(spec, container=""), v) for v in value]
        if spec.slot and value is not None:
            raise PluginError(
                f"{name}.{spec.name}: a nested component's default must be None",
                hint="Which plugin it comes from is the config's business: default it to None.",
            )
        return value

    return {RESERVED: name} | {
        f.name: plain(f, getattr(component, f.name)) for f in fields_of(type(component))
    }


def unknown_keys(
    node: Mapping[str, Any], fields: tuple[Field, ...], path: str, owner: str, where: str
) -> None:
    """Raise ConfigError for the first key the component does not have."""
    names = [f.name for f in fields]
    for key in node:
        if key != RESERVED and key not in names:
            raise ConfigError(
                f"{path}.{key}: {owner} has no such setting",
                where=where,
                hint=did_you_mean(str(key), names, f"{path}."),
            )
