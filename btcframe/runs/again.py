"""A run done again: what it needs, and whether it came out the same, to the bit."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from btcframe.config import Root
from btcframe.errors import ConfigError
from btcframe.live_sources import is_live
from btcframe.models.artefacts import read_manifest
from btcframe.plugins import Catalog
from btcframe.report.words import counted
from btcframe.runs.differences import Pair, differences, made_differently, metrics_of
from btcframe.sessions.reporting import traded

REPEATED = ("build", "train", "backtest", "run", "facts", "regimes")
"""The verbs whose runs follow from their settings, code and data."""

WITH_BUILD = ("promotions",)
"""Tables that name the build: that has another name where the code is another, whatever it holds."""

SHOWN = 6
"""Differences that are told one by one."""

_NAMES = ("build", "fingerprint")


class Repeated(NamedTuple):
    """What became of a run that was done again.

    Parameters
    ----------
    compared : mapping      how many things of each kind were compared
    different : tuple of str    what is not the same, in words
    metrics : mapping       numbers that are not the same: (then, now)
    changed : mapping       code and machine that are not the same: (then, now)
    table : str             what became of the training table, in a sentence: its values are not compared
    """

    compared: Mapping[str, int]
    different: tuple[str, ...]
    metrics: Mapping[str, Pair]
    changed: Mapping[str, Pair]
    table: str

    @property
    def same(self) -> bool:
        """Whether everything is, to the bit."""
        return not self.different and not self.metrics


def check_repeatable(directory: Path, manifest: Mapping[str, Any], catalog: Catalog) -> None:
    """Refuse a run that cannot come out the same.

    Raises
    ------
    ConfigError
        If it is a session or a recording, read a live source, or is not complete.
    PluginError
        If its source is not installed.
    """
    verb, named = manifest["verb"], shlex.quote(str(directory))
    if verb not in REPEATED:
        raise ConfigError(
            f"{directory} is a {verb}, which cannot be run again: it did not follow from its settings alone",
            hint=f"Those of {', '.join(REPEATED)} can.",
            next=f"A session is played again from its log: btcframe replay {named}"
            if verb == "trade"
            else "",
        )
    if is_live(catalog.build("source", manifest["config"]["source"])):
        raise ConfigError(f"{directory} read a live source, which will not say the same again")
    if manifest["status"] != "complete":
        raise ConfigError(
            f"the run in {directory} is not whole: its status is {manifest['status']!r}",
            hint="There is nothing to hold another one against.",
            next=f"btcframe {shlex.join([verb, *manifest['command']])}",
        )


def settings_again(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run for another one: what came into being since has its default, and nothing is promoted."""
    usual = {key: value for key, value in dataclasses.asdict(Root()).items() if value is not None}
    sections = {
        key: value | config.get(key, {}) for key, value in usual.items() if isinstance(value, dict) and value
    }
    return {**usual, **config, **sections, "promote": sections["promote"] | {"to": ""}}


def held_against(directory: Path, then: Mapping[str, Any], again: Path, now: Mapping[str, Any]) -> Repeated:
    """Whether a run came out as it did before.

    Parameters
    ----------
    directory, again : Path    of the run, and of the one that repeats it
    then, now : mapping        their manifests

    Raises
    ------
    ModelError
        If an artefact is missing or damaged.
    """
    models = dict(_models(directory, then)), dict(_models(again, now))
    tables = _tables(then), _tables(now)
    different = [
        *(f"the model {name}" for name in _unequal(*models)),
        *(f"the table {name}" for name in _unequal(*tables)),
    ]
    found = differences(then, now)
    metrics = {name: pair for name, pair in found.metrics.items() if name not in _NAMES}
    if data := found.data.get("build.data"):
        different.insert(0, f"the data, {data[0][:12]} then and {data[1][:12]} now")
    if rows := found.data.get("build.rows"):
        different.insert(0, f"the rows, {rows[0]:,} then and {rows[1]:,} now")
    compared = {"model": len(models[0]), "table": len(tables[0]), "number": len(list(_numbers(then)))}
    return Repeated(compared, tuple(different), metrics, made_differently(then, now), _table(now))


def _table(manifest: Mapping[str, Any]) -> str:
    build = manifest.get("results", {}).get("build")
    if build is None:
        return ""
    if build["reused"]:
        return f"The training table stood in the store: btcframe db verify {build['id']} reads it."
    return f"The training table was made again: {counted(build['rows'], 'row')}, as then."


def _models(directory: Path, manifest: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for fold in manifest.get("results", {}).get("train", {}).get("folds", ()):
        yield fold["artefact"], read_manifest(directory / fold["artefact"])["files"]


def _tables(manifest: Mapping[str, Any]) -> dict[str, Any]:
    told = (traded(manifest.get("results", {})) or {}).get("tables", {})
    return {name: digest for name, digest in told.items() if name not in WITH_BUILD}


def words(found: Repeated) -> str:
    """What was compared, or what differs, in a sentence or two; and which code and machine are not the same."""
    if found.same:
        told = ", ".join(counted(n, what) for what, n in found.compared.items() if n)
        return " ".join(filter(None, (f"The same to the bit: {told}." if told else "", found.table)))
    numbers = [f"{name}, {pair[0]} then and {pair[1]} now" for name, pair in found.metrics.items()]
    parts = [*found.different, *numbers]
    more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return f"{'; '.join(parts[:SHOWN])}{more}"


def changes(changed: Mapping[str, Pair]) -> str:
    """Which code and machine are not the same, in a line; "" where all are."""
    return f"Not as it was when it was made: {', '.join(changed)}." if changed else ""


def _numbers(manifest: Mapping[str, Any]) -> Iterator[str]:
    yield from (name for name, _ in metrics_of(manifest) if name not in _NAMES)


def _unequal(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [name for name in dict.fromkeys([*one, *other]) if one.get(name) != other.get(name)]
