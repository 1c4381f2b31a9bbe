"""What a look at one thing came to."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How well it stands."""

    OK = "ok"
    WARN = "warn"  # it works, and somebody should look at it
    FAIL = "fail"  # something will not work: nobody trades real money with it
    SKIPPED = "skipped"  # it could not be looked at, or nothing asks for it


class Finding(NamedTuple):
    """One thing that was looked at.

    Parameters
    ----------
    name : str      what it is: clock, disk, store, …; several findings may be of one thing
    level : Level
    said : str      how it stands, one sentence, nothing secret
    do : str        what to do about it; empty where nothing is to be done
    """

    name: str
    level: Level
    said: str
    do: str = ""


def failed(findings: Iterable[Finding]) -> list[Finding]:
    """Those that fail."""
    return [finding for finding in findings if finding.level is Level.FAIL]
