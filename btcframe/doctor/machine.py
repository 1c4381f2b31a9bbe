"""The machine: its clock, as its own kernel sees it, and room on its disks."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from btcframe.doctor.caches import megabytes
from btcframe.doctor.finding import Finding, Level

_UNSYNCHRONISED = 0x40
"""STA_UNSYNC of adjtimex(2)."""

LATEST_US = 500_000
"""Microseconds by which a clock may be off, as its own kernel estimates it."""

LEAST, LITTLE = 1_000_000_000, 10_000_000_000
"""Bytes of room below which a session cannot go on for long, and below which somebody should know."""

_SYNCHRONISE = (
    "Let NTP set it: systemctl enable --now systemd-timesyncd, or chrony. In a container: on its host"
)


class Clock(NamedTuple):
    """What the kernel says of its clock: whether somebody disciplines it, and the most it may be off by, µs."""

    synchronised: bool
    most_us: int


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2)."""

    _fields_: ClassVar[Any] = [
        ("modes", ctypes.c_uint),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        *((name, ctypes.c_long) for name in ("constant", "precision", "tolerance", "sec", "usec", "tick")),
        *((name, ctypes.c_long) for name in ("ppsfreq", "jitter")),
        ("shift", ctypes.c_int),
        *((name, ctypes.c_long) for name in ("stabil", "jitcnt", "calcnt", "errcnt", "stbcnt")),
        ("tai", ctypes.c_int),
        ("padding", ctypes.c_int * 11),
    ]


def kernel_clock() -> Clock:
    """What the kernel says; asks, and changes nothing.

    Raises
    ------
    OSError
        If the system does not tell.
    """
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except AttributeError as error:
        raise OSError("this system does not tell") from error
    said = _Timex()
    if adjtimex(ctypes.byref(said)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return Clock(not said.status & _UNSYNCHRONISED, said.maxerror)


def clock(read: Callable[[], Clock] = kernel_clock) -> Iterator[Finding]:
    """Whether somebody keeps the clock right."""
    try:
        found = read()
    except OSError as error:
        yield Finding("clock", Level.SKIPPED, f"whether it is set by NTP cannot be seen: {error}")
        return
    most = f"{found.most_us / 1e3:,.0f} ms"
    if not found.synchronised:
        yield Finding("clock", Level.WARN, "nobody sets this machine's clock: it drifts", _SYNCHRONISE)
    elif found.most_us > LATEST_US:
        yield Finding("clock", Level.WARN, f"it is set by NTP, and may be off by {most}", _SYNCHRONISE)
    else:
        yield Finding("clock", Level.OK, f"it is set by NTP, and is off by {most} at most")


def disks(places: Mapping[str, Path], usage: Callable[[Path], Any] = shutil.disk_usage) -> Iterator[Finding]:
    """Whether what must be written can be, and how much room there is; disks that several places share count once.

    Parameters
    ----------
    places : mapping    directories by what they are for; they need not be there yet
    usage : callable    total, used and free bytes
    """
    on: dict[int, list[tuple[str, Path]]] = {}
    for name, place in places.items():
        there = next(path for path in (place.absolute(), *place.absolute().parents) if path.exists())
        if not there.is_dir() or not _writable(there):
            yield Finding(
                "disk",
                Level.FAIL,
                f"{name} cannot be written: {place}",
                f"Get the right to write there, or choose another place: {name}=…",
            )
            continue
        on.setdefault(there.stat().st_dev, []).append((name, there))
    for shared in on.values():
        yield _room([name for name, _ in shared], usage(shared[0][1]))


def _room(names: Iterable[str], used: Any) -> Finding:
    said = f"{megabytes(used.free)} of {megabytes(used.total)} free for {', '.join(names)}"
    if used.free < LEAST:
        return Finding(
            "disk", Level.FAIL, said, "Make room: a session needs it for its log before it may trade."
        )
    if used.free < LITTLE:
        return Finding("disk", Level.WARN, said, "Make room soon: a day of a busy market is some GB.")
    return Finding("disk", Level.OK, said)


def _writable(folder: Path) -> bool:
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True
