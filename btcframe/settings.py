"""Which settings make no sense, of those that are not a component's: refused before any work."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from btcframe.config import duration, splitter
from btcframe.engine import Where
from btcframe.errors import ConfigError, did_you_mean
from btcframe.models.promotions import check_alias
from btcframe.sections import Build, Engine

FSYNC = ("always", "interval", "never")
"""What spool.fsync may be."""

TRAINING = ("run", "train", "backtest")
"""Verbs that train, unless they are given what is trained."""


def check_settings(config: Mapping[str, Any]) -> None:
    """Refuse impossible settings that are not a component's.

    Raises
    ------
    ConfigError
    """
    for section in ("build", "validation", "backtest", "state", "spool", "record"):
        if not isinstance(config[section], Mapping):
            raise ConfigError(f"{section}: {config[section]!r} is not a section with settings of its own")
    if not 0 <= config["seed"] < 2**63:
        raise ConfigError(f"seed: {config['seed']} is not a seed: it is a whole number from 0 to 2^63 - 1")
    splitter(config)
    engine(config)
    check_count(config, "validation", "jobs", "folds at a time")
    for name in ("every", "fresh"):
        duration(config, "state", name)
    check_spool(config)
    for name in ("duration", "flush", "every"):
        duration(config, "record", name)
    if config["record"]["part"] < 0:
        raise ConfigError(f"record.part: {config['record']['part']} is not a number of bytes; 0 is no limit")
    check_session(config)
    check_promote(config)
    if config["warm_start"] and not Path(config["warm_start"]).is_dir():
        raise ConfigError(
            f"warm_start: there is no directory {config['warm_start']}",
            hint="Name the directory of an earlier run, or leave it empty to start from nothing.",
        )
    if config["build"]["batch"] < 1:
        raise ConfigError(f"build.batch: {config['build']['batch']} is not a number of rows: it starts at 1")
    check_count(config, "build", "threads", "threads")
    duration({"build": vars(Build(**config["build"]))}, "build", "partition")
    if config.get("later", 1) < 1:
        raise ConfigError(f"later: {config['later']} is not a number of rows: it starts at 1")
    cash = float(config["backtest"]["cash"])
    if not (cash > 0 and math.isfinite(cash)):
        raise ConfigError(f"backtest.cash: {cash:g} is not a positive amount of money")


def check_count(config: Mapping[str, Any], section: str, name: str, what: str) -> None:
    """Refuse a number of what works at a time that is below 1; none is as many as there can be.

    Raises
    ------
    ConfigError
    """
    count = config[section].get(name)
    if count is not None and count < 1:
        raise ConfigError(
            f"{section}.{name}: {count} is not a number of {what}: it starts at 1",
            hint="null takes as many as this process may use.",
        )


def check_spool(config: Mapping[str, Any]) -> None:
    """Refuse impossible settings of the section `spool`.

    Raises
    ------
    ConfigError
    """
    settings = config["spool"]
    if not settings["path"].strip():
        raise ConfigError("spool.path: it is empty; name a directory")
    if settings["fsync"] not in FSYNC:
        raise ConfigError(f"spool.fsync: {settings['fsync']!r} is none of {', '.join(FSYNC)}")
    for name in ("interval", "every"):
        duration(config, "spool", name)
    for name, least in (("batch", 1), ("queue", 1), ("limit", 1_000_000)):
        if settings[name] < least:
            raise ConfigError(f"spool.{name}: {settings[name]} is too little: it starts at {least:,}")


def check_session(config: Mapping[str, Any]) -> None:
    """Refuse impossible settings of the sections `trade` and `lane`, where a config has them.

    Raises
    ------
    ConfigError
    """
    if "trade" not in config:
        return
    for name in ("duration", "follow"):
        duration(config, "trade", name)
    for section, name in (("trade", "lag"), ("trade", "stall"), ("lane", "soonest"), ("lane", "latest")):
        if not duration(config, section, name):
            raise ConfigError(f"{section}.{name}: {config[section][name]} is no time at all")
    lane = config["lane"]
    if duration(config, "lane", "soonest") > duration(config, "lane", "latest"):
        raise ConfigError(f"lane.soonest: {lane['soonest']} is later than lane.latest, {lane['latest']}")
    if lane["memory"] < 10_000_000:
        raise ConfigError(f"lane.memory: {lane['memory']:,} bytes are too little: it starts at 10,000,000")
    if not 1 <= lane["least"] <= lane["most"]:
        raise ConfigError(
            f"lane.least: {lane['least']} is not a number of items from 1 to lane.most, {lane['most']}"
        )


def check_promote(config: Mapping[str, Any]) -> None:
    """Refuse impossible settings of the section `promote`, where a config has it.

    Raises
    ------
    ConfigError
    """
    if "promote" not in config:
        return
    duration(config, "promote", "newest")
    if not config["promote"]["registry"].strip():
        raise ConfigError("promote.registry: it is empty; name a directory")
    alias, verb = config["promote"]["to"], config["verb"]
    if not alias:
        return
    try:
        check_alias(alias)
    except ConfigError as error:
        raise ConfigError(f"promote.to: {error.what}", hint=error.hint, next=error.next) from None
    if verb not in TRAINING or config["trained"]:
        raise ConfigError(
            f"promote.to: {alias}, but this {verb} trains nothing",
            hint="What is trained already: btcframe models promote RUN",
            next=f"Train and promote: btcframe train promote.to={alias}",
        )


def engine(config: Mapping[str, Any], jobs: int | None = None) -> Where:
    """Where the section `engine` has heavy parts worked on.

    Parameters
    ----------
    config : mapping           one of an older version has none: parts are worked on here, one after the other
    jobs : int, optional       at a time, in place of engine.jobs

    Raises
    ------
    ConfigError
        For settings that make no sense.
    """
    settings = Engine(**config.get("engine", {}))
    if settings.kind not in ("local", "ray"):
        raise ConfigError(
            f"engine.kind: {settings.kind!r} is neither local nor ray",
            hint=did_you_mean(settings.kind, ("local", "ray"), "engine="),
        )
    if settings.address and settings.kind == "local":
        raise ConfigError(
            f"engine.address={settings.address}: a local engine has no address",
            next=f"On the cluster: engine=ray engine.address={settings.address}",
        )
    if settings.jobs is not None and settings.jobs < 1:
        raise ConfigError(
            f"engine.jobs: {settings.jobs} is not a number of parts: it starts at 1",
            hint="null takes as many as there are cores.",
        )
    asked = jobs or settings.jobs or len(os.sched_getaffinity(0))
    return Where(settings.kind, settings.address, asked)
