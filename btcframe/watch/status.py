"""`status.json`: how a session stands, written beside it every second, read by whoever wants to know.

Only the standard library: `btcframe session status` and `halt` are to work at once, and on a machine in trouble.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btcframe.errors import DataError, SessionError
from btcframe.watch.processes import Process, process_of

STATUS = "status.json"

VERSION = 1

RUNNING = ("running", "stuck")
"""Conditions of a session whose process is there."""

_SAID_AGAIN = (("halted", "halt"), ("reducing", "reduce"))

STUCK_NS = 5_000_000_000
"""A session that has neither consumed anything nor written its status for so long is stuck: a live feed beats more often."""


@dataclass(frozen=True)
class Status:
    """How a session stands, as somebody else sees it.

    Parameters
    ----------
    directory : Path
    told : mapping      the file's contents, see docs/sessions.md
    process : Process
    alive : bool        whether its process runs
    age_ns : int        how long ago it was written; 0 where that cannot be known from here
    """

    directory: Path
    told: Mapping[str, Any]
    process: Process
    alive: bool
    age_ns: int

    @property
    def started_ns(self) -> int:
        """When the session began, UTC."""
        return int(self.told["started_ns"])

    @property
    def state(self) -> str:
        """Of the trader: active, reducing or halted; starting before its first batch."""
        return str(self.told["signals"]["state"]) if self.told["signals"] else "starting"

    @property
    def silent_ns(self) -> int:
        """How long the trader has consumed nothing, until now."""
        signals = self.told["signals"]
        return self.age_ns + (int(signals["idle_ns"]) if signals else 0)

    @property
    def condition(self) -> str:
        """running; stuck: its process runs and does nothing; died: it has gone without a word; ended, failed: with one;
        elsewhere: on another machine or in another container, as far as can be seen.
        """
        ended = str(self.told["status"])
        if ended != "running":
            return ended
        if not self.process.reachable:
            return "elsewhere"
        if not self.alive:
            return "died"
        return "stuck" if max(self.age_ns, self.silent_ns) > STUCK_NS else "running"

    def plain(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return {
            "directory": str(self.directory),
            "condition": self.condition,
            "state": self.state,
            "alive": self.alive,
            "written_age_ns": self.age_ns,
            **self.told,
        }


def stands(state: str, cause: str) -> str:
    """A trader's state, in small letters or capitals, and why; a code that only says the state again is left out."""
    code, _, rest = cause.partition(": ")
    why = rest if (state.lower(), code) in _SAID_AGAIN else cause
    return f"{state}: {why}" if why else state


def write_status(directory: Path, told: Mapping[str, Any]) -> None:
    """Put a status in place of the one before; never half of it. Raises OSError where that cannot be written."""
    temporary = directory / f".{STATUS}"
    temporary.write_text(json.dumps({"version": VERSION, **told}, ensure_ascii=False), encoding="utf-8")
    temporary.replace(directory / STATUS)


def read_status(directory: Path) -> Status:
    """How the session of a directory stands.

    Raises
    ------
    SessionError
        If there was never one.
    DataError
        If the file is something else.
    """
    path = directory / STATUS
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise SessionError(
            f"{directory} is not the directory of a session: it has no {STATUS}",
            hint=_sessions_known(find(Path())),
            next="Start one: btcframe trade source=bybit source.endpoint=local venue=sim",
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    try:
        if told["version"] != VERSION:
            raise DataError(
                f"{path} is of version {told['version']}, this btcframe reads {VERSION}",
                next="Look at it with the btcframe that runs the session.",
            )
        process = process_of(told["process"])
        status = Status(directory, told, process, process.alive, _age(told, process))
        status.plain()  # everything is there
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not the status of a session: {error!r}") from error
    return status


def find(root: Path) -> list[Status]:
    """The sessions below `root`/runs, the newest first; what cannot be read is none."""
    found = []
    for pattern in (f"runs/*/{STATUS}", f"runs/*/*/{STATUS}"):
        for path in root.glob(pattern):
            try:
                found.append(read_status(path.parent))
            except (SessionError, DataError):
                continue
    return sorted(found, key=lambda status: status.started_ns, reverse=True)


def running(root: Path) -> list[Status]:
    """The sessions whose processes run, the newest first: one at least.

    Raises
    ------
    SessionError
        If none runs.
    """
    found = find(root)
    if alive := [status for status in found if status.alive]:
        return alive
    raise SessionError(
        "no session runs here",
        where=str((root / "runs").absolute()),
        hint=_sessions_known(found),
        next="Name its directory: btcframe session status DIR",
    )


def _sessions_known(found: Iterable[Status]) -> str:
    """A hint: the newest session that there is."""
    for status in found:
        return f"The newest session here is {status.directory} ({status.condition})."
    return "Sessions stand in runs/ below the directory they were started in."


def _age(told: Mapping[str, Any], process: Process) -> int:
    """Since it was written, by the clock that is never stepped; the two agree on it only on one machine."""
    return max(time.monotonic_ns() - int(told["written_mono_ns"]), 0) if process.reachable else 0
