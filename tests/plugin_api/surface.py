"""What a plugin may rest on, as plain values, and what of it would break one if it changed.

`python tests/plugin_api/surface.py` records it as it is now: when the plugin API gets a new version, and not before.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

RECORDED = Path(__file__).with_name("surface.json")

MODULES = (
    "btcframe.api", "btcframe.types", "btcframe.errors", "btcframe.hookspecs", "btcframe.split",
    "btcframe.kernels", "btcframe.kernels.windows", "btcframe.kernels.rolling", "btcframe.kernels.powers",
    "btcframe.kernels.logs", "btcframe.kernels.linear", "btcframe.kernels.trees", "btcframe.kernels.hht",
    "btcframe.testing", "btcframe.testing.markets", "btcframe.testing.streams", "btcframe.testing.clocks",
    "btcframe.testing.features", "btcframe.testing.labels", "btcframe.testing.models", "btcframe.testing.policies",
    "btcframe.testing.regimes", "btcframe.testing.risk", "btcframe.testing.sources", "btcframe.testing.stores",
    "btcframe.testing.venues",
)  # fmt: skip
"""The modules that docs/plugin-api.md promises."""

OF_VALUES = ("btcframe.types", "btcframe.testing.markets")
"""Those of them whose constants are promised, too."""

Thing = dict[str, Any]


def surface() -> dict[str, Any]:
    """Everything promised by its full name, what each slot asks of a class, and the version."""
    from btcframe.api import API_VERSION
    from btcframe.slots import SLOTS

    names = {
        f"{module}.{name}": described(thing)
        for module in MODULES
        for name, thing in _public(importlib.import_module(module))
    }
    slots = {name: {"methods": sorted(slot.methods), "many": slot.many} for name, slot in SLOTS.items()}
    return {"version": API_VERSION, "slots": slots, "names": names}


def _public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """What the module exports, else what it defines itself under a public name."""
    exported = getattr(module, "__all__", None)
    for name in exported or sorted(vars(module)):
        thing = getattr(module, name)
        if name == "API_VERSION" or (not exported and (name.startswith("_") or not _of(module, name, thing))):
            continue
        yield name, thing


def _of(module: ModuleType, name: str, thing: Any) -> bool:
    """Whether a name that is not exported is the module's own."""
    if isinstance(thing, (int, float, str, tuple, np.dtype)):
        types = importlib.import_module("btcframe.types")
        return module.__name__ in OF_VALUES and (module is types or not hasattr(types, name))
    home = getattr(getattr(thing, "py_func", thing), "__module__", "")
    return not inspect.ismodule(thing) and str(home) == module.__name__


def described(thing: Any) -> Thing:
    """One thing as plain values."""
    thing = getattr(thing, "py_func", thing)  # a kernel
    if isinstance(thing, np.dtype):
        return {"kind": "dtype", "fields": _dtype(thing)}
    if inspect.isclass(thing):
        return _class(thing)
    if inspect.isroutine(thing):
        return {"kind": "function", "takes": _takes(thing)}
    if isinstance(thing, (bool, int, float, str)):
        return {"kind": "constant", "value": int(thing) if isinstance(thing, enum.IntFlag) else thing}
    return {"kind": type(thing).__name__}


def _dtype(dtype: np.dtype[Any]) -> dict[str, str]:
    return {name: str(dtype[name]) for name in dtype.names} if dtype.names else {"": dtype.str}


def _class(cls: type) -> Thing:
    if issubclass(cls, enum.Enum):
        return {"kind": "enum", "members": {member.name: member.value for member in cls}}
    if getattr(cls, "_is_protocol", False):
        members = {n: _member(m) for n, m in vars(cls).items() if not n.startswith("_")}
        members |= dict.fromkeys((n for n in cls.__annotations__ if not n.startswith("_")), "attribute")
        return {"kind": "protocol", "members": members}
    methods = {n: _member(m) for n, m in sorted(vars(cls).items()) if not n.startswith("_")}
    if fields := getattr(cls, "_fields", None):
        optional = cls._field_defaults  # type: ignore[attr-defined]
        methods = {name: what for name, what in methods.items() if name not in fields}
        return {"kind": "record", "fields": [[f, f in optional] for f in fields], "members": methods}
    if dataclasses.is_dataclass(cls):
        declared = [[f.name, not _required(f)] for f in dataclasses.fields(cls) if f.init]
        methods = {name: what for name, what in methods.items() if name not in dict(declared)}
        return {"kind": "record", "fields": declared, "members": methods}
    bases = [base.__name__ for base in cls.__mro__[1:-1]]
    takes = _takes(cls) if inspect.isfunction(cls.__init__) else []  # type: ignore[misc]
    return {"kind": "class", "bases": bases, "takes": takes, "members": methods}


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _member(member: Any) -> Any:
    member = getattr(member, "__func__", member)
    return _takes(member) if inspect.isfunction(member) else "attribute"


