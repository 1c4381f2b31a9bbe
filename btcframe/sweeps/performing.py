"""The jobs of a sweep done, wherever they work, and every step of it written down."""

from __future__ import annotations

import contextlib
import json
import logging
import math
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from btcframe.errors import ConfigError, StoreError, did_you_mean
from btcframe.run import MANIFEST
from btcframe.sweeps.ledger import (
    COMPLETE,
    DIED,
    FAILED,
    INTERRUPTED,
    RUNNING,
    Job,
    Ledger,
    resume_command,
    set_aside,
)
from btcframe.sweeps.workers import Ended, Task

OUTPUT = "output.txt"
"""What a job printed, beside its run."""

_log = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """What a job's call gives.

    Parameters
    ----------
    error : str         why the run is not whole; "" where it is
    exit_code : int     what it alone would have ended with
    """

    error: str
    exit_code: int


class Pool(Protocol):
    """Where jobs work: in this process, in others of this machine, on a cluster."""

    def __call__(self, tasks: Iterable[Task], begun: Callable[[int], None]) -> Generator[Ended]:
        """Do tasks, tell the number of each that begins, and give each when it has ended."""


def perform(
    ledger: Ledger, todo: list[Job], pool: Pool, call: Callable[[Job], Callable[[], Outcome]], path: str
) -> None:
    """Do jobs of a ledger.

    Parameters
    ----------
    ledger : Ledger
    todo : list of Job    of it
    pool : Pool
    call : callable       gives what does a job
    path : str            of the number in a run's manifest that is handed to the sweeper; "": none is

    Raises
    ------
    ConfigError
        If a run's manifest has no such number.
    StoreError
        If the ledger cannot be written: what is at work is interrupted, and nothing is lost.
    """

    def begun(number: int) -> None:
        job = replace(ledger.jobs[number], state=RUNNING, error="", exit_code=0)
        set_aside(ledger.place(job))
        ledger.put(job)
        _log.info(f"#{number} begins: {' '.join(job.overrides)}")

    left = {job.number for job in todo}
    tasks = (Task(job.number, call(job), ledger.place(job) / OUTPUT) for job in todo)
    try:
        with contextlib.closing(pool(tasks, begun)) as done:
            for ended in done:
                job = _became(ledger.jobs[ended.number], ended)
                ledger.put(job)
                left.discard(job.number)
                _tell(job, len(ledger.jobs) - len(left), len(ledger.jobs))
                if job.state == COMPLETE and path:
                    ledger.put(replace(job, value=objective(ledger.place(job), path)))
    except BaseException:
        _interrupted(ledger)
        raise


def _interrupted(ledger: Ledger) -> None:
    """Write down as well as can be what was at work: the disk may be what failed, and runs speak for themselves."""
    ledger.jobs = [
        replace(job, state=INTERRUPTED, error="interrupted") if job.state == RUNNING else job
        for job in ledger.jobs
    ]
    with contextlib.suppress(StoreError):
        ledger.write()
    _log.warning(
        f"The sweep ends early: {ledger.count(COMPLETE)} of {len(ledger.jobs)} jobs are complete, and stay so. "
        f"The others: {resume_command(ledger.directory)}"
    )


def _became(job: Job, ended: Ended) -> Job:
    job = replace(job, seconds=round(ended.seconds, 3), memory=ended.memory)
    if ended.died:
        return replace(job, state=DIED, error=ended.died, exit_code=1)
    outcome: Outcome = ended.value
    if outcome.error:
        return replace(job, state=FAILED, error=outcome.error, exit_code=outcome.exit_code)
    return replace(job, state=COMPLETE)


def _tell(job: Job, done: int, of: int) -> None:
    why = f": {job.error.splitlines()[0]}" if job.error else ""
    _log.info(f"#{job.number} {job.state} after {job.seconds:.1f} s ({done} of {of}){why}")


def objective(place: Path, path: str) -> float | None:
    """The number in a run's manifest that a path names, e.g. results.train.metrics.0.ic.value.

    None where the path is "", and where the run could not tell it: it is null, or no finite number.

    Raises
    ------
    ConfigError
        If the path names nothing, or something that is no number.
    """
    if not path:
        return None
    value: Any = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
    passed: list[str] = []
    for part in path.split("."):
        options = _below(value)
        if part not in options:
            prefix = "".join(f"{name}." for name in passed)
            raise ConfigError(
                f"sweep.objective={path}: the run has no {prefix}{part}",
                hint=did_you_mean(part, options, prefix),
                next=f"All that a run tells: {place / MANIFEST}",
            )
        value = options[part]
        passed.append(part)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(
            f"sweep.objective={path}: it is no number",
            hint=did_you_mean(path.rpartition(".")[2], _below(value), f"{path}."),
        )
    return float(value) if math.isfinite(value) else None


def _below(value: Any) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {str(n): item for n, item in enumerate(value)}
    return {}
