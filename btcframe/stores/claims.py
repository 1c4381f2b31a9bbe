"""The right to make a build: one process at a time on this machine."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

from btcframe.errors import StoreError


@contextlib.contextmanager
def claimed(directory: Path, build: str, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the right to build; wait while another process on this machine has it, after calling `waiting`.

    The lock is the kernel's and goes with the process: a crash leaves nothing behind.

    Raises
    ------
    StoreError
        If the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / f"{build}.lock").open("w")
    except OSError as error:
        raise StoreError(
            f"the directory of the embedded store cannot be written: {error}",
            where=str(directory),
            next="Choose another: store.path=…",
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
