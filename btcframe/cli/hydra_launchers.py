"""Sweeps under Hydra: which jobs there are is its sweeper's to say; how they are done, and written down, is ours.

Under the names of Hydra's launchers, basic and joblib, stand ours, and ray. The stock joblib launcher hands jobs to
workers that live on, so that one which is killed takes the whole sweep with it, and what a job changes in its process
the next one finds. Here every job is its own command line in a process of its own, and `sweep.json` says what became
of it.

Hydra makes the objects, from a config that names a class; what they work on hangs therefore at the class, as at
`PluginPaths`.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from omegaconf import OmegaConf, open_dict

from btcframe.cli.hydra_overrides import overrides_in
from btcframe.cli.hydra_sweeps import JOB
from btcframe.config import digest
from btcframe.engine.ray_cluster import check_cluster
from btcframe.errors import ConfigError
from btcframe.plugins import Catalog
from btcframe.provenance import code_digest
from btcframe.run import check, stamp
from btcframe.sweeps import ledger as ledgers
from btcframe.sweeps.ledger import COMPLETE, Job, Ledger
from btcframe.sweeps.performing import Outcome, objective, perform
from btcframe.sweeps.workers import Task, get_ready, share, side_by_side

_MANY, _TOGETHER = 8, 20
"""Jobs from which it pays to compose them in several processes, and how many are told at a time: few enough for a pipe."""

_MODULE = "hydra_plugins.btcframe"
"""Hydra makes plugins of this package only; ours are registered by hand, so there need not be one."""


@dataclass
class Sweeping:
    """One call of the command line that may become a sweep.

    Parameters
    ----------
    catalog : Catalog
    verb : str
    arguments : list of str     after the verb
    alone : callable            does a job as if its command line had been typed alone: takes the verb and the arguments
    resumed : Ledger or None    the sweep that is gone on with
    force : bool                whatever has changed since
    ledger : Ledger or None     of the sweep, once it has begun
    held : ExitStack            its directory, and what was made there for nothing
    """

    catalog: Catalog
    verb: str
    arguments: list[str]
    alone: Callable[[str, list[str]], Outcome]
    resumed: Ledger | None = None
    force: bool = False
    ledger: Ledger | None = None
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def claim(self, directory: Path) -> None:
        """Take a directory for this sweep, before anything is written there.

        Raises
        ------
        ConfigError
            If another sweep has it.
        """
        if self.resumed is None:
            ledgers.check_fresh(directory)
        self.held.enter_context(ledgers.claimed(directory))
        self.held.callback(self._tidy, directory)  # only what is ours, and while it is
        if self.resumed is None:
            ledgers.check_fresh(directory)  # who had it a moment ago may have left a sweep

    def _tidy(self, directory: Path) -> None:
        """Leave nothing of a sweep of which no job ever began."""
        if self.ledger is None and self.resumed is None:
            (directory / ledgers.LOCK).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # something else is in it
                directory.rmdir()

    def begin(self, directory: Path, jobs: list[Job]) -> tuple[Ledger, list[Job]]:
        """Write jobs down, and give the ledger and those of them that are to be done.

        Raises
        ------
        ConfigError
            If they are not those of the sweep that is gone on with.
        """
        first, end = jobs[0].number, jobs[-1].number + 1
        known = self.resumed.jobs[first:end] if self.resumed else []
        ledgers.check_same_jobs(known, jobs, directory, force=self.force)
        if self.ledger is None:
            cwd, code = str(Path.cwd()), code_now(self.catalog)
            self.ledger = self.resumed or Ledger(
                directory, self.verb, tuple(self.arguments), cwd, code, stamp()
            )
        self.ledger.add(jobs[len(known) :])
        return self.ledger, [job for job in self.ledger.jobs[first:end] if job.state != COMPLETE]


def code_now(catalog: Catalog) -> dict[str, str]:
    """Digest by package of the core and of all plugins, used or not: a sweep may use any of them."""
    components = (component for slot in catalog.components.values() for component in slot.values())
    packages = {component.cls.__module__.partition(".")[0] for component in components}
    return {package: code_digest(package) for package in sorted(packages | {"btcframe"})}


class Jobs(Launcher):
    """Does the jobs that a sweeper asks for.

    Parameters
    ----------
    how : str        basic: one after the other; joblib: side by side on this machine; ray: on a cluster
    n_jobs : int     at a time; -1: as many as there are cores
    address : str    of the cluster; "": one of this machine's own
    """

    sweeping: ClassVar[Sweeping]

    def __init__(self, how: str, n_jobs: int = 1, address: str = "") -> None:
        self.how, self.n_jobs, self.address = how, n_jobs, address

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Called by Hydra before its sweeper does anything."""
        self.loader, self.config = hydra_context.config_loader, config
        if self.how not in ("basic", "joblib", "ray"):
            raise ConfigError(
                f"hydra.launcher.how: {self.how} is none of ours", next="hydra/launcher=basic, joblib or ray"
            )
        if self.n_jobs == 0 or self.n_jobs < -1:
            raise ConfigError(
                f"hydra.launcher.n_jobs: {self.n_jobs} is not a number of jobs: it starts at 1",
                hint="-1 takes as many as there are cores.",
            )
        if "optuna" in str(config.hydra.sweeper.get("_target_", "")) and not config.sweep.objective:
            raise ConfigError(
                "a sweeper that optimises needs to know what: sweep.objective is empty",
                hint="It is a path into the manifest of a run.",
                next="sweep.objective=results.train.metrics.0.ic.value hydra.sweeper.direction=maximize",
            )
        if self.how == "ray":
            check_cluster(self.address)
        self.directory = Path(str(config.hydra.sweep.dir)).absolute()
        self.sweeping.claim(self.directory)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[Any]:
        """Called by Hydra's sweeper, once or, by one that learns, again and again.

        A job that fails gives no value, and no error either: the ledger has it, and the others are done.
        """
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        jobs = self._jobs(list(enumerate(map(tuple, job_overrides), start=initial_job_idx)))
        self._check_places(jobs)
        ledger, todo = self.sweeping.begin(self.directory, jobs)
        path = self.config.sweep.objective
        if todo:
            perform(ledger, todo, self._pool(len(todo)), self._call, path)
        return [self._told(ledger, job.number, path) for job in jobs]

    def _jobs(self, numbered: list[tuple[int, tuple[str, ...]]]) -> list[Job]:
        """All jobs, composed on all cores: it is most of the time that a sweep itself takes.

        What makes no sense there is looked at again here, where it can be told.
        """
        cores = len(os.sched_getaffinity(0))
        size = min(_TOGETHER, -(-len(numbered) // cores))
        found: dict[int, Job] = {}
        if cores > 1 and len(numbered) >= _MANY:
            chunks = [numbered[at : at + size] for at in range(0, len(numbered), size)]
            tasks = [
                Task(n, functools.partial(self._sensible, chunk), Path(os.devnull))
                for n, chunk in enumerate(chunks)
            ]
            work = side_by_side(tasks, lambda number: None, jobs=cores, threads=1)
            with contextlib.closing(work) as done:
                found = {job.number: job for ended in done for job in ended.value or ()}
        return [found.get(number) or self._job(number, overrides) for number, overrides in numbered]

    def _sensible(self, chunk: list[tuple[int, tuple[str, ...]]]) -> list[Job]:
        jobs = []
        with contextlib.suppress(Exception):  # it is found again by who asked
            for number, overrides in chunk:
                jobs.append(self._job(number, overrides))
        return jobs

    def _job(self, number: int, overrides: tuple[str, ...]) -> Job:
        """A job that makes sense. One that does not stops a sweep that has not begun; later it fails by itself."""
        try:
            config = self.loader.load_sweep_config(self.config, list(overrides))
            with open_dict(config):
                config.hydra.job.num, config.hydra.job.id = number, f"{config.hydra.job.name}_{number}"
            HydraConfig.instance().set_config(config)
            place = os.path.normpath(str(config.hydra.sweep.subdir))
            with open_dict(config):
                del config["hydra"]
            plain: Any = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
            check(plain, self.sweeping.catalog)
        except Exception:
            if self.sweeping.ledger is None and self.sweeping.resumed is None:
                raise
            # the sweep goes on: the job composes itself once more, fails by this, and its error is in the ledger
            return Job(number, overrides, str(number))
        finally:
            HydraConfig.instance().set_config(self.config)
        identity = {key: value for key, value in plain.items() if key not in ("sweep", "engine")}
        return Job(number, overrides, place, digest(identity))

    def _check_places(self, jobs: list[Job]) -> None:
        """Refuse two runs in one directory, and one outside the sweep's."""
        seen: dict[str, int] = {}
        for job in jobs:
            if job.directory.startswith((".", "/")) or job.directory in seen:
                also = f", and of job {seen[job.directory]}" if job.directory in seen else ""
                raise ConfigError(
                    f"hydra.sweep.subdir: {job.directory} cannot be the directory of job {job.number}{also}",
                    hint="Each has one of its own below the sweep's: ${hydra.job.num}, as by default.",
                )
            seen[job.directory] = job.number

    def _call(self, job: Job) -> Callable[[], Outcome]:
        """What does a job, wherever it is called: its own command line, and the directory that it has."""
        return functools.partial(self.sweeping.alone, self.sweeping.verb, self._arguments(job))

    def _arguments(self, job: Job) -> list[str]:
        given = self.sweeping.arguments
        hydras = [
            text for text in self.config.hydra.overrides.hydra if not text.lstrip("+~").startswith(_SWEEPS)
        ]
        overrides = set(overrides_in(given))
        flags = [word for word in given if word not in overrides and word not in ("-m", "--multirun")]
        place = str(self.directory / job.directory)
        own = [f"hydra.run.dir={quoted(place)}", f"{JOB}={job.number}"]
        return [*job.overrides, *hydras, *own, *flags]

    def _pool(self, jobs: int) -> Any:
        if self.how == "ray":
            from btcframe.sweeps.cluster import on_cluster

            at_once = min(jobs, self.n_jobs) if self.n_jobs > 0 else -1
            return functools.partial(on_cluster, jobs=at_once, address=self.address)
        n_jobs = min(jobs, self.n_jobs if self.n_jobs > 0 else len(os.sched_getaffinity(0)))
        n_jobs = 1 if self.how == "basic" else n_jobs
        get_ready(f"btcframe.jobs.{self.sweeping.verb}")
        return functools.partial(
            side_by_side, jobs=n_jobs, threads=share(n_jobs), printed=self.how == "basic"
        )

    def _told(self, ledger: Ledger, number: int, path: str) -> JobReturn:
        job = ledger.jobs[number]
        if path and job.state == COMPLETE and job.value is None:  # a job of before, whose sweep was killed
            ledger.put(job := replace(job, value=objective(ledger.place(job), path)))
        return JobReturn(overrides=list(job.overrides), status=JobStatus.COMPLETED, _return_value=job.value)


def quoted(text: str) -> str:
    """A text as Hydra's grammar takes it for one, whatever is in it."""
    return QuotedString(text=text, quote=Quote.single).with_quotes()


_SWEEPS = (
    "hydra.sweep",
    "hydra.launcher",
    "hydra/launcher",
    "hydra/sweeper",
    "hydra.mode",
    "hydra.run.dir",
    JOB,
)
"""What of Hydra's settings is the sweep's, and not a job's. The first is that of hydra.sweeper, too."""


@dataclass
class Basic:
    """One job after the other, on all cores; what they print is seen."""

    _target_: str = f"{_MODULE}.Jobs"
    how: str = "basic"


@dataclass
class Joblib:
    """Jobs side by side on this machine, the cores divided among them."""

    _target_: str = f"{_MODULE}.Jobs"
    how: str = "joblib"
    n_jobs: int = -1


@dataclass
class Ray:
    """Jobs on a cluster; one of this machine's own where no address is given."""

    _target_: str = f"{_MODULE}.Jobs"
    how: str = "ray"
    n_jobs: int = -1
    address: str = "${engine.address}"


def use(sweeping: Sweeping) -> None:
    """What the next launcher that Hydra makes works on."""
    Jobs.sweeping = sweeping


def register() -> None:
    """Give Hydra our launchers, under the names of its own."""
    plugins, store = Plugins.instance(), ConfigStore.instance()
    plugins.register(Jobs)
    plugins.class_name_to_class[f"{_MODULE}.Jobs"] = Jobs
    for node in (Basic, Joblib, Ray):
        store.store(group="hydra/launcher", name=node.__name__.lower(), node=node, provider="btcframe")
