"""The verbs as Hydra applications: schemas in, resolved config out, errors in our own words.

*Architecture Invariant*: Hydra and OmegaConf end in the modules `hydra_*`. Jobs get plain dictionaries.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional, cast

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from btcframe.cli import completion, hydra_launchers, hydra_sweepers
from btcframe.cli.hydra_errors import explain
from btcframe.cli.hydra_launchers import Sweeping, code_now, quoted
from btcframe.cli.hydra_overrides import check_overrides, overrides_in
from btcframe.config import LOOKED_AT, Root
from btcframe.errors import BtcframeError, ConfigError
from btcframe.plugins import Catalog, Component, discover
from btcframe.schema import REQUIRED, RESERVED, Field
from btcframe.slots import CHOICES
from btcframe.sweeps.ledger import COMPLETE, Ledger, check_same_code, read_ledger, settled
from btcframe.sweeps.performing import Outcome
from btcframe.sweeps.told import check_whole, table, whereabouts


def main(verb: str, arguments: list[str], *, resumed: Ledger | None = None, force: bool = False) -> None:
    """Run a verb with Hydra's own grammar.

    Parameters
    ----------
    verb : str
    arguments : list of str
    resumed : Ledger, optional    the sweep to go on with
    force : bool                  whatever has changed since it was begun

    Raises
    ------
    BtcframeError
        For everything that has an explanation: Hydra's and OmegaConf's own errors are translated.
    SweepError
        If jobs of a sweep are not complete.
    """
    catalog = discover()
    completion.remember(catalog)
    register(catalog)
    sweeping = Sweeping(catalog, verb, arguments, alone, resumed, force)
    hydra_launchers.use(sweeping)
    check_overrides(catalog, verb, arguments)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # hand exceptions to us instead of printing Hydra's digest of them
    overrides = overrides_in(arguments)  # first, in one piece: argparse takes no second one after a flag
    sys.argv = [f"btcframe {verb}", *overrides, *(a for a in arguments if a not in overrides)]
    logging.raiseExceptions = "hydra.verbose=true" in arguments  # a log that nobody reads is no error
    failed: list[Exception] = []

    def task(config: Any) -> Any:
        try:
            return work(config, verb)
        except Exception as error:  # noqa: BLE001 - it is raised again below
            failed.append(error)  # Hydra would put a preface before it
            return None

    try:
        with sweeping.held:
            try:
                hydra.main(version_base="1.3", config_path="pkg://btcframe.conf", config_name=verb)(task)()
            except ValueError:  # Optuna's, who finds no best one
                if sweeping.ledger is None or sweeping.ledger.count(COMPLETE):
                    raise
            if sweeping.ledger is not None:
                ended(sweeping.ledger)
        if failed:
            raise failed[0]
    except Exception as error:
        explained = explain(error, catalog, verb, arguments)
        if explained is None or explained is error:
            raise
        raise explained from (error if "hydra.verbose=true" in arguments else None)


def alone(verb: str, arguments: list[str]) -> Outcome:
    """A job of a sweep, as if its command line had been typed alone: what it is called with in its own process."""
    GlobalHydra.instance().clear()
    try:
        main(verb, arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this job's
        if isinstance(error, BtcframeError):
            return Outcome(str(error), error.exit_code)
        return Outcome(f"{type(error).__name__}: {error}", 1)
    return Outcome("", 0)


def ended(ledger: Ledger) -> None:
    """Show what a sweep came to.

    Raises
    ------
    SweepError
        If jobs are not complete.
    """
    from btcframe.cli.console import Terminal

    terminal = Terminal()
    terminal.say(table(ledger))
    terminal.say(f"\n{whereabouts(ledger)}")
    check_whole(ledger)


def resume(directory: Path, *, force: bool = False) -> None:
    """Do what is missing of a sweep: `btcframe runs resume DIR`.

    What is complete stays; the directory of a run that is made again is kept under another name. Where the sweep was
    started, there it goes on: relative paths mean what they meant.

    Parameters
    ----------
    directory : Path
    force : bool        even if code or config are not what the sweep was begun with

    Raises
    ------
    DataError
        If it is no sweep, or its ledger cannot be read.
    ConfigError
        If code or config differ, another process is at work there, or its working directory is gone.
    SweepError
        If jobs fail again.
    """
    ledger = settled(read_ledger(directory.absolute()))
    try:
        os.chdir(ledger.cwd)
    except OSError as error:
        raise ConfigError(
            f"the sweep was started in {ledger.cwd}, which cannot be entered: {error.strerror}",
            where=str(directory),
            hint="Relative paths of its settings mean something there.",
        ) from None
    if ledger.count(COMPLETE) == len(ledger.jobs) and "optuna" not in " ".join(ledger.command):
        ended(ledger)
        return
    if not force:
        check_same_code(ledger, code_now(discover()))
    given = [word for word in ledger.command if not word.startswith("hydra.sweep.dir=")]
    main(
        ledger.verb, [*given, f"hydra.sweep.dir={quoted(str(ledger.directory))}"], resumed=ledger, force=force
    )


def composed(catalog: Catalog, name: str, overrides: list[str]) -> dict[str, Any]:
    """What a noun looks at, as a command line asks for it, as plain values; no job, and nothing is written.

    Raises
    ------
    BtcframeError
        For everything that has an explanation, as `main` does.
    """
    register(catalog)
    check_overrides(catalog, name, overrides)
    try:
        with hydra.initialize_config_module("btcframe.conf", version_base="1.3"):
            config = hydra.compose(name, overrides=overrides)
        plain = cast(dict[str, Any], OmegaConf.to_container(config, resolve=True, enum_to_str=True))
        return {key: plain[key] for key in LOOKED_AT[name]}
    except Exception as error:
        explained = explain(error, catalog, name, overrides)
        if explained is None or explained is error:
            raise
        raise explained from None


def without_cfg(name: str, arguments: Sequence[str]) -> tuple[list[str], bool]:
    """A noun's other arguments, and whether `--cfg job` asks to show the settings and do nothing."""
    rest = list(arguments)
    for flag in ("--cfg", "-c"):
        if flag in rest:
            at = rest.index(flag)
            if rest[at + 1 : at + 2] != ["job"]:
                raise ConfigError(f"btcframe {name} {flag} shows job", hint="Write --cfg job.")
            del rest[at : at + 2]
            return rest, True
    return rest, False


