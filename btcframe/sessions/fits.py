"""Whether a model fits the session that asks for it: equal column names alone do not make equal columns."""

from __future__ import annotations

import enum
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from btcframe.errors import ModelError
from btcframe.run import Run
from btcframe.schema import REQUIRED, RESERVED
from btcframe.types import Instrument

MEANING = ("clock", "regime", "label")
"""Beside the features, what decides what a model's inputs and predictions mean."""

SLOTS = (*MEANING, "model")
"""Beside the features, what a model was trained with."""

Node = Mapping[str, Any]

_WORDS = ("null", "true", "false", "nan", "inf")

_PLAIN = re.compile(r"[\w./:+-]+")
"""Text that a config override holds without quotes."""


def check_fits(
    manifest: Mapping[str, Any], run: Run, instrument: Instrument, slots: Sequence[str] = SLOTS
) -> None:
    """Refuse a model that was trained on something else.

    Parameters
    ----------
    manifest : mapping      of the model's artefact
    run : Run               of the session
    instrument : Instrument
    slots : sequence of str     that are compared, beside the features; a registry may hold models of any kind: MEANING

    Raises
    ------
    ModelError
        It names every setting that differs by its path in the config, and the overrides that make them equal.
    """
    if manifest["symbol"] != instrument.symbol:
        raise _misfit(
            f"the models were trained on {manifest['symbol']}, the source is of {instrument.symbol}",
            "Trade the market of the training, or train on this one.",
        )
    differing = [
        one for slot in slots for one in _differing(run, slot, slot, manifest[slot], run.config[slot])
    ]
    theirs, ours = manifest["features"], run.config["features"]
    for name in theirs | ours:
        differing += _differing(run, "features", f"features.{name}", theirs.get(name), ours.get(name))
    if differing:
        told = "; ".join(f"{one.path} was {one.then} and is {one.now}" for one in differing)
        overrides = [shlex.quote(override) for one in differing for override in one.overrides]
        raise _misfit(
            f"the models were trained with other settings: {told}",
            f"As they were trained: {' '.join(overrides)}",
        )


class _Differs(NamedTuple):
    path: str
    then: str
    now: str
    overrides: tuple[str, ...]


def _misfit(what: str, next_: str) -> ModelError:
    return ModelError(
        what,
        where="trained",
        hint="A model means something only on rows and features made as those it was trained on.",
        next=next_,
    )


def _differing(run: Run, slot: str, path: str, theirs: Node | None, ours: Node | None) -> Iterator[_Differs]:
    """Settings of a component that differ; None stands for one that is not chosen. Defaults count as written."""
    if theirs is None:
        yield _Differs(path, "not chosen", "chosen", (f"~{path}",))
        return
    then = _settings(run, slot, path, theirs)
    if ours is None:
        yield _Differs(path, "chosen", "not chosen", (f"+{path}={_node(run, slot, path, theirs)}",))
    elif theirs[RESERVED] != ours[RESERVED]:
        own = _own(run, slot, then, theirs)
        choice = (f"{path}={theirs[RESERVED]}", *(f"{name}={value}" for name, value in own.items()))
        if slot == "features":
            choice = (f"~{path}", f"+{path}={_node(run, slot, path, theirs)}")
        yield _Differs(path, theirs[RESERVED], ours[RESERVED], choice)
    else:
        now = _settings(run, slot, path, ours)
        for name, value in then.items():
            if value != now[name]:
                yield _Differs(name, value, now[name], (f"{name}={value}",))


def _settings(run: Run, slot: str, path: str, node: Node) -> dict[str, str]:
    """All settings of a component by their paths, as an override writes them."""
    component, found = run.catalog.build(slot, node, path), {}
    for field in run.catalog.get(slot, node[RESERVED]).fields:
        name, inner = f"{path}.{field.name}", node.get(field.name)
        value = getattr(component, field.name)
        found[name] = _node(run, field.slot, name, inner) if field.slot and inner else written(value)
    return found


def _own(run: Run, slot: str, settings: Mapping[str, str], node: Node) -> dict[str, str]:
    """Those settings that are not the component's defaults."""
    fields = run.catalog.get(slot, node[RESERVED]).fields
    return {
        name: text
        for field, (name, text) in zip(fields, settings.items(), strict=True)
        if field.default is REQUIRED or text != written(field.default)
    }


def _node(run: Run, slot: str, path: str, node: Node) -> str:
    """A whole component as an override writes it."""
    own = _own(run, slot, _settings(run, slot, path, node), node)
    pairs = {RESERVED: str(node[RESERVED]), **{name.rpartition(".")[2]: text for name, text in own.items()}}
    return "{" + ",".join(f"{name}:{text}" for name, text in pairs.items()) + "}"


def written(value: Any) -> str:
    """A value as an override writes it."""
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, enum.Enum):
        return value.name
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    if not isinstance(value, str) or (_PLAIN.fullmatch(text) and text.lower() not in _WORDS):
        return text
    escaped = text.replace("'", "\\'")
    return f"'{escaped}'"
