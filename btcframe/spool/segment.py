"""Segments as files: made, found, counted, cut where a crash left half a frame, and the lock on their directory."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from btcframe.errors import StoreError
from btcframe.spool.frames import Damage, Frame, header, read_header, scan

SUFFIX, DAMAGED = ".spool", ".damaged"


@dataclass
class Waiting:
    """What waits in a segment: rows, frames and their bytes, when the oldest was put, and where they begin."""

    address: str
    first: int
    drained: int
    rows: int = 0
    batches: int = 0
    bytes: int = 0
    oldest_ns: int = 0

    def add(self, rows: int, size: int, ns: int) -> None:
        """One more frame."""
        self.oldest_ns = self.oldest_ns if self.batches else ns
        self.rows, self.batches, self.bytes = self.rows + rows, self.batches + 1, self.bytes + size


@contextlib.contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    """A descriptor, closed at the end."""
    file = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield file
    finally:
        os.close(file)


def unwritable(path: Path, error: OSError) -> StoreError:
    """The error for a spool whose files cannot be written or read."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return StoreError(
        f"the spool cannot be used: {error.strerror or error}",
        where=str(error.filename or path),
        hint="Free some space." if full else "It is a directory of this machine that you may write to.",
        next="Put it right, or choose another place: spool.path=…",
    )


class SegmentWriter:
    """A new segment that frames are appended to. What could not be appended whole is taken back.

    Parameters
    ----------
    path : Path
    address : str       the store that its rows are for
    """

    def __init__(self, path: Path, address: str) -> None:
        self.path, self.address, self.size = path, address, 0
        self._named = False  # whether the disk has its name
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            self.append(header(address))
        except OSError:
            self.close()
            path.unlink()
            raise

    def append(self, data: bytes) -> None:
        """Hand it to the operating system. Raises OSError."""
        rest, at = memoryview(data), self.size
        try:
            while rest:
                written = os.pwrite(self._file, rest, at)
                rest, at = rest[written:], at + written
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size = at

    def sync(self) -> None:
        """Wait until the disk has it, under its name. Raises OSError."""
        os.fsync(self._file)
        if not self._named:
            sync_folder(self.path.parent)
            self._named = True

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._file)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    with opened(folder, os.O_DIRECTORY) as file:
        os.fsync(file)


def segments(folder: Path) -> list[Path]:
    """The segments in a folder, the oldest first."""
    return sorted(folder.glob(f"[0-9]*{SUFFIX}"))


def segment_name(ns: int) -> str:
    """The name of a segment that was begun then; processes do not share names."""
    return f"{ns:020d}-{os.getpid()}{SUFFIX}"


def waiting(path: Path) -> Waiting | None:
    """What waits in a segment, or None if its header is damaged; bodies are not read.

    Raises
    ------
    StoreError
        If it is of a newer version.
    """
    with opened(path) as file:
        found = read_header(file, str(path))
        if found is None:
            return None
        there = Waiting(*found)
        for item in scan(file, found.drained, os.fstat(file).st_size, bodies=False):
            if isinstance(item, Frame):
                there.add(item.rows, item.end - item.start, item.ns)
    return there


def locked(path: Path) -> int:
    """The right to drain a spool: a descriptor that holds it. It goes with the process.

    Raises
    ------
    StoreError
        If another process has it.
    """
    file = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        who = os.pread(file, 20, 0).decode(errors="replace").strip()
        os.close(file)
        raise StoreError(
            f"process {who} uses this spool",
            where=str(path),
            hint="A spool has one session at a time, which drains it as well.",
            next="Wait for it, or give this one a place of its own: spool.path=…",
        ) from None
    os.ftruncate(file, 0)
    with contextlib.suppress(
        OSError
    ):  # the number is for a message; on a full disk the lock holds without it
        os.pwrite(file, str(os.getpid()).encode(), 0)
    return file


def cut(path: Path) -> int:
    """Cut off what a crash left of a last frame, which was never acknowledged; how many bytes that was."""
    with opened(path, os.O_RDWR) as file:
        found = read_header(file, str(path))
        if found is None:
            return 0
        size = os.fstat(file).st_size
        for item in scan(file, found.drained, size, bodies=False):
            if isinstance(item, Damage) and item.torn:
                os.ftruncate(file, item.start)
                return size - item.start
    return 0
