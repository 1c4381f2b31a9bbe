"""Settings as a flat list, and in which of them configs differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from btcframe.slots import CHOICES

ASIDE = ("store", "spool", "engine", "sweep", "exchange", "record", "verb", "session", "beside", "promote")
"""Sections that say where and how something is done, and change no result of a run."""

PLUGIN = "plugin"


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by their path, as one would write them on the command line.

    A component is named by its slot (`model`), those of a slot that takes many by the list of their names (`features`),
    the component of one of these by its own (`features.book`, where that is not its plugin's name).
    """
    return dict(_flat(config, ""))


def _flat(node: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        path = f"{before}{key}"
        if key == PLUGIN and before:
            yield before[:-1], value
        elif isinstance(value, Mapping):
            if not before and key in CHOICES and PLUGIN not in value:
                yield path, list(value)
            yield from _flat(value, f"{path}.")
        else:
            yield path, value


def varied(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The settings in which configs differ, each with everyone's value; None for one that does not have it.

    A setting that only some have, and that is the same for all of these, comes with a component that the others do not
    have: then the component differs, and is told.
    """
    flats = [flat({key: value for key, value in config.items() if key not in ASIDE}) for config in configs]
    found = {}
    for name in dict.fromkeys(name for one in flats for name in one):
        values = [one.get(name) for one in flats]
        if len({written(one[name]) for one in flats if name in one}) > 1:
            found[name] = values
    return found


def written(value: Any) -> str:
    """A value as one would write it on the command line."""
    if isinstance(value, str):
        return value or "''"
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)


def short(names: Sequence[str]) -> dict[str, str]:
    """Each setting's last word, or all of its path where two would have the same."""
    last = {name: name.rpartition(".")[2] for name in names}
    return {name: word if list(last.values()).count(word) == 1 else name for name, word in last.items()}