def _takes(function: Any) -> list[list[Any]]:
    """Parameters: name, how it is passed, whether it may be left out."""
    return [
        [p.name, p.kind.name.lower(), p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        for p in inspect.signature(function).parameters.values()
    ]


# ------------------------------------------------------------------------------------------------ what breaks


def broken(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What a plugin that rested on `before` would miss, in words; additions break nothing."""
    found = []
    for slot, asked in before["slots"].items():
        there = now["slots"].get(slot)
        if there is None:
            found.append(f"slot {slot} is gone")
        elif new := sorted(set(there["methods"]) - set(asked["methods"])):
            found.append(f"slot {slot} asks for {', '.join(new)}, which components of before do not have")
    for name, thing in before["names"].items():
        if name not in now["names"]:
            found.append(f"{name} is gone")
        else:
            found += [f"{name}{what}" for what in _changed(thing, now["names"][name])]
    return found


def _changed(before: Thing, now: Thing) -> Iterator[str]:
    if before["kind"] != now["kind"]:
        yield f" was a {before['kind']} and is a {now['kind']}"
        return
    kind = before["kind"]
    if kind == "constant" and before["value"] != now["value"]:
        yield f" was {before['value']!r} and is {now['value']!r}"
    if kind == "dtype":
        yield from _mapping(before["fields"], now["fields"])
    if kind == "enum":
        yield from _mapping(before["members"], now["members"])
    if kind == "protocol" and before["members"] != now["members"]:
        yield f" is another protocol: {_differing(before, now)}; what is optional gets one of its own"
    if kind == "record":
        yield from _fields(before["fields"], now["fields"])
    if kind in ("function", "class"):
        yield from _calls("", before["takes"], now["takes"])
    if kind == "class" and (lost := [base for base in before["bases"] if base not in now["bases"]]):
        yield f" is no {lost[0]} any more"
    if kind in ("record", "class"):
        for name, member in before["members"].items():
            there = now["members"].get(name)
            if there is None or isinstance(there, str) != isinstance(member, str):
                yield f".{name} is gone, or something else"
            elif not isinstance(member, str):
                yield from _calls(f".{name}", member, there)


def _differing(before: Thing, now: Thing) -> str:
    names = {*before["members"], *now["members"]}
    return ", ".join(sorted(n for n in names if before["members"].get(n) != now["members"].get(n)))


def _mapping(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name, value in before.items():
        if name not in now:
            yield f".{name} is gone"
        elif now[name] != value:
            yield f".{name} was {value} and is {now[name]}"


def _fields(before: list[list[Any]], now: list[list[Any]]) -> Iterator[str]:
    for (name, optional), there in zip(before, now, strict=False):
        if there[0] != name:
            yield f": field {name} is gone, or stands elsewhere"
            return
        if optional and not there[1]:
            yield f": field {name} must be given now"
    if len(now) < len(before):
        yield f": field {before[len(now)][0]} is gone"
    for name, optional in now[len(before) :]:
        if not optional:
            yield f": the new field {name} has no default"


def _calls(who: str, before: list[list[Any]], now: list[list[Any]]) -> Iterator[str]:
    there = {name: (at, kind, optional) for at, (name, kind, optional) in enumerate(now)}
    for at, (name, kind, optional) in enumerate(before):
        if name not in there:
            yield f"{who}({name}) is gone"
            continue
        new_at, new_kind, new_optional = there[name]
        if kind != new_kind or (kind.startswith("positional") and at != new_at):
            yield f"{who}({name}) is passed in another way"
        if optional and not new_optional:
            yield f"{who}({name}) must be given now"
    names = {name for name, _, _ in before}
    for name, (_, _, optional) in there.items():
        if name not in names and not optional:
            yield f"{who}({name}) is new and has no default"


def main() -> int:
    """Record the surface, unless that would hide a break within one MAJOR."""
    now = surface()
    if RECORDED.exists():
        before = json.loads(RECORDED.read_text("utf-8"))
        same_major = before["version"].split(".")[0] == now["version"].split(".")[0]
        if same_major and (found := broken(before, now)):
            print("\n".join(["not recorded: plugins would break", *found]))
            return 1
    RECORDED.write_text(as_text(now), "utf-8")
    return 0


def as_text(recorded: Mapping[str, Any]) -> str:
    """JSON with a line for each name, so that a change shows as one."""
    lines = [f" {json.dumps(name)}: {json.dumps(thing)}" for name, thing in sorted(recorded["names"].items())]
    head = {key: recorded[key] for key in ("version", "slots")}
    return json.dumps(head, indent=1)[:-2] + ',\n "names": {\n' + ",\n".join(lines) + "\n }\n}\n"


if __name__ == "__main__":
    sys.exit(main())
