"""What a sweep is made of and what became of it: `sweep.json` in its directory, whole at every moment.

It is written before the first job begins and after every step of one. Whether a run is whole, its own manifest says;
so a sweep that was killed is held against the manifests before anybody goes on from it: `settled`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from btcframe.errors import ConfigError, DataError
from btcframe.run import MANIFEST, any_manifest, write_json

LEDGER = "sweep.json"
LOCK = ".sweep.lock"
FORMAT = 1

WAITING, RUNNING, COMPLETE = "waiting", "running", "complete"
FAILED = "failed"
"""It ended with an error."""
DIED = "died"
"""Its process ended without a word: killed, out of memory, a crash in compiled code."""
INTERRUPTED = "interrupted"
STATES = (WAITING, RUNNING, COMPLETE, FAILED, DIED, INTERRUPTED)

_ASIDE = re.compile(r".+\.failed-\d+")


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Parameters
    ----------
    number : int
    overrides : tuple of str    all that its command line would have: "model.alpha=3"
    directory : str             of its run, below the sweep's
    config : str                digest of its settings
    state : str                 one of STATES
    error : str                 why it is not complete
    exit_code : int             what the same run alone would have ended with
    seconds : float             how long it took
    memory : int                the most that its process had in memory, bytes; 0 where nobody can say
    value : float or None       what it handed to the sweeper
    """

    number: int
    overrides: tuple[str, ...]
    directory: str
    config: str = ""
    state: str = WAITING
    error: str = ""
    exit_code: int = 0
    seconds: float = 0.0
    memory: int = 0
    value: float | None = None


@dataclass
class Ledger:
    """A sweep.

    Parameters
    ----------
    directory : Path
    verb : str
    command : tuple of str    the arguments after the verb
    cwd : str                 where it was started
    code : mapping            digest by package, of all that is installed
    started : str             UTC
    jobs : list of Job        by number
    """

    directory: Path
    verb: str
    command: tuple[str, ...]
    cwd: str
    code: Mapping[str, str]
    started: str
    jobs: list[Job] = field(default_factory=list)

    def add(self, jobs: Iterable[Job]) -> None:
        """Write down jobs that are to be done, before any of them is."""
        self.jobs.extend(jobs)
        self.write()

    def put(self, job: Job) -> None:
        """Write down what became of a job."""
        self.jobs[job.number] = job
        self.write()

    def place(self, job: Job) -> Path:
        """The directory of a job's run."""
        return self.directory / job.directory

    def count(self, *states: str) -> int:
        """How many jobs are in one of these states."""
        return sum(job.state in states for job in self.jobs)

    def write(self) -> None:
        """Put it on the disk.

        Raises
        ------
        StoreError
        """
        told = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "directory"}
        told |= {"jobs": [dataclasses.asdict(job) for job in self.jobs]}
        write_json(self.directory / LEDGER, {"format": FORMAT, **told}, "the sweep's ledger")


def read_ledger(directory: Path) -> Ledger:
    """The ledger of a sweep.

    Raises
    ------
    DataError
        If there is none, it is damaged, or a newer btcframe wrote it.
    """
    path = directory / LEDGER
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        hint = "A sweep's directory is made by -m, and stands in runs/ below the one it was started in."
        raise DataError(f"{directory} is not a sweep: it has no {LEDGER}", hint=hint) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if isinstance(told, dict) and isinstance(told.get("format"), int) and told["format"] > FORMAT:
        raise DataError(
            f"{path} was written by a newer btcframe: its format is {told['format']}, this one reads {FORMAT}",
            next="Go on with it there, or bring this installation up to date.",
        )
    try:
        jobs = [Job(**{**job, "overrides": tuple(job["overrides"])}) for job in told.pop("jobs")]
        del told["format"]
        ledger = Ledger(directory, **{**told, "command": tuple(told["command"])}, jobs=jobs)
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged: it is not the ledger of a sweep ({error})") from error
    if any(job.number != n or job.state not in STATES for n, job in enumerate(jobs)):
        raise DataError(f"{path} is damaged: its jobs are not numbered, or in no known state")
    return ledger


