"""One trader per account: locks that are held for the process's life, and say who holds them."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from btcframe.errors import StoreError
from btcframe.venues.real.places import accounts_home


def locks_of(journal: Path) -> tuple[Path, ...]:
    """The locks of a journal's account: with the user, whatever directory the journal lies in, and beside the journal.

    Raises
    ------
    ConfigError
        If the user has no home directory.
    """
    name, home = journal.with_suffix(".lock").name, accounts_home()
    return tuple(folder / name for folder in dict.fromkeys((home.resolve(), journal.parent.resolve())))


@contextmanager
def account_lock(path: Path, session: str) -> Iterator[None]:
    """Hold one of an account's locks; a process that dies lets go of it.

    Raises
    ------
    StoreError
        If another process holds it, or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(
            f"the lock of the account cannot be made: {error.strerror}",
            where=str(path),
            hint="Locks lie with the user, below $XDG_DATA_HOME (~/.local/share), and beside the journal.",
            next="Make both writable; another directory for the journal: venue.journal=…",
        ) from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"the account is traded already, by {_holder(file)}",
                where=str(path),
                hint="Two traders on one account would undo each other's orders.",
                next="Stop the other one, btcframe session status, or trade with the key of another account.",
            ) from None
        os.truncate(file, 0)
        os.pwrite(
            file, json.dumps({"pid": os.getpid(), "dir": str(Path.cwd()), "session": session}).encode(), 0
        )
        yield
    finally:
        os.close(file)


def _holder(file: int) -> str:
    try:
        said = json.loads(os.pread(file, 4096, 0))
        return f"process {said['pid']} in {said['dir']} (session {said['session']})"
    except (ValueError, KeyError, TypeError):
        return "another process"