def as_yaml(config: dict[str, Any]) -> str:
    """A config as a person reads it."""
    return OmegaConf.to_yaml(config)


def work(config: Any, verb: str) -> Any:
    """One job of one run: what Hydra calls, in this process or in a sweep's worker."""
    from btcframe import jobs
    from btcframe.cli.console import Terminal
    from btcframe.learning.promotion import check_run
    from btcframe.run import Run, check

    plain = cast(dict[str, Any], OmegaConf.to_container(config, resolve=True, enum_to_str=True))
    if plain["verb"] != verb:
        raise ConfigError(
            f"verb: {plain['verb']} (in a config file) is not what was asked for: btcframe {verb}",
            hint="The command says what to do: take verb out of the file.",
        )
    catalog = discover()
    check(plain, catalog)
    directory = Path(HydraConfig.get().runtime.output_dir)
    with Run(directory, plain, catalog, Terminal()).recorded() as run:
        done = jobs.start(run)
    check_run(run)
    return done


def register(catalog: Catalog) -> None:
    """Give Hydra every component as a typed node, the root schema, and the plugins' config packages."""
    store = ConfigStore.instance()
    store.store(name="root_schema", node=Root, provider="btcframe")
    for key, slot in CHOICES.items():
        for name, component in catalog.components[slot.name].items():
            package = f"{key}.{name}" if slot.many else key
            node = node_class(component)
            store.store(group=key, name=name, node=node, package=package, provider=component.distribution)
    OmegaConf.register_new_resolver("btcframe.id", lambda: os.urandom(3).hex(), use_cache=True, replace=True)
    PluginPaths.paths = catalog.config_paths
    Plugins.instance().register(
        PluginPaths
    )  # the instance first: it stores the stock launchers, which ours replace
    hydra_launchers.register()
    hydra_sweepers.register()


class PluginPaths(SearchPathPlugin):
    """Puts the plugins' config packages behind btcframe's own."""

    paths: tuple[str, ...] = ()

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra while it starts."""
        for path in self.paths:
            search_path.append(provider="btcframe-plugin", path=path)


def node_class(component: Component) -> type:
    """The structured config of a component: one typed field per hyper-parameter, and the name of its plugin."""
    fields: list[Any] = [(RESERVED, str, component.name)]
    fields += [(f.name, node_type(f), _default(f)) for f in component.fields]
    made = dataclasses.make_dataclass(f"{component.slot}_{component.name}", fields)
    made.__module__ = __name__
    return made


def node_type(field: Field) -> Any:
    """The OmegaConf type of a field. Lists and tuples are both lists there; nested components are checked by us."""
    if field.slot:
        return Any
    inner: Any = list.__class_getitem__(field.base) if field.container else field.base
    return Optional[inner] if field.optional else inner  # noqa: UP045 - the type is a value here


def _default(field: Field) -> Any:
    if field.default is REQUIRED:
        return "???"
    if field.container and field.default is not None:
        return dataclasses.field(default_factory=lambda: list(field.default))
    return field.default
