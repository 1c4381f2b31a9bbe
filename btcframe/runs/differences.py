"""In what two runs differ: settings, data, code, and what they came to. Only what is not the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from btcframe.runs.settings import flat
from btcframe.sessions.reporting import traded
from btcframe.types import duration_name

MADE_BY = ("btcframe", "git", "python", "machine", "packages", "plugins", "code")
"""What of a manifest says which code made a run, and where."""

_DATA = ("symbol", "data", "rows", "id")
_PLACES = ("reused", "page", "session", "tables", "models", "artefact")

Pair = tuple[Any, Any]
"""A value of each run; None where it has none."""


class Differences(NamedTuple):
    """What differs, by name.

    Parameters
    ----------
    config, data, code, metrics : mapping of str to (first's, second's)
    """

    config: Mapping[str, Pair]
    data: Mapping[str, Pair]
    code: Mapping[str, Pair]
    metrics: Mapping[str, Pair]


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Differences:
    """In what two runs differ.

    Parameters
    ----------
    one, other : mapping     their manifests
    """
    return Differences(
        _differ(flat(one["config"]), flat(other["config"])),
        _differ(_data(one), _data(other)),
        made_differently(one, other),
        _differ(dict(metrics_of(one)), dict(metrics_of(other))),
    )


def made_differently(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Pair]:
    """The code and the machine, as far as they are not the same."""
    then, now = ({key: run.get(key) for key in MADE_BY} for run in (one, other))
    return _differ(dict(_leaves(then)), dict(_leaves(now)))


def _data(manifest: Mapping[str, Any]) -> dict[str, Any]:
    build = manifest.get("results", {}).get("build", {})
    return {f"build.{name}": build[name] for name in _DATA if build.get(name)}


def metrics_of(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a run came to, number by number: predictions by horizon, the session, and the fingerprint of its decisions."""
    results = manifest.get("results", {})
    for metrics in results.get("train", {}).get("metrics", ()):
        ahead = duration_name(metrics["horizon_ns"])
        for name, value in metrics.items():
            if name != "horizon_ns":
                yield f"{ahead}.{name}", value["value"] if isinstance(value, Mapping) else value
    for name, value in (traded(results) or {}).items():
        if name not in _PLACES:
            yield name, value
    for verb, told in results.items():
        if verb not in ("train", "backtest", "trade", "build", "report"):
            yield from _leaves({verb: told})
    if verdict := results.get("report", {}).get("verdict"):
        yield "verdict", verdict["answer"]


def _leaves(node: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as paths and values."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key not in _PLACES:
                yield from _leaves(value, f"{before}.{key}" if before else str(key))
    else:
        yield before, node


def _differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Pair]:
    names = dict.fromkeys([*one, *other])
    return {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}
