"""`btcframe plugins --markdown`: the page docs/config.md, every setting there is, from the classes that define them."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from btcframe.config import Root
from btcframe.plugins import Component
from btcframe.schema import REQUIRED, Field, parameter_docs
from btcframe.slots import CHOICES, SLOTS

_INTRODUCTION = """\
# Settings

`btcframe plugins --markdown` makes this page from the classes that define the settings. \
`btcframe train --cfg job` shows those of one command line, as they came out; \
`btcframe plugins` lists the components that are installed, yours among them.

A setting is written `section.name=value`: `validation.folds=8`, and of a component by its slot: `model.alpha=3`, \
`features.book.depths=[5,10]`, `risk.max_position.size=0.1`. [The command line](command-line.md) has the grammar. \
A duration is written `250ms`, `5s`, `1m`, `8h` or `7d`. Defaults are those of the classes; \
what a verb starts from may differ (`btcframe trade` writes its spool more often, say), and `--cfg job` has the last word."""

_HEAD = ("| setting | type | default | meaning |", "|---|---|---|---|")


def as_markdown(components: Iterable[Component]) -> str:
    """The page: what is not a component, section by section, then the components given, slot by slot."""
    blocks = [_INTRODUCTION, "## Of the whole", _table(_settings(Root, without=(*CHOICES, "verb")))]
    for name, section in _sections():
        blocks += [f"## {name}", _linked(_first_paragraph(section)), _table(_settings(section))]
    given = list(components)
    for slot in SLOTS.values():
        own = [component for component in given if component.slot == slot.name]
        if own:
            many = f"`'{slot.name}=[{own[0].name},…]'`" if slot.many else f"`{slot.name}={own[0].name}`"
            blocks += [f"## Components: {slot.name}", f"Chosen as {many}: {slot.summary}."]
        for component in own:
            blocks += [
                f"### {slot.name}: {component.name}",
                f"{_linked(component.summary)} ({component.distribution})",
            ]
            rows = [
                (field.name, _typed(field), written_default(field), field.doc) for field in component.fields
            ]
            blocks.append(_table(rows) if rows else "It has no settings.")
    return "\n\n".join(blocks) + "\n"


def written_default(field: Field) -> str:
    """The default of a component's field as a command line has it."""
    return "required" if field.default is REQUIRED else _written(field.default)


def _written(value: Any) -> str:
    value = getattr(value, "name", value)
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(str(v) for v in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value) or "''"


def _sections() -> Iterator[tuple[str, type]]:
    for name, hint in typing.get_type_hints(Root).items():
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            yield name, hint


def _settings(section: type, without: Iterable[str] = ()) -> list[tuple[str, str, str, str]]:
    """Name, type, default and meaning of each setting of a section that is none itself."""
    hints, docs, sections = typing.get_type_hints(section), parameter_docs(section), dict(_sections())
    rows = []
    for field in dataclasses.fields(section):
        if field.name in without or (section is Root and field.name in sections):
            continue
        given = field.default
        if field.default_factory is not dataclasses.MISSING:
            given = field.default_factory()
        rows.append((field.name, _spelt(hints[field.name]), _written(given), docs[field.name]))
    return rows


def _spelt(hint: Any) -> str:
    text = hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
    return text.replace(" | None", " or null").replace("typing.Any", "any")


def _typed(field: Field) -> str:
    """The type, with the values where they are a closed set."""
    if field.base is not bool and field.choices:
        named = ", ".join(field.choices)
        named = f"list of {named}" if field.container else named
        return f"{named} or null" if field.optional else named
    return field.type_name.replace(" | None", " or null").replace("tuple[", "list[").replace(", ...]", "]")


def _first_paragraph(cls: type) -> str:
    return " ".join(inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].split())


def _table(rows: Sequence[tuple[str, str, str, str]]) -> str:
    lines = [f"| `{name}` | {typed} | `{default}` | {_linked(doc)} |" for name, typed, default, doc in rows]
    return "\n".join((*_HEAD, *lines))


def _linked(text: str) -> str:
    """Plain text of a docstring as a cell: pages are links, and nothing outside of code is taken for markup."""
    parts = re.split(r"(`[^`]+`)", text.replace("|", "∣"))
    return "".join(part if part.startswith("`") else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    plain = re.sub(r"([*<\\])", r"\\\1", text)
    return re.sub(r"docs/([\w-]+)\.md", r"[\1](\1.md)", plain)
