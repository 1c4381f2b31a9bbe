"""How a spool stands, as a dashboard, a command or a monitor shows it; any process may look."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from btcframe.spool.frames import Frame, error_of, read_header, scan
from btcframe.spool.segment import DAMAGED, opened, segments, waiting

COUNTERS = "counters.json"

SHOWN = 5
"""Different refusals that are told."""


class Counters(NamedTuple):
    """What files of rows do not tell: rows lost since the spool was made, and how the store behaves."""

    lost: int = 0
    failures: int = 0
    error: str = ""
    restarts: int = 0


class SpoolStatus(NamedTuple):
    """How a spool stands.

    Parameters
    ----------
    path : str
    stores : mapping        rows that wait on disk, by the address of the store they are for
    rows, batches, bytes : int      that wait on disk
    oldest_ns : int         when the oldest of them was put, UTC; 0: none waits
    age_ns : int            how long it has waited
    memory : int            rows that wait in memory, not acknowledged; 0 as other processes see it
    apart, apart_bytes : int        rows that the store refused, and were set apart; with what is damaged, their bytes
    damaged : int           pieces of files that could not be read, set apart as they are
    refusals : tuple of str     why rows were set apart
    lost : int              rows that neither disk nor memory nor store could take, since the spool was made
    failures : int          attempts in a row that the store has not taken
    error : str             what it said last, or the disk; empty once they take rows again
    restarts : int          times that a thread of the spool failed and went on
    """

    path: str
    stores: dict[str, int]
    rows: int = 0
    batches: int = 0
    bytes: int = 0
    oldest_ns: int = 0
    age_ns: int = 0
    memory: int = 0
    apart: int = 0
    apart_bytes: int = 0
    damaged: int = 0
    refusals: tuple[str, ...] = ()
    lost: int = 0
    failures: int = 0
    error: str = ""
    restarts: int = 0


def read_status(path: Path, now_ns: int) -> SpoolStatus:
    """How the spool in a directory stands, whoever uses it; a directory that is not there holds nothing.

    Heads of frames are read, not rows, but of those that were set apart.

    Raises
    ------
    StoreError
        If a segment is of a newer version.
    """
    found = []
    for segment in segments(path):
        with contextlib.suppress(FileNotFoundError):  # drained meanwhile
            found.append(waiting(segment))
    there = [each for each in found if each is not None and each.batches]
    stores: dict[str, int] = {}
    for each in there:
        stores[each.address] = stores.get(each.address, 0) + each.rows
    oldest_ns = min((each.oldest_ns for each in there), default=0)
    folder = path / "apart"
    rows, refusals = _apart(folder)
    return SpoolStatus(
        str(path),
        stores,
        sum(each.rows for each in there),
        sum(each.batches for each in there),
        sum(each.bytes for each in there),
        oldest_ns,
        max(now_ns - oldest_ns, 0) if oldest_ns else 0,
        0,
        rows,
        sum(file.stat().st_size for file in folder.iterdir()) if folder.is_dir() else 0,
        sum(1 for _ in folder.glob(f"*{DAMAGED}")) + found.count(None),
        refusals,
        *read_counters(path),
    )


def _apart(folder: Path) -> tuple[int, tuple[str, ...]]:
    """Rows that were set apart, and why, each reason once."""
    rows = 0
    why: dict[str, None] = {}
    for path in segments(folder):
        with opened(path) as file:
            header = read_header(file, str(path))
            if header is None:
                continue
            for item in scan(file, header.first, os.fstat(file).st_size):
                if isinstance(item, Frame):
                    rows += item.rows
                    why[error_of(item)] = None
    return rows, tuple(why)[:SHOWN]


def read_counters(path: Path) -> Counters:
    """The counters that the owner of a spool left; zeros where it left none, or power failed as it did."""
    try:
        return Counters(**json.loads((path / COUNTERS).read_text()))
    except (FileNotFoundError, json.JSONDecodeError):
        return Counters()


def write_counters(path: Path, counters: Counters) -> None:
    """Keep the counters for others to read."""
    text = json.dumps(counters._asdict())
    temporary = path / f".{COUNTERS}"
    with contextlib.suppress(OSError):  # on a full disk the owner alone knows them, and tells its observers
        temporary.write_text(text)
        temporary.replace(path / COUNTERS)
