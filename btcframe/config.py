"""The root of every config: what is not a component.

*Architecture Invariant*: no hydra and no omegaconf here. The classes are plain dataclasses, so a job, a test or a
notebook can read the settings without a command line; `hydra_app` turns them into the typed root schema.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from btcframe.combinatorial import Combinatorial
from btcframe.errors import ConfigError, did_you_mean
from btcframe.sections import (
    Backtest,
    Build,
    Engine,
    Exchange,
    Lane,
    Promote,
    Record,
    Spool,
    State,
    Sweep,
    Trade,
    Validation,
)
from btcframe.slots import CHOICES
from btcframe.split import WalkForward
from btcframe.types import duration_ns

LOOKED_AT = {
    "db": ("store", "spool"),
    "exchange": ("source", "seed", "exchange"),
    "doctor": ("source", "store", "spool", "venue", "trade"),
}
"""What takes overrides and is no job, and the settings that it looks at: all others would do nothing."""


@dataclass
class Root:
    """Every setting of every verb. Slots hold component nodes: ``{plugin: name, field: value, …}``.

    Parameters
    ----------
    verb : str          the job: run, record, build, train, backtest, trade, replay, facts, regimes
    seed : int          the one seed; everything random is derived from it
    trained : str       backtest: directory of a finished `train` or `run` whose models to trade, or a model of
                        promote.registry, traded on what follows its training; "" trains first;
                        trade: … whose last model predicts, or a model of promote.registry: an alias, which is
                        followed, digits of its digest, a path; "" predicts nothing
    session : str       replay: directory of the run to replay
    warm_start : str    backtest, trade: directory of an earlier run whose memory to start from; "" starts from
                        nothing
    select : list       feature columns used: names, patterns (ofi_*), families or components; !x leaves out
    beside : list       facts: directories of earlier `facts` runs to put beside this one
    later : int         regimes: rows after which a label is asked for again, to see whether it is revised
    regimes : dict      regimes: the methods that are compared, by name; the first is judged against the others
    """

    verb: str = "???"
    seed: int = 7
    trained: str = ""
    session: str = ""
    warm_start: str = ""
    beside: list[str] = field(default_factory=list)
    later: int = 256
    build: Build = field(default_factory=Build)
    validation: Validation = field(default_factory=Validation)
    promote: Promote = field(default_factory=Promote)
    sweep: Sweep = field(default_factory=Sweep)
    engine: Engine = field(default_factory=Engine)
    backtest: Backtest = field(default_factory=Backtest)
    state: State = field(default_factory=State)
    spool: Spool = field(default_factory=Spool)
    exchange: Exchange = field(default_factory=Exchange)
    record: Record = field(default_factory=Record)
    trade: Trade = field(default_factory=Trade)
    lane: Lane = field(default_factory=Lane)
    source: Any = None
    clock: Any = None
    store: Any = None
    features: dict[str, Any] = field(default_factory=dict)
    select: list[str] = field(default_factory=lambda: ["*"])
    regime: Any = None
    regimes: dict[str, Any] = field(default_factory=dict)
    label: Any = None
    model: Any = None
    policy: Any = None
    risk: dict[str, Any] = field(default_factory=dict)
    venue: Any = None


def splitter(config: Mapping[str, Any]) -> WalkForward | Combinatorial:
    """The splits that the section `validation` asks for.

    Raises
    ------
    ConfigError
        For settings that make no sense.
    """
    settings = Validation(**config["validation"])  # a config of an older version lacks some
    embargo_ns = duration(config, "validation", "embargo")
    every_ns = duration(config, "validation", "every") if settings.every else 0
    walk = WalkForward(settings.folds, embargo_ns, settings.min_train, settings.expanding, every_ns)
    if settings.scheme == "combinatorial":
        return Combinatorial(settings.groups, settings.test_groups, embargo_ns, settings.min_train)
    if settings.scheme != "walk_forward":
        raise ConfigError(
            f"validation.scheme: {settings.scheme!r} is neither walk_forward nor combinatorial",
            hint=did_you_mean(settings.scheme, ("walk_forward", "combinatorial"), "validation.scheme="),
        )
    return walk


def duration(config: Mapping[str, Any], section: str, name: str) -> int:
    """A duration of a section, ns; it may be 0.

    Raises
    ------
    ConfigError
        If it is none.
    """
    try:
        return duration_ns(config[section][name], zero=True)
    except ValueError as error:
        raise ConfigError(f"{section}.{name}: {error}") from error


def nodes(config: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """Every component node of a config as (slot, path, node)."""
    found = []
    for key, slot in CHOICES.items():
        chosen = config.get(key)
        if slot.many:
            found += [(slot.name, f"{key}.{name}", node) for name, node in (chosen or {}).items()]
        else:
            found.append((slot.name, key, chosen))
    return found


def presets(config_paths: Iterable[str], group: str = "experiment") -> list[str]:
    """Names of the files of a config group, of btcframe and of the plugins' config packages."""
    found = set()
    for path in ("pkg://btcframe.conf", *config_paths):
        if path.startswith("pkg://"):
            package, *parts = path.removeprefix("pkg://").split("/")
            folder: Traversable = resources.files(package).joinpath(*parts)
        else:
            folder = Path(path.removeprefix("file://"))
        folder = folder.joinpath(group)
        if folder.is_dir():
            found |= {f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")}
    return sorted(found)


def digest(value: Any) -> str:
    """sha256 of the canonical JSON of plain values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
