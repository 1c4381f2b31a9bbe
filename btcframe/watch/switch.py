"""The kill switch of a session: files in its directory, which anybody may write who may write there.

``halt.json`` halts: it stands until somebody resumes, so a session that is restarted from there begins halted.
``flatten.json`` closes the position besides; ``resume.json`` resumes: these are taken once. The file itself is the command
and its contents say who and why, so that `touch halt.json` does in an emergency. Where a halt stands, nothing is resumed.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import platform
import time
from pathlib import Path
from typing import Any, NamedTuple

from btcframe.atomic import replacing
from btcframe.errors import StoreError

HALT, FLATTEN, RESUME = "halt", "flatten", "resume"


class Request(NamedTuple):
    """What was asked of a session.

    Parameters
    ----------
    name : str      halt, flatten or resume
    who : str       user, machine and process
    why : str
    ns : int        when, UTC
    """

    name: str
    who: str
    why: str
    ns: int

    @property
    def cause(self) -> str:
        """In words."""
        return f"asked by {self.who}{f': {self.why}' if self.why else ''}"


def ask(directory: Path, name: str, why: str = "", *, now_ns: int | None = None) -> Request:
    """Halt, flatten or resume the session of a directory; the next one that starts from there begins halted, or not.

    Raises
    ------
    StoreError
        If the directory cannot be written.
    """
    who = f"{getpass.getuser()}@{platform.node()} (process {os.getpid()})"
    request = Request(name, who, why, time.time_ns() if now_ns is None else now_ns)
    # what flattens halts, too, and the halt first: one that came after it would hold it up
    for part in (HALT, FLATTEN) if name == FLATTEN else (name,):
        try:
            with replacing(_file(directory, part), f"the request to {name}") as temporary:
                temporary.write_text(
                    f"{json.dumps(request._asdict(), ensure_ascii=False)}\n", encoding="utf-8"
                )
        except StoreError:
            if part == RESUME or not _touched(_file(directory, part)):
                raise
    # the others after this: at no moment does none stand
    for other in {HALT: (RESUME, FLATTEN), FLATTEN: (RESUME,), RESUME: (HALT, FLATTEN)}[name]:
        _file(directory, other).unlink(missing_ok=True)
    return request


def standing(directory: Path) -> Request | None:
    """The halt that nobody has lifted."""
    return _read(directory, HALT)


class Switch:
    """The session's side: what was asked since it was looked at last.

    Parameters
    ----------
    directory : Path
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: tuple[int, int] | None = None  # which halt.json was told

    def asked(self) -> Request | None:
        """What is new; a look at three names in a directory. Requests to flatten and to resume are taken away."""
        flatten = _read(self._directory, FLATTEN)  # first: the halt that belongs to it was there before
        halt = _stamp(_file(self._directory, HALT))
        if flatten is not None:
            _file(self._directory, FLATTEN).unlink(missing_ok=True)
            self._seen = halt  # told of by itself it would leave the position
            return flatten
        if halt is not None:
            if halt == self._seen:
                return None
            self._seen = halt
            return _read(self._directory, HALT)
        self._seen = None
        request = _read(self._directory, RESUME)
        if request is not None:
            _file(self._directory, RESUME).unlink(missing_ok=True)
        return request


def _file(directory: Path, name: str) -> Path:
    return directory / f"{name}.json"


def _touched(path: Path) -> bool:
    """Whether an empty file could be put there: a full disk often has room for a name."""
    try:
        path.touch()
    except OSError:
        return False
    return True


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def _read(directory: Path, name: str) -> Request | None:
    path = _file(directory, name)
    try:
        text, ns = path.read_text(encoding="utf-8", errors="replace"), path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
    except OSError:  # it is there, and that is what counts
        text, ns = "", 0
    told: dict[str, Any] = {}
    with contextlib.suppress(ValueError):  # written by hand: what counts is that it is there
        read = json.loads(text)
        told = read if isinstance(read, dict) else {}
    return Request(name, str(told.get("who", f"hand ({path.name})")), str(told.get("why", "")), ns)
