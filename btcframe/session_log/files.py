"""The files of a session log as they are written: block by block, one after another, whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from btcframe.atomic import unwritable
from btcframe.errors import StoreError
from btcframe.session_log.blocks import packer

QUEUED = 64
"""Blocks that wait for the disk at most; then whoever has another one waits, too. A log is never thinned out."""


@dataclass
class Written:
    """What has been written so far.

    Parameters
    ----------
    size : int              bytes on disk
    part : int              the file that is being written, counted from 1
    part_size : int         bytes of it on disk
    acknowledged : int      items that are there whatever becomes of this process
    """

    size: int = 0
    part: int = 0
    part_size: int = 0
    acknowledged: int = 0


class Files(Protocol):
    """Where blocks go, in order."""

    @property
    def written(self) -> Written:
        """What has been written: it goes on by itself, and is for looking at only."""

    def begin(self, path: Path, lines: bytes) -> None:
        """End the file before, and begin another one with these lines."""

    def append(self, lines: bytes, items: int) -> None:
        """Write a block; `items` is how many there are with it, counted from the session's first."""

    def wait(self) -> None:
        """Return when everything has been handed to the operating system, or to the disk."""

    def end(self) -> None:
        """Close the file; nothing can be written any more."""


class Straight:
    """Writes blocks in the thread of whoever has them.

    Parameters
    ----------
    sync : bool         whether to wait for the disk itself after each block, or for the operating system alone
    again : bool        whether what failed may be tried again

    Raises
    ------
    StoreError
        By whatever cannot be written. A block that did not fit is taken back, so the file ends with the one before,
        and a file that could not be begun is not there. Nothing is written after it, but for the same `again`.
    """

    def __init__(self, sync: bool, *, again: bool = False) -> None:
        self._sync, self._again = sync, again
        self._pack = packer().compress
        self._path = Path()
        self._file = -1
        self._failed: StoreError | None = None
        self.written = Written()

    def begin(self, path: Path, lines: bytes) -> None:
        self._check()
        self._close()
        self._path, self.written.part_size = path, 0
        size = self.written.size
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            self._write(self._pack(lines))
            if self._sync:
                _sync_folder(path.parent)
        except OSError as error:
            if self._again and self._file >= 0:
                self._close()
                path.unlink()
                self.written.size = size
            raise self._broken(error) from error
        self.written.part += 1

    def append(self, lines: bytes, items: int) -> None:
        self._check()
        try:
            self._write(self._pack(lines))
        except OSError as error:
            raise self._broken(error) from error
        self.written.acknowledged = items

    def wait(self) -> None:
        self._check()

    def end(self) -> None:
        self._close()

    def _write(self, block: bytes) -> None:
        rest, at = memoryview(block), self.written.part_size
        try:
            while rest:
                written = os.pwrite(self._file, rest, at)
                rest, at = rest[written:], at + written
            if self._sync:
                os.fdatasync(self._file)
        except OSError:
            with contextlib.suppress(
                OSError
            ):  # a file that cannot be shortened ends with a block that is not whole
                os.ftruncate(self._file, self.written.part_size)
            raise
        self.written.size += len(block)
        self.written.part_size = at

    def _check(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _broken(self, error: OSError) -> StoreError:
        failed = unwritable("the session log", self._path, error)
        if not self._again:
            self._failed = failed
        return failed

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Behind:
    """Writes blocks from a thread of its own: whoever has one hands it over in microseconds.

    What fails in the thread is raised by the next call, whichever it is.

    Parameters
    ----------
    files : Straight
    """

    def __init__(self, files: Straight) -> None:
        self._files, self.written = files, files.written
        self._pool = ThreadPoolExecutor(1, "session-log")
        self._waiting: deque[Future[None]] = deque()

    def begin(self, path: Path, lines: bytes) -> None:
        self._hand_over(self._files.begin, path, lines)

    def append(self, lines: bytes, items: int) -> None:
        self._hand_over(self._files.append, lines, items)

    def wait(self) -> None:
        while self._waiting:
            self._waiting.popleft().result()

    def end(self) -> None:
        self._pool.shutdown()
        self._files.end()

    def _hand_over(self, call: Callable[..., None], *given: Any) -> None:
        while self._waiting and (self._waiting[0].done() or len(self._waiting) >= QUEUED):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(call, *given))


class Later:
    """Holds blocks in memory until they are asked for, in whatever thread that is, and as often as it takes.

    So whoever adds to a log never meets the disk, and whoever meets it may try again: `wait` writes what is held, in
    order, and lets go of each block when it is written.

    Parameters
    ----------
    files : Straight    that may be tried again
    """

    def __init__(self, files: Straight) -> None:
        self._files, self.written = files, files.written
        self._held: deque[tuple[Callable[..., None], tuple[Any, ...], int]] = deque()
        self.bytes = 0  # held

    def begin(self, path: Path, lines: bytes) -> None:
        self._hold(self._files.begin, path, lines, size=len(lines))

    def append(self, lines: bytes, items: int) -> None:
        self._hold(self._files.append, lines, items, size=len(lines))

    def wait(self) -> None:
        while self._held:
            call, given, size = self._held[0]
            call(*given)
            self._held.popleft()
            self.bytes -= size

    def end(self) -> None:
        self._files.end()

    def _hold(self, call: Callable[..., None], *given: Any, size: int) -> None:
        self._held.append((call, given, size))
        self.bytes += size


def _sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