def settled(ledger: Ledger) -> Ledger:
    """The ledger as the runs themselves say: a sweep that was killed had no time to write it down.

    A run that is complete is complete, whatever the ledger says; one that is not, and was not seen to fail, died.
    """

    def of(job: Job) -> Job:
        try:
            status = any_manifest(ledger.place(job))["status"]
        except DataError:
            status = ""
        if status == COMPLETE:
            return replace(job, state=COMPLETE, error="", exit_code=0)
        if job.state in (RUNNING, COMPLETE):
            return replace(job, state=DIED, error="the sweep was killed while it worked")
        return job

    return replace(ledger, jobs=[of(job) for job in ledger.jobs])


def set_aside(place: Path) -> Path | None:
    """Give a run that is to be made again another name, N.failed-1, -2 …; None where there is nothing to keep.

    Raises
    ------
    StoreError
    """
    if not place.exists():
        return None
    n = 1
    while (aside := place.with_name(f"{place.name}.failed-{n}")).exists():
        n += 1
    place.rename(aside)
    return aside


def is_aside(path: Path) -> bool:
    """Whether a directory is a failed run that was made again: it belongs in no list and no ranking."""
    return _ASIDE.fullmatch(path.name) is not None


@contextlib.contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Hold a sweep's directory for this process and the workers that it starts; made where there is none.

    Raises
    ------
    ConfigError
        If another process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"a sweep is at work in {directory}",
                hint="One sweep a directory; a job of one that was killed may need a second to notice.",
                next="Wait until it is done, or leave hydra.sweep.dir alone.",
            ) from None
        yield
    finally:
        os.close(descriptor)


def check_fresh(directory: Path) -> None:
    """Refuse a directory that holds a sweep already.

    Raises
    ------
    ConfigError
    """
    if (directory / LEDGER).exists() or (directory / MANIFEST).exists():
        kind = "sweep" if (directory / LEDGER).exists() else "run"
        raise ConfigError(
            f"{directory} already holds a {kind}",
            where="hydra.sweep.dir",
            hint="A sweep never writes over anything.",
            next=f"Do what is missing of it: {resume_command(directory)}"
            if kind == "sweep"
            else "Leave hydra.sweep.dir alone, or name a new directory.",
        )


def resume_command(directory: Path) -> str:
    """What to type to have the rest of a sweep done."""
    return f"btcframe runs resume {shlex.quote(os.path.relpath(directory))}"


def check_same_code(ledger: Ledger, now: Mapping[str, str]) -> None:
    """Refuse to mix runs of two states of the code in one sweep.

    Raises
    ------
    ConfigError
    """
    differing = sorted(name for name in {*ledger.code, *now} if ledger.code.get(name) != now.get(name))
    if differing:
        raise ConfigError(
            f"the code is not what the sweep was begun with: {', '.join(differing)}",
            where=str(ledger.directory),
            hint="Runs of two versions in one sweep cannot be compared; each manifest says which one made it.",
            next=f"Have the rest done all the same: {resume_command(ledger.directory)} --force",
        )


def check_same_jobs(known: Sequence[Job], asked: Sequence[Job], directory: Path, *, force: bool) -> None:
    """Refuse to go on with jobs that are others than those in the ledger.

    Raises
    ------
    ConfigError
    """
    for old, new in zip(known, asked, strict=False):
        if old.overrides != new.overrides or old.directory != new.directory:
            raise ConfigError(
                f"job {new.number} was {' '.join(old.overrides)}, and would now be {' '.join(new.overrides)}",
                where=str(directory),
                hint="The sweeper does not propose what it did: a sampler without a seed, or a preset that was changed.",
                next="Begin a new sweep.",
            )
        if old.config != new.config and not force:
            raise ConfigError(
                f"the settings of job {new.number} are not what they were: a config file or a default has changed",
                where=str(directory),
                hint="Runs of two configs in one sweep cannot be compared.",
                next=f"Have the rest done all the same: {resume_command(directory)} --force",
            )
