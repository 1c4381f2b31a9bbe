"""Which process it is, beyond any doubt: a number alone is given to another one as soon as the first has ended."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from btcframe.errors import SessionError

_STARTED = 19
"""Place of the start time among the fields of /proc/PID/stat that follow the command's name (proc(5): field 22)."""


class Process(NamedTuple):
    """A process of this machine or of another.

    Parameters
    ----------
    pid : int
    started : int       when it started, clock ticks since the machine did
    boot : str          this start of the machine, a random id
    space : str         the space of numbers that pid is one of: a container has its own
    """

    pid: int
    started: int
    boot: str
    space: str

    @property
    def reachable(self) -> bool:
        """Whether a number here means what it means there: the same machine, not started anew, the same container."""
        return (self.boot, self.space) == (_boot(), _space())

    @property
    def alive(self) -> bool:
        """Whether it runs, as far as it can be seen from here; one that has ended and was not waited for does not."""
        return self.reachable and _started(self.pid) == self.started

    def end(self, seconds: float) -> None:
        """Kill it, and wait until it has ended; harmless where it has already.

        Raises
        ------
        SessionError
            If it may not be killed from here, or does not end in time.
        """
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if not self.alive:  # asked after the handle was got, which stays that of one process
                return
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            if not poll.poll(seconds * 1000):
                raise SessionError(
                    f"process {self.pid} was killed and has not ended within {seconds:g} s",
                    hint="The system does not let it go: it waits for a disk or a device.",
                )
        except PermissionError as error:
            raise SessionError(
                f"process {self.pid} is another user's: it cannot be ended from here",
                next="Do the same as that user, or as root.",
            ) from error
        finally:
            os.close(handle)


def this_process() -> Process:
    """The one that asks."""
    started = _started(os.getpid())
    assert started is not None  # it runs
    return Process(os.getpid(), started, _boot(), _space())


def process_of(told: Mapping[str, Any]) -> Process:
    """From what `_asdict` made of one. Raises KeyError or TypeError where it is something else."""
    return Process(int(told["pid"]), int(told["started"]), str(told["boot"]), str(told["space"]))


def _started(pid: int) -> int | None:
    """When a process started; None where there is none, or it has ended and nobody has waited for it yet."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name may hold anything, spaces and brackets too
    return None if fields[0] in "ZX" else int(fields[_STARTED])


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _space() -> str:
    return str(Path("/proc/self/ns/pid").readlink())
